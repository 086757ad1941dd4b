//! The parser's place among the tokens, and the errors for tokens that cannot stand there.

use super::{
    ast::Ast,
    token::{Token, TokenKind},
};
use crate::{
    error::{Error, ErrorKind, Result},
    interner::Interner,
    source::Span,
    stack::Stack,
};

/// Everything that a text is parsed with.
pub(crate) struct ParseContext<'c> {
    /// The number of the text's first byte.
    pub(crate) base: u32,
    /// The folder that relative paths are relative to.
    pub(crate) folder: &'c [u8],
    /// The folder that `~` is. `None` if there is no home.
    pub(crate) home: Option<&'c [u8]>,
    /// True if `|>` and `<|` are known.
    pub(crate) pipe_operators: bool,
    /// The stack that may be used.
    pub(crate) stack: Stack,
    /// Shows a place, for messages that name a second one.
    pub(crate) show_place: &'c dyn Fn(Span) -> String,
}

/// A parser of one text. Its rules are in the other files of this folder.
pub(super) struct Parser<'p, 'a> {
    pub(super) text: &'p [u8],
    pub(super) tokens: &'p [Token],
    pub(super) at: usize,
    pub(super) ast: Ast,
    pub(super) symbols: &'p mut Interner<'a>,
    pub(super) context: &'p ParseContext<'p>,
}

impl<'p> Parser<'p, '_> {
    pub(super) fn peek(&self) -> TokenKind {
        self.tokens[self.at].kind
    }

    pub(super) fn peek_at(&self, ahead: usize) -> TokenKind {
        self.tokens.get(self.at + ahead).map_or(TokenKind::End, |token| token.kind)
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.tokens[self.at];
        if token.kind != TokenKind::End {
            self.at += 1;
        }
        token
    }

    pub(super) fn accept(&mut self, kind: TokenKind) -> Option<Token> {
        (self.peek() == kind).then(|| self.next())
    }

    /// The next token, which must be of a kind; `others` would have been right too.
    pub(super) fn expect(&mut self, kind: TokenKind, others: &[TokenKind]) -> Result<Token> {
        if self.peek() == kind {
            return Ok(self.next());
        }
        let mut wanted = vec![kind];
        wanted.extend_from_slice(others);
        Err(self.unexpected(&wanted))
    }

    /// The token that closes what `open` opened.
    pub(super) fn close(&mut self, open: Token, kind: TokenKind) -> Result<Token> {
        self.expect(kind, &[]).map_err(|error| match self.here().kind {
            TokenKind::End => error.with_label(self.span(open), "opened here"),
            TokenKind::Comma => error.with_help(if kind == TokenKind::BracketClose {
                "the elements of a list stand side by side: [ a b ]"
            } else {
                "the arguments of a function stand side by side: f a b"
            }),
            _ => error,
        })
    }

    /// The quote that ends a string. Where there is none, the text ends in the string, perhaps far
    /// from where it began.
    pub(super) fn close_string(&mut self, open: Token, kind: TokenKind) -> Result<Token> {
        if self.peek() != TokenKind::End {
            return self.expect(kind, &[]);
        }
        let quote = if kind == TokenKind::Quote { "\"" } else { "''" };
        let message =
            format!("syntax error, the string is not closed: the file ends before {quote}");
        Err(Error::new(ErrorKind::Incomplete, self.span(open), message))
    }

    /// The token before the next one.
    pub(super) fn last(&self) -> Token {
        self.tokens[self.at.saturating_sub(1)]
    }

    /// The tokens that were read, last first.
    pub(super) fn behind(&self) -> impl Iterator<Item = Token> {
        self.tokens[..self.at].iter().rev().copied()
    }

    /// True if a token starts on a later line than another ends.
    pub(super) fn is_below(&self, upper: Token, lower: Token) -> bool {
        let between = &self.text[upper.hi as usize..(lower.lo as usize).max(upper.hi as usize)];
        memchr::memchr2(b'\n', b'\r', between).is_some()
    }

    #[cold]
    pub(super) fn unexpected(&self, wanted: &[TokenKind]) -> Box<Error> {
        let token = self.tokens[self.at];
        let found = match token.kind {
            TokenKind::Unknown => {
                let text = String::from_utf8_lossy(self.bytes(token));
                format!("invalid token '{}'", text.escape_debug())
            }
            kind => kind.describe().to_owned(),
        };
        let mut message = format!("syntax error, unexpected {found}");
        for (at, kind) in wanted.iter().enumerate() {
            message.push_str(if at == 0 { ", expecting " } else { " or " });
            message.push_str(kind.describe());
        }
        let span = self.span(token);
        let span = Span::new(span.lo, span.hi.max(span.lo + 1));
        let kind = match token.kind {
            TokenKind::End => ErrorKind::Incomplete,
            _ => ErrorKind::Parse,
        };
        Error::new(kind, span, message)
    }

    pub(super) fn bytes(&self, token: Token) -> &'p [u8] {
        &self.text[token.lo as usize..token.hi as usize]
    }

    pub(super) fn span(&self, token: Token) -> Span {
        Span::new(self.context.base + token.lo, self.context.base + token.hi)
    }

    /// From the start of a token to the end of the last one read.
    pub(super) fn since(&self, start: Token) -> Span {
        let end = self.last();
        Span::new(self.context.base + start.lo, self.context.base + end.hi)
    }

    pub(super) fn here(&self) -> Token {
        self.tokens[self.at]
    }

    pub(super) fn error(&self, span: Span, message: impl Into<String>) -> Box<Error> {
        Error::new(ErrorKind::Parse, span, message)
    }
}
