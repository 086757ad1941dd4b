//! Why git did not give a revision.

use std::io;

/// Why a revision was not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// git is not installed.
    #[error(
        "the program 'git' is not on the PATH, and is the client by which repositories are \
         fetched; install it, or fetch the server's archive of the revision with fetchTarball"
    )]
    NoGit,
    /// It ended with an error.
    #[error("git {command}: {text}")]
    Failed {
        /// The command of git.
        command: String,
        /// Its message.
        text: String,
    },
    /// An address that is not given to git.
    #[error("cannot fetch from '{url}': {problem}")]
    Address {
        /// The address.
        url: String,
        /// The problem, and the form that is expected.
        problem: String,
    },
    /// An object is missing, damaged, or of another type.
    #[error("the object {id} {problem}")]
    Object {
        /// Its id.
        id: String,
        /// The problem.
        problem: String,
    },
    /// A name or link that is not allowed.
    #[error("the entry '{name}': {reason}")]
    Entry {
        /// Its path in the tree.
        name: String,
        /// The problem.
        reason: String,
    },
    /// A submodule that cannot be fetched.
    #[error("the submodule '{name}': {error}")]
    Submodule {
        /// Its path in the tree.
        name: String,
        /// The reason.
        error: Box<GitError>,
    },
    /// The user has stopped it.
    #[error("interrupted")]
    Cancelled,
    /// Reading or writing failed; fs-err's text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl GitError {
    /// A command of git that failed, and its message.
    pub(super) fn failed(command: &str, text: impl Into<String>) -> Self {
        Self::Failed { command: command.to_owned(), text: text.into() }
    }
}
