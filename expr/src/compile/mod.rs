//! From the syntax tree to code: variables become (depth, slot), what needs no thunk is known,
//! functions of several arguments are one function, and literals are values.

mod globals;
mod ir;
mod lower;
mod program;
mod scope;
mod sets;

pub(crate) use globals::Globals;
pub(crate) use ir::*;
pub(crate) use lower::{CompileContext, lower};
pub(crate) use program::Program;
