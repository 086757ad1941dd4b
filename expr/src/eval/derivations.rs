//! Finds the derivations in a value: a derivation, or a list or set of them.

use rustc_hash::FxHashSet;

use super::Interpreter;
use crate::{
    error::{Error, ErrorKind, Result},
    source::Span,
    symbol::{Symbol, known},
    value::{Attrs, Value, share},
};

/// A derivation found in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The place in the value: names and numbers between dots; empty for the value itself.
    pub attr_path: String,
    /// Its name.
    pub name: String,
    /// The derivation's store path.
    pub drv_path: String,
    /// The outputs by name and path, in the derivation's order. The first is the default.
    pub outputs: Vec<(String, String)>,
    /// The output that the value stands for.
    pub output_name: String,
    /// The program that `run` starts: `meta.mainProgram`, or else `pname`.
    pub main_program: Option<String>,
    /// The path of its attribute `environment`, if that is a derivation: the environment that it runs in.
    pub environment: Option<String>,
}

impl<'a> Interpreter<'a> {
    /// Every derivation in a value, in the order of lists and of the alphabet. Sets within sets
    /// are searched when they say `recurseForDerivations = true`; functions are called as by
    /// [`Self::auto_call`].
    ///
    /// # Errors
    /// If the value is not a derivation, set or list, or cannot be computed.
    pub fn derivations(&mut self, value: Value<'a>, args: &'a Attrs<'a>) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        self.collect(value, args, &mut String::new(), &mut FxHashSet::default(), &mut found)?;
        Ok(found)
    }

    /// A value in which no derivation was found, in words: its kind and, of a set, its first attribute.
    ///
    /// # Errors
    /// Those of computing it.
    pub fn outline(&mut self, value: Value<'a>, args: &'a Attrs<'a>) -> Result<String> {
        let value = self.auto_call(value, args)?;
        Ok(match value {
            Value::Attrs(attrs) => match self.sorted_attrs(attrs).first() {
                Some((key, slot)) => {
                    let name = self.symbols.show(key.symbol);
                    let kind = self.force(slot)?.describe();
                    let more = if attrs.len() > 1 { " and others" } else { "" };
                    format!("a set with the attribute '{name}', {kind}{more}")
                }
                None => "an empty set".to_owned(),
            },
            Value::List(list) if list.items.is_empty() => "an empty list".to_owned(),
            other => other.describe().into_owned(),
        })
    }

    fn collect(
        &mut self,
        value: Value<'a>,
        args: &'a Attrs<'a>,
        path: &mut String,
        seen: &mut FxHashSet<usize>,
        found: &mut Vec<Found>,
    ) -> Result<()> {
        self.nest(|it| it.collect_here(value, args, path, seen, found))
    }

    fn collect_here(
        &mut self,
        value: Value<'a>,
        args: &'a Attrs<'a>,
        path: &mut String,
        seen: &mut FxHashSet<usize>,
        found: &mut Vec<Found>,
    ) -> Result<()> {
        let value = self.auto_call(value, args)?;
        if self.take_derivation(value, path, seen, found)? {
            return Ok(());
        }
        // the path is one text that grows and shrinks during the walk
        let here = path.len();
        let go_below = |path: &mut String, name: &str| {
            path.truncate(here);
            if here > 0 {
                path.push('.');
            }
            path.push_str(name);
        };
        match value {
            Value::Attrs(attrs) => {
                for (key, slot) in self.sorted_attrs(attrs) {
                    let name = self.symbols.show(key.symbol);
                    if !is_path_component(&name) {
                        continue;
                    }
                    go_below(path, &name);
                    let mut one = |it: &mut Self| {
                        let inner = it.force(slot)?;
                        if it.take_derivation(inner, path, seen, found)? {
                            return Ok(());
                        }
                        let Value::Attrs(set) = inner else { return Ok(()) };
                        let Some(flag) = set.get(known::recurse_for_derivations) else {
                            return Ok(());
                        };
                        if it.bool(share(flag))? {
                            it.collect(inner, args, path, seen, found)?;
                        }
                        Ok(())
                    };
                    one(self).map_err(|error: Box<Error>| {
                        let text = format!("while evaluating the attribute '{name}'");
                        error.within(Span::new(key.at, key.at), text)
                    })?;
                }
                Ok(())
            }
            Value::List(list) => {
                for (at, slot) in list.items.iter().enumerate() {
                    go_below(path, &at.to_string());
                    self.collect(share(slot), args, path, seen, found)?;
                }
                Ok(())
            }
            _ => {
                let message = format!(
                    "expected a derivation, or a set or list of those; the expression evaluates to {}",
                    value.describe()
                );
                Err(Error::new(ErrorKind::Type, Span::NONE, message))
            }
        }
    }

    /// Adds a value if it is a derivation; true if it was one.
    fn take_derivation(
        &mut self,
        value: Value<'a>,
        path: &str,
        seen: &mut FxHashSet<usize>,
        found: &mut Vec<Found>,
    ) -> Result<bool> {
        let Value::Attrs(attrs) = value else { return Ok(false) };
        if !self.is_derivation(attrs)? {
            return Ok(false);
        }
        if seen.insert(std::ptr::from_ref(attrs).addr()) {
            let one = self.describe_derivation(attrs, path)?;
            found.push(one);
        }
        Ok(true)
    }

    fn string_attr(&mut self, attrs: &'a Attrs<'a>, name: Symbol) -> Result<String> {
        let value = self.attr(attrs, name)?;
        Ok(self.string(value)?.lossy().into_owned())
    }

    fn optional(&mut self, attrs: &'a Attrs<'a>, name: &str) -> Result<Option<String>> {
        let Some(name) = self.symbols.find(name.as_bytes()) else { return Ok(None) };
        let Some(slot) = attrs.get(name) else { return Ok(None) };
        let value = self.force(slot)?;
        Ok(if let Value::String(text) = value { Some(text.lossy().into_owned()) } else { None })
    }

    fn describe_derivation(&mut self, attrs: &'a Attrs<'a>, path: &str) -> Result<Found> {
        let name = self.string_attr(attrs, known::name)?;
        let drv_path = self.string_attr(attrs, known::drv_path)?;
        let output_name = match attrs.get(known::output_name) {
            Some(slot) => self.string(share(slot))?.lossy().into_owned(),
            None => "out".to_owned(),
        };
        let mut outputs = Vec::new();
        match attrs.get(known::outputs) {
            Some(slot) => {
                let list = self.list(share(slot))?;
                for slot in list.items {
                    let name = self.plain_string(share(slot))?;
                    let symbol = self.symbols.intern(name.bytes());
                    // a set may name outputs that it lacks
                    let Some(output) = attrs.get(symbol) else { continue };
                    let output = self.attrs(share(output))?;
                    let path = self.attr(output, known::out_path)?;
                    let path = self.coerce(path, super::Coercion::PLAIN)?;
                    outputs.push((name.lossy().into_owned(), path.lossy().into_owned()));
                }
            }
            None => {
                let path = self.attr(attrs, known::out_path)?;
                let path = self.coerce(path, super::Coercion::PLAIN)?;
                outputs.push((output_name.clone(), path.lossy().into_owned()));
            }
        }
        let meta = match attrs.get(known::meta) {
            Some(slot) => match self.force(slot)? {
                Value::Attrs(meta) => self.optional(meta, "mainProgram")?,
                _ => None,
            },
            None => None,
        };
        let main_program = match meta {
            Some(program) => Some(program),
            None => self.optional(attrs, "pname")?,
        };
        let environment = self.environment(attrs)?;
        let attr_path = path.to_owned();
        Ok(Found { attr_path, name, drv_path, outputs, output_name, main_program, environment })
    }

    fn environment(&mut self, attrs: &'a Attrs<'a>) -> Result<Option<String>> {
        let Some(name) = self.symbols.find(b"environment") else { return Ok(None) };
        let Some(slot) = attrs.get(name) else { return Ok(None) };
        let Value::Attrs(environment) = self.force(slot)? else { return Ok(None) };
        if !self.is_derivation(environment)? {
            return Ok(None);
        }
        self.string_attr(environment, known::out_path).map(Some)
    }
}

/// True if `-A` can name the attribute. Others are not searched.
fn is_path_component(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_+".contains(&byte))
}
