//! `match` and `split`: patterns as [`crate::ere`] has them.

use std::rc::Rc;

use super::Builtin;
use crate::{
    ere::{EreError, Range, Regex},
    error::{Error, ErrorKind, Result},
    eval::Interpreter,
    limit::interrupted,
    source::Span,
    string::Str,
    value::Value,
};

pub(super) const TABLE: &[Builtin] =
    &[Builtin::new("__match", 2, matches), Builtin::new("__split", 2, split)];

fn matches<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let pattern = it.plain_string(args[0])?;
    let regex = compile(it, pattern)?;
    let text = it.string(args[1])?.bytes();
    let mut groups = Vec::new();
    match regex.matches_whole(text, &mut groups) {
        Ok(true) => Ok(list_of_groups(it, text, &groups)),
        Ok(false) => Ok(Value::Null),
        Err(error) => Err(refuse(pattern, &error)),
    }
}

fn split<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let pattern = it.plain_string(args[0])?;
    let regex = compile(it, pattern)?;
    let whole = it.string(args[1])?;
    let text = whole.bytes();
    let mut matches = regex.find_all(text);
    let (mut parts, mut groups, mut end) = (Vec::new(), Vec::new(), 0);
    loop {
        it.step()?;
        it.reserve(&mut parts, 2)?;
        it.room_for(6 * groups.len())?;
        let found = matches.next(&mut groups).map_err(|error| refuse(pattern, &error))?;
        let Some((start, next)) = found else { break };
        parts.push(piece(it, &text[end..start]));
        parts.push(list_of_groups(it, text, &groups));
        end = next;
    }
    it.room_for(2 * parts.len())?;
    // without a match the string stays as it is, context included
    parts.push(if parts.is_empty() { Value::String(whole) } else { piece(it, &text[end..]) });
    Ok(it.new_list(&parts))
}

fn compile(it: &mut Interpreter<'_>, pattern: &Str<'_>) -> Result<Rc<Regex>> {
    it.regexes.get(pattern.bytes()).map_err(|error| refuse(pattern, &error))
}

#[cold]
fn refuse(pattern: &Str<'_>, error: &EreError) -> Box<Error> {
    let pattern = pattern.lossy();
    let message = match error {
        EreError::Stopped => return interrupted(),
        EreError::Invalid(..) => format!("invalid regular expression '{pattern}': {error}"),
        EreError::TooLarge => format!("memory limit exceeded by regular expression '{pattern}'"),
    };
    Error::new(ErrorKind::Eval, Span::NONE, message)
}

fn list_of_groups<'a>(it: &Interpreter<'a>, text: &'a [u8], groups: &[Option<Range>]) -> Value<'a> {
    let groups: Vec<_> = groups
        .iter()
        .map(|group| group.map_or(Value::Null, |(start, end)| piece(it, &text[start..end])))
        .collect();
    it.new_list(&groups)
}

/// A part of a string shares its bytes and has no context.
fn piece<'a>(it: &Interpreter<'a>, text: &'a [u8]) -> Value<'a> {
    Value::String(it.arena.alloc(Str::plain(text)))
}
