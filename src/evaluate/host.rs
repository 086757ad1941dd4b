//! The host of an evaluation.

use std::{
    collections::BTreeMap,
    fmt::Display,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use clutch_expr::host::{HostError, HostResult};

use super::{Access, Realise, hash_positions::HashPositions, pending::Pending};
use crate::{
    derivation::Records,
    hash::{Algorithm, Hash, ParseHashError},
    store::{Store, StoreError},
};

/// Answers the questions of an evaluation, and holds what it made so far.
pub struct EvalHost<'a> {
    /// The files that it may read.
    pub access: Access,
    /// Entries of the search path, as `(prefix, path)`.
    pub search_path: Vec<(String, String)>,
    /// The variables, clock, platform and home folder, which pure evaluation hides.
    pub impure: Option<ImpureSettings>,
    /// The platform if it was given as an option; pure evaluation does not hide it.
    pub system: Option<String>,
    /// Allow builds during the evaluation.
    pub import_from_derivation: bool,
    /// Builds, fetches and receives messages.
    pub realiser: &'a dyn Realise,
    pending: Mutex<Pending>,
    positions: Mutex<HashPositions>,
    /// The number of readable store paths when their references were last added.
    pub(super) reached: Mutex<usize>,
}

/// Values that only an impure evaluation can read.
#[derive(Clone, Debug, Default)]
pub struct ImpureSettings {
    /// The process environment.
    pub variables: BTreeMap<String, String>,
    /// The home folder.
    pub home: Option<PathBuf>,
    /// The platform.
    pub system: String,
    /// Seconds since 1970.
    pub time: i64,
}

/// Turns an error into one of the host.
pub(super) fn refuse(error: impl Display) -> HostError {
    HostError::new(error.to_string())
}

/// Keeps the original error, which the language passes on to the end of the evaluation.
impl From<StoreError> for HostError {
    fn from(error: StoreError) -> Self {
        Self::caused_by(error)
    }
}

impl<'a> EvalHost<'a> {
    /// A host at the start of an evaluation.
    #[must_use]
    pub fn new(access: Access, realiser: &'a dyn Realise) -> Self {
        Self {
            access,
            search_path: Vec::new(),
            impure: None,
            system: None,
            import_from_derivation: true,
            realiser,
            pending: Mutex::default(),
            positions: Mutex::default(),
            reached: Mutex::default(),
        }
    }

    /// Writes everything that the evaluation made to the store, if it is not there yet.
    ///
    /// # Errors
    /// The store cannot be written, or a source has changed since it was evaluated.
    pub fn commit(&self, store: &Store) -> Result<(), StoreError> {
        self.pending().commit(store)
    }

    /// All derivations of this evaluation, by path.
    #[must_use]
    pub fn into_derivations(self) -> Records {
        self.pending.into_inner().unwrap_or_else(PoisonError::into_inner).derivations
    }

    /// The files that were read and the places of fixed-output hashes.
    #[must_use]
    pub fn hash_positions(&self) -> HashPositions {
        self.note().clone()
    }

    pub(super) fn note(&self) -> MutexGuard<'_, HashPositions> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message for a path that does not exist.
pub(super) fn missing(path: &Path) -> String {
    format!("path '{}' does not exist", path.display())
}

/// Parses a hash in an expression. As in Nix, an empty text is a placeholder.
pub(super) fn parse(text: &str, algorithm: Option<Algorithm>) -> HostResult<Hash> {
    match (text, algorithm) {
        ("", Some(algorithm)) => Ok(Hash::from_slice(algorithm, &[0; 64][..algorithm.size()])),
        ("", None) => Err(refuse("empty hash requires explicit hash algorithm")),
        (text, algorithm) => Hash::parse(text, algorithm).map_err(|error| match error {
            ParseHashError::NoAlgorithm(text) => refuse(format!(
                "'{text}' is not a hash, expected \"sha256-...\", or \"\" if you do not know it yet"
            )),
            error => refuse(error),
        }),
    }
}
