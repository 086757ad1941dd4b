//! Runs the steps of a plan in parallel, each when what it needs is done, the longest chain first.
//! Knows nothing of the work of a step.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use super::plan::{Plan, Step, StepId};

/// The numbers of parallel steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jobs {
    /// Builds at a time.
    pub builds: usize,
    /// Fetches and substitutes at a time, beside the builds: they wait for the network.
    pub fetches: usize,
}

/// The steps to start after a failure. Steps that depend on the failed one never start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum After {
    /// Everything.
    All,
    /// Fixed outputs, so that you see all wrong hashes at once.
    Fixed,
    /// Nothing.
    Nothing,
}

/// The outcome of a plan.
#[derive(Debug)]
pub struct Outcome<E> {
    /// The steps that were done.
    pub done: Vec<StepId>,
    /// The steps that failed, in the order in which they did.
    pub failed: Vec<(StepId, E)>,
    /// The steps that could not be started, and the failed one that each depends on.
    pub skipped: Vec<(StepId, StepId)>,
    /// The number of steps not started because the work was stopped.
    pub not_started: usize,
}

impl<E> Outcome<E> {
    /// True if every step was done.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && self.not_started == 0
    }
}

/// The state of a step. It goes down this list, and skips to or ends at one of the last three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many of the steps that it needs are not done.
    Waits(usize),
    /// In the heap.
    Ready,
    /// A worker has it.
    Runs,
    Done,
    Failed,
    /// A step that it needs, directly or not, has failed.
    Skipped,
}

/// Steps of each lane have workers of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Builds,
    Fetches,
}

/// Longest chain first, then in the plan's order.
type Heap = BinaryHeap<(u32, Reverse<StepId>)>;

struct Queue<'a, E> {
    plan: &'a Plan,
    progress: Mutex<Progress<E>>,
    changed: Condvar,
}

struct Progress<E> {
    states: Vec<State>,
    lanes: Vec<Lane>,
    builds: Heap,
    fetches: Heap,
    /// Steps that may still be started or are running.
    open: usize,
    running: usize,
    /// The steps ready to start.
    starts: After,
    outcome: Outcome<E>,
}

/// Runs `work` for every step. Its error says what may still be started. `is_fetch` says which steps
/// belong to the workers that wait for the network. `skip` is told of each step that cannot be started,
/// and of the failed step that it needs. When `cancelled` says so, nothing new is started; running
/// steps are expected to ask it themselves.
pub fn run<E: Send>(
    plan: &Plan,
    jobs: Jobs,
    is_fetch: &impl Fn(&Step) -> bool,
    work: &(impl Fn(StepId, &Step) -> Result<(), (E, After)> + Sync),
    skip: &(impl Fn(&Step, &Step) + Sync),
    cancelled: &(impl Fn() -> bool + Sync + ?Sized),
) -> Outcome<E> {
    let lane = |step| if is_fetch(step) { Lane::Fetches } else { Lane::Builds };
    let lanes: Vec<Lane> = plan.steps.iter().map(lane).collect();
    let fetches = lanes.iter().filter(|lane| **lane == Lane::Fetches).count();
    let workers = [
        (Lane::Builds, jobs.builds.max(1).min(plan.steps.len() - fetches)),
        (Lane::Fetches, jobs.fetches.max(1).min(fetches)),
    ];
    let queue = Queue::new(plan, lanes);
    std::thread::scope(|scope| {
        for (lane, number) in workers {
            for _ in 0..number {
                let queue = &queue;
                scope.spawn(move || queue.work(lane, work, skip, cancelled));
            }
        }
    });
    let progress = queue.progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    Outcome { not_started: progress.open, ..progress.outcome }
}

impl<'a, E: Send> Queue<'a, E> {
    fn new(plan: &'a Plan, lanes: Vec<Lane>) -> Self {
        let mut progress = Progress {
            states: plan.steps.iter().map(|step| State::Waits(step.needs.len())).collect(),
            lanes,
            builds: Heap::new(),
            fetches: Heap::new(),
            open: plan.steps.len(),
            running: 0,
            starts: After::All,
            outcome: Outcome {
                done: Vec::with_capacity(plan.steps.len()),
                failed: Vec::new(),
                skipped: Vec::new(),
                not_started: 0,
            },
        };
        for id in plan.ids().filter(|&id| plan.step(id).needs.is_empty()) {
            progress.set(plan, id, State::Ready);
        }
        Self { plan, progress: Mutex::new(progress), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Progress<E>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(
        &self,
        lane: Lane,
        work: &(impl Fn(StepId, &Step) -> Result<(), (E, After)> + Sync),
        skip: &(impl Fn(&Step, &Step) + Sync),
        cancelled: &(impl Fn() -> bool + Sync + ?Sized),
    ) {
        let mut progress = self.lock();
        loop {
            if progress.is_over() {
                return;
            }
            let Some(id) = progress.next(self.plan, lane) else {
                if progress.is_over() {
                    // what was left in this lane is not to be started: the others need not wait for it
                    self.changed.notify_all();
                    return;
                }
                progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            progress.set(self.plan, id, State::Runs);
            drop(progress);
            let result = work(id, self.plan.step(id));
            progress = self.lock();
            match result {
                Ok(()) => self.done(&mut progress, id),
                Err((error, after)) => {
                    progress.set(self.plan, id, State::Failed);
                    progress.outcome.failed.push((id, error));
                    self.skip_dependents(&mut progress, id, skip);
                    progress.starts = progress.starts.max(after);
                }
            }
            if cancelled() {
                progress.starts = After::Nothing;
            }
            self.changed.notify_all();
        }
    }

    fn done(&self, progress: &mut Progress<E>, id: StepId) {
        progress.set(self.plan, id, State::Done);
        progress.outcome.done.push(id);
        for &next in &self.plan.step(id).needed_by {
            if let State::Waits(left) = progress.states[next.index()] {
                let state = if left == 1 { State::Ready } else { State::Waits(left - 1) };
                progress.set(self.plan, next, state);
            }
        }
    }

    fn skip_dependents(
        &self,
        progress: &mut Progress<E>,
        failed: StepId,
        skip: &(impl Fn(&Step, &Step) + Sync),
    ) {
        let mut next = vec![failed];
        while let Some(id) = next.pop() {
            for &dependent in &self.plan.step(id).needed_by {
                if matches!(progress.states[dependent.index()], State::Waits(_)) {
                    progress.set(self.plan, dependent, State::Skipped);
                    progress.outcome.skipped.push((dependent, failed));
                    skip(self.plan.step(dependent), self.plan.step(failed));
                    next.push(dependent);
                }
            }
        }
    }
}

impl<E> Progress<E> {
    /// True if nothing is left that may be started, now or later.
    fn is_over(&self) -> bool {
        match self.starts {
            After::All => self.open == 0,
            // running steps may make others ready
            After::Fixed => self.open == 0 || (self.running == 0 && self.ready() == 0),
            After::Nothing => true,
        }
    }

    fn ready(&self) -> usize {
        self.builds.len() + self.fetches.len()
    }

    /// Takes the next step of a lane that may be started.
    fn next(&mut self, plan: &Plan, lane: Lane) -> Option<StepId> {
        loop {
            let (_, Reverse(id)) = self.heap(lane).pop()?;
            if self.starts == After::All || plan.step(id).is_fixed() {
                return Some(id);
            }
        }
    }

    fn heap(&mut self, lane: Lane) -> &mut Heap {
        match lane {
            Lane::Builds => &mut self.builds,
            Lane::Fetches => &mut self.fetches,
        }
    }

    /// Every change of a step's state goes through here.
    fn set(&mut self, plan: &Plan, id: StepId, state: State) {
        match state {
            State::Ready => {
                let lane = self.lanes[id.index()];
                self.heap(lane).push((plan.step(id).chain, Reverse(id)));
            }
            State::Done | State::Failed | State::Skipped => self.open -= 1,
            State::Runs => self.running += 1,
            State::Waits(_) => {}
        }
        if self.states[id.index()] == State::Runs {
            self.running -= 1;
        }
        self.states[id.index()] = state;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::build::plan::{Work, tests::plan_of};

    const JOBS: Jobs = Jobs { builds: 3, fetches: 2 };

    fn never() -> bool {
        false
    }

    fn is_fetch(step: &Step) -> bool {
        step.build().is_some_and(|build| build.builtin() == Some("fetch"))
    }

    fn names(plan: &Plan, ids: impl IntoIterator<Item = StepId>) -> Vec<String> {
        let mut names: Vec<_> = ids.into_iter().map(|id| plan.step(id).name().to_owned()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_step_starts_when_all_that_it_needs_is_done() {
        let plan = plan_of(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
        let log = Mutex::new(Vec::new());
        let work = |_: StepId, step: &Step| -> Result<(), ((), After)> {
            std::thread::sleep(std::time::Duration::from_millis(5));
            log.lock().unwrap().push(step.name().to_owned());
            Ok(())
        };
        let outcome = run(&plan, JOBS, &is_fetch, &work, &|_, _| (), &never);
        assert!(outcome.is_success());
        let log = log.into_inner().unwrap();
        assert_eq!((log[0].as_str(), log[3].as_str(), log.len()), ("a", "d", 4));
    }

    #[test]
    fn the_longest_chain_goes_first() {
        let plan = plan_of(&[("x", &[]), ("y", &[]), ("a", &[]), ("b", &["a"]), ("c", &["b"])]);
        let log = Mutex::new(Vec::new());
        let work = |_: StepId, step: &Step| -> Result<(), ((), After)> {
            log.lock().unwrap().push(step.name().to_owned());
            Ok(())
        };
        run(&plan, Jobs { builds: 1, ..JOBS }, &is_fetch, &work, &|_, _| (), &never);
        assert_eq!(*log.lock().unwrap(), ["a", "b", "x", "y", "c"]);
    }

    #[test]
    fn a_failure_stops_only_what_depends_on_it() {
        let steps: &[(&str, &[&str])] =
            &[("bad", &[]), ("b", &["bad"]), ("c", &["b", "ok"]), ("ok", &[]), ("d", &["ok"])];
        let plan = plan_of(steps);
        let fail = |_: StepId, step: &Step| match step.name() {
            "bad" => Err(("it failed", After::All)),
            _ => Ok(()),
        };
        let skipped = AtomicUsize::new(0);
        let skip = |_: &Step, because: &Step| {
            assert_eq!(because.name(), "bad");
            skipped.fetch_add(1, Ordering::Relaxed);
        };
        let outcome = run(&plan, JOBS, &is_fetch, &fail, &skip, &never);
        assert_eq!(names(&plan, outcome.done), ["d", "ok"]);
        assert_eq!(names(&plan, outcome.failed.iter().map(|f| f.0)), ["bad"]);
        assert_eq!(names(&plan, outcome.skipped.iter().map(|s| s.0)), ["b", "c"]);
        assert_eq!((outcome.not_started, skipped.into_inner()), (0, 2));
    }

    #[test]
    fn a_failure_may_end_all() {
        let plan = plan_of(&[("a", &[]), ("b", &[]), ("c", &[])]);
        let jobs = Jobs { builds: 1, fetches: 1 };
        let fail = |_: StepId, _: &Step| Err(("it failed", After::Nothing));
        let outcome = run(&plan, jobs, &is_fetch, &fail, &|_, _| (), &never);
        assert_eq!((outcome.failed.len(), outcome.not_started), (1, 2));
        let outcome =
            run(&plan, jobs, &is_fetch, &|_, _| Ok::<(), ((), After)>(()), &|_, _| (), &|| true);
        assert_eq!((outcome.done.len(), outcome.not_started), (1, 2));
        assert!(!outcome.is_success());
    }

    #[test]
    fn after_a_wrong_hash_all_that_is_fixed_is_tried() {
        // `f` is a fetch behind a fetch, `x` a fixed output that a program makes, the rest are builds
        let steps: &[(&str, &[&str])] = &[
            ("bad", &[]),
            ("worse", &[]),
            ("g", &[]),
            ("f", &["g"]),
            ("x", &[]),
            ("a", &[]),
            ("b", &["g"]),
            ("c", &["f"]),
        ];
        let mut plan = plan_of(steps);
        for step in &mut plan.steps {
            let Work::Build(step) = &mut step.work else { continue };
            let name = step.derivation.name.as_str();
            if ["a", "b", "c"].contains(&name) {
                continue;
            }
            if name != "x" {
                step.derivation.builder = b"builtin:fetch".to_vec();
            }
            let hash = crate::hash::Algorithm::Sha256.digest(name.as_bytes());
            let fixed = crate::derivation::Fixed { mode: crate::derivation::HashMode::Flat, hash };
            step.derivation.outputs.values_mut().for_each(|output| output.fixed = Some(fixed));
        }
        for builds in 1..4 {
            let failed = std::sync::atomic::AtomicBool::new(false);
            let order = std::sync::atomic::Ordering::Relaxed;
            let work = |_: StepId, step: &Step| match step.name() {
                "bad" | "worse" => {
                    failed.store(true, order);
                    Err(("another hash", After::Fixed))
                }
                // what needs this may start only after the first failure is known
                "g" => {
                    while !failed.load(order) {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    Ok(())
                }
                _ => Ok(()),
            };
            let jobs = Jobs { builds, fetches: 2 };
            let outcome = run(&plan, jobs, &is_fetch, &work, &|_, _| (), &never);
            assert_eq!(names(&plan, outcome.failed.iter().map(|f| f.0)), ["bad", "worse"]);
            let done = names(&plan, outcome.done.iter().copied());
            assert!(["f", "g", "x"].iter().all(|name| done.iter().any(|d| d == name)), "{done:?}");
            // what needs a fetch that came late was not started any more
            assert!(done.iter().all(|name| name != "c"), "{done:?}");
            assert!(outcome.not_started >= 1 && !outcome.is_success());
        }
    }

    #[test]
    fn thousands_of_steps_are_no_work_for_the_queue() {
        let names: Vec<String> = (0..5000).map(|n| format!("s{n}")).collect();
        let before: Vec<Vec<&str>> = (0..5000usize)
            .map(|n| [n / 2, n / 3].iter().filter(|&&i| i < n).map(|&i| &*names[i]).collect())
            .collect();
        let steps: Vec<(&str, &[&str])> =
            names.iter().zip(&before).map(|(name, needs)| (name.as_str(), &needs[..])).collect();
        let plan = plan_of(&steps);
        let work = |_: StepId, _: &Step| Ok::<(), ((), After)>(());
        let outcome = run(&plan, JOBS, &is_fetch, &work, &|_, _| (), &never);
        assert_eq!(outcome.done.len(), 5000);
    }
}
