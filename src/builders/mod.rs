//! Builders inside the binary: frequent trusted work without a process. They read declared inputs
//! only and write their output only; the queue hashes, scans and registers.

pub mod attributes;
pub mod fetch;
pub mod prefix;
pub mod text;
pub mod unpack;

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
