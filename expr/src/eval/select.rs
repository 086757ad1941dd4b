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
    nearest(name, others.map(|other| (other.clone(), other)))
}

/// The same where a name is shown in another form.
pub(crate) fn nearest(
    name: &str,
    others: impl Iterator<Item = (String, String)>,
) -> Option<String> {
    // of two that are as near, the one that is shown as it is written
    let mut near: Vec<((usize, bool), String)> = others
        .filter_map(|(other, shown)| {
            let distance = distance(name, &other);
            // a third of the letters may be wrong
            let most = (name.len().max(other.len()) / 3).min(FARTHEST);
            (distance <= most && distance < name.len())
                .then_some(((distance, shown != other), shown))
        })
        .collect();
    near.sort();
    near.dedup();
    let best = near.first()?.0;
    near.retain(|(rank, _)| *rank == best);
    let names: Vec<String> =
        near.into_iter().take(3).map(|(_, name)| format!("'{name}'")).collect();
    Some(format!("did you mean {}?", names.join(" or ")))
}

/// Names further apart are not alike.
const FARTHEST: usize = 3;

/// The number of edits between two names: letters left out, added, changed, or swapped with the
/// next. Upper and lower case are the same letter; larger numbers than [`FARTHEST`] are cut.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.to_ascii_lowercase(), right.to_ascii_lowercase());
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len().abs_diff(right.len()) > FARTHEST || left.len() > 200 {
        return FARTHEST + 1;
    }
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let change = row[j] + usize::from(a != b);
            let mut least = change.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                let before: &Vec<usize> = &before;
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[right.len()].min(FARTHEST + 1)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn near_names_are_offered() {
        let names = || ["python", "pythons", "perl"].into_iter().map(str::to_owned);
        assert_eq!(did_you_mean("pyhton", names()), Some("did you mean 'python'?".to_owned()));
        assert_eq!(did_you_mean("ruby", names()), None);
        assert_eq!(did_you_mean("p", names()), None);
        assert_eq!(did_you_mean("PYTHON", names()), Some("did you mean 'python'?".to_owned()));
        let of = |name: &str, other: &str| did_you_mean(name, [other.to_owned()].into_iter());
        for (name, other) in [("a", "map"), ("a", "b"), ("ab", "cd"), ("toXML", "toJSON")] {
            assert_eq!(of(name, other), None, "{name} {other}");
        }
        for (name, other) in
            [("lb", "lib"), ("fromJson", "fromJSON"), ("maintainres", "maintainers")]
        {
            assert!(of(name, other).is_some(), "{name} {other}");
        }
    }
}
