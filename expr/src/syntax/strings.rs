//! Strings and paths: escapes, interpolations, and what a path literal means.

use super::{
    ast::{Expr, ExprId},
    indent::{Piece, strip},
    parser::Parser,
    token::{Token, TokenKind},
};
use crate::{
    error::Result,
    path::{canonical, join},
};

/// The bytes that a piece of a string stands for. Line ends become line feeds.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, rest.first()) {
            (b'\\', Some(&escaped)) => {
                rest = &rest[1..];
                bytes.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => other,
                });
            }
            (b'\r', next) => {
                if next == Some(&b'\n') {
                    rest = &rest[1..];
                }
                bytes.push(b'\n');
            }
            _ => bytes.push(byte),
        }
    }
    bytes
}

impl Parser<'_, '_> {
    fn refuse_nul(&self, token: Token) -> Result<()> {
        if memchr::memchr(0, self.bytes(token)).is_none() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(self.bytes(token)).replace('\0', "␀");
        let message = format!(
            "input string '{text}' cannot be represented as Nix string because it contains null bytes"
        );
        Err(self.error(self.span(token), message))
    }

    /// `${` was read: the expression and its brace.
    fn interpolated(&mut self) -> Result<ExprId> {
        let open = self.last();
        let inner = self.expr()?;
        self.close(open, TokenKind::BraceClose)?;
        Ok(inner)
    }

    /// A string, behind its first quote.
    pub(super) fn string(&mut self, start: Token) -> Result<ExprId> {
        let mut parts = Vec::new();
        let mut plain = true;
        loop {
            let token = self.here();
            match token.kind {
                TokenKind::StringPart => {
                    self.next();
                    self.refuse_nul(token)?;
                    let bytes = unescape(self.bytes(token));
                    let text = self.ast.add_text(&bytes);
                    let span = self.span(token);
                    parts.push(self.ast.add(Expr::Str(text), span));
                }
                TokenKind::Interpolation => {
                    self.next();
                    plain = false;
                    parts.push(self.interpolated()?);
                }
                _ => {
                    self.close_string(start, TokenKind::Quote)?;
                    break;
                }
            }
        }
        let span = self.since(start);
        match parts[..] {
            [] => {
                let empty = self.ast.add_text(b"");
                Ok(self.ast.add(Expr::Str(empty), span))
            }
            [only] if plain => {
                self.ast.spans[only.0 as usize] = span;
                Ok(only)
            }
            _ => {
                let parts = self.ast.add_list(parts);
                Ok(self.ast.add(Expr::Interpolation(parts), span))
            }
        }
    }

    /// An indented string, behind its opening.
    pub(super) fn indented_string(&mut self, start: Token) -> Result<ExprId> {
        let mut pieces = Vec::new();
        loop {
            let token = self.here();
            let bytes = self.bytes(token);
            let piece = match token.kind {
                TokenKind::IndentedPart => {
                    self.refuse_nul(token)?;
                    Piece::Text(bytes.into(), true)
                }
                TokenKind::IndentedDollar => Piece::Text(b"$"[..].into(), false),
                TokenKind::IndentedQuotes => Piece::Text(b"''"[..].into(), false),
                TokenKind::IndentedQuote => Piece::Text(b"'"[..].into(), false),
                TokenKind::IndentedEscape => {
                    self.refuse_nul(token)?;
                    Piece::Text(unescape(&bytes[2..]).into(), false)
                }
                TokenKind::Interpolation => {
                    self.next();
                    let inner = self.interpolated()?;
                    pieces.push((Piece::Interpolated(inner), self.span(token)));
                    continue;
                }
                _ => {
                    self.close_string(start, TokenKind::IndentedClose)?;
                    break;
                }
            };
            self.next();
            pieces.push((piece, self.span(token)));
        }
        let span = self.since(start);
        let mut parts = Vec::new();
        for (piece, at) in strip(pieces) {
            parts.push(match piece {
                Piece::Text(bytes, _) => {
                    let text = self.ast.add_text(&bytes);
                    self.ast.add(Expr::Str(text), at)
                }
                Piece::Interpolated(inner) => inner,
            });
        }
        match parts[..] {
            [] => {
                let empty = self.ast.add_text(b"");
                Ok(self.ast.add(Expr::Str(empty), span))
            }
            [only] if matches!(self.ast.expr(only), Expr::Str(_)) => Ok(only),
            _ => {
                let parts = self.ast.add_list(parts);
                Ok(self.ast.add(Expr::Interpolation(parts), span))
            }
        }
    }

    /// A path literal with its interpolations.
    pub(super) fn path(&mut self) -> Result<ExprId> {
        let start = self.next();
        let literal = self.bytes(start);
        let mut path = if start.kind == TokenKind::HomePath {
            let Some(home) = self.context.home else {
                let text = String::from_utf8_lossy(literal);
                let message = format!("the path '{text}' can not be resolved in pure mode");
                return Err(self.error(self.span(start), message));
            };
            [home, &literal[1..]].concat()
        } else {
            let mut path = if literal.first() == Some(&b'/') {
                canonical(literal)
            } else {
                join(self.context.folder, literal)
            };
            // before an interpolation the slash counts
            if literal.len() > 1 && literal.ends_with(b"/") {
                path.push(b'/');
            }
            path
        };
        if path.is_empty() {
            path.push(b'/');
        }
        let text = self.ast.add_text(&path);
        let first = self.ast.add(Expr::Path(text), self.span(start));
        if self.accept(TokenKind::PathEnd).is_some() {
            return Ok(first);
        }
        let mut parts = vec![first];
        loop {
            let token = self.here();
            match token.kind {
                TokenKind::PathPart => {
                    self.next();
                    // two slashes, which only an interpolation may follow
                    if parts.len() == 1 && self.here().kind != TokenKind::Interpolation {
                        return Err(self.unexpected(&[TokenKind::Interpolation]));
                    }
                    let text = self.ast.add_text(self.bytes(token));
                    let span = self.span(token);
                    parts.push(self.ast.add(Expr::Str(text), span));
                }
                TokenKind::Interpolation => {
                    self.next();
                    parts.push(self.interpolated()?);
                }
                _ => {
                    self.expect(TokenKind::PathEnd, &[])?;
                    break;
                }
            }
        }
        let parts = self.ast.add_list(parts);
        let span = self.since(start);
        Ok(self.ast.add(Expr::PathInterpolation(parts), span))
    }
}
