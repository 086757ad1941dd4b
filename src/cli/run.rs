//! `clutch run`, and the parts that it shares with `clutch shell`: runs built programs with their store
//! paths in place.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    env,
    ffi::OsString,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        process::CommandExt as _,
    },
    path::Path,
};

use super::{
    build_options::BuildArguments,
    context::Context,
    expression::ExpressionArguments,
    failure::{Failure, Kind, OrFail as _, Outcome},
    hashes::HashArguments,
    mask,
    substitutes::SubstituteArguments,
    work::Work,
};
use crate::{
    build::sandbox::{Bind, SandboxError, View, started},
    closure,
    inputs::Inputs,
    python::environment::recorded,
    session::Subject,
    store::Store,
    store_path::{STORE_DIR, StorePath},
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    expression: ExpressionArguments,
    #[command(flatten)]
    build: BuildArguments,
    #[command(flatten)]
    hashes: HashArguments,
    #[command(flatten)]
    substitutes: SubstituteArguments,
    /// Hide everything from the program except its dependencies, /proc, /dev and an empty /tmp.
    #[arg(long)]
    isolated: bool,
    /// Program of the environment to run, with its arguments (default: the main program,
    /// `meta.mainProgram`). If the first word begins with `-`, all words are arguments of the main
    /// program.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Variables that make programs load code, settings or data from outside the closure. Variables for the
/// user's own files (certificates, terminal descriptions, shell start-up files) are kept.
pub(super) const FOREIGN: [&str; 34] = [
    // CPython (Python/initconfig.c, Modules/getpath.py, sysconfig, zoneinfo)
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONPLATLIBDIR",
    "PYTHONEXECUTABLE",
    "__PYVENV_LAUNCHER__",
    "PYTHONPYCACHEPREFIX",
    "PYTHONTZPATH",
    "PYTHON_PRESITE",
    "_PYTHON_PROJECT_BASE",
    "_PYTHON_HOST_PLATFORM",
    "_PYTHON_SYSCONFIGDATA_NAME",
    "_PYTHON_SYSCONFIGDATA_PATH",
    // OpenSSL (openssl-env(7)) and GSSAPI
    "OPENSSL_CONF",
    "OPENSSL_CONF_INCLUDE",
    "OPENSSL_MODULES",
    "OPENSSL_ENGINES",
    "CTLOG_FILE",
    "GSS_MECH_CONFIG",
    // ld.so(8)
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LD_AUDIT",
    "LD_ORIGIN_PATH",
    "LD_PROFILE",
    // glibc (sysdeps/generic/unsecvars.h)
    "GCONV_PATH",
    "GETCONF_DIR",
    "LOCPATH",
    "NLSPATH",
    "TZDIR",
    // Tcl and Tk
    "TCL_LIBRARY",
    "TCLLIBPATH",
    "TK_LIBRARY",
    "TIX_LIBRARY",
];

/// The outputs to run programs from.
pub(super) struct Environment {
    paths: Vec<StorePath>,
    main: Option<String>,
    pub(super) name: String,
}

/// The program that this process will become.
pub(super) struct Start {
    pub(super) program: OsString,
    pub(super) words: Vec<OsString>,
    pub(super) variables: BTreeMap<OsString, OsString>,
    /// True if it sees only its closure.
    isolated: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    arguments.substitutes.open(context)?;
    let environment =
        environment(context, &arguments.expression, &arguments.build, &arguments.hashes)?;
    let store = context.store()?;
    let mut words = arguments.command.iter().cloned().peekable();
    // a word with a dash is an argument of the main program
    let program = match words.next_if(|word| word.as_bytes().first() != Some(&b'-')) {
        Some(command) => environment.find(store, &command).ok_or_else(|| {
            let message = format!("the environment has no program '{}'", command.display());
            let failure = Failure::new(Kind::NoProgram, message);
            let main = environment.main_program(store).ok();
            let main = main.as_deref().and_then(|main| Path::new(main).file_name());
            let mut hints = Vec::new();
            if let Some(main) = main.and_then(|main| main.to_str()) {
                hints.push(format!(
                    "to pass it to the main program ({main}) as an argument, run `clutch run PATH -- {main} {}`",
                    command.display()
                ));
                if main.starts_with("python") {
                    hints.push(
                        "if a Python package has it, add the package to requirements.txt and run `clutch \
                         lock requirements.txt`"
                            .to_owned(),
                    );
                }
            }
            let failure = hints.into_iter().fold(failure, Failure::hint);
            failure
                .hint("to use the machine's programs as well, run `clutch shell PATH -- COMMAND`")
        })?,
        None => environment.main_program(store)?,
    };
    Start::new(&environment, program, words.collect(), arguments.isolated)
        .run(store, &environment)
        .map(|never| match never {})
}

/// Builds the arguments, or takes them from the store.
pub(super) fn environment(
    context: &Context,
    expression: &ExpressionArguments,
    build: &BuildArguments,
    hashes: &HashArguments,
) -> Result<Environment, Failure> {
    let subject = expression.named(context)?;
    if let Subject::Stored(path) = &subject
        && !path.is_derivation()
    {
        let path = context.check_valid(path.clone())?;
        let name = path.name().to_owned();
        return recorded(context.store()?, path, name);
    }
    let work = Work::new(context, build, Some(&expression.measure));
    let (evaluation, outputs) = hashes.build(&work, &subject, |_| Ok(()))?;
    let mut paths = Vec::new();
    for (target, all) in evaluation.targets.iter().zip(outputs) {
        let wanted = |name: &String| match target.outputs.is_empty() {
            // documentation and headers have no programs
            true => name == "out" || all.len() == 1,
            false => target.outputs.contains(name),
        };
        let found: Vec<StorePath> =
            all.iter().filter(|(name, _)| wanted(name)).map(|(_, p)| p.clone()).collect();
        paths.extend(if found.is_empty() { all.into_values().take(1).collect() } else { found });
        // add the environment that a program runs in, after its own programs
        let store = context.store()?;
        if let Some(environment) = &target.environment
            && store.is_valid(environment)?
        {
            paths.push(environment.clone());
        }
    }
    let first = &evaluation.targets[0];
    if let ([path], None, None) = (&paths[..], &first.main_program, &first.environment) {
        return recorded(context.store()?, path.clone(), first.name.clone());
    }
    Ok(Environment { paths, main: first.main_program.clone(), name: first.name.clone() })
}

/// Reads the properties of a store path: an environment names its main program, and a program that refers
/// to one environment runs in it. Needs no expression or derivation.
fn recorded(store: &Store, path: StorePath, name: String) -> Result<Environment, Failure> {
    let references = store.info(&path)?.into_iter().flat_map(|i| i.references);
    let references: Vec<StorePath> = references.collect();
    let all: Vec<StorePath> = std::iter::once(&path).chain(&references).cloned().collect();
    let trees = Inputs::new(store.dir(), &all);
    let read = |path: &StorePath| {
        trees.at(&path.to_string()).and_then(|tree| recorded::read(&tree)).or_fail(Kind::Store)
    };
    if let Some(own) = read(&path)? {
        return Ok(Environment { paths: vec![path], main: own.main_program, name });
    }
    let mut environments = Vec::new();
    for reference in references {
        if read(&reference)?.is_some() {
            environments.push(reference);
        }
    }
    let mut paths = vec![path];
    // with several, the right one is unknown
    if environments.len() == 1 {
        paths.append(&mut environments);
    }
    Ok(Environment { paths, main: None, name })
}

impl Environment {
    /// The main program: `meta.mainProgram`, else the one with the derivation's name, else the only one.
    fn main_program(&self, store: &Store) -> Result<OsString, Failure> {
        let path = &self.paths[0];
        let bin = store.real(path).join("bin");
        let mut programs: Vec<String> = fs_err::read_dir(&bin)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        programs.sort();
        // a version starts after the first dash before a digit
        let stem = self.name.find('-').map_or(&self.name[..], |_| {
            let version = self
                .name
                .match_indices('-')
                .find(|(at, _)| self.name[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
            version.map_or(&self.name[..], |(at, _)| &self.name[..at])
        });
        let wanted = self.main.iter().map(String::as_str).chain([&self.name[..], stem]);
        for name in wanted {
            if programs.iter().any(|p| p == name) {
                return Ok(format!("{path}/bin/{name}").into());
            }
        }
        if let Some(main) = &self.main {
            return Err(Failure::new(
                Kind::Failed,
                format!("'{path}' has no program '{main}', but its meta.mainProgram names it"),
            ));
        }
        if let [only] = &programs[..] {
            return Ok(format!("{path}/bin/{only}").into());
        }
        let failure = Failure::new(Kind::Failed, format!("'{path}' has no main program"));
        Err(match programs.is_empty() {
            true => failure.hint("its bin/ has no programs"),
            false => failure.hint(format!(
                "select one with `clutch run ... -- PROGRAM`; it has {}",
                programs.iter().take(12).cloned().collect::<Vec<_>>().join(", ")
            )),
        })
    }

    /// Finds a command by name in the environment. A command with a slash is a path.
    pub(super) fn find(&self, store: &Store, command: &OsString) -> Option<OsString> {
        if command.as_bytes().contains(&b'/') {
            return Some(command.clone());
        }
        let has = |path: &&StorePath| {
            store.real(path).join("bin").join(command).symlink_metadata().is_ok()
        };
        let path = self.paths.iter().find(has)?;
        let mut found = OsString::from(format!("{path}/bin/"));
        found.push(command);
        Some(found)
    }

    /// The folders of the environment's programs, in the form of `PATH`.
    pub(super) fn search_path(&self) -> String {
        self.paths.iter().map(|p| format!("{p}/bin")).collect::<Vec<_>>().join(":")
    }

    /// The variables of the program: `PATH` starts with the environment's programs, and the caller's
    /// variables that would load other code are removed ([`FOREIGN`]).
    fn variables(&self, isolated: bool) -> BTreeMap<OsString, OsString> {
        let kept = ["TERM", "COLORTERM", "NO_COLOR", "LANG", "LC_ALL", "TZ"];
        let mut variables: BTreeMap<OsString, OsString> = env::vars_os()
            .filter(|(name, _)| !isolated || kept.iter().any(|k| name == *k))
            .filter(|(name, _)| FOREIGN.iter().all(|foreign| name != foreign))
            .collect();
        let mut path = self.search_path();
        if isolated {
            variables.insert("HOME".into(), "/tmp".into());
        } else if let Some(outer) = env::var_os("PATH").filter(|p| !p.is_empty()) {
            path = format!("{path}:{}", outer.to_string_lossy());
        }
        variables.insert("PATH".into(), path.into());
        variables
    }
}

impl Start {
    pub(super) fn new(
        environment: &Environment,
        program: OsString,
        words: Vec<OsString>,
        isolated: bool,
    ) -> Self {
        Self { program, words, variables: environment.variables(isolated), isolated }
    }

    /// Becomes the program.
    pub(super) fn run(
        self,
        store: &Store,
        environment: &Environment,
    ) -> Result<Infallible, Failure> {
        let Self { program, words, variables, isolated } = self;
        if Path::new(&program).starts_with(STORE_DIR) {
            let refused = SandboxError::no_exec(store.dir(), &program.display().to_string());
            refused.map_or(Ok(()), Err)?;
        }
        store.touch(&environment.paths)?;
        mask::restore();
        if !isolated && store.dir() == Path::new(STORE_DIR) {
            let mut command = std::process::Command::new(&program);
            started::exec_as_started(&mut command);
            let error = command.args(&words).env_clear().envs(&variables).exec();
            let program = program.display().to_string();
            return Err(SandboxError::Execute { program, source: error }.into());
        }
        let bytes = OsString::into_vec;
        let bind = |host, inside| Bind { host, inside, writable: false };
        let binds = match isolated {
            true => closure::requisites(store, &environment.paths)?
                .iter()
                .map(|info| bind(store.real(&info.path), info.path.to_string().into()))
                .collect(),
            false => vec![bind(store.dir().to_owned(), STORE_DIR.into())],
        };
        let view = View {
            program: bytes(program),
            args: words.into_iter().map(bytes).collect(),
            env: variables.into_iter().map(|(n, v)| (bytes(n), bytes(v))).collect(),
            cwd: env::current_dir().unwrap_or_else(|_| "/".into()),
            binds,
            isolated,
        };
        Err(view.exec().into())
    }
}
