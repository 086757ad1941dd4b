//! Arithmetic, and `+` and interpolation of strings and paths.

use super::{Coercion, Interpreter};
use crate::{
    compile::Parts,
    error::{Error, ErrorKind, Result},
    path,
    source::Span,
    string::{ContextBuilder, Str},
    value::{Env, Value},
};

#[allow(clippy::cast_precision_loss)]
impl<'a> Interpreter<'a> {
    /// `+`
    pub(crate) fn add(&mut self, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>> {
        match (left, right) {
            (Value::Int(a), Value::Int(b)) => {
                a.checked_add(b).map(Value::Int).ok_or_else(|| overflow("adding", a, '+', b))
            }
            (Value::Int(a), Value::Float(b)) => Ok(Value::Float(a as f64 + b)),
            (Value::Float(a), Value::Int(b)) => Ok(Value::Float(a + b as f64)),
            (Value::Float(a), Value::Float(b)) => Ok(Value::Float(a + b)),
            (Value::Int(_), other) => Err(cannot_add(other, "an integer")),
            (Value::Float(_), other) => Err(cannot_add(other, "a float")),
            (Value::String(a), Value::String(b)) => self.join(a, b),
            (Value::Path(a), _) => {
                let b = self.coerce(right, Coercion::PLAIN)?;
                if !b.context().is_empty() {
                    return Err(no_context_in_path());
                }
                self.room(3 * (a.len() + b.len()))?;
                let text = path::canonical(&[a.bytes(), b.bytes()].concat());
                Ok(self.new_path(&text))
            }
            _ => {
                let copy = matches!(left, Value::String(_));
                let how = Coercion { more: false, copy };
                let a = self.coerce(left, how)?;
                let b = self.coerce(right, how)?;
                self.join(a, b)
            }
        }
    }

    /// `-`
    pub(crate) fn subtract(&mut self, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>> {
        match (left, right) {
            (Value::Int(a), Value::Int(b)) => {
                a.checked_sub(b).map(Value::Int).ok_or_else(|| overflow("subtracting", a, '-', b))
            }
            _ => self.floats(left, right, |a, b| a - b),
        }
    }

    /// `*`
    pub(crate) fn multiply(&mut self, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>> {
        match (left, right) {
            (Value::Int(a), Value::Int(b)) => {
                a.checked_mul(b).map(Value::Int).ok_or_else(|| overflow("multiplying", a, '*', b))
            }
            _ => self.floats(left, right, |a, b| a * b),
        }
    }

    /// `/`
    pub(crate) fn divide(&mut self, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>> {
        if self.as_float(right)? == 0.0 {
            return Err(Error::new(ErrorKind::Eval, Span::NONE, "division by zero"));
        }
        match (left, right) {
            (Value::Int(a), Value::Int(b)) => {
                a.checked_div(b).map(Value::Int).ok_or_else(|| overflow("dividing", a, '/', b))
            }
            _ => self.floats(left, right, |a, b| a / b),
        }
    }

    /// An operation with at least one float operand. For other operands the error expects an integer, as
    /// Nix's does.
    fn floats(
        &mut self,
        left: Value<'a>,
        right: Value<'a>,
        operate: impl Fn(f64, f64) -> f64,
    ) -> Result<Value<'a>> {
        if matches!(left, Value::Float(_)) || matches!(right, Value::Float(_)) {
            let (left, right) = (self.as_float(left)?, self.as_float(right)?);
            return Ok(Value::Float(operate(left, right)));
        }
        self.as_int(left)?;
        self.as_int(right)?;
        unreachable!("two integers were handled before")
    }

    fn as_float(&mut self, value: Value<'a>) -> Result<f64> {
        match value {
            Value::Int(number) => Ok(number as f64),
            Value::Float(number) => Ok(number),
            other => Err(self.expected("a float", other)),
        }
    }

    /// A string with interpolations.
    pub(super) fn interpolate(
        &mut self,
        code: &'a Parts<'a>,
        env: &'a Env<'a>,
    ) -> Result<Value<'a>> {
        let mut text = bumpalo::collections::Vec::new_in(self.arena);
        let mut context = ContextBuilder::default();
        let mut whole: Option<&'a Str<'a>> = None;
        for (part, span) in code.parts {
            let value = self.eval(part, env)?;
            let part = match value {
                Value::String(part) => part,
                other => self.coerce(other, Coercion::INTERPOLATION).map_err(|error| {
                    error.at(*span).within(*span, "while evaluating a path segment")
                })?,
            };
            // a long first part is joined, not copied
            if code.parts.len() > 1 && whole.is_none() && text.is_empty() && part.len() >= 4096 {
                whole = Some(part);
                continue;
            }
            if code.parts.len() == 1 {
                return Ok(Value::String(part));
            }
            self.room(2 * (text.len() + part.len()))?;
            text.extend_from_slice_copy(part.bytes());
            context.add(part.context());
        }
        let context = self.arena.alloc_slice_copy(&context.finish());
        let rest = Str::with_context(self.arena, text.into_bump_slice(), context);
        match whole {
            Some(whole) => self.join(whole, rest),
            None => Ok(Value::String(rest)),
        }
    }

    /// Two strings as one.
    fn join(&self, left: &'a Str<'a>, right: &'a Str<'a>) -> Result<Value<'a>> {
        self.room(left.len().saturating_add(right.len()))?;
        Ok(Value::String(Str::join(self.arena, left, right)))
    }

    /// A path with interpolations.
    pub(super) fn path_parts(
        &mut self,
        code: &'a Parts<'a>,
        env: &'a Env<'a>,
    ) -> Result<Value<'a>> {
        let mut text = Vec::new();
        for (part, span) in code.parts {
            let value = self.eval(part, env)?;
            let part = self.coerce(value, Coercion::PLAIN).map_err(|error| {
                error.at(*span).within(*span, "while evaluating a path segment")
            })?;
            if !part.context().is_empty() {
                return Err(no_context_in_path().at(code.span));
            }
            self.room(3 * (text.len() + part.len()))?;
            text.extend_from_slice(part.bytes());
        }
        Ok(self.new_path(&path::canonical(&text)))
    }

    /// A path value of a canonical text.
    pub fn new_path(&self, text: &[u8]) -> Value<'a> {
        let text = self.arena.alloc_slice_copy(text);
        Value::Path(self.arena.alloc(Str::plain(text)))
    }
}

#[cold]
fn overflow(doing: &str, left: i64, sign: char, right: i64) -> Box<Error> {
    let message = format!("integer overflow in {doing} {left} {sign} {right}");
    Error::new(ErrorKind::Eval, Span::NONE, message)
}

#[cold]
fn cannot_add(what: Value<'_>, to: &str) -> Box<Error> {
    let message = format!("cannot add {} to {to}", what.describe());
    Error::new(ErrorKind::Type, Span::NONE, message)
}

#[cold]
fn no_context_in_path() -> Box<Error> {
    let message = "a string that refers to a store path cannot be appended to a path";
    Error::new(ErrorKind::Eval, Span::NONE, message)
}
