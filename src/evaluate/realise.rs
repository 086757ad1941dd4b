//! What an evaluation asks of whoever runs it: builds, revisions of repositories, and the store.

use std::{collections::BTreeSet, path::Path};

use clutch_expr::host::HostResult;

use crate::{
    git::{Commit, Revision},
    store::Store,
    store_path::StorePath,
};

/// Builds derivations in the middle of an evaluation (import from derivation).
pub trait Realise: Sync {
    /// Makes these outputs of these derivations valid; the store has the derivations.
    ///
    /// # Errors
    /// A failed build, or that this is not allowed.
    fn realise(&self, targets: &[(StorePath, BTreeSet<String>)]) -> HostResult<()>;

    /// Writes the tree of a revision to the folder `to`, which does not exist yet; `scratch` is an
    /// empty one.
    ///
    /// # Errors
    /// Where it cannot be had.
    fn fetch_revision(&self, revision: &Revision, to: &Path, scratch: &Path) -> HostResult<Commit>;

    /// How many commits a revision has behind it, itself included.
    ///
    /// # Errors
    /// Where its history cannot be had.
    fn count_revisions(&self, revision: &Revision, scratch: &Path) -> HostResult<u64>;

    /// The store, opened when it is first needed.
    ///
    /// # Errors
    /// Where it cannot be opened.
    fn store(&self) -> HostResult<&Store>;

    /// Takes a line of `builtins.trace` or a warning (`warning` says which).
    fn message(&self, text: &str, warning: bool);
}
