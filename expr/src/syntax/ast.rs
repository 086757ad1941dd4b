//! The syntax tree: dense tables and numbers instead of pointers. Parentheses leave no trace,
//! operators that Nix knows as calls (`-`, `*`, `/`, `<`) are calls.

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use crate::{source::Span, symbol::Symbol};

/// The number of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExprId(pub u32);

/// The number of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetId(pub u32);

/// Bytes in [`Ast::texts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// The first.
    pub(crate) start: u32,
    /// How many.
    pub(crate) len: u32,
}

/// An expression.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expr {
    /// A name.
    Var(Symbol),
    /// A number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A string without interpolations, or a URI.
    Str(Text),
    /// An absolute path.
    Path(Text),
    /// `__curPos`
    CurPos,
    /// Index of [`Ast::selects`].
    Select(u32),
    /// Index of [`Ast::selects`], without default.
    HasAttr(u32),
    /// A set.
    Set(SetId),
    /// Index of [`Ast::lists`].
    List(u32),
    /// Index of [`Ast::lambdas`].
    Lambda(u32),
    /// Index of [`Ast::calls`].
    Call(u32),
    /// `let` with its bindings.
    Let(SetId, ExprId),
    /// `with set; body`
    With(ExprId, ExprId),
    /// `if`
    If(ExprId, ExprId, ExprId),
    /// `assert`
    Assert(ExprId, ExprId),
    /// `!`
    Not(ExprId),
    /// An operator.
    Op(Op, ExprId, ExprId),
    /// `+`, with the place of the operator.
    Plus(ExprId, ExprId),
    /// A string with interpolations: index of [`Ast::lists`].
    Interpolation(u32),
    /// A path with interpolations: index of [`Ast::lists`].
    PathInterpolation(u32),
}

/// An operator that is not a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Op {
    Equal,
    NotEqual,
    And,
    Or,
    Implies,
    Update,
    Concat,
}

/// A name of an attribute path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    /// Known.
    Static(Symbol),
    /// Computed.
    Dynamic(ExprId),
}

/// An attribute path; most have one name.
pub(crate) type Path = SmallVec<[(Name, Span); 1]>;

/// Arguments; most calls have one or two.
pub(crate) type Args = SmallVec<[ExprId; 2]>;

/// `subject.path or default`, `subject ? path`
#[derive(Debug)]
pub(crate) struct Select {
    /// The set.
    pub(crate) subject: ExprId,
    /// One name or more.
    pub(crate) path: Path,
    /// After `or`.
    pub(crate) default: Option<ExprId>,
}

/// A call with all its arguments.
#[derive(Debug)]
pub(crate) struct Call {
    /// The function.
    pub(crate) function: ExprId,
    /// One or more.
    pub(crate) args: Args,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Lambda {
    /// The argument's name.
    pub(crate) arg: Option<(Symbol, Span)>,
    /// The set pattern.
    pub(crate) formals: Option<Formals>,
    /// The body.
    pub(crate) body: ExprId,
}

/// A set pattern.
#[derive(Debug)]
pub(crate) struct Formals {
    /// Sorted by symbol.
    pub(crate) list: Vec<Formal>,
    /// `...`
    pub(crate) ellipsis: bool,
}

/// A name of a set pattern.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formal {
    /// The name.
    pub(crate) name: Symbol,
    /// Its place in the source.
    pub(crate) span: Span,
    /// After the question mark.
    pub(crate) default: Option<ExprId>,
}

/// A set, or the bindings of a `let`.
#[derive(Debug, Default)]
pub(crate) struct Set {
    /// `rec`
    pub(crate) recursive: bool,
    /// The static attributes, in the order of the text.
    pub(crate) entries: Vec<Entry>,
    /// The sources of `inherit (source) ...`.
    pub(crate) sources: Vec<ExprId>,
    /// The attributes whose names are computed.
    pub(crate) dynamic: Vec<Dynamic>,
    /// Of large sets, where each attribute is.
    index: Option<Box<FxHashMap<Symbol, u32>>>,
}

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The name.
    pub(crate) name: Symbol,
    /// The place of its definition.
    pub(crate) span: Span,
    /// Its value.
    pub(crate) value: Bound,
}

/// The value that an attribute is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// `name = value`
    Plain(ExprId),
    /// `inherit name`
    Inherited,
    /// `inherit (source) name`, by the number of the source.
    InheritedFrom(u32),
}

/// An attribute whose name is computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dynamic {
    /// The name.
    pub(crate) name: ExprId,
    /// The value.
    pub(crate) value: ExprId,
    /// Its place in the source.
    pub(crate) span: Span,
}

impl Set {
    /// From this many attributes on there is an index.
    const INDEXED: usize = 12;

    /// The attribute of a name.
    #[must_use]
    pub(crate) fn find(&self, name: Symbol) -> Option<Entry> {
        match &self.index {
            None => self.entries.iter().find(|entry| entry.name == name).copied(),
            Some(index) => index.get(&name).map(|&at| self.entries[at as usize]),
        }
    }

    /// Adds an attribute that is not there yet.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        let len = self.entries.len();
        if len > Self::INDEXED {
            let from = if self.index.is_none() { 0 } else { len - 1 };
            let index = self.index.get_or_insert_default();
            for (at, entry) in self.entries.iter().enumerate().skip(from) {
                index.insert(entry.name, u32::try_from(at).unwrap_or(u32::MAX));
            }
        }
    }
}

/// A tree.
#[derive(Debug, Default)]
pub(crate) struct Ast {
    /// The expressions.
    pub(crate) exprs: Vec<Expr>,
    /// Their places.
    pub(crate) spans: Vec<Span>,
    /// The bytes of strings and paths.
    pub(crate) texts: Vec<u8>,
    /// Attribute paths.
    pub(crate) selects: Vec<Select>,
    /// Calls.
    pub(crate) calls: Vec<Call>,
    /// Lists, and the parts of strings and paths.
    pub(crate) lists: Vec<Vec<ExprId>>,
    /// Functions.
    pub(crate) lambdas: Vec<Lambda>,
    /// Sets.
    pub(crate) sets: Vec<Set>,
}

#[allow(clippy::cast_possible_truncation, reason = "a source has less than 4 GiB")]
impl Ast {
    /// An empty tree with room for what so many tokens usually become. A table that grows is copied,
    /// and leaves behind as much again; room that is not used is never touched.
    #[must_use]
    pub(crate) fn with_room(tokens: usize) -> Self {
        Self {
            exprs: Vec::with_capacity(tokens / 2),
            spans: Vec::with_capacity(tokens / 2),
            selects: Vec::with_capacity(tokens / 12),
            calls: Vec::with_capacity(tokens / 8),
            lists: Vec::with_capacity(tokens / 12),
            lambdas: Vec::with_capacity(tokens / 24),
            sets: Vec::with_capacity(tokens / 12),
            ..Self::default()
        }
    }

    /// Adds an expression.
    pub(crate) fn add(&mut self, expr: Expr, span: Span) -> ExprId {
        self.exprs.push(expr);
        self.spans.push(span);
        ExprId(self.exprs.len() as u32 - 1)
    }

    /// Adds bytes.
    pub(crate) fn add_text(&mut self, bytes: &[u8]) -> Text {
        let start = self.texts.len() as u32;
        self.texts.extend_from_slice(bytes);
        Text { start, len: bytes.len() as u32 }
    }

    /// Adds a list.
    pub(crate) fn add_list(&mut self, items: Vec<ExprId>) -> u32 {
        self.lists.push(items);
        self.lists.len() as u32 - 1
    }

    /// Adds a set.
    pub(crate) fn add_set(&mut self, set: Set) -> SetId {
        self.sets.push(set);
        SetId(self.sets.len() as u32 - 1)
    }

    /// Adds an attribute path.
    pub(crate) fn add_select(&mut self, select: Select) -> u32 {
        self.selects.push(select);
        self.selects.len() as u32 - 1
    }

    /// Adds a function.
    pub(crate) fn add_lambda(&mut self, lambda: Lambda) -> u32 {
        self.lambdas.push(lambda);
        self.lambdas.len() as u32 - 1
    }

    /// A call; one more argument when the function is itself a call.
    pub(crate) fn add_call(&mut self, function: ExprId, arg: ExprId, span: Span) -> ExprId {
        if let Expr::Call(call) = self.expr(function) {
            self.calls[call as usize].args.push(arg);
            self.spans[function.0 as usize] = span;
            return function;
        }
        self.add_new_call(function, smallvec![arg], span)
    }

    /// A call of its own.
    pub(crate) fn add_new_call(&mut self, function: ExprId, args: Args, span: Span) -> ExprId {
        self.calls.push(Call { function, args });
        self.add(Expr::Call(self.calls.len() as u32 - 1), span)
    }

    /// An expression.
    #[must_use]
    pub(crate) fn expr(&self, id: ExprId) -> Expr {
        self.exprs[id.0 as usize]
    }

    /// Its place.
    #[must_use]
    pub(crate) fn span(&self, id: ExprId) -> Span {
        self.spans[id.0 as usize]
    }

    /// A set.
    #[must_use]
    pub(crate) fn set(&self, id: SetId) -> &Set {
        &self.sets[id.0 as usize]
    }

    /// Bytes.
    #[must_use]
    pub(crate) fn text(&self, text: Text) -> &[u8] {
        &self.texts[text.start as usize..(text.start + text.len) as usize]
    }
}
