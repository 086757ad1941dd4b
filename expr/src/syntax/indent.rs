//! Indented strings: the indentation that all lines have in common goes.

use std::borrow::Cow;

use super::ast::ExprId;
use crate::source::Span;

/// A piece of an indented string.
pub(super) enum Piece<'t> {
    /// Text, and whether its blanks count as indentation (those of escapes do not).
    Text(Cow<'t, [u8]>, bool),
    /// An interpolation.
    Interpolated(ExprId),
}

/// The smallest number of blanks before anything on a line. Blank lines do not count, and neither
/// does the last one, with the closing quotes.
fn common_indentation(pieces: &[(Piece<'_>, Span)]) -> usize {
    let mut least = usize::MAX;
    let mut current = 0;
    let mut at_start = true;
    for (piece, _) in pieces {
        let Piece::Text(text, true) = piece else {
            if at_start {
                at_start = false;
                least = least.min(current);
            }
            continue;
        };
        for &byte in text.iter() {
            match byte {
                b'\n' => {
                    at_start = true;
                    current = 0;
                }
                b' ' if at_start => current += 1,
                _ if at_start => {
                    at_start = false;
                    least = least.min(current);
                }
                _ => {}
            }
        }
    }
    least
}

/// The pieces without the common indentation; what is empty then is left out.
pub(super) fn strip(pieces: Vec<(Piece<'_>, Span)>) -> Vec<(Piece<'static>, Span)> {
    let least = common_indentation(&pieces);
    let count = pieces.len();
    let mut stripped = Vec::with_capacity(count);
    let mut at_start = true;
    let mut dropped = 0;
    for (at, (piece, span)) in pieces.into_iter().enumerate() {
        let text = match piece {
            Piece::Interpolated(inner) => {
                at_start = false;
                dropped = 0;
                stripped.push((Piece::Interpolated(inner), span));
                continue;
            }
            Piece::Text(text, _) => text,
        };
        let mut bytes = Vec::with_capacity(text.len());
        for &byte in text.iter() {
            if byte == b' ' && at_start {
                dropped += 1;
                if dropped > least {
                    bytes.push(byte);
                }
                continue;
            }
            bytes.push(byte);
            at_start = byte == b'\n';
            dropped = 0;
        }
        // the blanks before the closing quotes are not part of the text
        if at + 1 == count
            && let Some(line) = memchr::memrchr(b'\n', &bytes)
            && bytes[line + 1..].iter().all(|&byte| byte == b' ')
        {
            bytes.truncate(line + 1);
        }
        if !bytes.is_empty() {
            stripped.push((Piece::Text(bytes.into(), true), span));
        }
    }
    stripped
}
