//! Deletes a whole store. It needs no index, so a damaged store can be deleted, too. A folder that is not a
//! store, holds foreign files, or is in use is refused; no symlink is followed.

use std::{
    collections::BTreeSet,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use rustc_hash::FxHashSet;
use rustix::fs::OFlags;

use super::{
    Holder, Store, StoreError,
    index::Index,
    layout::Layout,
    lock::{hold, is_numbered, open_own},
    processes,
    roots::entries,
    temporary_roots::Share,
};
use crate::{files, store_path::StorePath};

/// A store that can be deleted. While this lives, nobody can make a root in it.
#[derive(Debug)]
pub struct Deletion {
    store: Store,
    /// The number of its paths.
    pub paths: usize,
    /// The links and pins that keep some of them, if they can be read.
    pub roots: Vec<Holder>,
    _alone: fs_err::File,
}

impl Store {
    /// Checks that a store can be deleted.
    ///
    /// # Errors
    /// If the folder is not a store, holds foreign files, is in use, or cannot be written.
    pub fn deletion(root: &Path) -> Result<Deletion, StoreError> {
        let layout = Layout::existing(root)?;
        let index = Index::nothing(layout.index());
        let store = Self::with(layout, index);
        store.need_writable()?;
        store.layout.check_content()?;
        let alone = store.collect_lock(Share::Nobody)?;
        if let Some(by) = store.user()? {
            return Err(StoreError::InUse { root: store.root().to_owned(), by });
        }
        let paths = store.layout.trees()?.len();
        let roots = store.lasting_roots().unwrap_or_default();
        let roots: BTreeSet<Holder> = roots.into_iter().map(|root| root.holder).collect();
        Ok(Deletion { store, paths, roots: roots.into_iter().collect(), _alone: alone })
    }

    /// The user of the store, if there is one.
    fn user(&self) -> Result<Option<String>, StoreError> {
        if let Some((process, _)) = self.kept()?.first() {
            return Ok(Some(format!("the running command {process}")));
        }
        for scratch in entries(&self.layout.scratch())? {
            let Some(name) = scratch.file_name().filter(|name| is_numbered(name)) else { continue };
            let Some(folder) = open_own(&scratch, OFlags::DIRECTORY) else { continue };
            if !hold(&folder, false)? {
                let name = name.to_string_lossy();
                let process = name.split('-').next().unwrap_or_default();
                return Ok(Some(format!("the running command {process}")));
            }
        }
        let there: FxHashSet<StorePath> = self.layout.trees()?.into_iter().collect();
        let own = std::process::id();
        let used = processes::used(self.dir())?.into_iter();
        let mut used = used.filter(|(path, id)| *id != own && there.contains(path));
        // another store may have a path with this name
        let used = used.find(|(path, id)| {
            let real = self.real(path);
            let inode = |place: &Path| place.symlink_metadata().map(|m| (m.dev(), m.ino())).ok();
            let seen = |place: &Path| {
                let place = place.strip_prefix("/").unwrap_or(place);
                inode(&Path::new("/proc").join(id.to_string()).join("root").join(place))
            };
            let logical = PathBuf::from(path.to_string());
            [&logical, &real]
                .iter()
                .any(|place| seen(place).is_some_and(|i| Some(i) == inode(&real)))
        });
        Ok(used.map(|(path, id)| format!("process {id}, which has '{path}' open")))
    }
}

impl Deletion {
    /// The store's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.store.root()
    }

    /// Deletes the store. It can be repeated after an interruption: the file that marks a store goes last.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn delete(self) -> Result<(), StoreError> {
        let layout = &self.store.layout;
        let trees = entries(&layout.store())?;
        trees.par_iter().try_for_each(|tree| files::remove_tree(tree))?;
        files::remove_tree(&layout.store())?;
        let version = layout.version();
        let rest = entries(&layout.var())?;
        rest.par_iter()
            .filter(|place| **place != version)
            .try_for_each(|place| files::remove_tree(place))?;
        files::remove_tree(&layout.var())?;
        match fs_err::remove_dir(&layout.root) {
            // it holds `lost+found`, or is a mount point
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::DirectoryNotEmpty
                        | io::ErrorKind::ResourceBusy
                        | io::ErrorKind::PermissionDenied
                ) =>
            {
                Ok(())
            }
            other => Ok(other?),
        }
    }
}
