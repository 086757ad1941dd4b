//! Roots: what keeps paths from being collected. A result link is a symlink that the user has
//! somewhere; `var/roots/links` holds a symlink to it, named by the hash of its place, so that moving
//! or deleting the result is all that it takes to let go.

use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
};

use super::{Store, StoreError};
use crate::{hash::encode_nix32, store_path::StorePath};

/// Something that keeps a path, and with it all that it refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// What keeps it: the result link.
    pub holder: PathBuf,
    /// The path.
    pub path: StorePath,
}

impl Store {
    /// Makes `link` a symlink to where `path` is on this machine, and a root as long as it stays
    /// where it is. An earlier result link there is replaced.
    ///
    /// # Errors
    /// Where something else is there, or a folder cannot be written.
    pub fn link_root(&self, link: &Path, path: &StorePath) -> Result<(), StoreError> {
        self.need_writable()?;
        let link = std::path::absolute(link)?;
        let occupied = || StoreError::Occupied(link.clone());
        match fs_err::read_link(&link) {
            Ok(target) => drop(store_path_of(&target).ok_or_else(occupied)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Err(occupied()),
        }
        let links = self.layout.roots().join("links");
        fs_err::create_dir_all(&links)?;
        let digest = blake3::hash(link.as_os_str().as_bytes());
        // first the root, so that the link never stands without it
        replace_link(&link, &links.join(encode_nix32(&digest.as_bytes()[..20])))?;
        replace_link(&self.real(path), &link)?;
        Ok(())
    }

    /// Every root, ordered by its holder. A link that has gone or leads elsewhere is none.
    ///
    /// # Errors
    /// Where the folder of roots cannot be read.
    pub fn roots(&self) -> Result<Vec<Root>, StoreError> {
        let entries = match fs_err::read_dir(self.layout.roots().join("links")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut roots = Vec::new();
        for entry in entries {
            let Ok(holder) = fs_err::read_link(entry?.path()) else { continue };
            let Ok(target) = fs_err::read_link(&holder) else { continue };
            if target.parent() == Some(self.dir())
                && let Some(path) = store_path_of(&target)
            {
                roots.push(Root { holder, path });
            }
        }
        roots.sort_unstable();
        Ok(roots)
    }
}

/// The store path that a result link's target is, in whichever store.
fn store_path_of(target: &Path) -> Option<StorePath> {
    StorePath::from_base(target.file_name()?.to_str()?).ok()
}

/// Makes `link` a symlink to `target` in one step.
fn replace_link(target: &Path, link: &Path) -> io::Result<()> {
    let folder = link.parent().unwrap_or(Path::new("/"));
    let name = link.file_name().unwrap_or(OsStr::new("link"));
    let mut number = 0;
    loop {
        let mut other = OsStr::new(".").to_owned();
        other.push(name);
        other.push(format!(".{}-{number}", std::process::id()));
        let other = folder.join(other);
        match symlink(target, &other) {
            Ok(()) => return fs_err::rename(&other, link),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(e) => {
                let text = format!("failed to make the symlink '{}': {e}", other.display());
                return Err(io::Error::new(e.kind(), text));
            }
        }
    }
}
