//! The pool: one hard link to each file's content, so that equal files of different paths share
//! their bytes. Purely a saving: whatever cannot be shared stays a file of its own, and no error here
//! is one of the store.
//!
//! A file only enters the pool when its data are on disk, and is only taken out of it while it looks
//! untouched (size, mode, time): what somebody has written to is forgotten, not spread.

use std::{
    io,
    os::unix::fs::{DirEntryExt, MetadataExt},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::{Store, StoreError, seal};
use crate::{
    archive::{self, Digest, Kind, Listing},
    hash::encode_nix32,
    store_path::StorePath,
};

/// The smallest file that is shared, in bytes: smaller ones cost more links than they save blocks.
pub(super) const SMALLEST: u64 = 4096;

/// The folder of the pool.
#[derive(Debug)]
pub(super) struct Pool {
    folder: PathBuf,
}

/// A file that could be shared.
#[derive(Clone, Debug)]
pub(super) struct Shareable {
    /// Where it is.
    pub(super) file: PathBuf,
    pub(super) digest: Digest,
    pub(super) executable: bool,
}

impl Pool {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn place(&self, shareable: &Shareable) -> PathBuf {
        let name = encode_nix32(&shareable.digest);
        let end = if shareable.executable { "x" } else { "" };
        self.folder.join(&name[..2]).join(format!("{name}{end}"))
    }

    /// Replaces a file of canonical metadata by a link to the pool's. Gives whether its bytes are
    /// shared now and were not before.
    pub(super) fn share(&self, shareable: &Shareable) -> bool {
        let work = || -> io::Result<bool> {
            let place = self.place(shareable);
            let (pooled, own) = (place.symlink_metadata()?, shareable.file.symlink_metadata()?);
            if (pooled.dev(), pooled.ino()) == (own.dev(), own.ino()) {
                return Ok(false);
            }
            let mode = if shareable.executable { 0o555 } else { 0o444 };
            let untouched = pooled.is_file()
                && pooled.len() == own.len()
                && pooled.mode() & 0o7777 == mode
                && (pooled.mtime(), pooled.mtime_nsec()) == (1, 0);
            if !untouched {
                fs_err::remove_file(&place)?;
                return Ok(false);
            }
            static NUMBER: AtomicU64 = AtomicU64::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let link = self.folder.join(format!(".link-{}-{number}", std::process::id()));
            match fs_err::hard_link(&place, &link) {
                // it has as many links as a file can have: a new one takes its place
                Err(e) if e.kind() == io::ErrorKind::TooManyLinks => {
                    fs_err::remove_file(&place)?;
                    return Ok(false);
                }
                other => other?,
            }
            let replaced = fs_err::rename(&link, &shareable.file);
            if replaced.is_err() {
                fs_err::remove_file(&link)?;
            }
            replaced.map(|()| true)
        };
        work().unwrap_or(false)
    }

    /// Puts a file into the pool; one that is there already stays.
    pub(super) fn offer(&self, shareable: &Shareable) {
        let place = self.place(shareable);
        match fs_err::hard_link(&shareable.file, &place) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let made = place.parent().is_some_and(|p| fs_err::create_dir_all(p).is_ok());
                if made {
                    let _ = fs_err::hard_link(&shareable.file, &place);
                }
            }
            _ => {}
        }
    }

    /// The numbers of the files that it holds. What cannot be read holds none.
    pub(super) fn inodes(&self) -> FxHashSet<u64> {
        let folders: Vec<_> =
            fs_err::read_dir(&self.folder).into_iter().flatten().flatten().collect();
        let of = |folder: &fs_err::DirEntry| {
            let files = fs_err::read_dir(folder.path()).into_iter().flatten().flatten();
            files.map(|file| file.ino()).collect::<Vec<u64>>()
        };
        folders.par_iter().flat_map_iter(of).collect()
    }

    /// Removes what no path shares any more.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let folders = match fs_err::read_dir(&self.folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?.collect::<io::Result<Vec<_>>>()?,
        };
        folders.par_iter().try_for_each(|folder| {
            if !folder.file_type()?.is_dir() {
                // a link that a crash left
                return fs_err::remove_file(folder.path());
            }
            for entry in fs_err::read_dir(folder.path())? {
                let entry = entry?;
                if entry.metadata()?.nlink() == 1 {
                    fs_err::remove_file(entry.path())?;
                }
            }
            Ok(())
        })
    }
}

impl Store {
    /// Shares the equal files of these paths with each other and with what is shared already. Gives
    /// the bytes that this saves.
    ///
    /// # Errors
    /// Where a path cannot be read or the store cannot be written.
    pub fn optimise(&self, paths: &[StorePath]) -> Result<u64, StoreError> {
        self.need_writable()?;
        self.keep(paths)?;
        let mut saved = 0;
        for path in self.valid(paths)? {
            let listing = Listing::read(&self.real(&path))?;
            let leaves = archive::leaves(&listing)?;
            for (node, leaf) in listing.nodes().iter().zip(leaves) {
                let Some(leaf) = leaf.filter(|l| node.kind == Kind::File && l.size >= SMALLEST)
                else {
                    continue;
                };
                let (digest, executable) = (leaf.digest, leaf.executable);
                let shareable = Shareable { file: node.path.clone(), digest, executable };
                // a folder of the store can only be changed while it is writable
                let folder = node.path.parent().filter(|folder| *folder != self.dir());
                folder.map_or(Ok(()), |folder| seal::seal_folder(folder, 0o755))?;
                if self.pool.share(&shareable) {
                    saved += leaf.size;
                } else {
                    self.pool.offer(&shareable);
                }
                folder.map_or(Ok(()), |folder| seal::seal_folder(folder, 0o555))?;
            }
        }
        Ok(saved)
    }
}
