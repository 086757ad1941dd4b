//! `toJSON`, and the same for `--json` and `__structuredAttrs`.

use super::Builtin;
use crate::{
    error::{Error, ErrorKind, Result},
    eval::{Coercion, Interpreter},
    json,
    source::Span,
    string::{ContextBuilder, Str},
    symbol::known,
    text::float,
    value::{Attrs, Value, share},
};

pub(super) const TABLE: &[Builtin] = &[Builtin::new("__toJSON", 1, to_json)];

fn to_json<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let (mut out, mut context) = (Vec::new(), ContextBuilder::default());
    it.write_json(args[0], &mut out, &mut context)?;
    it.room(2 * out.len())?;
    Ok(Value::String(it.string_of(&out, context)))
}

impl<'a> Interpreter<'a> {
    /// Writes a value as JSON, computing all of it; paths are copied to the store. What the
    /// strings refer to is added to `context`.
    ///
    /// # Errors
    /// Those of computing it; a function; a string that is not UTF-8.
    pub fn write_json(
        &mut self,
        value: Value<'a>,
        out: &mut Vec<u8>,
        context: &mut ContextBuilder,
    ) -> Result<()> {
        self.reserve(out, 64)?;
        self.nest(|it| it.write_json_inside(value, out, context))
    }

    fn write_json_inside(
        &mut self,
        value: Value<'a>,
        out: &mut Vec<u8>,
        context: &mut ContextBuilder,
    ) -> Result<()> {
        match self.value(value)? {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Float(number) => out.extend_from_slice(float::json(number).as_bytes()),
            Value::String(text) => self.write_json_text(text, out, context)?,
            path @ Value::Path(_) => {
                let text = self.coerce(path, Coercion::INTERPOLATION)?;
                self.write_json_text(text, out, context)?;
            }
            Value::List(list) => {
                out.push(b'[');
                for (at, slot) in list.items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    self.write_json(share(slot), out, context).map_err(|error| {
                        let step = format!("while evaluating list element at index {at}");
                        error.within(Span::NONE, step)
                    })?;
                }
                out.push(b']');
            }
            Value::Attrs(attrs) => self.write_json_attrs(attrs, out, context)?,
            other => {
                let message = format!("cannot convert {} to JSON", other.describe());
                return Err(Error::new(ErrorKind::Type, Span::NONE, message));
            }
        }
        Ok(())
    }

    fn write_json_text(
        &self,
        text: &Str<'_>,
        out: &mut Vec<u8>,
        context: &mut ContextBuilder,
    ) -> Result<()> {
        context.add(text.context());
        self.reserve_escaped(out, text.bytes(), 6)?;
        write_bytes(text.bytes(), out)
    }

    fn write_json_attrs(
        &mut self,
        attrs: &'a Attrs<'a>,
        out: &mut Vec<u8>,
        context: &mut ContextBuilder,
    ) -> Result<()> {
        if attrs.get(known::to_string).is_some() {
            let text = self.coerce(Value::Attrs(attrs), Coercion::PLAIN)?;
            return self.write_json_text(text, out, context);
        }
        if let Some(path) = attrs.get(known::out_path) {
            return self.write_json(share(path), out, context);
        }
        out.push(b'{');
        for (at, (key, slot)) in self.sorted_attrs(attrs).into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_bytes(self.symbols.bytes(key.symbol), out)?;
            out.push(b':');
            self.write_json(share(slot), out, context).map_err(|error| {
                let step =
                    format!("while evaluating attribute '{}'", self.symbols.show(key.symbol));
                error.within(Span::new(key.at, key.at), step)
            })?;
        }
        out.push(b'}');
        Ok(())
    }
}

fn write_bytes(text: &[u8], out: &mut Vec<u8>) -> Result<()> {
    json::string(out, text)
        .map_err(|error| Error::new(ErrorKind::Eval, Span::NONE, format!("JSON: {error}")))
}
