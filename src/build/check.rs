//! Building what is there again and comparing: whether a build makes the same at another time, on other
//! processors, by other processes. All that a builder is promised (docs/builds.md, "A builder's view") is
//! the same both times.

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

/// Times in zip archives are even: this long after a build the same clock writes another time
/// everywhere. In seconds.
const LATER: u64 = 3;

/// The number of processes there have been when the program starts.
const PROCESSES: u32 = 40;

/// Derivations whose outputs are valid, to be built again for comparison. What was found is in it when
/// the builds have ended.
pub struct Check {
    derivations: BTreeSet<StorePath>,
    keep_differing: bool,
    found: Mutex<BTreeMap<StorePath, Verdict>>,
}

/// What a comparison found of one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the same.
    Same,
    /// It is not.
    Differs {
        /// Where; the first of each pair is what the store has.
        differences: Vec<Difference>,
        /// Where the other tree is, if it was to be kept.
        kept: Option<PathBuf>,
    },
}

impl Check {
    /// Compares the outputs of these derivations. With `keep_differing` a tree that is another one than
    /// that of the store stays in `var/check` below the store's root.
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

    /// What was found, by output. What could not be built is not there.
    #[must_use]
    pub fn found(self) -> BTreeMap<StorePath, Verdict> {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if a derivation's outputs are compared.
    pub(super) fn covers(&self, derivation: &StorePath) -> bool {
        self.derivations.contains(derivation)
    }

    /// Compares an output that was made again with what the store has.
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

/// How a build is to differ from one that may use this many processors.
pub(super) fn variation(cores: usize) -> Variation {
    let processors = if cores > 1 { cores / 2 } else { 2 };
    Variation { processors, processes: PROCESSES }
}

/// How long to wait until a clock differs from the time at which these were made.
pub(super) fn until_later(infos: &[PathInfo]) -> Duration {
    let last = infos.iter().map(|info| info.registered).max().unwrap_or(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // a clock that was set back is not waited for
    Duration::from_secs(last + LATER).saturating_sub(now).min(Duration::from_secs(LATER))
}

/// Moves a tree to where it stays, in place of an earlier one.
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

/// The world without some paths, so that they are planned to be built.
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
