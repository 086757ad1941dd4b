//! `builtins.fetchurl`, `fetchTarball` and `fetchTree`: fixed outputs that are built on demand. Every fetch
//! needs a hash; for a git repository (`git`), the revision is the hash.

mod arguments;
mod date;
mod git;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clutch_expr::host::{
    AddPath, FetchRequest, FetchValue, Fetched, Host as _, HostError, HostResult,
};

use super::{EvalHost, hash_positions::Given};
use arguments::Arguments;
use date::date;

use crate::git::shown_address;
use crate::{
    derivation::{Draft, DraftOutputs, Fixed, HashMode},
    hash::{Format, Hash},
};

/// Fetches by hash.
pub(super) fn fetch(host: &EvalHost<'_>, request: &FetchRequest) -> HostResult<Fetched> {
    let arguments = Arguments { request };
    match request.builtin.as_str() {
        "fetchurl" => {
            let url = arguments.required("url")?;
            let (hash, given) = arguments.hash("sha256", &url)?;
            let last = url.rsplit('/').next().unwrap_or_default().to_owned();
            let name = arguments.text("name").unwrap_or(last);
            let path =
                build(host, name, url, (Fixed { mode: HashMode::Flat, hash }, given), false)?;
            Ok(Fetched { path, attrs: Vec::new(), later: Vec::new() })
        }
        "fetchTarball" => {
            let url = arguments.required("url")?;
            let (hash, given) = arguments.hash("sha256", &url)?;
            let name = arguments.text("name").unwrap_or_else(|| "source".to_owned());
            let path =
                build(host, name, url, (Fixed { mode: HashMode::Recursive, hash }, given), true)?;
            Ok(Fetched { path, attrs: Vec::new(), later: Vec::new() })
        }
        _ if arguments.is_git() => git::fetch(host, &arguments),
        _ => tree(host, &arguments),
    }
}

/// An attribute that [`fetch`] computes on demand.
pub(super) fn fetch_later(
    host: &EvalHost<'_>,
    request: &FetchRequest,
    attribute: &str,
) -> HostResult<FetchValue> {
    let arguments = Arguments { request };
    match attribute {
        "revCount" if arguments.is_git() => git::count(host, &arguments),
        other => Err(arguments.refuse(format!("unknown attribute '{other}'"))),
    }
}

fn tree(host: &EvalHost<'_>, arguments: &Arguments<'_>) -> HostResult<Fetched> {
    let kind = arguments.required("type")?;
    let place = match kind.as_str() {
        "file" | "tarball" => "url",
        "path" => "path",
        other => {
            return Err(arguments.refuse(format!(
                "the type '{other}' is not supported; use 'file', 'git', 'path' or 'tarball'"
            )));
        }
    };
    for (name, _) in &arguments.request.args {
        let known = ["type", place, "narHash", "rev", "revCount", "lastModified"];
        if !known.contains(&name.as_str()) {
            return Err(arguments.refuse(format!("the type '{kind}' has no attribute '{name}'")));
        }
    }
    let from = arguments.required(place)?;
    let (hash, given) = arguments.hash("narHash", &from)?;
    let path = if kind == "path" {
        let path = PathBuf::from(&from);
        if !path.is_absolute() {
            return Err(arguments.refuse(format!("'{from}' is not an absolute path")));
        }
        let sha256 = Some(hash.format(Format::Sri));
        let name = "source".to_owned();
        host.add_path(&AddPath { path, name, recursive: true, sha256, follow: true }, None)?
    } else {
        let fixed = Fixed { mode: HashMode::Recursive, hash };
        build(host, "source".to_owned(), from, (fixed, given), kind == "tarball")?
    };
    Ok(Fetched { path, attrs: attributes(arguments, hash)?, later: Vec::new() })
}

/// The attributes of a tree beside its path: its hash, and those that the arguments give.
fn attributes(arguments: &Arguments<'_>, hash: Hash) -> HostResult<Vec<(String, FetchValue)>> {
    let text = |name: &str, text| (name.to_owned(), FetchValue::String(text));
    let mut attrs = vec![text("narHash", hash.format(Format::Sri))];
    if let Some(rev) = arguments.text("rev") {
        if rev.len() < 40 || !rev.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(arguments.refuse(format!("rev: '{rev}' is not a full revision")));
        }
        attrs.extend([text("shortRev", rev[..7].to_owned()), text("rev", rev)]);
    }
    if let Some(count) = arguments.number("revCount") {
        attrs.push(("revCount".to_owned(), FetchValue::Int(count)));
    }
    if let Some(time) = arguments.number("lastModified") {
        attrs.push(("lastModified".to_owned(), FetchValue::Int(time)));
        attrs.push(text("lastModifiedDate", date(time)));
    }
    Ok(attrs)
}

/// The output of a download, made valid.
fn build(
    host: &EvalHost<'_>,
    name: String,
    url: String,
    (fixed, given): (Fixed, Given),
    unpack: bool,
) -> HostResult<String> {
    // messages show the hash as it was written
    let mut env = BTreeMap::from([
        ("url".to_owned(), url.into_bytes()),
        ("outputHash".to_owned(), given.text.clone().into_bytes()),
    ]);
    if unpack {
        env.insert("unpack".to_owned(), b"1".to_vec());
    }
    let draft = Draft {
        name,
        system: "builtin".into(),
        builder: b"builtin:fetch".to_vec(),
        args: Vec::new(),
        env,
        structured: None,
        outputs: DraftOutputs::Fixed(fixed),
        input_derivations: BTreeMap::new(),
        input_sources: BTreeSet::new(),
    };
    let (path, derivation) = host.resolve(draft)?;
    host.note().hashes.insert(path.clone(), given);
    host.build(&[(path, BTreeSet::from(["out".to_owned()]))])?;
    Ok(derivation.outputs["out"].path.to_string())
}

/// Rejects addresses with credentials: a derivation is a file in the store, which every user can read and
/// which is copied to other machines.
pub(super) fn check_addresses(draft: &Draft) -> HostResult<()> {
    if draft.builder != b"builtin:fetch" {
        return Ok(());
    }
    let structured = draft.structured.as_deref().and_then(|json| {
        let all: serde_json::Value = serde_json::from_str(json).ok()?;
        Some(["url", "urls", "index"].map(|name| all.get(name).cloned().unwrap_or_default()))
    });
    let mut texts: Vec<Cow<'_, str>> = Vec::new();
    for value in structured.into_iter().flatten() {
        match value {
            serde_json::Value::String(text) => texts.push(text.into()),
            serde_json::Value::Array(items) => {
                texts
                    .extend(items.iter().filter_map(|item| Some(item.as_str()?.to_owned().into())));
            }
            _ => {}
        }
    }
    let flat = ["url", "urls", "index"].iter().filter_map(|name| draft.env.get(*name));
    texts.extend(flat.map(|text| String::from_utf8_lossy(text)));
    for word in texts.iter().flat_map(|text| text.split_whitespace()) {
        if let Cow::Owned(shown) = shown_address(word) {
            return Err(HostError::new(format!(
                "the address '{shown}' is given with a name or password, which everybody could read \
                 in the derivation; put `machine HOST login NAME password PASSWORD` into ~/.netrc \
                 instead"
            )));
        }
    }
    Ok(())
}
