//! Closures between machines.
//!
//! An export is one file: a header that says what follows, then each store path of a closure as a
//! gzip member of its own (docs/formats.md, "Export").

mod error;
mod export;
mod gzip;
mod header;
mod import;
mod proof;
mod restore;
mod source;
mod substituter;

pub use error::TransferError;
pub use export::export;
pub use import::{Export, Imported, Trust, import};
pub use restore::restore;
pub use substituter::Substituter;

#[cfg(test)]
mod tests;
