//! File system helpers that several modules need: removing a tree that is read-only, replacing a file,
//! and making a folder's entries durable.

use std::{
    ffi::{CStr, CString},
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    path::Path,
};

use tempfile::NamedTempFile;

use crate::immutable;

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat},
    io::Errno,
};

/// Removes a file, a symlink or a folder with all that is in it, even if folders are read-only.
/// Symlinks are not followed. It is no error if nothing is there.
///
/// # Errors
/// If something cannot be removed; the text names `path`.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let remove = || {
        let name = rustix::path::Arg::into_c_str(path)?;
        match rustix::fs::unlinkat(CWD, &*name, AtFlags::empty()) {
            Err(e @ (Errno::ISDIR | Errno::PERM)) => match remove_folder(CWD, &name) {
                // a file that may not be removed
                Err(Errno::NOTDIR) => Err(e),
                other => other,
            },
            other => other,
        }
    };
    match remove() {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(immutable::explain(named("remove", path, &e.into()), path)),
    }
}

/// Removes a file or a symlink. It is no error if it is not there: another process may have removed
/// it.
///
/// # Errors
/// If it cannot be removed; the text names `path`.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(immutable::explain(e, path)),
        _ => Ok(()),
    }
}

/// Removes a folder, however deep others are in it: the depth costs neither stack nor descriptors.
fn remove_folder<F: std::os::fd::AsFd>(parent: F, name: &CStr) -> Result<(), Errno> {
    let mut descent = Descent::at(open_writable(&parent, name)?)?;
    // the folders that are still to be removed in each that the walk is in
    let mut left = vec![remove_files(descent.folder())?];
    loop {
        match left.last_mut().map(Vec::pop) {
            Some(Some(folder)) => {
                descent.enter(open_writable(descent.folder(), &folder)?)?;
                left.push(remove_files(descent.folder())?);
                // it goes when the walk is back
                let above = left.len() - 2;
                left[above].push(folder);
            }
            Some(None) if left.len() > 1 => {
                left.pop();
                descent.leave()?;
                if let Some(folder) = left.last_mut().and_then(Vec::pop) {
                    rustix::fs::unlinkat(descent.folder(), folder, AtFlags::REMOVEDIR)?;
                }
            }
            _ => return rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR),
        }
    }
}

/// Opens a folder, which may then be changed.
fn open_writable<F: std::os::fd::AsFd>(parent: F, name: &CStr) -> Result<OwnedFd, Errno> {
    let open = || openat(&parent, name, FOLDER, Mode::empty());
    let folder = match open() {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(&parent, name, Mode::RWXU, AtFlags::empty())?;
            open()?
        }
        other => other?,
    };
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&folder)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        rustix::fs::fchmod(&folder, Mode::RWXU)?;
    }
    Ok(folder)
}

/// Removes the entries of a folder except folders, which are returned.
fn remove_files(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut folders = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            folders.push(name.to_owned());
            continue;
        }
        match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
            // file systems that do not tell an entry's type
            Err(Errno::ISDIR | Errno::PERM) if entry.file_type() == FileType::Unknown => {
                folders.push(name.to_owned());
            }
            other => other?,
        }
    }
    Ok(folders)
}

/// The flags to open a folder that somebody else may have made.
pub(crate) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A walk into folders and back, by descriptors and not by paths, so that a tree may be deeper than the longest path.
/// Few descriptors are open, however deep it goes. It stays in the folder in which it begins, whatever is moved
/// meanwhile.
#[derive(Debug)]
pub(crate) struct Descent {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    /// Closed while the walk is far below.
    folder: Option<OwnedFd>,
    /// Device and number.
    id: (u64, u64),
}

impl Level {
    fn of(folder: OwnedFd) -> Result<Self, Errno> {
        let id = id(&folder)?;
        Ok(Self { folder: Some(folder), id })
    }
}

fn id(folder: &OwnedFd) -> Result<(u64, u64), Errno> {
    let found = rustix::fs::fstat(folder)?;
    Ok((found.st_dev, found.st_ino))
}

impl Descent {
    /// The most descriptors that are open.
    const OPEN: usize = 32;

    /// A walk that begins in this folder.
    ///
    /// # Errors
    /// If the folder cannot be looked at.
    pub(crate) fn at(folder: OwnedFd) -> Result<Self, Errno> {
        Ok(Self { levels: vec![Level::of(folder)?] })
    }

    /// The folder in which it is now.
    #[must_use]
    pub(crate) fn folder(&self) -> &OwnedFd {
        let last = self.levels.last().and_then(|level| level.folder.as_ref());
        last.expect("the last level is open")
    }

    /// Goes on in a folder that was opened in the present one.
    ///
    /// # Errors
    /// If the folder cannot be looked at.
    pub(crate) fn enter(&mut self, folder: OwnedFd) -> Result<(), Errno> {
        self.levels.push(Level::of(folder)?);
        if let Some(far) = self.levels.len().checked_sub(Self::OPEN + 1) {
            self.levels[far].folder = None;
        }
        Ok(())
    }

    /// Goes back to the folder before. Must not be called in the folder in which the walk began.
    ///
    /// # Errors
    /// If the folder has been moved meanwhile, or cannot be opened. The walk is over then.
    pub(crate) fn leave(&mut self) -> Result<(), Errno> {
        let below = self.levels.pop().and_then(|level| level.folder);
        let (Some(below), Some(level)) = (below, self.levels.last_mut()) else {
            return Err(Errno::INVAL);
        };
        if level.folder.is_none() {
            let above = openat(&below, c"..", FOLDER, Mode::empty())?;
            if id(&above)? != level.id {
                return Err(Errno::STALE);
            }
            level.folder = Some(above);
        }
        Ok(())
    }
}

/// Replaces a file by one of mode 0644, atomically: after a crash the place holds either the old content or all of
/// `content`. When this returns, the new content is durable.
///
/// # Errors
/// If the file's folder cannot be written.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let write = || {
        let mut file = unfinished(path)?;
        file.write_all(content)?;
        finish(file, path, 0o644).map_err(|(error, _)| error)
    };
    write().map_err(|e| named("write", path, &e))
}

/// Opens a file of the store for reading. A symlink is not followed, and a pipe is not waited for: anything but a
/// regular file is an error.
///
/// # Errors
/// If it cannot be opened, or is something else; the text names it.
pub(crate) fn open_regular(path: &Path) -> io::Result<fs_err::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let refuse = |problem: &str| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("'{}' is {problem}", path.display()))
    };
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(refuse("a symlink, expected a file")),
        // a socket
        Err(Errno::NXIO) => return Err(refuse("no file")),
        other => other.map_err(|e| named("open", path, &e.into()))?,
    };
    let file = fs_err::File::from_parts(std::fs::File::from(file), path);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(refuse("no file")),
    }
}

/// The content of a file of the store, as [`open_regular`] opens it.
///
/// # Errors
/// As [`open_regular`], and if it cannot be read.
pub(crate) fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open_regular(path)?.read_to_end(&mut content)?;
    Ok(content)
}

/// The beginning of a file's name until it is finished. No store path or pin has such a name.
pub(crate) const UNFINISHED: &str = ".-";

/// A file beside `path`, to be written and then given that name by [`finish`].
///
/// # Errors
/// If the file's folder cannot be written.
pub(crate) fn unfinished(path: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::with_prefix_in(UNFINISHED, folder_of(path))
}

/// Gives a file its mode and its name, once its content is on disk.
///
/// # Errors
/// If it cannot be synced or moved; the file is returned if it is whole.
pub(crate) fn finish(
    file: NamedTempFile,
    path: &Path,
    mode: u32,
) -> Result<(), (io::Error, Option<NamedTempFile>)> {
    rustix::fs::fchmod(file.as_file(), Mode::from_raw_mode(mode))
        .map_err(io::Error::from)
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| (error, None))?;
    file.persist(path).map_err(|e| (e.error, Some(e.file)))?;
    sync_folder(folder_of(path)).map_err(|error| (error, None))
}

/// Makes a folder, those above it that are missing included, so that none of their names is lost.
///
/// # Errors
/// If one cannot be made, or something else is there.
pub(crate) fn make_folders(path: &Path) -> io::Result<()> {
    match fs_err::create_dir(path) {
        Ok(()) => sync_folder(folder_of(path)),
        // some file systems, such as /proc, give this error for a name that cannot be made
        Err(e) if e.kind() == io::ErrorKind::NotFound && !folder_of(path).exists() => {
            make_folders(folder_of(path))?;
            make_folders(path)
        }
        Err(_) if path.is_dir() => Ok(()),
        Err(e) => Err(e),
    }
}

/// The folder that a path is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the entries of a folder durable.
///
/// # Errors
/// If the folder cannot be opened or synced.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    fs_err::File::open(path)?.sync_all()
}

/// Makes everything durable that is on the file system of a folder.
///
/// # Errors
/// If the folder cannot be opened or something cannot be written.
pub(crate) fn sync_all(folder: &Path) -> io::Result<()> {
    let opened = fs_err::File::open(folder)?;
    rustix::io::retry_on_intr(|| rustix::fs::syncfs(opened.file()))
        .map_err(|e| named("sync the file system of", folder, &e.into()))
}

fn named(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to {what} '{}': {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_read_only_tree_is_removed_and_a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs_err::create_dir(&outside).unwrap();
        fs_err::write(outside.join("kept"), "kept").unwrap();
        let tree = dir.path().join("tree");
        fs_err::create_dir_all(tree.join("a/b")).unwrap();
        fs_err::write(tree.join("a/b/file"), "gone").unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        for folder in ["a/b", "a", ""] {
            let mode = if folder == "a/b" { 0o000 } else { 0o555 };
            fs_err::set_permissions(tree.join(folder), PermissionsExt::from_mode(mode)).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert!(outside.join("kept").exists());
        remove_tree(&tree).unwrap();
    }

    /// Makes folders in one another, now and then with two others and a file.
    fn deep(tree: &Path, depth: usize) {
        fs_err::create_dir(tree).unwrap();
        let mut folder = rustix::fs::open(tree, FOLDER, Mode::empty()).unwrap();
        for depth in 0..depth {
            rustix::fs::mkdirat(&folder, c"b", Mode::RWXU).unwrap();
            if depth % 40 == 0 {
                for name in [c"a", c"c"] {
                    rustix::fs::mkdirat(&folder, name, Mode::RWXU).unwrap();
                }
                let new = OFlags::WRONLY | OFlags::CREATE;
                openat(&folder, c"file", new, Mode::RUSR).unwrap();
            }
            folder = openat(&folder, c"b", FOLDER, Mode::empty()).unwrap();
        }
    }

    #[test]
    fn a_tree_is_removed_however_deep_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        deep(&tree, 2_000);
        // the stack of a thread of clutch's own is larger
        let remove = move || remove_tree(&tree).map(|()| tree);
        let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(remove).unwrap();
        assert!(!thread.join().unwrap().unwrap().exists());
    }

    #[test]
    fn a_walk_has_few_descriptors_and_never_leaves_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        deep(&tree, 100);
        let mut descent =
            Descent::at(rustix::fs::open(&tree, FOLDER, Mode::empty()).unwrap()).unwrap();
        let enter = |descent: &mut Descent| {
            let below = openat(descent.folder(), c"b", FOLDER, Mode::empty()).unwrap();
            descent.enter(below).unwrap();
        };
        for _ in 0..100 {
            enter(&mut descent);
        }
        let open = descent.levels.iter().filter(|level| level.folder.is_some()).count();
        assert_eq!(open, Descent::OPEN);
        for _ in 0..100 {
            descent.leave().unwrap();
        }
        assert_eq!(id(descent.folder()).unwrap(), descent.levels[0].id);
        assert!(descent.leave().is_err());
        // what is moved away meanwhile is no way out
        let mut descent =
            Descent::at(rustix::fs::open(&tree, FOLDER, Mode::empty()).unwrap()).unwrap();
        for _ in 0..60 {
            enter(&mut descent);
        }
        let moved: std::path::PathBuf = std::iter::repeat_n("b", 20).collect();
        fs_err::rename(tree.join(moved), dir.path().join("elsewhere")).unwrap();
        let left = (0..60).take_while(|_| descent.leave().is_ok()).count();
        assert_eq!(left, 40);
        remove_tree(&dir.path().join("elsewhere")).unwrap();
        remove_tree(&tree).unwrap();
    }
}
