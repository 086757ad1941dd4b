//! The four forms of strings. The reader stands at the first quote.

use super::reader::{Parsed, Reader, fail, is_control};
use super::tree::Text;

/// `'text'`: no escapes, one line.
pub(super) fn literal<'t>(reader: &mut Reader<'t>) -> Parsed<Text<'t>> {
    reader.at += 1;
    let bytes = reader.rest().as_bytes();
    let end = bytes.iter().position(|b| *b == b'\'' || is_control(*b)).unwrap_or(bytes.len());
    let text = &reader.rest()[..end];
    reader.at += end;
    if !reader.take(b'\'') {
        return Err(reader.unexpected("\"'\" at the end of the string"));
    }
    Ok(Text::Borrowed(text))
}

/// `"text"`: escapes, one line.
pub(super) fn basic<'t>(reader: &mut Reader<'t>) -> Parsed<Text<'t>> {
    reader.at += 1;
    let start = reader.at;
    skip_plain(reader);
    if reader.peek() == Some(b'"') {
        reader.at += 1;
        return Ok(Text::Borrowed(&reader.text[start..reader.at - 1]));
    }
    let mut out = reader.text[start..reader.at].to_owned();
    loop {
        match reader.peek() {
            Some(b'"') => {
                reader.at += 1;
                return Ok(Text::Owned(out));
            }
            Some(b'\\') => out.push(escape(reader)?),
            Some(byte) if !is_control(byte) => {
                let from = reader.at;
                skip_plain(reader);
                out.push_str(&reader.text[from..reader.at]);
            }
            _ => return Err(reader.unexpected("'\"' at the end of the string")),
        }
    }
}

/// `'''text'''`: no escapes, many lines.
pub(super) fn multi_line_literal<'t>(reader: &mut Reader<'t>) -> Parsed<Text<'t>> {
    open(reader);
    let start = reader.at;
    loop {
        match reader.peek() {
            Some(b'\'') if reader.rest().starts_with("'''") => {
                let end = close(reader, b'\'');
                return Ok(Text::Borrowed(&reader.text[start..end]));
            }
            Some(b'\r') if reader.rest().starts_with("\r\n") => reader.at += 2,
            Some(byte) if byte == b'\n' || !is_control(byte) => reader.at += 1,
            _ => return Err(reader.unexpected("\"'''\" at the end of the string")),
        }
    }
}

/// `"""text"""`: escapes, many lines; a backslash at a line's end joins the lines.
pub(super) fn multi_line_basic<'t>(reader: &mut Reader<'t>) -> Parsed<Text<'t>> {
    open(reader);
    let mut out = String::new();
    let mut from = reader.at;
    loop {
        match reader.peek() {
            Some(b'"') if reader.rest().starts_with("\"\"\"") => {
                let end = close(reader, b'"');
                out.push_str(&reader.text[from..end]);
                return Ok(Text::Owned(out));
            }
            Some(b'\\') => {
                out.push_str(&reader.text[from..reader.at]);
                if !join_lines(reader) {
                    out.push(escape(reader)?);
                }
                from = reader.at;
            }
            Some(b'\r') if reader.rest().starts_with("\r\n") => reader.at += 2,
            Some(byte) if byte == b'\n' || !is_control(byte) => reader.at += 1,
            _ => return Err(reader.unexpected("'\"\"\"' at the end of the string")),
        }
    }
}

/// The opening quotes, and a newline right after them.
fn open(reader: &mut Reader<'_>) {
    reader.at += 3;
    if !reader.word("\r\n") {
        reader.word("\n");
    }
}

/// Three to five quotes: all but the last three belong to the text, whose end is given.
fn close(reader: &mut Reader<'_>, quote: u8) -> usize {
    let quotes = reader.rest().bytes().take(5).take_while(|b| *b == quote).count();
    reader.at += quotes;
    reader.at - 3
}

/// At a backslash that only blanks follow up to the line's end: skips all white space.
fn join_lines(reader: &mut Reader<'_>) -> bool {
    let after = reader.rest()[1..].trim_start_matches([' ', '\t']);
    if !after.starts_with('\n') && !after.starts_with("\r\n") {
        return false;
    }
    let mut rest = after;
    loop {
        let next = rest.trim_start_matches([' ', '\t', '\n']);
        rest = next.strip_prefix("\r\n").unwrap_or(next);
        if rest.len() == next.len() {
            break;
        }
    }
    reader.at = reader.text.len() - rest.len();
    true
}

fn skip_plain(reader: &mut Reader<'_>) {
    let rest = reader.rest().bytes();
    reader.at += rest.take_while(|b| !is_control(*b) && !matches!(b, b'"' | b'\\')).count();
}

/// The escape whose backslash stands here.
fn escape(reader: &mut Reader<'_>) -> Parsed<char> {
    let start = reader.at;
    reader.at += 1;
    let letter = reader.peek();
    reader.at += 1;
    let digits = match letter {
        Some(b'b') => return Ok('\u{8}'),
        Some(b't') => return Ok('\t'),
        Some(b'n') => return Ok('\n'),
        Some(b'f') => return Ok('\u{c}'),
        Some(b'r') => return Ok('\r'),
        Some(b'"') => return Ok('"'),
        Some(b'\\') => return Ok('\\'),
        Some(b'u') => 4,
        Some(b'U') => 8,
        _ => {
            reader.at = start;
            return fail(
                start,
                "unknown escape, expected one of \\b \\t \\n \\f \\r \\\" \\\\ \\u \\U",
            );
        }
    };
    let code = reader.text.get(reader.at..reader.at + digits);
    let code = code.filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(code) = code.and_then(|code| u32::from_str_radix(code, 16).ok()) else {
        return fail(start, format!("expected {digits} hexadecimal digits"));
    };
    reader.at += digits;
    match char::from_u32(code) {
        Some('\0') => fail(start, "a NUL cannot be part of a string of the language"),
        Some(c) => Ok(c),
        None => fail(start, format!("U+{code:04X} is not a character")),
    }
}
