//! `RECORD`: every file of a distribution with its hash and size, as CSV ("Recording installed
//! projects" and "Binary distribution format" of the Python packaging specifications).

use std::{fmt::Write as _, iter::Peekable, str::Chars};

use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::text::decode;
use crate::{hash::encode_base64_url, python::excerpt::excerpt};

/// An error in a `RECORD`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {problem}")]
pub struct RecordError {
    /// The number of the row, from 1.
    pub row: usize,
    /// The problem.
    pub problem: RowError,
}

/// An error in a row of a `RECORD`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Fewer or more than three fields.
    #[error("expected three fields: path, hash, size")]
    Fields,
    /// A double quote without a closing one.
    #[error("a quoted field is not closed")]
    Quote,
    /// The beginning of a text that should be a number.
    #[error("expected a size in bytes, found '{0}'")]
    Size(String),
}

/// A hash of an algorithm that is unknown or too weak: its beginning. The specification asks for SHA-256
/// or better.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a hash by sha256, sha384 or sha512, found '{0}'")]
pub struct WeakHash(String);

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The path from site-packages (in a wheel: from the archive's root), with slashes.
    pub path: String,
    /// `<algorithm>=<urlsafe base 64 without padding>`, or empty.
    pub hash: String,
    /// The size in bytes.
    pub size: Option<u64>,
}

impl Row {
    /// A row with the true values of a file.
    #[must_use]
    pub fn of(path: String, sha256: &[u8; 32], size: u64) -> Self {
        Self { path, hash: format!("sha256={}", encode_base64_url(sha256)), size: Some(size) }
    }

    /// The row of `RECORD` itself, which has neither hash nor size.
    #[must_use]
    pub fn own(path: String) -> Self {
        Self { path, hash: String::new(), size: None }
    }
}

/// The policy for a RECORD that does not describe the files. The archive's own hash was checked already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordPolicy {
    /// Refuse the wheel.
    #[default]
    Strict,
    /// Say so in the log.
    Lenient,
}

/// Reads the rows.
///
/// # Errors
/// As [`rows`].
pub fn parse(content: &[u8]) -> Result<Vec<Row>, RecordError> {
    rows(&decode(content).text).collect()
}

/// Reads one row after the other. The text is CSV as Python's `csv` reads it: commas, double quotes, a
/// doubled quote inside quotes; empty lines are passed over.
///
/// # Errors
/// Each row that is not CSV, has fewer or more than three fields, or a size that is not a number.
pub fn rows(text: &str) -> impl Iterator<Item = Result<Row, RecordError>> {
    let (mut chars, mut number) = (text.chars().peekable(), 0_usize);
    std::iter::from_fn(move || {
        let fields = fields(&mut chars)?;
        number += 1;
        let row = fields.and_then(|[path, hash, size]| {
            let size = match size.as_str() {
                "" => None,
                text => Some(text.parse().map_err(|_| RowError::Size(excerpt(text)))?),
            };
            Ok(Row { path, hash, size })
        });
        Some(row.map_err(|problem| RecordError { row: number, problem }))
    })
}

/// Writes the rows, sorted by path.
#[must_use]
pub fn format(rows: &mut [Row]) -> String {
    rows.sort();
    let mut text = String::new();
    for row in rows {
        let quoted = row.path.contains([',', '"', '\n', '\r']);
        if quoted {
            let _ = write!(text, "\"{}\"", row.path.replace('"', "\"\""));
        } else {
            text.push_str(&row.path);
        }
        let _ = match row.size {
            Some(size) => writeln!(text, ",{},{size}", row.hash),
            None => writeln!(text, ",{},", row.hash),
        };
    }
    text
}

/// A hash of a row while its file is hashed.
pub enum Check {
    /// SHA-256, which is also the one that is written.
    Sha256,
    /// SHA-384.
    Sha384(Sha384),
    /// SHA-512.
    Sha512(Sha512),
}

impl Check {
    /// The check for a row's hash.
    ///
    /// # Errors
    /// If its algorithm is unknown or too weak.
    pub fn of(hash: &str) -> Result<Self, WeakHash> {
        match hash.split_once('=').map(|(algorithm, _)| algorithm) {
            Some("sha256") => Ok(Self::Sha256),
            Some("sha384") => Ok(Self::Sha384(Sha384::new())),
            Some("sha512") => Ok(Self::Sha512(Sha512::new())),
            _ => Err(WeakHash(excerpt(hash))),
        }
    }

    /// Takes more of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256 => {}
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The hash that the row should have, given the file's SHA-256.
    #[must_use]
    pub fn finish(self, sha256: &[u8; 32]) -> String {
        match self {
            Self::Sha256 => format!("sha256={}", encode_base64_url(sha256)),
            Self::Sha384(hasher) => format!("sha384={}", encode_base64_url(&hasher.finalize())),
            Self::Sha512(hasher) => format!("sha512={}", encode_base64_url(&hasher.finalize())),
        }
    }
}

/// The SHA-256 of a text in memory.
#[must_use]
pub fn sha256(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

/// The fields of the next row; nothing at the end.
fn fields(chars: &mut Peekable<Chars<'_>>) -> Option<Result<[String; 3], RowError>> {
    while chars.next_if(|c| matches!(c, '\n' | '\r')).is_some() {}
    chars.peek()?;
    let (mut row, mut at, mut quoted) = ([const { String::new() }; 3], 0, false);
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                row[at].push('"');
            }
            '"' if quoted => quoted = false,
            c if quoted => row[at].push(c),
            '"' if row[at].is_empty() => quoted = true,
            ',' if at == 2 => return Some(Err(RowError::Fields)),
            ',' => at += 1,
            '\n' | '\r' => break,
            c => row[at].push(c),
        }
    }
    Some(match (quoted, at) {
        (true, _) => Err(RowError::Quote),
        (false, 2) => Ok(row),
        _ => Err(RowError::Fields),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back() {
        let text = "a/b.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n\"q\"\"x,y\",,\n";
        let mut rows = parse(text.as_bytes()).unwrap();
        assert_eq!(rows[0], Row::of("a/b.py".into(), &sha256(b""), 0));
        assert_eq!(rows[1], Row::own("q\"x,y".into()));
        assert_eq!(format(&mut rows), text);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in ["a", "a,b", "a,b,c,d", "a,,x", "\"a,,", "a,,-1"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Check::of("md5=x").is_err() && Check::of("").is_err());
    }

    #[test]
    fn other_encodings_and_line_ends_are_read() {
        let row = Row::own("caf\u{e9}".into());
        for content in [
            &b"caf\xe9,,\n"[..],
            b"\xef\xbb\xbfcaf\xc3\xa9,,\r\n\r\n",
            b"caf\xc3\xa9,,\r",
            b"\n\n\"caf\xc3\xa9\",,",
        ] {
            assert_eq!(parse(content), Ok(vec![row.clone()]), "{content:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_result(text: String) {
            if let Ok(mut rows) = parse(text.as_bytes()) {
                let again = format(&mut rows);
                proptest::prop_assert_eq!(parse(again.as_bytes()).unwrap(), rows);
            }
        }
    }
}
