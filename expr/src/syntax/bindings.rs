//! Bindings of sets and `let`: attribute paths, `inherit`, and the merging of definitions with a common
//! path.

use super::{
    ast::{Bound, Dynamic, Entry, Expr, ExprId, Name, Path, Set, SetId},
    parser::Parser,
    token::{Token, TokenKind},
};
use smallvec::{SmallVec, smallvec};

use crate::{
    error::{Error, Result},
    source::Span,
};

/// The names of an attribute path.
type Names = SmallVec<[Name; 4]>;

impl Parser<'_, '_> {
    /// A set, after its opening brace.
    pub(super) fn set(&mut self, start: Token, recursive: bool) -> Result<ExprId> {
        let open = self.last();
        let set = self.bindings(open, TokenKind::BraceClose)?;
        self.ast.sets[set.0 as usize].recursive = recursive;
        self.close(open, TokenKind::BraceClose)?;
        let span = self.since(start);
        Ok(self.ast.add(Expr::Set(set), span))
    }

    /// The bindings after `open`, up to a token that is not consumed.
    pub(super) fn bindings(&mut self, open: Token, end: TokenKind) -> Result<SetId> {
        // paths are merged into sets of the table, so the current set must be one of them
        let id = self.ast.add_set(Set::default());
        while self.peek() != end {
            if self.accept(TokenKind::Inherit).is_some() {
                self.inherit(id, end)?;
            } else {
                let start = self.here();
                let path = self.attr_path().map_err(|error| self.no_binding(error, open, end))?;
                let at = self.since(start);
                self.expect(TokenKind::Assign, &[TokenKind::Dot]).map_err(|error| match end {
                    // a token that cannot start a binding is probably the body of the `let`
                    TokenKind::In => error
                        .with_label(self.span(open), "the bindings of this `let`")
                        .with_help(format!(
                            "`in` must stand between the bindings and the expression; it may be \
                             missing before '{}'",
                            String::from_utf8_lossy(self.bytes(start))
                        )),
                    _ => self.no_binding(error, open, end),
                })?;
                let value = self.expr()?;
                self.end_of_binding(end)?;
                self.define(id, &path, at, value)?;
            }
        }
        // most sets are small, and a vector reserves more than they need
        self.ast.sets[id.0 as usize].entries.shrink_to_fit();
        Ok(id)
    }

    /// The error for a token that is neither a binding nor the end of the bindings.
    #[cold]
    fn no_binding(&self, error: Box<Error>, open: Token, end: TokenKind) -> Box<Error> {
        match (self.here().kind, end) {
            (TokenKind::End, TokenKind::In) => self
                .unexpected(&[TokenKind::In])
                .with_label(self.span(open), "the bindings of this `let`")
                .with_help("`in` and an expression must follow the bindings"),
            (TokenKind::End, TokenKind::BraceClose) => {
                self.unexpected(&[end]).with_label(self.span(open), "opened here")
            }
            (TokenKind::Comma, _) => error.with_help("bindings end with ';'"),
            _ => error,
        }
    }

    /// The error for a missing semicolon. It shows the end of the binding, which may be lines above.
    #[cold]
    fn no_semicolon(&self, error: Box<Error>) -> Box<Error> {
        let here = self.here();
        if here.kind == TokenKind::Comma {
            return error.with_help("bindings end with ';'");
        }
        // if `=` is found, the name before it was read as an argument
        let mut next = here;
        let mut behind = self.behind().peekable();
        if here.kind == TokenKind::Assign {
            let is_name = |token: &Token| {
                matches!(
                    token.kind,
                    TokenKind::Identifier
                        | TokenKind::Dot
                        | TokenKind::Or
                        | TokenKind::Quote
                        | TokenKind::StringPart
                )
            };
            while let Some(token) = behind.next_if(is_name) {
                next = token;
                let before = behind.peek();
                if before.is_some_and(|before| self.is_below(*before, token)) {
                    break;
                }
            }
        }
        let Some(last) = behind
            .next()
            .filter(|last| here.kind == TokenKind::Assign || self.is_below(*last, here))
        else {
            return error;
        };
        let end = self.span(last).hi;
        let message = "syntax error, ';' is missing at the end of this binding";
        let error = Error::new(error.kind(), Span::new(end, end + 1), message);
        if next.kind == TokenKind::End {
            error
        } else {
            error.with_label(self.span(next), "what follows it")
        }
    }

    /// The semicolon, which is optional if the bindings end with the text.
    fn end_of_binding(&mut self, end: TokenKind) -> Result<()> {
        if end == TokenKind::End && self.peek() == end {
            return Ok(());
        }
        self.expect(TokenKind::Semicolon, &[]).map(drop).map_err(|error| self.no_semicolon(error))
    }

    fn inherit(&mut self, id: SetId, end: TokenKind) -> Result<()> {
        let mut bound = Bound::Inherited;
        if self.accept(TokenKind::ParenOpen).is_some() {
            let source = self.expr()?;
            self.expect(TokenKind::ParenClose, &[])?;
            let sources = &mut self.ast.sets[id.0 as usize].sources;
            sources.push(source);
            bound = Bound::InheritedFrom(u32::try_from(sources.len() - 1).unwrap_or(u32::MAX));
        }
        let ends =
            |kind: TokenKind| kind == TokenKind::Semicolon || kind == TokenKind::End && kind == end;
        while !ends(self.peek()) {
            let (name, span) = self.attr_name()?;
            let Name::Static(name) = name else {
                return Err(self.error(span, "dynamic attributes not allowed in inherit"));
            };
            if let Some(before) = self.ast.set(id).find(name) {
                return Err(self.defined_twice(&self.symbols.show(name), span, before.span));
            }
            self.ast.sets[id.0 as usize].push(Entry { name, span, value: bound });
        }
        self.end_of_binding(end)
    }

    fn defined_twice(&self, name: &str, span: Span, before: Span) -> Box<Error> {
        let place = (self.context.show_place)(before);
        self.error(span, format!("attribute '{name}' already defined at {place}"))
            .with_label(before, "the first definition")
    }

    /// Names between dots.
    pub(super) fn attr_path(&mut self) -> Result<Path> {
        let mut path = smallvec![self.attr_name()?];
        while self.accept(TokenKind::Dot).is_some() {
            path.push(self.attr_name()?);
        }
        Ok(path)
    }

    fn attr_name(&mut self) -> Result<(Name, Span)> {
        let start = self.here();
        let name = match start.kind {
            TokenKind::Identifier | TokenKind::Or => {
                self.next();
                Name::Static(self.symbols.intern(self.bytes(start)))
            }
            TokenKind::Quote | TokenKind::Interpolation => {
                self.next();
                let expr = if start.kind == TokenKind::Quote {
                    self.string(start)?
                } else {
                    let inner = self.expr()?;
                    self.expect(TokenKind::BraceClose, &[])?;
                    inner
                };
                match self.ast.expr(expr) {
                    Expr::Str(text) => Name::Static(self.symbols.intern(self.ast.text(text))),
                    _ => Name::Dynamic(expr),
                }
            }
            _ => {
                return Err(self.unexpected(&[
                    TokenKind::Identifier,
                    TokenKind::Or,
                    TokenKind::Interpolation,
                ]));
            }
        };
        Ok((name, self.since(start)))
    }

    /// `path = value;`
    fn define(
        &mut self,
        set: SetId,
        path: &[(Name, Span)],
        span: Span,
        value: ExprId,
    ) -> Result<()> {
        let mut set = set;
        let Some(((last, _), way)) = path.split_last() else { return Ok(()) };
        for (at, (name, _)) in way.iter().enumerate() {
            set = match *name {
                Name::Static(symbol) => match self.ast.set(set).find(symbol) {
                    Some(entry) => match self.plain_set(entry) {
                        Some(inner) => inner,
                        None => {
                            let name = self.show_path(&path[..=at]);
                            return Err(self.defined_twice(&name, span, entry.span));
                        }
                    },
                    None => {
                        let (inner, expr) = self.new_set(span);
                        let value = Bound::Plain(expr);
                        self.ast.sets[set.0 as usize].push(Entry { name: symbol, span, value });
                        inner
                    }
                },
                Name::Dynamic(name) => {
                    let (inner, value) = self.new_set(span);
                    self.ast.sets[set.0 as usize].dynamic.push(Dynamic { name, value, span });
                    inner
                }
            };
        }
        match *last {
            Name::Static(name) => {
                let value = Bound::Plain(value);
                let mut shown: Names = path.iter().map(|(name, _)| *name).collect();
                self.insert(set, Entry { name, span, value }, &mut shown)
            }
            Name::Dynamic(name) => {
                self.ast.sets[set.0 as usize].dynamic.push(Dynamic { name, value, span });
                Ok(())
            }
        }
    }

    fn new_set(&mut self, span: Span) -> (SetId, ExprId) {
        let set = self.ast.add_set(Set::default());
        (set, self.ast.add(Expr::Set(set), span))
    }

    /// The set literal that an attribute is bound to.
    fn plain_set(&self, entry: Entry) -> Option<SetId> {
        match entry.value {
            Bound::Plain(value) => match self.ast.expr(value) {
                Expr::Set(set) => Some(set),
                _ => None,
            },
            _ => None,
        }
    }

    fn show_path(&self, path: &[(Name, Span)]) -> String {
        self.show_names(&path.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    }

    fn show_names(&self, path: &[Name]) -> String {
        let names: Vec<String> = path
            .iter()
            .map(|name| match name {
                Name::Static(symbol) => self.symbols.show(*symbol),
                Name::Dynamic(_) => "\"${...}\"".to_owned(),
            })
            .collect();
        names.join(".")
    }

    /// Adds an attribute. Two sets under one name become one; as in Nix, whether the second is
    /// recursive is then forgotten.
    fn insert(&mut self, set: SetId, entry: Entry, path: &mut Names) -> Result<()> {
        let Some(before) = self.ast.set(set).find(entry.name) else {
            self.ast.sets[set.0 as usize].push(entry);
            return Ok(());
        };
        let (Some(old), Some(new)) = (self.plain_set(before), self.plain_set(entry)) else {
            return Err(self.defined_twice(&self.show_names(path), entry.span, before.span));
        };
        let taken = std::mem::take(&mut self.ast.sets[new.0 as usize]);
        let first = self.ast.set(old).sources.len();
        let first = u32::try_from(first).unwrap_or(u32::MAX);
        for mut entry in taken.entries {
            if let Bound::InheritedFrom(source) = &mut entry.value {
                *source += first;
            }
            path.push(Name::Static(entry.name));
            self.insert(old, entry, path)?;
            path.pop();
        }
        let old = &mut self.ast.sets[old.0 as usize];
        old.sources.extend(taken.sources);
        old.dynamic.extend(taken.dynamic);
        Ok(())
    }
}
