//! The Nix expression language: source text in, values out.
//!
//! In the order of the pipeline:
//!
//! - [`source`] and [`symbol`]: texts with their places, and names;
//! - [`syntax`]: tokens and trees, and trees as text;
//! - [`compile`]: trees become code, in which every variable has its slot;
//! - [`value`]: what code computes, 16 bytes each, in the arena of one evaluation;
//! - [`eval`]: the evaluator, [`eval::Interpreter`], which [`eval::with_interpreter`] starts;
//! - [`builtins`]: the functions of the language, and how to add one;
//! - [`host`]: what the evaluator asks the world for. This crate knows no store, no network and no
//!   terminal: it reads files, makes derivations and fetches through [`host::Host`] alone;
//! - [`error`] and [`show`]: what went wrong and where, and that as text with the lines in question.
//!
//! Beside it stand the formats that builtins read and write, which know nothing of values: [`json`],
//! [`toml`], [`ere`] (POSIX patterns), [`text`] (numbers, quotes, XML), [`hash`], [`versions`] and
//! [`flake_ref`]; and the [`library`] that a host hands in.
#![forbid(unsafe_code)]

pub mod builtins;
pub mod compile;
pub mod ere;
pub mod error;
pub mod eval;
pub mod flake_ref;
pub mod hash;
pub mod host;
pub mod json;
pub mod library;
pub mod show;
pub mod sink;
pub mod source;
pub mod symbol;
pub mod syntax;
pub mod text;
pub mod toml;
pub mod value;
pub mod versions;
