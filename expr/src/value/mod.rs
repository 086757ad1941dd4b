//! Values: 16 bytes, `Copy`, all they refer to in the arena of one evaluation. A place that can
//! hold a value not computed yet is a [`Slot`]; computing overwrites it with the result.

mod attrs;
mod env;
mod list;
mod position;
mod signature;

use std::{borrow::Cow, cell::Cell};

pub(crate) use attrs::Shape;
pub use attrs::{Attrs, AttrsBuilder, Key};
pub use env::Env;
pub(crate) use env::Spare;
pub use list::{Items, List};
pub(crate) use position::position;
pub use signature::Signature;

use crate::string::Str;

/// The number of an expression that can be suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeId(pub u32);

impl CodeId {
    /// The number of what is suspended without an expression: calls that builtins make.
    pub const NONE: Self = Self(u32::MAX);
}

/// The number of a function of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub u32);

/// A place for a value, perhaps suspended. A reader forces it or shares it, and never
/// copies a suspended value, which would then be computed twice.
pub type Slot<'a> = Cell<Value<'a>>;

/// A value of the language, or a suspended one.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// 64 bits, signed.
    Int(i64),
    /// IEEE double.
    Float(f64),
    /// Bytes with a context.
    String(&'a Str<'a>),
    /// An absolute path; its context is empty.
    Path(&'a Str<'a>),
    /// A list.
    List(&'a List<'a>),
    /// An attribute set.
    Attrs(&'a Attrs<'a>),
    /// A function of the program and the variables around it.
    Lambda(FunctionId, &'a Env<'a>),
    /// A function that is built in.
    Builtin(&'a Signature),
    /// A function that lacks arguments.
    Partial(&'a Partial<'a>),

    /// Suspended: an expression and its variables.
    Thunk(CodeId, &'a Env<'a>),
    /// Suspended: a call.
    Apply(&'a Apply<'a>),
    /// Suspended: an element of a list or set that a builtin made, such as `map`.
    Item(u32, &'a Items<'a>),
    /// A reference to another slot.
    Ref(&'a Slot<'a>),
    /// Being computed at this moment: to ask for it is an infinite recursion.
    Running(CodeId),
    /// Its computation failed; the interpreter keeps the error under this number.
    Failed(u32),
}

const _: () = assert!(size_of::<Value<'_>>() == 16);
const _: () = assert!(size_of::<crate::error::Result<Value<'_>>>() == 16);

/// A function that was given too few arguments.
pub struct Partial<'a> {
    /// A lambda or a builtin.
    pub function: Value<'a>,
    /// The arguments so far.
    pub args: &'a [Value<'a>],
}

/// A call to be made.
pub struct Apply<'a> {
    /// The function; it may be suspended.
    pub function: Value<'a>,
    /// Its arguments.
    pub args: &'a [Value<'a>],
}

impl<'a> Value<'a> {
    /// True if the value is computed, at its top.
    #[inline(always)]
    #[must_use]
    pub fn is_forced(&self) -> bool {
        !matches!(
            self,
            Self::Thunk(..)
                | Self::Apply(_)
                | Self::Item(..)
                | Self::Ref(_)
                | Self::Running(_)
                | Self::Failed(_)
        )
    }

    /// The type as `builtins.typeOf` names it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::String(_) => "string",
            Self::Path(_) => "path",
            Self::List(_) => "list",
            Self::Attrs(_) => "set",
            Self::Lambda(..) | Self::Builtin(_) | Self::Partial(_) => "lambda",
            _ => "thunk",
        }
    }

    /// The type with its article, for messages; of a builtin its name.
    #[must_use]
    pub fn describe(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Null => "null",
            Self::Bool(_) => "a Boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::String(text) if !text.context().is_empty() => "a string with context",
            Self::String(_) => "a string",
            Self::Path(_) => "a path",
            Self::List(_) => "a list",
            Self::Attrs(_) => "a set",
            Self::Lambda(..) => "a function",
            Self::Builtin(builtin) => {
                return format!("the built-in function '{}'", builtin.name()).into();
            }
            Self::Partial(partial) => match partial.function {
                Self::Builtin(builtin) => {
                    let name = builtin.name();
                    return format!("the partially applied built-in function '{name}'").into();
                }
                _ => "a function",
            },
            _ => "a thunk",
        })
    }

    /// True if it can be called without `__functor`.
    #[must_use]
    pub fn is_function(&self) -> bool {
        matches!(self, Self::Lambda(..) | Self::Builtin(_) | Self::Partial(_))
    }
}

/// A copy of what a slot holds, for another slot: the value itself when it is computed, else a
/// reference, so that it is computed once.
#[inline(always)]
#[must_use]
pub fn share<'a>(slot: &'a Slot<'a>) -> Value<'a> {
    let value = slot.get();
    if value.is_forced() || matches!(value, Value::Ref(_)) { value } else { Value::Ref(slot) }
}

/// The slot where the value of a slot is computed: that one or the one that it refers to.
#[must_use]
pub fn home<'a>(slot: &'a Slot<'a>) -> &'a Slot<'a> {
    let mut slot = slot;
    while let Value::Ref(other) = slot.get() {
        slot = other;
    }
    slot
}
