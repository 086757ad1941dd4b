//! `builtins.fetchGit` and `fetchTree { type = "git"; ... }`: the revision is the hash. The store remembers
//! the tree of each revision, so that a valid tree needs no further request.

use std::collections::BTreeSet;

use clutch_expr::host::{FetchValue, Fetched, HostError, HostResult};

use super::{arguments::Arguments, date::date};
use crate::evaluate::EvalHost;
use crate::{
    derivation::{Fixed, HashMode, fixed_path},
    git::{Commit, Revision, RevisionRecord, is_ref_name, shown_address},
    hash::{Algorithm, Format, Hash},
    store::Store,
    store_path::{StorePath, check_name},
    tree::{self, Listing},
};

/// The supported arguments.
const ATTRIBUTES: [&str; 14] = [
    "type",
    "url",
    "name",
    "rev",
    "ref",
    "allRefs",
    "submodules",
    "shallow",
    "exportIgnore",
    "lfs",
    "narHash",
    "lastModified",
    "revCount",
    "verifyCommit",
];

fn refuse(error: impl std::fmt::Display) -> HostError {
    HostError::new(error.to_string())
}

/// The tree of a revision.
pub(super) fn fetch(host: &EvalHost<'_>, arguments: &Arguments<'_>) -> HostResult<Fetched> {
    let revision = revision(arguments)?;
    let name = arguments.text("name").unwrap_or_else(|| "source".to_owned());
    check_name(&name).map_err(|e| arguments.refuse(e))?;
    let given = arguments.find("narHash").map(|_| arguments.hash("narHash", &revision.url));
    let given = given.transpose()?.map(|(hash, _)| hash);
    let store = host.realiser.store()?;
    let known = match RevisionRecord::find(store, &revision) {
        Some(known) => Some(known),
        // a lock has everything that a fetch would tell
        None => given
            .zip(arguments.number("lastModified"))
            .map(|(hash, time)| RevisionRecord::new(&hash, Commit { time })),
    };
    let path = |known: &RevisionRecord| -> HostResult<StorePath> {
        fixed_path(&name, &Fixed { mode: HashMode::Recursive, hash: known.nar_hash() })
            .map_err(refuse)
    };
    let (path, known) = match known {
        Some(known) if is_there(host, store, &path(&known)?)? => (path(&known)?, known),
        _ => {
            let known = bring(host, store, &revision, |known| {
                check(arguments, known, given)?;
                path(known)
            })?;
            (path(&known)?, known)
        }
    };
    check(arguments, &known, given)?;
    let text = |name: &str, text: &str| (name.to_owned(), FetchValue::String(text.to_owned()));
    let number = |name: &str, number| (name.to_owned(), FetchValue::Int(number));
    let mut attrs = vec![
        text("narHash", &known.nar_hash().format(Format::Sri)),
        ("submodules".to_owned(), FetchValue::Bool(revision.submodules)),
        text("rev", &revision.rev),
        text("shortRev", &revision.rev[..7]),
        number("lastModified", known.time),
        text("lastModifiedDate", &date(known.time)),
    ];
    let mut later = Vec::new();
    let is_git = arguments.request.builtin == "fetchGit";
    match arguments.number("revCount") {
        Some(count) => attrs.push(number("revCount", count)),
        None if !arguments.flag("shallow")?.unwrap_or(!is_git) => later.push("revCount"),
        // Nix gives this value if it does not know
        None if is_git => attrs.push(number("revCount", 0)),
        None => {}
    }
    Ok(Fetched { path: path.to_string(), attrs, later })
}

/// The number of commits up to a revision.
pub(super) fn count(host: &EvalHost<'_>, arguments: &Arguments<'_>) -> HostResult<FetchValue> {
    let revision = revision(arguments)?;
    let store = host.realiser.store()?;
    let known = RevisionRecord::find(store, &revision);
    if let Some(count) = known.as_ref().and_then(|known| known.count) {
        return Ok(FetchValue::Int(count));
    }
    let scratch = store.scratch()?;
    let count = host.realiser.count_revisions(&revision, scratch.path());
    let count = count.map_err(|error| {
        let refusal = arguments.refuse(format!("'{}': {error}", shown_address(&revision.url)));
        error.with_text(refusal.text())
    })?;
    let count = i64::try_from(count).map_err(refuse)?;
    if let Some(known) = known {
        known.with_count(count).save(store, &revision).map_err(refuse)?;
    }
    Ok(FetchValue::Int(count))
}

/// The requested revision.
fn revision(arguments: &Arguments<'_>) -> HostResult<Revision> {
    for (name, _) in &arguments.request.args {
        if !ATTRIBUTES.contains(&name.as_str()) {
            return Err(arguments.refuse(format!("a git repository has no attribute '{name}'")));
        }
    }
    for name in ["lfs", "verifyCommit"] {
        if arguments.flag(name)? == Some(true) {
            return Err(arguments.refuse(format!("`{name}` is not supported")));
        }
    }
    let url = arguments.required("url")?;
    let rev = arguments.text("rev").ok_or_else(|| {
        arguments.refuse(format!(
            "'{}' has no `rev`: give the full id of a commit (as `git ls-remote` or \
             `git rev-parse` prints it), since a branch or tag may change",
            shown_address(&url)
        ))
    })?;
    let rev = rev.to_ascii_lowercase();
    if !matches!(rev.len(), 40 | 64) || !rev.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(arguments.refuse(format!(
            "rev: '{rev}' is not a full revision; expected 40 or 64 hexadecimal digits"
        )));
    }
    let submodules = arguments.flag("submodules")?.unwrap_or(false);
    let ignore = arguments.request.builtin == "fetchGit" && !submodules;
    let export_ignore = arguments.flag("exportIgnore")?.unwrap_or(ignore);
    if submodules && export_ignore {
        return Err(arguments.refuse("`submodules` and `exportIgnore` cannot be combined"));
    }
    let all_refs = arguments.flag("allRefs")?.unwrap_or(false);
    let name = arguments.text("ref");
    if let Some(name) = name.as_ref().filter(|name| !is_ref_name(name)) {
        return Err(
            arguments.refuse(format!("ref: '{name}' is not a valid name for a branch or tag"))
        );
    }
    Ok(Revision { url, rev, name, all_refs, submodules, export_ignore })
}

/// Checks a tree against its lock.
fn check(arguments: &Arguments<'_>, known: &RevisionRecord, given: Option<Hash>) -> HostResult<()> {
    let found = known.nar_hash();
    if let Some(given) = given.filter(|given| *given != found) {
        return Err(arguments.refuse(format!(
            "hash mismatch for '{}': specified {given}, got {found}",
            shown_address(&arguments.required("url")?)
        )));
    }
    match arguments.number("lastModified") {
        Some(given) if given != known.time => Err(arguments.refuse(format!(
            "`lastModified` is {given}, but the commit was made at {}",
            known.time
        ))),
        _ => Ok(()),
    }
}

fn is_there(host: &EvalHost<'_>, store: &Store, path: &StorePath) -> HostResult<bool> {
    if host.pending().waits(path) {
        return Ok(true);
    }
    Ok(store.is_valid(path)?)
}

/// Fetches a tree into the store, under the path that `place` returns unless that fails.
fn bring(
    host: &EvalHost<'_>,
    store: &Store,
    revision: &Revision,
    place: impl FnOnce(&RevisionRecord) -> HostResult<StorePath>,
) -> HostResult<RevisionRecord> {
    let scratch = store.scratch()?;
    let [tree, work] = ["tree", "git"].map(|name| scratch.path().join(name));
    fs_err::create_dir(&work).map_err(refuse)?;
    let fetched = host.realiser.fetch_revision(revision, &tree, &work);
    let commit = fetched.map_err(|error| {
        let from = shown_address(&revision.url);
        let text = format!("fetching {} from '{from}': {error}", revision.rev);
        error.with_text(text)
    })?;
    let listing = Listing::read(&tree).map_err(refuse)?;
    let nar_hash = tree::nar_hash_listed(&listing, Algorithm::Sha256).map_err(refuse)?;
    let known = RevisionRecord::new(&nar_hash, commit);
    let path = place(&known)?;
    let leaves = tree::leaves(&listing).map_err(refuse)?;
    let hash = tree::fold(&listing, &leaves).hash;
    store.keep(&BTreeSet::from([path.clone()]))?;
    let mut pending = host.pending();
    pending.add_tree(path, listing, leaves, hash);
    // before the scratch folder is removed
    pending.commit(store)?;
    known.save(store, revision).map_err(refuse)?;
    Ok(known)
}
