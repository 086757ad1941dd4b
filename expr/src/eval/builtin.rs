//! The entry of a builtin in a table.

use super::Interpreter;
use crate::{
    error::Result,
    value::{Signature, Value},
};

/// The function of a builtin. It gets all arguments, each computed or shared.
pub(super) type Run = for<'a, 'v> fn(&mut Interpreter<'a>, &'v [Value<'a>]) -> Result<Value<'a>>;

/// A builtin: its signature and the function that it runs.
pub struct Builtin {
    pub(crate) signature: Signature,
    pub(crate) run: Run,
}

impl Builtin {
    /// `name` is the name that Nix registers: with `__` in front, unless the plain name is global.
    #[must_use]
    pub const fn new(name: &'static str, arity: u8, run: Run) -> Self {
        Self { signature: Signature::new(name, arity), run }
    }

    /// Without "while calling the builtin" in traces.
    pub(crate) const fn silent(name: &'static str, arity: u8, run: Run) -> Self {
        Self { signature: Signature::new(name, arity).silent(), run }
    }

    /// A builtin that programs cannot name, with a fixed number in the table.
    pub(crate) const fn hidden(number: u8, name: &'static str, arity: u8, run: Run) -> Self {
        Self { signature: Signature::new(name, arity).silent().numbered(number), run }
    }

    /// Marks the argument that the builtin computes first. The compiler makes no thunk for it.
    pub(crate) const fn computes(self, first: u8) -> Self {
        Self { signature: self.signature.computes(first), ..self }
    }
}
