//! One attempt to build a derivation: the builder, built-in or run by an executor, then the checks and
//! the registration of its outputs.

use std::{
    any::Any,
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    BuildError, Event, Realiser,
    attributes::Attributes,
    builtin::{BuiltinKind, Builtins},
    check::{self, Check},
    environment::{BuilderEnvironment, environment},
    executor::{self, Action},
    input_graph::InputGraph,
    log::Log,
    outputs,
    plan::Job,
    sandbox::{Exit, Request, SandboxError, Variation, Watch},
    task::{Task, TaskError},
};
use crate::{
    derivation::Derivation,
    inputs::Inputs,
    store::{Insertion, Scratch, Store, StoreError},
    store_path::StorePath,
    tree::{Bounds, TreeError},
};

/// The folders of one build, in its scratch folder.
pub(super) struct Folders {
    /// The working directory.
    pub(super) build: PathBuf,
    /// The store dir in the sandbox; outputs appear in it.
    store: PathBuf,
}

impl Folders {
    pub(super) fn make(scratch: &Scratch) -> Result<Self, BuildError> {
        let folder = |name: &str| -> Result<PathBuf, BuildError> {
            let path = scratch.path().join(name);
            fs_err::create_dir(&path)?;
            // independent of the caller's umask, because the builder sees it
            fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
            Ok(path)
        };
        Ok(Self { build: folder("build")?, store: folder("store")? })
    }
}

/// One build while it runs.
pub(super) struct Attempt<'a, 'l> {
    pub(super) realiser: &'a Realiser<'a>,
    pub(super) job: Job<'a>,
    /// The step's derivation without placeholders.
    pub(super) derivation: &'a Derivation,
    /// The closure of its inputs, ordered.
    pub(super) inputs: &'a [StorePath],
    pub(super) log: &'a Mutex<Log<'l>>,
    pub(super) folders: &'a Folders,
    pub(super) check: Option<&'a Check>,
    pub(super) start: Instant,
}

impl Attempt<'_, '_> {
    /// Runs the builder and registers its outputs.
    pub(super) fn run(&self) -> Result<(), BuildError> {
        match self.job.builtin() {
            Some(name) => self.run_builtin(name)?,
            None => self.run_program()?,
        }
        self.bounded(|bounds| self.register(bounds))
    }

    /// The reason to stop work on the outputs, if there is one.
    fn over(&self) -> Option<BuildError> {
        if (self.realiser.cancelled)() {
            return Some(BuildError::Cancelled);
        }
        // built-in builders have no limit of time
        let limit = self.realiser.options.limits.wall.filter(|_| self.job.builtin().is_none())?;
        (self.start.elapsed() > limit).then(|| SandboxError::Wall(limit).into())
    }

    /// Works on untrusted outputs. Like the builder, this can be stopped at any moment.
    fn bounded<T>(
        &self,
        work: impl FnOnce(Bounds<'_>) -> Result<T, BuildError>,
    ) -> Result<T, BuildError> {
        let stop = || self.over().is_some();
        let disk = rustix::fs::statvfs(&self.folders.store)
            .map_or(0, |found| found.f_blocks.saturating_mul(found.f_frsize));
        // some file systems give no size
        let disk = if disk == 0 { u64::MAX } else { disk };
        // built-in builders have no limit of their own
        let most = self.realiser.options.limits.disk.filter(|_| self.job.builtin().is_none());
        let (largest, limit) = match most {
            Some(most) if most < disk => (most, "the limit set by --max-disk"),
            _ => (disk, "the size of its disk"),
        };
        work(Bounds { stop: &stop, largest, limit }).map_err(|error| match error {
            BuildError::Tree(TreeError::Stopped)
            | BuildError::Store(StoreError::Tree(TreeError::Stopped)) => {
                self.over().unwrap_or(error)
            }
            error => error,
        })
    }

    /// Runs the derivation's program by the executor that takes it.
    fn run_program(&self) -> Result<(), BuildError> {
        let (derivation, attributes) = (self.derivation, Attributes::of(self.derivation)?);
        let required = attributes.list("requiredSystemFeatures")?.unwrap_or_default();
        let executor = executor::choose(&self.realiser.executors(), derivation, &required)?;
        if !derivation.builder.starts_with(b"/") {
            let builder = String::from_utf8_lossy(&derivation.builder).into_owned();
            return Err(BuildError::Relative(builder));
        }
        attributes.check_supported()?;
        if attributes.list("impureEnvVars")?.is_some_and(|names| !names.is_empty()) {
            lock(self.log)
                .line("impureEnvVars is ignored: builds see none of your environment variables");
        }
        let vary = self.variation();
        let cores = vary.map_or(self.realiser.options.cores, |vary| vary.processors);
        let over = || self.over();
        let graphs = self.input_graph(&over).exports(&attributes)?;
        let BuilderEnvironment { variables, files } = environment(derivation, cores, graphs)?;
        let action = Action {
            derivation,
            env: variables,
            files,
            inputs: self.inputs,
            digests: &self.realiser.digests,
            root: self.root(&attributes)?,
            network: derivation.is_fixed(),
            limits: self.realiser.options.limits,
            vary,
            build: &self.folders.build,
            outputs: &self.folders.store,
        };
        match self.watched(|watch| executor.execute(action, watch))? {
            Exit::Code(0) => {}
            exit => return Err(BuildError::Exit(exit)),
        }
        outputs::check_present(derivation, self.inputs, &self.folders.store)?;
        self.bounded(|bounds| outputs::check_links(derivation, &self.folders.store, bounds))
    }

    /// The variation of this run, if it is made for a comparison.
    fn variation(&self) -> Option<Variation> {
        self.check.map(|_| check::variation(self.realiser.options.cores))
    }

    /// Runs something whose output goes into the log.
    fn watched(
        &self,
        run: impl FnOnce(Watch<'_>) -> Result<Exit, BuildError>,
    ) -> Result<Exit, BuildError> {
        let mut output = |bytes: &[u8]| lock(self.log).bytes(bytes);
        run(Watch { output: &mut output, cancelled: self.realiser.cancelled })
    }

    /// The inputs, for reference graphs.
    fn input_graph<'i>(&'i self, over: &'i dyn Fn() -> Option<BuildError>) -> InputGraph<'i> {
        InputGraph { store: self.realiser.store, closure: self.inputs, over }
    }

    /// The input that shows as the root directory, if the derivation names one.
    fn root(&self, attributes: &Attributes<'_>) -> Result<Option<StorePath>, BuildError> {
        let Some(text) = attributes.text("sandboxRoot")? else { return Ok(None) };
        match StorePath::parse(&text) {
            Ok(path) if self.inputs.binary_search(&path).is_ok() => {
                // a link would lead to a folder of the host
                match fs_err::symlink_metadata(self.realiser.store.real(&path))?.is_dir() {
                    true => Ok(Some(path)),
                    false => Err(BuildError::NoFolder(text)),
                }
            }
            _ => Err(BuildError::Root(text)),
        }
    }

    /// Runs a built-in builder.
    fn run_builtin(&self, name: &str) -> Result<(), BuildError> {
        let Builtins { registry, network } = self.realiser.builtins;
        let builtin =
            registry.get(name).ok_or_else(|| BuildError::UnknownBuiltin(name.to_owned()))?;
        let places = outputs::places(self.derivation, &self.folders.store);
        let sandbox = |request: &Request| self.run_for_task(request);
        let graph = |path: &StorePath| {
            let found = self.input_graph(&|| self.over()).graph(path);
            found.map_err(|error| TaskError::Failed(error.to_string()))
        };
        let log = |line: &str| lock(self.log).line(line);
        let progress = |done, of| {
            self.realiser.observer.event(Event::Progress(self.job.step, done, of));
        };
        let task = Task {
            derivation: self.derivation,
            outputs: &places,
            scratch: &self.folders.build,
            inputs: Inputs::new(self.realiser.store.dir(), self.inputs),
            graph: &graph,
            sandbox: &sandbox,
            network: (builtin.kind == BuiltinKind::Fetch).then_some(network),
            log: &log,
            progress: &progress,
            cancelled: self.realiser.cancelled,
        };
        match catch_unwind(AssertUnwindSafe(|| (builtin.build)(&task))) {
            Ok(Ok(())) => outputs::check_present(self.derivation, &[], &self.folders.store),
            Ok(Err(error)) => Err(BuildError::Builtin { name: name.to_owned(), error }),
            Err(panic) => {
                Err(BuildError::Panic { name: name.to_owned(), message: message(&*panic) })
            }
        }
    }

    /// Runs a program of an input for a built-in builder, in the sandbox of this machine.
    fn run_for_task(&self, request: &Request) -> Result<(), TaskError> {
        let limits = self.realiser.options.limits;
        let all = Request { limits, vary: self.variation(), ..request.clone() };
        match self.watched(|watch| self.realiser.local.run_for_task(all, self.inputs, watch)) {
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
        let store = self.realiser.store;
        let dir = &self.folders.store;
        outputs::check_fixed(self.derivation, dir, bounds)?;
        if let Some(check) = self.check {
            let places = outputs::places(self.derivation, dir);
            return self.derivation.outputs.iter().try_for_each(|(name, output)| {
                check.compare(store, &output.path, &places[name], bounds)
            });
        }
        let insertions = outputs::insertions(self.derivation, &self.job.path, self.inputs, dir);
        if let Some(rules) = outputs::rules(self.derivation)? {
            let found: BTreeMap<_, _> = insertions
                .iter()
                .map(|insertion| Ok((insertion.path.clone(), Store::scan(insertion, bounds)?)))
                .collect::<Result<_, BuildError>>()?;
            rules.check(self.derivation, &found, &self.realiser.closures)?;
        }
        let is_damaged =
            |insertion: &Insertion| self.realiser.options.damaged.contains(&insertion.path);
        let (damaged, fresh) = insertions.into_iter().partition(is_damaged);
        self.realiser.closures.learn(&store.insert_within(fresh, bounds)?);
        self.realiser.closures.learn(&store.replace_within(damaged, bounds)?);
        Ok(())
    }
}

pub(super) fn lock<'a, 'b>(log: &'a Mutex<Log<'b>>) -> MutexGuard<'a, Log<'b>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
