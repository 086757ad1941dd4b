//! The texts that describe a distribution (`METADATA`, `WHEEL`, `RECORD`, `entry_points.txt`) as they are found: in
//! UTF-8 and, if an old tool wrote them, with a byte order mark, other line ends or in Latin-1.

use std::borrow::Cow;

/// A decoded text. Specifications ask for UTF-8; other bytes are read as Latin-1, in which every byte is a
/// character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    /// The text, without a byte order mark.
    pub text: Cow<'a, str>,
    /// True if it was Latin-1.
    pub latin1: bool,
}

/// Decodes a text.
#[must_use]
pub(crate) fn decode(content: &[u8]) -> Text<'_> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    match std::str::from_utf8(content) {
        Ok(text) => Text { text: text.into(), latin1: false },
        Err(_) => {
            let text: String = content.iter().map(|byte| char::from(*byte)).collect();
            Text { text: text.into(), latin1: true }
        }
    }
}

/// The lines of a text that end in LF, CRLF or, as very old files have them, CR.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text).filter(|text| !text.is_empty());
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let (line, after) = text.split_at(at);
        let after = after.strip_prefix("\r\n").unwrap_or(&after[1..]);
        rest = Some(after).filter(|after| !after.is_empty());
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_they_are_found() {
        let is = |text: &'static str, latin1| Text { text: text.into(), latin1 };
        assert_eq!(decode(b"a\xc3\xa9"), is("aé", false));
        assert_eq!(decode(b"\xef\xbb\xbfa"), is("a", false));
        assert_eq!(decode(b"\xef\xbb\xbfa\xe9"), is("aé", true));
        assert_eq!(decode(b""), is("", false));
    }

    #[test]
    fn lines_end_in_three_ways() {
        let all = |text| lines(text).collect::<Vec<_>>();
        assert_eq!(all("a\nb\r\nc\rd"), ["a", "b", "c", "d"]);
        assert_eq!(all("a\n\r\n\r\rb\n"), ["a", "", "", "", "b"]);
        assert_eq!(all(""), [""; 0]);
        assert_eq!(all("\n"), [""]);
    }
}
