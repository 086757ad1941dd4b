//! Equality and order.

use super::Interpreter;
use crate::{
    error::{Error, ErrorKind, Result},
    source::Span,
    string::Str,
    symbol::known,
    value::{Attrs, List, Slot, Value},
};

/// Strings of this length or more are checked before they are compared.
const LONG: usize = 1 << 16;

impl<'a> Interpreter<'a> {
    /// `==` on computed values.
    ///
    /// # Errors
    /// Those of computing the parts.
    pub fn equal(&mut self, left: Value<'a>, right: Value<'a>) -> Result<bool> {
        #[allow(clippy::cast_precision_loss, clippy::float_cmp)]
        Ok(match (left, right) {
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Int(a), Value::Float(b)) => a as f64 == b,
            (Value::Float(a), Value::Int(b)) => a == b as f64,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::String(a), Value::String(b)) | (Value::Path(a), Value::Path(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                self.room_to_read(a, b)?;
                std::ptr::eq(a, b) || a.bytes() == b.bytes()
            }
            (Value::List(a), Value::List(b)) => {
                return Ok(a.len() == b.len() && self.nest(|it| it.equal_items(a, b))?);
            }
            (Value::Attrs(a), Value::Attrs(b)) => return self.nest(|it| it.equal_attrs(a, b)),
            _ => false,
        })
    }

    /// A long string may have to be joined before it is read.
    #[inline]
    fn room_to_read(&self, left: &Str<'_>, right: &Str<'_>) -> Result<()> {
        let len = left.len() + right.len();
        if len < LONG { Ok(()) } else { self.room(len) }
    }

    fn equal_items(&mut self, left: &'a List<'a>, right: &'a List<'a>) -> Result<bool> {
        for (a, b) in left.items.iter().zip(right.items) {
            if !self.equal_slots(a, b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Equality of elements: a value equals itself, whatever it is.
    pub(crate) fn equal_slots(&mut self, left: &'a Slot<'a>, right: &'a Slot<'a>) -> Result<bool> {
        let same = Self::is_same(left, right);
        let (a, b) = (self.force(left)?, self.force(right)?);
        if same {
            return Ok(true);
        }
        match (a, b) {
            (Value::Lambda(a, x), Value::Lambda(b, y)) => Ok(a == b && std::ptr::eq(x, y)),
            (Value::Partial(a), Value::Partial(b)) => Ok(std::ptr::eq(a, b)),
            (Value::Builtin(a), Value::Builtin(b)) => Ok(std::ptr::eq(a, b)),
            (Value::Attrs(a), Value::Attrs(b)) if std::ptr::eq(a, b) => Ok(true),
            (Value::List(a), Value::List(b)) if std::ptr::eq(a, b) => Ok(true),
            (a, b) => self.equal(a, b),
        }
    }

    fn equal_attrs(&mut self, left: &'a Attrs<'a>, right: &'a Attrs<'a>) -> Result<bool> {
        if self.is_derivation(left)?
            && self.is_derivation(right)?
            && let (Some(a), Some(b)) = (left.get(known::out_path), right.get(known::out_path))
        {
            return self.equal_slots(a, b);
        }
        if left.len() != right.len() {
            return Ok(false);
        }
        let (left_keys, left) = left.flat(self.arena);
        let (right_keys, right) = right.flat(self.arena);
        for at in 0..left.len() {
            if left_keys[at].symbol != right_keys[at].symbol
                || !self.equal_slots(&left[at], &right[at])?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True if a set is a derivation: `type = "derivation"`.
    ///
    /// # Errors
    /// Those of computing `type`.
    pub fn is_derivation(&mut self, attrs: &'a Attrs<'a>) -> Result<bool> {
        let Some(slot) = attrs.get(known::type_) else { return Ok(false) };
        let value = self.force(slot)?;
        Ok(matches!(value, Value::String(text) if text.bytes() == b"derivation"))
    }

    /// `<` on computed values.
    ///
    /// # Errors
    /// If the values have no order.
    pub fn less(&mut self, left: Value<'a>, right: Value<'a>) -> Result<bool> {
        self.deeper()?;
        #[allow(clippy::cast_precision_loss)]
        Ok(match (left, right) {
            (Value::Int(a), Value::Int(b)) => a < b,
            (Value::Int(a), Value::Float(b)) => (a as f64) < b,
            (Value::Float(a), Value::Int(b)) => a < b as f64,
            (Value::Float(a), Value::Float(b)) => a < b,
            (Value::String(a), Value::String(b)) | (Value::Path(a), Value::Path(b)) => {
                self.room_to_read(a, b)?;
                a.bytes() < b.bytes()
            }
            (Value::List(a), Value::List(b)) => {
                self.step()?;
                for (a, b) in a.items.iter().zip(b.items) {
                    if !self.equal_slots(a, b)? {
                        let (a, b) = (self.force(a)?, self.force(b)?);
                        return self.less(a, b);
                    }
                }
                a.len() < b.len()
            }
            (a, b) => return Err(self.not_comparable(a, b)),
        })
    }

    #[cold]
    fn not_comparable(&mut self, left: Value<'a>, right: Value<'a>) -> Box<Error> {
        let (a, b) = (left.describe(), right.describe());
        let message = if a == b {
            format!(
                "cannot compare {a} with {b}; values of that type are incomparable (values are {} and {})",
                self.show_short(left),
                self.show_short(right)
            )
        } else {
            format!(
                "cannot compare {a} with {b}; values are {} and {}",
                self.show_short(left),
                self.show_short(right)
            )
        };
        Error::new(ErrorKind::Eval, Span::NONE, message)
    }

    /// Describes the difference of two values, for a failed `assert a == b`.
    pub(super) fn difference(
        &mut self,
        left: Value<'a>,
        right: Value<'a>,
    ) -> Result<Option<String>> {
        self.deeper()?;
        if self.equal(left, right)? {
            return Ok(None);
        }
        if let (Value::List(a), Value::List(b)) = (left, right)
            && a.len() == b.len()
        {
            for (a, b) in a.items.iter().zip(b.items) {
                if !self.equal_slots(a, b)? {
                    let (a, b) = (self.force(a)?, self.force(b)?);
                    return self.difference(a, b);
                }
            }
        }
        if let (Value::Attrs(a), Value::Attrs(b)) = (left, right) {
            return self.difference_of_attrs(a, b).map(Some);
        }
        let (a, b) = (self.show_short(left), self.show_short(right));
        let number = |value| matches!(value, Value::Int(_) | Value::Float(_));
        if number(left) && number(right) {
            let (x, y) = (left.describe(), right.describe());
            return Ok(Some(format!("{x} with value '{a}' is not equal to {y} with value '{b}'")));
        }
        let (x, y) = (plain_type(left), plain_type(right));
        Ok(Some(match (left, right) {
            (Value::Lambda(..) | Value::Builtin(_) | Value::Partial(_), _) if x == y => {
                "distinct functions and immediate comparisons of identical functions compare as \
                 unequal"
                    .to_owned()
            }
            (Value::List(l), Value::List(r)) => format!(
                "list of size '{}' is not equal to list of size '{}', left hand side is '{a}', \
                 right hand side is '{b}'",
                l.len(),
                r.len()
            ),
            _ if x == y => format!("{x} '{a}' is not equal to {y} '{b}'"),
            _ => format!(
                "{} of value '{a}' is not equal to {} of value '{b}'",
                left.describe(),
                right.describe()
            ),
        }))
    }

    fn difference_of_attrs(&mut self, left: &'a Attrs<'a>, right: &'a Attrs<'a>) -> Result<String> {
        let shown = [left, right].map(|attrs| self.show_short(Value::Attrs(attrs)));
        let [a, b] = shown;
        for (key, slot) in left.iter(self.arena) {
            let name = self.symbols.show(key.symbol);
            let Some(other) = right.get(key.symbol) else {
                return Ok(format!(
                    "attribute name '{name}' is contained in '{a}', but not in '{b}'"
                ));
            };
            if left.len() == right.len() && !self.equal_slots(slot, other)? {
                let (x, y) = (self.force(slot)?, self.force(other)?);
                return Ok(self.difference(x, y)?.unwrap_or_default());
            }
        }
        Ok(format!("attribute names of attribute set '{a}' differs from attribute set '{b}'"))
    }
}

fn plain_type(value: Value<'_>) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        other => other.type_name(),
    }
}
