//! The Nix expression language: source text in, values out.
//!
//! The modules stand in the order in which they build on each other; a module uses only those above it
//! (store-tests checks this).
//!
//! - Texts and faults: [`path`], [`source`] (texts with their places), [`error`], [`limit`], [`suggest`].
//! - The world: [`host`] is all that an evaluation asks of it. This crate knows no store, no network and
//!   no terminal: it reads files, makes derivations and fetches through [`host::Host`] alone.
//! - Formats that builtins read and write, which know nothing of values: [`text`] (numbers, quotes, XML),
//!   [`sink`], [`json`], [`toml`], [`ere`] (POSIX patterns), [`hash`], [`versions`], [`flake_ref`].
//! - The language, in the order of the pipeline: names ([`symbol`], [`interner`]) and [`string`]s;
//!   [`syntax`] (tokens and trees, and trees as text); [`value`] (16 bytes each, in the arena of one
//!   evaluation); [`compile`] (trees become code, in which every variable has its slot); [`eval`] (the
//!   evaluator, [`eval::Interpreter`]); [`builtins`] (the functions of the language, and how to add one).
//! - [`evaluation::with_interpreter`] starts an evaluation; [`show`] writes an error with the lines in
//!   question.
#![forbid(unsafe_code)]

pub mod path;
pub mod source;

pub mod error;

pub mod limit;
mod stack;
pub mod suggest;

pub mod host;

pub mod sink;

pub mod ere;
pub mod hash;
pub mod json;
pub mod text;
pub mod toml;
pub mod versions;

mod flake_ref;

pub mod symbol;

pub mod string;

pub mod interner;

pub mod syntax;
pub mod value;

mod compile;

pub mod eval;

pub mod builtins;

mod documentation;
pub mod evaluation;
pub mod show;
