//! Standard output and standard error. Everything that is printed goes through here (clippy.toml forbids
//! other ways), so that a failed write to standard output always fails the command. A failed write to
//! standard error cannot be reported.

use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write as _},
};

use anstream::{AutoStream, ColorChoice};

use super::failure::{Failure, Kind};

/// Prints bytes unchanged.
pub(super) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = stdout().lock();
    let done = match bytes {
        // printing nothing also fails on a closed output
        [] => rustix::io::write(rustix::stdio::stdout(), &[]).map(drop).map_err(Into::into),
        _ => out.write_all(bytes),
    };
    done.and_then(|()| out.flush()).map_err(|error| failed(&error))
}

/// Prints a text for people. On a terminal, keeps its colours and removes all other control sequences.
pub(super) fn show(text: &str) -> Result<(), Failure> {
    if !is_terminal() {
        return print(without_colours(text).as_bytes());
    }
    let text = visible(text.as_bytes(), true).0;
    let text = if has_colours() { text } else { without_colours(&text) };
    print(text.as_bytes())
}

/// Prints a file and returns the number of bytes.
pub(super) fn copy(from: &mut std::fs::File) -> Result<u64, Failure> {
    let mut out = stdout().lock();
    io::copy(from, &mut out)
        .and_then(|size| out.flush().map(|()| size))
        .map_err(|error| failed(&error))
}

/// Flushes standard output.
pub(super) fn flush() -> Result<(), Failure> {
    stdout().flush().map_err(|error| failed(&error))
}

/// True if standard output is a terminal.
pub(super) fn is_terminal() -> bool {
    stdout().is_terminal()
}

/// True if standard output shows colours.
pub(super) fn has_colours() -> bool {
    AutoStream::choice(&stdout()) != ColorChoice::Never
}

/// Prints lines on standard error.
pub(super) fn say(text: &str) {
    let err = io::stderr();
    let text = match err.is_terminal() {
        true => Cow::Owned(visible(text.as_bytes(), true).0),
        false => Cow::Borrowed(text),
    };
    let line = format!("{text}\n");
    let mut err = AutoStream::auto(err.lock());
    let _ = err.write_all(line.as_bytes()).and_then(|()| err.flush());
}

/// A text without escape sequences.
pub(super) fn without_colours(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[expect(clippy::disallowed_methods, reason = "the one place")]
fn stdout() -> io::Stdout {
    io::stdout()
}

/// The failure of a command that cannot print.
fn failed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(Kind::Closed, "standard output is closed"),
        _ => Failure::new(Kind::Failed, format!("cannot write to standard output: {error}")),
    }
}

/// The longest colour sequence that is kept, in bytes.
const COLOUR: usize = 64;

/// Makes bytes safe for a terminal. Keeps characters, line feeds, tabs and colours, turns a carriage return
/// into a line end, and shows all other control characters as text. Returns the number of bytes used;
/// unless these are the last, the rest may be the start of a sequence.
pub(super) fn visible(bytes: &[u8], last: bool) -> (String, usize) {
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (shown, used): (Cow<'_, str>, usize) = match rest {
            [b'\n' | b'\t' | b' '..=b'~', ..] => {
                let plain = |byte: &&u8| matches!(**byte, b'\n' | b'\t' | b' '..=b'~');
                let used = rest.iter().take_while(plain).count();
                (String::from_utf8_lossy(&rest[..used]), used)
            }
            [0x1b, ..] => match colour(rest) {
                Some(used) if used <= rest.len() => (String::from_utf8_lossy(&rest[..used]), used),
                Some(_) if !last => break,
                _ => ("^[".into(), 1),
            },
            [b'\r', b'\n', ..] => ("\n".into(), 2),
            [b'\r'] if !last => break,
            [b'\r', ..] => ("\n".into(), 1),
            [control @ (0..0x20 | 0x7f), ..] => {
                (format!("^{}", char::from(control ^ 0x40)).into(), 1)
            }
            _ => match rest.utf8_chunks().next() {
                Some(chunk) if !chunk.valid().is_empty() => {
                    let c = chunk.valid().chars().next().unwrap_or_default();
                    let shown =
                        if c.is_control() { c.escape_unicode().to_string() } else { c.into() };
                    (shown.into(), c.len_utf8())
                }
                // the start of a character
                Some(chunk) if !last && chunk.invalid().len() == rest.len() && rest.len() < 4 => {
                    break;
                }
                Some(chunk) => {
                    (char::REPLACEMENT_CHARACTER.to_string().into(), chunk.invalid().len())
                }
                None => break,
            },
        };
        out += &shown;
        at += used;
    }
    (out, at)
}

/// The length of the colour sequence (SGR, ECMA-48 8.3.117) at the start of these bytes. More than the
/// number of bytes if more are needed to decide, `None` for any other sequence.
fn colour(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [_] => Some(2),
        [_, b'[', rest @ ..] => {
            let numbers = |byte: &&u8| matches!(**byte, b'0'..=b'9' | b';' | b':');
            let count = rest.iter().take(COLOUR).take_while(numbers).count();
            match rest.get(count) {
                Some(b'm') => Some(count + 3),
                None if count < COLOUR => Some(bytes.len() + 1),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn a_terminal_gets_only_characters_and_colours() {
        for (said, shown) in [
            ("plain \u{e4}\ttext\n", "plain \u{e4}\ttext\n"),
            ("\u{1b}[1;31mred\u{1b}[0m", "\u{1b}[1;31mred\u{1b}[0m"),
            ("\u{1b}[38:2:1:2:3mx", "\u{1b}[38:2:1:2:3mx"),
            ("\u{1b}]0;title\u{7}x", "^[]0;title^Gx"),
            ("\u{1b}[2J\u{1b}[H", "^[[2J^[[H"),
            ("\u{1b}c\u{1b}P1q\u{1b}\\", "^[c^[P1q^[\\"),
            ("\u{9b}31m\u{9d}0;x", "\\u{9b}31m\\u{9d}0;x"),
            ("10%\r50%\r\nend\r", "10%\n50%\nend\n"),
            ("a\u{8}\u{7f}\0", "a^H^?^@"),
            ("cut \u{1b}[3", "cut ^[[3"),
        ] {
            assert_eq!(visible(said.as_bytes(), true), (shown.to_owned(), said.len()), "{said:?}");
        }
        assert_eq!(visible(b"\x9b31m\xff\xe2\x82", true).0, "\u{fffd}31m\u{fffd}\u{fffd}");
        let long = format!("\u{1b}[{}m", "1;".repeat(1000));
        assert!(visible(long.as_bytes(), false).0.starts_with("^["));
    }

    #[test]
    fn pieces_are_shown_as_the_whole() {
        let said = "x\u{1b}[1;31mred\u{1b}[0m \u{20ac}\u{9b}\r\n\u{1b}[2Jy\r".as_bytes();
        let whole = visible(said, true).0;
        for size in 1..said.len() {
            let (mut held, mut shown) = (Vec::new(), String::new());
            for piece in said.chunks(size) {
                held.extend(piece);
                let (text, used) = visible(&held, false);
                shown += &text;
                held.drain(..used);
            }
            shown += &visible(&held, true).0;
            assert_eq!(shown, whole, "{size}");
        }
    }
}
