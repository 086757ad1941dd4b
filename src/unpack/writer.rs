//! Writes the entries of archives and of git trees below one folder, so that no entry can reach outside it, through a
//! link, or over another entry. Several threads, and several archives, may write at once. Names are bytes, as the
//! system's are; a format whose names are text checks that itself.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::{self, Read, Write},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use fs_err::{self as fs, os::unix::fs::OpenOptionsExt as _};

use super::shown;
use crate::limits;

/// The limits of one tree, so that a small archive cannot fill the disk.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Files, folders and links together.
    pub entries: usize,
}

impl Limits {
    /// The limits for an archive of `size` bytes: 1 GiB and 200 times its size.
    #[must_use]
    pub fn for_archive(size: u64) -> Self {
        let bytes = size.saturating_mul(200).saturating_add(1 << 30);
        Self { bytes, entries: limits::ENTRIES }
    }
}

/// Which link targets are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Only relative ones that stay below the root.
    Inside,
    /// Absolute ones too: the tree is meant to be a root file system. They are kept as text.
    Absolute,
}

/// A folder that is being filled.
pub struct Tree<'a> {
    root: PathBuf,
    links: Links,
    limits: Limits,
    cancelled: &'a (dyn Fn() -> bool + Sync),
    bytes: AtomicU64,
    known: Mutex<Known>,
    written: Condvar,
}

/// The names that are in use.
#[derive(Default)]
struct Known {
    kinds: BTreeMap<Vec<u8>, State>,
    /// The bytes of all names.
    names: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Directory,
    Writing,
    File { executable: bool },
    Link,
}

/// Why an entry was not written: a reason to be shown beside its archive and name, or the disk.
#[derive(Debug)]
pub enum Refused {
    /// The entry is at fault.
    Reason(String),
    /// Reading or writing failed.
    Io(io::Error),
    /// The work was cancelled.
    Cancelled,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // the system's text would repeat the path
            io::ErrorKind::InvalidFilename => {
                Self::Reason("its path is longer than the file system allows".to_owned())
            }
            _ => Self::Io(error),
        }
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Reason(reason.into()))
}

impl<'a> Tree<'a> {
    /// Makes the folder `root` if it does not exist. `cancelled` is asked often, and ends the work once it is true.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(
        root: &Path,
        links: Links,
        limits: Limits,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self {
            root: root.to_owned(),
            links,
            limits,
            cancelled,
            bytes: AtomicU64::new(0),
            known: Mutex::default(),
            written: Condvar::new(),
        })
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// True once the work is cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        (self.cancelled)()
    }

    /// The links that were made.
    #[must_use]
    pub fn links(&self) -> Vec<Vec<u8>> {
        let known = self.lock();
        let links = known.kinds.iter().filter(|(_, kind)| **kind == State::Link);
        links.map(|(name, _)| name.clone()).collect()
    }

    /// Makes a folder and those above it. One that exists is left as it is.
    ///
    /// # Errors
    /// If a file or link has that name or one above it.
    pub fn directory(&self, name: impl AsRef<[u8]>) -> Result<(), Refused> {
        let name = name.as_ref();
        let mut known = self.lock();
        self.parents(&mut known, name)?;
        if name.is_empty() { Ok(()) } else { self.one_directory(&mut known, name) }
    }

    /// Writes a file of `size` bytes. A second file of the same name must have the same content.
    ///
    /// # Errors
    /// If the name is taken, the content is shorter or longer than `size`, or a limit is passed.
    pub fn file(
        &self,
        name: impl AsRef<[u8]>,
        executable: bool,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), Refused> {
        let name = name.as_ref();
        let kind = State::File { executable };
        let is_new = self.make(name, kind, || self.write(name, executable, size, content))?;
        if is_new { Ok(()) } else { self.same_file(name, executable, size, content) }
    }

    /// Makes a symbolic link. A second one of the same name must have the same target.
    ///
    /// # Errors
    /// If the name is taken or the target is not allowed.
    pub fn link(&self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Result<(), Refused> {
        let (name, target) = (name.as_ref(), target.as_ref());
        if target.is_empty() || target.contains(&0) {
            return refuse("the link's target is empty or has a NUL byte");
        }
        if target.len() > limits::LINK_TARGET {
            let most = limits::LINK_TARGET;
            return refuse(format!(
                "the link's target has {} bytes, expected {most} at most",
                target.len()
            ));
        }
        let absolute = target.starts_with(b"/");
        if absolute && self.links == Links::Inside {
            return refuse(format!("the link's target '{}' is absolute", shown(target)));
        }
        if !absolute && !super::entry_name::link_stays_inside(name, target) {
            return refuse(format!(
                "the link's target '{}' leaves the archive, or may do so",
                shown(target)
            ));
        }
        let (path, target) = (self.place(name), OsStr::from_bytes(target));
        if self.make(name, State::Link, || Ok(fs::os::unix::fs::symlink(target, &path)?))? {
            return Ok(());
        }
        let old = fs::symlink_metadata(&path)?;
        if !old.is_symlink() || fs::read_link(&path)?.as_os_str() != target {
            return refuse("two entries of that name differ");
        }
        Ok(())
    }

    /// Makes a second name for a file that this tree holds already.
    ///
    /// # Errors
    /// If `target` (clean) is not a file of this tree, or the name is taken.
    pub fn hard_link(
        &self,
        name: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
    ) -> Result<(), Refused> {
        let (name, target) = (name.as_ref(), target.as_ref());
        let kind = self.lock().kinds.get(target).copied();
        let Some(kind @ State::File { .. }) = kind else {
            return refuse(format!(
                "the hard link's target '{}' is not an earlier file",
                shown(target)
            ));
        };
        if name == target {
            return Ok(());
        }
        let linked = || Ok(fs::hard_link(self.place(target), self.place(name))?);
        if self.make(name, kind, linked)? {
            return Ok(());
        }
        let inode = |name| fs::symlink_metadata(self.place(name)).map(|found| found.ino());
        // the same package twice
        if inode(name)? == inode(target)? {
            return Ok(());
        }
        refuse("two entries of that name differ")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of an entry.
    fn place(&self, name: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(name))
    }

    /// Makes a new entry; false if there is one of that name, which is whole then.
    fn make(
        &self,
        name: &[u8],
        kind: State,
        make: impl FnOnce() -> Result<(), Refused>,
    ) -> Result<bool, Refused> {
        if !self.claim(name)? {
            return Ok(false);
        }
        let result = make();
        let mut known = self.lock();
        match result {
            Ok(()) => drop(known.kinds.insert(name.to_owned(), kind)),
            Err(_) => drop(known.kinds.remove(name)),
        }
        self.written.notify_all();
        result.map(|()| true)
    }

    /// Takes a name for a new entry; false if there is one of that name.
    fn claim(&self, name: &[u8]) -> Result<bool, Refused> {
        if name.is_empty() {
            return refuse("the root can only be a folder");
        }
        if self.is_cancelled() {
            return Err(Refused::Cancelled);
        }
        let mut known = self.lock();
        while known.kinds.get(name) == Some(&State::Writing) {
            known = self.written.wait(known).unwrap_or_else(PoisonError::into_inner);
        }
        match known.kinds.get(name) {
            Some(State::Directory) => return refuse("a folder has that name"),
            Some(_) => return Ok(false),
            None => {}
        }
        self.parents(&mut known, name)?;
        self.count(&mut known, name, State::Writing)?;
        Ok(true)
    }

    fn count(&self, known: &mut Known, name: &[u8], kind: State) -> Result<(), Refused> {
        if known.kinds.len() >= self.limits.entries {
            return refuse(format!("more than {} entries", self.limits.entries));
        }
        known.names += name.len();
        if known.names > limits::NAMES {
            return refuse(format!("all names together have more than {} bytes", limits::NAMES));
        }
        known.kinds.insert(name.to_owned(), kind);
        Ok(())
    }

    /// Makes every folder above `name`. Those that exist must be real folders.
    fn parents(&self, known: &mut Known, name: &[u8]) -> Result<(), Refused> {
        let mut missing = Vec::new();
        let mut below = name;
        while let Some(slash) = below.iter().rposition(|byte| *byte == b'/') {
            let parent = &below[..slash];
            match known.kinds.get(parent) {
                Some(State::Directory) => break,
                Some(_) => {
                    return refuse(format!("'{}' above it is not a folder", shown(parent)));
                }
                None => missing.push(parent),
            }
            below = parent;
        }
        missing.iter().rev().try_for_each(|folder| self.one_directory(known, folder))
    }

    fn one_directory(&self, known: &mut Known, name: &[u8]) -> Result<(), Refused> {
        match known.kinds.get(name) {
            Some(State::Directory) => return Ok(()),
            Some(_) => {
                return refuse(format!("'{}' is both a folder and something else", shown(name)));
            }
            None => {}
        }
        let path = self.place(name);
        match fs::create_dir(&path) {
            Ok(()) => {}
            // made before this tree was opened
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&path)?.is_dir() {
                    return refuse(format!("'{}' exists and is not a folder", shown(name)));
                }
            }
            Err(e) => return Err(e.into()),
        }
        self.count(known, name, State::Directory)
    }

    fn write(
        &self,
        name: &[u8],
        executable: bool,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), Refused> {
        let total = self.bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        if total > self.limits.bytes {
            return refuse(format!(
                "the archive unpacks to more than {} bytes, which is out of proportion to its size",
                self.limits.bytes
            ));
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if executable { 0o755 } else { 0o644 })
            .open(self.place(name))?;
        let mut copied = 0;
        let mut buffer = [0; BUFFER];
        while copied < size {
            if self.is_cancelled() {
                return Err(Refused::Cancelled);
            }
            match content.read(&mut buffer[..at_most(size - copied)])? {
                0 => return refuse(format!("it ends after {copied} of {size} bytes")),
                count => {
                    file.write_all(&buffer[..count])?;
                    copied += count as u64;
                }
            }
        }
        file.flush()?;
        Ok(())
    }

    fn same_file(
        &self,
        name: &[u8],
        executable: bool,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), Refused> {
        let same_kind = self.lock().kinds.get(name) == Some(&State::File { executable });
        let path = self.place(name);
        if !same_kind || fs::symlink_metadata(&path)?.len() != size {
            return refuse("two entries of that name differ");
        }
        let mut old = fs::File::open(path)?;
        let (mut left, mut right) = ([0; BUFFER], [0; BUFFER]);
        let mut compared = 0;
        while compared < size {
            if self.is_cancelled() {
                return Err(Refused::Cancelled);
            }
            let count = content.read(&mut left[..at_most(size - compared)])?;
            if count == 0 {
                return refuse(format!("it ends after {compared} of {size} bytes"));
            }
            old.read_exact(&mut right[..count])?;
            if left[..count] != right[..count] {
                return refuse("two entries of that name differ");
            }
            compared += count as u64;
        }
        Ok(())
    }
}

/// The size of a copy step, in bytes.
const BUFFER: usize = 32 << 10;

/// The size of the next copy step, of `left` bytes.
fn at_most(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(links: Links) -> (tempfile::TempDir, Tree<'static>) {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { bytes: 100, entries: 10 };
        let tree = Tree::create(&dir.path().join("t"), links, limits, &|| false).unwrap();
        (dir, tree)
    }

    fn put(tree: &Tree<'_>, name: &str, text: &str) -> Result<(), Refused> {
        tree.file(name, false, text.len() as u64, &mut text.as_bytes())
    }

    fn reason(result: Result<(), Refused>) -> String {
        match result.unwrap_err() {
            Refused::Reason(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (dir, tree) = tree(Links::Absolute);
        tree.link("a", dir.path().to_str().unwrap()).unwrap();
        assert!(reason(put(&tree, "a/x", "1")).contains("not a folder"));
        assert!(reason(put(&tree, "a", "1")).contains("differ"));
        assert!(!dir.path().join("x").exists());
        // a link made behind the tree's back
        fs::os::unix::fs::symlink(dir.path(), tree.root().join("b")).unwrap();
        assert!(reason(put(&tree, "b/x", "1")).contains("not a folder"));
    }

    #[test]
    fn duplicates_must_agree() {
        let (_dir, tree) = tree(Links::Inside);
        put(&tree, "d/x", "12").unwrap();
        put(&tree, "d/x", "12").unwrap();
        assert!(reason(put(&tree, "d/x", "13")).contains("differ"));
        assert!(reason(put(&tree, "d/x", "123")).contains("differ"));
        assert!(reason(put(&tree, "d", "1")).contains("folder"));
        assert!(reason(tree.directory("d/x")).contains("both"));
        tree.link("l", "d/x").unwrap();
        tree.link("l", "d/x").unwrap();
        assert!(reason(tree.link("l", "d")).contains("differ"));
    }

    #[test]
    fn several_archives_may_write_the_same_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { bytes: 1 << 20, entries: 10_000 };
        let tree = Tree::create(&dir.path().join("t"), Links::Inside, limits, &|| false).unwrap();
        let write = || {
            for n in 0..500 {
                put(&tree, &format!("{n}/file"), "text").unwrap();
                tree.link(format!("{n}/link"), "file").unwrap();
                tree.hard_link(format!("{n}/hard"), format!("{n}/file")).unwrap();
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(write))));
    }

    #[test]
    fn links_stay_inside() {
        let (_dir, tree) = tree(Links::Inside);
        assert!(reason(tree.link("a", "/etc")).contains("absolute"));
        assert!(reason(tree.link("a", "../x")).contains("leaves"));
        assert!(reason(tree.hard_link("a", "nothing")).contains("not an earlier file"));
        put(&tree, "f", "1").unwrap();
        tree.hard_link("g", "f").unwrap();
        assert_eq!(fs::read_to_string(tree.root().join("g")).unwrap(), "1");
    }

    #[test]
    fn names_are_bytes() {
        let (_dir, tree) = tree(Links::Inside);
        let written = |name: &[u8]| tree.file(name, false, 1, &mut &b"1"[..]);
        written(b"d\xe9/\xff").unwrap();
        tree.link(b"d\xe9/l", b"../d\xe9/\xff").unwrap();
        tree.hard_link(b"\xfe", b"d\xe9/\xff").unwrap();
        assert_eq!(fs::read(tree.place(b"d\xe9/l")).unwrap(), b"1");
        assert_eq!(fs::read(tree.place(b"\xfe")).unwrap(), b"1");
        assert!(reason(tree.link(b"m\xe9", b"d\xe9/../../x")).contains("leaves"));
        assert!(reason(tree.link(b"d\xe9", b"x")).contains("a folder has that name"));
        assert!(reason(written(b"\xfe/x")).contains("'\u{fffd}' above it is not a folder"));
    }

    #[test]
    fn limits_hold() {
        let (_dir, tree) = tree(Links::Inside);
        let short = tree.file("y", false, 10, &mut &b"123"[..]);
        assert!(reason(short).contains("after 3 of 10"));
        assert!(reason(put(&tree, "x", &"x".repeat(91))).contains("more than 100 bytes"));
        let full = (0..11).map(|n| tree.directory(format!("d{n}"))).find(Result::is_err);
        assert!(reason(full.unwrap()).contains("10 entries"));
    }
}
