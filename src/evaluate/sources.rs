//! Sources that an evaluation copies to the store: texts, and files and folders of the project.

use std::{collections::BTreeSet, io, path::Path};

use clutch_expr::host::{AddPath, FileType, Filter, HostResult};

use super::{
    Access, EvalHost, files,
    host::{missing, parse, refuse},
    selection::Selection,
};
use crate::{
    derivation::{self, Fixed, HashMode},
    hash::{Algorithm, Hasher},
    limits,
    store_path::{STORE_DIR, StorePath, check_name},
    tree::{self, Bounds, Listing, NodeKind},
};

/// The limits of a source.
const BOUNDS: Bounds<'static> =
    Bounds { largest: limits::SOURCE_FILE, limit: "which is fixed", ..Bounds::NONE };

/// Adds a text as a store path.
pub(super) fn add_text(
    host: &EvalHost<'_>,
    name: &str,
    text: &[u8],
    references: &[String],
) -> HostResult<String> {
    let references = references
        .iter()
        .map(|r| StorePath::parse(r).map_err(refuse))
        .collect::<HostResult<BTreeSet<_>>>()?;
    let path = StorePath::of_text(text, &references, name).map_err(refuse)?;
    host.pending().add_text(path.clone(), text, references);
    host.access.open(&path);
    Ok(path.to_string())
}

/// Adds a file or folder as a store path, without the entries that the filter rejects.
pub(super) fn add_path(
    host: &EvalHost<'_>,
    request: &AddPath,
    filter: Option<&mut Filter<'_>>,
) -> HostResult<String> {
    check_name(&request.name).map_err(refuse)?;
    let key = (request.path.clone(), request.name.clone(), request.follow);
    let plain = filter.is_none() && request.recursive && request.sha256.is_none();
    if plain && let Some(path) = host.pending().known.get(&key) {
        return Ok(path.to_string());
    }
    let shown = host.walk(&request.path, request.follow)?;
    let from = host.access.real(&shown);
    let listing = list(host, &from, &shown, filter)?;
    let leaves = tree::leaves_within(&listing, BOUNDS).map_err(refuse)?;
    let tree = tree::fold(&listing, &leaves).hash;
    let path = match &request.sha256 {
        None if request.recursive => StorePath::of_source(&tree, &request.name).map_err(refuse)?,
        expected => {
            let (mode, hash) = if request.recursive {
                let hash = tree::nar_hash_listed(&listing, Algorithm::Sha256);
                (HashMode::Recursive, hash.map_err(refuse)?)
            } else {
                let mut hasher = Hasher::new(Algorithm::Sha256);
                files::stream(host, &shown, &mut |piece| {
                    hasher.update(piece);
                    true
                })?;
                (HashMode::Flat, hasher.finish())
            };
            if let Some(text) = expected {
                let expected = parse(text, Some(Algorithm::Sha256))?;
                if expected != hash {
                    return Err(refuse(format!(
                        "hash mismatch for '{}': specified {expected}, got {hash}",
                        request.path.display()
                    )));
                }
            }
            derivation::fixed_path(&request.name, &Fixed { mode, hash }).map_err(refuse)?
        }
    };
    let mut pending = host.pending();
    if plain {
        pending.known.insert(key, path.clone());
    }
    pending.add_tree(path.clone(), listing, leaves, tree);
    host.access.open(&path);
    Ok(path.to_string())
}

/// Lists the entries to copy from the tree at `from`. The filter sees them under `shown`.
fn list(
    host: &EvalHost<'_>,
    from: &Path,
    shown: &Path,
    mut filter: Option<&mut Filter<'_>>,
) -> HostResult<Listing> {
    let found = fs_err::symlink_metadata(from).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => refuse(missing(shown)),
        _ => refuse(error),
    })?;
    let mut selection = match found.is_dir() && !shown.starts_with(STORE_DIR) {
        true => {
            let Access { home, .. } = &host.access;
            let selection = Selection::new(from, home.as_deref(), host.access.hidden());
            Some(selection.map_err(refuse)?)
        }
        false => None,
    };
    let mut failed = None;
    let mut keep = |below: &Path, kind: Option<NodeKind>| -> HostResult<bool> {
        if let Some(selection) = &mut selection
            && !selection.keeps(below, kind == Some(NodeKind::Directory)).map_err(refuse)?
        {
            return Ok(false);
        }
        let kind = match kind {
            Some(NodeKind::File) => FileType::Regular,
            Some(NodeKind::Directory) => FileType::Directory,
            Some(NodeKind::Symlink) => FileType::Symlink,
            None => FileType::Unknown,
        };
        filter.as_mut().map_or(Ok(true), |filter| filter(&shown.join(below), kind))
    };
    let listing = Listing::read_some(from, &mut |below, kind| {
        failed.is_none()
            && keep(below, kind).unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
    });
    match failed {
        Some(error) => Err(error),
        None => listing.map_err(refuse),
    }
}
