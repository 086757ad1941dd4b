//! Temporary roots: the paths that running commands rely on. Each store that is open for writing has a file in
//! `var/roots/live`, locked as long as it lives, with a base name a line.
//!
//! A collector reads these files and decides what goes while it holds `var/collect.lock` alone. A process that
//! adds a path shares the lock. So if a path is added before it is looked up, either the collector sees the
//! root, or the look-up sees that the path is gone. Therefore every look-up adds a root, except those whose
//! answer nobody relies on ([`Store::glimpse`]).

use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rustc_hash::FxHashSet;

use super::{
    Store, StoreError,
    lock::{create_own, hold, hold_with_others, is_at, is_numbered},
};
use crate::{files, store_path::StorePath};

/// The file of one open store; made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct TemporaryRoots(Mutex<Option<File>>);

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// Holds the lock.
    file: fs_err::File,
    /// Its content.
    paths: FxHashSet<StorePath>,
}

impl Store {
    /// Keeps paths, valid or not, from being collected as long as this store is open. Asking if they are valid
    /// keeps them, too.
    ///
    /// Does nothing if the store is read-only: then this user cannot collect it either.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn keep<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<(), StoreError> {
        if !self.layout.writable() {
            return Ok(());
        }
        let mut live = self.temporary_roots.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = live.as_ref().map(|file| &file.paths);
        let fresh: Vec<&StorePath> = paths
            .into_iter()
            .filter(|path| !known.is_some_and(|known| known.contains(*path)))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let _shared = self.collect_lock(Share::Others)?;
        let file = match &mut *live {
            Some(file) => file,
            empty => empty.insert(make(&self.layout.roots().join("live"))?),
        };
        let mut lines = String::new();
        for path in &fresh {
            let _ = writeln!(lines, "{}", path.base());
        }
        file.file.write_all(lines.as_bytes())?;
        file.paths.extend(fresh.into_iter().cloned());
        Ok(())
    }

    /// The temporary roots of running processes, by process id. Removes files of dead ones.
    pub(super) fn kept(&self) -> Result<Vec<(u32, StorePath)>, StoreError> {
        use io::ErrorKind::{InvalidInput, NotFound};
        let mut kept = Vec::new();
        let entries = match fs_err::read_dir(self.layout.roots().join("live")) {
            Err(e) if e.kind() == NotFound => return Ok(kept),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            // what has another name was put there by somebody else, and keeps nothing
            if !is_numbered(&entry.file_name()) {
                continue;
            }
            let path = entry.path();
            let mut file = match files::open_regular(&path) {
                Err(e) if matches!(e.kind(), NotFound | InvalidInput) => continue,
                other => other?,
            };
            if hold(&file, false)? {
                let _ = fs_err::remove_file(&path);
                continue;
            }
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let process = name.as_deref().and_then(|n| n.split('-').next()?.parse().ok());
            // read the open file: its process may end meanwhile and remove it
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            for line in text.lines() {
                if let Ok(path) = StorePath::from_base(line) {
                    kept.push((process.unwrap_or(0), path));
                }
            }
        }
        Ok(kept)
    }

    /// The lock between processes that add roots and the collector.
    pub(super) fn collect_lock(&self, share: Share) -> Result<fs_err::File, StoreError> {
        let file = create_own(&self.layout.var().join("collect.lock"))?;
        match share {
            Share::Others => hold_with_others(&file)?,
            Share::Nobody => drop(hold(&file, true)?),
        }
        Ok(file)
    }
}

/// The sharing of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Shared by all that add roots.
    Others,
    /// Exclusive.
    Nobody,
}

fn make(folder: &Path) -> io::Result<File> {
    fs_err::create_dir_all(folder)?;
    for number in 0u32.. {
        let path = folder.join(format!("{}-{number}", std::process::id()));
        let file = match fs_err::OpenOptions::new().create_new(true).append(true).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other?,
        };
        // a collector may have removed it before it was locked
        if hold(&file, true)? && is_at(&file, &path)? {
            return Ok(File { path, file, paths: FxHashSet::default() });
        }
    }
    Err(io::Error::other(format!("'{}' is full", folder.display())))
}

impl Drop for File {
    fn drop(&mut self) {
        // a leftover is recognised as a dead process's
        let _ = fs_err::remove_file(&self.path);
    }
}
