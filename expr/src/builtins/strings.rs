//! Strings, as far as they need no table or parser of their own.

use super::Builtin;
use crate::{
    error::{Error, ErrorKind, Result},
    eval::{Coercion, Interpreter},
    source::Span,
    string::{ContextBuilder, Str},
    value::{Value, share},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("toString", 1, to_string).computes(0),
    Builtin::new("__stringLength", 1, string_length).computes(0),
    Builtin::new("__substring", 3, substring).computes(0),
    Builtin::new("__concatStringsSep", 2, concat_strings_sep).computes(0),
    Builtin::new("placeholder", 1, placeholder),
    Builtin::new("__getEnv", 1, get_env),
];

fn to_string<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.coerce(args[0], Coercion::TO_STRING)?;
    Ok(Value::String(text))
}

fn string_length<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.coerce(args[0], Coercion::INTERPOLATION)?;
    Ok(Value::Int(text.len() as i64))
}

fn substring<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let start = it.int(args[0])?;
    let Ok(start) = usize::try_from(start) else {
        let message = "negative start position in 'substring'";
        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
    };
    let len = it.int(args[1])?;
    // an empty piece of a string computes the string for its context alone
    let text = it.coerce(args[2], Coercion::INTERPOLATION)?;
    let bytes = text.bytes();
    let start = start.min(bytes.len());
    let end =
        usize::try_from(len).map_or(bytes.len(), |len| start.saturating_add(len).min(bytes.len()));
    Ok(Value::String(Str::with_context(it.arena, &bytes[start..end], text.context())))
}

fn concat_strings_sep<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let separator = it.string(args[0])?;
    let list = it.list(args[1])?;
    let mut context = ContextBuilder::default();
    context.add(separator.context());
    it.room_for(list.len())?;
    let mut parts = Vec::with_capacity(list.len());
    let mut len = separator.len().saturating_mul(list.len().saturating_sub(1));
    for slot in list.items {
        let part = it.coerce(share(slot), Coercion::INTERPOLATION)?;
        context.add(part.context());
        len = len.saturating_add(part.len());
        parts.push(part.bytes());
    }
    it.room(len)?;
    let mut text = bumpalo::collections::Vec::with_capacity_in(len, it.arena);
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            text.extend_from_slice_copy(separator.bytes());
        }
        text.extend_from_slice_copy(part);
    }
    let context = it.arena.alloc_slice_copy(&context.finish());
    Ok(Value::String(Str::with_context(it.arena, text.into_bump_slice(), context)))
}

fn get_env<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let name = it.plain_string(args[0])?;
    let value = it.host.variable(&name.lossy()).unwrap_or_default();
    Ok(it.text(value.as_bytes()))
}

fn placeholder<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let output = it.plain_string(args[0])?;
    let text = it.host.placeholder(&output.lossy());
    Ok(it.text(text.as_bytes()))
}
