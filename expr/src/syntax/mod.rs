//! Syntax: text to tokens, tokens to a tree, and a tree back to text as `nix-instantiate --parse`
//! prints it. Knows no files: relative paths are joined to a folder that the caller names.

pub(crate) mod ast;
mod bindings;
mod bound;
mod functions;
mod indent;
mod lex;
mod parse;
mod parser;
mod print;
mod strings;
mod token;

pub use bound::{Bound, bound};
pub(crate) use parse::{Input, parse, parse_input};
pub(crate) use parser::ParseContext;
pub(crate) use print::print;
