//! Shell completion of profiles, pins and store paths.

use std::ffi::OsStr;

use clap_complete::{
    CompletionCandidate,
    engine::{ArgValueCompleter, PathCompleter, ValueCompleter as _},
};

use super::context;
use crate::{
    store::{Store, profile::Profile},
    store_path::{STORE_DIR, StorePath},
};

/// The most candidates to offer.
const MOST: usize = 100;

/// The names of profiles.
pub(super) fn profiles() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| among(word, profile_names()))
}

/// The names of pins.
pub(super) fn pins() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| among(word, pin_names()))
}

/// Names for a store path: profiles, pins, links, or the path itself.
pub(super) fn store_paths() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        let names = profile_names().into_iter().chain(pin_names());
        let mut found = among(word, names.chain(base_names(word)));
        found.extend(PathCompleter::any().complete(word));
        found
    })
}

/// The candidates that start with the word.
pub(super) fn among(
    word: &OsStr,
    all: impl IntoIterator<Item = String>,
) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy();
    let fits = all.into_iter().filter(|name| name.starts_with(&*word));
    fits.take(MOST).map(CompletionCandidate::new).collect()
}

/// Profiles that are given by name.
fn profile_names() -> Vec<String> {
    let all = context::profiles().and_then(|folder| Profile::all(&folder).ok());
    all.into_iter().flatten().map(|profile| profile.name().to_owned()).collect()
}

fn pin_names() -> Vec<String> {
    let pins = store().and_then(|store| store.pins().ok()).unwrap_or_default();
    pins.into_iter().map(|pin| pin.name).collect()
}

/// The logical paths in the store, from its folder: opening the index is slower.
fn base_names(word: &OsStr) -> Vec<String> {
    if !word.to_string_lossy().starts_with(STORE_DIR) {
        return Vec::new();
    }
    let store = context::store_root(None).map(|root| root.join("store"));
    let entries = store.and_then(|folder| fs_err::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().flatten().filter_map(|entry| {
        let path = StorePath::from_base(entry.file_name().to_str()?).ok()?;
        (!path.is_derivation()).then(|| path.to_string())
    });
    let mut paths: Vec<String> = paths.collect();
    paths.sort();
    paths
}

/// The store, if it exists: completion does not create one.
fn store() -> Option<Store> {
    let root = context::store_root(None)?;
    root.join("store").is_dir().then(|| Store::open(&root).ok()).flatten()
}
