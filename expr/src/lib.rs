//! The Nix expression language: source text in, values out.
//!
//! In the order of the pipeline: [`source`] and [`symbol`] are the texts and names; `syntax` makes
//! a tree of a text, [`compile`] code of a tree, [`eval`] [`value`]s of code, with the
//! [`builtins`]. What the evaluator needs of the world it asks a [`host::Host`] for; this crate
//! knows no store, no network and no terminal.
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
