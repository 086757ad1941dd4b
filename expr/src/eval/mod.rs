//! The evaluator: a tree walk over the code in [`crate::compile`]. It recurses on the thread's
//! stack, which is large and committed lazily. Every recursive walk calls [`Interpreter::deeper`] first,
//! so deep nesting is an ordinary error.
//!
//! It does not know the builtins: it calls them through a table that [`crate::builtins`] fills.

mod builtin;
mod call;
mod coerce;
mod derivations;
mod equal;
mod files;
mod force;
mod form;
mod interpreter;
pub(crate) mod library;
mod load;
mod options;
mod print;
mod profile;
mod room;
mod run;
mod select;
mod session;

pub use builtin::Builtin;
pub use coerce::Coercion;
pub use derivations::Found;
pub use interpreter::Interpreter;
pub use library::Library;
pub(crate) use options::{LITTLE_STACK, MIN_STACK};
pub use options::{Options, Stats};
pub use print::PrintOptions;
pub use session::Line;
