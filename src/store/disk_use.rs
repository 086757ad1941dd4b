//! The disk space of trees, and the space that deleting them frees. A file takes its blocks once, however
//! many names it has, and frees them with its last name. The pool's own name does not count: a collector
//! removes it with the last of the others.

use std::os::unix::fs::MetadataExt;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Store;
use crate::{store_path::StorePath, tree::Listing};

/// A file's device and number.
type Inode = (u64, u64);

/// A name of a file.
struct Name {
    inode: Inode,
    /// The number of names outside the pool.
    names: u64,
    /// Whole blocks, in bytes.
    bytes: u64,
}

/// The disk space of some paths. Files that cannot be read count nothing.
pub(super) struct DiskUse<'a> {
    store: &'a Store,
    pooled: FxHashSet<u64>,
    trees: FxHashMap<StorePath, Vec<Name>>,
    /// The number of remaining names of files that have lost one.
    left: FxHashMap<Inode, u64>,
}

impl<'a> DiskUse<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        let (trees, left) = (FxHashMap::default(), FxHashMap::default());
        Self { store, pooled: store.pool.inodes(), trees, left }
    }

    /// Measures trees in parallel ahead of [`DiskUse::free`].
    pub(super) fn look_at(&mut self, paths: &[StorePath]) {
        let look = |path: &StorePath| (path.clone(), look(self.store, &self.pooled, path));
        let fresh = paths.par_iter().filter(|path| !self.trees.contains_key(*path));
        let trees: Vec<_> = fresh.map(look).collect();
        self.trees.extend(trees);
    }

    /// The total bytes of all measured trees.
    pub(super) fn total(&self) -> u64 {
        let mut seen = FxHashSet::default();
        let names = self.trees.values().flatten();
        names.filter(|name| seen.insert(name.inode)).map(|name| name.bytes).sum()
    }

    /// Takes a path away. Returns the bytes that this frees.
    pub(super) fn free(&mut self, path: &StorePath) -> u64 {
        let known = self.trees.remove(path);
        let names = known.unwrap_or_else(|| look(self.store, &self.pooled, path));
        let mut freed = 0;
        for name in names {
            let left = self.left.entry(name.inode).or_insert(name.names);
            *left = left.saturating_sub(1);
            if *left == 0 {
                freed += name.bytes;
            }
        }
        freed
    }
}

fn look(store: &Store, pooled: &FxHashSet<u64>, path: &StorePath) -> Vec<Name> {
    let Ok(listing) = Listing::read(&store.real(path)) else { return Vec::new() };
    let names = listing.nodes().iter().filter_map(|node| {
        let found = fs_err::symlink_metadata(&node.path).ok()?;
        let in_pool = u64::from(found.is_file() && pooled.contains(&found.ino()));
        let names = if found.is_dir() { 1 } else { found.nlink().saturating_sub(in_pool) };
        let (inode, bytes) = ((found.dev(), found.ino()), found.blocks() * 512);
        Some(Name { inode, names, bytes })
    });
    names.collect()
}
