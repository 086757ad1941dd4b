//! The errors of a session.

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

/// An error of a session. Its text says what happened and where; the caller adds the next step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Planning failed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An export cannot be read.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A git revision could not be fetched.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A name is invalid.
    #[error(transparent)]
    Name(#[from] StorePathError),
    /// The evaluation failed.
    #[error(transparent)]
    Evaluation(#[from] Box<EvaluationError>),
    /// Builds failed.
    #[error(transparent)]
    Builds(Box<FailedBuilds>),
    /// Wrong hashes could not be updated.
    #[error("{error}")]
    Hashes {
        /// The failure.
        error: Box<SessionError>,
        /// The advice for each hash.
        advice: Vec<String>,
    },
    /// The user stopped the builds.
    #[error("interrupted; finished builds are kept")]
    Interrupted,
    /// The user stopped a repair.
    #[error("interrupted; repaired paths are kept")]
    RepairInterrupted,
    /// No folder for the store is known.
    #[error("cannot choose a folder for the store: HOME is not set")]
    NoStore,
    /// No folder for profiles is known.
    #[error("cannot choose a folder for profiles: HOME is not set")]
    NoProfiles,
    /// The working folder cannot be used.
    #[error(transparent)]
    Folder(io::Error),
    /// The evaluator's thread was not started.
    #[error(transparent)]
    Thread(io::Error),
    /// A network setting of this machine is invalid.
    #[error(transparent)]
    Settings(#[from] SettingError),
    /// The expression's file does not exist.
    #[error("'{}' does not exist", .0.display())]
    Missing(PathBuf),
    /// A folder is not an expression.
    #[error("folder '{}' has no default.nix", .0.display())]
    NoDefault(PathBuf),
    /// Nothing has this name.
    #[error(
        "'{}' is not a file, folder, profile or pin", .0.display()
    )]
    Unknown(PathBuf),
    /// The file is not an expression.
    #[error("'{}' is {kind}, not an expression", .path.display())]
    NoExpression {
        /// The file.
        path: PathBuf,
        /// The kind of file.
        kind: FileKind,
    },
    /// The store path is not a derivation.
    #[error("'{0}' is not a derivation")]
    NoDerivation(StorePath),
    /// The expression holds no derivation.
    #[error(
        "nothing to build: the expression evaluates to {0}, expected an environment, a program or another derivation"
    )]
    NothingToBuild(String),
    /// The text does not name anything in the store.
    #[error("'{0}' is not a path in {STORE_DIR}, a link to one, a profile or a pin")]
    NotStored(String),
    /// The path or link leads into another store.
    #[error("'{named}' leads into another store, '{}'", .root.display())]
    OtherStore {
        /// The path or link.
        named: String,
        /// That store's root folder.
        root: PathBuf,
    },
    /// An observer or a part of the work failed.
    #[error("{0}")]
    Observer(Cause),
}

impl SessionError {
    /// The failed builds, including those started by an evaluation.
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

/// A failed evaluation. It owns all its data, and its places are in files.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct EvaluationError {
    /// The kind of failure.
    pub kind: ErrorKind,
    /// The message.
    pub message: String,
    /// The place in the source, if there is one.
    pub place: Option<Place>,
    /// The steps that led there, innermost first.
    pub trace: Vec<(String, Option<Place>)>,
    /// Advice.
    pub help: Option<String>,
    /// The whole error for people: headline, message, lines, trace and help.
    pub shown: String,
    /// The underlying failure, such as a build that the evaluation needed.
    pub cause: Option<Cause>,
}

impl EvaluationError {
    /// Adds source lines to an error.
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
