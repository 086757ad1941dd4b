//! Attributes: `.`, `or`, `?`.

use super::Interpreter;
use crate::{
    compile::{HasAttr, Name, SelectPath},
    error::{Error, Kind, Result},
    source::Span,
    symbol::{Symbol, known},
    value::{Attrs, Env, Slot, Value},
};

impl<'a> Interpreter<'a> {
    /// The slot of an attribute that must be there, and where it was defined.
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
        let error = Error::new(Kind::Eval, Span::NONE, format!("attribute '{name}' missing"));
        if name == "currentSystem" && attrs.get(known::builtins).is_some() {
            return error.with_help(
                "pure evaluation does not know the machine: take the system as an argument, give it \
                 with --system, or use `--impure`",
            );
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

    /// The value, or `None` where the default is to be taken.
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

/// Advice for a name that is not there: the ones that are nearly the same.
#[must_use]
pub fn did_you_mean(name: &str, others: impl Iterator<Item = String>) -> Option<String> {
    let mut near: Vec<(usize, String)> = others
        .filter_map(|other| {
            let distance = distance(name.as_bytes(), other.as_bytes());
            (distance <= 2 && distance < name.len().max(other.len())).then_some((distance, other))
        })
        .collect();
    near.sort();
    let best = near.first()?.0;
    near.retain(|(distance, _)| *distance == best);
    let names: Vec<String> =
        near.into_iter().take(3).map(|(_, name)| format!("'{name}'")).collect();
    Some(format!("did you mean {}?", names.join(" or ")))
}

/// The number of edits between two names; 3 stands for three and more.
fn distance(left: &[u8], right: &[u8]) -> usize {
    if left.len().abs_diff(right.len()) > 2 || left.len() > 200 {
        return 3;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let change = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[right.len()].min(3)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn near_names_are_offered() {
        let names = || ["python", "pythons", "perl"].into_iter().map(str::to_owned);
        assert_eq!(did_you_mean("pyhton", names()), Some("did you mean 'python'?".to_owned()));
        assert_eq!(did_you_mean("ruby", names()), None);
    }
}
