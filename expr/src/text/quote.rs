//! How strings, attribute names and identifiers are written so that they read back.

/// The words that cannot stand as a bare attribute name. `or` can.
pub(crate) const KEYWORDS: [&str; 9] =
    ["if", "then", "else", "assert", "with", "let", "in", "rec", "inherit"];

/// True if `name` is a reserved word.
#[must_use]
pub(crate) fn is_keyword(name: &[u8]) -> bool {
    KEYWORDS.iter().any(|word| word.as_bytes() == name)
}

/// Writes `text` as a string literal: `"`, `\`, newline, carriage return, tab and `${` escaped,
/// every other byte as it is.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut done = 0;
    for at in memchr_special(text) {
        let escaped: &[u8] = match text[at] {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ if text.get(at + 1) == Some(&b'{') => b"\\$",
            _ => continue,
        };
        out.extend_from_slice(&text[done..at]);
        out.extend_from_slice(escaped);
        done = at + 1;
    }
    out.extend_from_slice(&text[done..]);
    out.push(b'"');
}

fn memchr_special(text: &[u8]) -> impl Iterator<Item = usize> {
    text.iter()
        .enumerate()
        .filter(|(_, b)| matches!(b, b'"' | b'\\' | b'\n' | b'\r' | b'\t' | b'$'))
        .map(|(at, _)| at)
}

/// Writes an attribute's name, quoted if a bare word would not read back.
pub fn attribute_name(out: &mut Vec<u8>, name: &[u8]) {
    if is_bare_name(name) {
        out.extend_from_slice(name);
    } else {
        string(out, name);
    }
}

/// True if `name` can stand unquoted before `=` in a set.
#[must_use]
pub(crate) fn is_bare_name(name: &[u8]) -> bool {
    let is_start = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let is_more = |b: u8| is_start(b) || b.is_ascii_digit() || b == b'\'' || b == b'-';
    !is_keyword(name)
        && name.first().is_some_and(|b| is_start(*b))
        && name[1..].iter().all(|b| is_more(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        let mut out = Vec::new();
        string(&mut out, text.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_would_not_read_back_is_escaped() {
        assert_eq!(quoted("a\"b\\c\n\r\t"), r#""a\"b\\c\n\r\t""#);
        assert_eq!(quoted("$ ${x} $$ $${y} $"), r#""$ \${x} $$ $\${y} $""#);
        assert_eq!(quoted("\u{7f}\u{1}é"), "\"\u{7f}\u{1}é\"");
        let mut out = Vec::new();
        string(&mut out, b"\xff\x00");
        assert_eq!(out, b"\"\xff\x00\"");
    }

    #[test]
    fn names_that_are_words_stay_bare() {
        let name = |text: &str| {
            let mut out = Vec::new();
            attribute_name(&mut out, text.as_bytes());
            String::from_utf8(out).unwrap()
        };
        for bare in ["a", "_", "a-b", "a'b", "x1", "or", "true", "null", "A-"] {
            assert_eq!(name(bare), bare);
        }
        for other in ["", "1a", "-a", "'a", "a.b", "a b", "é", "if", "rec", "inherit"] {
            assert_eq!(name(other), format!("\"{other}\""));
        }
    }
}
