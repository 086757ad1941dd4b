//! The library of a host: files of the language inside its program, and functions of the host that only
//! these files can call. The language sees the files in a virtual folder.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::Builtin;
use crate::{
    host::FileType,
    path::{self, as_path},
    source::{Origin, Source},
};

/// The virtual folder of the files.
const ROOT: &str = "/__clutch__";

/// The files and functions of a host.
pub struct Library {
    /// The files, by their paths below that folder.
    pub files: &'static [(&'static str, &'static [u8])],
    /// Search path entries for the library, as `(prefix, folder below ROOT)`. The user's entry with the same
    /// prefix takes precedence.
    pub entries: &'static [(&'static str, &'static str)],
    /// The functions. In every file of the library, and nowhere else, they are attributes of the variable
    /// `host`. Each is a pure function of its arguments and of the files that it reads through the
    /// [`Host`](crate::host::Host).
    pub functions: &'static [Builtin],
}

/// True if a path is in the library's folder.
pub(crate) fn contains(path: &Path) -> bool {
    path.starts_with(ROOT)
}

/// True if a text is a file of the library.
pub(crate) fn is_source(source: &Source) -> bool {
    matches!(&source.origin, Origin::File(path) if contains(Path::new(OsStr::from_bytes(path))))
}

impl std::fmt::Debug for Library {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Library").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl Library {
    /// No files, no functions.
    pub const NONE: Self = Self { files: &[], entries: &[], functions: &[] };

    /// The bytes of a file.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<&'static [u8]> {
        let name = path.strip_prefix(ROOT).ok()?;
        self.files.iter().find(|(file, _)| Path::new(file) == name).map(|(_, bytes)| *bytes)
    }

    /// The type of the file at a path.
    #[must_use]
    pub fn file_type(&self, path: &Path) -> Option<FileType> {
        if self.read(path).is_some() {
            return Some(FileType::Regular);
        }
        let name = path.strip_prefix(ROOT).ok()?;
        let is_folder = self.files.iter().any(|(file, _)| Path::new(file).starts_with(name));
        is_folder.then_some(FileType::Directory)
    }

    /// The entries of a folder.
    #[must_use]
    pub fn read_dir(&self, path: &Path) -> Option<Vec<(PathBuf, FileType)>> {
        let folder = path.strip_prefix(ROOT).ok()?;
        let mut found: Vec<(PathBuf, FileType)> = self
            .files
            .iter()
            .filter_map(|(file, _)| {
                let mut below = Path::new(file).strip_prefix(folder).ok()?.components();
                let name = PathBuf::from(below.next()?.as_os_str());
                let is_folder = below.next().is_some();
                Some((name, if is_folder { FileType::Directory } else { FileType::Regular }))
            })
            .collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found.dedup();
        (!found.is_empty()).then_some(found)
    }

    /// The path of `<name>`: a file of the library, or a folder with a `default.nix`.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.entries.iter().find_map(|(prefix, folder)| {
            let rest = path::below(prefix.as_bytes(), name)?;
            let parts = [ROOT.as_bytes(), folder.as_bytes(), rest];
            let found = path::canonical(&parts.join(&b'/'));
            let file = as_path(&found);
            let default = file.join("default.nix");
            (self.read(file).is_some() || self.read(&default).is_some()).then_some(found.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: Library = Library {
        files: &[("default.nix", b"1"), ("a/x.nix", b"2"), ("a/y/z.nix", b"3")],
        entries: &[("lib", ""), ("a", "a")],
        functions: &[],
    };

    #[test]
    fn its_files_are_there_and_nothing_outside_is() {
        let at = |path: &str| LIBRARY.file_type(&Path::new(ROOT).join(path));
        assert_eq!(LIBRARY.read(Path::new("/__clutch__/a/x.nix")), Some(&b"2"[..]));
        assert_eq!(at(""), Some(FileType::Directory));
        assert_eq!(at("a/y"), Some(FileType::Directory));
        assert_eq!((at("b"), at("a/x")), (None, None));
        assert!(!contains(Path::new("/__clutch__x/default.nix")));
        let names = LIBRARY.read_dir(Path::new("/__clutch__/a")).unwrap();
        let expected = [("x.nix", FileType::Regular), ("y", FileType::Directory)];
        assert_eq!(names, expected.map(|(name, kind)| (PathBuf::from(name), kind)));
        assert_eq!(Library::NONE.read_dir(Path::new(ROOT)), None);
    }

    #[test]
    fn names_lead_to_what_can_be_imported() {
        let find =
            |name: &str| LIBRARY.find(name.as_bytes()).map(|p| String::from_utf8(p).unwrap());
        assert_eq!(find("lib").as_deref(), Some("/__clutch__"));
        assert_eq!(find("a/x.nix").as_deref(), Some("/__clutch__/a/x.nix"));
        assert_eq!(find("lib/a/y/z.nix").as_deref(), Some("/__clutch__/a/y/z.nix"));
        for name in ["a", "a/y", "library", "lib/../etc/passwd", "lib/../..", ""] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
