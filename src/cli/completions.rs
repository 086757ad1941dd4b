//! `clutch completions`, and what its scripts ask: the shell runs this program with the words so far, so that
//! what is in the store is completed like what is in the program.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory as _, FromArgMatches as _};
use clap_complete::{
    CompleteEnv, CompletionCandidate, Shell,
    engine::{ArgValueCompleter, PathCompleter, ValueCompleter as _},
    env::Shells,
};

use clutch_expr::{
    host::{HostError, HostResult},
    value::Value,
};

use super::{
    context::{self, Context},
    evaluation,
    expression::ExpressionArguments,
    failure::{Failure, Kind, OrFail as _, Outcome},
    global::Global,
    interruption, output, report,
    show::stored,
};
use crate::{
    evaluate::Realise,
    git::{Commit, Revision},
    store::{Store, profile::Profile},
    store_path::{STORE_DIR, StorePath},
};

/// The variable by which a shell asks.
const ASKED: &str = "CLUTCH_COMPLETE";

/// More than a person looks through.
const MOST: usize = 100;

/// How long an expression may compute for a question.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Shell to print the script for.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let name = arguments.shell.to_string();
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(&name) {
        shell
            .write_registration(ASKED, "clutch", "clutch", "clutch", &mut script)
            .or_fail(Kind::Failed)?;
    }
    output::print(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Answers a shell that asks. Gives how the process ends then.
pub(super) fn answer() -> Option<ExitCode> {
    env::var_os(ASKED)?;
    let here = env::current_dir().ok();
    let answer = CompleteEnv::with_factory(super::Arguments::command).var(ASKED);
    match answer.try_complete(env::args_os(), here.as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(report::printed(output::flush())),
        Err(error) => Some(report::printed(Err(Failure::new(Kind::Failed, error)))),
    }
}

/// The names of profiles.
pub(super) fn profiles() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| among(word, profile_names()))
}

/// The names of pins.
pub(super) fn pins() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| among(word, pin_names()))
}

/// What leads to a store path: a profile, a pin, a link, or the path itself.
pub(super) fn store_paths() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        let names = profile_names().into_iter().chain(pin_names());
        let mut found = among(word, names.chain(base_names(word)));
        found.extend(PathCompleter::any().complete(word));
        found
    })
}

/// The attributes that `-A` can select of the expression among the words so far.
pub(super) fn attributes() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| among(word, attribute_paths(word).unwrap_or_default()))
}

/// Behind `--`: the programs of what the words before it lead to in the store, then any file.
pub(super) fn programs() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        let mut found = among(word, program_names().unwrap_or_default());
        found.extend(PathCompleter::any().complete(word));
        found
    })
}

/// The words of the command line that is completed; what asks puts `--` in front of them.
fn asked() -> Vec<OsString> {
    env::args_os().skip_while(|word| word != "--").skip(1).collect()
}

/// What words mean: the options of every command, and the expression.
fn understood(words: &[OsString]) -> Option<(Context, ExpressionArguments)> {
    let mut matches = super::Arguments::command().try_get_matches_from(words).ok()?;
    let global = Global::from_arg_matches(&matches).ok()?;
    while let Some((_, inner)) = matches.remove_subcommand() {
        matches = inner;
    }
    let expression = ExpressionArguments::from_arg_matches(&matches).ok()?;
    Some((
        Context::new(Global { events: None, quiet: true, verbose: 0, ..global }).ok()?,
        expression,
    ))
}

/// The paths of the attributes beside the one that is being typed.
fn attribute_paths(word: &OsStr) -> Option<Vec<String>> {
    let word = word.to_str()?;
    let mut words = asked();
    // the option, apart from its value or before it
    let last = words.pop()?;
    if last == word && words.last().is_some_and(|option| option == "-A" || option == "--attr") {
        words.pop();
    }
    let (context, mut expression) = understood(&words)?;
    let (folder, _) = word.rsplit_once('.').unwrap_or_default();
    expression.attributes = if folder.is_empty() { Vec::new() } else { vec![folder.to_owned()] };
    expression.no_allow_import_from_derivation = true;
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}.") };
    // what takes long offers nothing
    std::thread::spawn(|| {
        std::thread::sleep(PATIENCE);
        interruption::flag().store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let nothing = Nothing(&context);
    let host = evaluation::host(&context, &expression, &nothing).ok()?;
    let names = evaluation::interpret(&context, &host, &expression, |it, value, args| {
        let Value::Attrs(attrs) = it.auto_call(value, args)? else { return Ok(Vec::new()) };
        let names = attrs.iter(it.arena).map(|(key, _)| it.symbols.show(key.symbol));
        Ok(names.collect::<Vec<String>>())
    });
    let mut names: Vec<String> = names.ok()?.into_iter().flatten().collect();
    names.sort();
    Some(names.into_iter().map(|name| format!("{prefix}{name}")).collect())
}

fn program_names() -> Option<Vec<String>> {
    let words = asked();
    let end = words.iter().position(|word| word == "--")?;
    if words.len() != end + 2 {
        return None;
    }
    let (context, expression) = understood(&words[..end])?;
    if !context.store_root().ok()?.join("store").is_dir() {
        return None;
    }
    let path = stored(&context, expression.path.as_deref()).ok()??;
    let entries = fs_err::read_dir(context.store().ok()?.real(&path).join("bin")).ok()?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    Some(names)
}

/// A question builds, fetches and says nothing.
struct Nothing<'a>(&'a Context);

impl Realise for Nothing<'_> {
    fn realise(&self, _: &[(StorePath, BTreeSet<String>)]) -> HostResult<()> {
        Err(HostError::new("nothing is built for a completion"))
    }

    fn fetch_revision(&self, _: &Revision, _: &Path, _: &Path) -> HostResult<Commit> {
        Err(HostError::new("nothing is fetched for a completion"))
    }

    fn count_revisions(&self, _: &Revision, _: &Path) -> HostResult<u64> {
        Err(HostError::new("nothing is fetched for a completion"))
    }

    fn store(&self) -> HostResult<&Store> {
        self.0.store().map_err(HostError::caused_by)
    }

    fn message(&self, _: &str, _: bool) {}
}

fn among(word: &OsStr, all: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy();
    let fits = all.into_iter().filter(|name| name.starts_with(&*word));
    fits.take(MOST).map(CompletionCandidate::new).collect()
}

/// Profiles that a name alone leads to.
fn profile_names() -> Vec<String> {
    let all = context::profiles().ok().and_then(|folder| Profile::all(&folder).ok());
    all.into_iter().flatten().map(|profile| profile.name().to_owned()).collect()
}

fn pin_names() -> Vec<String> {
    let pins = store().and_then(|store| store.pins().ok()).unwrap_or_default();
    pins.into_iter().map(|pin| pin.name).collect()
}

/// The logical paths of what lies in the store, by its folder alone: an index is slower to open.
fn base_names(word: &OsStr) -> Vec<String> {
    if !word.to_string_lossy().starts_with(STORE_DIR) {
        return Vec::new();
    }
    let store = context::store_root(None).ok().map(|root| root.join("store"));
    let entries = store.and_then(|folder| fs_err::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().flatten().filter_map(|entry| {
        let path = StorePath::from_base(entry.file_name().to_str()?).ok()?;
        (!path.is_derivation()).then(|| path.to_string())
    });
    let mut paths: Vec<String> = paths.collect();
    paths.sort();
    paths
}

/// The store, if there is one: a question makes none.
fn store() -> Option<Store> {
    let root = context::store_root(None).ok()?;
    root.join("store").is_dir().then(|| Store::open(&root).ok()).flatten()
}
