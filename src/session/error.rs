//! Why something failed in a session.

use std::{io, path::PathBuf};

use clutch_expr::{
    error::{Cause, Error, ErrorKind},
    show::{self, Style},
    source::{Place, Sources},
};

use super::{FailedBuilds, file_kind::FileKind};
use crate::{
    build::plan::PlanError,
    cache::TransferError,
    git::GitError,
    net::settings::SettingError,
    store::{StoreError, profile::ProfileError},
    store_path::{STORE_DIR, StorePath, StorePathError},
};

/// Why something failed. The text says what happened and where; what to do next is the caller's to say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The store refuses something.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An export cannot be read.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A revision of a repository was not fetched.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A name breaks a rule.
    #[error(transparent)]
    Name(#[from] StorePathError),
    /// The evaluation failed.
    #[error(transparent)]
    Evaluation(#[from] Box<EvaluationError>),
    /// Builds failed.
    #[error(transparent)]
    Builds(Box<FailedBuilds>),
    /// Hashes are wrong that could not be updated.
    #[error("{error}")]
    Hashes {
        /// What failed.
        error: Box<SessionError>,
        /// What to do about each hash.
        advice: Vec<String>,
    },
    /// The user has stopped builds.
    #[error("interrupted; what was built is kept")]
    Interrupted,
    /// The user has stopped a repair.
    #[error("interrupted; what was repaired is kept")]
    RepairInterrupted,
    /// There is no place for a store.
    #[error("there is no place for the store: HOME is not set")]
    NoStore,
    /// There is no place for profiles.
    #[error("there is no place for profiles: HOME is not set")]
    NoProfiles,
    /// The working folder cannot be used.
    #[error(transparent)]
    Folder(io::Error),
    /// The evaluator's thread was not started.
    #[error(transparent)]
    Thread(io::Error),
    /// A setting of the machine's clients is not usable.
    #[error(transparent)]
    Settings(#[from] SettingError),
    /// There is no file for an expression.
    #[error("'{}' does not exist", .0.display())]
    Missing(PathBuf),
    /// A name is that of nothing.
    #[error(
        "'{}' is neither an expression's file or folder nor a profile or a pin", .0.display()
    )]
    Unknown(PathBuf),
    /// A file is something else.
    #[error("'{}' is {kind}, not an expression", .path.display())]
    NoExpression {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// A derivation was expected.
    #[error("'{0}' is not a derivation")]
    NoDerivation(StorePath),
    /// The expression holds no derivation.
    #[error("the expression holds no derivation")]
    NothingToBuild,
    /// A text that should name something in the store does not.
    #[error("'{0}' is neither a path below {STORE_DIR}, nor a link to one, nor a profile or a pin")]
    NotStored(String),
    /// A path or a link leads into a store that is not this one.
    #[error("'{named}' leads into another store, '{}'", .root.display())]
    OtherStore {
        /// What was named.
        named: String,
        /// That store's root folder.
        root: PathBuf,
    },
    /// Whoever watches, or does a part of the work, failed.
    #[error("{0}")]
    Observer(Cause),
}

impl SessionError {
    /// The builds that failed, also those in the middle of an evaluation.
    #[must_use]
    pub(crate) fn failed_builds(&self) -> Option<&FailedBuilds> {
        match self {
            Self::Builds(builds) => Some(builds),
            Self::Hashes { error, .. } => error.failed_builds(),
            Self::Evaluation(error) => {
                error.cause.as_ref()?.downcast_ref::<Self>()?.failed_builds()
            }
            _ => None,
        }
    }

    pub(super) fn with_advice(self, advice: Vec<String>) -> Self {
        Self::Hashes { error: Box::new(self), advice }
    }
}

/// An evaluation that failed. Everything in it is owned, and places are those in files.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct EvaluationError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What happened.
    pub message: String,
    /// Where; nothing if it is in no source.
    pub place: Option<Place>,
    /// The steps that led there, innermost first.
    pub trace: Vec<(String, Option<Place>)>,
    /// What to do about it.
    pub help: Option<String>,
    /// All of it for people: message, lines, trace and help, with a headline of its own.
    pub shown: String,
    /// What failed in the middle of the evaluation, such as a build.
    pub cause: Option<Cause>,
}

impl EvaluationError {
    /// The error with the lines that it is about.
    #[must_use]
    pub(crate) fn new(error: &Error, sources: &Sources, style: Style) -> Self {
        let steps = error.trace().map(|step| (step.text.clone(), sources.place(step.span)));
        let mut trace: Vec<_> = steps.collect();
        trace.reverse();
        Self {
            kind: error.kind(),
            message: show::without_colours(error.message()).to_string(),
            place: sources.place(show::place(error, sources)),
            trace,
            help: error.help().map(str::to_owned),
            shown: show::error(error, sources, style).trim_end().to_owned(),
            cause: error.cause().cloned(),
        }
    }
}
