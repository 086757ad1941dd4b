//! Why an archive was refused: the archive, the entry, the reason.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why an archive cannot be unpacked. Nothing of it may be used then.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// One entry is wrong or unsafe.
    #[error("{}: entry '{entry}': {reason}", archive.display())]
    Entry {
        /// The archive's path.
        archive: PathBuf,
        /// The entry's name as the archive writes it.
        entry: String,
        /// The problem.
        reason: String,
    },
    /// The archive as a whole is wrong.
    #[error("{}: {reason}", archive.display())]
    Archive {
        /// The archive's path.
        archive: PathBuf,
        /// The problem.
        reason: String,
    },
    /// The user or another failure stopped it.
    #[error("cancelled")]
    Cancelled,
    /// Reading or writing failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ArchiveError {
    /// An error about one entry; bytes of its name that are not UTF-8 are shown replaced, and of a very
    /// long one both ends.
    pub fn entry(archive: &Path, entry: impl AsRef<[u8]>, reason: impl Into<String>) -> Self {
        Self::Entry {
            archive: archive.to_owned(),
            entry: shown(entry.as_ref()),
            reason: reason.into(),
        }
    }

    /// An error about the whole archive.
    pub fn archive(archive: &Path, reason: impl Into<String>) -> Self {
        Self::Archive { archive: archive.to_owned(), reason: reason.into() }
    }
}

/// The error of a reader that meets bytes which are not valid in its format.
pub(super) fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

/// A name or target for messages, with control characters escaped.
pub(crate) fn shown(name: &[u8]) -> String {
    const END: usize = 100;
    let text = |bytes| {
        let mut text = String::new();
        for c in String::from_utf8_lossy(bytes).chars() {
            match c.is_control() {
                true => text.extend(c.escape_default()),
                false => text.push(c),
            }
        }
        text
    };
    match name.len() {
        length if length > 4 * END => {
            format!("{}[...]{}", text(&name[..END]), text(&name[length - END..]))
        }
        _ => text(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_harm() {
        assert_eq!(shown("a/\u{e9}".as_bytes()), "a/\u{e9}");
        assert_eq!(shown(b"\x1b[2Ja\n"), "\\u{1b}[2Ja\\n");
        assert_eq!(shown(b"a\xff"), "a\u{fffd}");
        let long = shown(&[b'x'; 10_000]);
        assert!(long.len() < 300 && long.contains("[...]"), "{long}");
    }
}
