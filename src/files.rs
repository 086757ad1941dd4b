//! File system helpers that several modules need: removing a tree that is read-only, and making a
//! folder's entries durable.

use std::{ffi::CStr, io, os::fd::OwnedFd, path::Path};

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
        Err(e) => {
            let e = io::Error::from(e);
            Err(io::Error::new(e.kind(), format!("failed to remove '{}': {e}", path.display())))
        }
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

/// Makes the entries of a folder durable.
///
/// # Errors
/// Where the folder cannot be opened or synced.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    fs_err::File::open(path)?.sync_all()
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
