//! What has to be built for some outputs to be there, and in which order. Knows of the store only
//! what [`Lookup`] answers; builds nothing.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::{derivation::Derivation, store::StoreError, store_path::StorePath};

/// Outputs that are wanted: those of one derivation, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// The derivation.
    pub derivation: StorePath,
    /// The names of the outputs; empty for all of them.
    pub outputs: BTreeSet<String>,
}

/// What a plan asks about the world.
pub trait Lookup {
    /// The derivation at that path.
    ///
    /// # Errors
    /// Where there is none or it cannot be read.
    fn derivation(&self, path: &StorePath) -> Result<Derivation, StoreError>;

    /// Those of the paths that are in the store.
    ///
    /// # Errors
    /// Where the index cannot be read.
    fn valid(&self, paths: &[StorePath]) -> Result<BTreeSet<StorePath>, StoreError>;
}

/// A step of a plan: an index into [`Plan::steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(u32);

/// All builds that are missing. Inputs stand before what needs them.
#[derive(Debug, Default)]
pub struct Plan {
    /// The builds.
    pub steps: Vec<Step>,
    /// The paths that the goals stand for, whether they are there already or not, by goal and output.
    pub outputs: Vec<BTreeMap<String, StorePath>>,
    /// How many derivations were looked at and found to need no build.
    pub present: usize,
}

/// One build.
#[derive(Debug)]
pub struct Step {
    /// Where the derivation is.
    pub path: StorePath,
    /// The derivation.
    pub derivation: Derivation,
    /// The store paths that it reads itself: sources, and outputs of its input derivations.
    pub inputs: Vec<StorePath>,
    /// The steps that must end first.
    pub needs: Vec<StepId>,
    /// The steps that wait for this one.
    pub needed_by: Vec<StepId>,
    /// How many builds follow one another from this one on: the longest chain goes first.
    pub chain: u32,
}

/// Why there is no plan.
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
    /// Derivations that need each other: records that were tampered with.
    #[error("the derivations below '{0}' need each other")]
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
}

impl Step {
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

/// Finds what is missing for the goals. Derivations are read level by level, with one question to
/// the index a level; nothing below an output that is there is looked at.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(lookup: &impl Lookup, goals: &[Goal]) -> Result<Plan, PlanError> {
    let mut seen: FxHashMap<StorePath, Seen> = FxHashMap::default();
    // In the order in which they were met, so that a plan is the same every time.
    let mut order: Vec<StorePath> = Vec::new();
    let mut level: Vec<(StorePath, BTreeSet<String>)> =
        goals.iter().map(|goal| (goal.derivation.clone(), goal.outputs.clone())).collect();
    while !level.is_empty() {
        let changed = read_level(lookup, level, &mut seen, &mut order)?;
        level = below(lookup, &changed, &mut seen)?;
    }
    let mut plan = assemble(goals, &order, seen)?;
    prioritise(&mut plan);
    Ok(plan)
}

/// Reads the derivations of a level; gives those of which more is wanted than before.
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

/// Asks which wanted outputs and sources are there; gives what the missing ones need.
fn below(
    lookup: &impl Lookup,
    changed: &[StorePath],
    seen: &mut FxHashMap<StorePath, Seen>,
) -> Result<Vec<(StorePath, BTreeSet<String>)>, PlanError> {
    let mut asked = Vec::new();
    for path in changed {
        let entry = &seen[path];
        asked.extend(entry.wanted.iter().map(|name| entry.derivation.outputs[name].path.clone()));
        asked.extend(entry.derivation.input_sources.iter().cloned());
    }
    asked.sort_unstable();
    asked.dedup();
    let valid = lookup.valid(&asked)?;
    let mut next = Vec::new();
    for path in changed {
        let entry = seen.get_mut(path).expect("it was read");
        let there = |name: &String| valid.contains(&entry.derivation.outputs[name].path);
        if entry.missing || entry.wanted.iter().all(there) {
            continue;
        }
        entry.missing = true;
        if let Some(gone) = entry.derivation.input_sources.iter().find(|s| !valid.contains(*s)) {
            return Err(PlanError::NoSource { path: gone.clone(), derivation: path.clone() });
        }
        let inputs = &entry.derivation.input_derivations;
        next.extend(inputs.iter().map(|(path, names)| (path.clone(), names.clone())));
    }
    Ok(next)
}

/// Puts the missing derivations in order, inputs first.
fn assemble(
    goals: &[Goal],
    order: &[StorePath],
    mut seen: FxHashMap<StorePath, Seen>,
) -> Result<Plan, PlanError> {
    let outputs = |path: &StorePath, names: &BTreeSet<String>| -> BTreeMap<String, StorePath> {
        let all = seen[path].derivation.outputs.iter();
        all.filter(|(name, _)| names.is_empty() || names.contains(*name))
            .map(|(name, output)| (name.clone(), output.path.clone()))
            .collect()
    };
    let goal_outputs = goals.iter().map(|goal| outputs(&goal.derivation, &goal.outputs)).collect();
    let missing: Vec<&StorePath> = order.iter().filter(|path| seen[*path].missing).collect();

    // How many missing inputs each still waits for, and who waits for whom.
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

    let ids: FxHashMap<&StorePath, StepId> = sorted.iter().zip((0..).map(StepId)).collect();
    let mut plan = Plan {
        steps: Vec::with_capacity(sorted.len()),
        outputs: goal_outputs,
        present: order.len() - sorted.len(),
    };
    let mut direct: Vec<Vec<StorePath>> = sorted
        .iter()
        .map(|path| direct.remove(path).expect("every missing one has its inputs"))
        .collect();
    drop((waits, waiting));
    for (path, inputs) in sorted.iter().zip(direct.drain(..)) {
        let derivation = seen.remove(path).expect("it was read").derivation;
        let needs: Vec<StepId> =
            derivation.input_derivations.keys().filter_map(|i| ids.get(i).copied()).collect();
        let id = ids[path];
        for need in &needs {
            let step: &mut Step = &mut plan.steps[need.index()];
            step.needed_by.push(id);
        }
        let path = path.clone();
        plan.steps.push(Step { path, derivation, inputs, needs, needed_by: Vec::new(), chain: 0 });
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
pub(crate) mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::derivation::Output;

    /// A world of derivations by name, some of whose outputs are there.
    #[derive(Default)]
    struct World {
        derivations: FxHashMap<StorePath, Derivation>,
        valid: BTreeSet<StorePath>,
        questions: RefCell<usize>,
    }

    impl Lookup for World {
        fn derivation(&self, path: &StorePath) -> Result<Derivation, StoreError> {
            Ok(self.derivations[path].clone())
        }

        fn valid(&self, paths: &[StorePath]) -> Result<BTreeSet<StorePath>, StoreError> {
            *self.questions.borrow_mut() += 1;
            Ok(paths.iter().filter(|path| self.valid.contains(*path)).cloned().collect())
        }
    }

    fn path(name: &str) -> StorePath {
        let digest = blake3::hash(name.as_bytes());
        StorePath::new(digest.as_bytes()[..20].try_into().unwrap(), name).unwrap()
    }

    impl World {
        /// Each derivation has the outputs `out` and `dev`, and reads `out` of its inputs.
        fn new(steps: &[(&str, &[&str])]) -> Self {
            let mut world = Self::default();
            for (name, needs) in steps {
                let output = |output: &str| {
                    let made = Output { path: path(&format!("{name}-{output}")), fixed: None };
                    (output.to_owned(), made)
                };
                let out = BTreeSet::from(["out".to_owned()]);
                let needs = needs.iter().map(|n| (path(&format!("{n}.drv")), out.clone()));
                let derivation = Derivation {
                    name: (*name).to_owned(),
                    system: "builtin".to_owned(),
                    builder: b"builtin:text".to_vec(),
                    args: Vec::new(),
                    env: BTreeMap::new(),
                    structured: None,
                    outputs: [output("out"), output("dev")].into(),
                    input_derivations: needs.collect(),
                    input_sources: BTreeSet::new(),
                };
                world.derivations.insert(path(&format!("{name}.drv")), derivation);
            }
            world
        }

        fn plan(&self, goals: &[(&str, &[&str])]) -> Result<Plan, PlanError> {
            let goal = |(name, outputs): &(&str, &[&str])| Goal {
                derivation: path(&format!("{name}.drv")),
                outputs: outputs.iter().map(|&o| o.to_owned()).collect(),
            };
            plan(self, &goals.iter().map(goal).collect::<Vec<_>>())
        }
    }

    /// A plan of all these steps, for tests of what runs one.
    pub(crate) fn plan_of(steps: &[(&str, &[&str])]) -> Plan {
        let goals: Vec<_> = steps.iter().map(|(name, _)| (*name, &[][..])).collect();
        World::new(steps).plan(&goals).unwrap()
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.steps.iter().map(|step| step.derivation.name.as_str()).collect()
    }

    const DIAMOND: &[(&str, &[&str])] =
        &[("top", &["left", "right"]), ("left", &["base"]), ("right", &["base"]), ("base", &[])];

    #[test]
    fn inputs_come_before_what_needs_them() {
        let plan = World::new(DIAMOND).plan(&[("top", &[])]).unwrap();
        assert_eq!(names(&plan), ["base", "left", "right", "top"]);
        assert_eq!(plan.steps.iter().map(|s| s.chain).collect::<Vec<_>>(), [3, 2, 2, 1]);
        assert_eq!(plan.steps[3].inputs, [path("left-out"), path("right-out")]);
        assert_eq!(plan.steps[3].needs.iter().map(|id| id.index()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(plan.outputs[0]["dev"], path("top-dev"));
    }

    #[test]
    fn nothing_below_a_valid_output_is_looked_at() {
        let mut world = World::new(DIAMOND);
        world.valid.extend([path("left-out"), path("right-out")]);
        let plan = world.plan(&[("top", &[])]).unwrap();
        assert_eq!((names(&plan), plan.present), (vec!["top"], 2));
        assert_eq!(*world.questions.borrow(), 2, "one a level");

        world.valid.insert(path("top-out"));
        assert!(world.plan(&[("top", &["out"])]).unwrap().steps.is_empty());
        assert_eq!(names(&world.plan(&[("top", &["out", "dev"])]).unwrap()), ["top"]);
    }

    #[test]
    fn an_output_wanted_later_counts() {
        // `a` is met with `out`, which is there, and then with `dev`, which is not.
        let mut world = World::new(&[("a", &["z"]), ("z", &[]), ("b", &["a"])]);
        world.valid.extend([path("a-out")]);
        assert_eq!(names(&world.plan(&[("a", &["out"]), ("b", &[])]).unwrap()), ["b"]);
        let plan = world.plan(&[("b", &[]), ("a", &["dev"])]).unwrap();
        assert_eq!(names(&plan), ["z", "a", "b"]);
    }

    #[test]
    fn what_cannot_be_planned_is_named() {
        let error = World::new(DIAMOND).plan(&[("top", &["lib"])]).unwrap_err().to_string();
        assert!(error.contains("has no output 'lib'; it has dev, out"), "{error}");
        let world = World::new(&[("a", &["b"]), ("b", &["a"])]);
        assert!(matches!(world.plan(&[("a", &[])]), Err(PlanError::Cycle(_))));
        let mut world = World::new(&[("a", &[])]);
        let derivation = world.derivations.get_mut(&path("a.drv")).unwrap();
        derivation.input_sources.insert(path("source"));
        let error = world.plan(&[("a", &[])]).unwrap_err().to_string();
        assert!(error.contains("-source', which "), "{error}");
    }
}
