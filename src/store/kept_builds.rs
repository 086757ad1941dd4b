//! What builds set aside for people to look at: the working directories of failed ones, and trees that
//! came out different when they were built again. Nothing relies on it. A collection removes it after a week.

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

/// For how many days it stays if nothing else is said.
const DAYS: u64 = 7;

/// A folder or file that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBuild {
    /// Where it is.
    pub place: PathBuf,
    /// The bytes that it takes on disk.
    pub size: u64,
}

impl Store {
    /// What was set aside longer ago than the limits say.
    pub(super) fn old_kept_builds(&self, limits: Limits) -> Result<Vec<KeptBuild>, StoreError> {
        let since = days_ago(limits.keep_days.unwrap_or(DAYS));
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        let mut old = Vec::new();
        for folder in [self.layout.failed(), self.layout.differing()] {
            for place in entries(&folder)? {
                // when it was moved there: a build can set all other times
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

    /// Removes it. Each loses its name in one step, so that nobody takes a part for the whole.
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

/// What a tree takes on disk, whatever is in it; what cannot be looked at counts nothing.
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
