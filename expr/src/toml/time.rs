//! Dates and times: read, checked, and written in the one form that the language shows: `T` in the
//! middle, fractions of 3, 6 or 9 digits, `Z` for no offset.

use super::reader::{Parsed, Reader, fail};

/// True if a date or a time stands at the start of `text`, not a number.
pub(super) fn is_next(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    matches!((digits, text.as_bytes().get(digits)), (4, Some(b'-')) | (2, Some(b':')))
}

pub(super) fn read(reader: &mut Reader<'_>) -> Parsed<String> {
    let mut out = String::new();
    if reader.rest().as_bytes().get(2) == Some(&b':') {
        time(reader, &mut out)?;
        return Ok(out);
    }
    date(reader, &mut out)?;
    let rest = reader.rest().as_bytes();
    let is_time = match rest.first() {
        Some(b'T' | b't') => true,
        Some(b' ') => rest.get(1).is_some_and(u8::is_ascii_digit),
        _ => false,
    };
    if !is_time {
        return Ok(out);
    }
    reader.at += 1;
    out.push('T');
    time(reader, &mut out)?;
    match reader.peek() {
        Some(b'Z' | b'z') => {
            reader.at += 1;
            out.push('Z');
        }
        Some(sign @ (b'+' | b'-')) => {
            let at = reader.at;
            reader.at += 1;
            let hours = number(reader, 2)?;
            separator(reader, b':')?;
            let minutes = number(reader, 2)?;
            if hours > 24 || minutes > 59 {
                return fail(at, "an offset is at most 24 hours and 59 minutes");
            }
            if (hours, minutes) == (0, 0) {
                out.push('Z');
            } else {
                out.push_str(&format!("{}{hours:02}:{minutes:02}", char::from(sign)));
            }
        }
        _ => {}
    }
    Ok(out)
}

fn date(reader: &mut Reader<'_>, out: &mut String) -> Parsed<()> {
    let at = reader.at;
    let year = number(reader, 4)?;
    separator(reader, b'-')?;
    let month = number(reader, 2)?;
    separator(reader, b'-')?;
    let day = number(reader, 2)?;
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return fail(at, format!("{month} is not a month")),
    };
    if !(1..=days).contains(&day) {
        return fail(at, format!("the month has {days} days, not {day}"));
    }
    out.push_str(&reader.text[at..reader.at]);
    Ok(())
}

fn time(reader: &mut Reader<'_>, out: &mut String) -> Parsed<()> {
    let at = reader.at;
    let hours = number(reader, 2)?;
    separator(reader, b':')?;
    let minutes = number(reader, 2)?;
    separator(reader, b':')?;
    let seconds = number(reader, 2)?;
    if hours > 23 || minutes > 59 || seconds > 60 {
        return fail(at, "hours are up to 23, minutes up to 59, seconds up to 60");
    }
    out.push_str(&reader.text[at..reader.at]);
    if !reader.take(b'.') {
        return Ok(());
    }
    let digits = reader.rest().bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err(reader.unexpected("a digit after the point"));
    }
    // more than nanoseconds are cut off
    let mut fraction = reader.rest()[..digits.min(9)].to_owned();
    reader.at += digits;
    let kept = fraction.trim_end_matches('0').len().next_multiple_of(3);
    fraction.extend(std::iter::repeat_n('0', 9 - fraction.len()));
    if kept > 0 {
        out.push('.');
        out.push_str(&fraction[..kept]);
    }
    Ok(())
}

fn number(reader: &mut Reader<'_>, digits: usize) -> Parsed<u32> {
    let text = reader.rest().as_bytes().get(..digits).unwrap_or_default();
    if text.len() != digits || !text.iter().all(u8::is_ascii_digit) {
        return Err(reader.unexpected(&format!("{digits} digits")));
    }
    reader.at += digits;
    Ok(text.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
}

fn separator(reader: &mut Reader<'_>, byte: u8) -> Parsed<()> {
    if reader.take(byte) {
        return Ok(());
    }
    Err(reader.unexpected(&format!("'{}'", char::from(byte))))
}
