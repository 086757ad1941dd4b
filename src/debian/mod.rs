//! Debian archives: pins the package files of a closure in a lock. Reads the archive's index; builders
//! read the package files.

pub(crate) mod archive;
pub mod closure;
pub mod lock;
pub mod packages;
pub(crate) mod version;
