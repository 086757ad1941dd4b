//! Configuration files of clutch and of the machine's clients: how they are read, and the errors in them.

use std::{io::Read as _, ops::Range, os::unix::fs::FileTypeExt as _, path::Path};

use fs_err as fs;

/// A configuration file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct ConfigFileError {
    /// The file, with the line if that is known.
    place: String,
    /// The problem.
    reason: String,
}

impl ConfigFileError {
    /// The error about a file that is not TOML. The line itself is not shown: it may hold a password.
    pub(super) fn not_toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let reason = format!("not TOML: {}", error.message());
        Self::at(file, text, &error.span().unwrap_or_default(), reason)
    }

    /// The error about a place in the text of a file.
    pub(super) fn at(file: &Path, text: &str, span: &Range<usize>, reason: String) -> Self {
        let before = text.get(..span.start).unwrap_or_default();
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        Self { place: format!("{}:{line}", file.display()), reason }
    }
}

/// The largest configuration file, in bytes.
const CONFIG: u64 = 1 << 20;

/// The text of a configuration file; nothing if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigFileError> {
    let bad = |reason: String| ConfigFileError { place: path.display().to_string(), reason };
    let kind = match fs::metadata(path) {
        Ok(meta) => meta.file_type(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(bad(e.to_string())),
    };
    // /dev/null is as good as an empty file; a pipe might never end
    if kind.is_fifo() || kind.is_socket() {
        return Err(bad("expected a regular file".to_owned()));
    }
    let mut text = String::new();
    let read =
        fs::File::open(path).and_then(|file| file.take(CONFIG + 1).read_to_string(&mut text));
    read.map_err(|e| bad(e.to_string()))?;
    if text.len() as u64 > CONFIG {
        return Err(bad(format!("it has more than {CONFIG} bytes")));
    }
    Ok(Some(text))
}
