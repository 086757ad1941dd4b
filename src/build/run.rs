//! Realising a plan: each step is built under a lock, with a log, unless its outputs are there by then.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    BuildError, BuildFailure, Event, Observer,
    attempt::{Attempt, Folders, lock},
    builtin::Builtins,
    check::{self, Check},
    closures::Closures,
    digests::Digests,
    environment::fill_placeholders,
    executor::Executor,
    local::Local,
    log::Log,
    plan::{Job, Offer, Plan, Step, Work},
    queue::{self, After, Jobs, Outcome},
    sandbox::Limits,
};
use crate::{
    cache::Substituter,
    store::{PathLock, Store, StoreError},
    store_path::StorePath,
};

/// How often a build that waits for another process looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How builds are done.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many at a time.
    pub jobs: Jobs,
    /// Whether a failure stops only what depends on it; else nothing new is started after one, but for
    /// other fixed outputs if it was a wrong hash.
    pub keep_going: bool,
    /// How many processors one build may use: what `NIX_BUILD_CORES` says.
    pub cores: usize,
    /// What one build may use.
    pub limits: Limits,
    /// Whether the working directory of a failed build is kept.
    pub keep_failed: bool,
    /// The system of this machine, such as `x86_64-linux`.
    pub system: String,
    /// Outputs that are valid but damaged: they are built again, and replaced.
    pub damaged: BTreeSet<StorePath>,
}

/// Makes the outputs of plans valid. One serves any number of plans; it may be shared between threads.
pub struct Realiser<'a> {
    pub(super) store: &'a Store,
    pub(super) builtins: Builtins<'a>,
    pub(super) options: Options,
    pub(super) observer: &'a dyn Observer,
    pub(super) cancelled: &'a (dyn Fn() -> bool + Sync),
    pub(super) local: Local<'a>,
    /// Executors beside this machine.
    others: Vec<&'a dyn Executor>,
    pub(super) closures: Closures<'a>,
    pub(super) digests: Digests<'a>,
    check: Option<&'a Check>,
    substituters: &'a [&'a dyn Substituter],
}

impl<'a> Realiser<'a> {
    /// Builds into `store`. `cancelled` is asked often, and ends everything when it says so.
    #[must_use]
    pub fn new(
        store: &'a Store,
        builtins: Builtins<'a>,
        options: Options,
        observer: &'a dyn Observer,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        let (local, closures) = (Local::new(store, options.system.clone()), Closures::new(store));
        Self {
            store,
            builtins,
            options,
            observer,
            cancelled,
            local,
            others: Vec::new(),
            closures,
            digests: Digests::new(store),
            check: None,
            substituters: &[],
        }
    }

    /// Also runs programs by another executor. This machine comes first, then the others in order.
    #[must_use]
    pub fn with_executor(mut self, executor: &'a dyn Executor) -> Self {
        self.others.push(executor);
        self
    }

    /// All executors, in the order in which they are asked.
    pub(super) fn executors(&self) -> Vec<&dyn Executor> {
        let local: &dyn Executor = &self.local;
        std::iter::once(local).chain(self.others.iter().copied()).collect()
    }

    /// Compares what these derivations make with what is in the store, instead of adding it.
    #[must_use]
    pub fn checking(self, check: &'a Check) -> Self {
        Self { check: Some(check), ..self }
    }

    /// Takes what the plan says from these substituters: those that the plan was made with.
    #[must_use]
    pub fn substituting(self, substituters: &'a [&'a dyn Substituter]) -> Self {
        Self { substituters, ..self }
    }

    /// Runs a plan. All failures are in the outcome, and were told to the observer.
    pub fn run(&self, plan: &Plan) -> Outcome<BuildFailure> {
        self.observer.event(Event::Planned(plan));
        let work = |_, step: &Step| {
            let done = match &step.work {
                Work::Build(build) => self.build(Job { step, build }),
                Work::Substitute(offer) => self.substitute(step, offer),
            };
            done.map_err(|failure| {
                self.observer.event(Event::Failed(step, &failure));
                let after = self.after(&failure);
                (failure, after)
            })
        };
        let skip = |step: &Step, failed: &Step| self.observer.event(Event::Skipped(step, failed));
        let is_fetch =
            |step: &Step| step.build().is_none() || self.builtins.registry.is_fetch(step);
        let outcome = queue::run(plan, self.options.jobs, &is_fetch, &work, &skip, self.cancelled);
        let failed = outcome.failed.into_iter().map(|(id, failure)| (id, *failure)).collect();
        let Outcome { done, skipped, not_started, .. } = outcome;
        Outcome { done, failed, skipped, not_started }
    }

    /// What is still started after a failure.
    fn after(&self, failure: &BuildFailure) -> After {
        match failure.error.hash_mismatch() {
            _ if self.options.keep_going || failure.error.can_build_instead() => After::All,
            Some(_) => After::Fixed,
            None => After::Nothing,
        }
    }

    /// Takes a path from a substituter, unless another process makes it valid first.
    fn substitute(&self, step: &Step, offer: &Offer) -> Result<(), Box<BuildFailure>> {
        let path = &offer.info.path;
        let take = || -> Result<(), BuildError> {
            let _lock = self.lock(step)?;
            if self.store.is_valid(path)? {
                self.observer.event(Event::Finished(step, None));
                return Ok(());
            }
            let start = Instant::now();
            self.observer.event(Event::Started(step));
            self.substituters[offer.substituter].take(self.store, path)?;
            self.observer.event(Event::Finished(step, Some(start.elapsed())));
            Ok(())
        };
        take().map_err(|error| {
            Box::new(BuildFailure { path: path.clone(), error, tail: Vec::new(), kept: None })
        })
    }

    /// Makes the outputs of a build valid, unless another process does it first.
    fn build(&self, job: Job<'_>) -> Result<(), Box<BuildFailure>> {
        let fail = |error: BuildError| {
            let path = job.path.clone();
            Box::new(BuildFailure { path, error, tail: Vec::new(), kept: None })
        };
        let _lock = self.lock(job.step).map_err(fail)?;
        if self.is_done(job).map_err(|e| fail(e.into()))? {
            self.observer.event(Event::Finished(job.step, None));
            return Ok(());
        }
        let start = Instant::now();
        self.observer.event(Event::Started(job.step));
        self.attempt(job)?;
        self.observer.event(Event::Finished(job.step, Some(start.elapsed())));
        Ok(())
    }

    /// Whether all outputs are there, and those that were damaged are whole.
    fn is_done(&self, job: Job<'_>) -> Result<bool, StoreError> {
        let (store, damaged) = (self.store, &self.options.damaged);
        if self.check_of(job).is_some() {
            return Ok(false);
        }
        if store.valid(job.outputs())?.len() < job.derivation.outputs.len() {
            return Ok(false);
        }
        let doubtful: Vec<StorePath> =
            job.outputs().filter(|p| damaged.contains(*p)).cloned().collect();
        Ok(doubtful.is_empty() || store.verify(&doubtful, &|_| {})?.is_empty())
    }

    /// The comparison that a step is done for, if it is.
    fn check_of(&self, job: Job<'_>) -> Option<&'a Check> {
        self.check.filter(|check| check.covers(&job.path))
    }

    /// Waits until the clock shows another time than when the outputs of a step were made.
    fn wait_for_later(&self, job: Job<'_>) -> Result<(), BuildError> {
        let infos: Vec<_> = job
            .outputs()
            .filter_map(|path| self.store.info(path).transpose())
            .collect::<Result<_, _>>()?;
        let end = Instant::now() + check::until_later(&infos);
        while Instant::now() < end {
            if (self.cancelled)() {
                return Err(BuildError::Cancelled);
            }
            std::thread::sleep(LOOK_AGAIN.min(end.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    /// Keeps other processes from the same build. Derivations with a common output (by two addresses
    /// of one file) share the lock.
    fn lock(&self, step: &Step) -> Result<PathLock, BuildError> {
        let path = step.outputs().first().copied().unwrap_or_else(|| step.path());
        if let Some(lock) = self.store.try_lock(path)? {
            return Ok(lock);
        }
        self.observer.event(Event::Waiting(step));
        loop {
            if (self.cancelled)() {
                return Err(BuildError::Cancelled);
            }
            std::thread::sleep(LOOK_AGAIN);
            if let Some(lock) = self.store.try_lock(path)? {
                return Ok(lock);
            }
        }
    }

    /// Builds, with a log; what is needed of a failure is gathered before its scratch folder goes.
    fn attempt(&self, job: Job<'_>) -> Result<(), Box<BuildFailure>> {
        let observe = |line: &str| self.observer.event(Event::Line(job.step, line));
        let fail = |error, tail, kept| {
            let path = job.path.clone();
            Box::new(BuildFailure { path, error, tail, kept })
        };
        let file = self.store.create_log(&job.path);
        let file = file.map_err(|error| fail(error.into(), Vec::new(), None))?;
        let log = Mutex::new(Log::new(file, &observe));
        let mut kept = None;
        let result = self.prepared(job, &log, &mut kept);
        let (tail, incomplete) = log.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
        match (result, incomplete) {
            (Err(error), _) => Err(fail(error, tail, kept)),
            (Ok(()), Some(error)) => Err(fail(error.into(), tail, kept)),
            (Ok(()), None) => Ok(()),
        }
    }

    fn prepared(
        &self,
        job: Job<'_>,
        log: &Mutex<Log<'_>>,
        kept: &mut Option<PathBuf>,
    ) -> Result<(), BuildError> {
        let inputs = self.closures.of(&job.inputs)?;
        let scratch = self.store.scratch()?;
        let filled = fill_placeholders(&job.derivation);
        let derivation = filled.as_ref().unwrap_or(&job.derivation);
        let folders = Folders::make(&scratch)?;
        let check = self.check_of(job);
        if check.is_some() {
            self.wait_for_later(job)?;
        }
        let attempt = Attempt {
            realiser: self,
            job,
            derivation,
            inputs: &inputs,
            log,
            folders: &folders,
            check,
            start: Instant::now(),
        };
        let result = attempt.run();
        if result.as_ref().is_err_and(|error| !error.is_cancelled()) && self.options.keep_failed {
            // whatever happens here, why the build failed is what has to be told
            match self.keep(job, &folders) {
                Ok(place) => *kept = Some(place),
                Err(error) => {
                    lock(log).line(&format!("its working directory is not kept: {error}"));
                }
            }
        }
        result
    }

    /// Moves the working directory of a failed build to where it stays.
    fn keep(&self, job: Job<'_>, folders: &Folders) -> Result<PathBuf, BuildError> {
        let folder = self.store.failed();
        fs_err::create_dir_all(&folder)?;
        let name = &job.derivation.name;
        for number in 0.. {
            let kept = folder.join(format!("{name}-{number}"));
            match fs_err::create_dir(&kept) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e.into()),
                Ok(()) => {
                    // a folder can only be moved while it is writable
                    fs_err::set_permissions(&folders.build, PermissionsExt::from_mode(0o755))?;
                    fs_err::rename(&folders.build, &kept)?;
                    return Ok(kept);
                }
            }
        }
        unreachable!("numbers do not end")
    }
}
