//! Syntax: text to tokens, tokens to a tree, and a tree back to text as `nix-instantiate --parse`
//! prints it. Knows no files: relative paths are joined to a folder that the caller names.

pub mod ast;
mod bindings;
mod bound;
mod indent;
mod lex;
mod parse;
mod print;
mod strings;
mod token;

pub use bound::{Bound, bound};
pub(crate) use parse::{Context, Input, parse, parse_input};
pub(crate) use print::print;
