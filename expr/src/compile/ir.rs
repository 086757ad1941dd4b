//! The code that is evaluated: a tree in the arena.

use crate::{
    source::Span,
    symbol::Symbol,
    value::{CodeId, FunctionId, Shape, Signature, Slot, Value},
};

/// An expression.
pub enum Expr<'a> {
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

/// What a place that computes later starts with.
#[derive(Clone, Copy)]
pub enum Delay<'a> {
    /// Computed already.
    Const(Value<'a>),
    /// What a variable of the innermost activation holds.
    Local(u32),
    /// What an outer variable holds.
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
pub struct QuickSelect {
    /// The variable.
    pub depth: u32,
    /// The variable.
    pub slot: u32,
    /// The attribute.
    pub name: Symbol,
    /// What to suspend otherwise.
    pub code: CodeId,
}

/// See [`Delay::Arithmetic`].
pub struct QuickArithmetic {
    /// What to do.
    pub op: BinaryOp,
    /// The left operand.
    pub left: Operand,
    /// The right operand.
    pub right: Operand,
    /// What to suspend otherwise.
    pub code: CodeId,
}

/// An operand that may be known when an operation is delayed.
#[derive(Clone, Copy)]
pub enum Operand {
    /// It is known.
    Int(i64),
    /// A variable: how many activations up, and the slot there.
    Variable(u32, u32),
}

/// See [`Expr::With`].
pub struct WithVar<'a> {
    /// The name.
    pub name: Symbol,
    /// Where the sets are, innermost first.
    pub sets: &'a [(u32, u32)],
    /// Where.
    pub span: Span,
}

/// See [`Expr::Select`].
pub struct Select<'a> {
    /// The set.
    pub subject: Expr<'a>,
    /// The attribute.
    pub name: Symbol,
    /// Where: the whole expression.
    pub span: Span,
}

/// A name in an attribute path.
pub enum Name<'a> {
    /// Known.
    Static(Symbol),
    /// Computed.
    Dynamic(Expr<'a>, Span),
}

/// See [`Expr::SelectPath`].
pub struct SelectPath<'a> {
    /// The set.
    pub subject: Expr<'a>,
    /// The names.
    pub path: &'a [Name<'a>],
    /// After `or`.
    pub default: Option<Expr<'a>>,
    /// Where.
    pub span: Span,
}

/// See [`Expr::HasAttr`].
pub struct HasAttr<'a> {
    /// The set.
    pub subject: Expr<'a>,
    /// The names.
    pub path: &'a [Name<'a>],
    /// Where.
    pub span: Span,
}

/// See [`Expr::Call`].
pub struct Call<'a> {
    /// The function.
    pub function: Expr<'a>,
    /// One or more.
    pub args: &'a [Delay<'a>],
    /// Where.
    pub span: Span,
}

/// See [`Expr::CallBuiltin`].
pub struct CallBuiltin<'a> {
    /// The builtin.
    pub builtin: &'a Signature,
    /// The argument that it computes before it does anything else, by its number.
    pub first: Option<(u32, Expr<'a>)>,
    /// All arguments, with something in place of the first one.
    pub args: &'a [Delay<'a>],
    /// Where.
    pub span: Span,
}

/// See [`Expr::Let`].
pub struct Let<'a> {
    /// How many slots the activation has.
    pub size: u32,
    /// What the first of them start with.
    pub values: &'a [Delay<'a>],
    /// Then.
    pub body: Expr<'a>,
}

/// See [`Expr::Bind`].
pub struct Bind<'a> {
    /// The first slot.
    pub start: u32,
    /// What the slots start with.
    pub values: &'a [Delay<'a>],
    /// Then.
    pub body: Expr<'a>,
}

/// See [`Expr::Assert`].
pub struct Assert<'a> {
    /// The condition.
    pub condition: Expr<'a>,
    /// Then.
    pub body: Expr<'a>,
    /// Where: the condition.
    pub span: Span,
}

/// See [`Expr::Binary`].
pub struct Binary<'a> {
    /// What to do.
    pub op: BinaryOp,
    /// The left operand.
    pub left: Expr<'a>,
    /// The right operand.
    pub right: Expr<'a>,
    /// Where: the whole expression.
    pub span: Span,
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BinaryOp {
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
pub struct Parts<'a> {
    /// The parts with their places.
    pub parts: &'a [(Expr<'a>, Span)],
    /// Where.
    pub span: Span,
}

/// See [`Expr::Attrs`].
pub struct AttrsCode<'a> {
    /// The static names, sorted by symbol.
    pub keys: &'a Shape<'a>,
    /// Their values.
    pub values: &'a [Delay<'a>],
    /// Whether the values see each other: they are then the slots of an activation.
    pub recursive: bool,
    /// What slots behind the values start with: the sources of `inherit (...)` of a recursive set.
    pub hidden: &'a [Delay<'a>],
    /// `__overrides`, by its index, and for each value whether it is a plain `inherit`.
    pub overrides: Option<u32>,
    /// The names that are computed.
    pub dynamic: &'a [DynamicAttr<'a>],
    /// Where.
    pub span: Span,
}

/// See [`Expr::ConstAttrs`].
pub struct ConstAttrs<'a> {
    /// The names, sorted by symbol.
    pub keys: &'a Shape<'a>,
    /// Their values.
    pub slots: &'a [Slot<'a>],
}

/// An attribute whose name is computed.
pub struct DynamicAttr<'a> {
    /// The name; with `null` there is no attribute.
    pub name: Expr<'a>,
    /// The value.
    pub value: Delay<'a>,
    /// Where.
    pub span: Span,
}

/// A function: parameters that are plain names, of which the last may be a set pattern.
pub struct Function<'a> {
    /// The name it was bound to, for messages.
    pub name: Option<Symbol>,
    /// How many arguments it takes at once.
    pub arity: u32,
    /// The pattern of the last one.
    pub formals: Option<&'a Formals<'a>>,
    /// How many slots an activation has: arguments, names of the pattern, `let`.
    pub frame: u32,
    /// The body.
    pub body: Expr<'a>,
    /// Where: the whole function.
    pub span: Span,
    /// The parameters.
    pub params: &'a [Param],
}

/// A parameter, which the source has as a function of its own.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name; none for a set pattern without one.
    pub name: Option<Symbol>,
    /// Where: the function from this parameter on.
    pub span: Span,
}

/// A set pattern. The names' slots follow the arguments'.
pub struct Formals<'a> {
    /// Sorted by symbol.
    pub list: &'a [Formal<'a>],
    /// `...`
    pub ellipsis: bool,
}

/// A name of a set pattern.
pub struct Formal<'a> {
    /// The name.
    pub name: Symbol,
    /// What follows the question mark.
    pub default: Option<Delay<'a>>,
    /// Where.
    pub span: Span,
}

impl<'a> Formals<'a> {
    /// The parameter of that name.
    #[must_use]
    pub fn find(&self, name: Symbol) -> Option<&'a Formal<'a>> {
        self.list.binary_search_by_key(&name, |formal| formal.name).ok().map(|at| &self.list[at])
    }
}

const _: () = assert!(size_of::<Expr<'_>>() == 24);

impl Expr<'_> {
    /// Where the expression is; nowhere for literals.
    #[must_use]
    pub fn span(&self) -> Span {
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
