//! Why a build fails, and what is told about it.

use std::{fmt, io, path::PathBuf};

use super::{
    AttributeError, GraphError,
    sandbox::{self, Exit, SandboxError},
    task::TaskError,
};
use crate::{
    cache::TransferError, hash::Hash, store::StoreError, store_path::StorePath, tree::TreeError,
};

/// Why one build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The builder said so.
    #[error("the builder {}{}", ended(.0), sandbox::memory_words(""))]
    Exit(Exit),
    /// The sandbox could not be made, or ended the builder.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The derivation names a built-in builder that does not exist.
    #[error("there is no builder 'builtin:{0}'")]
    UnknownBuiltin(String),
    /// A built-in builder failed.
    #[error("builtin:{name}: {error}")]
    Builtin {
        /// What follows `builtin:`.
        name: String,
        /// Its error.
        error: TaskError,
    },
    /// A built-in builder has a bug.
    #[error("builtin:{name} panicked: {message}; this is a bug in clutch")]
    Panic {
        /// What follows `builtin:`.
        name: String,
        /// What it said.
        message: String,
    },
    /// Built elsewhere only.
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
    /// The root directory is no input.
    #[error("sandboxRoot '{0}' is not an input of this derivation")]
    Root(String),
    /// The root directory is none.
    #[error("sandboxRoot '{0}' is a file or a link; give a store path that is a folder")]
    NoFolder(String),
    /// An attribute that the build heeds is wrong.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// The reference graph that it asks for cannot be made.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// An output is missing.
    #[error("the builder succeeded but made no output '{name}' at '{path}'")]
    NoOutput {
        /// The output's name.
        name: String,
        /// Where it should be.
        path: StorePath,
    },
    /// Something else was written.
    #[error(
        "the builder wrote outside its outputs: {}{}", .strays.join(", "), others(*.more)
    )]
    Strays {
        /// The first of them.
        strays: Vec<String>,
        /// How many there are besides.
        more: usize,
    },
    /// A link leads to what is gone or somebody else's.
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
    /// A fixed output has another content.
    #[error("hash mismatch in '{path}': specified {expected}, got {actual}")]
    HashMismatch {
        /// The output.
        path: StorePath,
        /// What the derivation says.
        expected: Hash,
        /// What was made.
        actual: Hash,
    },
    /// A flat output is no plain file.
    #[error(
        "'{0}' must be a file that is not executable, since outputHashMode is \"flat\"; \
         use \"recursive\" for anything else"
    )]
    NotFlat(StorePath),
    /// A reference that is not allowed.
    #[error("'{path}' refers to '{reference}', which its {attribute} does not allow")]
    Reference {
        /// The output.
        path: StorePath,
        /// What it refers to.
        reference: StorePath,
        /// The attribute that forbids it.
        attribute: &'static str,
    },
    /// A rule about references names nothing.
    #[error("attribute '{attribute}': '{name}' is neither a store path nor the name of an output")]
    NotAReference {
        /// The attribute.
        attribute: &'static str,
        /// What it holds.
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
        "input '{0}' has changed since it was added to the store; `clutch verify --repair` makes it whole"
    )]
    DamagedInput(StorePath),
    /// The store refused or could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An output cannot be read.
    #[error(transparent)]
    Archive(#[from] TreeError),
    /// Reading or writing failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl BuildError {
    /// Whether this is no failure of the build: the user stopped it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Cancelled
                | Self::Sandbox(SandboxError::Cancelled)
                | Self::Builtin { error: TaskError::Cancelled, .. }
        )
    }

    /// Whether the path was to be taken, and can be built instead.
    #[must_use]
    pub fn can_build_instead(&self) -> bool {
        matches!(self, Self::Substitute(error) if error.can_build_instead())
    }

    /// The hash that was specified and the one that the content has, if they differ.
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

/// A failed build, with what helps to find out why.
#[derive(Debug)]
pub struct BuildFailure {
    /// The derivation, or the path that was to be taken from a substituter.
    pub path: StorePath,
    /// Why.
    pub error: BuildError,
    /// The last lines of its log.
    pub tail: Vec<String>,
    /// Where its working directory is kept.
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
                let head = if n == 0 { "\nthe log ends with:" } else { "" };
                write!(f, "{head}\n  > {line}")?;
            }
            write!(f, "\nall of it: clutch log {}", self.path)?;
        }
        if let Some(kept) = &self.kept {
            write!(f, "\nits working directory is kept: {}", kept.display())?;
        }
        Ok(())
    }
}
