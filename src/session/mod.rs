//! The work of a command between its arguments and its output: resolve names, evaluate, realise, check,
//! repair, update hashes. Used by the command line, and open to a server or an editor.
//!
//! Settings come in as values ([`Settings`]), progress goes out through an [`Observer`], and errors have
//! types ([`SessionError`]). Nothing here prints, reads the process environment or knows exit codes.
//! Relative paths are relative to the working folder of the process.

mod builtins;
mod check;
mod error;
mod evaluation;
mod expression;
mod failed_builds;
mod file_kind;
mod hashes;
mod interpreter;
mod key;
mod measured;
mod named;
mod observer;
mod project;
mod realise;
mod realiser;
mod repair;
mod settings;

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

pub(crate) use builtins::BUILTINS;
pub(crate) use check::{Checked, check};
pub(crate) use error::{EvaluationError, SessionError};
pub(crate) use evaluation::{Evaluation, evaluate, host};
pub(crate) use expression::{Argument, Expression, Source, Subject, absolute};
pub(crate) use failed_builds::{FailedBuilds, Mismatch};
pub(crate) use file_kind::FileKind;
pub(crate) use hashes::{Apply, Attempt, Built, build, updating};
pub(crate) use interpreter::{interpret, values, with};
pub(crate) use measured::Measured;
pub(crate) use named::{Named, stored};
pub(crate) use observer::{BuildsObserver, Observer, Silent};
pub(crate) use realise::{Again, execute, plan, realise};
pub(crate) use realiser::EvalRealiser;
pub(crate) use repair::{Remedy, repair, verify};
pub(crate) use settings::Settings;

use crate::{
    build::Options,
    cache::{Export, Substituter},
    net::network::{Network, NetworkSettings},
    store::{Store, StoreError, profile::Profile},
    store_path::check_name,
};

/// The store and the network clients of one user, opened on first use.
pub(crate) struct Session {
    /// The settings.
    pub settings: Settings,
    store: OnceLock<Store>,
    network: OnceLock<Network>,
    /// The sources of substitutes.
    exports: OnceLock<Vec<Export>>,
}

/// One operation in a session.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    /// The session.
    pub session: &'a Session,
    /// The build options.
    pub options: &'a Options,
    /// The observer.
    pub observer: &'a dyn Observer,
}

impl Session {
    /// Opens the store and the network only when they are needed.
    #[must_use]
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            store: OnceLock::new(),
            network: OnceLock::new(),
            exports: OnceLock::new(),
        }
    }

    /// The store's root folder.
    ///
    /// # Errors
    /// [`SessionError::NoStore`].
    pub(crate) fn store_root(&self) -> Result<&Path, SessionError> {
        self.settings.store.as_deref().ok_or(SessionError::NoStore)
    }

    /// The store, opened on the first call.
    ///
    /// # Errors
    /// No folder for it is known, or it cannot be opened.
    pub(crate) fn store(&self) -> Result<&Store, SessionError> {
        self.opened(Store::open)
    }

    /// The store, even if the disk is too full for other commands.
    ///
    /// # Errors
    /// As [`Session::store`].
    pub(crate) fn store_to_collect(&self) -> Result<&Store, SessionError> {
        self.opened(Store::open_to_collect)
    }

    /// The store, if it has been opened.
    #[must_use]
    pub(crate) fn store_if_open(&self) -> Option<&Store> {
        self.store.get()
    }

    fn opened(&self, open: fn(&Path) -> Result<Store, StoreError>) -> Result<&Store, SessionError> {
        if self.store.get().is_none() {
            let store = open(self.store_root()?)?;
            let _ = self.store.set(store);
        }
        Ok(self.store.get().expect("it was opened"))
    }

    /// The profile with this path, if the text has a slash, or with this name.
    ///
    /// # Errors
    /// The name is invalid, or no folder for profiles is known.
    pub(crate) fn profile(&self, text: &str) -> Result<Profile, SessionError> {
        let link = if text.contains('/') {
            PathBuf::from(text)
        } else {
            check_name(text)?;
            self.profiles()?.join(text)
        };
        Ok(Profile::at(&link)?)
    }

    /// The folder of profiles that are given by name.
    ///
    /// # Errors
    /// [`SessionError::NoProfiles`].
    pub(crate) fn profiles(&self) -> Result<&Path, SessionError> {
        self.settings.profiles.as_deref().ok_or(SessionError::NoProfiles)
    }

    /// Sets the exports that plans can take paths from. Only the first call has an effect.
    pub(crate) fn take_from(&self, exports: Vec<Export>) {
        let _ = self.exports.set(exports);
    }

    /// The exports that plans can take paths from.
    pub(crate) fn exports(&self) -> &[Export] {
        self.exports.get().map_or(&[], Vec::as_slice)
    }

    /// The same, as substituters.
    pub(crate) fn substituters(&self) -> Vec<&dyn Substituter> {
        self.exports().iter().map(|export| export as &dyn Substituter).collect()
    }

    /// The network, with this machine's settings, which are read on first use.
    ///
    /// # Errors
    /// A network setting of this machine is invalid.
    pub(crate) fn network(&self) -> Result<&Network, SessionError> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let given = &self.settings;
        let mut settings = NetworkSettings::of(given.environment.clone())?;
        settings.indexes.clone_from(&given.indexes);
        settings.http.offline = given.offline;
        settings.http.cancelled = given.cancelled;
        settings.partial = self.store.get().filter(|s| s.is_writable()).map(Store::partial);
        Ok(self.network.get_or_init(|| Network::new(settings)))
    }
}
