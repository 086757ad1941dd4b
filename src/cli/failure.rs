//! How a command fails: a kind, which decides the exit code, a message, and hints.

use std::{fmt, path::Path, process::ExitCode};

use serde_json::Value;

use crate::session::Mismatch;

/// What a command gives back.
pub(super) type Outcome = Result<ExitCode, Failure>;

/// What went wrong, as far as a calling program needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An evaluation, a build or a verification failed.
    Failed,
    /// The arguments make no sense; clap uses the same code.
    Usage,
    /// The store cannot be opened, read or written.
    Store,
    /// The machine refuses what the sandbox needs.
    Sandbox,
    /// An archive or a lock from outside is not what it should be.
    Input,
    /// A program that was to be run cannot be executed; shells use the same code.
    NotExecutable,
    /// A program that was to be run is not there; shells use the same code.
    NoProgram,
    /// The user stopped it.
    Interrupted,
    /// Who read standard output has gone, which nobody is told; shells show the same code for a program
    /// that the signal SIGPIPE has ended.
    Closed,
}

impl Kind {
    /// The exit code of this kind (README, "Exit codes").
    #[must_use]
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Store => 3,
            Self::Sandbox => 4,
            Self::Input => 5,
            Self::NotExecutable => 126,
            Self::NoProgram => 127,
            Self::Interrupted => 130,
            Self::Closed => 141,
        }
    }
}

/// The end of a command that did not succeed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What decides the exit code.
    pub kind: Kind,
    /// The message: what, where, what was expected. May have several lines.
    pub message: String,
    /// What to do next.
    pub hints: Vec<String>,
    /// Of an evaluation: where it failed.
    pub evaluation: Option<Box<Located>>,
    /// Fixed outputs that have another content.
    pub mismatches: Vec<Mismatch>,
}

/// Where an evaluation failed, for people and for programs.
#[derive(Clone, Debug)]
pub(super) struct Located {
    /// Message, lines, trace and advice, with a headline of its own.
    pub shown: String,
    /// Advice, which is part of what is shown.
    pub help: Option<String>,
    /// The place of the failure; null where it has none.
    pub place: Value,
    /// The steps that led there, innermost first.
    pub trace: Value,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// A failure without hints.
    pub(super) fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            hints: Vec::new(),
            evaluation: None,
            mismatches: Vec::new(),
        }
    }

    /// What to do next, with the evaluator's own advice.
    pub(super) fn all_hints(&self) -> Vec<&String> {
        let help = self.evaluation.as_ref().and_then(|at| at.help.as_ref());
        help.into_iter().chain(&self.hints).collect()
    }

    /// The same with a hint.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// A file that an argument names is there; what is wrong with its content is for others to say.
pub(super) fn expect_file(path: &Path) -> Result<(), Failure> {
    match fs_err::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Failure::new(Kind::Usage, format!("'{}' does not exist", path.display())))
        }
        _ => Ok(()),
    }
}

/// Gives an error of the system its kind on the way up. Errors with a type have one (`errors`).
pub(super) trait OrFail<T> {
    /// The value, or the error as a failure of that kind.
    ///
    /// # Errors
    /// The failure made from the error's text and its sources' that it does not repeat itself.
    fn or_fail(self, kind: Kind) -> Result<T, Failure>;
}

impl<T, E: std::error::Error> OrFail<T> for Result<T, E> {
    fn or_fail(self, kind: Kind) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(kind, whole_text(&error)))
    }
}

/// The text of an error, and of its sources as far as it does not repeat them.
pub(super) fn whole_text(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = error.source();
    }
    message
}
