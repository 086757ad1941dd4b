//! Shares equal files of paths that are in the store already, which could not be linked when they were added.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{
    Store, StoreError,
    pool::{SMALLEST, Shareable},
    seal,
};
use crate::{
    files,
    store_path::StorePath,
    tree::{self, Listing, NodeKind},
};

/// Files of one path to replace by links to equal ones.
struct Shares {
    path: StorePath,
    /// True if the path is a folder, which must be made writable.
    is_folder: bool,
    /// For each folder, the prepared links and the files to replace.
    files: BTreeMap<PathBuf, Vec<(PathBuf, PathBuf)>>,
    /// The bytes saved.
    size: u64,
}

impl Store {
    /// Shares equal files of these paths with each other and with the pool. Returns the bytes saved. `progress`
    /// gets the size of each path that is done; any thread may call it.
    ///
    /// # Errors
    /// If a path cannot be read or the store cannot be written.
    pub fn optimise(
        &self,
        paths: &[StorePath],
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<u64, StoreError> {
        self.need_writable()?;
        self.keep(paths)?;
        let infos = paths.iter().filter_map(|path| self.glimpse(path).transpose());
        let infos = infos.collect::<Result<Vec<_>, _>>()?;
        let scratch = self.scratch()?;
        let shares = infos.par_iter().map(|info| {
            let shares = self.shares(&info.path, scratch.path())?;
            progress(info.size);
            Ok::<Shares, StoreError>(shares)
        });
        let mut shares = shares.collect::<Result<Vec<_>, _>>()?;
        shares.retain(|shares| !shares.files.is_empty());
        if shares.is_empty() {
            return Ok(0);
        }
        let opened = self.note_opened(scratch, shares.iter().map(|shares| &shares.path))?;
        for shares in &shares {
            self.index.write(|_| Ok(shares.put()?))?;
        }
        files::sync_all(self.dir())?;
        opened.close();
        Ok(shares.iter().map(|shares| shares.size).sum())
    }

    /// Prepares links in `scratch` for the files that a path can share. Its other files enter the pool.
    fn shares(&self, path: &StorePath, scratch: &Path) -> Result<Shares, StoreError> {
        let listing = Listing::read(&self.real(path))?;
        let nodes = listing.nodes();
        let is_folder = nodes[0].kind == NodeKind::Directory;
        let mut shares = Shares { path: path.clone(), is_folder, files: BTreeMap::new(), size: 0 };
        let mut buffer = Vec::new();
        for node in nodes.iter().filter(|node| node.kind == NodeKind::File) {
            let size = fs_err::symlink_metadata(&node.path)?.len();
            if size < SMALLEST {
                continue;
            }
            let Some(leaf) = tree::leaf(node, &mut buffer)? else { continue };
            let (digest, executable) = (leaf.digest, leaf.executable);
            let shareable = Shareable { file: node.path.clone(), digest, executable };
            let pool = &self.pool;
            if pool.has(&shareable) {
                continue;
            }
            // a pool file that cannot be shared any more makes way for this one
            let mut link = || match pool.offer(&shareable) {
                true => None,
                false => pool.equal(&shareable, scratch, &mut buffer),
            };
            if let Some(link) = link().or_else(link) {
                let folder = nodes[node.parent].path.clone();
                shares.files.entry(folder).or_default().push((link, node.path.clone()));
                shares.size += size;
            }
        }
        Ok(shares)
    }
}

impl Shares {
    /// Moves the links into place. The caller has written the note and holds the insertion lock.
    fn put(&self) -> std::io::Result<()> {
        for (folder, files) in &self.files {
            let mode = |mode| if self.is_folder { seal::seal_folder(folder, mode) } else { Ok(()) };
            mode(0o755)?;
            let put = files.iter().try_for_each(|(link, file)| fs_err::rename(link, file));
            mode(0o555)?;
            put?;
        }
        Ok(())
    }
}
