//! The files of header lines in a distribution: `METADATA` (core metadata) and `WHEEL`.

use super::text::{decode, lines};
use crate::{limits, python::excerpt::excerpt};

/// An error in headers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadersError {
    /// A line without a colon: its beginning.
    #[error("expected 'Name: value', found '{0}'")]
    Line(String),
    /// More headers than any package has.
    #[error("more than {} headers", limits::HEADERS)]
    Many,
    /// A required header is missing.
    #[error("header '{0}' is missing")]
    Missing(String),
    /// A header that may occur once has two values.
    #[error("header '{name}' is both '{}' and '{}'", values.0, values.1)]
    Ambiguous {
        /// Its name.
        name: String,
        /// The beginnings of two of its values.
        values: (String, String),
    },
}

/// Header lines, in order; names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    all: Vec<(String, String)>,
    latin1: bool,
}

impl Headers {
    /// Reads the lines up to the first empty one. A line that starts with white space continues
    /// the one before.
    ///
    /// # Errors
    /// If a line has no colon, or there are more headers than any package has.
    pub fn parse(content: &[u8]) -> Result<Self, HeadersError> {
        let text = decode(content);
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines(&text.text) {
            if line.is_empty() {
                break;
            }
            if line.starts_with([' ', '\t'])
                && let Some((_, value)) = headers.last_mut()
            {
                value.push('\n');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| HeadersError::Line(excerpt(line)))?;
            if headers.len() == limits::HEADERS {
                return Err(HeadersError::Many);
            }
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Self { all: headers, latin1: text.latin1 })
    }

    /// True if the file is in Latin-1, which the specification does not allow.
    #[must_use]
    pub fn is_latin1(&self) -> bool {
        self.latin1
    }

    /// The value of the only header of that name (lower case).
    ///
    /// # Errors
    /// If it is missing, or given more than once with different values.
    pub fn one(&self, name: &str) -> Result<&str, HeadersError> {
        let mut values = self.all.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let first = values.next().ok_or_else(|| HeadersError::Missing(name.to_owned()))?;
        match values.find(|other| *other != first) {
            None => Ok(first),
            Some(other) => Err(HeadersError::Ambiguous {
                name: name.to_owned(),
                values: (excerpt(first), excerpt(other)),
            }),
        }
    }

    /// The values of the headers of that name (lower case).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read() {
        let text =
            b"Name: Flask\r\nRequires-Dist: a\nrequires-dist: b ;\n  python_version<'3'\n\nX: y\n";
        let headers = Headers::parse(text).unwrap();
        assert_eq!(headers.one("name"), Ok("Flask"));
        assert_eq!(
            headers.all("requires-dist").collect::<Vec<_>>(),
            ["a", "b ;\npython_version<'3'"]
        );
        assert!(headers.one("x").is_err() && headers.one("requires-dist").is_err());
    }

    #[test]
    fn what_is_no_header_is_refused() {
        assert!(Headers::parse(b"Name Flask\n").is_err());
        assert!(Headers::parse(b" Name: Flask\n").is_ok());
        let many = "a:\n".repeat(limits::HEADERS + 1);
        assert_eq!(Headers::parse(many.as_bytes()), Err(HeadersError::Many));
        assert!(Headers::parse(&many.as_bytes()[3..]).is_ok());
        let long = "x".repeat(1 << 20);
        assert!(Headers::parse(long.as_bytes()).unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn other_encodings_and_line_ends_are_read() {
        for content in [
            &b"Name: caf\xe9\nVersion: 1\n"[..],
            b"\xef\xbb\xbfName: caf\xc3\xa9\r\nVersion: 1\r\n\r\nno header",
            b"Name: caf\xc3\xa9\rVersion: 1\r\rno header",
        ] {
            let headers = Headers::parse(content).unwrap();
            assert_eq!((headers.one("name"), headers.one("version")), (Ok("caf\u{e9}"), Ok("1")));
            assert_eq!(headers.is_latin1(), content[9] == 0xe9);
        }
    }
}
