//! The record that an environment keeps in its `pyvenv.cfg`, for readers that only have its tree: after
//! an import, the derivation may be missing.

use std::io;

use crate::{inputs::InputPath, limits};

/// The file that makes a folder a virtual environment (PEP 405).
pub(super) const FILE: &str = "pyvenv.cfg";

/// The key of [`Recorded::main_program`]; CPython ignores keys that it does not know.
pub(super) const MAIN_PROGRAM: &str = "main-program";

/// The record of a virtual environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The program to run if none is named.
    pub main_program: Option<String>,
}

/// Reads the record of a tree; nothing if it is not an environment, or its file leads elsewhere.
///
/// # Errors
/// If the file exists and cannot be read.
pub(crate) fn read(tree: &InputPath<'_>) -> io::Result<Option<Recorded>> {
    use io::ErrorKind::{CrossesDevices, InvalidInput, IsADirectory, NotADirectory, NotFound};
    let bytes = match tree.join(FILE).read(limits::METADATA) {
        Err(e)
            if matches!(
                e.kind(),
                NotFound | NotADirectory | IsADirectory | InvalidInput | CrossesDevices
            ) =>
        {
            return Ok(None);
        }
        other => other?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let value = value.trim();
        // a path would lead out of bin
        let is_name = !value.is_empty() && !value.contains('/');
        (key.trim() == MAIN_PROGRAM && is_name).then(|| value.to_owned())
    };
    Ok(Some(Recorded { main_program: text.lines().find_map(value) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inputs::Inputs, store_path::StorePath};

    #[test]
    fn only_a_tree_with_the_file_is_an_environment() {
        let dir = tempfile::tempdir().unwrap();
        let path = StorePath::new(&[1; 20], "environment").unwrap();
        let (paths, tree) = ([path.clone()], dir.path().join(path.base()));
        let read = || read(&Inputs::new(dir.path(), &paths).at(&path.to_string()).unwrap());
        assert_eq!(read().unwrap(), None);
        fs_err::create_dir(&tree).unwrap();
        assert_eq!(read().unwrap(), None);
        let file = tree.join(FILE);
        for (text, main) in [
            ("home = /x/bin\nmain-program = web\n", Some("web")),
            ("main-program=web\n", Some("web")),
            ("home = /x/bin\n", None),
            ("main-program = ../../other\nmain-program =\nmain-programs = x\n", None),
            ("\u{0}\u{fffd}", None),
        ] {
            fs_err::write(&file, text).unwrap();
            let main_program = main.map(str::to_owned);
            assert_eq!(read().unwrap(), Some(Recorded { main_program }), "{text:?}");
        }
        for target in ["/etc/passwd", "/dev/zero", "nothing", "."] {
            fs_err::remove_file(&file).unwrap();
            std::os::unix::fs::symlink(target, &file).unwrap();
            assert_eq!(read().unwrap(), None, "{target}");
        }
        fs_err::remove_dir_all(&tree).unwrap();
        fs_err::write(&tree, "").unwrap();
        assert_eq!(read().unwrap(), None, "a file is no tree");
    }
}
