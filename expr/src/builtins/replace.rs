//! `replaceStrings`.

use super::Builtin;
use crate::{
    error::{Error, Kind, Result},
    eval::Interpreter,
    source::Span,
    value::{Slot, Str, Value},
};

pub(super) const TABLE: &[Builtin] = &[Builtin::new("__replaceStrings", 3, replace_strings)];

/// At every place the first of the patterns that stands there is replaced; an empty one stands
/// everywhere, also at the end. A replacement is computed when it is first used.
fn replace_strings<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let (from, to) = (it.list(args[0])?, it.list(args[1])?);
    if from.len() != to.len() {
        let message =
            "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths";
        return Err(Error::new(Kind::Eval, Span::NONE, message));
    }
    let mut patterns = Vec::with_capacity(from.len());
    for slot in from.items {
        let pattern = it.force(slot)?;
        patterns.push(it.as_string(pattern)?.bytes());
    }
    let text = it.string(args[2])?;
    let (bytes, starts) = (text.bytes(), Starts::new(&patterns));
    let mut done: Vec<Option<&Str<'_>>> = vec![None; patterns.len()];
    let mut out = Vec::with_capacity(bytes.len());
    let mut context = text.context().to_vec();
    let mut at = 0;
    while at <= bytes.len() {
        it.step()?;
        let skipped = starts.next(&bytes[at..]);
        out.extend_from_slice(&bytes[at..at + skipped]);
        at += skipped;
        let found = patterns.iter().position(|pattern| bytes[at..].starts_with(pattern));
        if let Some(found) = found {
            let new = replacement(it, &to.items[found], &mut done[found], &mut context)?;
            it.room(out.len() + new.len())?;
            out.extend_from_slice(new.bytes());
            if !patterns[found].is_empty() {
                at += patterns[found].len();
                continue;
            }
        }
        out.extend(bytes.get(at));
        at += 1;
    }
    Ok(it.text_with(&out, &context))
}

fn replacement<'a>(
    it: &mut Interpreter<'a>,
    slot: &'a Slot<'a>,
    done: &mut Option<&'a Str<'a>>,
    context: &mut Vec<crate::value::Context>,
) -> Result<&'a Str<'a>> {
    if let Some(done) = done {
        return Ok(done);
    }
    let value = it.force(slot)?;
    let text = it.as_string(value)?;
    context.extend_from_slice(text.context());
    *done = Some(text);
    Ok(text)
}

/// The bytes that patterns start with, so that the rest is skipped quickly.
struct Starts {
    set: Option<[bool; 256]>,
}

impl Starts {
    fn new(patterns: &[&[u8]]) -> Self {
        let mut set = [false; 256];
        for pattern in patterns {
            match pattern.first() {
                Some(byte) => set[usize::from(*byte)] = true,
                None => return Self { set: None },
            }
        }
        Self { set: Some(set) }
    }

    /// How many bytes no pattern starts with.
    fn next(&self, text: &[u8]) -> usize {
        let Some(set) = &self.set else { return 0 };
        text.iter().position(|byte| set[usize::from(*byte)]).unwrap_or(text.len())
    }
}
