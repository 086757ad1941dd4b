//! The realiser of the repl, which does nothing during completion.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use clutch_expr::host::{HostError, HostResult};

use crate::{
    evaluate::Realise,
    git::{Commit, Revision},
    session::EvalRealiser,
    store::Store,
    store_path::StorePath,
};

/// Builds and prints for the language, except during completion.
pub(super) struct Quiet<'c> {
    inner: EvalRealiser<'c>,
    completing: AtomicBool,
}

impl<'c> Quiet<'c> {
    pub(super) fn new(inner: EvalRealiser<'c>) -> Self {
        Self { inner, completing: AtomicBool::new(false) }
    }

    /// Starts or ends a completion: builds, fetches and messages are off.
    pub(super) fn set_completing(&self, on: bool) {
        self.completing.store(on, Ordering::Relaxed);
    }
}

impl Realise for Quiet<'_> {
    fn realise(&self, targets: &[(StorePath, BTreeSet<String>)]) -> HostResult<()> {
        if self.completing.load(Ordering::Relaxed) {
            return Err(HostError::new("completion does not build"));
        }
        self.inner.realise(targets)
    }

    fn fetch_revision(&self, revision: &Revision, to: &Path, scratch: &Path) -> HostResult<Commit> {
        if self.completing.load(Ordering::Relaxed) {
            return Err(HostError::new("completion does not fetch"));
        }
        self.inner.fetch_revision(revision, to, scratch)
    }

    fn count_revisions(&self, revision: &Revision, scratch: &Path) -> HostResult<u64> {
        if self.completing.load(Ordering::Relaxed) {
            return Err(HostError::new("completion does not fetch"));
        }
        self.inner.count_revisions(revision, scratch)
    }

    fn store(&self) -> HostResult<&Store> {
        self.inner.store()
    }

    fn message(&self, text: &str, warning: bool) {
        if !self.completing.load(Ordering::Relaxed) {
            self.inner.message(text, warning);
        }
    }
}
