//! `RECORD`: every file of a distribution with its hash and size, as CSV ("Recording installed
//! projects" and "Binary distribution format" of the Python packaging specifications).

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256, Sha384, Sha512};

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
        Self { path, hash: format!("sha256={}", base64(sha256)), size: Some(size) }
    }

    /// The row of `RECORD` itself, which has neither hash nor size.
    #[must_use]
    pub fn own(path: String) -> Self {
        Self { path, hash: String::new(), size: None }
    }
}

/// Reads the rows.
///
/// # Errors
/// The reason: not UTF-8, not CSV, fewer or more than three fields, a size that is no number.
pub fn parse(content: &[u8]) -> Result<Vec<Row>, String> {
    let text = std::str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut rows = Vec::new();
    for (number, fields) in records(text)?.into_iter().enumerate() {
        let wrong = |why: &str| format!("row {}: {why}", number + 1);
        let Ok([path, hash, size]) = <[String; 3]>::try_from(fields) else {
            return Err(wrong("expected three fields: path, hash, size"));
        };
        let size = match size.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| wrong(&format!("'{text}' is not a size")))?),
        };
        rows.push(Row { path, hash, size });
    }
    Ok(rows)
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

/// A hash that a row asks for, being taken.
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
    /// The reason: an algorithm that is unknown or too weak (the specification asks for SHA-256 or
    /// better).
    pub fn of(hash: &str) -> Result<Self, String> {
        match hash.split_once('=').map(|(algorithm, _)| algorithm) {
            Some("sha256") => Ok(Self::Sha256),
            Some("sha384") => Ok(Self::Sha384(Sha384::new())),
            Some("sha512") => Ok(Self::Sha512(Sha512::new())),
            _ => Err(format!("hash '{hash}' is not sha256, sha384 or sha512")),
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

    /// What the row should say, given the file's SHA-256.
    #[must_use]
    pub fn finish(self, sha256: &[u8; 32]) -> String {
        match self {
            Self::Sha256 => format!("sha256={}", base64(sha256)),
            Self::Sha384(hasher) => format!("sha384={}", base64(&hasher.finalize())),
            Self::Sha512(hasher) => format!("sha512={}", base64(&hasher.finalize())),
        }
    }
}

/// The SHA-256 of a text that is at hand.
#[must_use]
pub fn sha256(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, b| group << 8 | u32::from(*b));
        let group = group << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            text.push(char::from(LETTERS[(group >> (18 - 6 * i)) as usize & 63]));
        }
    }
    text
}

/// CSV as Python's `csv` reads it: commas, double quotes, a doubled quote inside quotes.
fn records(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut records = Vec::new();
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            c if quoted => field.push(c),
            '"' if field.is_empty() => quoted = true,
            ',' => fields.push(std::mem::take(&mut field)),
            '\n' | '\r' => {
                if !fields.is_empty() || !field.is_empty() {
                    fields.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut fields));
                }
            }
            c => field.push(c),
        }
    }
    if quoted {
        return Err("a quoted field does not end".to_owned());
    }
    if !fields.is_empty() || !field.is_empty() {
        fields.push(field);
        records.push(fields);
    }
    Ok(records)
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
        assert!(parse(b"\xff,,").is_err());
        assert!(Check::of("md5=x").is_err() && Check::of("").is_err());
    }

    #[test]
    fn base64_has_no_padding() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|t| base64(t.as_bytes())),
            ["", "Zg", "Zm8", "Zm9v", "Zm9vYg"]
        );
        assert_eq!(base64(&[0xfb, 0xff]), "-_8");
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
