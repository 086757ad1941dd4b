//! Test support.

pub mod index;
