//! Locks between processes: files that are locked by the kernel, so that a dead process holds
//! nothing.

use std::{
    fs::TryLockError,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Store, StoreError, roots::entries};
use crate::store_path::StorePath;

/// The right to make one store path. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct PathLock {
    path: PathBuf,
    /// Closing it releases the lock.
    _file: fs_err::File,
}

impl Store {
    /// Waits until no other thread or process makes `path`, and keeps them from it. Whether it has
    /// become valid meanwhile is to be asked afterwards.
    ///
    /// # Errors
    /// Where the lock cannot be made.
    pub fn lock(&self, path: &StorePath) -> Result<PathLock, StoreError> {
        self.need_writable()?;
        let file = self.lock_file(path);
        loop {
            if let Some(lock) = take(&file, true)? {
                return Ok(lock);
            }
        }
    }

    /// As [`Store::lock`], but gives nothing where another thread or process has it.
    ///
    /// # Errors
    /// Where the lock cannot be made.
    pub fn try_lock(&self, path: &StorePath) -> Result<Option<PathLock>, StoreError> {
        self.need_writable()?;
        Ok(take(&self.lock_file(path), false)?)
    }

    /// Removes the lock files of dead processes.
    ///
    /// # Errors
    /// Where their folder cannot be read. What cannot be removed is left.
    pub(super) fn remove_dead_locks(&self) -> Result<(), StoreError> {
        for path in entries(&self.layout.locks())? {
            let Ok(file) = fs_err::File::open(&path) else { continue };
            // a lock that lives is dropped by its owner; this one is dropped here, file and all
            if hold(file.file(), false)? && is_at(file.file(), &path)? {
                drop(PathLock { path, _file: file });
            }
        }
        Ok(())
    }

    fn lock_file(&self, path: &StorePath) -> PathBuf {
        self.layout.locks().join(format!("{}.lock", path.base()))
    }
}

/// Takes the lock of that file. Nothing where another has it (only without `wait`), or where its
/// last owner removed the file in between.
fn take(path: &Path, wait: bool) -> io::Result<Option<PathLock>> {
    loop {
        let file =
            fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        if !hold(file.file(), wait)? {
            return Ok(None);
        }
        if is_at(file.file(), path)? {
            return Ok(Some(PathLock { path: path.to_owned(), _file: file }));
        }
    }
}

/// Locks an open file; whether it could be had (always, with `wait`).
pub(super) fn hold(file: &std::fs::File, wait: bool) -> io::Result<bool> {
    if !wait {
        return match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(e),
        };
    }
    uninterrupted(|| file.lock()).map(|()| true)
}

/// Does what a signal may interrupt until none does.
pub(super) fn uninterrupted(work: impl Fn() -> io::Result<()>) -> io::Result<()> {
    loop {
        match work() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Whether an open file is still the one at that path.
pub(super) fn is_at(file: &std::fs::File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs_err::symlink_metadata(path) {
        Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

impl Drop for PathLock {
    fn drop(&mut self) {
        // while it is held, so that nobody else's file is removed; who waits looks again
        let _ = fs_err::remove_file(&self.path);
    }
}
