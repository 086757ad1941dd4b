//! One evaluation for a command: what the arguments name, in the world that they allow.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::Read as _,
    path::{Path, PathBuf},
};

use clutch_expr::{
    error::Error,
    eval::{Found, Interpreter, Options},
    evaluation::with_interpreter,
    host::{Host, HostError, HostResult},
    limit::Limit,
    show::Style,
    source::Origin,
    suggest::did_you_mean,
    value::{Attrs, AttrsBuilder, Value},
};

use super::{
    context::{Context, variables},
    expression::ExpressionArguments,
    failure::{Failure, Kind, OrFail as _},
    interruption, progress,
    realise::{self, BuildArguments},
    show::{at_its_place, parse_path},
};
use crate::{
    build::plan::Goal,
    derivation::Records,
    evaluate::{
        Access, EvalHost, HashPositions, ImpureSettings, Realise, Recording, Target,
        cache::{self, Key},
        project,
    },
    git::{Commit, Git, GitError, Revision, shown_address},
    library::LIBRARY,
    net::host::HostEnvironment,
    regular,
    store::Store,
    store_path::{STORE_DIR, StorePath},
};

/// What a command is about, in the store as far as that is needed to build it.
pub(super) struct Evaluation {
    pub(super) targets: Vec<Target>,
    /// The derivations that were evaluated.
    pub(super) derivations: Records,
}

impl Evaluation {
    /// Evaluates what the arguments name and puts the derivations into the store, or finds in the
    /// evaluation cache what that would give. A `.drv` path is taken as it is.
    pub(super) fn run(
        context: &Context,
        arguments: &ExpressionArguments,
        build: &BuildArguments,
    ) -> Result<Self, Failure> {
        Self::noting(context, arguments, build, &mut HashPositions::default())
    }

    /// The same; where it evaluates, what it has read is noted, also where that fails.
    pub(super) fn noting(
        context: &Context,
        arguments: &ExpressionArguments,
        build: &BuildArguments,
        positions: &mut HashPositions,
    ) -> Result<Self, Failure> {
        if let Some(path) = &arguments.path {
            let logical = match path.to_str().filter(|text| text.starts_with(STORE_DIR)) {
                Some(text) => Some(text.to_owned()),
                None => at_its_place(context, path),
            };
            if let Some(text) = logical {
                return Self::of_derivation(context, parse_path(context, &text)?);
            }
        }
        let realiser = Realiser::new(context, build);
        let host = host(context, arguments, &realiser)?;
        let key = key(context, arguments, &host);
        if let Some(key) = &key
            && let Some(targets) = cached(context, &host, key)?
        {
            arguments.measure.tell_known(context);
            return Ok(Self { targets, derivations: Records::default() });
        }
        let recording = Recording::new(&host);
        let found = interpret(context, &recording, arguments, |it, value, args| {
            it.derivations(value, args)
        });
        *positions = host.hash_positions();
        let found = found?;
        let targets = found
            .into_iter()
            .flatten()
            .map(|found| target(found, arguments))
            .collect::<Result<Vec<_>, _>>()?;
        if targets.is_empty() {
            return Err(Failure::new(Kind::Failed, "the expression holds no derivation")
                .hint("sets within sets count when they say `recurseForDerivations = true`"));
        }
        let store = context.store()?;
        if store.is_writable() {
            host.commit(store).or_fail(Kind::Store)?;
            if let Some(key) = &key {
                // without it the next evaluation only takes longer
                let _ = cache::save(store, recording, key, &targets);
            }
        }
        Ok(Self { targets, derivations: host.into_derivations() })
    }

    fn of_derivation(context: &Context, path: StorePath) -> Result<Self, Failure> {
        if !path.is_derivation() {
            return Err(Failure::new(Kind::Usage, format!("'{path}' is not a derivation"))
                .hint("`clutch run` and `clutch closure` take any store path"));
        }
        let derivation = context.store()?.read_derivation(&path).or_fail(Kind::Failed)?;
        let name = derivation.name;
        let target = Target {
            derivation: path,
            outputs: BTreeSet::new(),
            main_program: None,
            environment: None,
            name,
        };
        Ok(Self { targets: vec![target], derivations: Records::default() })
    }

    /// The targets as goals of a build.
    pub(super) fn goals(&self) -> Vec<Goal> {
        self.targets
            .iter()
            .map(|t| realise::goal(t.derivation.clone(), t.outputs.clone()))
            .collect()
    }
}

/// What the evaluation depends on besides the answers to what it asks: the arguments, the settings
/// and this program. Nothing where the cache is not to be used.
fn key(context: &Context, arguments: &ExpressionArguments, host: &EvalHost<'_>) -> Option<Key> {
    use std::os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _};
    let ExpressionArguments {
        path,
        expression,
        attributes,
        arg,
        argstr,
        include: _, // as the world has it
        impure,
        extra_experimental_features,
        no_allow_import_from_derivation,
        abort_on_warn: _,
        no_eval_cache,
        measure,
        shows_code: _, // of `eval`, which finds no derivations
        end: _,
    } = arguments;
    if *no_eval_cache || measure.eval_profile.is_some() || path.as_deref() == Some(Path::new("-")) {
        return None;
    }
    let mut key = Key::default();
    // one file is one program; it may be replaced by another of the same version
    let program = fs_err::metadata("/proc/self/exe").ok()?;
    let times = [program.mtime(), program.mtime_nsec(), program.ctime(), program.ctime_nsec()];
    key.add(times.map(i64::to_le_bytes));
    key.add([program.dev(), program.ino(), program.size()].map(u64::to_le_bytes));
    let file = absolute(path.as_deref().unwrap_or(Path::new("default.nix"))).ok()?;
    key.add(expression.is_none().then(|| file.as_os_str().as_bytes()));
    // what an expression among the arguments is relative to
    let texts = expression.is_some() || !arg.is_empty();
    let folder = env::current_dir().ok()?;
    key.add(texts.then(|| folder.as_os_str().as_bytes()));
    key.add(expression).add(attributes).add(arg).add(argstr).add(extra_experimental_features);
    key.add(host.search_path.iter().flat_map(|(prefix, path)| [prefix, path]));
    key.add(&host.system).add([[
        u8::from(*impure),
        context.global.verbose.min(1),
        u8::from(aborts_on_warn(arguments)),
    ]]);
    key.add([[u8::from(*no_allow_import_from_derivation)]]);
    key.add(host.impure.iter().map(|s| &s.system));
    let allowed = host.access.allowed.iter().flatten();
    key.add(allowed.map(|path| path.as_os_str().as_bytes()));
    Some(key)
}

/// What the cache has; nothing where there is no store yet.
fn cached(
    context: &Context,
    host: &EvalHost<'_>,
    key: &Key,
) -> Result<Option<Vec<Target>>, Failure> {
    let there = context.store_root().is_ok_and(|root| root.join("var/evaluations").is_dir());
    if !there {
        return Ok(None);
    }
    let found = cache::find(context.store()?, host, key).or_fail(Kind::Store)?;
    if found.is_some() && context.global.verbose > 0 {
        context.say("using the cached evaluation: nothing that it read has changed");
    }
    Ok(found)
}

fn target(found: Found, arguments: &ExpressionArguments) -> Result<Target, Failure> {
    let derivation = StorePath::parse(&found.drv_path).or_fail(Kind::Failed)?;
    // a derivation itself stands for all its outputs; `-A x.doc` for the one that it selects
    let named = arguments
        .attributes
        .iter()
        .any(|attribute| attribute.rsplit('.').next() == Some(found.output_name.as_str()));
    let first = found.outputs.first().map(|(name, _)| name);
    let outputs = match named || first.is_some_and(|f| *f != found.output_name) {
        true => BTreeSet::from([found.output_name]),
        false => BTreeSet::new(),
    };
    let environment =
        found.environment.map(|path| StorePath::parse(&path)).transpose().or_fail(Kind::Failed)?;
    let (main_program, name) = (found.main_program, found.name);
    Ok(Target { derivation, outputs, main_program, environment, name })
}

/// Builds in the middle of an evaluation, and opens the store when it is first needed.
pub(super) struct Realiser<'a> {
    context: &'a Context,
    build: &'a BuildArguments,
}

impl<'a> Realiser<'a> {
    pub(super) fn new(context: &'a Context, build: &'a BuildArguments) -> Self {
        Self { context, build }
    }

    fn git<T>(&self, run: impl FnOnce(&Git<'_>) -> Result<T, GitError>) -> HostResult<T> {
        let environment = HostEnvironment { variables: variables(), root: PathBuf::from("/") };
        let offline = self.context.global.offline;
        let git =
            Git { environment: &environment, offline, cancelled: &interruption::is_cancelled };
        run(&git).map_err(|error| {
            HostError::caused_by(match error {
                GitError::Cancelled => Failure::new(Kind::Interrupted, "interrupted"),
                error => Failure::new(Kind::Failed, error),
            })
        })
    }
}

impl Realise for Realiser<'_> {
    fn realise(&self, targets: &[(StorePath, BTreeSet<String>)]) -> HostResult<()> {
        let goals: Vec<Goal> =
            targets.iter().map(|(d, outputs)| realise::goal(d.clone(), outputs.clone())).collect();
        realise::realise(self.context, self.build, &Records::default(), &goals)
            .map(drop)
            .map_err(HostError::caused_by)
    }

    fn fetch_revision(&self, revision: &Revision, to: &Path, scratch: &Path) -> HostResult<Commit> {
        self.context.say(format!(
            "fetching {} from {}",
            revision.rev,
            shown_address(&revision.url)
        ));
        self.git(|git| git.fetch(revision, to, scratch))
    }

    fn count_revisions(&self, revision: &Revision, scratch: &Path) -> HostResult<u64> {
        self.context.say(format!(
            "fetching the history of {} from {}",
            revision.rev,
            shown_address(&revision.url)
        ));
        self.git(|git| git.count(revision, scratch))
    }

    fn store(&self) -> HostResult<&Store> {
        self.context.store().map_err(HostError::caused_by)
    }

    fn message(&self, text: &str, warning: bool) {
        if warning {
            self.context.warn(text);
        } else {
            self.context.say(format!("trace: {text}"));
        }
    }
}

/// The world that the arguments allow.
pub(super) fn host<'a>(
    context: &'a Context,
    arguments: &ExpressionArguments,
    realiser: &'a dyn Realise,
) -> Result<EvalHost<'a>, Failure> {
    let mut search_path = Vec::new();
    // it may be made in the middle of the evaluation
    let store = context.store_root().ok().map(|root| root.join("store"));
    let home = home();
    let mut allowed = project(arguments, home.as_deref())?;
    for entry in &arguments.include {
        let (prefix, path) = entry.split_once('=').unwrap_or(("", entry));
        let path = logical(&absolute(Path::new(path))?, store.as_deref());
        search_path.push((prefix.to_owned(), path.to_string_lossy().into_owned()));
        allowed.extend(fs_err::canonicalize(&path));
        allowed.push(path);
    }
    // of the store it is what was named that may be read, and what that refers to
    let in_store = |path: &PathBuf| {
        let path = logical(path, store.as_deref());
        Some(StorePath::split(path.to_str()?).ok()?.0)
    };
    let named: Vec<StorePath> = allowed.iter().filter_map(in_store).collect();
    allowed.retain(|path| in_store(path).is_none());
    let access = Access::new(store, (!arguments.impure).then_some(allowed)).at_home(home);
    named.iter().for_each(|path| access.open(path));
    let mut host = EvalHost::new(access, realiser);
    host.system.clone_from(&context.global.system);
    host.import_from_derivation = !arguments.no_allow_import_from_derivation;
    if arguments.impure {
        let variables = variables();
        for entry in variables.get("NIX_PATH").into_iter().flat_map(|p| p.split(':')) {
            let (prefix, path) = entry.split_once('=').unwrap_or(("", entry));
            if !path.is_empty() && !path.contains("://") {
                let path = absolute(Path::new(path))?.to_string_lossy().into_owned();
                search_path.push((prefix.to_owned(), path));
            }
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        host.impure = Some(ImpureSettings {
            home: variables.get("HOME").map(PathBuf::from),
            variables,
            system: context.system().to_owned(),
            time: now.map_or(0, |t| t.as_secs() as i64),
        });
    }
    host.search_path = search_path;
    Ok(host)
}

/// The person's home, with its links followed.
fn home() -> Option<PathBuf> {
    let home = env::var_os("HOME").filter(|home| !home.is_empty())?;
    fs_err::canonicalize(home).ok()
}

/// A path in the store by its logical name; any other as it is.
fn logical(path: &Path, store: Option<&Path>) -> PathBuf {
    match store.and_then(|store| path.strip_prefix(store).ok()) {
        Some(inside) => Path::new(STORE_DIR).join(inside),
        None => path.to_owned(),
    }
}

/// What pure evaluation may read: the project, which is the nearest folder above the expression that holds
/// a `.git`, else the folder that the expression is in. A home is no project: of an expression that lies
/// there, it is that file alone. By its own name and with links followed.
fn project(arguments: &ExpressionArguments, home: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    let named = match (&arguments.expression, &arguments.path) {
        (None, Some(path)) if path != Path::new("-") => Some(absolute(path)?),
        (None, None) => Some(absolute(Path::new("default.nix"))?),
        _ => None,
    };
    let start = match &named {
        Some(path) => path.clone(),
        None => absolute(Path::new("."))?,
    };
    let mut folders = Vec::new();
    for start in [Some(start.clone()), fs_err::canonicalize(&start).ok()].into_iter().flatten() {
        let is_folder = start.is_dir();
        let folder =
            if is_folder { start.clone() } else { start.parent().unwrap_or(&start).into() };
        if let Some(root) = project::repository(&folder, home) {
            folders.push(root);
        } else if project::is_project(&folder, home) || folder.starts_with(STORE_DIR) {
            folders.push(if folder.starts_with(STORE_DIR) { start } else { folder });
        } else if named.is_some() {
            folders.push(if is_folder { start.join("default.nix") } else { start });
        }
    }
    folders.dedup();
    Ok(folders)
}

/// The folder whose files may be changed, with its links followed: that of the expression's project.
pub(super) fn project_root(arguments: &ExpressionArguments) -> Result<PathBuf, Failure> {
    let folders = project(arguments, home().as_deref())?;
    let root = folders.first().map_or(Path::new("."), PathBuf::as_path);
    fs_err::canonicalize(root).or_fail(Kind::Usage)
}

/// The path from the root on, without `.` and `..`; links are left as they are.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(path).or_fail(Kind::Usage)?;
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                clean.pop();
            }
            std::path::Component::Normal(name) => clean.push(name),
            _ => {}
        }
    }
    Ok(clean)
}

/// Evaluates what the arguments name, selects, and gives each value to `each`.
pub(super) fn interpret<T: Send>(
    context: &Context,
    host: &dyn Host,
    arguments: &ExpressionArguments,
    each: impl for<'a> FnMut(&mut Interpreter<'a>, Value<'a>, &'a Attrs<'a>) -> Result<T, Box<Error>>
    + Send,
) -> Result<Vec<T>, Failure> {
    let mut each = each;
    let folder = absolute(Path::new("."))?;
    let source = source(arguments)?;
    let limit = arguments.measure.limit().stopped_by(interruption::flag());
    with(context, host, arguments, limit, move |it| {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = folder.as_os_str().as_bytes();
        let (values, args) = values(it, arguments, Some(source), folder)?;
        values.into_iter().map(|value| each(it, value, args)).collect()
    })
}

/// The values that the arguments select, and the set of `--arg` and `--argstr`.
pub(super) fn values<'a>(
    it: &mut Interpreter<'a>,
    arguments: &ExpressionArguments,
    source: Option<Source>,
    folder: &[u8],
) -> Result<(Vec<Value<'a>>, &'a Attrs<'a>), Box<Error>> {
    let args = command_line(it, arguments, folder)?;
    let root = match source {
        Some(Source::File(path)) => it.import(&path)?,
        Some(Source::Text(origin, text)) => it.eval_text(origin, text, folder)?,
        None => return Ok((Vec::new(), args)),
    };
    if arguments.attributes.is_empty() {
        return Ok((vec![root], args));
    }
    let select = |attribute: &String| it.at_path(root, attribute, args);
    Ok((arguments.attributes.iter().map(select).collect::<Result<_, _>>()?, args))
}

/// How errors of an evaluation are shown.
pub(super) fn style(context: &Context) -> Style {
    let given = env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let width = given.or_else(progress::columns).unwrap_or(100);
    Style { colour: context.colours(), trace: context.global.show_trace, width }
}

/// Runs an interpreter; an error of the evaluation is told with the lines that it is about.
pub(super) fn with<T: Send>(
    context: &Context,
    host: &dyn Host,
    arguments: &ExpressionArguments,
    limit: Limit,
    run: impl FnOnce(&mut Interpreter<'_>) -> Result<T, Box<Error>> + Send,
) -> Result<T, Failure> {
    let features = Features(&arguments.extra_experimental_features);
    features.check(context);
    let options = Options {
        pipe_operators: features.has("pipe-operators"),
        toml_timestamps: features.has("parse-toml-timestamps"),
        trace_verbose: context.global.verbose > 0,
        abort_on_warn: aborts_on_warn(arguments),
        eager: !arguments.shows_code,
        library: &LIBRARY,
        limit,
        ..Options::default()
    };
    let style = style(context);
    let measure = &arguments.measure;
    let (result, taken) = with_interpreter(host, options, |it| {
        let started = measure.start(it);
        let result = run(it).map_err(|error| Failure::of_evaluation(&error, &it.sources, style));
        (result, measure.finish(it, started))
    })
    .or_fail(Kind::Failed)?;
    measure.tell(context, &taken)?;
    result
}

/// The experimental features of the language that were asked for.
struct Features<'f>(&'f [String]);

impl Features<'_> {
    /// Those that change something here.
    const KNOWN: [&'static str; 2] = ["parse-toml-timestamps", "pipe-operators"];
    /// Those of Nix that are often given together with others.
    const HABITS: [&'static str; 3] = ["fetch-tree", "flakes", "nix-command"];

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|given| given == name)
    }

    /// Tells of names that change nothing.
    fn check(&self, context: &Context) {
        let given = self.0.iter().map(String::as_str).filter(|name| !name.is_empty());
        for name in given.filter(|name| !Self::KNOWN.contains(name) && !Self::HABITS.contains(name))
        {
            let near = did_you_mean(name, Self::KNOWN.map(str::to_owned).into_iter());
            let help = near
                .unwrap_or_else(|| format!("there are {} and {}", Self::KNOWN[0], Self::KNOWN[1]));
            context.warn(format!("unknown experimental feature '{name}'; {help}"));
        }
    }
}

/// Whether a warning is an error; the environment may say so, as for Nix.
fn aborts_on_warn(arguments: &ExpressionArguments) -> bool {
    let asked = || env::var("NIX_ABORT_ON_WARN").unwrap_or_default();
    arguments.abort_on_warn || arguments.impure && ["1", "true", "yes"].contains(&asked().as_str())
}

/// What is evaluated.
pub(super) enum Source {
    File(PathBuf),
    Text(Origin, Vec<u8>),
}

/// The expression that the arguments name; `default.nix` here where they name none.
pub(super) fn source(arguments: &ExpressionArguments) -> Result<Source, Failure> {
    if let Some(text) = &arguments.expression {
        return Ok(Source::Text(Origin::Text, text.clone().into_bytes()));
    }
    let path = arguments.path.as_deref().unwrap_or(Path::new("default.nix"));
    if path == Path::new("-") {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).or_fail(Kind::Usage)?;
        return Ok(Source::Text(Origin::Stdin, text));
    }
    let path = absolute(path)?;
    // the store may be kept elsewhere
    if path.symlink_metadata().is_err() && !path.starts_with(STORE_DIR) {
        return Err(Failure::new(Kind::Usage, format!("'{}' does not exist", path.display()))
            .hint("give an expression file, a folder with a default.nix, or -E EXPRESSION"));
    }
    match no_expression(&path) {
        Some(failure) => Err(failure),
        None => Ok(Source::File(path)),
    }
}

/// The failure for a file that is something else, by its name or first line: read as an expression it
/// would fail with an error of syntax.
fn no_expression(path: &Path) -> Option<Failure> {
    let name = path.file_name()?.to_str()?;
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let (what, hint) = match extension {
        "nix" => return None,
        "py" | "pyw" => SCRIPT,
        "whl" => ("a wheel", "a lock pins wheels: `clutch lock requirements.txt`"),
        "lock" => {
            ("a lock", "an expression names it: `lock = ./clutch.lock;` in python.environment")
        }
        "toml" => ("a TOML file", "`clutch lock FILE` pins what a file of requirements names"),
        "txt" if stem.contains("requirements") => (
            "a file of requirements",
            "`clutch lock FILE` makes a lock of it, which an expression names",
        ),
        _ => {
            let mut start = [0; 64];
            let file = regular::open(path, regular::Link::Follow).ok()?;
            let length = (&file).read(&mut start).ok()?;
            let line = start[..length].split(|byte| *byte == b'\n').next()?;
            let is_script =
                line.starts_with(b"#!") && line.windows(6).any(|part| part == b"python");
            if !is_script {
                return None;
            }
            SCRIPT
        }
    };
    if !path.is_file() {
        return None;
    }
    let message = format!("'{}' is {what}, not an expression", path.display());
    Some(Failure::new(Kind::Usage, message).hint(hint))
}

/// What to do with a script.
const SCRIPT: (&str, &str) = (
    "a Python script",
    "to run it in an environment: `clutch run ENVIRONMENT -- python SCRIPT`; to make a program of it: \
     python.program { script = ./SCRIPT; ... } in a default.nix",
);

/// The set of `--arg` and `--argstr`.
fn command_line<'a>(
    it: &mut Interpreter<'a>,
    arguments: &ExpressionArguments,
    folder: &[u8],
) -> Result<&'a Attrs<'a>, Box<Error>> {
    let pairs = |words: &[String]| -> BTreeMap<String, String> {
        words.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    };
    let mut args = AttrsBuilder::default();
    for (name, text) in pairs(&arguments.arg) {
        let value = it.eval_text(Origin::Text, text.into_bytes(), folder)?;
        args.push(it.symbols.intern(name.as_bytes()), value);
    }
    for (name, text) in pairs(&arguments.argstr) {
        let value = it.text(text.as_bytes());
        args.push(it.symbols.intern(name.as_bytes()), value);
    }
    Ok(args.build(it.arena))
}
