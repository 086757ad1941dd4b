//! File system helpers that several modules need: removing a tree that is read-only, replacing a file,
//! and making a folder's entries durable.

use std::{
    ffi::CStr,
    io::{self, Write as _},
    os::fd::OwnedFd,
    path::Path,
};

use tempfile::NamedTempFile;

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat},
    io::Errno,
};

/// Removes a file, a symlink or a folder with all that is in it, also where folders are read-only.
/// It follows no symlinks. Nothing there is fine.
///
/// # Errors
/// Where something cannot be removed; the text names `path`.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let remove = || {
        let name = rustix::path::Arg::into_c_str(path)?;
        match rustix::fs::unlinkat(CWD, &*name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => remove_folder(CWD, &name),
            other => other,
        }
    };
    match remove() {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(named("remove", path, &e.into())),
    }
}

/// Removes a file or a symlink. One that is not there is fine: another process may have removed it.
///
/// # Errors
/// Where it cannot be removed; the text names `path`.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn remove_folder<F: std::os::fd::AsFd>(parent: F, name: &CStr) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || openat(&parent, name, flags, Mode::empty());
    let folder: OwnedFd = match open() {
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
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            remove_folder(&folder, name)?;
            continue;
        }
        match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
            // file systems that do not tell an entry's type
            Err(Errno::ISDIR | Errno::PERM) => remove_folder(&folder, name)?,
            other => other?,
        }
    }
    rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)
}

/// Writes a file of mode 0644 in the place of what is there: whatever happens, the place holds what it
/// held before or all of `content`, and the latter for good when this returns.
///
/// # Errors
/// Where the file's folder cannot be written.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let write = || {
        let mut file = unfinished(path)?;
        file.write_all(content)?;
        finish(file, path, 0o644).map_err(|(error, _)| error)
    };
    write().map_err(|e| named("write", path, &e))
}

/// How a file's name begins until it is finished. No store path, and no pin, has such a name.
pub const UNFINISHED: &str = ".-";

/// A file beside `path`, to be written and then given that name by [`finish`].
///
/// # Errors
/// Where the file's folder cannot be written.
pub fn unfinished(path: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::with_prefix_in(UNFINISHED, folder_of(path))
}

/// Gives a file its mode and its name, once its content is on disk.
///
/// # Errors
/// Where it cannot be synced or moved; the file is given back where it is whole.
pub fn finish(
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
/// Where one cannot be made, or something else is there.
pub fn make_folders(path: &Path) -> io::Result<()> {
    match fs_err::create_dir(path) {
        Ok(()) => sync_folder(folder_of(path)),
        // some file systems, such as /proc, say so of a name that cannot be made
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
/// Where the folder cannot be opened or synced.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    fs_err::File::open(path)?.sync_all()
}

/// Makes everything durable that is on the file system of a folder.
///
/// # Errors
/// Where the folder cannot be opened or something cannot be written.
pub fn sync_all(folder: &Path) -> io::Result<()> {
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
}
