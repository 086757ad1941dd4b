//! The attributes of a builder inside the binary, as a typed record.

pub use crate::builders::attributes::read;
