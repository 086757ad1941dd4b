//! Numbers.

use super::Builtin;
use crate::{
    error::{Error, ErrorKind, Result},
    eval::Interpreter,
    source::Span,
    value::Value,
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("__add", 2, add).computes(0),
    Builtin::new("__sub", 2, subtract).computes(0),
    Builtin::new("__mul", 2, multiply).computes(0),
    Builtin::new("__div", 2, divide).computes(0),
    Builtin::new("__lessThan", 2, less_than).computes(0),
    Builtin::new("__ceil", 1, |it, args| round(it, args[0], f64::ceil)).computes(0),
    Builtin::new("__floor", 1, |it, args| round(it, args[0], f64::floor)).computes(0),
];

/// Both operands, computed in order; they must be numbers.
fn operands<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<(Value<'a>, Value<'a>)> {
    let (left, right) = (it.value(args[0])?, it.value(args[1])?);
    let float = [left, right].iter().any(|value| matches!(value, Value::Float(_)));
    for value in [left, right] {
        if !matches!(value, Value::Int(_) | Value::Float(_)) {
            return Err(it.expected(if float { "a float" } else { "an integer" }, value));
        }
    }
    Ok((left, right))
}

fn add<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let (left, right) = operands(it, args)?;
    it.add(left, right)
}

fn subtract<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let (left, right) = operands(it, args)?;
    it.subtract(left, right)
}

fn multiply<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let (left, right) = operands(it, args)?;
    it.multiply(left, right)
}

fn divide<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let (left, right) = (it.value(args[0])?, it.value(args[1])?);
    it.divide(left, right)
}

fn less_than<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let (left, right) = (it.value(args[0])?, it.value(args[1])?);
    it.less(left, right).map(Value::Bool)
}

/// A float rounded to an integer; it must fit. An integer is itself, but Nix refuses the large ones
/// that it once rounded, and so a program that it refuses is refused here.
fn round<'a>(
    it: &mut Interpreter<'a>,
    value: Value<'a>,
    round: fn(f64) -> f64,
) -> Result<Value<'a>> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let value = it.value(value)?;
    let rounded = round(it.float(value)?);
    #[allow(clippy::cast_possible_truncation)]
    let result = (-LIMIT..LIMIT).contains(&rounded).then_some(rounded as i64);
    let message = match (value, result) {
        (Value::Int(given), Some(result)) if given != result => format!(
            "the integer {given} is not exact as a float, to which earlier versions of Nix \
             rounded it ({result}); it is refused as there"
        ),
        (Value::Int(given), None) => {
            format!("the integer {given} is not exact as a float; it is refused as by Nix")
        }
        (_, Some(result)) => return Ok(Value::Int(result)),
        (_, None) => {
            let shown = crate::text::float::general(it.float(value)?);
            format!("NixFloat argument {shown} is not in the range of NixInt")
        }
    };
    Err(Error::new(ErrorKind::Eval, Span::NONE, message))
}
