//! The collector: deletes the paths that no root reaches. A path goes in two steps. First its row and the
//! rows of all that refer to it are deleted, in one synced transaction. Then, under the insertion lock, its
//! tree is moved out of the store's folder. So a crash leaves at most trees without a row.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use rustix::fs::OFlags;

use super::{
    Downloads, Holder, KeptBuild, PathInfo, Root, Store, StoreError, Unclear,
    disk_use::DiskUse,
    index,
    insert::now,
    layout::{Layout, Refusal},
    lock::{hold, open_own},
    lost::Rowless,
    pool::Pool,
    removal,
    roots::entries,
    temporary_roots::Share,
};
use crate::{files, store_path::StorePath};

/// The least time between two records of a path's use, in seconds.
const DAY: u64 = 24 * 60 * 60;

/// The number of paths in the first round on a full disk: their rows are in few pages.
const FEW: usize = 32;

/// The age at which an interrupted download is removed, in seconds.
const PARTIAL: u64 = 7 * DAY;

/// The limits of a collection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Keep paths used in this many days, with all that they need, and trees set aside in this many days
    /// (else a week).
    pub keep_days: Option<u64>,
    /// The downloads to keep.
    pub keep_downloads: Option<Downloads>,
    /// Stop when this many bytes are freed.
    pub max_freed: Option<u64>,
    /// Stop when the store's paths take at most this many bytes on disk.
    pub max_size: Option<u64>,
}

/// The result of a collection, real or planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The deleted paths: each before its references, least recently used first.
    pub paths: Vec<StorePath>,
    /// The bytes in their files and symlinks.
    pub size: u64,
    /// The bytes that the file system gets back: whole blocks, without those shared with other paths.
    pub freed: u64,
    /// Unreached paths that stay because they may be downloads.
    pub unclear: Vec<Unclear>,
    /// Trees that builds had set aside; `freed` counts them, too.
    pub kept_builds: Vec<KeptBuild>,
    /// Trees that a crash left without a row; `freed` counts them, too.
    pub left: Vec<StorePath>,
    /// Roots that keep nothing any more: links that are gone or changed, and expired pins.
    pub dropped: Vec<Holder>,
}

impl Store {
    /// As [`Store::open`], but works on a disk that is too full for it.
    ///
    /// # Errors
    /// As [`Store::open`], and if removing interrupted downloads frees too little.
    pub fn open_to_collect(root: &Path) -> Result<Self, StoreError> {
        let is_full = match Self::open(root) {
            Err(error) if error.is_full() => true,
            Ok(store) if matches!(store.layout.refusal, Some(Refusal::Full)) => true,
            opened => return opened,
        };
        if is_full {
            make_room(&Layout::open(root)?)?;
        }
        Self::open(root)
    }

    /// Records that these paths are used now, if they are valid. If that was recorded today already, it costs
    /// a look-up.
    ///
    /// # Errors
    /// If the index cannot be read or written; nothing is recorded if the store is read-only.
    pub fn touch<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<(), StoreError> {
        if !self.layout.writable() {
            return Ok(());
        }
        let now = now();
        let old = self.index.read(|c| index::unused_since(c, paths, now.saturating_sub(DAY)))?;
        if old.is_empty() { Ok(()) } else { self.index.write(|writer| writer.touch(&old, now)) }
    }

    /// Returns the paths that [`Store::collect`] would delete now.
    ///
    /// # Errors
    /// If roots or index cannot be read.
    pub fn garbage(&self, limits: Limits) -> Result<Collected, StoreError> {
        if let Some(Refusal::Lost(_)) = self.layout.refusal {
            self.need_writable()?;
        }
        let kept_builds = self.old_kept_builds(limits)?;
        let mut disk = self.look_ahead(limits)?;
        let roots = self.roots()?;
        let (known, excused) = self.index.read(|c| Ok((Known::read(c)?, index::left_out(c)?)))?;
        let left = self.left(&known, excused, &roots)?.removable(&roots);
        let dropped = self.dead_roots()?;
        Ok(Collected {
            dropped,
            ..self.choose(&known, &roots, limits, usize::MAX, &mut disk, (kept_builds, left))
        })
    }

    /// Deletes the paths that no root reaches, least recently used first, as far as `limits` allow, and
    /// the leftovers of crashes. The derivation of a kept path stays with all that it refers to, so that the
    /// path can be explained, checked and rebuilt.
    ///
    /// # Errors
    /// If roots or index cannot be read, or the store cannot be written.
    pub fn collect(&self, limits: Limits) -> Result<Collected, StoreError> {
        self.need_writable()?;
        let kept = self.remove_dead_scratch()?;
        let collected = match self.collect_now(limits, usize::MAX) {
            Err(error) if error.is_full() => {
                make_room(&self.layout)?;
                self.collect_in_little_room(limits)
            }
            result => result,
        };
        self.layout.reserve();
        match kept {
            Some(error) if collected.is_ok() => Err(error.into()),
            _ => collected,
        }
    }

    /// Collects everything; on a full disk, a few paths first.
    fn collect_in_little_room(&self, limits: Limits) -> Result<Collected, StoreError> {
        let mut first = match self.collect_now(limits, usize::MAX) {
            Err(error) if error.is_full() => self.collect_now(limits, FEW)?,
            result => return result,
        };
        let mut rest = Limits { ..limits };
        rest.max_freed = limits.max_freed.map(|enough| enough.saturating_sub(first.freed));
        let then = self.collect_now(rest, usize::MAX)?;
        first.paths.extend(then.paths);
        first.left.extend(then.left);
        first.kept_builds.extend(then.kept_builds);
        first.dropped.extend(then.dropped);
        first.size += then.size;
        first.freed += then.freed;
        Ok(Collected { unclear: then.unclear, ..first })
    }

    /// Collects at most this many paths.
    fn collect_now(&self, limits: Limits, most: usize) -> Result<Collected, StoreError> {
        // measuring trees takes time, so do it before taking locks
        let kept_builds = self.old_kept_builds(limits)?;
        let mut disk = self.look_ahead(limits)?;
        let alone = self.collect_lock(Share::Nobody)?;
        let dropped = self.remove_dead_roots()?;
        let roots = self.roots()?;
        let mut collected = self.index.write_durably(|writer| {
            let known = writer.read(Known::read)?;
            let excused = writer.read(index::left_out)?;
            if !excused.is_empty() {
                // trees that an earlier collection moved away must not come back without their mark
                files::sync_folder(self.dir())?;
            }
            let rowless = self.left(&known, excused, &roots)?;
            let left = rowless.removable(&roots);
            let collected =
                self.choose(&known, &roots, limits, most, &mut disk, (kept_builds, left));
            writer.forget(&collected.paths)?;
            // if this is killed, the next collection knows that these need no row
            writer.leave_out(collected.paths.iter().chain(&rowless.trees))?;
            Ok(collected)
        })?;
        drop(alone);
        collected.dropped = dropped;
        // go on if one cannot be removed
        let swept = self.sweep(&roots);
        self.sweep_logs()?;
        self.remove_kept_builds(&collected.kept_builds)?;
        swept?;
        self.pool.sweep()?;
        remove_partials(&self.layout, SystemTime::now() - Duration::from_secs(PARTIAL))?;
        self.remove_dead_locks()?;
        Ok(collected)
    }

    /// Why a path stays: every root that reaches it, each with a shortest chain of references from what
    /// the root holds to the path, both included; shorter chains first.
    ///
    /// # Errors
    /// If the path is not valid, or roots or index cannot be read.
    pub fn why_alive(&self, path: &StorePath) -> Result<Vec<(Root, Vec<StorePath>)>, StoreError> {
        let all = self.all()?;
        if all.binary_search_by(|info| info.path.cmp(path)).is_err() {
            return Err(StoreError::NotValid(path.clone()));
        }
        let mut keepers: FxHashMap<&StorePath, Vec<&StorePath>> = FxHashMap::default();
        for info in &all {
            for kept in info.references.iter().chain(&info.deriver) {
                keepers.entry(kept).or_default().push(&info.path);
            }
        }
        let mut holders: FxHashMap<StorePath, Vec<Root>> = FxHashMap::default();
        for root in self.roots()? {
            holders.entry(root.path.clone()).or_default().push(root);
        }
        let mut found = Vec::new();
        // from the path back to what keeps it, nearest first
        let mut next: FxHashMap<&StorePath, Option<&StorePath>> =
            FxHashMap::from_iter([(path, None)]);
        let mut todo = VecDeque::from([path]);
        while let Some(at) = todo.pop_front() {
            if let Some(roots) = holders.remove(at) {
                let mut chain = vec![at.clone()];
                let mut at = at;
                while let Some(step) = next[at] {
                    chain.push(step.clone());
                    at = step;
                }
                found.extend(roots.into_iter().map(|root| (root, chain.clone())));
            }
            for &keeper in keepers.get(at).into_iter().flatten() {
                next.entry(keeper).or_insert_with(|| {
                    todo.push_back(keeper);
                    Some(at)
                });
            }
        }
        Ok(found)
    }

    /// Measures the paths that may go: all that links and pins do not keep.
    fn look_ahead(&self, limits: Limits) -> Result<DiskUse<'_>, StoreError> {
        let mut disk = DiskUse::new(self);
        let known = self.index.read(Known::read)?;
        if limits.max_size.is_some() {
            disk.look_at(&known.all.iter().map(|info| info.path.clone()).collect::<Vec<_>>());
        } else {
            let roots = self.lasting_roots()?;
            let (dead, _) = self.dead(&known, &roots, limits);
            disk.look_at(&dead.iter().map(|info| info.path.clone()).collect::<Vec<_>>());
        }
        Ok(disk)
    }

    /// The unreached paths to delete.
    fn choose(
        &self,
        known: &Known,
        roots: &[Root],
        limits: Limits,
        most: usize,
        disk: &mut DiskUse<'_>,
        (kept_builds, left): (Vec<KeptBuild>, Vec<StorePath>),
    ) -> Collected {
        // these go regardless of the limits
        let first: u64 = kept_builds.iter().map(|build| build.size).sum::<u64>()
            + left.iter().map(|path| disk.free(path)).sum::<u64>();
        let mut enough = limits.max_freed.unwrap_or(u64::MAX).saturating_sub(first);
        if let Some(size) = limits.max_size {
            enough = enough.min(disk.total().saturating_sub(size));
        }
        let (dead, unclear) = self.dead(known, roots, limits);
        let mut collected = Collected { unclear, kept_builds, left, ..Collected::default() };
        for info in dead {
            if collected.freed >= enough || collected.paths.len() >= most {
                break;
            }
            collected.freed += disk.free(&info.path);
            collected.size += info.size;
            collected.paths.push(info.path.clone());
        }
        collected.freed += first;
        collected
    }

    /// The paths that neither roots nor limits keep: each before its references, least recently used first.
    /// Also the paths that stay only because they may be downloads.
    fn dead<'k>(
        &self,
        known: &'k Known,
        roots: &[Root],
        limits: Limits,
    ) -> (Vec<&'k PathInfo>, Vec<Unclear>) {
        let mut alive = Alive::new(known);
        alive.mark(roots.iter().filter_map(|root| known.places.get(&root.path).copied()));
        if let Some(since) = limits.keep_days.map(days_ago) {
            alive.mark((0..known.all.len()).filter(|at| known.used(*at) >= since));
        }
        let unclear = limits.keep_downloads.map(|limit| self.spare(&mut alive, limit));
        (alive.others(), unclear.unwrap_or_default())
    }

    /// The trees without a row. Exact if nobody else writes meanwhile.
    ///
    /// # Errors
    /// If so many have no row that the index must be wrong.
    fn left(
        &self,
        known: &Known,
        excused: FxHashSet<StorePath>,
        roots: &[Root],
    ) -> Result<Rowless, StoreError> {
        let rowless = self.rowless(|path| known.places.contains_key(path), excused)?;
        match rowless.problem(roots) {
            Some(problem) => Err(StoreError::Lost { root: self.root().to_owned(), problem }),
            None => Ok(rowless),
        }
    }

    /// Removes trees that have no row and no root.
    fn sweep(&self, roots: &[Root]) -> Result<(), StoreError> {
        let trash = self.scratch()?;
        let kept: FxHashSet<&StorePath> = roots.iter().map(|root| &root.path).collect();
        let (moved, failed): (Vec<PathBuf>, Option<io::Error>) = self.index.write(|writer| {
            let valid: FxHashSet<StorePath> = writer.read(index::uses)?.into_keys().collect();
            let (mut moved, mut failed) = (Vec::new(), None);
            let goes = |path: &StorePath| !valid.contains(path) && !kept.contains(path);
            for path in self.layout.trees()?.into_iter().filter(goes) {
                let target = trash.path().join(path.base());
                match removal::take_away(&self.real(&path), &target) {
                    Ok(()) => moved.push(target),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            Ok((moved, failed))
        })?;
        let removed: Vec<io::Result<()>> =
            moved.par_iter().map(|tree| files::remove_tree(tree)).collect();
        drop(trash);
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(removed.into_iter().collect::<io::Result<()>>()?),
        }
    }
}

/// Removes leftovers without opening the index, because even reading it takes some room.
fn make_room(layout: &Layout) -> Result<(), StoreError> {
    layout.release()?;
    Pool::new(layout.pool()).sweep()?;
    remove_partials(layout, SystemTime::now())
}

/// Removes downloads that were interrupted before `then`, unless somebody continues them.
fn remove_partials(layout: &Layout, since: SystemTime) -> Result<(), StoreError> {
    for path in entries(&layout.partial())? {
        let Some(file) = open_own(&path, OFlags::empty()) else { continue };
        if !file.metadata()?.is_file() {
            continue;
        }
        if file.metadata()?.modified()? < since && hold(&file, false)? {
            files::remove_file(&path)?;
        }
    }
    Ok(())
}

/// The time this many days ago, in seconds since 1970.
pub(super) fn days_ago(days: u64) -> u64 {
    now().saturating_sub(days.saturating_mul(DAY))
}

/// The index in memory.
pub(super) struct Known {
    pub(super) all: Vec<PathInfo>,
    pub(super) places: FxHashMap<StorePath, usize>,
    uses: FxHashMap<StorePath, u64>,
}

impl Known {
    fn read(connection: &rusqlite::Connection) -> rusqlite::Result<Self> {
        let (all, uses) = (index::all(connection)?, index::uses(connection)?);
        let places = all.iter().enumerate().map(|(n, info)| (info.path.clone(), n)).collect();
        Ok(Self { all, places, uses })
    }

    /// The time of a path's last use, in seconds since 1970.
    pub(super) fn used(&self, at: usize) -> u64 {
        self.uses[&self.all[at].path]
    }

    /// A path's references without itself.
    fn references(&self, at: usize) -> impl Iterator<Item = usize> {
        let references = self.all[at].references.iter();
        references.filter_map(|r| self.places.get(r).copied()).filter(move |r| *r != at)
    }
}

/// The paths that stay.
pub(super) struct Alive<'k> {
    pub(super) known: &'k Known,
    marks: Vec<bool>,
}

impl<'k> Alive<'k> {
    fn new(known: &'k Known) -> Self {
        Self { known, marks: vec![false; known.all.len()] }
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.marks[at]
    }

    /// Keeps paths, all that they refer to, and the derivations of all these.
    pub(super) fn mark(&mut self, paths: impl IntoIterator<Item = usize>) {
        let mut todo: Vec<usize> = paths.into_iter().collect();
        while let Some(at) = todo.pop() {
            if !std::mem::replace(&mut self.marks[at], true) {
                todo.extend(self.known.references(at));
                let deriver = self.known.all[at].deriver.as_ref();
                todo.extend(deriver.and_then(|path| self.known.places.get(path)));
            }
        }
    }

    /// The bytes in a path and its references, without paths that stay already.
    pub(super) fn size_of(&self, path: usize) -> u64 {
        let (mut todo, mut seen) = (vec![path], FxHashSet::from_iter([path]));
        let mut size = 0;
        while let Some(at) = todo.pop() {
            if !self.marks[at] {
                size += self.known.all[at].size;
                todo.extend(self.known.references(at).filter(|at| seen.insert(*at)));
            }
        }
        size
    }

    /// All others: each before its references, least recently used first.
    fn others(&self) -> Vec<&'k PathInfo> {
        let Self { known, marks } = self;
        let is_dead = |at: &usize| !marks[*at];
        // the number of dead paths that refer to each: it goes after all of these
        let mut referrers = vec![0u32; marks.len()];
        for at in (0..marks.len()).filter(is_dead) {
            known.references(at).for_each(|reference| referrers[reference] += 1);
        }
        let ready = (0..marks.len()).filter(|at| is_dead(at) && referrers[*at] == 0);
        let mut ready: BinaryHeap<Reverse<(u64, usize)>> =
            ready.map(|at| Reverse((known.used(at), at))).collect();
        let mut others = Vec::new();
        while let Some(Reverse((_, at))) = ready.pop() {
            others.push(&known.all[at]);
            for reference in known.references(at).filter(is_dead) {
                referrers[reference] -= 1;
                if referrers[reference] == 0 {
                    ready.push(Reverse((known.used(reference), reference)));
                }
            }
        }
        others
    }
}
