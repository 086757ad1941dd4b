//! Trees that builds keep for you to look at: working directories of failed builds, and outputs that differed
//! when they were built again. Nothing relies on them. A collection removes them after a week.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustc_hash::FxHashSet;

use super::{
    Store, StoreError,
    collect::{Limits, days_ago},
    removal,
    roots::entries,
};

/// The default number of days to keep them.
const DAYS: u64 = 7;

/// A folder or file that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBuild {
    /// Its place.
    pub place: PathBuf,
    /// Its bytes on disk.
    pub size: u64,
}

impl Store {
    /// The trees that were kept longer than the limits allow.
    pub(super) fn old_kept_builds(&self, limits: Limits) -> Result<Vec<KeptBuild>, StoreError> {
        let since = days_ago(limits.keep_days.unwrap_or(DAYS));
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        let mut old = Vec::new();
        for folder in [self.layout.failed(), self.layout.differing()] {
            for place in entries(&folder)? {
                // the change time is when it was moved there: a build can set all other times
                match fs_err::symlink_metadata(&place) {
                    Ok(found) if found.ctime() <= since => {
                        old.push(KeptBuild { size: size(&place), place });
                    }
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
                    _ => {}
                }
            }
        }
        old.sort_unstable_by(|a, b| a.place.cmp(&b.place));
        Ok(old)
    }

    /// Removes them. Each loses its name in one step, so nobody sees part of a tree.
    pub(super) fn remove_kept_builds(&self, old: &[KeptBuild]) -> Result<(), StoreError> {
        for build in old {
            let trash = self.scratch()?;
            match removal::take_away(&build.place, &trash.path().join("aside")) {
                // another collection was faster
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }
}

/// The bytes of a tree on disk; entries that cannot be read count nothing.
fn size(tree: &Path) -> u64 {
    let (mut seen, mut todo, mut size) = (FxHashSet::default(), vec![tree.to_owned()], 0);
    while let Some(place) = todo.pop() {
        let Ok(found) = fs_err::symlink_metadata(&place) else { continue };
        if seen.insert(found.ino()) {
            size += found.blocks() * 512;
        }
        if found.is_dir() {
            todo.extend(entries(&place).unwrap_or_default());
        }
    }
    size
}
