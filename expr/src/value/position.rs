//! A place in the source as a value, for `__curPos` and `unsafeGetAttrPos`.

use bumpalo::Bump;

use super::{AttrsBuilder, Value};
use crate::{
    source::{Origin, Sources, Span},
    string::Str,
    symbol::known,
};

/// The set of `file`, `line` and `column`; `null` for a place that is in no file.
pub(crate) fn position<'a>(arena: &'a Bump, sources: &Sources, at: u32) -> Value<'a> {
    let Some(place) = sources.place(Span::new(at, at)) else { return Value::Null };
    let Origin::File(path) = &place.origin else { return Value::Null };
    let file = arena.alloc(Str::plain(arena.alloc_slice_copy(path)));
    let mut result = AttrsBuilder::with_capacity(3);
    result.push(known::file, Value::String(file));
    result.push(known::line, Value::Int(i64::from(place.line)));
    result.push(known::column, Value::Int(i64::from(place.column)));
    Value::Attrs(result.build(arena))
}
