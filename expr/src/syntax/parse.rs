//! Tokens to a tree: recursive descent, operators by binding power.

use smallvec::smallvec;

use super::{
    ast::{Ast, Expr, ExprId, Op, Select},
    lex::lex,
    parser::{ParseContext, Parser},
    token::{Token, TokenKind},
};
use crate::{
    error::{Error, ErrorKind, Result},
    interner::Interner,
    source::Span,
    symbol::{Symbol, known},
};

/// The tree of a text, and its root.
///
/// # Errors
/// [`ErrorKind::Parse`] with the place.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method has fixed lifetimes")]
pub(crate) fn parse(
    text: &[u8],
    symbols: &mut Interner<'_>,
    context: &ParseContext<'_>,
) -> Result<(Ast, ExprId)> {
    parse_as(text, symbols, context, |parser| parser.expr())
}

/// The kinds of input of a session.
#[derive(Clone, Copy)]
pub(crate) enum Input {
    /// Blanks and comments.
    Nothing,
    /// An expression.
    Expression(ExprId),
    /// Bindings as between braces, as a set; the last semicolon may be left out.
    Bindings(ExprId),
}

/// The tree of what was typed into a session.
///
/// # Errors
/// As [`parse`].
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method has fixed lifetimes")]
pub(crate) fn parse_input(
    text: &[u8],
    symbols: &mut Interner<'_>,
    context: &ParseContext<'_>,
) -> Result<(Ast, Input)> {
    parse_as(text, symbols, context, |parser| parser.input())
}

fn parse_as<T>(
    text: &[u8],
    symbols: &mut Interner<'_>,
    context: &ParseContext<'_>,
    rule: impl FnOnce(&mut Parser<'_, '_>) -> Result<T>,
) -> Result<(Ast, T)> {
    let tokens = lex(text).map_err(|error| {
        let at = context.base + error.at;
        Error::new(ErrorKind::Parse, Span::new(at, at + 1), error.message)
    })?;
    let ast = Ast::with_room(tokens.len());
    let mut parser = Parser { text, tokens: &tokens, at: 0, ast, symbols, context };
    let root = rule(&mut parser)?;
    parser.expect(TokenKind::End, &[])?;
    Ok((parser.ast, root))
}

/// How tightly an operator binds, and to which side it leans.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lean {
    Left,
    Right,
    Neither,
}

fn binding(kind: TokenKind) -> Option<(u8, Lean)> {
    Some(match kind {
        TokenKind::Arrow => (1, Lean::Right),
        TokenKind::OrOr => (2, Lean::Left),
        TokenKind::And => (3, Lean::Left),
        TokenKind::Equal | TokenKind::NotEqual => (4, Lean::Neither),
        TokenKind::Less | TokenKind::Greater | TokenKind::LessEqual | TokenKind::GreaterEqual => {
            (5, Lean::Neither)
        }
        TokenKind::Update => (6, Lean::Right),
        TokenKind::Plus | TokenKind::Minus => (8, Lean::Left),
        TokenKind::Star | TokenKind::Slash => (9, Lean::Left),
        TokenKind::Concat => (10, Lean::Right),
        TokenKind::Question => (11, Lean::Left),
        _ => return None,
    })
}

/// `!` takes everything that binds tighter than it; `-` takes nothing but calls.
const NOT: u8 = 7;
const NEGATE: u8 = 12;

impl Parser<'_, '_> {
    fn input(&mut self) -> Result<Input> {
        let start = self.here();
        match start.kind {
            TokenKind::End => return Ok(Input::Nothing),
            TokenKind::Inherit => {}
            _ => {
                // a path and `=`: what is read of it is read again
                let at = self.at;
                let binds = self.attr_path().is_ok() && self.peek() == TokenKind::Assign;
                self.at = at;
                if !binds {
                    return self.expr().map(Input::Expression);
                }
            }
        }
        let set = self.bindings(start, TokenKind::End)?;
        let span = self.since(start);
        Ok(Input::Bindings(self.ast.add(Expr::Set(set), span)))
    }

    /// An expression of any kind.
    pub(super) fn expr(&mut self) -> Result<ExprId> {
        self.context.stack.deeper().map_err(|error| error.at(self.span(self.here())))?;
        let start = self.here();
        let expr = match self.peek() {
            TokenKind::Identifier
                if matches!(self.peek_at(1), TokenKind::Colon | TokenKind::At) =>
            {
                return self.lambda();
            }
            TokenKind::BraceOpen if self.is_pattern() => return self.lambda(),
            TokenKind::Assert => {
                self.next();
                let condition = self.expr()?;
                self.expect(TokenKind::Semicolon, &[])?;
                Expr::Assert(condition, self.expr()?)
            }
            TokenKind::With => {
                self.next();
                let set = self.expr()?;
                self.expect(TokenKind::Semicolon, &[])?;
                Expr::With(set, self.expr()?)
            }
            TokenKind::Let if self.peek_at(1) != TokenKind::BraceOpen => {
                self.next();
                let set = self.bindings(start, TokenKind::In)?;
                if let Some(dynamic) = self.ast.set(set).dynamic.first() {
                    return Err(self.error(dynamic.span, "dynamic attributes not allowed in let"));
                }
                self.expect(TokenKind::In, &[])?;
                Expr::Let(set, self.expr()?)
            }
            TokenKind::If => {
                self.next();
                let condition = self.expr()?;
                self.expect(TokenKind::Then, &[])?;
                let yes = self.expr()?;
                self.expect(TokenKind::Else, &[])?;
                Expr::If(condition, yes, self.expr()?)
            }
            _ => return self.pipes(),
        };
        let span = self.since(start);
        Ok(self.ast.add(expr, span))
    }

    fn pipes(&mut self) -> Result<ExprId> {
        let start = self.here();
        let mut left = self.operators(0)?;
        if matches!(self.peek(), TokenKind::PipeFrom | TokenKind::PipeInto)
            && !self.context.pipe_operators
        {
            let message = "experimental Nix feature 'pipe-operators' is disabled; add \
                           '--extra-experimental-features pipe-operators' to enable it";
            return Err(self.error(self.span(self.here()), message));
        }
        match self.peek() {
            TokenKind::PipeFrom => {
                let mut functions = vec![left];
                while self.accept(TokenKind::PipeFrom).is_some() {
                    functions.push(self.operators(0)?);
                }
                let mut arg = functions.pop().unwrap_or(left);
                while let Some(function) = functions.pop() {
                    let span = self.since(start);
                    arg = self.ast.add_call(function, arg, span);
                }
                Ok(arg)
            }
            TokenKind::PipeInto => {
                while self.accept(TokenKind::PipeInto).is_some() {
                    let function = self.operators(0)?;
                    let span = self.since(start);
                    left = self.ast.add_call(function, left, span);
                }
                Ok(left)
            }
            _ => Ok(left),
        }
    }

    /// Operators that bind at least so tightly.
    fn operators(&mut self, least: u8) -> Result<ExprId> {
        self.context.stack.deeper().map_err(|error| error.at(self.span(self.here())))?;
        let start = self.here();
        let mut left = match self.peek() {
            TokenKind::Not => {
                self.next();
                let operand = self.operators(NOT + 1)?;
                let span = self.since(start);
                self.ast.add(Expr::Not(operand), span)
            }
            TokenKind::Minus => {
                self.next();
                let operand = self.operators(NEGATE)?;
                let span = self.since(start);
                let zero = self.ast.add(Expr::Int(0), Span::NONE);
                self.builtin(known::sub, zero, operand, span)
            }
            _ => self.application()?,
        };
        let mut highest = u8::MAX;
        while let Some((power, lean)) = binding(self.peek()) {
            if power < least {
                break;
            }
            if power > highest {
                break;
            }
            if power == highest && lean == Lean::Neither {
                return Err(self.unexpected(&[]));
            }
            let operator = self.next();
            if operator.kind == TokenKind::Question {
                let path = self.attr_path()?;
                let select = self.ast.add_select(Select { subject: left, path, default: None });
                let span = self.since(start);
                left = self.ast.add(Expr::HasAttr(select), span);
            } else {
                let right = self.operators(if lean == Lean::Right { power } else { power + 1 })?;
                let span = self.since(start);
                left = self.operation(operator.kind, left, right, span);
            }
            highest = power;
        }
        Ok(left)
    }

    fn builtin(&mut self, name: Symbol, left: ExprId, right: ExprId, span: Span) -> ExprId {
        let function = self.ast.add(Expr::Var(name), span);
        self.ast.add_new_call(function, smallvec![left, right], span)
    }

    fn operation(&mut self, kind: TokenKind, left: ExprId, right: ExprId, span: Span) -> ExprId {
        let operator = match kind {
            TokenKind::Plus => return self.ast.add(Expr::Plus(left, right), span),
            TokenKind::Minus => return self.builtin(known::sub, left, right, span),
            TokenKind::Star => return self.builtin(known::mul, left, right, span),
            TokenKind::Slash => return self.builtin(known::div, left, right, span),
            TokenKind::Less => return self.builtin(known::less_than, left, right, span),
            TokenKind::Greater => return self.builtin(known::less_than, right, left, span),
            TokenKind::LessEqual | TokenKind::GreaterEqual => {
                let (left, right) =
                    if kind == TokenKind::LessEqual { (right, left) } else { (left, right) };
                let less = self.builtin(known::less_than, left, right, span);
                return self.ast.add(Expr::Not(less), span);
            }
            TokenKind::Equal => Op::Equal,
            TokenKind::NotEqual => Op::NotEqual,
            TokenKind::And => Op::And,
            TokenKind::OrOr => Op::Or,
            TokenKind::Update => Op::Update,
            TokenKind::Concat => Op::Concat,
            _ => Op::Implies,
        };
        self.ast.add(Expr::Op(operator, left, right), span)
    }

    /// A function with its arguments.
    fn application(&mut self) -> Result<ExprId> {
        let start = self.here();
        let mut function = self.select()?;
        while self.starts_simple() {
            let arg = self.select()?;
            let span = self.since(start);
            function = self.ast.add_call(function, arg, span);
        }
        Ok(function)
    }

    /// True if the next token starts an operand.
    pub(super) fn starts_simple(&self) -> bool {
        match self.peek() {
            TokenKind::Identifier
            | TokenKind::Integer
            | TokenKind::Float
            | TokenKind::Quote
            | TokenKind::IndentedOpen
            | TokenKind::Path
            | TokenKind::HomePath
            | TokenKind::SearchPath
            | TokenKind::Uri
            | TokenKind::ParenOpen
            | TokenKind::Rec
            | TokenKind::BraceOpen
            | TokenKind::BracketOpen => true,
            TokenKind::Let => self.peek_at(1) == TokenKind::BraceOpen,
            _ => false,
        }
    }

    /// An operand with its attribute path.
    fn select(&mut self) -> Result<ExprId> {
        self.context.stack.deeper().map_err(|error| error.at(self.span(self.here())))?;
        let start = self.here();
        let subject = self.simple()?;
        if self.accept(TokenKind::Dot).is_some() {
            let path = self.attr_path()?;
            let default =
                if self.accept(TokenKind::Or).is_some() { Some(self.select()?) } else { None };
            let select = self.ast.add_select(Select { subject, path, default });
            let span = self.since(start);
            return Ok(self.ast.add(Expr::Select(select), span));
        }
        if let Some(or) = self.accept(TokenKind::Or) {
            // an old quirk: `f or` is a call with a variable called `or`
            let or = self.ast.add(Expr::Var(known::or), self.span(or));
            let span = self.since(start);
            return Ok(self.ast.add_new_call(subject, smallvec![or], span));
        }
        Ok(subject)
    }

    fn simple(&mut self) -> Result<ExprId> {
        let start = self.here();
        let span = self.span(start);
        let expr = match start.kind {
            TokenKind::Identifier => {
                self.next();
                match self.symbols.intern(self.bytes(start)) {
                    known::cur_pos => Expr::CurPos,
                    name => Expr::Var(name),
                }
            }
            TokenKind::Integer | TokenKind::Float => {
                self.next();
                self.number(start)?
            }
            TokenKind::Quote => {
                self.next();
                return self.string(start);
            }
            TokenKind::IndentedOpen => {
                self.next();
                return self.indented_string(start);
            }
            TokenKind::Path | TokenKind::HomePath => return self.path(),
            TokenKind::SearchPath => {
                self.next();
                let name = self.bytes(start);
                let name = self.ast.add_text(&name[1..name.len() - 1]);
                let function = self.ast.add(Expr::Var(known::find_file), span);
                let list = self.ast.add(Expr::Var(known::nix_path), span);
                let name = self.ast.add(Expr::Str(name), span);
                return Ok(self.ast.add_new_call(function, smallvec![list, name], span));
            }
            TokenKind::Uri => {
                self.next();
                Expr::Str(self.ast.add_text(self.bytes(start)))
            }
            TokenKind::ParenOpen => {
                self.next();
                let inner = self.expr()?;
                self.close(start, TokenKind::ParenClose)?;
                return Ok(inner);
            }
            TokenKind::Let => {
                self.next();
                self.expect(TokenKind::BraceOpen, &[])?;
                let subject = self.set(start, true)?;
                let path = smallvec![(super::ast::Name::Static(known::body), span)];
                Expr::Select(self.ast.add_select(Select { subject, path, default: None }))
            }
            TokenKind::Rec => {
                self.next();
                self.expect(TokenKind::BraceOpen, &[])?;
                return self.set(start, true);
            }
            TokenKind::BraceOpen => {
                self.next();
                return self.set(start, false);
            }
            TokenKind::BracketOpen => {
                self.next();
                let mut items = Vec::new();
                while self.starts_simple() {
                    items.push(self.select()?);
                }
                self.close(start, TokenKind::BracketClose)?;
                Expr::List(self.ast.add_list(items))
            }
            _ => return Err(self.unexpected(&[])),
        };
        let span = self.since(start);
        Ok(self.ast.add(expr, span))
    }

    fn number(&mut self, token: Token) -> Result<Expr> {
        let text = String::from_utf8_lossy(self.bytes(token));
        if token.kind == TokenKind::Integer {
            return text
                .parse()
                .map(Expr::Int)
                .map_err(|_| self.error(self.span(token), format!("invalid integer '{text}'")));
        }
        match text.parse::<f64>() {
            // a number that is too large or rounds to nothing is refused, as strtod reports it
            Ok(number)
                if number.is_normal()
                    || !text
                        .bytes()
                        .take_while(|b| !b"eE".contains(b))
                        .any(|b| (b'1'..=b'9').contains(&b)) =>
            {
                Ok(Expr::Float(number))
            }
            _ => Err(self.error(self.span(token), format!("invalid float '{text}'"))),
        }
    }
}
