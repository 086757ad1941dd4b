//! `clutch shell`: a shell, or a command, with the environment's programs before the machine's. A user's
//! start-up files may change `PATH` and the variables that Python reads. So an interactive shell reads a
//! file of clutch, which reads the user's own files first and then sets the variables.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use super::{
    build_options::BuildArguments,
    context::Context,
    expression::ExpressionArguments,
    failure::Outcome,
    hashes::HashArguments,
    run::{self, Environment, FOREIGN, Start},
    substitutes::SubstituteArguments,
};
use crate::{build::sandbox::noexec_mount, files};

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
    /// Command to run instead of a shell, and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The start-up files by name.
const FILES: [(&str, &str); 5] = [
    ("bashrc", include_str!("bashrc")),
    ("shrc", include_str!("shrc")),
    (".zshenv", include_str!("zshenv")),
    (".zshrc", include_str!("zshrc")),
    ("init.fish", include_str!("init.fish")),
];

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let Arguments { expression, build, hashes, substitutes, command } = arguments;
    substitutes.open(context)?;
    let environment = run::environment(context, expression, build, hashes)?;
    let store = context.store()?;
    let mut words = command.iter().cloned();
    let mut start = match words.next() {
        Some(command) => {
            let program = environment.find(store, &command).unwrap_or(command);
            Start::new(&environment, program, words.collect(), false)
        }
        None => {
            if let Some(mount) = noexec_mount(store.dir()) {
                let mount = mount.display();
                context.warn(format!(
                    "programs of the environment cannot be executed: '{mount}', which holds the store, is mounted \
                     'noexec'; as root, run `mount -o remount,exec {mount}`, or choose another store \
                     with --store DIR"
                ));
            }
            let own = env::var_os("SHELL").filter(|shell| !shell.is_empty());
            let shell = own.unwrap_or_else(|| "/bin/sh".into());
            let mut start = Start::new(&environment, shell, Vec::new(), false);
            if let Err(problem) = initialise(&mut start, &environment) {
                context.warn(format!("your shell's start-up files may change PATH: {problem}"));
            }
            start
        }
    };
    start.variables.insert("CLUTCH_SHELL".into(), environment.name.clone().into());
    start.run(store, &environment).map(|never| match never {})
}

/// Makes a known shell read a start-up file of clutch.
fn initialise(start: &mut Start, environment: &Environment) -> std::io::Result<()> {
    let name = Path::new(&start.program).file_name().and_then(OsStr::to_str);
    let name = name.unwrap_or_default().to_owned();
    if !matches!(&name[..], "bash" | "zsh" | "fish" | "sh" | "dash" | "ash" | "ksh" | "mksh") {
        return Ok(());
    }
    let folder = files()?;
    let mut set = |name: &str, value: OsString| start.variables.insert(name.into(), value);
    set("CLUTCH_SHELL_PATH", environment.search_path().into());
    set("CLUTCH_SHELL_UNSET", FOREIGN.join(" ").into());
    match &name[..] {
        "bash" => start.words.extend(["--rcfile".into(), folder.join("bashrc").into()]),
        "zsh" => {
            if let Some(own) = set("ZDOTDIR", folder.into()) {
                set("CLUTCH_SHELL_ZDOTDIR", own);
            }
        }
        "fish" => {
            let file = folder.join("init.fish");
            let quoted = file.to_string_lossy().replace('\\', "\\\\").replace('\'', "\\'");
            start.words.extend(["--init-command".into(), format!("source '{quoted}'").into()]);
        }
        _ => {
            if let Some(own) = set("ENV", folder.join("shrc").into()) {
                set("CLUTCH_SHELL_ENV", own);
            }
        }
    }
    Ok(())
}

/// The folder of the start-up files. Writes those that are missing or different.
fn files() -> std::io::Result<PathBuf> {
    let absolute =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let folder =
        cache.ok_or_else(|| std::io::Error::other("HOME is not set"))?.join("clutch/shell");
    for (name, text) in FILES {
        let file = folder.join(name);
        if fs_err::read(&file).is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        fs_err::create_dir_all(&folder)?;
        files::replace(&file, text.as_bytes())?;
    }
    Ok(folder)
}
