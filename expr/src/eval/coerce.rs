//! Conversions of values: to an expected type, and to strings.

use std::path::Path;

use super::Interpreter;
use crate::{
    error::{Error, ErrorKind, Result},
    path,
    source::Span,
    string::{ContextBuilder, ContextElement, Str},
    symbol::{Symbol, known},
    value::{Attrs, List, Value, share},
};

/// The rules by which a value becomes a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coercion {
    /// True to convert numbers, booleans, `null` and lists, too.
    pub more: bool,
    /// True to copy paths to the store first.
    pub copy: bool,
}

impl Coercion {
    /// Strings, paths as they are, sets with `__toString` or `outPath`.
    pub const PLAIN: Self = Self { more: false, copy: false };
    /// Interpolation.
    pub const INTERPOLATION: Self = Self { more: false, copy: true };
    /// `builtins.toString`.
    pub const TO_STRING: Self = Self { more: true, copy: false };
    /// Attributes of a derivation.
    pub const DERIVATION: Self = Self { more: true, copy: true };
}

macro_rules! types {
    ($($as_:ident $force:ident $variant:ident $type:ty, $wanted:literal, $doc:literal;)*) => {
        impl<'a> Interpreter<'a> {
            $(
                #[doc = concat!("A computed value that must be ", $doc, ".\n\n# Errors\nIt is not.")]
                #[inline]
                pub fn $as_(&mut self, value: Value<'a>) -> Result<$type> {
                    match value {
                        Value::$variant(inner) => Ok(inner),
                        other => Err(self.expected($wanted, other)),
                    }
                }

                #[doc = concat!(
                    "An argument that must be ", $doc, "; it is computed.\n\n# Errors\n",
                    "It is something else, or what computing it fails with."
                )]
                #[inline]
                pub fn $force(&mut self, value: Value<'a>) -> Result<$type> {
                    let value = self.value(value)?;
                    self.$as_(value)
                }
            )*
        }
    };
}

types! {
    as_bool bool Bool bool, "a Boolean", "`true` or `false`";
    as_int int Int i64, "an integer", "an integer";
    as_string string String &'a Str<'a>, "a string", "a string";
    as_list list List &'a List<'a>, "a list", "a list";
    as_attrs attrs Attrs &'a Attrs<'a>, "a set", "a set";
}

impl<'a> Interpreter<'a> {
    /// "expected this but found that".
    #[cold]
    #[inline(never)]
    pub fn expected(&mut self, wanted: &str, found: Value<'a>) -> Box<Error> {
        let message =
            format!("expected {wanted} but found {}: {}", found.describe(), self.show_short(found));
        Error::new(ErrorKind::Type, Span::NONE, message)
    }

    /// A float argument; accepts an integer.
    ///
    /// # Errors
    /// If it is something else, or cannot be computed.
    pub fn float(&mut self, value: Value<'a>) -> Result<f64> {
        #[allow(clippy::cast_precision_loss)]
        match self.value(value)? {
            Value::Int(number) => Ok(number as f64),
            Value::Float(number) => Ok(number),
            other => Err(self.expected("a float", other)),
        }
    }

    /// An argument that can be called; it is computed and returned.
    ///
    /// # Errors
    /// If it is something else, or cannot be computed.
    pub fn function(&mut self, value: Value<'a>) -> Result<Value<'a>> {
        match self.value(value)? {
            function if function.is_function() => Ok(function),
            Value::Attrs(attrs) if attrs.get(known::functor).is_some() => Ok(Value::Attrs(attrs)),
            other => Err(self.expected("a function", other)),
        }
    }

    /// A string argument that must not refer to a store path.
    ///
    /// # Errors
    /// If it refers to one, is something else, or cannot be computed.
    pub fn plain_string(&mut self, value: Value<'a>) -> Result<&'a Str<'a>> {
        let value = self.value(value)?;
        self.as_plain_string(value)
    }

    /// The same for a computed value.
    ///
    /// # Errors
    /// As [`Self::plain_string`].
    pub fn as_plain_string(&mut self, value: Value<'a>) -> Result<&'a Str<'a>> {
        let text = self.as_string(value)?;
        match text.context().first() {
            None => Ok(text),
            Some(element) => {
                let message = format!(
                    "the string '{}' is not allowed to refer to a store path (such as '{}')",
                    text.lossy(),
                    self.show_context(*element)
                );
                Err(Error::new(ErrorKind::Eval, Span::NONE, message))
            }
        }
    }

    /// An element of a context for messages.
    #[must_use]
    pub fn show_context(&self, element: ContextElement) -> String {
        match element {
            ContextElement::Opaque(path) => self.symbols.show(path),
            ContextElement::DrvDeep(path) => format!("{} (deep)", self.symbols.show(path)),
            ContextElement::Built { drv, output } => {
                format!("{}^{}", self.symbols.show(drv), self.symbols.show(output))
            }
        }
    }

    /// A required attribute of an argument set.
    ///
    /// # Errors
    /// If it is missing.
    pub fn attr(&mut self, attrs: &'a Attrs<'a>, name: Symbol) -> Result<Value<'a>> {
        match attrs.get(name) {
            Some(slot) => Ok(share(slot)),
            None => Err(self.missing(attrs, name)),
        }
    }

    /// A new string without a context.
    pub fn text(&self, text: &[u8]) -> Value<'a> {
        let text = self.arena.alloc_slice_copy(text);
        Value::String(self.arena.alloc(Str::plain(text)))
    }

    /// A new string with a collected context.
    pub(crate) fn string_of(&self, text: &[u8], context: ContextBuilder) -> &'a Str<'a> {
        let context = self.arena.alloc_slice_copy(&context.finish());
        Str::with_context(self.arena, self.arena.alloc_slice_copy(text), context)
    }

    /// A new string with a context in any order.
    pub fn text_with(&self, text: &[u8], context: &[ContextElement]) -> Value<'a> {
        let mut context = context.to_vec();
        context.sort_unstable();
        context.dedup();
        let context = self.arena.alloc_slice_copy(&context);
        Value::String(Str::with_context(self.arena, self.arena.alloc_slice_copy(text), context))
    }

    /// A value as a string, with its context.
    ///
    /// # Errors
    /// If it cannot become a string, or cannot be computed.
    pub fn coerce(&mut self, value: Value<'a>, how: Coercion) -> Result<&'a Str<'a>> {
        let value = self.value(value)?;
        let text: String = match value {
            Value::String(text) => return Ok(text),
            Value::Path(path) if how.copy => return self.copy_path(path),
            Value::Path(path) => return Ok(path),
            Value::Attrs(attrs) => {
                if let Some(method) = attrs.get(known::to_string) {
                    return self.nest(|it| {
                        let text = it.call(share(method), &[value], Span::NONE)?;
                        it.coerce(text, how)
                    });
                }
                if let Some(path) = attrs.get(known::out_path) {
                    return self.nest(|it| it.coerce(share(path), how));
                }
                return Err(self.not_a_string(value));
            }
            Value::Bool(true) if how.more => "1".to_owned(),
            Value::Bool(false) | Value::Null if how.more => String::new(),
            Value::Int(number) if how.more => number.to_string(),
            Value::Float(number) if how.more => crate::text::float::fixed(number),
            Value::List(list) if how.more => return self.nest(|it| it.coerce_list(list, how)),
            other => return Err(self.not_a_string(other)),
        };
        Ok(self.arena.alloc(Str::plain(self.arena.alloc_str(&text).as_bytes())))
    }

    #[cold]
    fn not_a_string(&mut self, value: Value<'a>) -> Box<Error> {
        let shown = self.show_short(value);
        let message = format!("cannot coerce {} to a string: {shown}", value.describe());
        Error::new(ErrorKind::Type, Span::NONE, message)
    }

    /// The elements, separated by blanks. No blank follows an empty list.
    fn coerce_list(&mut self, list: &'a List<'a>, how: Coercion) -> Result<&'a Str<'a>> {
        let mut text = Vec::new();
        let mut context = ContextBuilder::default();
        for (at, slot) in list.items.iter().enumerate() {
            let part = self.coerce(share(slot), how).map_err(|error| {
                error.within(Span::NONE, "while evaluating one element of the list")
            })?;
            self.reserve(&mut text, part.len() + 1)?;
            text.extend_from_slice(part.bytes());
            context.add(part.context());
            let empty = matches!(self.force(slot)?, Value::List(inner) if inner.is_empty());
            if at + 1 < list.len() && !empty {
                text.push(b' ');
            }
        }
        self.room(2 * text.len())?;
        Ok(self.string_of(&text, context))
    }

    /// A path's copy in the store.
    fn copy_path(&mut self, path: &'a Str<'a>) -> Result<&'a Str<'a>> {
        let file =
            Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path.bytes()));
        if let Some(done) = self.copied.get(file) {
            return Ok(done);
        }
        if path.bytes().ends_with(b".drv") {
            let message = "file names are not allowed to end in '.drv'";
            return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
        }
        let copy = self.add_path(file, None)?;
        let symbol = self.symbols.intern(copy.as_bytes());
        let Value::String(text) =
            self.text_with(copy.as_bytes(), &[ContextElement::Opaque(symbol)])
        else {
            unreachable!()
        };
        self.copied.insert(file.to_owned(), text);
        Ok(text)
    }

    /// An argument that names a path: a path, or a value that becomes an absolute path. The text is
    /// canonical; the context is that of the string.
    ///
    /// # Errors
    /// If it is not an absolute path.
    pub fn path(&mut self, value: Value<'a>) -> Result<&'a Str<'a>> {
        let value = self.value(value)?;
        if let Value::Path(path) = value {
            return Ok(path);
        }
        let text = self.coerce(value, Coercion::PLAIN)?;
        if text.bytes().first() != Some(&b'/') {
            let message = format!("string '{}' doesn't represent an absolute path", text.lossy());
            return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
        }
        let clean = path::canonical(text.bytes());
        if clean == text.bytes() {
            return Ok(text);
        }
        let clean = self.arena.alloc_slice_copy(&clean);
        Ok(Str::with_context(self.arena, clean, text.context()))
    }
}
