//! Many derivations in memory, each as its record, which takes a tenth of the memory.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::Derivation;
use crate::{codec::CodecError, store_path::StorePath};

/// Derivations by path, in the order in which they were added.
#[derive(Default)]
pub struct Records {
    records: Vec<(StorePath, Box<[u8]>)>,
    at: FxHashMap<StorePath, usize>,
}

impl Records {
    /// Adds a derivation under its path, if it is not there.
    ///
    /// # Errors
    /// If it is too large to be stored.
    pub fn insert(&mut self, path: &StorePath, derivation: &Derivation) -> Result<(), CodecError> {
        if !self.at.contains_key(path) {
            let record = derivation.to_bytes()?.into_boxed_slice();
            self.at.insert(path.clone(), self.records.len());
            self.records.push((path.clone(), record));
        }
        Ok(())
    }

    /// The derivation at a path.
    #[must_use]
    pub fn get(&self, path: &StorePath) -> Option<Derivation> {
        read(&self.records[*self.at.get(path)?].1)
    }

    /// The number of derivations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The paths of those that were added after the first `skipped`.
    pub fn paths(&self, skipped: usize) -> impl Iterator<Item = &StorePath> + Clone {
        self.records[skipped..].iter().map(|(path, _)| path)
    }

    /// Those that were added after the first `skipped`, and whose paths are wanted.
    pub fn select(
        &self,
        skipped: usize,
        wanted: impl Fn(&StorePath) -> bool + Sync,
    ) -> Vec<Derivation> {
        let records = self.records[skipped..].par_iter().filter(|(path, _)| wanted(path));
        records.filter_map(|(_, record)| read(record)).collect()
    }
}

/// A record that was written here is one, so that nothing is lost.
fn read(record: &[u8]) -> Option<Derivation> {
    Derivation::from_bytes(record).ok()
}
