//! The derivations, texts and sources that an evaluation made and the store does not have yet. They are in
//! the order of their creation, so that inputs come first.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rustc_hash::FxHashMap;

use crate::{
    derivation::{Identities, Records},
    hash::TreeHash,
    store::{Insertion, References, Source, Store, StoreError},
    store_path::StorePath,
    tree::{Leaf, Listing},
};

/// Paths to write to the store.
#[derive(Default)]
pub(super) struct Pending {
    /// Computes the paths of derivations, and knows all of them.
    pub(super) identities: Identities,
    pub(super) derivations: Records,
    /// The number of derivations that the store has.
    stored: usize,
    waiting: FxHashMap<StorePath, Object>,
    /// Sources without a filter, by path, name and if a final link is followed. Each is hashed once.
    pub(super) known: FxHashMap<(PathBuf, String, bool), StorePath>,
}

/// A store path that is not a derivation.
enum Object {
    Text { text: Vec<u8>, references: BTreeSet<StorePath> },
    Tree { listing: Listing, leaves: Vec<Option<Leaf>>, tree: TreeHash },
}

impl Pending {
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

    /// Adds a tree from outside the store that had these leaves when it was listed.
    pub(super) fn add_tree(
        &mut self,
        path: StorePath,
        listing: Listing,
        leaves: Vec<Option<Leaf>>,
        tree: TreeHash,
    ) {
        self.waiting.entry(path).or_insert(Object::Tree { listing, leaves, tree });
    }

    /// True if the path is not in the store yet.
    pub(super) fn waits(&self, path: &StorePath) -> bool {
        self.waiting.contains_key(path)
    }

    /// Writes everything to the store that is not there.
    pub(super) fn commit(&mut self, store: &Store) -> Result<(), StoreError> {
        // protect paths that are there already as well as new ones
        let valid = store.valid(self.waiting.keys())?;
        self.waiting.retain(|path, _| !valid.contains(path));
        if !self.waiting.is_empty() {
            let scratch = store.scratch()?;
            // a failed insertion leaves the store as it was and ends the evaluation
            let waiting = std::mem::take(&mut self.waiting).into_iter();
            store.insert(waiting.map(|(path, o)| o.insertion(path, scratch.path())).collect())?;
        }
        let paths = self.derivations.paths(self.stored);
        let valid = store.valid(paths)?;
        let fresh = self.derivations.select(self.stored, |path| !valid.contains(path));
        store.add_derivations(&fresh)?;
        self.stored = self.derivations.len();
        Ok(())
    }
}

impl Object {
    fn insertion(self, path: StorePath, scratch: &Path) -> Insertion {
        let to = scratch.join(path.base());
        let (source, references, expected) = match self {
            Self::Text { text, references } => (Source::Text { bytes: text, to }, references, None),
            Self::Tree { listing, leaves, tree } => {
                (Source::Copy { listing, leaves, to }, BTreeSet::new(), Some(tree))
            }
        };
        let references = References::Known(references);
        Insertion { path, source, references, deriver: None, expected, signatures: BTreeSet::new() }
    }
}
