//! One build from a derivation to registered outputs.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::PermissionsExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    BuildError, BuildFailure, Event, Observer,
    attributes::Attributes,
    builtin::{BuiltinKind, Builtins},
    check::{self, Check},
    environment::{BUILD_DIR, environment, fill_placeholders},
    graph::InputGraph,
    inputs::Closures,
    log::Log,
    outputs,
    plan::{Plan, Step},
    queue::{self, After, Jobs, Outcome},
    sandbox::{Exit, Limits, Request, Sandbox, SandboxError, Watch},
    task::{Task, TaskError},
};
use crate::{
    derivation::Derivation,
    inputs::Inputs,
    store::{Insertion, PathLock, Scratch, Store, StoreError},
    store_path::{STORE_DIR, StorePath},
    tree::{Bounds, TreeError},
};

/// How often a build that waits for another process looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How builds are done.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many at a time.
    pub jobs: Jobs,
    /// Whether a failure stops only what depends on it; else nothing new is started after one, but for
    /// other fixed outputs where it was a wrong hash.
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

/// What builds are done with. One serves any number of plans; it may be shared between threads.
pub struct Builder<'a> {
    store: &'a Store,
    builtins: Builtins<'a>,
    options: Options,
    observer: &'a dyn Observer,
    cancelled: &'a (dyn Fn() -> bool + Sync),
    sandbox: Sandbox,
    closures: Closures<'a>,
    check: Option<&'a Check>,
}

impl<'a> Builder<'a> {
    /// Builds into `store`. `cancelled` is asked often, and ends everything when it says so.
    #[must_use]
    pub fn new(
        store: &'a Store,
        builtins: Builtins<'a>,
        options: Options,
        observer: &'a dyn Observer,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        let (sandbox, closures) = (Sandbox::within(store.root()), Closures::new(store));
        Self { store, builtins, options, observer, cancelled, sandbox, closures, check: None }
    }

    /// Compares what these derivations make with what is in the store, instead of adding it.
    #[must_use]
    pub fn checking(self, check: &'a Check) -> Self {
        Self { check: Some(check), ..self }
    }

    /// Runs a plan. All failures are in the outcome, and were told to the observer.
    pub fn run(&self, plan: &Plan) -> Outcome<BuildFailure> {
        self.observer.event(Event::Planned(plan));
        let work = |_, step: &Step| {
            self.build(step).map_err(|failure| {
                let after = self.after(&failure);
                (failure, after)
            })
        };
        let skip = |step: &Step, failed: &Step| self.observer.event(Event::Skipped(step, failed));
        let is_fetch = |step: &Step| self.builtins.registry.is_fetch(step);
        let outcome = queue::run(plan, self.options.jobs, &is_fetch, &work, &skip, self.cancelled);
        let failed = outcome.failed.into_iter().map(|(id, failure)| (id, *failure)).collect();
        let Outcome { done, skipped, not_started, .. } = outcome;
        Outcome { done, failed, skipped, not_started }
    }

    /// What is still started after a failure.
    fn after(&self, failure: &BuildFailure) -> After {
        match failure.error.hash_mismatch() {
            _ if self.options.keep_going => After::All,
            Some(_) => After::Fixed,
            None => After::Nothing,
        }
    }

    /// Makes the outputs of a step valid, unless another process does it first.
    fn build(&self, step: &Step) -> Result<(), Box<BuildFailure>> {
        let result = self.locked(step);
        if let Err(failure) = &result {
            self.observer.event(Event::Failed(step, failure));
        }
        result
    }

    fn locked(&self, step: &Step) -> Result<(), Box<BuildFailure>> {
        let fail = |error: BuildError| {
            let derivation = step.path.clone();
            Box::new(BuildFailure { derivation, error, tail: Vec::new(), kept: None })
        };
        let _lock = self.lock(step).map_err(fail)?;
        if self.is_done(step).map_err(|e| fail(e.into()))? {
            self.observer.event(Event::Finished(step, None));
            return Ok(());
        }
        let start = Instant::now();
        self.observer.event(Event::Started(step));
        self.attempt(step)?;
        self.observer.event(Event::Finished(step, Some(start.elapsed())));
        Ok(())
    }

    /// Whether all outputs are there, and are whole where they were said to be damaged.
    fn is_done(&self, step: &Step) -> Result<bool, StoreError> {
        let (store, damaged) = (self.store, &self.options.damaged);
        if self.check_of(step).is_some() {
            return Ok(false);
        }
        if store.valid(step.outputs())?.len() < step.derivation.outputs.len() {
            return Ok(false);
        }
        let doubtful: Vec<StorePath> =
            step.outputs().filter(|p| damaged.contains(*p)).cloned().collect();
        Ok(doubtful.is_empty() || store.verify(&doubtful, &|_| {})?.is_empty())
    }

    /// The comparison that a step is done for, if it is.
    fn check_of(&self, step: &Step) -> Option<&'a Check> {
        self.check.filter(|check| check.covers(&step.path))
    }

    /// Waits until the clock shows another time than when the outputs of a step were made.
    fn wait_for_later(&self, step: &Step) -> Result<(), BuildError> {
        let infos: Vec<_> = step
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
        let path = step.outputs().next().unwrap_or(&step.path);
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
    fn attempt(&self, step: &Step) -> Result<(), Box<BuildFailure>> {
        let observe = |line: &str| self.observer.event(Event::Line(step, line));
        let fail = |error, tail, kept| {
            let derivation = step.path.clone();
            Box::new(BuildFailure { derivation, error, tail, kept })
        };
        let file = self.store.create_log(&step.path);
        let file = file.map_err(|error| fail(error.into(), Vec::new(), None))?;
        let log = Mutex::new(Log::new(file, &observe));
        let mut kept = None;
        let result = self.prepared(step, &log, &mut kept);
        let (tail, incomplete) = log.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
        match (result, incomplete) {
            (Err(error), _) => Err(fail(error, tail, kept)),
            (Ok(()), Some(error)) => Err(fail(error.into(), tail, kept)),
            (Ok(()), None) => Ok(()),
        }
    }

    fn prepared(
        &self,
        step: &Step,
        log: &Mutex<Log<'_>>,
        kept: &mut Option<PathBuf>,
    ) -> Result<(), BuildError> {
        let inputs = self.closures.of(&step.inputs)?;
        let scratch = self.store.scratch()?;
        let filled = fill_placeholders(&step.derivation);
        let derivation = filled.as_ref().unwrap_or(&step.derivation);
        let place = Place::make(&scratch)?;
        let check = self.check_of(step);
        if check.is_some() {
            self.wait_for_later(step)?;
        }
        let inputs = &inputs;
        let (place_of, start) = (&place, Instant::now());
        let build =
            Build { builder: self, step, derivation, inputs, log, place: place_of, check, start };
        let result = match step.builtin() {
            Some(name) => build.run_builtin(name),
            None => build.run_program(),
        };
        let result = result.and_then(|()| build.bounded(|bounds| build.register(bounds)));
        if result.as_ref().is_err_and(|error| !error.is_cancelled()) && self.options.keep_failed {
            // whatever happens here, why the build failed is what has to be told
            match self.keep(step, &place) {
                Ok(place) => *kept = Some(place),
                Err(error) => {
                    lock(log).line(&format!("its working directory is not kept: {error}"));
                }
            }
        }
        result
    }

    /// Moves the working directory of a failed build to where it stays.
    fn keep(&self, step: &Step, place: &Place) -> Result<PathBuf, BuildError> {
        let folder = self.store.failed();
        fs_err::create_dir_all(&folder)?;
        let name = &step.derivation.name;
        for number in 0.. {
            let kept = folder.join(format!("{name}-{number}"));
            match fs_err::create_dir(&kept) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e.into()),
                Ok(()) => {
                    // a folder can only be moved while it is writable
                    fs_err::set_permissions(&place.build, PermissionsExt::from_mode(0o755))?;
                    fs_err::rename(&place.build, &kept)?;
                    return Ok(kept);
                }
            }
        }
        unreachable!("numbers do not end")
    }
}

/// The folders of one build, in its scratch folder.
struct Place {
    /// The working directory.
    build: PathBuf,
    /// What the builder sees as the store dir; outputs appear in it.
    store: PathBuf,
}

impl Place {
    fn make(scratch: &Scratch) -> Result<Self, BuildError> {
        let folder = |name: &str| -> Result<PathBuf, BuildError> {
            let path = scratch.path().join(name);
            fs_err::create_dir(&path)?;
            // whatever the caller's mask: the builder sees it
            fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
            Ok(path)
        };
        Ok(Self { build: folder("build")?, store: folder("store")? })
    }
}

/// One build while it runs.
struct Build<'a, 'l> {
    builder: &'a Builder<'a>,
    step: &'a Step,
    /// The step's derivation without placeholders.
    derivation: &'a Derivation,
    /// The closure of its inputs, ordered.
    inputs: &'a [StorePath],
    log: &'a Mutex<Log<'l>>,
    place: &'a Place,
    check: Option<&'a Check>,
    start: Instant,
}

impl Build<'_, '_> {
    /// Why work on what the builder has made is to end, if it is.
    fn over(&self) -> Option<BuildError> {
        if (self.builder.cancelled)() {
            return Some(BuildError::Cancelled);
        }
        // built-in builders have no limit of time
        let limit = self.builder.options.limits.wall.filter(|_| self.step.builtin().is_none())?;
        (self.start.elapsed() > limit).then(|| SandboxError::Wall(limit).into())
    }

    /// Does something with what the builder has made, whatever that is: it can be stopped at any moment, as the
    /// builder could.
    fn bounded<T>(
        &self,
        work: impl FnOnce(Bounds<'_>) -> Result<T, BuildError>,
    ) -> Result<T, BuildError> {
        let stop = || self.over().is_some();
        let disk = rustix::fs::statvfs(&self.place.store)
            .map_or(0, |found| found.f_blocks.saturating_mul(found.f_frsize));
        // some file systems do not tell
        let disk = if disk == 0 { u64::MAX } else { disk };
        // built-in builders have no limit of their own
        let most = self.builder.options.limits.disk.filter(|_| self.step.builtin().is_none());
        let (largest, limit) = match most {
            Some(most) if most < disk => (most, "the limit set by --max-disk"),
            _ => (disk, "the size of its disk"),
        };
        work(Bounds { stop: &stop, largest, limit }).map_err(|error| match error {
            BuildError::Archive(TreeError::Stopped)
            | BuildError::Store(StoreError::Archive(TreeError::Stopped)) => {
                self.over().unwrap_or(error)
            }
            error => error,
        })
    }

    /// Runs the derivation's program in the sandbox.
    fn run_program(&self) -> Result<(), BuildError> {
        let options = &self.builder.options;
        let derivation = self.derivation;
        if derivation.system != options.system {
            let (needed, here) = (derivation.system.clone(), options.system.clone());
            return Err(BuildError::System { needed, here });
        }
        if !derivation.builder.starts_with(b"/") {
            let builder = String::from_utf8_lossy(&derivation.builder).into_owned();
            return Err(BuildError::Relative(builder));
        }
        let attributes = Attributes::of(derivation)?;
        attributes.check_supported()?;
        if attributes.list("impureEnvVars")?.is_some_and(|names| !names.is_empty()) {
            lock(self.log).line("impureEnvVars is ignored: no variable of yours reaches a build");
        }
        let vary = self.check.map(|_| check::variation(options.cores));
        let cores = vary.map_or(options.cores, |vary| vary.processors);
        let over = || self.over();
        let graphs = self.input_graph(&over).exports(&attributes)?;
        let environment = environment(derivation, cores, graphs)?;
        for (name, content) in &environment.files {
            fs_err::write(self.place.build.join(name), content)?;
        }
        let mut request = Request::new(derivation.builder.clone())
            .args(derivation.args.iter().cloned())
            .writable(&self.place.build, BUILD_DIR)
            .writable(&self.place.store, STORE_DIR);
        request.env = environment.variables.into_iter().collect();
        request.root = self.root()?;
        request.network = derivation.is_fixed();
        match self.sandboxed(self.with_inputs(request))? {
            Exit::Code(0) => {}
            exit => return Err(BuildError::Exit(exit)),
        }
        outputs::check_present(derivation, self.inputs, &self.place.store)?;
        self.bounded(|bounds| outputs::check_links(derivation, &self.place.store, bounds))
    }

    /// The inputs, for those who ask for their graph.
    fn input_graph<'i>(&'i self, over: &'i dyn Fn() -> Option<BuildError>) -> InputGraph<'i> {
        InputGraph { store: self.builder.store, closure: self.inputs, over }
    }

    /// The folder that shows as the root directory, where the derivation names one.
    fn root(&self) -> Result<Option<PathBuf>, BuildError> {
        let Some(text) = Attributes::of(self.derivation)?.text("sandboxRoot")? else {
            return Ok(None);
        };
        match StorePath::parse(&text) {
            Ok(path) if self.inputs.binary_search(&path).is_ok() => {
                let root = self.builder.store.real(&path);
                // a link would lead to a folder of the host
                match fs_err::symlink_metadata(&root)?.is_dir() {
                    true => Ok(Some(root)),
                    false => Err(BuildError::NoFolder(text)),
                }
            }
            _ => Err(BuildError::Root(text)),
        }
    }

    /// Shows the closure of the inputs at its own paths.
    fn with_inputs(&self, request: Request) -> Request {
        let show = |request: Request, path: &StorePath| {
            request.read_only(self.builder.store.real(path), path.to_string())
        };
        match self.check {
            None => self.inputs.iter().fold(request, show),
            // on some file systems the last that was made is the first that is listed
            Some(_) => self.inputs.iter().rev().fold(request, show),
        }
    }

    fn sandboxed(&self, request: Request) -> Result<Exit, BuildError> {
        let mut output = |bytes: &[u8]| lock(self.log).bytes(bytes);
        let watch = Watch { output: &mut output, cancelled: self.builder.cancelled };
        let options = &self.builder.options;
        let vary = self.check.map(|_| check::variation(options.cores));
        let request = Request { limits: options.limits, vary, ..request };
        Ok(self.builder.sandbox.run(&request, watch)?)
    }

    /// Runs a built-in builder.
    fn run_builtin(&self, name: &str) -> Result<(), BuildError> {
        let Builtins { registry, network } = self.builder.builtins;
        let builtin =
            registry.get(name).ok_or_else(|| BuildError::UnknownBuiltin(name.to_owned()))?;
        let places = outputs::places(self.derivation, &self.place.store);
        let sandbox = |request: &Request| self.run_for_task(request);
        let graph = |path: &StorePath| {
            let found = self.input_graph(&|| self.over()).graph(path);
            found.map_err(|error| TaskError::Failed(error.to_string()))
        };
        let log = |line: &str| lock(self.log).line(line);
        let progress = |done, of| {
            self.builder.observer.event(Event::Progress(self.step, done, of));
        };
        let task = Task {
            derivation: self.derivation,
            outputs: &places,
            scratch: &self.place.build,
            inputs: Inputs::new(self.builder.store.dir(), self.inputs),
            graph: &graph,
            sandbox: &sandbox,
            network: (builtin.kind == BuiltinKind::Fetch).then_some(network),
            log: &log,
            progress: &progress,
            cancelled: self.builder.cancelled,
        };
        match catch_unwind(AssertUnwindSafe(|| (builtin.build)(&task))) {
            Ok(Ok(())) => outputs::check_present(self.derivation, &[], &self.place.store),
            Ok(Err(error)) => Err(BuildError::Builtin { name: name.to_owned(), error }),
            Err(panic) => {
                Err(BuildError::Panic { name: name.to_owned(), message: message(&*panic) })
            }
        }
    }

    /// Runs a program of an input for a built-in builder. The inputs come before its own
    /// binds, which may lie beside them.
    fn run_for_task(&self, request: &Request) -> Result<(), TaskError> {
        let mut all = self.with_inputs(Request { binds: Vec::new(), ..request.clone() });
        all.binds.retain(|input| request.binds.iter().all(|own| own.inside != input.inside));
        all.binds.extend(request.binds.iter().cloned());
        match self.sandboxed(all) {
            Ok(Exit::Code(0)) => Ok(()),
            Ok(exit) => Err(TaskError::Failed(format!(
                "'{}' {}",
                String::from_utf8_lossy(&request.program),
                BuildError::Exit(exit)
            ))),
            Err(BuildError::Sandbox(SandboxError::Cancelled)) => Err(TaskError::Cancelled),
            Err(error) => Err(TaskError::Failed(error.to_string())),
        }
    }

    /// Checks the outputs and hands them to the store.
    fn register(&self, bounds: Bounds<'_>) -> Result<(), BuildError> {
        if let Some(error) = self.over() {
            return Err(error);
        }
        let store = self.builder.store;
        let dir = &self.place.store;
        outputs::check_fixed(self.derivation, dir, bounds)?;
        if let Some(check) = self.check {
            let places = outputs::places(self.derivation, dir);
            return self.derivation.outputs.iter().try_for_each(|(name, output)| {
                check.compare(store, &output.path, &places[name], bounds)
            });
        }
        let insertions = outputs::insertions(self.derivation, &self.step.path, self.inputs, dir);
        if let Some(rules) = outputs::rules(self.derivation)? {
            let found: BTreeMap<_, _> = insertions
                .iter()
                .map(|insertion| Ok((insertion.path.clone(), Store::scan(insertion, bounds)?)))
                .collect::<Result<_, BuildError>>()?;
            rules.check(self.derivation, &found, &self.builder.closures)?;
        }
        let is_damaged =
            |insertion: &Insertion| self.builder.options.damaged.contains(&insertion.path);
        let (damaged, fresh) = insertions.into_iter().partition(is_damaged);
        self.builder.closures.learn(&store.insert_within(fresh, bounds)?);
        self.builder.closures.learn(&store.replace_within(damaged, bounds)?);
        Ok(())
    }
}

fn lock<'a, 'b>(log: &'a Mutex<Log<'b>>) -> std::sync::MutexGuard<'a, Log<'b>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
