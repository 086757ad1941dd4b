//! What an evaluation has made so far and the store does not have yet: derivations, texts and
//! sources, in the order in which they were made, so that inputs come first.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rustc_hash::FxHashMap;

use crate::{
    archive::{self, Listing},
    derivation::{Derivation, Identities},
    hash::TreeHash,
    store::{Insertion, References, Store, StoreError},
    store_path::StorePath,
};

/// What waits for the store.
#[derive(Default)]
pub(super) struct Pending {
    /// Computes the paths of derivations; knows all that were made.
    pub(super) identities: Identities,
    derivations: Vec<Derivation>,
    /// How many of them the store has.
    stored: usize,
    by_path: FxHashMap<StorePath, usize>,
    waiting: FxHashMap<StorePath, Object>,
    /// Sources without a filter, by place and name: they are hashed once.
    pub(super) known: FxHashMap<(PathBuf, String), StorePath>,
}

/// A store path that is not a derivation.
enum Object {
    Text { text: Vec<u8>, references: BTreeSet<StorePath> },
    Source { listing: Listing, tree: TreeHash },
}

impl Pending {
    pub(super) fn add_derivation(&mut self, path: StorePath, derivation: Derivation) {
        if !self.by_path.contains_key(&path) {
            self.by_path.insert(path, self.derivations.len());
            self.derivations.push(derivation);
        }
    }

    pub(super) fn derivation(&self, path: &StorePath) -> Option<&Derivation> {
        self.by_path.get(path).map(|at| &self.derivations[*at])
    }

    pub(super) fn into_derivations(self) -> FxHashMap<StorePath, Derivation> {
        let Self { mut by_path, derivations, .. } = self;
        let mut derivations: Vec<Option<Derivation>> = derivations.into_iter().map(Some).collect();
        by_path.drain().filter_map(|(path, at)| Some((path, derivations[at].take()?))).collect()
    }

    pub(super) fn add_text(
        &mut self,
        path: StorePath,
        text: &[u8],
        references: BTreeSet<StorePath>,
    ) {
        self.waiting
            .entry(path)
            .or_insert_with(|| Object::Text { text: text.to_owned(), references });
    }

    pub(super) fn add_source(&mut self, path: StorePath, listing: Listing, tree: TreeHash) {
        self.waiting.entry(path).or_insert(Object::Source { listing, tree });
    }

    /// Whether that path waits for the store.
    pub(super) fn waits(&self, path: &StorePath) -> bool {
        self.waiting.contains_key(path)
    }

    /// Puts everything into the store that is not there.
    pub(super) fn commit(&mut self, store: &Store) -> Result<(), StoreError> {
        let valid = store.valid(self.waiting.keys())?;
        self.waiting.retain(|path, _| !valid.contains(path));
        if !self.waiting.is_empty() {
            let scratch = store.scratch()?;
            let insertions = self
                .waiting
                .iter()
                .map(|(path, object)| object.lay_out(path, scratch.path()))
                .collect::<Result<Vec<_>, _>>()?;
            store.insert(insertions)?;
            self.waiting.clear();
        }
        store.add_derivations(&self.derivations[self.stored..])?;
        self.stored = self.derivations.len();
        Ok(())
    }
}

impl Object {
    /// Writes the tree into a scratch folder.
    fn lay_out(&self, path: &StorePath, scratch: &Path) -> Result<Insertion, StoreError> {
        let source = scratch.join(path.base());
        let (references, expected) = match self {
            Self::Text { text, references } => {
                fs_err::write(&source, text)?;
                (references.clone(), None)
            }
            Self::Source { listing, tree } => {
                archive::copy(listing, &source)?;
                (BTreeSet::new(), Some(*tree))
            }
        };
        let references = References::Known(references);
        Ok(Insertion { path: path.clone(), source, references, deriver: None, expected })
    }
}
