//! What an evaluation may see, and what it has made so far.

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
    hash::{Algorithm, Hash},
    store::{Store, StoreError},
};

/// What an evaluation may see of the world, and what it has made so far.
pub struct EvalHost<'a> {
    /// Which files.
    pub access: Access,
    /// Entries of the search path, as `(prefix, path)`.
    pub search_path: Vec<(String, String)>,
    /// What pure evaluation hides: variables, clock, platform and home.
    pub impure: Option<ImpureSettings>,
    /// The platform where it was asked for by name: then it is no secret of the machine.
    pub system: Option<String>,
    /// Whether what is read may be built in the middle of the evaluation.
    pub import_from_derivation: bool,
    /// Builds, and takes messages.
    pub realiser: &'a dyn Realise,
    pending: Mutex<Pending>,
    positions: Mutex<HashPositions>,
    /// How many store paths may be read, when last all that they refer to was among them.
    pub(super) reached: Mutex<usize>,
}

/// What only impure evaluation sees.
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

/// An error of anything that the host asks.
pub(super) fn refuse(error: impl Display) -> HostError {
    HostError::new(error.to_string())
}

/// The language passes it on, so that it is known at the end of the evaluation.
impl From<StoreError> for HostError {
    fn from(error: StoreError) -> Self {
        Self::caused_by(error)
    }
}

impl<'a> EvalHost<'a> {
    /// A world in which nothing has been made yet.
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

    /// Puts what was made into the store, as far as it is not there.
    ///
    /// # Errors
    /// Where the store refuses, or a source has changed since it was evaluated.
    pub fn commit(&self, store: &Store) -> Result<(), StoreError> {
        self.pending().commit(store)
    }

    /// All derivations that were made, by path.
    #[must_use]
    pub fn into_derivations(self) -> Records {
        self.pending.into_inner().unwrap_or_else(PoisonError::into_inner).derivations
    }

    /// What was read, and where the hashes of fixed outputs are written.
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

/// What is said of a path that does not exist.
pub(super) fn missing(path: &Path) -> String {
    format!("path '{}' does not exist", path.display())
}

/// A hash as an expression gives it. As in Nix, an empty one stands for one that is not known yet.
pub(super) fn parse(text: &str, algorithm: Option<Algorithm>) -> HostResult<Hash> {
    match (text, algorithm) {
        ("", Some(algorithm)) => Ok(Hash::from_slice(algorithm, &[0; 64][..algorithm.size()])),
        ("", None) => Err(refuse("empty hash requires explicit hash algorithm")),
        (text, algorithm) => Hash::parse(text, algorithm).map_err(refuse),
    }
}
