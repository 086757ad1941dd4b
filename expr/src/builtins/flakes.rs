//! `parseFlakeRef` and `flakeRefToString`, which are pure text.

use super::Builtin;
use crate::{
    error::{Error, ErrorKind, Result},
    eval::Interpreter,
    flake_ref::{self, Fields},
    host::FetchValue,
    source::Span,
    value::{AttrsBuilder, Value},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("__parseFlakeRef", 1, parse_flake_ref),
    Builtin::new("__flakeRefToString", 1, flake_ref_to_string),
];

fn parse_flake_ref<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.plain_string(args[0])?.lossy();
    let fields = flake_ref::parse(&text)
        .map_err(|message| Error::new(ErrorKind::Eval, Span::NONE, message))?;
    let mut attrs = AttrsBuilder::with_capacity(fields.len());
    for (name, value) in fields {
        let name = it.symbols.intern(name.as_bytes());
        attrs.push(
            name,
            match value {
                FetchValue::String(text) => it.text(text.as_bytes()),
                FetchValue::Int(number) => Value::Int(number),
                FetchValue::Bool(truth) => Value::Bool(truth),
            },
        );
    }
    Ok(Value::Attrs(attrs.build(it.arena)))
}

fn flake_ref_to_string<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let attrs = it.attrs(args[0])?;
    let mut fields = Fields::new();
    for (key, slot) in it.sorted_attrs(attrs) {
        let name = it.symbols.show(key.symbol);
        let value = match it.force(slot)? {
            Value::String(text) => FetchValue::String(text.lossy().into_owned()),
            Value::Bool(truth) => FetchValue::Bool(truth),
            Value::Int(number) if number >= 0 => FetchValue::Int(number),
            Value::Int(number) => {
                let message = format!("negative value given for flake ref attr {name}: {number}");
                return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
            }
            other => {
                let message = format!(
                    "flake reference attribute sets may only contain integers, Booleans, and strings, but attribute '{name}' is {}",
                    other.describe()
                );
                return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
            }
        };
        fields.insert(name, value);
    }
    let text = flake_ref::to_text(&fields)
        .map_err(|message| Error::new(ErrorKind::Eval, Span::NONE, message))?;
    Ok(it.text(text.as_bytes()))
}
