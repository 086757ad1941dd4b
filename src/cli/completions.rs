//! `clutch completions`, and what its scripts ask: the shell runs this program with the words so far, so that
//! what is in the store is completed like what is in the program.

use std::{env, ffi::OsStr, process::ExitCode};

use clap::CommandFactory as _;
use clap_complete::{
    CompleteEnv, CompletionCandidate, Shell,
    engine::{ArgValueCompleter, PathCompleter, ValueCompleter as _},
    env::Shells,
};

use super::{
    Outcome, context,
    failure::{Failure, Kind, OrFail as _},
    output,
};
use crate::{
    store::{Store, profile::Profile},
    store_path::{STORE_DIR, StorePath},
};

/// The variable by which a shell asks.
const ASKED: &str = "CLUTCH_COMPLETE";

/// More than a person looks through.
const MOST: usize = 100;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The shell.
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
        Ok(true) => Some(super::printed(output::flush())),
        Err(error) => Some(super::printed(Err(Failure::new(Kind::Failed, error)))),
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
