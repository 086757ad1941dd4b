//! The failure of a command: a kind, which decides the exit code, a message, and hints.

use std::{fmt, path::Path, process::ExitCode};

use serde_json::Value;

use crate::session::Mismatch;

/// The result of a command.
pub(super) type Outcome = Result<ExitCode, Failure>;

/// The kind of failure, which a calling program can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An evaluation, a build or a verification failed.
    Failed,
    /// The arguments are wrong; clap uses the same code.
    Usage,
    /// The store cannot be opened, read or written.
    Store,
    /// The machine does not allow the sandbox.
    Sandbox,
    /// An input file, such as an archive or a lock, is invalid.
    Input,
    /// The program to run cannot be executed; shells use the same code.
    NotExecutable,
    /// The program to run does not exist; shells use the same code.
    NoProgram,
    /// The user interrupted the command.
    Interrupted,
    /// The reader of standard output has gone. Prints no message; shells show the same code for a program
    /// that SIGPIPE ended.
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

/// The failure of a command.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// The message: the problem, its place and the expected input. May have several lines.
    pub message: String,
    /// The next steps.
    pub hints: Vec<String>,
    /// The place of a failed evaluation.
    pub evaluation: Option<Box<Located>>,
    /// Fixed outputs with wrong hashes.
    pub mismatches: Vec<Mismatch>,
}

/// The failure of an evaluation, as text and as JSON.
#[derive(Clone, Debug)]
pub(super) struct Located {
    /// Headline, message, lines, trace and advice.
    pub shown: String,
    /// Advice, which is also part of the text.
    pub help: Option<String>,
    /// The place of the failure; null without one.
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

    /// All hints, including the evaluator's advice.
    pub(super) fn all_hints(&self) -> Vec<&String> {
        let help = self.evaluation.as_ref().and_then(|at| at.help.as_ref());
        help.into_iter().chain(&self.hints).collect()
    }

    /// Adds a hint.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Checks that a file in an argument exists. Its reader checks the content.
pub(super) fn expect_file(path: &Path) -> Result<(), Failure> {
    match fs_err::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Failure::new(Kind::Usage, format!("'{}' does not exist", path.display())))
        }
        _ => Ok(()),
    }
}

/// Adds a kind to an untyped error. Typed errors have one (`errors`).
pub(super) trait OrFail<T> {
    /// Returns the value, or the error as a failure of that kind.
    ///
    /// # Errors
    /// The failure, with the text of the error and its sources without repetition.
    fn or_fail(self, kind: Kind) -> Result<T, Failure>;
}

impl<T, E: std::error::Error> OrFail<T> for Result<T, E> {
    fn or_fail(self, kind: Kind) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(kind, whole_text(&error)))
    }
}

/// The text of an error and its sources, without repetition.
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
