//! Digests of the files of inputs, for executors that name files by their content. Paths of the store
//! never change, so digests are remembered for all builds of a run.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::BuildError;
use crate::{
    store::{Store, StoreError},
    store_path::StorePath,
    tree::{self, Leaf, Listing},
};

/// A store path with the digests of its files.
#[derive(Debug)]
pub struct DigestedTree {
    /// Its files, folders and symlinks.
    pub listing: Listing,
    /// Of each entry of the listing, the BLAKE3 digest and size of its content or target. Folders have
    /// none.
    pub leaves: Vec<Option<Leaf>>,
}

/// Remembers digests.
pub struct Digests<'a> {
    store: &'a Store,
    known: Mutex<FxHashMap<StorePath, Arc<DigestedTree>>>,
}

impl<'a> Digests<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// The digests of a valid path, checked against its tree hash: no executor gets a damaged input.
    ///
    /// # Errors
    /// If the path is not valid, cannot be read or is damaged.
    pub fn of(&self, path: &StorePath) -> Result<Arc<DigestedTree>, BuildError> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(path) {
            return Ok(found.clone());
        }
        // not under the lock, because hashing takes long
        let info = self.store.glimpse(path)?.ok_or_else(|| StoreError::NotValid(path.clone()))?;
        let listing = Listing::read(&self.store.real(path))?;
        let leaves = tree::leaves(&listing)?;
        if tree::fold(&listing, &leaves).hash != info.tree {
            return Err(BuildError::DamagedInput(path.clone()));
        }
        let found = Arc::new(DigestedTree { listing, leaves });
        Ok(known().entry(path.clone()).or_insert(found).clone())
    }
}
