//! A process that sees nothing but what it is given: its own namespaces, an empty root with the
//! folders that were bound in, no network, no privilege. Knows paths and arguments, never
//! derivations.

mod request;

pub use request::{Bind, Limits, Request};
