//! Builders inside the binary: frequent trusted work without a process. They read declared inputs
//! only and write their output only; the queue hashes, scans and registers.

pub mod address;
pub mod archive_error;
pub mod clients;
pub mod compression;
pub mod deb;
pub mod download;
pub mod elf;
pub mod entry_name;
pub mod http;
pub mod index;
pub mod loader_cache;
pub mod netrc;
pub mod simple;
pub mod tarball;
pub mod tree;
pub mod zip_file;
