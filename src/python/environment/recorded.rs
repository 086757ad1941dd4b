//! What a virtual environment says of itself in its `pyvenv.cfg`, for those who have its tree and nothing
//! else: after an import the derivation may not be there.

use std::{io, path::Path};

/// The file that makes a folder a virtual environment (PEP 405).
pub(super) const FILE: &str = "pyvenv.cfg";

/// The key of [`Recorded::main_program`]; CPython passes over keys that it does not know.
pub(super) const MAIN_PROGRAM: &str = "main-program";

/// A virtual environment, by its own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The program that is to be run where none is named.
    pub main_program: Option<String>,
}

/// Reads what the tree of an environment says; nothing of a tree that is none.
///
/// # Errors
/// Where the file is there and cannot be read.
pub fn read(tree: &Path) -> io::Result<Option<Recorded>> {
    let bytes = match fs_err::read(tree.join(FILE)) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
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

    #[test]
    fn only_a_tree_with_the_file_is_an_environment() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let file = dir.path().join(FILE);
        for (text, main) in [
            ("home = /x/bin\nmain-program = web\n", Some("web")),
            ("main-program=web\n", Some("web")),
            ("home = /x/bin\n", None),
            ("main-program = ../../other\nmain-program =\nmain-programs = x\n", None),
            ("\u{0}\u{fffd}", None),
        ] {
            fs_err::write(&file, text).unwrap();
            let main_program = main.map(str::to_owned);
            assert_eq!(read(dir.path()).unwrap(), Some(Recorded { main_program }), "{text:?}");
        }
        assert_eq!(read(&file).unwrap(), None, "a file is no tree");
    }
}
