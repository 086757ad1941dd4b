//! Realises a plan: each step is built under a lock, with a log, unless its outputs are valid by then.

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    BuildError, BuildFailure, Event, Realiser,
    attempt::{Attempt, Folders, lock},
    check::{self, Check},
    environment::fill_placeholders,
    log::Log,
    plan::{Job, Offer, Plan, Step, Work},
    queue::{self, After, Outcome},
};
use crate::{
    store::{PathLock, StoreError},
    store_path::StorePath,
};

/// The interval at which a build that waits for another process checks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl<'a> Realiser<'a> {
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

    /// The steps to start after a failure.
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

    /// True if all outputs are there, and those that were damaged are whole.
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

    /// The comparison of a step, if there is one.
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

    /// Builds with a log. The report of a failure is made before its scratch folder goes.
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
            // an error here must not hide why the build failed
            match self.keep(job, &folders) {
                Ok(place) => *kept = Some(place),
                Err(error) => {
                    lock(log).line(&format!("cannot keep its working directory: {error}"));
                }
            }
        }
        result
    }

    /// Keeps the working directory of a failed build.
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
