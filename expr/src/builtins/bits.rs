//! `bitAnd`, `bitOr`, `bitXor`.

use super::Builtin;
use crate::{error::Result, eval::Interpreter, value::Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("__bitAnd", 2, bit_and).computes(0),
    Builtin::new("__bitOr", 2, bit_or).computes(0),
    Builtin::new("__bitXor", 2, bit_xor).computes(0),
];

fn bit_and<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    Ok(Value::Int(it.int(args[0])? & it.int(args[1])?))
}

fn bit_or<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    Ok(Value::Int(it.int(args[0])? | it.int(args[1])?))
}

fn bit_xor<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    Ok(Value::Int(it.int(args[0])? ^ it.int(args[1])?))
}
