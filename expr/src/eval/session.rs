//! A session: evaluates lines one after another, each with the definitions of the earlier ones. The scope
//! is an attribute set. A line is compiled with its names as the variables of one activation around it,
//! as `scopedImport` compiles a file, and its definitions are a set again. So a later definition hides an
//! earlier one from the lines that follow, and does not change existing values.

use std::sync::Arc;

use super::Interpreter;
use crate::{
    error::{ErrorKind, Result},
    source::Origin,
    syntax::{self, Input},
    value::{Attrs, Value},
};

/// The result of a line.
pub enum Line<'a> {
    /// Nothing: the line is empty.
    Nothing,
    /// The value of an expression, computed at the top level.
    Value(Value<'a>),
    /// The names that bindings define.
    Bindings(&'a Attrs<'a>),
}

impl<'a> Interpreter<'a> {
    /// Evaluates a line, with the attributes of `scope` as variables.
    ///
    /// # Errors
    /// If it cannot be parsed or evaluated; [`ErrorKind::Incomplete`] if more input must follow.
    pub fn eval_line(
        &mut self,
        text: impl Into<Arc<[u8]>>,
        folder: &[u8],
        scope: &'a Attrs<'a>,
    ) -> Result<Line<'a>> {
        let text = text.into();
        let parse = syntax::parse_input;
        let (tree, input) = self.parse_with(Origin::Text, &text, folder, parse)?;
        let (root, binds) = match input {
            Input::Nothing => return Ok(Line::Nothing),
            Input::Expression(root) => (root, false),
            Input::Bindings(root) => (root, true),
        };
        let value = self.eval_in(scope, |it, names| it.lower(&tree, root, names))?;
        match value {
            Value::Attrs(attrs) if binds => Ok(Line::Bindings(attrs)),
            value => Ok(Line::Value(value)),
        }
    }

    /// True if a text is an incomplete line.
    pub fn is_incomplete(&mut self, text: &[u8]) -> bool {
        let context = syntax::ParseContext {
            base: 1,
            folder: b"/",
            home: Some(b"/"),
            pipe_operators: self.options.pipe_operators,
            stack: self.stack,
            show_place: &|_| String::new(),
        };
        let parsed = syntax::parse_input(text, &mut self.symbols, &context);
        parsed.is_err_and(|error| error.kind() == ErrorKind::Incomplete)
    }

    /// The names that every program sees.
    pub fn global_names(&self) -> impl Iterator<Item = String> {
        self.program.globals.names().map(|name| self.symbols.show(name))
    }
}
