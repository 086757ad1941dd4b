//! Locks between processes: files locked by the kernel, so a dead process holds nothing.

use std::{
    ffi::OsStr,
    fs::TryLockError,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::{Mode, OFlags};

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
    /// Takes the right to make `path`; `None` if another thread or process has it. Afterwards, check again if the
    /// path is valid.
    ///
    /// # Errors
    /// If the lock cannot be made.
    pub fn try_lock(&self, path: &StorePath) -> Result<Option<PathLock>, StoreError> {
        self.need_writable()?;
        Ok(take(&self.lock_file(path))?)
    }

    /// Removes the lock files of dead processes.
    ///
    /// # Errors
    /// If their folder cannot be read. What cannot be removed is left.
    pub(super) fn remove_dead_locks(&self) -> Result<(), StoreError> {
        for path in entries(&self.layout.locks())? {
            let base =
                path.file_name().and_then(OsStr::to_str).and_then(|n| n.strip_suffix(".lock"));
            if base.is_none_or(|base| StorePath::from_base(base).is_err()) {
                continue;
            }
            let Some(file) = open_own(&path, OFlags::empty()) else { continue };
            // its owner is dead: drop the lock with its file
            if hold(&file, false)? && is_at(&file, &path)? {
                drop(PathLock { path, _file: file });
            }
        }
        Ok(())
    }

    fn lock_file(&self, path: &StorePath) -> PathBuf {
        self.layout.locks().join(format!("{}.lock", path.base()))
    }
}

/// Takes the lock of that file; `None` if another has it.
fn take(path: &Path) -> io::Result<Option<PathLock>> {
    loop {
        let file = create_own(path)?;
        if !hold(&file, false)? {
            return Ok(None);
        }
        if is_at(&file, path)? {
            return Ok(Some(PathLock { path: path.to_owned(), _file: file }));
        }
    }
}

/// Opens a file to be locked, and makes it if it is not there. A symlink is not followed.
pub(super) fn create_own(path: &Path) -> io::Result<fs_err::File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = fs_err::OpenOptions::new();
    options.create(true).truncate(false).write(true).custom_flags(flags).open(path)
}

/// Opens a file (or a folder, by flag) that a process of this user has left in `var`; `None` if it is something
/// else, such as a symlink, or somebody else's.
pub(super) fn open_own(path: &Path, flags: OFlags) -> Option<fs_err::File> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let file = fs_err::File::from_parts(std::fs::File::from(file), path);
    let found = file.metadata().ok()?;
    let is_own = found.uid() == rustix::process::geteuid().as_raw();
    (is_own && (found.is_file() || found.is_dir())).then_some(file)
}

/// True if a name is a process id and a number, as of scratch folders and temporary roots.
pub(super) fn is_numbered(name: &OsStr) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parts = name.to_str().and_then(|name| name.split_once('-'));
    parts.is_some_and(|(process, number)| digits(process) && digits(number))
}

/// Locks an open file. Returns true if it has the lock (always, with `wait`).
pub(super) fn hold(file: &fs_err::File, wait: bool) -> io::Result<bool> {
    uninterrupted(file, |file| {
        if wait {
            return file.lock().map(|()| true);
        }
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(e),
        }
    })
}

/// Waits for a shared lock of an open file.
pub(super) fn hold_with_others(file: &fs_err::File) -> io::Result<()> {
    uninterrupted(file, std::fs::File::lock_shared)
}

/// True if another process holds the lock of an open file. Asking takes a shared lock.
pub(super) fn is_held(file: &fs_err::File) -> io::Result<bool> {
    uninterrupted(file, |file| match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(e),
    })
}

/// Takes a lock in spite of signals; an error names the file.
fn uninterrupted<T>(
    file: &fs_err::File,
    take: impl Fn(&std::fs::File) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match take(file.file()) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                let text = format!("failed to lock '{}': {e}", file.path().display());
                return Err(io::Error::new(e.kind(), text));
            }
            Ok(taken) => return Ok(taken),
        }
    }
}

/// True if an open file is still the one at that path.
pub(super) fn is_at(file: &fs_err::File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs_err::symlink_metadata(path) {
        Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

impl Drop for PathLock {
    fn drop(&mut self) {
        // remove it while it is held, so that nobody else's file goes; waiters look again
        let _ = fs_err::remove_file(&self.path);
    }
}
