//! The parser of RFC 8259, without recursion: nesting costs memory, never stack.
//!
//! Numbers are as Nix reads them: an integer that fits 64 bits is an integer, one between 2^63 and
//! 2^64 is an error, a larger one is a float, and so is everything with a point or an exponent.

use crate::sink::{STOPPED, Sink};

/// A fault of a document, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at line {line}, column {column}: {message}")]
pub struct JsonError {
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
    /// The text that was found, and what was expected.
    pub message: String,
}

/// Reads one document; nothing but white space may follow it.
///
/// # Errors
/// The text is not JSON, is not UTF-8, holds an escaped NUL, or a number that neither an
/// integer nor a finite float can hold. The sink has seen the events up to there.
pub fn parse(text: &[u8], sink: &mut impl Sink) -> Result<(), JsonError> {
    let valid = std::str::from_utf8(text).map_err(|error| {
        locate(text, error.valid_up_to(), "the text is not UTF-8 from here on".to_owned())
    })?;
    let mut reader = Reader { text: valid, at: 0, unescaped: String::new() };
    if valid.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
    }
    reader.document(sink).map_err(|Failure(at, message)| locate(text, at, message))
}

fn locate(text: &[u8], at: usize, message: String) -> JsonError {
    let before = &text[..at.min(text.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    JsonError {
        line: memchr::memchr_iter(b'\n', before).count() + 1,
        column: before.len() - line_start + 1,
        message,
    }
}

/// A byte offset and what is wrong there.
struct Failure(usize, String);

type Step<T> = Result<T, Failure>;

#[derive(Clone, Copy)]
enum Inside {
    Array,
    Object,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    unescaped: String,
}

impl<'t> Reader<'t> {
    fn document(&mut self, sink: &mut impl Sink) -> Step<()> {
        let mut open: Vec<Inside> = Vec::new();
        loop {
            // a value is due
            if !sink.goes_on() {
                return Err(Failure(self.at, STOPPED.to_owned()));
            }
            let began = self.value(sink)?;
            if let Some(inside) = began {
                open.push(inside);
                match inside {
                    Inside::Array if self.peek() != Some(b']') => continue,
                    Inside::Object if self.peek() != Some(b'}') => {
                        self.member_name(sink)?;
                        continue;
                    }
                    _ => {}
                }
            }
            // after a value, or at the end of an empty container
            let mut fresh = began.is_some();
            loop {
                let Some(inside) = open.last().copied() else {
                    return match self.peek() {
                        None => Ok(()),
                        Some(_) => Err(self.unexpected("the end of the text")),
                    };
                };
                match (inside, self.peek()) {
                    (Inside::Array, Some(b',')) if !fresh => {
                        self.at += 1;
                        break;
                    }
                    (Inside::Object, Some(b',')) if !fresh => {
                        self.at += 1;
                        self.member_name(sink)?;
                        break;
                    }
                    (Inside::Array, Some(b']')) => {
                        self.at += 1;
                        sink.end_array();
                    }
                    (Inside::Object, Some(b'}')) => {
                        self.at += 1;
                        sink.end_object();
                    }
                    (Inside::Array, _) => return Err(self.unexpected("',' or ']'")),
                    (Inside::Object, _) => return Err(self.unexpected("',' or '}'")),
                }
                open.pop();
                fresh = false;
            }
        }
    }

    /// Reads a scalar whole, or the opening bracket of a container, which is returned.
    fn value(&mut self, sink: &mut impl Sink) -> Step<Option<Inside>> {
        match self.peek() {
            Some(b'"') => {
                let text = self.string()?;
                sink.string(text);
            }
            Some(b'{') => {
                self.at += 1;
                sink.begin_object();
                return Ok(Some(Inside::Object));
            }
            Some(b'[') => {
                self.at += 1;
                sink.begin_array();
                return Ok(Some(Inside::Array));
            }
            Some(b'-' | b'0'..=b'9') => self.number(sink)?,
            Some(b't') => self.word("true").map(|()| sink.boolean(true))?,
            Some(b'f') => self.word("false").map(|()| sink.boolean(false))?,
            Some(b'n') => self.word("null").map(|()| sink.null())?,
            _ => return Err(self.unexpected("a value")),
        }
        Ok(None)
    }

    fn member_name(&mut self, sink: &mut impl Sink) -> Step<()> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a string as the member's name"));
        }
        let name = self.string()?;
        sink.key(name);
        if self.peek() != Some(b':') {
            return Err(self.unexpected("':' after the member's name"));
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is not white space, which is skipped.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn unexpected(&self, expected: &str) -> Failure {
        let found = match self.text[self.at..].chars().next() {
            None => "the text ends here".to_owned(),
            Some(c) => format!("unexpected {c:?}"),
        };
        Failure(self.at, format!("{found}, expected {expected}"))
    }

    fn word(&mut self, word: &'static str) -> Step<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.unexpected("a value"))
    }

    fn number(&mut self, sink: &mut impl Sink) -> Step<()> {
        let bytes = self.text.as_bytes();
        let digits = |from: usize| {
            bytes[from..].iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len() - from)
        };
        let start = self.at;
        let first = start + usize::from(bytes[start] == b'-');
        let whole = digits(first);
        let mut end = first + whole;
        if whole == 0 || (whole > 1 && bytes[first] == b'0') {
            self.at = if whole == 0 { end } else { first + 1 };
            return Err(self.unexpected(if whole == 0 { "a digit" } else { "no digit after 0" }));
        }
        let mut is_float = false;
        if bytes.get(end) == Some(&b'.') {
            is_float = true;
            let places = digits(end + 1);
            end += 1 + places;
            if places == 0 {
                self.at = end;
                return Err(self.unexpected("a digit after the point"));
            }
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            is_float = true;
            end += 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end);
            end += exponent;
            if exponent == 0 {
                self.at = end;
                return Err(self.unexpected("a digit in the exponent"));
            }
        }
        let literal = &self.text[start..end];
        if !is_float && let Ok(value) = literal.parse() {
            sink.integer(value);
        } else if !is_float && literal.parse::<u64>().is_ok() {
            let message = format!("the number {literal} does not fit a 64-bit integer");
            return Err(Failure(start, message));
        } else {
            match literal.parse::<f64>() {
                Ok(value) if value.is_finite() => sink.float(value),
                _ => return Err(Failure(start, format!("the number {literal} is too large"))),
            }
        }
        self.at = end;
        Ok(())
    }

    /// The string that starts at the quote here. Without an escape it is the source text itself.
    fn string(&mut self) -> Step<&str> {
        let text: &'t str = self.text;
        let bytes = text.as_bytes();
        let start = self.at + 1;
        let plain = plain_run(&bytes[start..]);
        self.at = start + plain;
        if bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(&text[start..start + plain]);
        }
        self.unescaped.clear();
        self.unescaped.push_str(&text[start..start + plain]);
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.unescaped);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escape()?;
                    self.unescaped.push(c);
                }
                Some(control @ ..0x20) => {
                    let message =
                        format!("control character U+{control:04X} must be escaped in a string");
                    return Err(Failure(self.at, message));
                }
                None => return Err(self.unexpected("'\"' at the end of the string")),
                Some(_) => {
                    let run = plain_run(&bytes[self.at..]);
                    self.unescaped.push_str(&text[self.at..self.at + run]);
                    self.at += run;
                }
            }
        }
    }

    /// The character of the escape whose backslash was just passed.
    fn escape(&mut self) -> Step<char> {
        let at = self.at;
        let Some(letter) = self.text.as_bytes().get(at).copied() else {
            return Err(self.unexpected("an escape"));
        };
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let code = match self.hex4()? {
                    high @ 0xD800..=0xDBFF
                        if self.text.as_bytes()[self.at..].starts_with(b"\\u") =>
                    {
                        self.at += 2;
                        match self.hex4()? {
                            low @ 0xDC00..=0xDFFF => {
                                0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
                            }
                            _ => high,
                        }
                    }
                    code => code,
                };
                match char::from_u32(code) {
                    Some('\0') => {
                        let message = "\\u0000 cannot be part of a string of the language";
                        return Err(Failure(at - 1, message.to_owned()));
                    }
                    Some(c) => c,
                    None => {
                        let message = "half of a surrogate pair without the other half";
                        return Err(Failure(at - 1, message.to_owned()));
                    }
                }
            }
            _ => {
                self.at = at;
                return Err(self.unexpected("an escape: one of \" \\ / b f n r t u"));
            }
        })
    }

    fn hex4(&mut self) -> Step<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let code = digits.and_then(|digits| {
            digits.iter().try_fold(0, |code, d| Some(code << 4 | char::from(*d).to_digit(16)?))
        });
        match code {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => Err(Failure(self.at, "expected four hexadecimal digits".to_owned())),
        }
    }
}

/// How many bytes from the start need no treatment in a string.
fn plain_run(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| matches!(b, b'"' | b'\\' | ..0x20)).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Trace;
    use proptest::prelude::*;
    use serde_json::Value;

    fn trace(text: &str) -> Result<String, JsonError> {
        let mut sink = Trace::default();
        parse(text.as_bytes(), &mut sink).map(|()| sink.0.trim_end().to_owned())
    }

    #[test]
    fn events_come_in_order() {
        let text = r#" { "a" : [1, -2.5, [], {}, true], "b\n": {"c": null, "c": "\u00e9\ud83d\ude00/"} } "#;
        assert_eq!(
            trace(text).unwrap(),
            "{ a= [ 1 -2.5e0 [ ] { } true ] b\n= { c= null c= \"é😀/\" } }"
        );
        assert_eq!(trace("\u{feff}7").unwrap(), "7");
    }

    #[test]
    fn numbers_are_integers_where_they_fit() {
        for (text, read) in [
            ("-0", "0"),
            ("-0.0", "-0e0"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("-9223372036854775809", "-9.223372036854776e18"),
            ("18446744073709551616", "1.8446744073709552e19"),
            ("1E2", "1e2"),
            ("1e-400", "0e0"),
        ] {
            assert_eq!(trace(text).unwrap(), read);
        }
        assert!(trace("9223372036854775808").unwrap_err().message.contains("64-bit"));
        assert!(trace("1e400").unwrap_err().message.contains("too large"));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for text in [
            "",
            "  ",
            "nul",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1,}",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\t\"",
            "[",
            "{",
            "]",
            "[}",
            "1 2",
            "'a'",
            "// c\n1",
            "NaN",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\u0000\"",
            "{\"\\u0000\":1}",
            "\u{a0}1",
        ] {
            assert!(trace(text).is_err(), "{text:?}");
        }
        let error = trace("[1,\n  x]").unwrap_err();
        assert_eq!((error.line, error.column), (2, 3));
        assert_eq!(error.message, "unexpected 'x', expected a value");
        assert!(parse(b"\"\xff\"", &mut Trace::default()).is_err());
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert!(trace(&deep).is_ok());
        assert!(trace(&"[{\"a\":".repeat(500_000)).is_err());
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9f64..1e9).prop_map(Value::from),
            "[^\0]*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec(("[^\0]{0,5}", inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn expected(value: &Value, out: &mut Trace) {
        match value {
            Value::Null => out.null(),
            Value::Bool(b) => out.boolean(*b),
            Value::Number(n) => match n.as_i64() {
                Some(int) => out.integer(int),
                None => out.float(n.as_f64().unwrap()),
            },
            Value::String(s) => out.string(s),
            Value::Array(items) => {
                out.begin_array();
                items.iter().for_each(|item| expected(item, out));
                out.end_array();
            }
            Value::Object(members) => {
                out.begin_object();
                for (name, member) in members {
                    out.key(name);
                    expected(member, out);
                }
                out.end_object();
            }
        }
    }

    proptest! {
        #[test]
        fn documents_of_another_writer_read_back(value in document(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            let mut wanted = Trace::default();
            expected(&value, &mut wanted);
            let mut read = Trace::default();
            parse(text.as_bytes(), &mut read).unwrap();
            prop_assert_eq!(read.0, wanted.0);
        }

        #[test]
        fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&bytes, &mut Trace::default());
        }

        #[test]
        fn both_parsers_accept_the_same(text in r#"[\[\]{},:"\\ 0-9.eEtrufalsn\n-]{0,16}"#) {
            let other = serde_json::from_str::<Value>(&text);
            let ours = trace(&text);
            prop_assert_eq!(ours.is_ok(), other.is_ok(), "{:?} {:?}", ours, other);
        }
    }
}
