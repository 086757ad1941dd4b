//! Scratch folders on the store's file system, for trees that are not in the store yet. Each is locked by its
//! process, so those of dead processes are recognised and removed.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::fs::OFlags;

use super::{
    Store, StoreError,
    lock::{hold, is_at, is_numbered, open_own},
};
use crate::{files, immutable};

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Holds the lock.
    _folder: fs_err::File,
}

impl Scratch {
    /// Its place.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // if this fails, another process removes it later
        let _ = files::remove_tree(&self.path);
    }
}

impl Store {
    /// Makes an empty scratch folder.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        self.need_writable()?;
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{number}", std::process::id());
            let path = self.layout.scratch().join(name);
            match fs_err::create_dir(&path) {
                // left by a dead process with the same id
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                other => other?,
            }
            // a collector may remove it before it is locked
            let folder = match fs_err::File::open(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                other => other?,
            };
            if hold(&folder, true)? && is_at(&folder, &path)? {
                return Ok(Scratch { path, _folder: folder });
            }
        }
    }

    /// Removes the scratch folders of dead processes, and seals the paths in their notes. Returns the reason if a
    /// file in one is immutable.
    ///
    /// # Errors
    /// If the folder of scratch folders cannot be read. What cannot be removed is left.
    pub fn remove_dead_scratch(&self) -> Result<Option<std::io::Error>, StoreError> {
        let mut kept = None;
        for entry in fs_err::read_dir(self.layout.scratch())? {
            let entry = entry?;
            // other names and folders of other users are not clutch's
            if !is_numbered(&entry.file_name()) {
                continue;
            }
            let path = entry.path();
            let Some(folder) = open_own(&path, OFlags::DIRECTORY) else { continue };
            if hold(&folder, false)? && self.seal_noted(&path).is_ok() {
                kept = files::remove_tree(&path).err().filter(immutable::is_cause).or(kept);
            }
        }
        Ok(kept)
    }
}
