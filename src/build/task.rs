//! One run of a built-in builder: its view of the world, and its errors. The builders themselves are
//! below in the pipeline (`builders`, `python`).

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::{GraphNode, sandbox};
use crate::{
    derivation::Derivation,
    inputs::{InputPath, Inputs},
    net::network::Network,
    store_path::StorePath,
    unpack::ArchiveError,
};

/// One run of a built-in builder.
pub struct Task<'a> {
    /// The derivation being built.
    pub derivation: &'a Derivation,
    /// The place to write each output to: a path that does not exist yet, in a folder that does.
    pub outputs: &'a BTreeMap<String, PathBuf>,
    /// A scratch folder that is removed afterwards, on the same file system as the outputs.
    pub scratch: &'a Path,
    /// The only paths that this build may read: the closure of its inputs.
    pub inputs: Inputs<'a>,
    /// The reference graph of a path of the inputs: its closure, ordered by path.
    pub graph: &'a (dyn Fn(&StorePath) -> Result<Vec<GraphNode>, TaskError> + Sync),
    /// Runs a program of an input in the sandbox, its output into the log. The closure of the inputs
    /// shows read-only at its own paths without being asked for, and `/build` is a fresh folder
    /// unless the request binds one; whatever is to be written (the scratch folder, an output) must
    /// exist and be bound writable. An exit status other than 0 is an error.
    pub sandbox: &'a (dyn Fn(&sandbox::Request) -> Result<(), TaskError> + Sync),
    /// The network, for a builder that fetches (`BuiltinKind::Fetch`) and no other.
    pub network: Option<&'a Network>,
    /// Takes a line for the log.
    pub log: &'a (dyn Fn(&str) + Sync),
    /// Takes how much is done, and of how much if that is known (bytes).
    pub progress: &'a (dyn Fn(u64, Option<u64>) + Sync),
    /// Asks whether the build has been cancelled; long work looks at it now and then.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// An error of a built-in builder, for the log and the failure report.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The user or a sibling's failure stopped it.
    #[error("cancelled")]
    Cancelled,
    /// An attribute is missing or is not what the builder expects.
    #[error("attribute '{name}': {problem}")]
    Attribute {
        /// The attribute.
        name: String,
        /// The problem and the expected value.
        problem: String,
    },
    /// A fixed output has another hash.
    #[error("hash mismatch: specified {expected}, got {actual}")]
    HashMismatch {
        /// The hash in the derivation.
        expected: crate::hash::Hash,
        /// The hash of the content.
        actual: crate::hash::Hash,
    },
    /// Reading or writing failed; fs-err's text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Anything else, with the place and what to do.
    #[error("{0}")]
    Failed(String),
}

impl From<ArchiveError> for TaskError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Io(error) => Self::Io(error),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Task<'_> {
    /// The text of an attribute, or `None` if it is not set. With `__structuredAttrs` use the
    /// JSON instead.
    ///
    /// # Errors
    /// If the value is not UTF-8.
    pub fn attribute(&self, name: &str) -> Result<Option<&str>, TaskError> {
        let Some(value) = self.derivation.env.get(name) else { return Ok(None) };
        std::str::from_utf8(value).map(Some).map_err(|_| TaskError::Attribute {
            name: name.to_owned(),
            problem: "expected UTF-8 text".to_owned(),
        })
    }

    /// The place to write the output of that name to.
    ///
    /// # Errors
    /// If the derivation has no such output.
    pub fn output(&self, name: &str) -> Result<&Path, TaskError> {
        self.outputs.get(name).map(PathBuf::as_path).ok_or_else(|| TaskError::Attribute {
            name: "outputs".to_owned(),
            problem: format!("expected an output '{name}'"),
        })
    }

    /// The network.
    ///
    /// # Errors
    /// If this builder may not use it.
    pub fn network(&self) -> Result<&Network, TaskError> {
        self.network.ok_or_else(|| {
            TaskError::Failed("its builder fetches, but is not registered as one".to_owned())
        })
    }

    /// An input, given by its logical path or one below it. Builders get no host path of
    /// it: they can only open it in a way that follows no link to the outside.
    ///
    /// # Errors
    /// If the path is not in the store, or not among the inputs.
    pub fn input(&self, logical: &str) -> Result<InputPath<'_>, TaskError> {
        Ok(self.inputs.at(logical)?)
    }
}
