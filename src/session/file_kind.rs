//! Files that users often give in place of an expression.

use std::{io::Read as _, path::Path};

use crate::regular::{self, Link};

/// A kind of file that is not an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A program in Python.
    Script,
    /// A wheel.
    Wheel,
    /// `clutch.lock`, or one of another tool.
    Lock,
    /// `pyproject.toml` and its like.
    Toml,
    /// `requirements.txt` and its like.
    Requirements,
    /// Bytes that are not a text.
    Binary,
}

impl FileKind {
    /// Recognises a file by its name or its first line.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let kind = match extension {
            "nix" => return None,
            "py" | "pyw" => Self::Script,
            "whl" => Self::Wheel,
            "lock" => Self::Lock,
            "toml" => Self::Toml,
            "txt" if stem.contains("requirements") => Self::Requirements,
            _ => {
                let mut start = [0; 1024];
                let file = regular::open(path, Link::Follow).ok()?;
                let length = (&file).read(&mut start).ok()?;
                let line = start[..length].split(|byte| *byte == b'\n').next()?;
                let is_script =
                    line.starts_with(b"#!") && line.windows(6).any(|part| part == b"python");
                match is_script {
                    true => Self::Script,
                    false if start[..length].contains(&0) => Self::Binary,
                    false => return None,
                }
            }
        };
        path.is_file().then_some(kind)
    }
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Script => "a Python script",
            Self::Wheel => "a wheel",
            Self::Lock => "a lock",
            Self::Toml => "a TOML file",
            Self::Requirements => "a requirements file",
            Self::Binary => "a binary file",
        })
    }
}
