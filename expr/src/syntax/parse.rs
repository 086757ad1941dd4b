//! Tokens to a tree: recursive descent, operators by binding power.

use smallvec::smallvec;

use super::{
    ast::{Ast, Expr, ExprId, Formal, Formals, Lambda, Op, Select},
    lex::lex,
    token::{Kind, Token},
};
use crate::{
    error::{Error, Kind as ErrorKind, Result},
    interner::Interner,
    source::Span,
    stack::Stack,
    symbol::{Symbol, known},
};

/// What a text is parsed with.
pub(crate) struct Context<'c> {
    /// The number of the text's first byte.
    pub(crate) base: u32,
    /// What relative paths are relative to.
    pub(crate) folder: &'c [u8],
    /// What `~` is; `None` where the language knows no home.
    pub(crate) home: Option<&'c [u8]>,
    /// Whether `|>` and `<|` are known.
    pub(crate) pipe_operators: bool,
    /// The stack that may be used.
    pub(crate) stack: Stack,
    /// Shows a place, for messages that name a second one.
    pub(crate) show_place: &'c dyn Fn(Span) -> String,
}

/// The tree of a text, and its root.
///
/// # Errors
/// [`ErrorKind::Parse`] with the place.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method has fixed lifetimes")]
pub(crate) fn parse(
    text: &[u8],
    symbols: &mut Interner<'_>,
    context: &Context<'_>,
) -> Result<(Ast, ExprId)> {
    parse_as(text, symbols, context, |parser| parser.expr())
}

/// What can be typed into a session.
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
    context: &Context<'_>,
) -> Result<(Ast, Input)> {
    parse_as(text, symbols, context, |parser| parser.input())
}

fn parse_as<T>(
    text: &[u8],
    symbols: &mut Interner<'_>,
    context: &Context<'_>,
    rule: impl FnOnce(&mut Parser<'_, '_>) -> Result<T>,
) -> Result<(Ast, T)> {
    let tokens = lex(text).map_err(|error| {
        let at = context.base + error.at;
        Error::new(ErrorKind::Parse, Span::new(at, at + 1), error.message)
    })?;
    let ast = Ast::with_room(tokens.len());
    let mut parser = Parser { text, tokens: &tokens, at: 0, ast, symbols, context };
    let root = rule(&mut parser)?;
    parser.expect(Kind::End, &[])?;
    Ok((parser.ast, root))
}

pub(super) struct Parser<'p, 'a> {
    pub(super) text: &'p [u8],
    tokens: &'p [Token],
    at: usize,
    pub(super) ast: Ast,
    pub(super) symbols: &'p mut Interner<'a>,
    pub(super) context: &'p Context<'p>,
}

/// How tightly an operator binds, and to which side it leans.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lean {
    Left,
    Right,
    Neither,
}

fn binding(kind: Kind) -> Option<(u8, Lean)> {
    Some(match kind {
        Kind::Arrow => (1, Lean::Right),
        Kind::OrOr => (2, Lean::Left),
        Kind::And => (3, Lean::Left),
        Kind::Equal | Kind::NotEqual => (4, Lean::Neither),
        Kind::Less | Kind::Greater | Kind::LessEqual | Kind::GreaterEqual => (5, Lean::Neither),
        Kind::Update => (6, Lean::Right),
        Kind::Plus | Kind::Minus => (8, Lean::Left),
        Kind::Star | Kind::Slash => (9, Lean::Left),
        Kind::Concat => (10, Lean::Right),
        Kind::Question => (11, Lean::Left),
        _ => return None,
    })
}

/// Nix knows no larger patterns.
const MOST_FORMALS: usize = 65_535;

/// `!` takes everything that binds tighter than it; `-` takes nothing but calls.
const NOT: u8 = 7;
const NEGATE: u8 = 12;

impl<'p> Parser<'p, '_> {
    pub(super) fn peek(&self) -> Kind {
        self.tokens[self.at].kind
    }

    fn peek_at(&self, ahead: usize) -> Kind {
        self.tokens.get(self.at + ahead).map_or(Kind::End, |token| token.kind)
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.tokens[self.at];
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    pub(super) fn accept(&mut self, kind: Kind) -> Option<Token> {
        (self.peek() == kind).then(|| self.next())
    }

    /// The next token, which must be of a kind; `others` would have been right too.
    pub(super) fn expect(&mut self, kind: Kind, others: &[Kind]) -> Result<Token> {
        if self.peek() == kind {
            return Ok(self.next());
        }
        let mut wanted = vec![kind];
        wanted.extend_from_slice(others);
        Err(self.unexpected(&wanted))
    }

    /// The token that closes what `open` opened.
    pub(super) fn close(&mut self, open: Token, kind: Kind) -> Result<Token> {
        self.expect(kind, &[]).map_err(|error| match self.here().kind {
            Kind::End => error.with_label(self.span(open), "opened here"),
            Kind::Comma => error.with_help(if kind == Kind::BracketClose {
                "the elements of a list stand side by side: [ a b ]"
            } else {
                "the arguments of a function stand side by side: f a b"
            }),
            _ => error,
        })
    }

    /// The quote that ends a string. Where there is none, the text ends in the string, perhaps far
    /// from where it began.
    pub(super) fn close_string(&mut self, open: Token, kind: Kind) -> Result<Token> {
        if self.peek() != Kind::End {
            return self.expect(kind, &[]);
        }
        let quote = if kind == Kind::Quote { "\"" } else { "''" };
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

    /// Whether a token starts on a later line than another ends.
    pub(super) fn is_below(&self, upper: Token, lower: Token) -> bool {
        let between = &self.text[upper.hi as usize..(lower.lo as usize).max(upper.hi as usize)];
        memchr::memchr2(b'\n', b'\r', between).is_some()
    }

    #[cold]
    pub(super) fn unexpected(&self, wanted: &[Kind]) -> Box<Error> {
        let token = self.tokens[self.at];
        let found = match token.kind {
            Kind::Unknown => {
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
            Kind::End => ErrorKind::Incomplete,
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

    fn input(&mut self) -> Result<Input> {
        let start = self.here();
        match start.kind {
            Kind::End => return Ok(Input::Nothing),
            Kind::Inherit => {}
            _ => {
                // a path and `=`: what is read of it is read again
                let at = self.at;
                let binds = self.attr_path().is_ok() && self.peek() == Kind::Assign;
                self.at = at;
                if !binds {
                    return self.expr().map(Input::Expression);
                }
            }
        }
        let set = self.bindings(start, Kind::End)?;
        let span = self.since(start);
        Ok(Input::Bindings(self.ast.add(Expr::Set(set), span)))
    }

    /// An expression of any kind.
    pub(super) fn expr(&mut self) -> Result<ExprId> {
        self.context.stack.deeper().map_err(|error| error.at(self.span(self.here())))?;
        let start = self.here();
        let expr = match self.peek() {
            Kind::Identifier if matches!(self.peek_at(1), Kind::Colon | Kind::At) => {
                return self.lambda();
            }
            Kind::BraceOpen if self.is_pattern() => return self.lambda(),
            Kind::Assert => {
                self.next();
                let condition = self.expr()?;
                self.expect(Kind::Semicolon, &[])?;
                Expr::Assert(condition, self.expr()?)
            }
            Kind::With => {
                self.next();
                let set = self.expr()?;
                self.expect(Kind::Semicolon, &[])?;
                Expr::With(set, self.expr()?)
            }
            Kind::Let if self.peek_at(1) != Kind::BraceOpen => {
                self.next();
                let set = self.bindings(start, Kind::In)?;
                if let Some(dynamic) = self.ast.set(set).dynamic.first() {
                    return Err(self.error(dynamic.span, "dynamic attributes not allowed in let"));
                }
                self.expect(Kind::In, &[])?;
                Expr::Let(set, self.expr()?)
            }
            Kind::If => {
                self.next();
                let condition = self.expr()?;
                self.expect(Kind::Then, &[])?;
                let yes = self.expr()?;
                self.expect(Kind::Else, &[])?;
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
        if matches!(self.peek(), Kind::PipeFrom | Kind::PipeInto) && !self.context.pipe_operators {
            let message = "experimental Nix feature 'pipe-operators' is disabled; add \
                           '--extra-experimental-features pipe-operators' to enable it";
            return Err(self.error(self.span(self.here()), message));
        }
        match self.peek() {
            Kind::PipeFrom => {
                let mut functions = vec![left];
                while self.accept(Kind::PipeFrom).is_some() {
                    functions.push(self.operators(0)?);
                }
                let mut arg = functions.pop().unwrap_or(left);
                while let Some(function) = functions.pop() {
                    let span = self.since(start);
                    arg = self.ast.add_call(function, arg, span);
                }
                Ok(arg)
            }
            Kind::PipeInto => {
                while self.accept(Kind::PipeInto).is_some() {
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
            Kind::Not => {
                self.next();
                let operand = self.operators(NOT + 1)?;
                let span = self.since(start);
                self.ast.add(Expr::Not(operand), span)
            }
            Kind::Minus => {
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
            if operator.kind == Kind::Question {
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

    fn operation(&mut self, kind: Kind, left: ExprId, right: ExprId, span: Span) -> ExprId {
        let operator = match kind {
            Kind::Plus => return self.ast.add(Expr::Plus(left, right), span),
            Kind::Minus => return self.builtin(known::sub, left, right, span),
            Kind::Star => return self.builtin(known::mul, left, right, span),
            Kind::Slash => return self.builtin(known::div, left, right, span),
            Kind::Less => return self.builtin(known::less_than, left, right, span),
            Kind::Greater => return self.builtin(known::less_than, right, left, span),
            Kind::LessEqual | Kind::GreaterEqual => {
                let (left, right) =
                    if kind == Kind::LessEqual { (right, left) } else { (left, right) };
                let less = self.builtin(known::less_than, left, right, span);
                return self.ast.add(Expr::Not(less), span);
            }
            Kind::Equal => Op::Equal,
            Kind::NotEqual => Op::NotEqual,
            Kind::And => Op::And,
            Kind::OrOr => Op::Or,
            Kind::Update => Op::Update,
            Kind::Concat => Op::Concat,
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

    /// Whether the next token starts an operand.
    pub(super) fn starts_simple(&self) -> bool {
        match self.peek() {
            Kind::Identifier
            | Kind::Integer
            | Kind::Float
            | Kind::Quote
            | Kind::IndentedOpen
            | Kind::Path
            | Kind::HomePath
            | Kind::SearchPath
            | Kind::Uri
            | Kind::ParenOpen
            | Kind::Rec
            | Kind::BraceOpen
            | Kind::BracketOpen => true,
            Kind::Let => self.peek_at(1) == Kind::BraceOpen,
            _ => false,
        }
    }

    /// An operand with its attribute path.
    fn select(&mut self) -> Result<ExprId> {
        self.context.stack.deeper().map_err(|error| error.at(self.span(self.here())))?;
        let start = self.here();
        let subject = self.simple()?;
        if self.accept(Kind::Dot).is_some() {
            let path = self.attr_path()?;
            let default = if self.accept(Kind::Or).is_some() { Some(self.select()?) } else { None };
            let select = self.ast.add_select(Select { subject, path, default });
            let span = self.since(start);
            return Ok(self.ast.add(Expr::Select(select), span));
        }
        if let Some(or) = self.accept(Kind::Or) {
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
            Kind::Identifier => {
                self.next();
                match self.symbols.intern(self.bytes(start)) {
                    known::cur_pos => Expr::CurPos,
                    name => Expr::Var(name),
                }
            }
            Kind::Integer | Kind::Float => {
                self.next();
                self.number(start)?
            }
            Kind::Quote => {
                self.next();
                return self.string(start);
            }
            Kind::IndentedOpen => {
                self.next();
                return self.indented_string(start);
            }
            Kind::Path | Kind::HomePath => return self.path(),
            Kind::SearchPath => {
                self.next();
                let name = self.bytes(start);
                let name = self.ast.add_text(&name[1..name.len() - 1]);
                let function = self.ast.add(Expr::Var(known::find_file), span);
                let list = self.ast.add(Expr::Var(known::nix_path), span);
                let name = self.ast.add(Expr::Str(name), span);
                return Ok(self.ast.add_new_call(function, smallvec![list, name], span));
            }
            Kind::Uri => {
                self.next();
                Expr::Str(self.ast.add_text(self.bytes(start)))
            }
            Kind::ParenOpen => {
                self.next();
                let inner = self.expr()?;
                self.close(start, Kind::ParenClose)?;
                return Ok(inner);
            }
            Kind::Let => {
                self.next();
                self.expect(Kind::BraceOpen, &[])?;
                let subject = self.set(start, true)?;
                let path = smallvec![(super::ast::Name::Static(known::body), span)];
                Expr::Select(self.ast.add_select(Select { subject, path, default: None }))
            }
            Kind::Rec => {
                self.next();
                self.expect(Kind::BraceOpen, &[])?;
                return self.set(start, true);
            }
            Kind::BraceOpen => {
                self.next();
                return self.set(start, false);
            }
            Kind::BracketOpen => {
                self.next();
                let mut items = Vec::new();
                while self.starts_simple() {
                    items.push(self.select()?);
                }
                self.close(start, Kind::BracketClose)?;
                Expr::List(self.ast.add_list(items))
            }
            _ => return Err(self.unexpected(&[])),
        };
        let span = self.since(start);
        Ok(self.ast.add(expr, span))
    }

    fn number(&mut self, token: Token) -> Result<Expr> {
        let text = String::from_utf8_lossy(self.bytes(token));
        if token.kind == Kind::Integer {
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

    /// Whether a brace starts a set pattern and not a set.
    fn is_pattern(&self) -> bool {
        match self.peek_at(1) {
            Kind::Ellipsis => true,
            Kind::BraceClose => matches!(self.peek_at(2), Kind::Colon | Kind::At),
            Kind::Identifier => {
                matches!(self.peek_at(2), Kind::Comma | Kind::Question | Kind::BraceClose)
            }
            _ => false,
        }
    }

    fn lambda(&mut self) -> Result<ExprId> {
        let start = self.here();
        let mut arg = None;
        let mut formals = None;
        if self.peek() == Kind::Identifier {
            arg = Some(self.identifier()?);
            if self.accept(Kind::At).is_some() {
                formals = Some(self.formals()?);
            }
        } else {
            formals = Some(self.formals()?);
            if self.accept(Kind::At).is_some() {
                arg = Some(self.identifier()?);
            }
        }
        self.expect(Kind::Colon, if arg.is_none() { &[Kind::At] } else { &[] })?;
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
        let token = self.expect(Kind::Identifier, &[])?;
        Ok((self.symbols.intern(self.bytes(token)), self.span(token)))
    }

    fn duplicate_formal(&self, name: Symbol, span: Span) -> Box<Error> {
        let name = self.symbols.show(name);
        self.error(span, format!("duplicate formal function argument '{name}'"))
    }

    fn formals(&mut self) -> Result<Formals> {
        let start = self.here();
        self.expect(Kind::BraceOpen, &[])?;
        let mut formals = Formals { list: Vec::new(), ellipsis: false };
        loop {
            if self.accept(Kind::Ellipsis).is_some() {
                formals.ellipsis = true;
                break;
            }
            if self.peek() == Kind::BraceClose {
                break;
            }
            let (name, span) = self.identifier()?;
            let default =
                if self.accept(Kind::Question).is_some() { Some(self.expr()?) } else { None };
            formals.list.push(Formal { name, span, default });
            if self.accept(Kind::Comma).is_none() {
                break;
            }
        }
        self.expect(Kind::BraceClose, &[])?;
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
