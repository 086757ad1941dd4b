//! Prints values: as `nix-instantiate --eval` does, and shortened for messages.

use rustc_hash::FxHashSet;

use super::{Coercion, Interpreter};
use crate::{
    error::Result,
    source::Span,
    symbol::known,
    text::{float, quote},
    value::{Attrs, Key, Slot, Value, share},
};

/// The form and limits of printing.
#[derive(Clone, Copy, Debug)]
pub struct PrintOptions {
    /// True to compute suspended values; else they print as `<CODE>`.
    pub force: bool,
    /// True for messages: `«thunk»` and `«lambda f»` instead of `<CODE>` and `<LAMBDA>`.
    pub message: bool,
    /// Sets and lists deeper than this print as `{ ... }`.
    pub max_depth: usize,
    /// The greatest number of elements and attributes, in all lists and sets together.
    pub max_items: usize,
    /// The greatest number of bytes of a string.
    pub max_string: usize,
    /// True for a session: nested values on lines of their own, a derivation as its path, and an error below
    /// the top as its message.
    pub lines: bool,
}

impl PrintOptions {
    /// As `nix-instantiate --eval` does.
    pub const PLAIN: Self = Self {
        force: false,
        message: false,
        max_depth: usize::MAX,
        max_items: usize::MAX,
        max_string: usize::MAX,
        lines: false,
    };
    /// For messages.
    pub(crate) const MESSAGE: Self =
        Self { message: true, max_depth: 10, max_items: 10, max_string: 1024, ..Self::PLAIN };
    /// For a session: computes and shows one level.
    pub const SESSION: Self =
        Self { force: true, message: true, max_depth: 1, lines: true, ..Self::PLAIN };
}

struct Printer<'p> {
    out: &'p mut Vec<u8>,
    options: PrintOptions,
    seen: FxHashSet<usize>,
    items: usize,
}

impl Printer<'_> {
    /// Writes the space before a part of a list or set, or before its end.
    fn space(&mut self, long: bool, depth: usize) {
        self.out.push(if long { b'\n' } else { b' ' });
        if long {
            self.out.extend(std::iter::repeat_n(b' ', 2 * depth));
        }
    }
}

impl<'a> Interpreter<'a> {
    /// A value as text.
    ///
    /// # Errors
    /// If the nesting is too deep or, with `force`, a part cannot be computed.
    pub fn print(&mut self, value: Value<'a>, options: PrintOptions) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let seen = FxHashSet::default();
        self.print_value(&mut Printer { out: &mut out, options, seen, items: 0 }, value, 0)?;
        Ok(out)
    }

    /// A value for a message: shortened and not computed further.
    #[must_use]
    pub fn show_short(&mut self, value: Value<'a>) -> String {
        let text = self.print(value, PrintOptions::MESSAGE).unwrap_or_else(|_| b"...".to_vec());
        String::from_utf8_lossy(&text).into_owned()
    }

    fn print_value(&mut self, to: &mut Printer<'_>, value: Value<'a>, depth: usize) -> Result<()> {
        self.deeper()?;
        self.step()?;
        if depth > self.options.max_call_depth as usize {
            return Err(self.too_many_calls(Span::NONE));
        }
        self.reserve(to.out, 64)?;
        let message = to.options.message;
        match value {
            Value::Null => to.out.extend_from_slice(b"null"),
            Value::Bool(true) => to.out.extend_from_slice(b"true"),
            Value::Bool(false) => to.out.extend_from_slice(b"false"),
            Value::Int(number) => to.out.extend_from_slice(number.to_string().as_bytes()),
            Value::Float(number) => to.out.extend_from_slice(float::general(number).as_bytes()),
            Value::String(text) => {
                let bytes = text.bytes();
                let shown = &bytes[..bytes.len().min(to.options.max_string)];
                self.reserve_escaped(to.out, shown, 2)?;
                if bytes.len() > to.options.max_string {
                    quote::string(to.out, shown);
                    let left = bytes.len() - to.options.max_string;
                    to.out.extend_from_slice(format!(" «{left} bytes elided»").as_bytes());
                } else {
                    quote::string(to.out, bytes);
                }
            }
            Value::Path(path) => to.out.extend_from_slice(path.bytes()),
            Value::Lambda(id, _) if message => {
                let code = self.program.functions[id.0 as usize];
                let mut text = "«lambda".to_owned();
                if let Some(name) = code.name {
                    text.push(' ');
                    text.push_str(&self.symbols.show(name));
                }
                if let Some(place) = self.sources.place(code.span) {
                    text.push_str(&format!(" @ {place}"));
                }
                text.push('»');
                to.out.extend_from_slice(text.as_bytes());
            }
            Value::Lambda(..) => to.out.extend_from_slice(b"<LAMBDA>"),
            Value::Builtin(builtin) if message => {
                to.out.extend_from_slice(format!("«primop {}»", builtin.name()).as_bytes());
            }
            Value::Builtin(builtin) if builtin.is_wrapper() => {
                to.out.extend_from_slice(b"<LAMBDA>");
            }
            Value::Builtin(_) => to.out.extend_from_slice(b"<PRIMOP>"),
            Value::Partial(partial) => match (partial.function, message) {
                (Value::Builtin(builtin), true) => {
                    let text = format!("«partially applied primop {}»", builtin.name());
                    to.out.extend_from_slice(text.as_bytes());
                }
                (Value::Builtin(_), false) => to.out.extend_from_slice(b"<PRIMOP-APP>"),
                (function, _) => self.print_value(to, function, depth)?,
            },
            Value::List(list) => {
                // the outermost list is an object of its own
                let seen = depth > 0 && !list.is_empty();
                if seen && !to.seen.insert(std::ptr::from_ref(list).addr()) {
                    to.out.extend_from_slice("«repeated»".as_bytes());
                } else if depth >= to.options.max_depth && !list.is_empty() {
                    to.out.extend_from_slice(b"[ ... ]");
                } else {
                    self.print_list(to, list.items, depth)?;
                }
            }
            Value::Attrs(attrs) if to.options.lines && self.is_derivation(attrs)? => {
                let path = match attrs.get(known::drv_path) {
                    Some(path) => self.coerce(share(path), Coercion::PLAIN)?.lossy(),
                    None => "???".into(),
                };
                to.out.extend_from_slice(format!("«derivation {path}»").as_bytes());
            }
            Value::Attrs(attrs) => {
                if !attrs.is_empty() && !to.seen.insert(std::ptr::from_ref(attrs).addr()) {
                    to.out.extend_from_slice("«repeated»".as_bytes());
                } else if depth >= to.options.max_depth && !attrs.is_empty() {
                    to.out.extend_from_slice(b"{ ... }");
                } else {
                    self.print_attrs(to, attrs, depth)?;
                }
            }
            Value::Ref(slot) => return self.print_slot(to, slot, depth),
            Value::Running(_) => {
                to.out.extend_from_slice("«potential infinite recursion»".as_bytes());
            }
            Value::Thunk(..) | Value::Apply(_) | Value::Item(..) | Value::Failed(_) if message => {
                to.out.extend_from_slice("«thunk»".as_bytes());
            }
            Value::Thunk(..) | Value::Apply(_) | Value::Item(..) | Value::Failed(_) => {
                to.out.extend_from_slice(b"<CODE>");
            }
        }
        Ok(())
    }

    fn print_slot(&mut self, to: &mut Printer<'_>, slot: &'a Slot<'a>, depth: usize) -> Result<()> {
        if !to.options.force {
            return self.print_value(to, slot.get(), depth);
        }
        let start = to.out.len();
        let printed = self.force(slot).and_then(|value| self.print_value(to, value, depth));
        match printed {
            Err(error) if to.options.lines && error.is_of_the_program() => {
                to.out.truncate(start);
                to.out.extend_from_slice(format!("«error: {}»", error.message()).as_bytes());
                Ok(())
            }
            other => other,
        }
    }

    /// True to put the parts of a list or set on lines of their own: if there are several, or one that has
    /// parts itself.
    fn is_long(
        &mut self,
        to: &Printer<'_>,
        mut slots: impl ExactSizeIterator<Item = &'a Slot<'a>>,
    ) -> bool {
        match (slots.len(), slots.next()) {
            (1, Some(only)) if to.options.lines => {
                // it is computed anyway; an error shows later
                matches!(self.force(only), Ok(Value::List(_) | Value::Attrs(_)))
            }
            (number, _) => to.options.lines && number > 1,
        }
    }

    fn print_list(
        &mut self,
        to: &mut Printer<'_>,
        items: &'a [Slot<'a>],
        depth: usize,
    ) -> Result<()> {
        let long = self.is_long(to, items.iter());
        to.out.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if to.items >= to.options.max_items {
                let left = items.len() - at;
                let noun = if left == 1 { "item" } else { "items" };
                to.out.extend_from_slice(format!(" «{left} {noun} elided»").as_bytes());
                break;
            }
            to.items += 1;
            to.space(long, depth + 1);
            self.print_slot(to, item, depth + 1)?;
        }
        to.space(long, depth);
        to.out.push(b']');
        Ok(())
    }

    fn print_attrs(
        &mut self,
        to: &mut Printer<'_>,
        attrs: &'a Attrs<'a>,
        depth: usize,
    ) -> Result<()> {
        let sorted = self.sorted_attrs(attrs);
        let long = self.is_long(to, sorted.iter().map(|(_, slot)| *slot));
        to.out.push(b'{');
        for (at, (key, slot)) in sorted.iter().enumerate() {
            if to.items >= to.options.max_items {
                let left = sorted.len() - at;
                let noun = if left == 1 { "attribute" } else { "attributes" };
                to.out.extend_from_slice(format!(" «{left} {noun} elided»").as_bytes());
                break;
            }
            to.items += 1;
            to.space(long, depth + 1);
            let name = self.symbols.bytes(key.symbol);
            quote::attribute_name(to.out, name);
            to.out.extend_from_slice(b" = ");
            self.print_slot(to, slot, depth + 1)?;
            to.out.push(b';');
        }
        to.space(long, depth);
        to.out.push(b'}');
        Ok(())
    }

    /// The attributes in alphabetical order.
    #[must_use]
    pub fn sorted_attrs(&self, attrs: &'a Attrs<'a>) -> Vec<(Key, &'a Slot<'a>)> {
        let mut all: Vec<(&[u8], Key, &'a Slot<'a>)> = attrs
            .iter(self.arena)
            .map(|(key, slot)| (self.symbols.bytes(key.symbol), key, slot))
            .collect();
        all.sort_unstable_by_key(|(name, ..)| *name);
        all.into_iter().map(|(_, key, slot)| (key, slot)).collect()
    }
}
