//! The one routine that adds to the store. The order is: data, sync, move into place, sync, row. So a crash
//! leaves either nothing or a whole valid path; a tree without a row that it may leave is replaced when the
//! path is inserted again.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use rustix::{
    fs::{CWD, RenameFlags},
    io::Errno,
};

use super::{
    PathInfo, Signature, Store, StoreError,
    index::Writer,
    pool::{Pool, Shareable},
    removal,
    seal::{self, FEW, Sealed},
    write,
};
use crate::{
    files,
    hash::TreeHash,
    immutable,
    store_path::StorePath,
    tree::{Bounds, Leaf, Listing, Measure, NodeKind},
};

/// A tree that is to become a store path.
#[derive(Clone, Debug)]
pub struct Insertion {
    /// The path that it will have.
    pub path: StorePath,
    /// The origin of its content.
    pub source: Source,
    /// Its references.
    pub references: References,
    /// The derivation that made it.
    pub deriver: Option<StorePath>,
    /// The expected tree hash, if known.
    pub expected: Option<TreeHash>,
    /// Signatures of the resulting info.
    pub signatures: BTreeSet<Signature>,
}

impl Insertion {
    /// The path and its declared references, which need a temporary root. References that a scan finds are
    /// inputs of the build and have one already.
    fn relies_on(&self) -> impl Iterator<Item = &StorePath> {
        let said = match &self.references {
            References::Scan(_) => None,
            References::Known(paths) | References::Declared(paths, _) => Some(paths),
        };
        std::iter::once(&self.path).chain(said.into_iter().flatten())
    }
}

/// The origin of a tree. `to` is a free place in a [`super::Scratch`] of this store.
#[derive(Clone, Debug)]
pub enum Source {
    /// A tree in a [`super::Scratch`] of this store. It is moved, and its metadata are made canonical.
    Scratch(PathBuf),
    /// A tree elsewhere, which is copied.
    Copy {
        /// Its entries.
        listing: Listing,
        /// The leaf of each entry, from [`crate::tree::leaves`].
        leaves: Vec<Option<Leaf>>,
        /// The place to copy it to first.
        to: PathBuf,
    },
    /// A file with these bytes.
    Text {
        /// Its content.
        bytes: Vec<u8>,
        /// The place to write it to first.
        to: PathBuf,
    },
}

impl Source {
    /// The place of the tree before it is moved into the store.
    #[must_use]
    pub fn place(&self) -> &Path {
        match self {
            Self::Scratch(place) | Self::Copy { to: place, .. } | Self::Text { to: place, .. } => {
                place
            }
        }
    }
}

impl From<PathBuf> for Source {
    fn from(scratch: PathBuf) -> Self {
        Self::Scratch(scratch)
    }
}

/// The references of a tree.
#[derive(Clone, Debug)]
pub enum References {
    /// The ones of these paths that a scan finds in it (maybe itself).
    Scan(Vec<StorePath>),
    /// Exactly these.
    Known(BTreeSet<StorePath>),
    /// Exactly the first, checked by a scan for the second, which include them: the claim of an export about an
    /// output, which may be false.
    Declared(BTreeSet<StorePath>, Arc<[StorePath]>),
}

impl Store {
    /// Inserts trees, all or none. A path that is valid already stays as it is, and the new tree stays in its
    /// scratch folder.
    ///
    /// Returns the info of each, in the order given.
    ///
    /// # Errors
    /// If a tree holds a file type that is not allowed; if it refers to a path that is neither valid nor
    /// inserted with it, or that refers back; if its hash is not the expected one; or if the store cannot be
    /// written.
    pub fn insert(&self, insertions: Vec<Insertion>) -> Result<Vec<PathInfo>, StoreError> {
        self.insert_within(insertions, Bounds::NONE)
    }

    /// As [`Store::insert`], for untrusted trees.
    ///
    /// # Errors
    /// As [`Store::insert`], and if `bounds` say so.
    pub fn insert_within(
        &self,
        insertions: Vec<Insertion>,
        bounds: Bounds<'_>,
    ) -> Result<Vec<PathInfo>, StoreError> {
        self.put(insertions, Valid::Stays, bounds)
    }

    /// As [`Store::insert`], but replaces the tree of a valid path, atomically if the file system can do that.
    /// Processes keep the files of the old tree that they have open.
    ///
    /// # Errors
    /// As [`Store::insert`]; every old tree is then in its place.
    pub fn replace(&self, insertions: Vec<Insertion>) -> Result<Vec<PathInfo>, StoreError> {
        self.replace_within(insertions, Bounds::NONE)
    }

    /// As [`Store::replace`], for untrusted trees.
    ///
    /// # Errors
    /// As [`Store::replace`], and if `bounds` say so.
    pub fn replace_within(
        &self,
        insertions: Vec<Insertion>,
        bounds: Bounds<'_>,
    ) -> Result<Vec<PathInfo>, StoreError> {
        if insertions.is_empty() {
            return Ok(Vec::new());
        }
        // exchanging two folders needs both to be writable
        let opened = self.note_opened(self.scratch()?, insertions.iter().map(|i| &i.path))?;
        let replaced = self.put(insertions, Valid::IsReplaced, bounds)?;
        opened.close();
        Ok(replaced)
    }

    fn put(
        &self,
        insertions: Vec<Insertion>,
        valid: Valid,
        bounds: Bounds<'_>,
    ) -> Result<Vec<PathInfo>, StoreError> {
        self.need_writable()?;
        let order: Vec<StorePath> = insertions.iter().map(|i| i.path.clone()).collect();
        // add temporary roots before asking if paths are valid
        self.keep(insertions.iter().flat_map(Insertion::relies_on))?;
        let mut known: FxHashMap<StorePath, PathInfo> = FxHashMap::default();
        let mut fresh: BTreeMap<StorePath, Insertion> = BTreeMap::new();
        for insertion in insertions {
            if valid == Valid::Stays
                && let Some(info) = self.info(&insertion.path)?
            {
                known.insert(insertion.path.clone(), info);
            } else if let Some(twice) = fresh.insert(insertion.path.clone(), insertion) {
                return Err(StoreError::Twice(twice.path));
            }
        }
        let prepared = prepare(fresh.into_values().collect(), &self.pool, bounds)?;
        if !prepared.is_empty() {
            check_cycles(&prepared)?;
            if prepared.iter().any(|p| !p.synced) {
                files::sync_all(&self.layout.scratch())?;
            }
            if prepared.len() > FEW {
                // if this is killed, a collection knows that these need no row
                self.index.write(|writer| writer.excuse(prepared.iter().map(|p| &p.info.path)))?;
            }
            let placed = self.index.write(|writer| self.place(writer, &prepared, valid));
            known.extend(placed?.into_iter().map(|info| (info.path.clone(), info)));
            self.offer(&prepared);
            for prepared in prepared {
                known.entry(prepared.info.path.clone()).or_insert(prepared.info);
            }
        }
        Ok(order.iter().filter_map(|path| known.get(path).cloned()).collect())
    }

    /// Makes the metadata of a tree canonical and returns its hash and size.
    ///
    /// # Errors
    /// If it cannot be read or holds something that is not allowed, and if `bounds` say so.
    pub fn seal(tree: &Path, bounds: Bounds<'_>) -> Result<Measure, StoreError> {
        Ok(seal::seal(tree, &[], None, false, bounds)?.measure)
    }

    /// The references that inserting a tree from a scratch folder would find, so that they can be checked first.
    ///
    /// # Errors
    /// If the tree cannot be read or holds something that is not allowed, and if `bounds` say so.
    pub fn scan(
        insertion: &Insertion,
        bounds: Bounds<'_>,
    ) -> Result<BTreeSet<StorePath>, StoreError> {
        match &insertion.references {
            References::Scan(paths) => {
                let place = insertion.source.place();
                Ok(seal::seal(place, paths, None, false, bounds)?.references)
            }
            References::Known(known) | References::Declared(known, _) => Ok(known.clone()),
        }
    }

    /// Moves trees into place and registers them. No other process does the same meanwhile, so a tree without a
    /// row was left by a crash.
    ///
    /// Returns the paths that had become valid in the meantime.
    fn place(
        &self,
        writer: &Writer<'_>,
        prepared: &[Prepared],
        valid: Valid,
    ) -> Result<Vec<PathInfo>, StoreError> {
        let mut before = Vec::new();
        let mut placed: Vec<&PathInfo> = Vec::with_capacity(prepared.len());
        let mut replaced: Vec<(&Prepared, bool)> = Vec::new();
        let mut folders = Vec::new();
        let mut work = || {
            for tree in prepared {
                let target = self.real(&tree.info.path);
                match writer.info(&tree.info.path)? {
                    Some(info) if valid == Valid::Stays => {
                        before.push(info);
                        continue;
                    }
                    Some(_) => {
                        let is_kept = swap(&tree.source, &target)?;
                        replaced.push((tree, is_kept));
                    }
                    None => {
                        self.discard(&target)?;
                        placed.push(&tree.info);
                        fs_err::rename(&tree.source, &target)?;
                    }
                }
                if tree.kind == NodeKind::Directory {
                    seal::seal_folder(&target, 0o555)?;
                    folders.push(target);
                }
            }
            // change the mode of a folder after the move
            if folders.len() > FEW {
                files::sync_all(self.dir())?;
            } else {
                folders.iter().try_for_each(|folder| files::sync_folder(folder))?;
                files::sync_folder(self.dir())?;
            }
            writer.register(&placed)?;
            replaced.iter().try_for_each(|(tree, _)| writer.change(&tree.info))
        };
        let result = work();
        if result.is_err() {
            for info in placed {
                self.discard(&self.real(&info.path))?;
            }
            for (tree, _) in replaced.into_iter().filter(|(_, is_kept)| *is_kept) {
                swap(&tree.source, &self.real(&tree.info.path))?;
            }
        }
        result.map(|()| before)
    }

    /// Puts the files of new paths into the pool.
    fn offer(&self, prepared: &[Prepared]) {
        for tree in prepared {
            tree.shareable.par_iter().for_each(|shareable| {
                if let Ok(below) = shareable.file.strip_prefix(&tree.source) {
                    let root = self.real(&tree.info.path);
                    let empty = below.as_os_str().is_empty();
                    let file = if empty { root } else { root.join(below) };
                    self.pool.offer(&Shareable { file, ..shareable.clone() });
                }
            });
        }
    }

    /// Removes a tree from the store's folder. It loses its final name in one step, so a crash never leaves
    /// part of a tree there.
    fn discard(&self, target: &Path) -> Result<(), StoreError> {
        if target.symlink_metadata().is_err() {
            return Ok(());
        }
        let trash = self.scratch()?;
        Ok(removal::take_away(target, &trash.path().join("discarded"))?)
    }
}

/// The treatment of a path that is valid already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Valid {
    Stays,
    IsReplaced,
}

/// Exchanges two trees; if nothing is at `target`, moves the other there. Returns true if the old one is then
/// at `source`. On an overlay file system it may be impossible to move, and is removed.
fn swap(source: &Path, target: &Path) -> Result<bool, StoreError> {
    // a folder can only be moved while it is writable
    for tree in [source, target] {
        if fs_err::symlink_metadata(tree).is_ok_and(|found| found.is_dir()) {
            fs_err::set_permissions(tree, PermissionsExt::from_mode(0o755))
                .map_err(|error| immutable::explain(error, tree))?;
        }
    }
    match rustix::fs::renameat_with(CWD, source, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => return Ok(true),
        Err(Errno::NOENT) => {
            fs_err::rename(source, target)?;
            return Ok(true);
        }
        Err(Errno::XDEV) => {
            let is_folder = target.symlink_metadata().is_ok_and(|found| found.is_dir());
            removal::remove(target, is_folder)?;
            fs_err::rename(source, target)?;
            return Ok(false);
        }
        // not supported by the file system
        Err(Errno::INVAL | Errno::NOSYS) => {}
        Err(e) => {
            let (e, place) = (std::io::Error::from(e), target.display());
            let text = format!("failed to replace '{place}': {e}");
            return Err(immutable::explain(std::io::Error::new(e.kind(), text), target).into());
        }
    }
    let mut old = source.as_os_str().to_owned();
    old.push(".old");
    fs_err::rename(target, &old)?;
    fs_err::rename(source, target)?;
    fs_err::rename(&old, source)?;
    Ok(true)
}

/// A tree that is ready to be moved into place.
struct Prepared {
    source: PathBuf,
    kind: NodeKind,
    synced: bool,
    info: PathInfo,
    shareable: Vec<Shareable>,
}

fn prepare(
    insertions: Vec<Insertion>,
    pool: &Pool,
    bounds: Bounds<'_>,
) -> Result<Vec<Prepared>, StoreError> {
    let registered = now();
    // sync many at once, with their file system
    let each = insertions.len() <= FEW;
    let one = |insertion: Insertion| {
        let Insertion { path, source, references, deriver, expected, signatures } = insertion;
        let candidates: &[StorePath] = match &references {
            References::Scan(candidates) => candidates,
            References::Declared(_, among) => among,
            References::Known(_) => &[],
        };
        let sealed = match &source {
            Source::Scratch(tree) => seal::seal(tree, candidates, Some(pool), each, bounds)?,
            Source::Copy { listing, leaves, to } => {
                write::copy(listing, leaves, to, candidates, pool, each)?
            }
            Source::Text { bytes, to } => write::text(bytes, to, candidates, each)?,
        };
        let found = sealed.measure.hash;
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(StoreError::Hash { path, expected, found });
        }
        let references = match references {
            References::Scan(_) => sealed.references,
            References::Known(known) => known,
            References::Declared(known, _) => {
                if let Some(reference) = sealed.references.difference(&known).next().cloned() {
                    return Err(StoreError::Undeclared { path, reference });
                }
                if let Some(reference) = known.difference(&sealed.references).next().cloned() {
                    return Err(StoreError::Unheld { path, reference });
                }
                known
            }
        };
        let size = sealed.measure.size;
        let nar = None;
        let info =
            PathInfo { path, tree: found, size, references, deriver, nar, signatures, registered };
        let source = source.place().to_owned();
        let Sealed { synced, shareable, kind, .. } = sealed;
        Ok(Prepared { source, kind, synced, info, shareable })
    };
    insertions.into_par_iter().map(one).collect()
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Refuses trees that refer to each other in a cycle: neither could be copied or removed without the other.
fn check_cycles(prepared: &[Prepared]) -> Result<(), StoreError> {
    let fresh: FxHashMap<&StorePath, &PathInfo> =
        prepared.iter().map(|p| (&p.info.path, &p.info)).collect();
    let mut done: FxHashMap<&StorePath, bool> = FxHashMap::default();
    for start in prepared {
        // (path, true if its references have been visited)
        let mut todo = vec![(&start.info.path, false)];
        while let Some((path, after)) = todo.pop() {
            if after {
                done.insert(path, true);
                continue;
            }
            match done.get(path) {
                Some(true) => continue,
                Some(false) => return Err(StoreError::Cycle(path.clone())),
                None => {}
            }
            done.insert(path, false);
            todo.push((path, true));
            for reference in fresh[path].references.iter().filter(|r| *r != path) {
                match done.get(reference) {
                    Some(true) => {}
                    Some(false) => return Err(StoreError::Cycle(reference.clone())),
                    None if fresh.contains_key(reference) => todo.push((reference, false)),
                    None => {}
                }
            }
        }
    }
    Ok(())
}
