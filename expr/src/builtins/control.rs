//! Control of an evaluation: failing, catching, forcing, tracing.

use super::Builtin;
use crate::{
    error::{Error, ErrorKind, Result},
    eval::{Coercion, Interpreter, PrintOptions},
    source::Span,
    symbol::known,
    value::{AttrsBuilder, Value},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("throw", 1, throw).computes(0),
    Builtin::new("abort", 1, abort).computes(0),
    Builtin::new("__tryEval", 1, try_eval),
    Builtin::silent("__seq", 2, seq).computes(0),
    Builtin::silent("__deepSeq", 2, deep_seq),
    Builtin::silent("__trace", 2, trace),
    Builtin::silent("__traceVerbose", 2, trace_verbose),
    Builtin::silent("__warn", 2, warn),
    Builtin::silent("break", 1, |it, args| it.value(args[0])),
    Builtin::silent("__addErrorContext", 2, add_error_context),
];

fn throw<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.coerce(args[0], Coercion::INTERPOLATION)?;
    Err(Error::new(ErrorKind::Throw, Span::NONE, text.lossy()))
}

fn abort<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.coerce(args[0], Coercion::INTERPOLATION)?;
    let message =
        format!("evaluation aborted with the following error message: '{}'", text.lossy());
    Err(Error::new(ErrorKind::Abort, Span::NONE, message))
}

fn try_eval<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let (success, value) = match it.value(args[0]) {
        Ok(value) => (true, value),
        Err(error) if error.is_caught() => (false, Value::Bool(false)),
        Err(error) => return Err(error),
    };
    let mut result = AttrsBuilder::with_capacity(2);
    result.push(known::success, Value::Bool(success));
    result.push(known::value, value);
    Ok(Value::Attrs(result.build(it.arena)))
}

fn seq<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    it.value(args[0])?;
    it.value(args[1])
}

fn deep_seq<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    it.force_deep(args[0])?;
    it.value(args[1])
}

/// The text that `trace` shows: a string as it is, anything else as it prints.
fn message<'a>(it: &mut Interpreter<'a>, value: Value<'a>) -> Result<String> {
    let text = match it.value(value)? {
        Value::String(text) => text.bytes().to_vec(),
        other => {
            let options = PrintOptions { message: true, ..PrintOptions::PLAIN };
            it.print(other, options)?
        }
    };
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn trace<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = message(it, args[0])?;
    it.host.trace(&text);
    it.value(args[1])
}

fn trace_verbose<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    if it.options.trace_verbose { trace(it, args) } else { it.value(args[1]) }
}

fn warn<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.string(args[0])?;
    it.host.warn(&text.lossy());
    if it.options.abort_on_warn {
        let message = "aborting to reveal stack trace of warning, as abort-on-warn is set";
        return Err(Error::new(ErrorKind::Abort, Span::NONE, message));
    }
    it.value(args[1])
}

fn add_error_context<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let site = it.site;
    match it.value(args[1]) {
        Ok(value) => Ok(value),
        Err(error) => {
            let text = it.coerce(args[0], Coercion::PLAIN)?;
            Err(error.within_user(site, text.lossy()))
        }
    }
}
