//! Standard output and standard error: all that is printed goes through here (clippy.toml forbids the
//! other ways), so that an error of standard output is always the command's. Standard error is where
//! errors are told, so nothing can be told of its own.

use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write as _},
};

use anstream::{AutoStream, ColorChoice};

use super::failure::{Failure, Kind};

/// Prints bytes as they are.
pub(super) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = stdout().lock();
    let done = match bytes {
        // nothing to print, too, fails where nothing can be printed
        [] => rustix::io::write(rustix::stdio::stdout(), &[]).map(drop).map_err(Into::into),
        _ => out.write_all(bytes),
    };
    done.and_then(|()| out.flush()).map_err(|error| failed(&error))
}

/// Prints a text for people: with its colours on a terminal, and with nothing else there that a terminal
/// would obey.
pub(super) fn show(text: &str) -> Result<(), Failure> {
    if !is_terminal() {
        return print(without_colours(text).as_bytes());
    }
    let text = visible(text.as_bytes(), true).0;
    let text = if has_colours() { text } else { without_colours(&text) };
    print(text.as_bytes())
}

/// Prints all that a file has. Gives how many bytes that are.
pub(super) fn copy(from: &mut std::fs::File) -> Result<u64, Failure> {
    let mut out = stdout().lock();
    io::copy(from, &mut out)
        .and_then(|size| out.flush().map(|()| size))
        .map_err(|error| failed(&error))
}

/// What was printed so far reaches its reader.
pub(super) fn flush() -> Result<(), Failure> {
    stdout().flush().map_err(|error| failed(&error))
}

/// Whether standard output is a terminal.
pub(super) fn is_terminal() -> bool {
    stdout().is_terminal()
}

/// Whether standard output shows colours.
pub(super) fn has_colours() -> bool {
    AutoStream::choice(&stdout()) != ColorChoice::Never
}

/// Says a line, or several, on standard error.
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

/// Why a command ends that cannot print.
fn failed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(Kind::Closed, "standard output is closed"),
        _ => Failure::new(Kind::Failed, format!("cannot write to standard output: {error}")),
    }
}

/// The longest escape sequence of a colour that is passed on, in bytes.
const COLOUR: usize = 64;

/// Bytes as a terminal may have them: characters, line feeds, tabs and colours are as they are, a carriage
/// return ends a line, and of everything else it is shown that it is there. Gives how many of the bytes
/// that took; unless these are the last, the rest may be the beginning of something.
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
                // the beginning of a character
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

/// The length of the escape sequence that these bytes begin with, where it is one of a colour (SGR,
/// ECMA-48 8.3.117); more than there is where that is not known yet, nothing where it is another one.
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
    fn a_terminal_gets_characters_and_colours_and_nothing_else() {
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
