//! The kind of each error, which decides the exit code (README, "Exit codes"), and the next command to
//! type. An error has the same kind in every command.

use std::{io, path::Path};

use clutch_expr::{
    error::{Cause, Error, ErrorKind},
    host::HostError,
    show::Style,
    source::{Place, Sources},
};
use serde_json::{Value, json};

use super::{
    failure::{Failure, Kind, Located, whole_text},
    shorten::shortened,
};
use crate::{
    build::{
        plan::PlanError,
        sandbox::{SandboxError, noexec_mount},
    },
    cache::TransferError,
    debian::archive::ArchiveIndexError,
    git::GitError,
    net::http::HttpError,
    python::{lock::TargetError, locking::LockingError, requirements_file::RequirementsError},
    session::{EvaluationError, FileKind, SessionError},
    store::{StoreError, profile::ProfileError},
    store_path::StorePathError,
};

/// An error with a kind and a hint.
pub(super) trait Classified: std::error::Error {
    /// Its kind.
    fn kind(&self) -> Kind;

    /// The next step.
    fn hint(&self) -> Option<String> {
        None
    }
}

impl<E: Classified> From<E> for Failure {
    fn from(error: E) -> Self {
        let failure = Self::new(error.kind(), whole_text(&error));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl Classified for StoreError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io(_)
            | Self::Tree(_)
            | Self::Index { .. }
            | Self::NotAStore { .. }
            | Self::Newer { .. }
            | Self::ReadOnly(_)
            | Self::Shared { .. }
            | Self::Lost { .. }
            | Self::InUse { .. }
            | Self::Full(_)
            | Self::TooLong { .. }
            | Self::Pin { .. }
            | Self::Derivation { .. } => Kind::Store,
            Self::Path(error) => error.kind(),
            Self::Identity(_)
            | Self::NotValid(_)
            | Self::Dangling { .. }
            | Self::Undeclared { .. }
            | Self::Unheld { .. }
            | Self::Cycle(_)
            | Self::Twice(_)
            | Self::Hash { .. }
            | Self::Changed(_)
            | Self::Occupied(_) => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotValid(path) if path.is_derivation() => {
                "evaluate its expression, or select the store that has it with --store DIR"
            }
            Self::NotValid(_) => {
                "build or import it, or select the store that has it with --store DIR; to list all \
                 paths, run `clutch paths`"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl Classified for PlanError {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}

impl Classified for StorePathError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl Classified for ProfileError {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Name(_) | Self::Reserved(_) => Kind::Usage,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::None(_) => {
                "to list all profiles, run `clutch profile list`; to make one, run `clutch profile set`"
            }
            Self::NoGeneration { .. } | Self::NoEarlier(_) => {
                "to list its generations, run `clutch profile list PROFILE`"
            }
            Self::Store(error) => return error.hint(),
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl Classified for TransferError {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Io(_) | Self::Tree(_) => Kind::Failed,
            _ => Kind::Input,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}

impl Classified for GitError {
    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled => Kind::Interrupted,
            _ => Kind::Failed,
        }
    }
}

impl Classified for SandboxError {
    fn kind(&self) -> Kind {
        match self {
            Self::Execute { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Kind::NoProgram
            }
            Self::Execute { .. } | Self::NoExec { .. } => Kind::NotExecutable,
            _ => Kind::Sandbox,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoExec { .. } => return None,
            Self::Execute { program, source } => match source.kind() {
                io::ErrorKind::NotFound => {
                    "the program, or the interpreter in its first line, does not exist"
                }
                io::ErrorKind::PermissionDenied => {
                    let folder = std::path::Path::new(program).parent();
                    match folder.and_then(noexec_mount) {
                        Some(mount) => {
                            let mount = mount.display();
                            return Some(format!(
                                "'{mount}' is mounted 'noexec'; as root: mount -o remount,exec {mount}"
                            ));
                        }
                        None => "the file is not executable",
                    }
                }
                _ => "expected a program for this machine or a script that starts with `#!`",
            },
            _ => "to check this machine, run `clutch doctor`",
        };
        Some(text.to_owned())
    }
}

impl Classified for TargetError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// True if a file could be opened, but is not what was expected: a device, a folder, too large, not text.
fn is_of_another_kind(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, InvalidData, InvalidInput, IsADirectory};
    matches!(error.kind(), FileTooLarge | InvalidData | InvalidInput | IsADirectory)
}

impl Classified for RequirementsError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io(error) if is_of_another_kind(error) => Kind::Input,
            Self::Io(_) => Kind::Failed,
            Self::Line { .. } | Self::Several(_) => Kind::Input,
        }
    }
}

impl Classified for LockingError {
    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

impl Classified for ArchiveIndexError {
    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

impl Classified for HttpError {
    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        of_session(&error)
    }
}

fn of_session(error: &SessionError) -> Failure {
    let failure = |kind| Failure::new(kind, whole_text(error));
    match error {
        SessionError::Store(error) => of(error),
        SessionError::Plan(error) => of(error),
        SessionError::Transfer(error) => of(error),
        SessionError::Profile(error) => of(error),
        SessionError::Git(error) => of(error),
        SessionError::Name(error) => of(error),
        SessionError::Evaluation(error) => of_evaluation(error),
        SessionError::Builds(builds) => {
            let kind = match builds.substitution() {
                _ if builds.is_refused() => Kind::Sandbox,
                Some(error) => error.kind(),
                None => Kind::Failed,
            };
            Failure { mismatches: builds.mismatches.clone(), ..failure(kind) }
        }
        SessionError::Hashes { error, advice } => {
            let mut failure = of_session(error);
            failure.hints.extend(advice.iter().cloned());
            failure
        }
        SessionError::Observer(cause) => match cause.downcast_ref::<Failure>() {
            Some(failure) => failure.clone(),
            None => failure(Kind::Failed),
        },
        SessionError::Interrupted | SessionError::RepairInterrupted => failure(Kind::Interrupted),
        SessionError::NoStore => {
            failure(Kind::Usage).hint("choose a folder with --store DIR or $CLUTCH_STORE")
        }
        SessionError::NoProfiles => {
            failure(Kind::Usage).hint("give the profile as a path, such as ./NAME")
        }
        SessionError::Folder(_) | SessionError::Settings(_) => failure(Kind::Usage),
        SessionError::NotStored(text) => {
            failure(Kind::Usage).hint(match Path::new(text).exists() {
                true => "run `clutch build` first and give ./result",
                false => "to list profiles and pins, run `clutch profile list` and `clutch pin`",
            })
        }
        SessionError::Thread(_) => failure(Kind::Failed),
        SessionError::Missing(_) => failure(Kind::Usage).hint(EXPRESSION),
        SessionError::NoDefault(folder) => failure(Kind::Usage).hint(
            match folder.join("requirements.txt").is_file() {
                true => "run `clutch lock requirements.txt`, then write a default.nix that uses clutch.lock",
                false => EXPRESSION,
            },
        ),
        SessionError::Unknown(_) => {
            failure(Kind::Usage).hint("to list profiles and pins, run `clutch profile list` and `clutch pin`")
        }
        SessionError::NoExpression { kind, .. } => failure(Kind::Usage).hint(advice(*kind)),
        SessionError::NoDerivation(_) => {
            failure(Kind::Usage).hint("to use a built path, run `clutch run` or `clutch closure`")
        }
        SessionError::NothingToBuild(_) => failure(Kind::Failed).hint(
            "to include the derivations of a nested set, add `recurseForDerivations = true` to it",
        ),
        SessionError::OtherStore { root, .. } => failure(Kind::Usage)
            .hint(format!("to use that store, add `--store {}`", root.display())),
    }
}

/// The failure of a reference to a classified error.
fn of(error: &impl Classified) -> Failure {
    let failure = Failure::new(error.kind(), whole_text(error));
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The failure of an evaluation, as text and as JSON.
pub(super) fn of_evaluation(error: &EvaluationError) -> Failure {
    // the message of a `throw` is shown unchanged
    let is_own = matches!(error.kind, ErrorKind::Throw | ErrorKind::Assert | ErrorKind::Abort)
        && error.help.is_none();
    let short = |text: &str| if is_own { text.to_owned() } else { shortened(text).into_owned() };
    let steps = error.trace.iter();
    let trace: Value =
        steps.map(|(text, at)| json!({ "text": text, "place": place(at.as_ref()) })).collect();
    let located = Located {
        shown: short(&error.shown),
        help: error.help.as_deref().map(short),
        place: place(error.place.as_ref()),
        trace,
    };
    let kind = match error.kind {
        ErrorKind::Interrupted => Kind::Interrupted,
        _ => Kind::Failed,
    };
    let failure = Failure {
        evaluation: Some(Box::new(located)),
        ..Failure::new(kind, short(&error.message))
    };
    because_of(failure, error.cause.as_ref())
}

/// The failure of an evaluation in a running interpreter.
pub(super) fn of_error(error: &Error, sources: &Sources, style: Style) -> Failure {
    of_evaluation(&EvaluationError::new(error, sources, style))
}

/// The failure of a request to the language's host.
pub(super) fn of_refusal(error: &HostError) -> Failure {
    because_of(Failure::new(Kind::Failed, error), error.cause())
}

/// Adds the kind and the hints of the underlying failure, such as a build.
fn because_of(mut failure: Failure, cause: Option<&Cause>) -> Failure {
    let Some(cause) = cause else { return failure };
    let inner = match (cause.downcast_ref::<SessionError>(), cause.downcast_ref::<StoreError>()) {
        (Some(error), _) => of_session(error),
        (_, Some(error)) => of(error),
        _ => return failure,
    };
    failure.kind = inner.kind;
    failure.hints.extend(inner.hints);
    failure.mismatches = inner.mismatches;
    failure
}

fn place(place: Option<&Place>) -> Value {
    let at =
        |at: &Place| json!({ "file": at.origin.to_string(), "line": at.line, "column": at.column });
    place.map_or(Value::Null, at)
}

/// The things to give where an expression is expected.
const EXPRESSION: &str = "give an expression file, a folder with a default.nix, or -E EXPRESSION";

/// Advice for a file that is not an expression.
pub(super) fn advice(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Script => {
            "to run it in an environment: `clutch run ENVIRONMENT -- python SCRIPT`; to make a program of \
             it: python.program { script = ./SCRIPT; ... } in a default.nix"
        }
        FileKind::Binary => EXPRESSION,
        FileKind::Wheel => "to pin wheels, run `clutch lock requirements.txt`",
        FileKind::Lock => "use it in an expression: `lock = ./clutch.lock;` in python.environment",
        FileKind::Toml => {
            "for a pyproject.toml, run `uv pip compile pyproject.toml -o requirements.txt`, then \
             `clutch lock requirements.txt`"
        }
        FileKind::Requirements => {
            "run `clutch lock FILE`, then use the lock in an expression: `lock = ./clutch.lock;` in \
             python.environment"
        }
    }
}
