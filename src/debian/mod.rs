//! Debian archives: which package files a closure of packages consists of, pinned in a lock. Reads
//! the archive's index; the package files themselves are the builders' business.

pub(crate) mod archive;
pub mod closure;
pub mod lock;
pub mod packages;
pub(crate) mod version;
