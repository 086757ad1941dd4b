//! Plans of small worlds, and of many that look random.

use std::cell::RefCell;

use super::*;
use crate::derivation::Output;

/// A world of derivations by name, some of whose outputs are there.
#[derive(Default)]
struct World {
    derivations: FxHashMap<StorePath, Derivation>,
    valid: BTreeSet<StorePath>,
    /// The substitutes and their references.
    offered: FxHashMap<StorePath, BTreeSet<StorePath>>,
    questions: RefCell<usize>,
}

impl Lookup for World {
    fn derivation(&self, path: &StorePath) -> Result<Derivation, StoreError> {
        Ok(self.derivations[path].clone())
    }

    fn find(&self, paths: &[StorePath]) -> Result<Vec<Availability>, StoreError> {
        *self.questions.borrow_mut() += 1;
        let find = |path| match (self.valid.contains(path), self.offered.get(path)) {
            (true, _) => Availability::Valid,
            (_, Some(references)) => Availability::Substitutable(Box::new(offer(path, references))),
            _ => Availability::Unavailable,
        };
        Ok(paths.iter().map(find).collect())
    }
}

fn offer(path: &StorePath, references: &BTreeSet<StorePath>) -> Offer {
    let info = PathInfo {
        path: path.clone(),
        tree: crate::hash::TreeHash([0; 32]),
        size: 0,
        references: references.clone(),
        deriver: None,
        nar: None,
        signatures: BTreeSet::new(),
        registered: 0,
    };
    Offer { info, substituter: 0 }
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
    plan.steps.iter().map(Step::name).collect()
}

const DIAMOND: &[(&str, &[&str])] =
    &[("top", &["left", "right"]), ("left", &["base"]), ("right", &["base"]), ("base", &[])];

#[test]
fn inputs_come_before_what_needs_them() {
    let plan = World::new(DIAMOND).plan(&[("top", &[])]).unwrap();
    assert_eq!(names(&plan), ["base", "left", "right", "top"]);
    assert_eq!(plan.steps.iter().map(|s| s.chain).collect::<Vec<_>>(), [3, 2, 2, 1]);
    assert_eq!(plan.steps[3].build().unwrap().inputs, [path("left-out"), path("right-out")]);
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

impl World {
    /// Lets an output be taken, which refers to others.
    fn offer(&mut self, output: &str, references: &[&str]) {
        self.offered.insert(path(output), references.iter().map(|name| path(name)).collect());
    }
}

/// The place of a step in a plan.
fn place(plan: &Plan, name: &str) -> usize {
    plan.steps.iter().position(|step| step.name() == name).unwrap()
}

#[test]
fn what_can_be_taken_is_taken_with_what_it_refers_to() {
    let mut world = World::new(DIAMOND);
    // a text that no derivation makes comes along; what `right` refers to is there
    world.offer("left-out", &["base-out", "text", "left-out"]);
    world.offer("base-out", &[]);
    world.offer("text", &[]);
    world.offer("right-out", &["there"]);
    world.offer("there", &[]);
    world.offer("other", &[]);
    world.valid.insert(path("there"));
    let plan = world.plan(&[("top", &[])]).unwrap();
    let mut taken: Vec<&str> = plan.substitutes().map(|offer| offer.info.path.name()).collect();
    taken.sort_unstable();
    assert_eq!(taken, ["base-out", "left-out", "right-out", "text"]);
    assert_eq!(plan.builds().map(|b| &*b.derivation.name).collect::<Vec<_>>(), ["top"]);
    assert_eq!((plan.present, plan.steps.len()), (0, 5));
    let left = &plan.steps[place(&plan, "left-out")];
    let needs: BTreeSet<usize> = left.needs.iter().map(|id| id.index()).collect();
    assert_eq!(needs, [place(&plan, "base-out"), place(&plan, "text")].into());
    let top = &plan.steps[place(&plan, "top")];
    let needs: BTreeSet<usize> = top.needs.iter().map(|id| id.index()).collect();
    assert_eq!(needs, [place(&plan, "left-out"), place(&plan, "right-out")].into());
    assert_eq!(plan.steps[place(&plan, "base-out")].chain, 3);
}

#[test]
fn a_derivation_is_built_if_one_wanted_output_cannot_be_had() {
    let mut world = World::new(DIAMOND);
    world.offer("top-out", &[]);
    let plan = world.plan(&[("top", &["out"])]).unwrap();
    assert_eq!((names(&plan), plan.present), (vec!["top-out"], 0));
    let plan = world.plan(&[("top", &["out"]), ("top", &["dev"])]).unwrap();
    assert_eq!(names(&plan), ["base", "left", "right", "top"]);
    world.offer("top-dev", &[]);
    assert_eq!(names(&world.plan(&[("top", &[])]).unwrap()).len(), 2);
    world.valid.insert(path("top-out"));
    assert_eq!(names(&world.plan(&[("top", &[])]).unwrap()), ["top-dev"]);
}

#[test]
fn a_source_is_taken_for_the_build_that_reads_it() {
    let mut world = World::new(&[("a", &[])]);
    let derivation = world.derivations.get_mut(&path("a.drv")).unwrap();
    derivation.input_sources.insert(path("source"));
    world.offer("source", &[]);
    assert_eq!(names(&world.plan(&[("a", &[])]).unwrap()), ["source", "a"]);
    world.offer("a-out", &[]);
    assert_eq!(names(&world.plan(&[("a", &["out"])]).unwrap()), ["a-out"]);
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % end
    }
}

#[test]
fn nothing_is_built_that_can_be_taken_and_nothing_taken_that_is_not_needed() {
    let mut numbers = Numbers(7);
    for _ in 0..500 {
        let count = 2 + numbers.below(12);
        let all: Vec<String> = (0..count).map(|n| format!("d{n}")).collect();
        let needs: Vec<Vec<&str>> = (0..count)
            .map(|n| (0..n).filter(|_| numbers.below(3) == 0).map(|m| &*all[m]).collect())
            .collect();
        let steps: Vec<(&str, &[&str])> =
            all.iter().zip(&needs).map(|(name, needs)| (&**name, &needs[..])).collect();
        let mut world = World::new(&steps);
        for (n, name) in all.iter().enumerate() {
            match numbers.below(4) {
                0 => drop(world.valid.insert(path(&format!("{name}-out")))),
                1 => {
                    // its references are available, as a substituter promises
                    let outs = (0..n).map(|m| format!("{}-out", all[m])).filter(|out| {
                        let out = path(out);
                        world.valid.contains(&out) || world.offered.contains_key(&out)
                    });
                    let outs: Vec<String> = outs.filter(|_| numbers.below(2) == 0).collect();
                    let outs: Vec<&str> = outs.iter().map(String::as_str).collect();
                    world.offer(&format!("{name}-out"), &outs);
                }
                _ => {}
            }
        }
        let goal = &all[numbers.below(count)];
        let plan = world.plan(&[(goal, &["out"])]).unwrap();
        let can_be_had =
            |path: &StorePath| world.valid.contains(path) || world.offered.contains_key(path);
        let mut needed: BTreeSet<StorePath> = [path(&format!("{goal}-out"))].into();
        for build in plan.builds() {
            let out = &build.derivation.outputs["out"].path;
            assert!(!can_be_had(out), "{out} is built and can be had");
            needed.extend(build.inputs.iter().cloned());
        }
        for offer in plan.substitutes() {
            assert!(!world.valid.contains(&offer.info.path), "it is there");
            needed.extend(offer.info.references.iter().cloned());
        }
        // each step makes something that is needed, and all that is needed is made or there
        let made: BTreeSet<&StorePath> = plan.steps.iter().flat_map(Step::outputs).collect();
        for step in &plan.steps {
            assert!(step.outputs().iter().any(|path| needed.contains(*path)), "{}", step.name());
        }
        for path in &needed {
            assert!(made.contains(path) || world.valid.contains(path), "{path} is missing");
        }
        // a step stands behind what makes its inputs, and needs it
        for (at, step) in plan.steps.iter().enumerate() {
            let inputs: Vec<&StorePath> = match &step.work {
                Work::Build(build) => build.inputs.iter().collect(),
                Work::Substitute(offer) => offer.info.references.iter().collect(),
            };
            for input in inputs.into_iter().filter(|input| !world.valid.contains(*input)) {
                let maker = plan.steps.iter().position(|s| s.outputs().contains(&input));
                let maker = maker.unwrap();
                assert!(maker < at && step.needs.iter().any(|id| id.index() == maker));
            }
        }
    }
}
