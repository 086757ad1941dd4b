//! Lists the files of `expr/lib/`, so that the library is part of the binary.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in folder.read_dir().expect("expr/lib is a readable folder") {
        let path = entry.expect("expr/lib is a readable folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
}

fn main() {
    let variable = |name| PathBuf::from(std::env::var_os(name).expect("cargo sets it"));
    let lib = variable("CARGO_MANIFEST_DIR").join("expr/lib");
    let mut files = Vec::new();
    collect(&lib, &mut files);
    files.sort();
    let mut list = "&[\n".to_owned();
    for file in files {
        let name = file.strip_prefix(&lib).expect("it is below expr/lib");
        writeln!(list, "({name:?}, include_bytes!({file:?})),").expect("writing to a string");
    }
    list.push(']');
    let out = variable("OUT_DIR").join("library_files.rs");
    #[allow(clippy::disallowed_methods, reason = "a build script has no fs-err")]
    std::fs::write(out, list).expect("OUT_DIR is writable");
}
