//! Integers and floats.

use super::reader::{Failure, Parsed, Reader, fail};
use super::tree::Node;

/// A number, from its sign on.
pub(super) fn read<'t>(reader: &mut Reader<'t>) -> Parsed<Node<'t>> {
    let start = reader.at;
    let rest = reader.rest();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(after) = rest.strip_prefix(prefix) {
            let digits = digits(after, radix);
            reader.at += prefix.len() + digits;
            if digits == 0 {
                return Err(reader.unexpected(&format!("a digit of base {radix}")));
            }
            return i64::from_str_radix(&plain(&after[..digits]), radix)
                .map(Node::Integer)
                .map_err(|_| too_large(start, &reader.text[start..reader.at]));
        }
    }
    let sign = usize::from(rest.starts_with(['+', '-']));
    for (word, value) in [("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if rest[sign..].starts_with(word) {
            reader.at += sign + word.len();
            return Ok(Node::Float(if rest.starts_with('-') { -value } else { value }));
        }
    }
    let whole = digits(&rest[sign..], 10);
    let mut end = sign + whole;
    if whole == 0 {
        reader.at += sign;
        return Err(reader.unexpected("a digit"));
    }
    if whole > 1 && rest.as_bytes()[sign] == b'0' {
        return fail(start, "a number must not begin with 0");
    }
    let mut is_float = false;
    if rest[end..].starts_with('.') {
        is_float = true;
        let places = digits(&rest[end + 1..], 10);
        end += 1 + places;
        if places == 0 {
            reader.at += end;
            return Err(reader.unexpected("a digit after the point"));
        }
    }
    if rest[end..].starts_with(['e', 'E']) {
        is_float = true;
        end += 1;
        end += usize::from(rest[end..].starts_with(['+', '-']));
        let exponent = digits(&rest[end..], 10);
        end += exponent;
        if exponent == 0 {
            reader.at += end;
            return Err(reader.unexpected("a digit in the exponent"));
        }
    }
    let text = &rest[..end];
    reader.at += end;
    if !is_float {
        return plain(text).parse().map(Node::Integer).map_err(|_| too_large(start, text));
    }
    match plain(text).parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Node::Float(value)),
        _ => Err(too_large(start, text)),
    }
}

fn too_large(at: usize, text: &str) -> Failure {
    Failure(at, format!("the number {text} does not fit 64 bits"))
}

/// How long the run of digits is at the start of `text`; an underscore may stand between two.
fn digits(text: &str, radix: u32) -> usize {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(|b| char::from(*b).is_digit(radix));
    let mut end = 0;
    while is_digit(end) || (end > 0 && bytes.get(end) == Some(&b'_') && is_digit(end + 1)) {
        end += 1;
    }
    end
}

fn plain(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('_') { text.replace('_', "").into() } else { text.into() }
}
