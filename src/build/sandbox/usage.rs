//! Counts the bytes and files that a run has written, while it writes. A hostile builder may change them at any
//! moment, so no link is ever followed, and no name is used twice.

use std::{
    ffi::CString,
    os::fd::OwnedFd,
    path::PathBuf,
    time::{Duration, Instant},
};

use rustc_hash::FxHashSet;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, fstat, open, openat, statat},
    io::Errno,
};

use super::{Bind, Limits, Request, SandboxError};
use crate::files::{Descent, FOLDER};

/// The least time between two counts.
const PAUSE: Duration = Duration::from_millis(500);

/// A count takes at most this part of the time.
const SHARE: u32 = 20;

/// The places that a run may write to, and the limits on them.
pub(super) struct Usage {
    places: Vec<PathBuf>,
    /// Entries that were made for what is bound in.
    own: u64,
    disk: Option<u64>,
    files: Option<u64>,
    next: Instant,
}

impl Usage {
    /// `None` if there is no limit.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let Limits { disk, files, .. } = request.limits;
        if disk.is_none() && files.is_none() {
            return None;
        }
        let writable: Vec<_> = request.binds.iter().filter(|bind| bind.writable).collect();
        let places: Vec<PathBuf> = writable.iter().map(|bind| bind.host.clone()).collect();
        let is_within = |bind: &&Bind| {
            !bind.writable && writable.iter().any(|place| bind.inside.starts_with(&place.inside))
        };
        let own = request.binds.iter().filter(is_within).count() as u64;
        Some(Self { places, own, disk, files, next: Instant::now() + PAUSE })
    }

    /// Counts, if it is time.
    pub(super) fn check(&mut self, now: Instant) -> Option<SandboxError> {
        if now < self.next {
            return None;
        }
        let over = self.count();
        let end = Instant::now();
        self.next = end + PAUSE.max((end - now) * SHARE);
        over
    }

    /// Counts; gives the limit that was passed.
    pub(super) fn count(&self) -> Option<SandboxError> {
        let mut count = Count::default();
        for place in &self.places {
            // entries may vanish meanwhile
            let _ = count.add(place);
        }
        let files = count.files.saturating_sub(self.own);
        if let Some(limit) = self.disk.filter(|&limit| count.disk > limit) {
            return Some(SandboxError::Disk(limit));
        }
        self.files.filter(|&limit| files > limit).map(SandboxError::Files)
    }
}

#[derive(Default)]
struct Count {
    disk: u64,
    files: u64,
    /// Files with several names, which count once.
    linked: FxHashSet<(u64, u64)>,
}

impl Count {
    /// Adds what is in a folder, not the folder itself, however deep it goes.
    fn add(&mut self, root: &std::path::Path) -> Result<(), Errno> {
        let top = open(root, FOLDER, Mode::empty())?;
        let device = fstat(&top)?.st_dev;
        let mut left = vec![self.folder(&top, device)];
        let mut descent = Descent::at(top)?;
        loop {
            match left.last_mut().map(Vec::pop) {
                Some(Some(name)) => {
                    // gone, or a link by now, or closed to its owner
                    let Ok(folder) = openat(descent.folder(), name, FOLDER, Mode::empty()) else {
                        continue;
                    };
                    let below = self.folder(&folder, device);
                    if !below.is_empty() {
                        descent.enter(folder)?;
                        left.push(below);
                    }
                }
                Some(None) if left.len() > 1 => {
                    left.pop();
                    descent.leave()?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Adds the entries of a folder. Returns the names of those that are folders on this device.
    fn folder(&mut self, folder: &OwnedFd, device: u64) -> Vec<CString> {
        let mut folders = Vec::new();
        let Ok(entries) = Dir::read_from(folder) else { return folders };
        for entry in entries.map_while(Result::ok) {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(found) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let is_folder = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
            if !is_folder && found.st_nlink > 1 && !self.linked.insert((found.st_dev, found.st_ino))
            {
                continue;
            }
            self.files += 1;
            self.disk += found.st_blocks as u64 * 512;
            if is_folder && found.st_dev == device {
                folders.push(name.to_owned());
            }
        }
        folders
    }
}

/// The free space on the disk of the first writable place.
pub(super) struct Disk<'a> {
    place: &'a std::path::Path,
    least: u64,
    next: Instant,
}

/// Entries that stay free on a disk that counts them.
const FREE_FILES: u64 = 1000;

impl<'a> Disk<'a> {
    pub(super) fn of(request: &'a Request) -> Option<Self> {
        let place = &request.binds.iter().find(|bind| bind.writable)?.host;
        Some(Self { place, least: request.limits.keep_free?, next: Instant::now() })
    }

    /// Checks, if it is time.
    pub(super) fn check(&mut self, now: Instant) -> Option<SandboxError> {
        if now < self.next {
            return None;
        }
        self.next = now + PAUSE;
        self.look()
    }

    /// Checks; returns the shortage.
    pub(super) fn look(&self) -> Option<SandboxError> {
        let status = rustix::fs::statvfs(self.place).ok()?;
        let free = status.f_bavail.saturating_mul(status.f_frsize);
        let (place, least) = (self.place.to_owned(), self.least);
        if free < least {
            return Some(SandboxError::DiskFull { place, free, least });
        }
        // file systems without a fixed number of files say that they have none
        let few = status.f_files > 0 && status.f_favail < FREE_FILES;
        few.then_some(SandboxError::NoFilesLeft { place, free: status.f_favail })
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::OFlags;

    use super::*;

    #[test]
    fn files_count_once_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs_err::write(outside.path().join("large"), vec![1; 1 << 20]).unwrap();
        let path = |name: &str| dir.path().join(name);
        fs_err::create_dir_all(path("a/b")).unwrap();
        fs_err::write(path("a/b/file"), vec![1; 100_000]).unwrap();
        fs_err::hard_link(path("a/b/file"), path("again")).unwrap();
        std::os::unix::fs::symlink(outside.path(), path("link")).unwrap();
        let mut count = Count::default();
        count.add(dir.path()).unwrap();
        assert_eq!(count.files, 4);
        assert!((100_000..500_000).contains(&count.disk), "{}", count.disk);
        // however deep, and beyond what a path can name
        let name = CString::new("n".repeat(200)).unwrap();
        let mut folder = open(dir.path(), FOLDER, Mode::empty()).unwrap();
        for _ in 0..300 {
            rustix::fs::mkdirat(&folder, &name, Mode::RWXU).unwrap();
            folder = openat(&folder, &name, FOLDER, Mode::empty()).unwrap();
        }
        let new = OFlags::WRONLY | OFlags::CREATE;
        let file = openat(&folder, c"large", new, Mode::RUSR).unwrap();
        rustix::io::write(file, &vec![1; 1 << 20]).unwrap();
        let mut count = Count::default();
        count.add(dir.path()).unwrap();
        assert_eq!(count.files, 4 + 301);
        assert!(count.disk >= (1 << 20) + 100_000, "{}", count.disk);
        crate::files::remove_tree(dir.path()).unwrap();
    }
}
