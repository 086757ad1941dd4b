//! `toXML`, and the same for `--xml`.

use rustc_hash::FxHashSet;

use super::Builtin;
use crate::{
    error::Result,
    eval::Interpreter,
    source::{Origin, Span},
    string::ContextBuilder,
    symbol::{Symbol, known},
    text::{float, xml::XmlWriter},
    value::{Attrs, Partial, Slot, Value, share},
};

pub(super) const TABLE: &[Builtin] = &[Builtin::new("__toXML", 1, to_xml)];

fn to_xml<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let (text, context) = it.xml(args[0], XmlOptions { strict: true, locations: false })?;
    it.room(2 * text.len())?;
    Ok(Value::String(it.string_of(&text, context)))
}

/// How a value is written as XML.
#[derive(Clone, Copy, Debug)]
pub struct XmlOptions {
    /// True if all of the value is computed; else what is not computed is `<unevaluated />`.
    pub strict: bool,
    /// True if attributes and functions say where they were defined.
    pub locations: bool,
}

impl<'a> Interpreter<'a> {
    /// A value as XML, and what its strings refer to.
    ///
    /// # Errors
    /// Those of computing it.
    pub fn xml(
        &mut self,
        value: Value<'a>,
        options: XmlOptions,
    ) -> Result<(Vec<u8>, ContextBuilder)> {
        let mut writer = Writer {
            it: self,
            options,
            xml: XmlWriter::new(),
            context: ContextBuilder::default(),
            seen: FxHashSet::default(),
        };
        writer.xml.open("expr", &[]);
        writer.value(value)?;
        Ok((writer.xml.finish(), writer.context))
    }
}

struct Writer<'i, 'a> {
    it: &'i mut Interpreter<'a>,
    options: XmlOptions,
    xml: XmlWriter,
    context: ContextBuilder,
    /// The `drvPath`s of the derivations that were written.
    seen: FxHashSet<&'a [u8]>,
}

impl<'a> Writer<'_, 'a> {
    /// An element deeper down has more blanks before it, so that depth costs more than its length.
    fn value(&mut self, value: Value<'a>) -> Result<()> {
        self.it.descend()?;
        let written = self.value_here(value);
        self.it.ascend();
        written
    }

    fn value_here(&mut self, value: Value<'a>) -> Result<()> {
        let line = 2 * self.xml.depth() + 256;
        self.it.reserve(self.xml.text(), line)?;
        let value = if self.options.strict { self.it.value(value)? } else { peek(value) };
        match value {
            Value::Null => self.xml.empty("null", &[]),
            Value::Bool(true) => self.xml.empty("bool", &[("value", b"true")]),
            Value::Bool(false) => self.xml.empty("bool", &[("value", b"false")]),
            Value::Int(number) => {
                self.xml.empty("int", &[("value", number.to_string().as_bytes())]);
            }
            Value::Float(number) => {
                self.xml.empty("float", &[("value", float::general(number).as_bytes())]);
            }
            Value::String(text) => {
                self.context.add(text.context());
                self.it.reserve_escaped(self.xml.text(), text.bytes(), 6)?;
                self.xml.empty("string", &[("value", text.bytes())]);
            }
            Value::Path(path) => self.xml.empty("path", &[("value", path.bytes())]),
            Value::List(list) => {
                self.xml.open("list", &[]);
                for slot in list.items {
                    self.value(share(slot))?;
                }
                self.xml.close();
            }
            Value::Attrs(attrs) => {
                let is_derivation = self.it.is_derivation(attrs)?;
                if is_derivation {
                    self.derivation(attrs)?;
                } else {
                    self.xml.open("attrs", &[]);
                    self.attributes(attrs)?;
                    self.xml.close();
                }
            }
            function @ (Value::Lambda(..)
            | Value::Partial(Partial { function: Value::Lambda(..), .. })) => {
                self.function(function);
            }
            _ => self.xml.empty("unevaluated", &[]),
        }
        Ok(())
    }

    fn attributes(&mut self, attrs: &'a Attrs<'a>) -> Result<()> {
        for (key, slot) in self.it.sorted_attrs(attrs) {
            let place = self.place(Span::new(key.at, key.at));
            let mut marks = place.marks();
            marks.push(("name", self.it.symbols.bytes(key.symbol)));
            marks.sort_by_key(|mark| mark.0);
            self.xml.open("attr", &marks);
            self.value(share(slot))?;
            self.xml.close();
        }
        Ok(())
    }

    fn derivation(&mut self, attrs: &'a Attrs<'a>) -> Result<()> {
        let drv_path = self.text_attribute(attrs, known::drv_path)?;
        let out_path = self.text_attribute(attrs, known::out_path)?;
        let marks: Vec<_> = [("drvPath", drv_path), ("outPath", out_path)]
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)))
            .collect();
        self.xml.open("derivation", &marks);
        match drv_path {
            Some(path) if !path.is_empty() && self.seen.insert(path) => self.attributes(attrs)?,
            _ => self.xml.empty("repeated", &[]),
        }
        self.xml.close();
        Ok(())
    }

    fn text_attribute(&mut self, attrs: &'a Attrs<'a>, name: Symbol) -> Result<Option<&'a [u8]>> {
        let Some(slot) = attrs.get(name) else { return Ok(None) };
        let value = if self.options.strict { self.it.force(slot)? } else { slot.get() };
        Ok(match value {
            Value::String(text) => Some(text.bytes()),
            _ => None,
        })
    }

    /// A function by its parameter: the next one, if some arguments were given.
    fn function(&mut self, function: Value<'a>) {
        let (code, given) = match function {
            Value::Lambda(id, _) => (Some(id), 0),
            Value::Partial(Partial { function: Value::Lambda(id, _), args }) => {
                (Some(*id), args.len())
            }
            _ => (None, 0),
        };
        let param = code.and_then(|id| self.it.program.functions[id.0 as usize].params.get(given));
        let place = self.place(param.map_or(Span::NONE, |param| param.span));
        self.xml.open("function", &place.marks());
        let argument = param.and_then(|param| param.name).map(|name| self.it.symbols.bytes(name));
        match self.it.formals(function) {
            Some(formals) => {
                let mut marks = Vec::new();
                if formals.ellipsis {
                    marks.push(("ellipsis", b"1".as_slice()));
                }
                marks.extend(argument.map(|name| ("name", name)));
                self.xml.open("attrspat", &marks);
                let mut names: Vec<_> =
                    formals.list.iter().map(|formal| self.it.symbols.bytes(formal.name)).collect();
                names.sort_unstable();
                for name in names {
                    self.xml.empty("attr", &[("name", name)]);
                }
                self.xml.close();
            }
            None => self.xml.empty("varpat", &[("name", argument.unwrap_or_default())]),
        }
        self.xml.close();
    }

    fn place(&self, span: Span) -> Place {
        let place = if self.options.locations { self.it.sources.place(span) } else { None };
        Place(place.map(|place| {
            let path = match place.origin {
                Origin::File(path) => Some(path),
                Origin::Text | Origin::Stdin => None,
            };
            (place.column.to_string(), place.line.to_string(), path)
        }))
    }
}

/// Column, line and path of a definition.
struct Place(Option<(String, String, Option<Vec<u8>>)>);

impl Place {
    fn marks(&self) -> Vec<crate::text::xml::Attribute<'_>> {
        let Some((column, line, path)) = &self.0 else { return Vec::new() };
        let mut marks = vec![("column", column.as_bytes()), ("line", line.as_bytes())];
        marks.extend(path.as_ref().map(|path| ("path", path.as_slice())));
        marks
    }
}

/// A value as far as it is computed.
fn peek<'a>(value: Value<'a>) -> Value<'a> {
    let mut value = value;
    while let Value::Ref(slot) = value {
        value = Slot::get(slot);
    }
    value
}
