//! Builders inside the binary: frequent trusted work without a process. They read declared inputs
//! only and write their output only; the queue hashes, scans and registers.

pub mod archive_error;
pub mod compression;
pub mod deb;
pub mod elf;
pub mod entry_name;
pub mod loader_cache;
pub mod tarball;
pub mod tree;
pub mod zip_file;
