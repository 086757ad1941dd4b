//! JSON text: a parser that hands its events to a [`crate::sink::Sink`], and the writer of
//! strings. Knows nothing of values; the floats are written by [`crate::text::float::json`].

mod read;
mod write;

pub use read::{JsonError, parse};
pub use write::{InvalidUtf8, string};
