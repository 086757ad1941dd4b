//! The Nix expression language: source text in, values out.
#![forbid(unsafe_code)]

pub mod ere;
pub mod hash;
pub mod json;
pub mod sink;
pub mod text;
pub mod toml;
pub mod versions;
