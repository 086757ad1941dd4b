//! Plans: the paths to take or build for some outputs, in order. Knows of the world only through [`Lookup`];
//! takes and builds nothing.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::{
    closure,
    derivation::Derivation,
    store::{PathInfo, StoreError},
    store_path::StorePath,
};

/// Outputs that are wanted: those of one derivation, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// The derivation.
    pub derivation: StorePath,
    /// The names of the outputs; empty for all of them.
    pub outputs: BTreeSet<String>,
}

/// The questions of a plan to the world.
pub trait Lookup {
    /// The derivation at that path.
    ///
    /// # Errors
    /// If there is none or it cannot be read.
    fn derivation(&self, path: &StorePath) -> Result<Derivation, StoreError>;

    /// The availability of each path, in the order of the question.
    ///
    /// # Errors
    /// If the index cannot be read.
    fn find(&self, paths: &[StorePath]) -> Result<Vec<Availability>, StoreError>;
}

/// The availability of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It is valid in the store.
    Valid,
    /// A substituter has it, and all that it refers to unless the store has that.
    Substitutable(Box<Offer>),
    /// Nobody has it: it must be built.
    Unavailable,
}

/// An offer of a substituter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The path's info.
    pub info: PathInfo,
    /// The substituter's index.
    pub substituter: usize,
}

/// A step of a plan: an index into [`Plan::steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(u32);

/// The missing steps: substitutes first, and each before the steps that need it.
#[derive(Debug, Default)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// The paths of the goals, present or not, by goal and output.
    pub outputs: Vec<BTreeMap<String, StorePath>>,
    /// The number of derivations that need neither a build nor a substitute.
    pub present: usize,
}

/// A step makes paths valid.
#[derive(Debug)]
pub struct Step {
    /// Its work.
    pub work: Work,
    /// The steps that must end first.
    pub needs: Vec<StepId>,
    /// The steps that wait for this one.
    pub needed_by: Vec<StepId>,
    /// The length of the longest chain of steps from this one on, which goes first.
    pub chain: u32,
}

/// The work of a step.
#[derive(Debug)]
pub enum Work {
    /// It builds a derivation.
    Build(BuildStep),
    /// It takes a path from a substituter.
    Substitute(Offer),
}

/// One build.
#[derive(Debug)]
pub struct BuildStep {
    /// The path of the derivation.
    pub path: StorePath,
    /// The derivation.
    pub derivation: Derivation,
    /// The store paths that it reads itself: sources, and outputs of its input derivations.
    pub inputs: Vec<StorePath>,
}

/// A step that is a build.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) step: &'a Step,
    pub(super) build: &'a BuildStep,
}

impl std::ops::Deref for Job<'_> {
    type Target = BuildStep;

    fn deref(&self) -> &BuildStep {
        self.build
    }
}

/// An error of planning.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An output is asked for that does not exist.
    #[error("'{derivation}' has no output '{output}'; it has {}", .has.join(", "))]
    NoOutput {
        /// The derivation.
        derivation: StorePath,
        /// The output that was asked for.
        output: String,
        /// Those that exist.
        has: Vec<String>,
    },
    /// A source is gone.
    #[error("'{path}', which '{derivation}' reads, is not in the store; evaluate again to add it")]
    NoSource {
        /// The source.
        path: StorePath,
        /// Who reads it.
        derivation: StorePath,
    },
    /// A cycle of derivations: somebody changed the records.
    #[error("the inputs of '{0}' form a cycle; run `clutch verify --repair`")]
    Cycle(StorePath),
}

impl StepId {
    /// The place in [`Plan::steps`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Plan {
    /// The ids of all steps, in order.
    pub fn ids(&self) -> impl Iterator<Item = StepId> + use<> {
        (0..u32::try_from(self.steps.len()).unwrap_or(u32::MAX)).map(StepId)
    }

    /// The step of that id.
    #[must_use]
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.index()]
    }

    /// The builds among the steps.
    pub fn builds(&self) -> impl Iterator<Item = &BuildStep> {
        self.steps.iter().filter_map(Step::build)
    }

    /// The substitutes.
    pub fn substitutes(&self) -> impl Iterator<Item = &Offer> {
        self.steps.iter().filter_map(|step| match &step.work {
            Work::Substitute(offer) => Some(offer),
            Work::Build(_) => None,
        })
    }

    /// Adds a step after those that it needs.
    fn push(&mut self, work: Work, needs: Vec<StepId>) {
        let id = StepId(u32::try_from(self.steps.len()).unwrap_or(u32::MAX));
        for need in &needs {
            self.steps[need.index()].needed_by.push(id);
        }
        self.steps.push(Step { work, needs, needed_by: Vec::new(), chain: 0 });
    }
}

impl Step {
    /// The build, if the step is one.
    #[must_use]
    pub fn build(&self) -> Option<&BuildStep> {
        match &self.work {
            Work::Build(build) => Some(build),
            Work::Substitute(_) => None,
        }
    }

    /// The derivation that is built, or the path that is taken.
    #[must_use]
    pub fn path(&self) -> &StorePath {
        match &self.work {
            Work::Build(build) => &build.path,
            Work::Substitute(offer) => &offer.info.path,
        }
    }

    /// The name of that.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.work {
            Work::Build(build) => &build.derivation.name,
            Work::Substitute(offer) => offer.info.path.name(),
        }
    }

    /// True if its output is fixed by a hash.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.build().is_some_and(|build| build.derivation.is_fixed())
    }

    /// The paths that are valid when it has ended.
    #[must_use]
    pub fn outputs(&self) -> Vec<&StorePath> {
        match &self.work {
            Work::Build(build) => build.outputs().collect(),
            Work::Substitute(offer) => vec![&offer.info.path],
        }
    }
}

impl BuildStep {
    /// The name of its built-in builder, if it has one.
    #[must_use]
    pub fn builtin(&self) -> Option<&str> {
        self.derivation.builtin()
    }

    /// The store path of each output.
    pub fn outputs(&self) -> impl Iterator<Item = &StorePath> {
        self.derivation.outputs.values().map(|output| &output.path)
    }
}

/// A derivation on the way to the plan.
struct Seen {
    derivation: Derivation,
    wanted: BTreeSet<String>,
    missing: bool,
}

/// The offers of substituters.
type Offers = FxHashMap<StorePath, Offer>;

/// Finds what is missing for the goals. Reads derivations level by level, with one question a level, and
/// nothing below an output that is available. A derivation is built if one of its wanted outputs is
/// unavailable; then none of its outputs is taken.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(lookup: &impl Lookup, goals: &[Goal]) -> Result<Plan, PlanError> {
    let mut seen: FxHashMap<StorePath, Seen> = FxHashMap::default();
    // in the order met, so that a plan is deterministic
    let mut order: Vec<StorePath> = Vec::new();
    let mut level: Vec<(StorePath, BTreeSet<String>)> =
        goals.iter().map(|goal| (goal.derivation.clone(), goal.outputs.clone())).collect();
    let mut offers = Offers::default();
    while !level.is_empty() {
        let changed = read_level(lookup, level, &mut seen, &mut order)?;
        level = below(lookup, &changed, &mut seen, &mut offers)?;
    }
    let taken = taken(lookup, &order, &seen, offers)?;
    let mut plan = assemble(goals, &order, seen, taken)?;
    prioritise(&mut plan);
    Ok(plan)
}

/// Reads the derivations of a level; returns those with newly wanted outputs.
fn read_level(
    lookup: &impl Lookup,
    level: Vec<(StorePath, BTreeSet<String>)>,
    seen: &mut FxHashMap<StorePath, Seen>,
    order: &mut Vec<StorePath>,
) -> Result<Vec<StorePath>, PlanError> {
    let mut changed = Vec::new();
    for (path, mut names) in level {
        if !seen.contains_key(&path) {
            let derivation = lookup.derivation(&path)?;
            let new = Seen { derivation, wanted: BTreeSet::new(), missing: false };
            seen.insert(path.clone(), new);
            order.push(path.clone());
        }
        let entry = seen.get_mut(&path).expect("it was just inserted");
        let outputs = &entry.derivation.outputs;
        if names.is_empty() {
            names = outputs.keys().cloned().collect();
        }
        if let Some(output) = names.iter().find(|name| !outputs.contains_key(*name)) {
            return Err(PlanError::NoOutput {
                derivation: path,
                output: output.clone(),
                has: outputs.keys().cloned().collect(),
            });
        }
        let before = entry.wanted.len();
        entry.wanted.extend(names);
        if entry.wanted.len() > before && !entry.missing {
            changed.push(path);
        }
    }
    Ok(changed)
}

/// Looks up wanted outputs and sources; returns the inputs of the derivations to build.
fn below(
    lookup: &impl Lookup,
    changed: &[StorePath],
    seen: &mut FxHashMap<StorePath, Seen>,
    offers: &mut Offers,
) -> Result<Vec<(StorePath, BTreeSet<String>)>, PlanError> {
    let mut asked = Vec::new();
    for path in changed {
        let entry = &seen[path];
        asked.extend(entry.wanted.iter().map(|name| entry.derivation.outputs[name].path.clone()));
        asked.extend(entry.derivation.input_sources.iter().cloned());
    }
    asked.sort_unstable();
    asked.dedup();
    let found = lookup.find(&asked)?;
    let mut available = BTreeSet::new();
    for (path, found) in asked.into_iter().zip(found) {
        match found {
            Availability::Unavailable => continue,
            Availability::Valid => {}
            Availability::Substitutable(offer) => drop(offers.insert(path.clone(), *offer)),
        }
        available.insert(path);
    }
    let mut next = Vec::new();
    for path in changed {
        let entry = seen.get_mut(path).expect("it was read");
        let there = |name: &String| available.contains(&entry.derivation.outputs[name].path);
        if entry.missing || entry.wanted.iter().all(there) {
            continue;
        }
        entry.missing = true;
        let gone = |source: &&StorePath| !available.contains(*source);
        if let Some(gone) = entry.derivation.input_sources.iter().find(gone) {
            return Err(PlanError::NoSource { path: gone.clone(), derivation: path.clone() });
        }
        let inputs = &entry.derivation.input_derivations;
        next.extend(inputs.iter().map(|(path, names)| (path.clone(), names.clone())));
    }
    Ok(next)
}

/// The substitutes: the needed offers with the references that the store lacks. Each comes after its
/// references.
fn taken(
    lookup: &impl Lookup,
    order: &[StorePath],
    seen: &FxHashMap<StorePath, Seen>,
    mut offers: Offers,
) -> Result<Vec<Offer>, StoreError> {
    if offers.is_empty() {
        return Ok(Vec::new());
    }
    let mut todo: Vec<StorePath> = Vec::new();
    for path in order {
        let Seen { derivation, wanted, missing } = &seen[path];
        match missing {
            true => todo.extend(derivation.input_sources.iter().cloned()),
            false => todo.extend(wanted.iter().map(|name| derivation.outputs[name].path.clone())),
        }
    }
    let mut taken: BTreeMap<StorePath, Offer> = BTreeMap::new();
    let mut asked: BTreeSet<StorePath> = todo.iter().cloned().collect();
    while !todo.is_empty() {
        let mut unknown = Vec::new();
        for offer in todo.iter().filter_map(|path| offers.remove(path)) {
            let references = offer.info.references.iter();
            unknown
                .extend(references.filter(|reference| asked.insert((*reference).clone())).cloned());
            taken.insert(offer.info.path.clone(), offer);
        }
        let found = if unknown.is_empty() { Vec::new() } else { lookup.find(&unknown)? };
        for (path, found) in unknown.iter().zip(found) {
            if let Availability::Substitutable(offer) = found {
                offers.insert(path.clone(), *offer);
            }
        }
        todo = unknown;
    }
    let paths: Vec<_> = taken.iter().map(|(path, offer)| (path, &offer.info.references)).collect();
    let order = closure::order(&paths);
    let mut taken: Vec<Option<Offer>> = taken.into_values().map(Some).collect();
    Ok(order.into_iter().filter_map(|at| taken[at].take()).collect())
}

/// Orders substitutes and missing derivations, inputs first.
fn assemble(
    goals: &[Goal],
    order: &[StorePath],
    mut seen: FxHashMap<StorePath, Seen>,
    taken: Vec<Offer>,
) -> Result<Plan, PlanError> {
    let outputs = |path: &StorePath, names: &BTreeSet<String>| -> BTreeMap<String, StorePath> {
        let all = seen[path].derivation.outputs.iter();
        all.filter(|(name, _)| names.is_empty() || names.contains(*name))
            .map(|(name, output)| (name.clone(), output.path.clone()))
            .collect()
    };
    let goal_outputs = goals.iter().map(|goal| outputs(&goal.derivation, &goal.outputs)).collect();
    let missing: Vec<&StorePath> = order.iter().filter(|path| seen[*path].missing).collect();

    // the number of missing inputs of each, and the users of each
    let mut waits: FxHashMap<&StorePath, usize> = FxHashMap::default();
    let mut waiting: FxHashMap<&StorePath, Vec<&StorePath>> = FxHashMap::default();
    let mut direct: FxHashMap<&StorePath, Vec<StorePath>> = FxHashMap::default();
    for &path in &missing {
        let derivation = &seen[path].derivation;
        let mut inputs: Vec<_> = derivation.input_sources.iter().cloned().collect();
        for (input, names) in &derivation.input_derivations {
            inputs.extend(names.iter().map(|n| seen[input].derivation.outputs[n].path.clone()));
            if seen[input].missing {
                *waits.entry(path).or_default() += 1;
                waiting.entry(input).or_default().push(path);
            }
        }
        direct.insert(path, inputs);
    }
    let is_ready = |path: &&StorePath| waits.get(*path).is_none_or(|&n| n == 0);
    let mut sorted: Vec<StorePath> = missing.iter().copied().filter(is_ready).cloned().collect();
    let mut at = 0;
    while at < sorted.len() {
        for &path in waiting.get(&sorted[at]).into_iter().flatten() {
            let left = waits.get_mut(path).expect("it waits");
            *left -= 1;
            if *left == 0 {
                sorted.push(path.clone());
            }
        }
        at += 1;
    }
    if sorted.len() < missing.len() {
        let stuck = missing.iter().find(|path| waits.get(**path).is_some_and(|&n| n > 0));
        return Err(PlanError::Cycle((*stuck.expect("some wait")).clone()));
    }

    let first = u32::try_from(taken.len()).unwrap_or(u32::MAX);
    let builds: FxHashMap<&StorePath, StepId> = sorted.iter().zip((first..).map(StepId)).collect();
    let substitutes: FxHashMap<StorePath, StepId> =
        taken.iter().map(|offer| offer.info.path.clone()).zip((0..).map(StepId)).collect();
    let is_taken = |path: &&StorePath| {
        let Seen { derivation, wanted, .. } = &seen[*path];
        wanted.iter().any(|name| substitutes.contains_key(&derivation.outputs[name].path))
    };
    let substituted = order.iter().filter(|path| !seen[*path].missing).filter(is_taken).count();
    let mut plan = Plan {
        steps: Vec::with_capacity(taken.len() + sorted.len()),
        outputs: goal_outputs,
        present: order.len() - sorted.len() - substituted,
    };
    for offer in taken {
        let before = |id: &StepId| id.index() < plan.steps.len();
        let needs = offer.info.references.iter().filter_map(|r| substitutes.get(r).copied());
        let needs = needs.filter(before).collect();
        plan.push(Work::Substitute(offer), needs);
    }
    let mut direct: Vec<Vec<StorePath>> = sorted
        .iter()
        .map(|path| direct.remove(path).expect("every missing one has its inputs"))
        .collect();
    drop((waits, waiting));
    for (path, inputs) in sorted.iter().zip(direct.drain(..)) {
        let derivation = seen.remove(path).expect("it was read").derivation;
        let built = derivation.input_derivations.keys().filter_map(|i| builds.get(i).copied());
        let taken = inputs.iter().filter_map(|input| substitutes.get(input).copied());
        let needs = built.chain(taken).collect();
        plan.push(Work::Build(BuildStep { path: path.clone(), derivation, inputs }), needs);
    }
    Ok(plan)
}

/// The longest chain from each step to a goal; the steps are in order, so one pass from the end.
fn prioritise(plan: &mut Plan) {
    for at in (0..plan.steps.len()).rev() {
        let longest = plan.steps[at].needed_by.iter().map(|id| plan.steps[id.index()].chain).max();
        plan.steps[at].chain = longest.map_or(1, |chain| chain + 1);
    }
}

#[cfg(test)]
pub(crate) mod tests;
