//! Replaces damaged trees by those of an export.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::{TransferError, header::Exported, source::Source};
use crate::{
    store::{Insertion, PathInfo, References, Store},
    store_path::StorePath,
};

/// Replaces the trees of valid paths by those in the export `file` (`-` is standard input) if the export has
/// the same path with the same tree hash. Nothing else of the export is used, so nothing is trusted.
/// `progress` gets the bytes done and the total; any thread may call it.
///
/// Returns the paths that were replaced.
///
/// # Errors
/// If the file is not an export, or the content of a path does not match its header.
pub fn restore(
    store: &Store,
    file: &Path,
    wanted: &[PathInfo],
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Vec<StorePath>, TransferError> {
    let wanted: FxHashMap<&StorePath, &PathInfo> = wanted.iter().map(|i| (&i.path, i)).collect();
    let mut source = Source::open(store, file)?;
    let header = source.header()?;
    let found: Vec<(usize, &Exported, &PathInfo)> = header
        .paths
        .iter()
        .enumerate()
        .filter_map(|(at, exported)| Some((at, exported, *wanted.get(&exported.path)?)))
        .filter(|(_, exported, info)| exported.tree == info.tree)
        .collect();
    let scratch = store.scratch()?;
    let all = found.iter().map(|(_, _, info)| info.size).sum();
    let done = AtomicU64::new(0);
    let insertions = found
        .par_iter()
        .map(|(at, exported, info)| {
            let insertion = Insertion {
                path: info.path.clone(),
                source: source.unpack(*at, exported, &scratch)?.into(),
                references: References::Known(info.references.clone()),
                deriver: None,
                expected: Some(info.tree),
                signatures: BTreeSet::new(),
            };
            progress(done.fetch_add(info.size, Ordering::Relaxed) + info.size, all);
            Ok(insertion)
        })
        .collect::<Result<Vec<_>, TransferError>>()?;
    let paths = insertions.iter().map(|insertion| insertion.path.clone()).collect();
    store.replace(insertions).map_err(|error| source.explain(error))?;
    Ok(paths)
}
