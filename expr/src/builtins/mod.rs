//! The builtins: a table of names, numbers of arguments and functions.
//!
//! # How to add a builtin
//!
//! Write a function in the file of its theme and put it into that file's table:
//!
//! ```text
//! pub(super) const TABLE: &[Builtin] = &[Builtin::new("__stringLength", 1, string_length)];
//!
//! fn string_length<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
//!     let text = it.coerce(args[0], Coercion::PLAIN)?;
//!     Ok(Value::Int(text.len() as i64))
//! }
//! ```
//!
//! - A new file's table goes into `TABLES` in `table.rs`, and the builtin's description into `docs.rs`.
//!   A name that starts with two underscores is `builtins.name` and the global `__name`; a name without
//!   is both `builtins.name` and the global `name`, as in Nix.
//! - `args` has exactly as many values as the table says. Each is computed or a [`Value::Ref`]:
//!   it can be copied anywhere, and is computed by [`Interpreter::value`] or one of the methods
//!   that also check the type: `it.int(v)`, `float`, `bool`, `string` (with context),
//!   `plain_string` (refuses a context), `list`, `attrs`, `function`, `path`. Those with `as_`
//!   before take a value that is computed already. Compute nothing that Nix would not.
//! - Slots of lists and sets are computed by `it.force(slot)`; to put the value of a slot
//!   somewhere else without computing it, use [`share`](crate::value::share).
//! - `it.coerce(v, Coercion::...)` makes strings of values as interpolation, `toString` or a
//!   derivation does. `it.call(function, &[args], Span::NONE)` calls; arguments must be computed
//!   or shared. A call to be made later is `Value::Apply` in a slot of its own
//!   (`it.shared_apply`), or an [`Items`](crate::value::Items) for a whole list.
//! - Results: `it.text(bytes)`, `it.text_with(bytes, contexts)`, `it.new_list(values)`,
//!   `it.new_path(bytes)`, [`AttrsBuilder`](crate::value::AttrsBuilder), whose `build` sorts.
//!   Names are symbols: `it.symbols.intern(bytes)`, or a constant of
//!   [`known`](crate::symbol::known) (add to its list). A set is walked in the alphabet's order
//!   by `it.sorted_attrs(attrs)`, in no particular but a stable order by `attrs.iter(it.arena)`.
//! - Errors: `Error::new(ErrorKind::Eval, Span::NONE, "text")`; the place of the call is added
//!   by the caller. `it.expected("a list", value)` says what was found. Errors of the host:
//!   `it.from_host(result)`.
//! - A function that recurses calls `it.deeper()?` first. A loop that may be long and calls nothing calls
//!   `it.step()?` in each turn, so that it can be interrupted.

mod arithmetic;
mod attributes;
mod bits;
mod constants;
mod context;
mod control;
mod derivation;
mod docs;
mod documents;
mod fetch;
mod files;
mod flakes;
mod hash;
mod hidden;
mod import;
mod json;
mod lists;
mod regex;
mod replace;
mod sort;
mod store;
mod strings;
mod table;
mod types;
mod versions;
mod xml;

use crate::eval::{Builtin, Interpreter};

pub(crate) use docs::doc;
pub use xml::XmlOptions;

/// Gives a new interpreter the builtins.
pub(crate) fn install(it: &mut Interpreter<'_>) {
    constants::install(it, table::HIDDEN, table::all());
}
