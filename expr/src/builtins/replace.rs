//! `replaceStrings`.

use super::Builtin;
use crate::{
    error::{Error, ErrorKind, Result},
    eval::Interpreter,
    source::Span,
    string::{ContextBuilder, Str},
    value::{Slot, Value},
};

pub(super) const TABLE: &[Builtin] = &[Builtin::new("__replaceStrings", 3, replace_strings)];

/// How much the result may grow between two questions for room.
const STRIDE: usize = 1 << 16;

/// At every place the first of the patterns that stands there is replaced; an empty one stands
/// everywhere, also at the end. A replacement is computed when it is first used.
fn replace_strings<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let (from, to) = (it.list(args[0])?, it.list(args[1])?);
    if from.len() != to.len() {
        let message =
            "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths";
        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
    }
    it.room_for(2 * from.len())?;
    let mut patterns = Vec::with_capacity(from.len());
    for slot in from.items {
        let pattern = it.force(slot)?;
        patterns.push(it.as_string(pattern)?.bytes());
    }
    let text = it.string(args[2])?;
    let (bytes, starts) = (text.bytes(), Starts::new(&patterns));
    let mut done: Vec<Option<&Str<'_>>> = vec![None; patterns.len()];
    let mut context = ContextBuilder::default();
    context.add(text.context());
    // first what is found, so that the result is made at once, in the size that it will have
    let mut matches: Vec<(usize, usize)> = Vec::new();
    let (mut len, mut asked) = (bytes.len(), 0);
    let mut at = 0;
    while at <= bytes.len() {
        it.step()?;
        at += starts.next(&bytes[at..]);
        let found = patterns.iter().position(|pattern| bytes[at..].starts_with(pattern));
        let Some(found) = found else {
            at += 1;
            continue;
        };
        let new = replacement(it, &to.items[found], &mut done[found], &mut context)?;
        let old = patterns[found].len();
        len = (len - old).saturating_add(new.len());
        if len > asked {
            asked = len.saturating_add(STRIDE);
            it.room(asked)?;
        }
        it.reserve(&mut matches, 1)?;
        matches.push((at, found));
        at += old.max(1);
    }
    if matches.is_empty() {
        return Ok(Value::String(text));
    }
    it.room(len.saturating_add(matches.len() * size_of::<(usize, usize)>()))?;
    let mut out = bumpalo::collections::Vec::with_capacity_in(len, it.arena);
    let mut copied = 0;
    for (at, found) in matches {
        out.extend_from_slice_copy(&bytes[copied..at]);
        out.extend_from_slice_copy(done[found].map_or(&[], Str::bytes));
        copied = at + patterns[found].len();
    }
    out.extend_from_slice_copy(&bytes[copied..]);
    let context = it.arena.alloc_slice_copy(&context.finish());
    Ok(Value::String(Str::with_context(it.arena, out.into_bump_slice(), context)))
}

fn replacement<'a>(
    it: &mut Interpreter<'a>,
    slot: &'a Slot<'a>,
    done: &mut Option<&'a Str<'a>>,
    context: &mut ContextBuilder,
) -> Result<&'a Str<'a>> {
    if let Some(done) = done {
        return Ok(done);
    }
    let value = it.force(slot)?;
    let text = it.as_string(value)?;
    context.add(text.context());
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
