//! Attributes: `.`, `or`, `?`.

use super::Interpreter;
use crate::{
    compile::{HasAttr, Name, SelectPath},
    error::{Error, ErrorKind, Result},
    source::Span,
    suggest::did_you_mean,
    symbol::{Symbol, known},
    value::{Attrs, Env, Slot, Value},
};

impl<'a> Interpreter<'a> {
    /// The slot of a required attribute, and the place of its definition.
    #[inline]
    pub(super) fn select(
        &mut self,
        subject: Value<'a>,
        name: Symbol,
        span: Span,
    ) -> Result<(&'a Slot<'a>, u32)> {
        self.stats.lookups += 1;
        let Value::Attrs(attrs) = subject else {
            let error = self.expected("a set", subject).at(span);
            return Err(error.within(span, "while selecting an attribute"));
        };
        match attrs.entry(name) {
            Some((key, slot)) => Ok((slot, key.at)),
            None => Err(self.missing(attrs, name).at(span)),
        }
    }

    /// The error for an attribute that a set lacks.
    #[cold]
    pub fn missing(&mut self, attrs: &'a Attrs<'a>, name: Symbol) -> Box<Error> {
        let name = self.symbols.show(name);
        let error = Error::new(ErrorKind::Eval, Span::NONE, format!("attribute '{name}' missing"));
        let help = match &*name {
            "currentSystem" => {
                "pure evaluation does not know the machine: take the system as an argument, give it \
                 with --system, or use `--impure`"
            }
            "currentTime" => {
                "pure evaluation has no clock: take the time as an argument, or use `--impure`"
            }
            _ => "",
        };
        if !help.is_empty() && attrs.get(known::builtins).is_some() {
            return error.with_help(help);
        }
        let names = attrs.iter(self.arena).map(|(key, _)| self.symbols.show(key.symbol));
        match did_you_mean(&name, names) {
            Some(help) => error.with_help(help),
            None => error,
        }
    }

    #[cold]
    pub(super) fn while_selecting(
        &self,
        error: Box<Error>,
        name: Symbol,
        span: Span,
    ) -> Box<Error> {
        let text = format!("while evaluating the attribute '{}'", self.symbols.show(name));
        error.at(span).within(span, text)
    }

    fn attr_name(&mut self, name: &'a Name<'a>, env: &'a Env<'a>) -> Result<Symbol> {
        match name {
            Name::Static(symbol) => Ok(*symbol),
            Name::Dynamic(expr, span) => {
                let name = self.eval(expr, env)?;
                let name = self.as_plain_string(name).map_err(|error| {
                    error.at(*span).within(*span, "while evaluating an attribute name")
                })?;
                Ok(self.symbols.intern_string(name))
            }
        }
    }

    /// The value, or `None` if the default applies.
    pub(super) fn select_path(
        &mut self,
        code: &'a SelectPath<'a>,
        env: &'a Env<'a>,
    ) -> Result<Option<Value<'a>>> {
        let mut value = self.eval(&code.subject, env)?;
        for name in code.path {
            let name = self.attr_name(name, env)?;
            let slot = if code.default.is_some() {
                let Value::Attrs(attrs) = value else { return Ok(None) };
                let Some(slot) = attrs.get(name) else { return Ok(None) };
                slot
            } else {
                self.select(value, name, code.span)?.0
            };
            value =
                self.force(slot).map_err(|error| self.while_selecting(error, name, code.span))?;
        }
        Ok(Some(value))
    }

    pub(super) fn has_attr(&mut self, code: &'a HasAttr<'a>, env: &'a Env<'a>) -> Result<bool> {
        let mut value = self.eval(&code.subject, env)?;
        let last = code.path.len() - 1;
        for (at, name) in code.path.iter().enumerate() {
            let name = self.attr_name(name, env)?;
            let Value::Attrs(attrs) = value else { return Ok(false) };
            let Some(slot) = attrs.get(name) else { return Ok(false) };
            if at < last {
                value = self.force(slot)?;
            }
        }
        Ok(true)
    }
}
