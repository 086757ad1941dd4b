//! The files of an interpreter's prefix: which of Debian's are kept, and the changes that complete an
//! installation.

use std::path::Path;

use fs_err::{self as fs, os::unix::fs::symlink};

use crate::build::task::TaskError;

/// Tells pip and its kin not to install here (PEP 668).
const EXTERNALLY_MANAGED: &str = "\
[externally-managed]
Error=This interpreter is in a store, which never changes.
 Add the package to the lock of an environment, or make a virtual
 environment with `python -m venv` and install it there.
";

/// True if a place in the prefix belongs to the interpreter. Left out are Debian's additions, the
/// tests, modules that need Tk, and files that only serve to embed the interpreter in another
/// program.
pub(super) fn is_wanted(place: &str, minor: u32) -> bool {
    let name = format!("python3.{minor}");
    if let Some(program) = place.strip_prefix("bin/") {
        // the shell of `os.system` and `subprocess`
        return program == name || matches!(program, "sh" | "dash");
    }
    let Some(rest) = place.strip_prefix(&format!("lib/{name}/")) else {
        // static and development libraries
        return !(place.starts_with("lib/pkgconfig/")
            || place.starts_with("lib/libpython")
            || place.ends_with(".a"));
    };
    let first = rest.split('/').next().unwrap_or_default();
    match first {
        "EXTERNALLY-MANAGED" | "_distutils_system_mod.py" | "sitecustomize.py" => false,
        "idlelib" | "test" | "tkinter" | "turtledemo" => false,
        "lib-dynload" => {
            let module = rest.strip_prefix("lib-dynload/").unwrap_or_default();
            !["_ctypes_test", "_test", "_xxtest", "xx"].iter().any(|p| module.starts_with(p))
        }
        // holds the Makefile of Debian's build and static libraries
        _ => !(first.starts_with("config-") || rest.split('/').any(|part| part == "__pycache__")),
    }
}

/// Adds the files of an installation of CPython that Debian's packages lack or have elsewhere.
pub(super) fn complete(prefix: &Path, minor: u32) -> Result<(), TaskError> {
    let name = format!("python3.{minor}");
    for (link, needed) in [("python3", "bin"), ("python", "bin")] {
        symlink(&name, prefix.join(needed).join(link))?;
    }
    let library = prefix.join("lib").join(&name);
    if !library.join("os.py").is_file() {
        return Err(TaskError::Failed(format!(
            "the packages do not contain the standard library: 'lib/{name}/os.py' is missing"
        )));
    }
    fs::create_dir_all(library.join("site-packages"))?;
    fs::write(
        library.join("site-packages/README.txt"),
        "Nothing is installed here: an environment has a site-packages folder of its own.\n",
    )?;
    fs::write(library.join("EXTERNALLY-MANAGED"), EXTERNALLY_MANAGED)?;

    // Debian's pyconfig.h includes the one of the machine's architecture
    let multiarch = prefix.join("include/x86_64-linux-gnu");
    let header = multiarch.join(&name).join("pyconfig.h");
    if header.is_file() {
        fs::rename(header, prefix.join("include").join(&name).join("pyconfig.h"))?;
        crate::files::remove_tree(&multiarch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_interpreter_is_wanted() {
        for place in [
            "bin/python3.11",
            "bin/sh",
            "lib/python3.11/os.py",
            "lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so",
            "lib/python3.11/configparser.py",
            "lib/python3.11/unittest/case.py",
            "lib/libc.so.6",
            "share/zoneinfo/Europe/Berlin",
            "include/python3.11/Python.h",
        ] {
            assert!(is_wanted(place, 11), "{place}");
        }
        for place in [
            "bin/pdb3.11",
            "bin/x86_64-linux-gnu-python3.11-config",
            "lib/python3.11/EXTERNALLY-MANAGED",
            "lib/python3.11/test/support/__init__.py",
            "lib/python3.11/lib-dynload/_testcapi.cpython-311-x86_64-linux-gnu.so",
            "lib/python3.11/config-3.11-x86_64-linux-gnu/libpython3.11.a",
            "lib/python3.11/json/__pycache__/x.pyc",
            "lib/libpython3.11.so",
        ] {
            assert!(!is_wanted(place, 11), "{place}");
        }
    }
}
