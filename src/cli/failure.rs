//! How a command fails: a kind, which decides the exit code, a message, and hints.

use std::{fmt, path::Path, process::ExitCode};

use clutch_expr::{
    error::{Cause, Error, ErrorKind},
    show::{self, Style},
    source::{Place, Sources, Span},
};
use serde_json::{Value, json};

use super::{hashes::Mismatch, shorten::shortened};

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
#[derive(Debug)]
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
    /// Whether nothing else failed.
    pub only_mismatches: bool,
}

/// Where an evaluation failed, for people and for programs.
#[derive(Debug)]
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
            only_mismatches: false,
        }
    }

    /// The failure of an evaluation.
    pub(super) fn of_evaluation(error: &Error, sources: &Sources, style: Style) -> Self {
        let shown = show::error(error, sources, style).trim_end().to_owned();
        // what the program says itself is shown as it is
        let is_own =
            matches!(error.kind(), ErrorKind::Throw | ErrorKind::Assert | ErrorKind::Abort)
                && error.help().is_none();
        let short =
            |text: &str| if is_own { text.to_owned() } else { shortened(text).into_owned() };
        let shown = short(&shown);
        let place = |span: Span| sources.place(span).map_or(Value::Null, |at| place(&at));
        let steps =
            error.trace().map(|step| json!({ "text": step.text, "place": place(step.span) }));
        let mut trace: Vec<Value> = steps.collect();
        trace.reverse();
        let kind = match error.kind() {
            ErrorKind::Interrupted => Kind::Interrupted,
            _ => Kind::Failed,
        };
        let help = error.help().map(short);
        let at = place(show::place(error, sources));
        let located = Located { shown, help, place: at, trace: trace.into() };
        let message = short(&show::without_colours(error.message()));
        Self { evaluation: Some(Box::new(located)), ..Self::new(kind, message) }
            .because_of(error.cause())
    }

    /// The same, with the kind and the hints of what failed in the middle of an evaluation, such as a
    /// build.
    #[must_use]
    pub(super) fn because_of(mut self, cause: Option<&Cause>) -> Self {
        if let Some(inner) = cause.and_then(|cause| cause.downcast_ref::<Self>()) {
            self.kind = inner.kind;
            self.hints.extend(inner.hints.iter().cloned());
            self.mismatches.clone_from(&inner.mismatches);
            self.only_mismatches = inner.only_mismatches;
        }
        self
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

fn place(place: &Place) -> Value {
    json!({ "file": place.origin.to_string(), "line": place.line, "column": place.column })
}

/// Gives an error its kind on the way up: `x.kind(Kind::Store)?`.
pub(super) trait OrFail<T> {
    /// The value, or the error as a failure of that kind.
    ///
    /// # Errors
    /// The failure made from the error's text and its sources' that it does not repeat itself.
    fn or_fail(self, kind: Kind) -> Result<T, Failure>;
}

impl<T, E: std::error::Error> OrFail<T> for Result<T, E> {
    fn or_fail(self, kind: Kind) -> Result<T, Failure> {
        self.map_err(|error| {
            let mut message = error.to_string();
            let mut source = error.source();
            while let Some(error) = source {
                let text = error.to_string();
                if !message.contains(&text) {
                    message = format!("{message}: {text}");
                }
                source = error.source();
            }
            Failure::new(kind, message)
        })
    }
}
