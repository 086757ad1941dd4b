//! The pool: one hard link to each file's content, so that equal files of different paths share their bytes.
//! It only saves space: a file that cannot be shared stays as it is, and no error here is one of the store.
//!
//! A file only enters the pool when its data are on disk. Before it is shared it is read and hashed
//! again, so changed or damaged content leaves the pool and does not spread.

use std::{
    fs::Metadata,
    io,
    os::unix::fs::{DirEntryExt, MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use fs_err::DirEntry;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::roots::entries;
use crate::{
    files,
    hash::{decode_nix32, encode_nix32},
    tree::{self, Digest},
};

/// The smallest file that is shared, in bytes: smaller ones cost more links than they save blocks.
pub(super) const SMALLEST: u64 = 4096;

/// The most names of a file; then a new file takes its place in the pool. Ext4 allows 65,000: the rest is left
/// to others, such as backups that link. A refusal by the file system counts the same.
const MOST_NAMES: u64 = 60_000;

/// The prefix of a new link before it replaces a file.
const LINK: &str = ".link-";

/// The folder of the pool.
#[derive(Debug)]
pub(super) struct Pool {
    folder: PathBuf,
    /// [`MOST_NAMES`], but in tests.
    pub(super) most_names: u64,
}

/// A file that could be shared.
#[derive(Clone, Debug)]
pub(super) struct Shareable {
    /// Its place.
    pub(super) file: PathBuf,
    pub(super) digest: Digest,
    pub(super) executable: bool,
}

impl Pool {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, most_names: MOST_NAMES }
    }

    /// The place of the pool's file with that content. A link in place of a folder is not followed.
    fn place(&self, shareable: &Shareable) -> io::Result<PathBuf> {
        let name = encode_nix32(&shareable.digest);
        let end = if shareable.executable { "x" } else { "" };
        let folder = self.folder.join(&name[..2]);
        match folder.symlink_metadata() {
            Ok(found) if !found.is_dir() => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(folder.join(format!("{name}{end}")))
    }

    /// Replaces a file of canonical metadata by a link to the pool's, if that has the same content.
    /// Returns true if its bytes are newly shared. `buffer` is kept between calls.
    pub(super) fn share(&self, shareable: &Shareable, buffer: &mut Vec<u8>) -> bool {
        let mut work = || -> io::Result<bool> {
            let own = shareable.file.symlink_metadata()?;
            let folder = &self.folder;
            let taken = self.take(shareable, own.len(), Some(&own), folder, buffer, &mut |_| {})?;
            let Some(link) = taken else { return Ok(false) };
            let replaced = fs_err::rename(&link, &shareable.file);
            if replaced.is_err() {
                fs_err::remove_file(&link)?;
            }
            replaced.map(|()| true)
        };
        work().unwrap_or(false)
    }

    /// Makes a file, which is not there yet, a link to the pool's of that content and size. Gives
    /// whether it could; the content was shown to `see` then.
    pub(super) fn link(
        &self,
        shareable: &Shareable,
        size: u64,
        buffer: &mut Vec<u8>,
        see: &mut (dyn FnMut(&[u8]) + Send),
    ) -> bool {
        let mut work = || -> io::Result<bool> {
            let folder = &self.folder;
            let Some(link) = self.take(shareable, size, None, folder, buffer, see)? else {
                return Ok(false);
            };
            fs_err::rename(&link, &shareable.file).map(|()| true)
        };
        work().unwrap_or(false)
    }

    /// A new name in `folder` for the pool's file with the content of this one; `None` if that is
    /// the same file, or there is none.
    pub(super) fn equal(
        &self,
        shareable: &Shareable,
        folder: &Path,
        buffer: &mut Vec<u8>,
    ) -> Option<PathBuf> {
        let own = shareable.file.symlink_metadata().ok()?;
        let taken = self.take(shareable, own.len(), Some(&own), folder, buffer, &mut |_| {});
        taken.ok().flatten()
    }

    /// A new name in `folder` for the pool's file of that content, if that is what it should be
    /// and not the same as `own`.
    fn take(
        &self,
        shareable: &Shareable,
        size: u64,
        own: Option<&Metadata>,
        folder: &Path,
        buffer: &mut Vec<u8>,
        see: &mut (dyn FnMut(&[u8]) + Send),
    ) -> io::Result<Option<PathBuf>> {
        let place = self.place(shareable)?;
        let mut pooled = files::open_regular(&place)?;
        let found = pooled.metadata()?;
        let inode = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        if own.is_some_and(|own| inode(own) == inode(&found)) {
            return Ok(None);
        }
        let mode = if shareable.executable { 0o555 } else { 0o444 };
        let is_whole = found.is_file()
            && found.len() == size
            && found.mode() & 0o7777 == mode
            && (found.mtime(), found.mtime_nsec()) == (1, 0)
            && tree::hash_file(&mut pooled, found.len(), buffer, see)?.0 == shareable.digest;
        if !is_whole || found.nlink() >= self.most_names {
            fs_err::remove_file(&place)?;
            return Ok(None);
        }
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let link = folder.join(format!("{LINK}{}-{number}", std::process::id()));
        match fs_err::hard_link(&place, &link) {
            Err(e) if e.kind() == io::ErrorKind::TooManyLinks => {
                fs_err::remove_file(&place)?;
                return Ok(None);
            }
            other => other?,
        }
        // another file may have taken its place since it was read
        if inode(&link.symlink_metadata()?) != inode(&found) {
            fs_err::remove_file(&link)?;
            return Ok(None);
        }
        Ok(Some(link))
    }

    /// True if a file is the pool's.
    pub(super) fn has(&self, shareable: &Shareable) -> bool {
        let inode = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let pooled = self.place(shareable).and_then(|place| place.symlink_metadata()).map(inode);
        pooled.is_ok_and(|pooled| {
            shareable.file.symlink_metadata().map(inode).is_ok_and(|own| own == pooled)
        })
    }

    /// Puts a file into the pool, unless there is one already. Returns true if it is in.
    pub(super) fn offer(&self, shareable: &Shareable) -> bool {
        let Ok(place) = self.place(shareable) else { return false };
        match fs_err::hard_link(&shareable.file, &place) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let made = place.parent().is_some_and(|p| fs_err::create_dir_all(p).is_ok());
                made && fs_err::hard_link(&shareable.file, &place).is_ok()
            }
            other => other.is_ok(),
        }
    }

    /// Removes files from the pool.
    pub(super) fn forget(files: &[PathBuf]) -> io::Result<()> {
        files.iter().try_for_each(|file| files::remove_file(file))
    }

    /// The inode numbers of its files. A folder that cannot be read counts as empty.
    pub(super) fn inodes(&self) -> FxHashSet<u64> {
        let folders: Vec<_> =
            fs_err::read_dir(&self.folder).into_iter().flatten().flatten().collect();
        let of = |folder: &DirEntry| {
            let files = fs_err::read_dir(folder.path()).into_iter().flatten().flatten();
            files.map(|file| file.ino()).collect::<Vec<u64>>()
        };
        folders.par_iter().flat_map_iter(of).collect()
    }

    /// Its files whose content does not match their name. `known` has digests by inode of files that were read
    /// already.
    pub(super) fn damaged(
        &self,
        known: &FxHashMap<(u64, u64), Digest>,
    ) -> io::Result<Vec<PathBuf>> {
        let is_damaged =
            |device: u64, entry: &DirEntry, buffer: &mut Vec<u8>| -> io::Result<bool> {
                let file = entry.path();
                let is_file = entry.file_type()?.is_file();
                let Some(expected) = expected(&file).filter(|_| is_file) else { return Ok(true) };
                // most are known, and then the directory entry is enough
                let digest = match known.get(&(device, entry.ino())) {
                    Some(digest) => *digest,
                    None => {
                        let mut open = fs_err::File::open(&file)?;
                        let length = open.metadata()?.len();
                        tree::hash_file(&mut open, length, buffer, |_| {})?.0
                    }
                };
                Ok(digest[..] != expected)
            };
        let mut files = Vec::new();
        for folder in entries(&self.folder)? {
            let found = fs_err::symlink_metadata(&folder)?;
            if !found.is_dir() {
                continue;
            }
            let device = found.dev();
            for entry in fs_err::read_dir(folder)? {
                files.push((device, entry?));
            }
        }
        let damaged = files.par_iter().map_init(Vec::new, |buffer, (device, entry)| {
            match is_damaged(*device, entry, buffer) {
                Ok(false) => None,
                // a collector was quicker
                Err(e) if e.kind() == io::ErrorKind::NotFound => None,
                Ok(true) | Err(_) => Some(entry.path()),
            }
        });
        Ok(damaged.flatten().collect())
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
                let is_link = folder.file_name().as_encoded_bytes().starts_with(LINK.as_bytes());
                return if is_link { files::remove_file(&folder.path()) } else { Ok(()) };
            }
            for entry in fs_err::read_dir(folder.path())? {
                let entry = entry?;
                let names = match entry.metadata() {
                    // another collection was faster
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    found => found?.nlink(),
                };
                // other names are not clutch's
                if names == 1 && expected(&entry.path()).is_some() {
                    files::remove_file(&entry.path())?;
                }
            }
            Ok(())
        })
    }
}

/// The digest in a file's name in the pool.
fn expected(file: &Path) -> Option<Vec<u8>> {
    // 256 bits in base 32
    let (digest, end) = file.file_name()?.to_str()?.split_at_checked(52)?;
    matches!(end, "" | "x").then(|| decode_nix32(digest)).flatten()
}
