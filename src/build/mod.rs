//! From a derivation to valid output paths.

pub mod sandbox;
pub mod task;
