//! The value of an attribute, found by the place of its name, for tools that change a literal in a source
//! text and leave everything else as it is.

use std::ops::Range;

use crate::source::line_starts;

use super::{
    lex::lex,
    token::{Token, TokenKind},
};

/// The expression behind `name =`, if it is of a kind that can be replaced by another literal; with
/// the bytes that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A string without interpolations and escapes, quotes included.
    Text(Range<usize>),
    /// A variable, or an attribute of one: `lib.fakeHash`.
    Name(Range<usize>),
}

impl Bound {
    /// The bytes it stands on.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        match self {
            Self::Text(range) | Self::Name(range) => range.clone(),
        }
    }
}

/// The value of the attribute whose name starts at `line` and `column` (from 1, in bytes). `None`
/// if no attribute is defined there, or if it is bound to something else.
#[must_use]
pub fn bound(text: &[u8], line: u32, column: u32) -> Option<Bound> {
    let start = line_starts(text).nth(line.checked_sub(1)? as usize)?;
    let at = u32::try_from(start).ok()?.checked_add(column.checked_sub(1)?)?;
    let tokens = lex(text).ok()?;
    let name = tokens.iter().position(|token| token.lo == at && token.kind != TokenKind::End)?;
    let mut rest = tokens[name..].iter().skip_while(|token| token.kind != TokenKind::Assign);
    // nothing but the rest of a quoted name stands between
    let is_name =
        |kind| matches!(kind, TokenKind::Identifier | TokenKind::Quote | TokenKind::StringPart);
    if !tokens[name..].iter().take_while(|t| t.kind != TokenKind::Assign).all(|t| is_name(t.kind)) {
        return None;
    }
    rest.next()?;
    let value: Vec<Token> =
        rest.take_while(|token| token.kind != TokenKind::Semicolon).copied().collect();
    let range = value.first()?.lo as usize..value.last()?.hi as usize;
    let kinds: Vec<TokenKind> = value.iter().map(|token| token.kind).collect();
    let is_plain = |token: &Token| {
        let text = &text[token.lo as usize..token.hi as usize];
        memchr::memchr2(b'\\', b'\n', text).is_none()
    };
    match kinds[..] {
        [TokenKind::Quote, TokenKind::Quote]
        | [TokenKind::IndentedOpen, TokenKind::IndentedClose] => Some(Bound::Text(range)),
        [TokenKind::Quote, TokenKind::StringPart, TokenKind::Quote]
        | [TokenKind::IndentedOpen, TokenKind::IndentedPart, TokenKind::IndentedClose]
            if value.iter().all(is_plain) =>
        {
            Some(Bound::Text(range))
        }
        _ => {
            let odd = |at: usize| if at % 2 == 1 { TokenKind::Dot } else { TokenKind::Identifier };
            let is_path = kinds.iter().enumerate().all(|(at, kind)| *kind == odd(at));
            (is_path && kinds.len() % 2 == 1).then_some(Bound::Name(range))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_replaced_is_found() {
        let found = |text: &str, name: &str| {
            let at = text.find(name).unwrap();
            let line = text[..at].matches('\n').count() + 1;
            let column = at - text[..at].rfind('\n').map_or(0, |n| n + 1) + 1;
            let bound = bound(text.as_bytes(), line as u32, column as u32)?;
            let shown = text[bound.range()].to_owned();
            Some((matches!(bound, Bound::Text(_)), shown))
        };
        let text = |shown: &str| Some((true, shown.to_owned()));
        let name = |shown: &str| Some((false, shown.to_owned()));
        assert_eq!(found("{ hash = \"abc\"; }", "hash"), text("\"abc\""));
        assert_eq!(found("{\n  a.hash /* so */ =\n    \"\"; }", "hash"), text("\"\""));
        assert_eq!(found("{ \"hash\" = ''abc''; }", "\"hash"), text("''abc''"));
        assert_eq!(found("\"${f { hash = lib.fakeHash; }} ; \"", "hash"), name("lib.fakeHash"));
        assert_eq!(found("{ hash = x; }", "hash"), name("x"));
        for other in [
            "{ hash = \"a${x}\"; }",
            "{ hash = \"a\\n\"; }",
            "{ hash = if x then \"a\" else \"b\"; }",
            "{ hash = f \"a\"; }",
            "{ hash = a.b or \"c\"; }",
            "{ inherit hash; b = \"x\"; }",
            "{ hash, b ? \"x\" }: 1",
            "{ hash.b = \"x\"; }",
            "{ hash = ; }",
        ] {
            assert_eq!(found(other, "hash"), None, "{other}");
        }
        assert_eq!(bound(b"{ a = 1", 9, 1), None);
        assert_eq!(bound(b"", 0, 0), None);
    }
}
