//! Checks that the trees in the store match the index.

use std::{
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::{PathInfo, Store, StoreError, pool::Pool, seal};
use crate::{
    hash::TreeHash,
    store_path::StorePath,
    tree::{self, Bounds, Digest, Leaf, Listing, Measure, Node, NodeKind, TreeError},
};

/// A valid path whose tree does not match the index.
#[derive(Debug)]
pub struct Damage {
    /// The path.
    pub path: StorePath,
    /// The problem.
    pub fault: Fault,
}

/// The problem of a path.
#[derive(Debug)]
pub enum Fault {
    /// It is missing.
    Missing,
    /// Its tree has another hash.
    Changed {
        /// The hash in the index.
        expected: TreeHash,
        /// The hash that it has.
        found: TreeHash,
    },
    /// It cannot be read.
    Unreadable(TreeError),
    /// Its content is right, but the mode or time of this entry was changed.
    Metadata(PathBuf),
}

/// The result of [`Store::verify_all`].
#[derive(Debug, Default)]
pub struct Verified {
    /// The number of checked paths.
    pub checked: usize,
    /// Those that are damaged.
    pub damages: Vec<Damage>,
    /// The files of the pool whose content does not match their name.
    pub pool: Vec<PathBuf>,
}

/// Digests of files with several names, by inode, so that each is read once.
type Digests = Mutex<FxHashMap<(u64, u64), Digest>>;

impl Store {
    /// Hashes the trees of these paths again. `progress` gets the size of each that is done; any thread may call
    /// it. Returns the damaged ones, in the order given.
    ///
    /// # Errors
    /// If one is not valid, or the index cannot be read.
    pub fn verify(
        &self,
        paths: &[StorePath],
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Damage>, StoreError> {
        let infos = paths
            .iter()
            .map(|path| self.glimpse(path)?.ok_or_else(|| StoreError::NotValid(path.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        self.damages(infos, &Digests::default(), progress)
    }

    /// Hashes everything again: every valid path and every file of the pool. `progress` gets the
    /// size of each path that is done and the total; any thread may call it.
    ///
    /// # Errors
    /// If the index or the pool cannot be read.
    pub fn verify_all(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Verified, StoreError> {
        let infos = self.all()?;
        let all = infos.iter().map(|info| info.size).sum();
        let progress = &|size| progress(size, all);
        let (checked, digests) = (infos.len(), Digests::default());
        let damages = self.damages(infos, &digests, progress)?;
        let digests = digests.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Verified { checked, damages, pool: self.pool.damaged(&digests)? })
    }

    /// Restores the modes and times of a path's tree.
    ///
    /// # Errors
    /// If the tree cannot be read or changed.
    pub fn reseal(&self, path: &StorePath) -> Result<(), StoreError> {
        self.need_writable()?;
        let root = self.real(path);
        if seal::seal(&root, &[], None, true, Bounds::NONE)?.kind == NodeKind::Directory {
            seal::seal_folder(&root, 0o555)?;
        }
        Ok(())
    }

    /// Removes files from the pool, so that nothing shares them any more.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn forget_pooled(&self, files: &[PathBuf]) -> Result<(), StoreError> {
        self.need_writable()?;
        Ok(Pool::forget(files)?)
    }

    fn damages(
        &self,
        infos: Vec<PathInfo>,
        digests: &Digests,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Damage>, StoreError> {
        let look = |info: PathInfo, digests: &Digests| {
            let fault = match measure(&self.real(&info.path), digests) {
                Ok((measure, odd)) if measure.hash == info.tree => odd.map(Fault::Metadata),
                Ok((measure, _)) => {
                    Some(Fault::Changed { expected: info.tree, found: measure.hash })
                }
                Err(TreeError::Io(e)) if e.kind() == io::ErrorKind::NotFound => {
                    Some(Fault::Missing)
                }
                Err(e) => Some(Fault::Unreadable(e)),
            };
            fault.map(|fault| Damage { path: info.path, fault })
        };
        let seen = infos.into_par_iter().filter_map(|info| {
            let size = info.size;
            let damage = look(info, digests);
            progress(size);
            damage
        });
        let seen: Vec<Damage> = seen.collect();
        let mut damages = Vec::with_capacity(seen.len());
        // earlier digests may be out of date
        let look = |info| look(info, &Digests::default());
        for Damage { path, .. } in seen {
            // check again: others may have removed or replaced it meanwhile, or had it open
            let mut found = self.look_alone(&path, look)?;
            while let Some(Damage { path, fault: Fault::Metadata(place) }) = &found
                && self.is_sealed(path, place)?
            {
                found = self.look_alone(path, look)?;
            }
            damages.extend(found);
        }
        Ok(damages)
    }

    /// Checks a path while nobody can remove or replace it.
    fn look_alone(
        &self,
        path: &StorePath,
        look: impl Fn(PathInfo) -> Option<Damage>,
    ) -> Result<Option<Damage>, StoreError> {
        self.keep([path])?;
        if !self.is_writable() {
            return Ok(self.glimpse(path)?.and_then(look));
        }
        self.index.write(|writer| Ok(writer.info(path)?.and_then(look)))
    }
}

/// Hashes a tree; files with several names only if their digest is not known. Returns a file or folder
/// whose metadata are not canonical, too.
fn measure(root: &Path, digests: &Digests) -> Result<(Measure, Option<PathBuf>), TreeError> {
    let odd = OnceLock::new();
    let look = |node: &Node, metadata: &Metadata| {
        if !seal::is_canonical(metadata) {
            // one is enough
            let _ = odd.set(node.path.clone());
        }
    };
    let known = || digests.lock().unwrap_or_else(PoisonError::into_inner);
    let leaf = |buffer: &mut Vec<u8>, node: &Node| -> Result<Option<Leaf>, TreeError> {
        match node.kind {
            NodeKind::Directory => {
                look(node, &fs_err::symlink_metadata(&node.path)?);
                return Ok(None);
            }
            NodeKind::Symlink => return tree::leaf(node, buffer),
            NodeKind::File => {}
        }
        let mut file = fs_err::File::open(&node.path)?;
        let metadata = file.metadata()?;
        look(node, &metadata);
        let inode = (metadata.dev(), metadata.ino());
        let executable = metadata.mode() & 0o100 != 0;
        let has_others = metadata.nlink() > 1;
        if has_others && let Some(digest) = known().get(&inode).copied() {
            return Ok(Some(Leaf { executable, digest, size: metadata.len() }));
        }
        let (digest, size) = tree::hash_file(&mut file, metadata.len(), buffer, |_| {})?;
        if has_others {
            known().insert(inode, digest);
        }
        Ok(Some(Leaf { executable, digest, size }))
    };
    let listing = Listing::read(root)?;
    let leaves = listing.nodes().par_iter().map_init(Vec::new, leaf);
    let leaves = leaves.collect::<Result<Vec<_>, _>>()?;
    Ok((tree::fold(&listing, &leaves), odd.into_inner()))
}
