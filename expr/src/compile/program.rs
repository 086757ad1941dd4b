//! The code of all texts of one evaluation.

use super::{Expr, Function, Globals};

/// Expressions that can be suspended, functions by their numbers, and the global names.
#[derive(Default)]
pub(crate) struct Program<'a> {
    /// By [`CodeId`](crate::value::CodeId).
    pub(crate) code: Vec<&'a Expr<'a>>,
    /// By [`FunctionId`](crate::value::FunctionId).
    pub(crate) functions: Vec<&'a Function<'a>>,
    /// The names that every text sees.
    pub(crate) globals: Globals<'a>,
}
