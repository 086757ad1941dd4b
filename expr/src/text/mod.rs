//! The small texts that values are written as: quoted strings, attribute names, floats, XML.
//! Everything here is a function from bytes to bytes and knows nothing of values.

pub(crate) mod float;
mod grisu;
pub mod quote;
pub(crate) mod xml;
