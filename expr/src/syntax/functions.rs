//! Functions and their set patterns.

use super::{
    ast::{Expr, ExprId, Formal, Formals, Lambda},
    parser::Parser,
    token::TokenKind,
};
use crate::{
    error::{Error, Result},
    source::Span,
    symbol::Symbol,
};

/// The most names that a set pattern has in Nix.
const MOST_FORMALS: usize = 65_535;

impl Parser<'_, '_> {
    /// True if a brace starts a set pattern and not a set.
    pub(super) fn is_pattern(&self) -> bool {
        match self.peek_at(1) {
            TokenKind::Ellipsis => true,
            TokenKind::BraceClose => matches!(self.peek_at(2), TokenKind::Colon | TokenKind::At),
            TokenKind::Identifier => {
                matches!(
                    self.peek_at(2),
                    TokenKind::Comma | TokenKind::Question | TokenKind::BraceClose
                )
            }
            _ => false,
        }
    }

    pub(super) fn lambda(&mut self) -> Result<ExprId> {
        let start = self.here();
        let mut arg = None;
        let mut formals = None;
        if self.peek() == TokenKind::Identifier {
            arg = Some(self.identifier()?);
            if self.accept(TokenKind::At).is_some() {
                formals = Some(self.formals()?);
            }
        } else {
            formals = Some(self.formals()?);
            if self.accept(TokenKind::At).is_some() {
                arg = Some(self.identifier()?);
            }
        }
        self.expect(TokenKind::Colon, if arg.is_none() { &[TokenKind::At] } else { &[] })?;
        if let (Some((name, span)), Some(formals)) = (arg, &formals)
            && formals.list.iter().any(|formal| formal.name == name)
        {
            return Err(self.duplicate_formal(name, span));
        }
        let body = self.expr()?;
        let lambda = self.ast.add_lambda(Lambda { arg, formals, body });
        let span = self.since(start);
        Ok(self.ast.add(Expr::Lambda(lambda), span))
    }

    fn identifier(&mut self) -> Result<(Symbol, Span)> {
        let token = self.expect(TokenKind::Identifier, &[])?;
        Ok((self.symbols.intern(self.bytes(token)), self.span(token)))
    }

    fn duplicate_formal(&self, name: Symbol, span: Span) -> Box<Error> {
        let name = self.symbols.show(name);
        self.error(span, format!("duplicate formal function argument '{name}'"))
    }

    fn formals(&mut self) -> Result<Formals> {
        let start = self.here();
        self.expect(TokenKind::BraceOpen, &[])?;
        let mut formals = Formals { list: Vec::new(), ellipsis: false };
        loop {
            if self.accept(TokenKind::Ellipsis).is_some() {
                formals.ellipsis = true;
                break;
            }
            if self.peek() == TokenKind::BraceClose {
                break;
            }
            let (name, span) = self.identifier()?;
            let default =
                if self.accept(TokenKind::Question).is_some() { Some(self.expr()?) } else { None };
            formals.list.push(Formal { name, span, default });
            if self.accept(TokenKind::Comma).is_none() {
                break;
            }
        }
        self.expect(TokenKind::BraceClose, &[])?;
        if formals.list.len() > MOST_FORMALS {
            let message =
                format!("a function has more than {MOST_FORMALS} arguments in its pattern");
            return Err(self.error(self.since(start), message));
        }
        formals.list.sort_by_key(|formal| (formal.name, formal.span.lo));
        let twice = formals.list.windows(2).filter(|pair| pair[0].name == pair[1].name);
        if let Some(pair) = twice.min_by_key(|pair| pair[1].span.lo) {
            return Err(self.duplicate_formal(pair[1].name, pair[1].span));
        }
        Ok(formals)
    }
}
