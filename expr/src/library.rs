//! The library inside the binary: the files of `lib/`, seen by the language below a folder that
//! exists nowhere else. `<clutch>` is its `clutch.nix`.

use std::path::{Path, PathBuf};

use crate::host::FileType;

/// The folder that the library seems to be in.
pub const ROOT: &str = "/__clutch__";

/// What `<clutch>` stands for.
pub const ENTRY: &str = "/__clutch__/clutch.nix";

/// What makes a set like that of `derivation` of an imported one.
pub(crate) const IMPORTED: &str = "/__clutch__/nix/imported.nix";

/// Every file, by its path below `lib/`, sorted.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/library_files.rs"));

/// The path below the library's folder; `None` for a path outside.
fn inside(path: &Path) -> Option<&Path> {
    path.strip_prefix(ROOT).ok()
}

/// Whether a path is in the library's folder.
#[must_use]
pub fn contains(path: &Path) -> bool {
    inside(path).is_some()
}

/// The bytes of a file of the library.
#[must_use]
pub fn read(path: &Path) -> Option<&'static [u8]> {
    let name = inside(path)?;
    FILES.iter().find(|(file, _)| Path::new(file) == name).map(|(_, bytes)| *bytes)
}

/// What is at a path of the library.
#[must_use]
pub fn file_type(path: &Path) -> Option<FileType> {
    if read(path).is_some() {
        return Some(FileType::Regular);
    }
    let name = inside(path)?;
    FILES.iter().any(|(file, _)| Path::new(file).starts_with(name)).then_some(FileType::Directory)
}

/// The entries of a folder of the library.
#[must_use]
pub fn entries(path: &Path) -> Option<Vec<(PathBuf, FileType)>> {
    let folder = inside(path)?;
    let mut found: Vec<(PathBuf, FileType)> = FILES
        .iter()
        .filter_map(|(file, _)| {
            let mut below = Path::new(file).strip_prefix(folder).ok()?.components();
            let name = PathBuf::from(below.next()?.as_os_str());
            let kind = if below.next().is_some() { FileType::Directory } else { FileType::Regular };
            Some((name, kind))
        })
        .collect();
    found.dedup();
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_there_and_nothing_outside_is() {
        assert!(read(Path::new(ENTRY)).is_some());
        assert_eq!(file_type(Path::new(ROOT)), Some(FileType::Directory));
        assert_eq!(file_type(Path::new("/__clutch__/no such file")), None);
        assert!(!contains(Path::new("/__clutch__x/clutch.nix")));
        let names = entries(Path::new(ROOT)).unwrap();
        assert!(names.contains(&(PathBuf::from("clutch.nix"), FileType::Regular)));
    }
}
