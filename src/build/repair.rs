//! Plans the repair of damaged paths by builds: an order for those that can be built again, and reasons for the
//! others. Builds nothing itself.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Availability, Goal, Lookup, Plan, PlanError, plan};
use crate::{
    derivation::Derivation,
    store::{Store, StoreError},
    store_path::StorePath,
};

/// Paths that are valid and damaged.
pub struct Repair<'a> {
    store: &'a Store,
    damaged: BTreeSet<StorePath>,
    given_up: BTreeMap<StorePath, Obstacle>,
}

/// The reason why a path cannot be built again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// It was added, not built.
    #[error(
        "it cannot be built here: it is a source, a text, a derivation, or was imported without its derivation"
    )]
    NoDerivation,
    /// Its derivation is missing or damaged.
    #[error("its derivation '{0}' is missing or damaged")]
    Derivation(StorePath),
    /// An input is damaged, too.
    #[error("its input '{0}' is damaged and could not be repaired")]
    Needs(StorePath),
    /// There is no plan to build it, or the build failed.
    #[error("{0}")]
    Failed(String),
}

/// Builds that repair paths.
pub struct Round {
    /// The builds.
    pub plan: Plan,
    /// The paths that are whole when they have succeeded.
    pub paths: BTreeSet<StorePath>,
}

impl<'a> Repair<'a> {
    /// Starts with all damaged paths.
    #[must_use]
    pub fn new(store: &'a Store, damaged: BTreeSet<StorePath>) -> Self {
        Self { store, damaged, given_up: BTreeMap::new() }
    }

    /// The paths still damaged.
    #[must_use]
    pub fn damaged(&self) -> &BTreeSet<StorePath> {
        &self.damaged
    }

    /// The builds that can be done now: none of them sees anything damaged. `None` if what is left
    /// cannot be built.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn round(&mut self) -> Result<Option<Round>, StoreError> {
        let mut goals: BTreeMap<StorePath, BTreeSet<String>> = BTreeMap::new();
        let mut paths = BTreeSet::new();
        let mut waiting = Vec::new();
        for path in self.damaged.clone() {
            if self.given_up.contains_key(&path) {
                continue;
            }
            match self.work(&path)? {
                Err(obstacle) => drop(self.given_up.insert(path, obstacle)),
                Ok(Work { goal, damaged, .. }) if damaged.is_empty() => {
                    goals.entry(goal.derivation).or_default().extend(goal.outputs);
                    paths.insert(path);
                }
                Ok(Work { damaged, .. }) => waiting.push((path, damaged)),
            }
        }
        if paths.is_empty() {
            for (path, needs) in waiting {
                let hopeless = needs.iter().find(|need| self.given_up.contains_key(*need));
                let need = hopeless.or(needs.first()).cloned();
                self.given_up.extend(need.map(|need| (path, Obstacle::Needs(need))));
            }
            return Ok(None);
        }
        let goals: Vec<Goal> =
            goals.into_iter().map(|(derivation, outputs)| Goal { derivation, outputs }).collect();
        match plan(&self.lookup(), &goals) {
            Ok(plan) => Ok(Some(Round { plan, paths })),
            Err(PlanError::Store(error)) => Err(error),
            // each had a plan alone
            Err(error) => {
                self.failed(paths.iter().map(|path| (path.clone(), error.to_string())));
                self.round()
            }
        }
    }

    /// The other paths that the repair builds read, directly or not: verify them first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn inputs(&self) -> Result<BTreeSet<StorePath>, StoreError> {
        let mut inputs = BTreeSet::new();
        for path in &self.damaged {
            inputs.extend(self.work(path)?.into_iter().flat_map(|work| work.inputs));
        }
        Ok(inputs.difference(&self.damaged).cloned().collect())
    }

    /// These turned out to be damaged as well.
    pub fn add(&mut self, damaged: impl IntoIterator<Item = StorePath>) {
        self.damaged.extend(damaged);
    }

    /// These are whole again.
    pub fn repaired<'p>(&mut self, paths: impl IntoIterator<Item = &'p StorePath>) {
        for path in paths {
            self.damaged.remove(path);
        }
    }

    /// These could not be built, and why.
    pub fn failed(&mut self, paths: impl IntoIterator<Item = (StorePath, String)>) {
        let failed = paths.into_iter().map(|(path, why)| (path, Obstacle::Failed(why)));
        self.given_up.extend(failed);
    }

    /// The remaining damaged paths, with reasons.
    #[must_use]
    pub fn given_up(self) -> BTreeMap<StorePath, Obstacle> {
        self.given_up
    }

    /// The needs of a repair build.
    fn work(&self, path: &StorePath) -> Result<Result<Work, Obstacle>, StoreError> {
        let info = self.store.info(path)?;
        let mut deriver = info.and_then(|info| info.deriver);
        if deriver.is_none() {
            // what was imported before its expression was evaluated here
            deriver = self.store.makers([path])?.into_iter().next().map(|maker| maker.derivation);
        }
        let Some(deriver) = deriver else { return Ok(Err(Obstacle::NoDerivation)) };
        let is_there = !self.damaged.contains(&deriver) && self.store.is_valid(&deriver)?;
        let derivation = is_there.then(|| self.store.read_derivation(&deriver).ok()).flatten();
        let Some(derivation) = derivation else { return Ok(Err(Obstacle::Derivation(deriver))) };
        let Some((name, _)) = derivation.outputs.iter().find(|(_, output)| output.path == *path)
        else {
            return Ok(Err(Obstacle::NoDerivation));
        };
        let goal = Goal { derivation: deriver, outputs: [name.clone()].into() };
        let plan = match plan(&self.lookup(), std::slice::from_ref(&goal)) {
            Ok(plan) => plan,
            Err(PlanError::NoSource { path, .. }) if self.damaged.contains(&path) => {
                let damaged = BTreeSet::from([path]);
                return Ok(Ok(Work { goal, inputs: BTreeSet::new(), damaged }));
            }
            Err(error) => return Ok(Err(Obstacle::Failed(error.to_string()))),
        };
        let mut damaged = BTreeSet::new();
        let mut direct = BTreeSet::new();
        for step in plan.builds() {
            if step.path != goal.derivation {
                damaged.extend(step.outputs().filter(|p| self.damaged.contains(*p)).cloned());
            }
            direct.extend(step.inputs.iter().filter(|p| !self.damaged.contains(*p)));
        }
        let direct: Vec<StorePath> = self.store.valid(direct)?.into_iter().collect();
        let inputs: BTreeSet<StorePath> =
            self.store.reachable(&direct)?.into_iter().map(|info| info.path).collect();
        damaged.extend(inputs.intersection(&self.damaged).cloned());
        Ok(Ok(Work { goal, inputs, damaged }))
    }

    fn lookup(&self) -> Undamaged<'_> {
        Undamaged { store: self.store, damaged: &self.damaged }
    }
}

/// The needs of a repair build.
struct Work {
    goal: Goal,
    /// What is valid of all that the builds would see.
    inputs: BTreeSet<StorePath>,
    /// What is damaged of that, and of what would be built before.
    damaged: BTreeSet<StorePath>,
}

/// The store without what is damaged.
struct Undamaged<'a> {
    store: &'a Store,
    damaged: &'a BTreeSet<StorePath>,
}

impl Lookup for Undamaged<'_> {
    fn derivation(&self, path: &StorePath) -> Result<Derivation, StoreError> {
        self.store.read_derivation(path)
    }

    fn find(&self, paths: &[StorePath]) -> Result<Vec<Availability>, StoreError> {
        let valid = self.store.valid(paths)?;
        let find = |path| match valid.contains(path) && !self.damaged.contains(path) {
            true => Availability::Valid,
            false => Availability::Unavailable,
        };
        Ok(paths.iter().map(find).collect())
    }
}
