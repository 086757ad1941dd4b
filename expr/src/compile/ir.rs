//! The code that is evaluated: a tree in the arena.

use crate::{
    source::Span,
    symbol::Symbol,
    value::{CodeId, FunctionId, Shape, Signature, Slot, Value},
};

/// An expression.
pub(crate) enum Expr<'a> {
    /// A literal or a builtin.
    Const(Value<'a>),
    /// A global that is computed on demand.
    Global(&'a Slot<'a>),
    /// A variable of the innermost activation.
    Local(u32, Span),
    /// A variable: how many activations up, and the slot there.
    Outer(u32, u32, Span),
    /// A variable that only `with` can define.
    With(&'a WithVar<'a>),
    /// `subject.name`
    Select(&'a Select<'a>),
    /// `subject.a.b or default`, or a path with dynamic names.
    SelectPath(&'a SelectPath<'a>),
    /// `subject ? a.b`
    HasAttr(&'a HasAttr<'a>),
    /// A call with all its arguments.
    Call(&'a Call<'a>),
    /// A call of a builtin with as many arguments as it takes.
    CallBuiltin(&'a CallBuiltin<'a>),
    /// A function.
    Lambda(FunctionId),
    /// Opens an activation: `let`, `with`, sources of `inherit (...)`.
    Let(&'a Let<'a>),
    /// The same in slots of the innermost activation.
    Bind(&'a Bind<'a>),
    /// `if`
    If(&'a [Expr<'a>; 3], Span),
    /// `assert`
    Assert(&'a Assert<'a>),
    /// `!`
    Not(&'a Expr<'a>, Span),
    /// Two operands.
    Binary(&'a Binary<'a>),
    /// A string with interpolations.
    Interpolate(&'a Parts<'a>),
    /// A path with interpolations.
    PathParts(&'a Parts<'a>),
    /// A list.
    List(&'a [Delay<'a>]),
    /// A list of constants: each evaluation makes a new list of the same slots.
    ConstList(&'a [Slot<'a>]),
    /// A set.
    Attrs(&'a AttrsCode<'a>),
    /// A set of constants.
    ConstAttrs(&'a ConstAttrs<'a>),
}

/// The first value of a place that computes later.
#[derive(Clone, Copy)]
pub(crate) enum Delay<'a> {
    /// Computed already.
    Const(Value<'a>),
    /// The value of a variable of the innermost activation.
    Local(u32),
    /// The value of an outer variable.
    Outer(u32, u32),
    /// A function.
    Lambda(FunctionId),
    /// `variable.name`: taken at once when the variable holds a set that has it.
    Select(&'a QuickSelect),
    /// Arithmetic on integers: done at once when they are known.
    Arithmetic(&'a QuickArithmetic),
    /// A thunk.
    Code(CodeId),
}

/// See [`Delay::Select`].
pub(crate) struct QuickSelect {
    /// The variable.
    pub(crate) depth: u32,
    /// The variable.
    pub(crate) slot: u32,
    /// The attribute.
    pub(crate) name: Symbol,
    /// The code to suspend otherwise.
    pub(crate) code: CodeId,
}

/// See [`Delay::Arithmetic`].
pub(crate) struct QuickArithmetic {
    /// The operator.
    pub(crate) op: BinaryOp,
    /// The left operand.
    pub(crate) left: Operand,
    /// The right operand.
    pub(crate) right: Operand,
    /// The code to suspend otherwise.
    pub(crate) code: CodeId,
}

/// An operand that may be known when an operation is delayed.
#[derive(Clone, Copy)]
pub(crate) enum Operand {
    /// It is known.
    Int(i64),
    /// A variable: how many activations up, and the slot there.
    Variable(u32, u32),
}

/// See [`Expr::With`].
pub(crate) struct WithVar<'a> {
    /// The name.
    pub(crate) name: Symbol,
    /// The places of the sets, innermost first.
    pub(crate) sets: &'a [(u32, u32)],
    /// Its place in the source.
    pub(crate) span: Span,
}

/// See [`Expr::Select`].
pub(crate) struct Select<'a> {
    /// The set.
    pub(crate) subject: Expr<'a>,
    /// The attribute.
    pub(crate) name: Symbol,
    /// The place of the whole expression.
    pub(crate) span: Span,
}

/// A name in an attribute path.
pub(crate) enum Name<'a> {
    /// Known.
    Static(Symbol),
    /// Computed.
    Dynamic(Expr<'a>, Span),
}

/// See [`Expr::SelectPath`].
pub(crate) struct SelectPath<'a> {
    /// The set.
    pub(crate) subject: Expr<'a>,
    /// The names.
    pub(crate) path: &'a [Name<'a>],
    /// After `or`.
    pub(crate) default: Option<Expr<'a>>,
    /// Its place in the source.
    pub(crate) span: Span,
}

/// See [`Expr::HasAttr`].
pub(crate) struct HasAttr<'a> {
    /// The set.
    pub(crate) subject: Expr<'a>,
    /// The names.
    pub(crate) path: &'a [Name<'a>],
    /// Its place in the source.
    pub(crate) span: Span,
}

/// See [`Expr::Call`].
pub(crate) struct Call<'a> {
    /// The function.
    pub(crate) function: Expr<'a>,
    /// One or more.
    pub(crate) args: &'a [Delay<'a>],
    /// Its place in the source.
    pub(crate) span: Span,
}

/// See [`Expr::CallBuiltin`].
pub(crate) struct CallBuiltin<'a> {
    /// The builtin.
    pub(crate) builtin: &'a Signature,
    /// The argument that it computes before it does anything else, by its number.
    pub(crate) first: Option<(u32, Expr<'a>)>,
    /// All arguments, with something in place of the first one.
    pub(crate) args: &'a [Delay<'a>],
    /// Its place in the source.
    pub(crate) span: Span,
}

/// See [`Expr::Let`].
pub(crate) struct Let<'a> {
    /// How many slots the activation has.
    pub(crate) size: u32,
    /// The first values of the first slots.
    pub(crate) values: &'a [Delay<'a>],
    /// Then.
    pub(crate) body: Expr<'a>,
}

/// See [`Expr::Bind`].
pub(crate) struct Bind<'a> {
    /// The first slot.
    pub(crate) start: u32,
    /// The first values of the slots.
    pub(crate) values: &'a [Delay<'a>],
    /// Then.
    pub(crate) body: Expr<'a>,
}

/// See [`Expr::Assert`].
pub(crate) struct Assert<'a> {
    /// The condition.
    pub(crate) condition: Expr<'a>,
    /// Then.
    pub(crate) body: Expr<'a>,
    /// The place of the condition.
    pub(crate) span: Span,
}

/// See [`Expr::Binary`].
pub(crate) struct Binary<'a> {
    /// The operator.
    pub(crate) op: BinaryOp,
    /// The left operand.
    pub(crate) left: Expr<'a>,
    /// The right operand.
    pub(crate) right: Expr<'a>,
    /// The place of the whole expression.
    pub(crate) span: Span,
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Less,
    Equal,
    NotEqual,
    And,
    Or,
    Implies,
    Update,
    Concat,
}

/// See [`Expr::Interpolate`].
pub(crate) struct Parts<'a> {
    /// The parts with their places.
    pub(crate) parts: &'a [(Expr<'a>, Span)],
    /// Its place in the source.
    pub(crate) span: Span,
}

/// See [`Expr::Attrs`].
pub(crate) struct AttrsCode<'a> {
    /// The static names, sorted by symbol.
    pub(crate) keys: &'a Shape<'a>,
    /// Their values.
    pub(crate) values: &'a [Delay<'a>],
    /// True if the values see each other: they are then the slots of an activation.
    pub(crate) recursive: bool,
    /// The first values of the slots behind the values: the sources of `inherit (...)` of a recursive set.
    pub(crate) hidden: &'a [Delay<'a>],
    /// `__overrides`, by its index, and for each value whether it is a plain `inherit`.
    pub(crate) overrides: Option<u32>,
    /// The names that are computed.
    pub(crate) dynamic: &'a [DynamicAttr<'a>],
    /// Its place in the source.
    pub(crate) span: Span,
}

/// See [`Expr::ConstAttrs`].
pub(crate) struct ConstAttrs<'a> {
    /// The names, sorted by symbol.
    pub(crate) keys: &'a Shape<'a>,
    /// Their values.
    pub(crate) slots: &'a [Slot<'a>],
}

/// An attribute whose name is computed.
pub(crate) struct DynamicAttr<'a> {
    /// The name; with `null` there is no attribute.
    pub(crate) name: Expr<'a>,
    /// The value.
    pub(crate) value: Delay<'a>,
    /// Its place in the source.
    pub(crate) span: Span,
}

/// A function: parameters that are plain names, of which the last may be a set pattern.
pub(crate) struct Function<'a> {
    /// The name it was bound to, for messages.
    pub(crate) name: Option<Symbol>,
    /// How many arguments it takes at once.
    pub(crate) arity: u32,
    /// The pattern of the last one.
    pub(crate) formals: Option<&'a Formals<'a>>,
    /// How many slots an activation has: arguments, names of the pattern, `let`.
    pub(crate) frame: u32,
    /// The body.
    pub(crate) body: Expr<'a>,
    /// The place of the whole function.
    pub(crate) span: Span,
    /// The parameters.
    pub(crate) params: &'a [Param],
}

/// A parameter, which the source has as a function of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    /// Its name; none for a set pattern without one.
    pub(crate) name: Option<Symbol>,
    /// The place of the function from this parameter on.
    pub(crate) span: Span,
}

/// A set pattern. The names' slots follow the arguments'.
pub(crate) struct Formals<'a> {
    /// Sorted by symbol.
    pub(crate) list: &'a [Formal<'a>],
    /// `...`
    pub(crate) ellipsis: bool,
}

/// A name of a set pattern.
pub(crate) struct Formal<'a> {
    /// The name.
    pub(crate) name: Symbol,
    /// The default, which follows the question mark.
    pub(crate) default: Option<Delay<'a>>,
    /// Its place in the source.
    pub(crate) span: Span,
}

impl<'a> Formals<'a> {
    /// The parameter of that name.
    #[must_use]
    pub(crate) fn find(&self, name: Symbol) -> Option<&'a Formal<'a>> {
        self.list.binary_search_by_key(&name, |formal| formal.name).ok().map(|at| &self.list[at])
    }
}

const _: () = assert!(size_of::<Expr<'_>>() == 24);

impl Expr<'_> {
    /// The place of the expression. Literals have none.
    #[must_use]
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Local(_, span)
            | Self::Outer(_, _, span)
            | Self::If(_, span)
            | Self::Not(_, span) => *span,
            Self::With(code) => code.span,
            Self::Select(code) => code.span,
            Self::SelectPath(code) => code.span,
            Self::HasAttr(code) => code.span,
            Self::Call(code) => code.span,
            Self::CallBuiltin(code) => code.span,
            Self::Let(code) => code.body.span(),
            Self::Bind(code) => code.body.span(),
            Self::Assert(code) => code.span,
            Self::Binary(code) => code.span,
            Self::Interpolate(code) | Self::PathParts(code) => code.span,
            Self::Attrs(code) => code.span,
            Self::Const(_)
            | Self::Global(_)
            | Self::Lambda(_)
            | Self::List(_)
            | Self::ConstList(_)
            | Self::ConstAttrs(..) => Span::NONE,
        }
    }
}
