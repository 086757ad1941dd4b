//! The closure of a build's inputs. References of valid paths never change, so they are remembered for all
//! builds of a run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    store::{PathInfo, Store, StoreError},
    store_path::StorePath,
};

/// Remembers references.
pub(super) struct Closures<'a> {
    store: &'a Store,
    known: Mutex<FxHashMap<StorePath, Arc<[StorePath]>>>,
}

impl<'a> Closures<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, FxHashMap<StorePath, Arc<[StorePath]>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers newly registered paths.
    pub(super) fn learn(&self, infos: &[PathInfo]) {
        let mut known = self.known();
        for info in infos {
            known.insert(info.path.clone(), info.references.iter().cloned().collect());
        }
    }

    fn references(&self, path: &StorePath) -> Result<Arc<[StorePath]>, StoreError> {
        if let Some(found) = self.known().get(path) {
            return Ok(found.clone());
        }
        // it has a root as an input, or by an input that refers to it
        let info = self.store.glimpse(path)?.ok_or_else(|| StoreError::NotValid(path.clone()))?;
        self.learn(std::slice::from_ref(&info));
        Ok(info.references.into_iter().collect())
    }

    /// The paths and all that they refer to, directly or not, ordered by path.
    ///
    /// # Errors
    /// If one of them is not in the store.
    pub(super) fn of<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<Vec<StorePath>, StoreError> {
        let mut todo: Vec<StorePath> = paths.into_iter().cloned().collect();
        let mut seen: FxHashSet<StorePath> = todo.iter().cloned().collect();
        while let Some(path) = todo.pop() {
            for reference in self.references(&path)?.iter() {
                if seen.insert(reference.clone()) {
                    todo.push(reference.clone());
                }
            }
        }
        let mut closure: Vec<StorePath> = seen.into_iter().collect();
        closure.sort_unstable();
        Ok(closure)
    }
}
