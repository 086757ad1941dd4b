//! Services that an evaluation needs: builds, git revisions and the store.

use std::{collections::BTreeSet, path::Path};

use clutch_expr::host::HostResult;

use crate::{
    git::{Commit, Revision},
    store::Store,
    store_path::StorePath,
};

/// Builds and fetches during an evaluation (import from derivation).
pub trait Realise: Sync {
    /// Makes these outputs of these derivations valid; the store has the derivations.
    ///
    /// # Errors
    /// A build fails, or builds are not allowed.
    fn realise(&self, targets: &[(StorePath, BTreeSet<String>)]) -> HostResult<()>;

    /// Writes the tree of a revision to the new folder `to`, and uses the empty folder `scratch`.
    ///
    /// # Errors
    /// The revision cannot be fetched.
    fn fetch_revision(&self, revision: &Revision, to: &Path, scratch: &Path) -> HostResult<Commit>;

    /// The number of commits up to and including a revision.
    ///
    /// # Errors
    /// The history cannot be fetched.
    fn count_revisions(&self, revision: &Revision, scratch: &Path) -> HostResult<u64>;

    /// The store, opened on first use.
    ///
    /// # Errors
    /// The store cannot be opened.
    fn store(&self) -> HostResult<&Store>;

    /// Receives a warning, or a line of `builtins.trace`.
    fn message(&self, text: &str, warning: bool);
}
