//! Builders inside the binary: frequent trusted work without a process. They read declared inputs
//! only and write their output only; the queue hashes, scans and registers.

pub mod address;
pub mod archive_error;
pub mod attributes;
mod authorities;
pub mod clients;
pub mod compression;
mod config;
mod connection;
pub mod deb;
pub mod download;
pub mod elf;
pub mod entry_name;
pub mod fetch;
pub mod git;
pub mod http;
pub mod index;
pub mod loader_cache;
pub mod netrc;
pub mod prefix;
mod proxy;
pub mod remote_zip;
mod resolver;
pub mod simple;
mod socks;
mod sparse;
pub mod tar_entries;
pub mod tarball;
pub mod text;
pub mod tree;
pub mod unpack;
pub mod zip_file;

// the whole-tool tests' index; as a dependency it would depend on this crate
#[cfg(test)]
#[allow(dead_code, unreachable_pub)]
#[path = "../../store-tests/src/index.rs"]
pub(crate) mod test_index;

use std::sync::Arc;

use crate::build::task::{Builtins, Task, TaskError};

/// The builders of this module, by the name behind `builtin:`.
pub struct Builders {
    /// What fetches; shared with those who only want to look something up.
    pub fetcher: Arc<fetch::Fetcher>,
}

impl Builtins for Builders {
    fn run(&self, name: &str, task: &Task<'_>) -> Result<(), TaskError> {
        match name {
            "fetch" => self.fetcher.build(task),
            "prefix" => prefix::build(task),
            "text" => text::build(task),
            "unpack" => unpack::build(task),
            other => Err(TaskError::Unknown(other.to_owned())),
        }
    }
}
