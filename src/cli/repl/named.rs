//! The expression that the arguments of `clutch repl` name.

use std::path::Path;

use crate::{
    cli::{context::Context, expression::ExpressionArguments, failure::Failure},
    session::{self, Expression, Source},
};

/// The expression of the arguments.
pub(super) struct Named {
    pub(super) expression: Expression,
    /// Loads it, or returns the failure; `None` without an expression.
    pub(super) loads: Option<Result<(), Failure>>,
}

/// Resolves the arguments. The repl starts even if the expression cannot be loaded.
pub(super) fn named(context: &Context, arguments: &ExpressionArguments) -> Result<Named, Failure> {
    let is_named = arguments.path.is_some() || arguments.expression.is_some();
    let (expression, loads) = match arguments.expression(context) {
        Ok(expression) => (expression, Ok(())),
        Err(failure) => {
            let path = arguments.path.as_deref().unwrap_or(Path::new("default.nix"));
            let source = Source::File(session::absolute(path)?);
            (arguments.of(context, source), Err(failure))
        }
    };
    Ok(Named { expression, loads: is_named.then_some(loads) })
}
