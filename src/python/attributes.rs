//! The attributes of a built-in builder, as a typed record.

pub use crate::builders::attributes::read;
