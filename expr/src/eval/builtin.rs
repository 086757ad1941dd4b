//! A builtin as a table lists it.

use super::Interpreter;
use crate::{
    error::Result,
    value::{Signature, Value},
};

/// The function of a builtin. It gets all its arguments, each computed or shared.
pub(super) type Run = for<'a, 'v> fn(&mut Interpreter<'a>, &'v [Value<'a>]) -> Result<Value<'a>>;

/// A builtin: its signature and the function that it runs.
pub struct Builtin {
    pub(crate) signature: Signature,
    pub(crate) run: Run,
}

impl Builtin {
    /// The name is as Nix registers it: with `__` in front, unless it is a global of its plain name.
    #[must_use]
    pub const fn new(name: &'static str, arity: u8, run: Run) -> Self {
        Self { signature: Signature::new(name, arity), run }
    }

    /// The same, without "while calling the builtin" in traces.
    pub(crate) const fn silent(name: &'static str, arity: u8, run: Run) -> Self {
        Self { signature: Signature::new(name, arity).silent(), run }
    }

    /// The same, for a builtin that no program can name and whose number in the table is fixed.
    pub(crate) const fn hidden(number: u8, name: &'static str, arity: u8, run: Run) -> Self {
        Self { signature: Signature::new(name, arity).silent().numbered(number), run }
    }

    /// The same, for a builtin that computes the argument of that number before it does anything
    /// else: no thunk is made for it.
    pub(crate) const fn computes(self, first: u8) -> Self {
        Self { signature: self.signature.computes(first), ..self }
    }
}
