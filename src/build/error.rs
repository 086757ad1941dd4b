//! Errors of builds, and their failure report.

use std::{fmt, io, path::PathBuf};

use super::{
    AttributeError, GraphError,
    sandbox::{self, Exit, SandboxError},
    task::TaskError,
};
use crate::{
    cache::TransferError, hash::Hash, store::StoreError, store_path::StorePath, tree::TreeError,
};

/// The reason for a failed build.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The builder failed.
    #[error("the builder {}{}", ended(.0), sandbox::memory_words(""))]
    Exit(Exit),
    /// The sandbox could not be made, or ended the builder.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The derivation names a built-in builder that does not exist.
    #[error("there is no built-in builder 'builtin:{0}'")]
    UnknownBuiltin(String),
    /// A built-in builder failed.
    #[error("builtin:{name}: {error}")]
    Builtin {
        /// The name after `builtin:`.
        name: String,
        /// Its error.
        error: TaskError,
    },
    /// A built-in builder has a bug.
    #[error("builtin:{name} panicked: {message}; this is a bug in clutch")]
    Panic {
        /// The name after `builtin:`.
        name: String,
        /// The panic's message.
        message: String,
    },
    /// It needs another system.
    #[error("it is for '{needed}', but this machine builds '{here}'")]
    System {
        /// The derivation's system.
        needed: String,
        /// This machine's.
        here: String,
    },
    /// A builder that cannot be run.
    #[error(
        "builder '{0}' is not an absolute path; give a program of an input, such as '${{shell}}/bin/sh'"
    )]
    Relative(String),
    /// The root directory is not an input.
    #[error("sandboxRoot '{0}' is not an input of this derivation")]
    Root(String),
    /// The root directory is not a folder.
    #[error("sandboxRoot '{0}' is a file or a link, expected a folder in the store")]
    NoFolder(String),
    /// An attribute that the build heeds is wrong.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// The requested reference graph cannot be made.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// An output is missing.
    #[error("the builder succeeded but did not create ${name}, '{path}'")]
    NoOutput {
        /// The output's name.
        name: String,
        /// Its expected place.
        path: StorePath,
    },
    /// Something else was written.
    #[error(
        "the builder wrote outside its outputs: {}{}", .strays.join(", "), others(*.more)
    )]
    Strays {
        /// The first of them.
        strays: Vec<String>,
        /// The number of others.
        more: usize,
    },
    /// A link leads to a folder of the build, or one that everybody can write.
    #[error(
        "'{link}' is a link to '{target}', which is there during the build only, and afterwards \
         whatever somebody puts there; link to a path of the store"
    )]
    Link {
        /// The link.
        link: String,
        /// Its target.
        target: String,
    },
    /// A fixed output has another hash.
    #[error("hash mismatch in '{path}': specified {expected}, got {actual}")]
    HashMismatch {
        /// The output.
        path: StorePath,
        /// The hash in the derivation.
        expected: Hash,
        /// The hash of the content.
        actual: Hash,
    },
    /// A flat output is not a plain file.
    #[error(
        "'{0}' must be a file that is not executable, because outputHashMode is \"flat\"; \
         set it to \"recursive\" for anything else"
    )]
    NotFlat(StorePath),
    /// A reference that is not allowed.
    #[error("'{path}' refers to '{reference}', which its {attribute} does not allow")]
    Reference {
        /// The output.
        path: StorePath,
        /// Its reference.
        reference: StorePath,
        /// The attribute that forbids it.
        attribute: &'static str,
    },
    /// A rule about references has a bad name.
    #[error("attribute '{attribute}': '{name}' is neither a store path nor the name of an output")]
    NotAReference {
        /// The attribute.
        attribute: &'static str,
        /// The name.
        name: String,
    },
    /// The tree in the store is not the one that was registered.
    #[error(
        "'{0}' cannot be compared: its tree in the store has changed since it was made; \
         `clutch verify --repair` makes it whole"
    )]
    Damaged(StorePath),
    /// A path cannot be taken from a substituter.
    #[error(transparent)]
    Substitute(#[from] TransferError),
    /// An input is not as it was when it was added.
    #[error(
        "input '{0}' has changed since it was added to the store; run `clutch verify --repair`"
    )]
    DamagedInput(StorePath),
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An output cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Reading or writing failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl BuildError {
    /// True if the user stopped the build.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Cancelled
                | Self::Sandbox(SandboxError::Cancelled)
                | Self::Builtin { error: TaskError::Cancelled, .. }
        )
    }

    /// True if the path came from a substituter and can be built instead.
    #[must_use]
    pub fn can_build_instead(&self) -> bool {
        matches!(self, Self::Substitute(error) if error.can_build_instead())
    }

    /// The specified and the actual hash of a hash mismatch.
    #[must_use]
    pub fn hash_mismatch(&self) -> Option<(Hash, Hash)> {
        match self {
            Self::HashMismatch { expected, actual, .. }
            | Self::Builtin { error: TaskError::HashMismatch { expected, actual }, .. } => {
                Some((*expected, *actual))
            }
            _ => None,
        }
    }
}

fn others(more: usize) -> String {
    if more > 0 { format!(" and {more} more") } else { String::new() }
}

fn ended(exit: &Exit) -> String {
    match exit {
        Exit::Code(code) => format!("failed with exit code {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
    }
}

/// A failed build with its log and working directory.
#[derive(Debug)]
pub struct BuildFailure {
    /// The derivation, or the path that was to be taken from a substituter.
    pub path: StorePath,
    /// The reason.
    pub error: BuildError,
    /// The last lines of its log.
    pub tail: Vec<String>,
    /// The kept working directory.
    pub kept: Option<PathBuf>,
}

impl std::error::Error for BuildFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Several lines: the error, the end of the log, where the rest is.
impl fmt::Display for BuildFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error.to_string();
        if let BuildError::Substitute(_) = self.error {
            return write!(f, "cannot take '{}': {error}", self.path);
        }
        write!(f, "cannot build '{}': {error}", self.path)?;
        if !self.tail.is_empty() {
            // a built-in builder logs its error, too
            let more = self.tail.iter().filter(|line| !error.contains(line.as_str()));
            for (n, line) in more.enumerate() {
                let head = if n == 0 { "\nend of the log:" } else { "" };
                write!(f, "{head}\n  > {line}")?;
            }
            write!(f, "\nfull log: clutch log {}", self.path)?;
        }
        if let Some(kept) = &self.kept {
            write!(f, "\nits working directory is kept: {}", kept.display())?;
        }
        Ok(())
    }
}
