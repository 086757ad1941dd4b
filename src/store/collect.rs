//! The collector: removes what no root reaches. A path goes in two steps. First its row, together
//! with those of all that refer to it, in one transaction that is on disk before the next step; then,
//! under the lock of those who insert, its tree loses its name in the store's folder. So a crash
//! leaves at most trees without a row.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    PathInfo, Root, Store, StoreError, index, insert::now, keep::Share, pool::SMALLEST, seal,
};
use crate::{archive::Listing, files, store_path::StorePath};

/// How often the use of a path is recorded at most, in seconds.
const DAY: u64 = 24 * 60 * 60;

/// What a collection spares of what no root reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What was used in so many days stays, with all that it needs.
    pub keep_days: Option<u64>,
    /// Stop when so many bytes are free.
    pub max_freed: Option<u64>,
    /// Stop when the store has no more than so many bytes.
    pub max_size: Option<u64>,
}

/// What a collection removed, or would remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The paths: each before what it refers to, what was used longest ago first.
    pub paths: Vec<StorePath>,
    /// The bytes in their files and symlinks.
    pub size: u64,
    /// The bytes that the file system gets back: whole blocks, without what other paths share.
    pub freed: u64,
}

impl Store {
    /// Records that these paths are used now, for [`Limits::keep_days`]. Costs a look-up for what was
    /// recorded today already.
    ///
    /// # Errors
    /// Where the index cannot be read or written; a store that cannot be written records nothing.
    pub fn touch(&self, paths: &[StorePath]) -> Result<(), StoreError> {
        if !self.layout.writable {
            return Ok(());
        }
        let now = now();
        let old = self.index.read(|c| index::unused_since(c, paths, now.saturating_sub(DAY)))?;
        if old.is_empty() { Ok(()) } else { self.index.write(|writer| writer.touch(&old, now)) }
    }

    /// What [`Store::collect`] would remove now.
    ///
    /// # Errors
    /// Where roots or index cannot be read.
    pub fn garbage(&self, limits: Limits) -> Result<Collected, StoreError> {
        let roots = self.roots()?;
        let collected = self.index.read(|connection| dead(connection, &roots, limits))?;
        Ok(Collected { freed: self.disk_use(&collected.paths), ..collected })
    }

    /// Removes what no root reaches, what was used longest ago first, as far as `limits` allow; and
    /// what crashes have left.
    ///
    /// # Errors
    /// Where roots or index cannot be read, or the store cannot be written.
    pub fn collect(&self, limits: Limits) -> Result<Collected, StoreError> {
        self.need_writable()?;
        self.remove_dead_scratch()?;
        self.remove_dead_roots()?;
        let alone = self.collect_lock(Share::Nobody)?;
        let roots = self.roots()?;
        let collected = self.index.write_durably(|writer| {
            let collected = writer.read(|connection| dead(connection, &roots, limits))?;
            writer.forget(&collected.paths)?;
            Ok(collected)
        })?;
        drop(alone);
        let freed = self.disk_use(&collected.paths);
        self.sweep()?;
        self.pool.sweep()?;
        Ok(Collected { freed, ..collected })
    }

    /// Why a path stays: the first root that reaches it, and a shortest chain of references from what
    /// the root holds to the path, both included. Nothing where no root does.
    ///
    /// # Errors
    /// Where the path is not valid, or roots or index cannot be read.
    pub fn why_alive(
        &self,
        path: &StorePath,
    ) -> Result<Option<(Root, Vec<StorePath>)>, StoreError> {
        if !self.is_valid(path)? {
            return Err(StoreError::NotValid(path.clone()));
        }
        let roots = self.roots()?;
        // from the path back to what refers to it, nearest first
        let mut next: FxHashMap<StorePath, Option<StorePath>> =
            FxHashMap::from_iter([(path.clone(), None)]);
        let mut todo = VecDeque::from([path.clone()]);
        while let Some(at) = todo.pop_front() {
            if let Some(root) = roots.iter().find(|root| root.path == at) {
                let mut chain = vec![at];
                while let Some(Some(step)) = chain.last().map(|last| next[last].clone()) {
                    chain.push(step);
                }
                return Ok(Some((root.clone(), chain)));
            }
            for referrer in self.referrers(&at)? {
                if !next.contains_key(&referrer) {
                    next.insert(referrer.clone(), Some(at.clone()));
                    todo.push_back(referrer);
                }
            }
        }
        Ok(None)
    }

    /// The bytes on disk that go when these trees go. What cannot be looked at counts nothing.
    fn disk_use(&self, paths: &[StorePath]) -> u64 {
        struct File {
            number: (u64, u64),
            links: u64,
            bytes: u64,
            pooled: bool,
        }
        let look = |path: &StorePath| -> Vec<File> {
            let Ok(listing) = Listing::read(&self.real(path)) else { return Vec::new() };
            let files = listing.nodes().iter().filter_map(|node| {
                let found = fs_err::symlink_metadata(&node.path).ok()?;
                let (number, bytes) = ((found.dev(), found.ino()), found.blocks() * 512);
                let pooled = found.is_file() && found.len() >= SMALLEST;
                let links = if found.is_dir() { 1 } else { found.nlink() };
                Some(File { number, links, bytes, pooled })
            });
            files.collect()
        };
        let files: Vec<File> = paths.par_iter().flat_map_iter(look).collect();
        let mut seen: FxHashMap<(u64, u64), u64> = FxHashMap::default();
        for file in &files {
            *seen.entry(file.number).or_default() += 1;
        }
        // with its last path, a file leaves the pool
        let goes = |file: &&File| seen[&file.number] + u64::from(file.pooled) >= file.links;
        let all: FxHashMap<(u64, u64), u64> =
            files.iter().filter(goes).map(|file| (file.number, file.bytes)).collect();
        all.into_values().sum()
    }

    /// Removes from the store's folder what has no row.
    fn sweep(&self) -> Result<(), StoreError> {
        let trash = self.scratch()?;
        let moved: Vec<PathBuf> = self.index.write(|writer| {
            let valid: FxHashSet<StorePath> = writer.read(index::uses)?.into_keys().collect();
            let mut moved = Vec::new();
            for entry in fs_err::read_dir(self.dir())? {
                let entry = entry?;
                let name = entry.file_name();
                let path = name.to_str().and_then(|name| StorePath::from_base(name).ok());
                // what is no store path was put there by somebody else
                let Some(path) = path.filter(|path| !valid.contains(path)) else { continue };
                if entry.file_type()?.is_dir() {
                    seal::seal_folder(&entry.path(), 0o755)?;
                }
                let target = trash.path().join(path.base());
                fs_err::rename(entry.path(), &target)?;
                moved.push(target);
            }
            Ok(moved)
        })?;
        let removed = moved.par_iter().try_for_each(|tree| files::remove_tree(tree));
        drop(trash);
        Ok(removed?)
    }
}

/// What is to go: not reached by a root or by what was used lately; each before what it refers to.
fn dead(
    connection: &rusqlite::Connection,
    roots: &[Root],
    limits: Limits,
) -> rusqlite::Result<Collected> {
    let all = index::all(connection)?;
    let uses = index::uses(connection)?;
    let places: FxHashMap<StorePath, usize> =
        all.iter().enumerate().map(|(n, info)| (info.path.clone(), n)).collect();
    let since = limits.keep_days.map(|days| now().saturating_sub(days.saturating_mul(DAY)));
    let lately = |info: &&PathInfo| since.is_some_and(|since| uses[&info.path] >= since);
    let mut alive = vec![false; all.len()];
    let mut todo: Vec<usize> = roots.iter().filter_map(|r| places.get(&r.path).copied()).collect();
    todo.extend(all.iter().filter(lately).map(|info| places[&info.path]));
    while let Some(at) = todo.pop() {
        if !std::mem::replace(&mut alive[at], true) {
            todo.extend(all[at].references.iter().filter_map(|r| places.get(r)));
        }
    }
    let total: u64 = all.iter().map(|info| info.size).sum();
    let mut enough = limits.max_freed.unwrap_or(u64::MAX);
    if let Some(size) = limits.max_size {
        enough = enough.min(total.saturating_sub(size));
    }
    let mut collected = Collected::default();
    // how many dead paths refer to each: one goes only after all of these
    let mut referrers = vec![0u32; all.len()];
    let references = |at: usize| {
        all[at].references.iter().filter_map(|r| places.get(r).copied()).filter(move |r| *r != at)
    };
    let is_dead = |at: &usize| !alive[*at];
    for at in (0..all.len()).filter(is_dead) {
        references(at).for_each(|reference| referrers[reference] += 1);
    }
    let ready = (0..all.len()).filter(|at| is_dead(at) && referrers[*at] == 0);
    let mut ready: BinaryHeap<Reverse<(u64, usize)>> =
        ready.map(|at| Reverse((uses[&all[at].path], at))).collect();
    while collected.size < enough
        && let Some(Reverse((_, at))) = ready.pop()
    {
        collected.size += all[at].size;
        collected.paths.push(all[at].path.clone());
        for reference in references(at).filter(is_dead) {
            referrers[reference] -= 1;
            if referrers[reference] == 0 {
                ready.push(Reverse((uses[&all[reference].path], reference)));
            }
        }
    }
    Ok(collected)
}
