//! The type of a value.

use super::Builtin;
use crate::{
    error::Result,
    eval::Interpreter,
    string::Str,
    symbol::known,
    value::{AttrsBuilder, Value},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("__typeOf", 1, type_of).computes(0),
    Builtin::new("isNull", 1, |it, args| is(it, args, |v| matches!(v, Value::Null))).computes(0),
    Builtin::new("__isFunction", 1, |it, args| is(it, args, Value::is_function)).computes(0),
    Builtin::new("__isInt", 1, |it, args| is(it, args, |v| matches!(v, Value::Int(_)))).computes(0),
    Builtin::new("__isFloat", 1, |it, args| is(it, args, |v| matches!(v, Value::Float(_))))
        .computes(0),
    Builtin::new("__isString", 1, |it, args| is(it, args, |v| matches!(v, Value::String(_))))
        .computes(0),
    Builtin::new("__isBool", 1, |it, args| is(it, args, |v| matches!(v, Value::Bool(_))))
        .computes(0),
    Builtin::new("__isPath", 1, |it, args| is(it, args, |v| matches!(v, Value::Path(_))))
        .computes(0),
    Builtin::new("__isList", 1, |it, args| is(it, args, |v| matches!(v, Value::List(_))))
        .computes(0),
    Builtin::new("__isAttrs", 1, |it, args| is(it, args, |v| matches!(v, Value::Attrs(_))))
        .computes(0),
    Builtin::new("__functionArgs", 1, function_args).computes(0),
];

fn is<'a>(
    it: &mut Interpreter<'a>,
    args: &[Value<'a>],
    test: impl Fn(&Value<'a>) -> bool,
) -> Result<Value<'a>> {
    let value = it.value(args[0])?;
    Ok(Value::Bool(test(&value)))
}

fn type_of<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let name = it.value(args[0])?.type_name();
    Ok(Value::String(it.arena.alloc(Str::plain(name.as_bytes()))))
}

fn function_args<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let value = it.value(args[0])?;
    if !value.is_function() {
        return Err(it.expected("a function", value));
    }
    let mut all = AttrsBuilder::default();
    if matches!(value, Value::Builtin(builtin) if builtin.is_wrapper()) {
        all.push(known::outputs, Value::Bool(true));
    }
    for formal in it.formals(value).map_or(&[][..], |formals| formals.list) {
        all.push_at(formal.name, formal.span.lo, Value::Bool(formal.default.is_some()));
    }
    Ok(Value::Attrs(all.build(it.arena)))
}
