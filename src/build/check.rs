//! Builds finished outputs again and compares: at another time, on other processors, with other process numbers.
//! Everything that a builder is promised (docs/builds.md, "A builder's view") is the same both times.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    BuildError, Derivations,
    plan::{Availability, Goal, Lookup, Plan, PlanError, plan},
    sandbox::Variation,
};
use crate::{
    derivation::Derivation,
    difference::{self, Difference},
    files,
    store::{PathInfo, Store, StoreError},
    store_path::StorePath,
    tree::Bounds,
};

/// The least seconds between the builds, so that all formats store another time (zip has even seconds).
const LATER: u64 = 3;

/// The number of process numbers used before the program starts.
const PROCESSES: u32 = 40;

/// A comparison of derivations with valid outputs. It holds the results when the builds have ended.
pub struct Check {
    derivations: BTreeSet<StorePath>,
    keep_differing: bool,
    found: Mutex<BTreeMap<StorePath, Verdict>>,
}

/// The result for one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Equal.
    Same,
    /// Different.
    Differs {
        /// The differences; the first of each pair is the store's.
        differences: Vec<Difference>,
        /// The place of the other tree, if it is kept.
        kept: Option<PathBuf>,
    },
}

impl Check {
    /// Compares the outputs of these derivations. With `keep_differing`, a tree that differs from
    /// the store's stays in `var/check` below the store's root.
    #[must_use]
    pub fn new(derivations: BTreeSet<StorePath>, keep_differing: bool) -> Self {
        Self { derivations, keep_differing, found: Mutex::default() }
    }

    /// The builds: those of the derivations, and of inputs that are missing by now.
    ///
    /// # Errors
    /// As [`plan`].
    pub fn plan(&self, derivations: &Derivations<'_>) -> Result<Plan, PlanError> {
        let mut hidden = BTreeSet::new();
        for path in &self.derivations {
            let outputs = derivations.derivation(path)?.outputs;
            hidden.extend(outputs.into_values().map(|output| output.path));
        }
        let goals: Vec<Goal> = self.derivations.iter().cloned().map(all_outputs).collect();
        plan(&Without { derivations, hidden }, &goals)
    }

    /// The results by output, without outputs that could not be built.
    #[must_use]
    pub fn found(self) -> BTreeMap<StorePath, Verdict> {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if a derivation's outputs are compared.
    pub(super) fn covers(&self, derivation: &StorePath) -> bool {
        self.derivations.contains(derivation)
    }

    /// Compares a new output with the store's.
    pub(super) fn compare(
        &self,
        store: &Store,
        path: &StorePath,
        tree: &Path,
        bounds: Bounds<'_>,
    ) -> Result<(), BuildError> {
        let info = store.info(path)?.ok_or_else(|| StoreError::NotValid(path.clone()))?;
        let verdict = match Store::seal(tree, bounds)?.hash == info.tree {
            true => Verdict::Same,
            false => {
                let differences = difference::trees(&store.real(path), tree, bounds)?;
                if differences.is_empty() {
                    return Err(BuildError::Damaged(path.clone()));
                }
                let kept = self.keep_differing.then(|| keep(store, path, tree)).transpose()?;
                Verdict::Differs { differences, kept }
            }
        };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(path.clone(), verdict);
        Ok(())
    }
}

/// The variation of a build that may use this many processors.
pub(super) fn variation(cores: usize) -> Variation {
    let processors = if cores > 1 { cores / 2 } else { 2 };
    Variation { processors, processes: PROCESSES }
}

/// The time to wait until the clock differs from the time at which these were made.
pub(super) fn until_later(infos: &[PathInfo]) -> Duration {
    let last = infos.iter().map(|info| info.registered).max().unwrap_or(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // do not wait if the clock was set back
    Duration::from_secs(last + LATER).saturating_sub(now).min(Duration::from_secs(LATER))
}

/// Keeps a tree, in place of an earlier one.
fn keep(store: &Store, path: &StorePath, tree: &Path) -> Result<PathBuf, BuildError> {
    let folder = store.differing();
    fs_err::create_dir_all(&folder)?;
    let kept = folder.join(format!("{}.check", path.base()));
    files::remove_tree(&kept)?;
    fs_err::rename(tree, &kept)?;
    Ok(kept)
}

fn all_outputs(derivation: StorePath) -> Goal {
    Goal { derivation, outputs: BTreeSet::new() }
}

/// The world without some paths, so that a plan builds them.
struct Without<'a> {
    derivations: &'a Derivations<'a>,
    hidden: BTreeSet<StorePath>,
}

impl Lookup for Without<'_> {
    fn derivation(&self, path: &StorePath) -> Result<Derivation, StoreError> {
        self.derivations.derivation(path)
    }

    fn find(&self, paths: &[StorePath]) -> Result<Vec<Availability>, StoreError> {
        let mut found = self.derivations.find(paths)?;
        for (path, found) in paths.iter().zip(&mut found) {
            if self.hidden.contains(path) {
                *found = Availability::Unavailable;
            }
        }
        Ok(found)
    }
}
