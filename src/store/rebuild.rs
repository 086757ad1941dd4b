//! Rebuilds the index from the trees in the store. A tree gets its final name only when it is whole on disk, so
//! all trees are whole. References are found by scanning, derivers by reading the derivations.
//!
//! A whole index gets the rows that it lacks. A damaged one is replaced by a new file, which takes over all
//! that can be read of it.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    PathInfo, Store, StoreError,
    index::{Index, Writer},
    insert::now,
    layout::Layout,
    salvage::{self, Salvaged},
    seal,
    temporary_roots::Share,
};
use crate::{
    derivation::Derivation,
    files,
    store_path::StorePath,
    tree::{Bounds, TreeError},
};

/// The result of [`Store::rebuild`].
#[derive(Debug)]
pub struct Rebuilt {
    /// The number of newly registered paths.
    pub registered: usize,
    /// Entries of the store's folder that were not registered, with reasons.
    pub refused: Vec<(String, String)>,
    /// The number of rows dropped because their tree is missing and nothing needs it.
    pub dropped: usize,
}

/// The facts about a tree in the store's folder.
struct Found {
    info: PathInfo,
    /// The outputs, if it is a derivation.
    outputs: Vec<StorePath>,
}

impl Store {
    /// Opens the store in that folder and registers its trees without a row: all trees, if the index was lost. A
    /// damaged index is replaced.
    ///
    /// # Errors
    /// If the folder is not a store, or cannot be read or written; or if others use it while its index must be
    /// replaced.
    pub fn rebuild(root: &Path) -> Result<(Self, Rebuilt), StoreError> {
        let layout = Layout::open(root)?;
        let rebuilt = match Index::open(layout.index(), layout.writable()) {
            Ok(Some(index)) if index.read(salvage::is_whole).unwrap_or(false) => {
                let store = Self::with(layout, index);
                store.need_writable()?;
                store.add_rows()?
            }
            _ => {
                let index = Index::nothing(layout.index());
                let store = Self::with(layout, index);
                store.need_writable()?;
                store.replace_index()?
            }
        };
        Ok((Self::open(root)?, rebuilt))
    }

    /// Adds the rows that the index lacks, and drops those of another store.
    fn add_rows(&self) -> Result<Rebuilt, StoreError> {
        let trees = self.layout.trees()?;
        let valid: BTreeSet<StorePath> = self.all()?.into_iter().map(|info| info.path).collect();
        let fresh: Vec<StorePath> =
            trees.iter().filter(|path| !valid.contains(*path)).cloned().collect();
        let (infos, mut refused) = self.look_at(&fresh, &trees, &valid, &FxHashMap::default())?;
        // examining them has made their metadata canonical
        files::sync_all(self.dir())?;
        let lasting: FxHashSet<StorePath> =
            self.lasting_roots()?.into_iter().map(|root| root.path).collect();
        let (registered, dropped) = self.index.write_durably(|writer| {
            let mut fresh = Vec::with_capacity(infos.len());
            for info in &infos {
                // another process may have registered it meanwhile
                if writer.info(&info.path)?.is_none() {
                    fresh.push(info);
                }
            }
            writer.register(&fresh)?;
            let dropped = self.useless(writer, &lasting)?;
            writer.forget(&dropped)?;
            writer.leave_out(&left_out(&refused))?;
            Ok((fresh.len(), dropped.len()))
        })?;
        refused.extend(self.strangers()?);
        refused.sort_unstable();
        Ok(Rebuilt { registered, refused, dropped })
    }

    /// Rows without a tree that neither a root nor an existing tree needs.
    fn useless(
        &self,
        writer: &Writer<'_>,
        lasting: &FxHashSet<StorePath>,
    ) -> Result<Vec<StorePath>, StoreError> {
        let all = writer.read(super::index::all)?;
        let by_path: FxHashMap<&StorePath, &PathInfo> =
            all.iter().map(|info| (&info.path, info)).collect();
        let is_there = |path: &StorePath| self.real(path).symlink_metadata().is_ok();
        let needed = |info: &&PathInfo| lasting.contains(&info.path) || is_there(&info.path);
        let mut todo: Vec<&StorePath> = all.iter().filter(needed).map(|info| &info.path).collect();
        let mut seen: FxHashSet<&StorePath> = todo.iter().copied().collect();
        while let Some(path) = todo.pop() {
            let references = by_path.get(path).into_iter().flat_map(|info| &info.references);
            todo.extend(references.filter(|reference| seen.insert(*reference)));
        }
        Ok(all.iter().map(|i| &i.path).filter(|path| !seen.contains(path)).cloned().collect())
    }

    /// Replaces the index by a new one.
    fn replace_index(&self) -> Result<Rebuilt, StoreError> {
        // a process that has the old one open would go on with it
        let _alone = self.collect_lock(Share::Nobody)?;
        if let Some((process, _)) = self.kept()?.first() {
            let (root, by) = (self.root().to_owned(), format!("the running command {process}"));
            return Err(StoreError::InUse { root, by });
        }
        let scratch = self.scratch()?;
        let salvaged = salvage::salvage(&self.layout, &scratch);
        let trees = self.layout.trees()?;
        let (infos, mut refused) = self.look_at(&trees, &trees, &BTreeSet::new(), &salvaged)?;
        files::sync_all(self.dir())?;

        let place = self.layout.index();
        let new = ending(&place, ".new");
        for end in ["", "-wal", "-shm", "-journal"] {
            files::remove_file(&ending(&new, end))?;
        }
        let index = Index::create(new.clone())?;
        index.write_durably(|writer| {
            writer.register(&infos.iter().collect::<Vec<_>>())?;
            for info in &infos {
                if let Some(salvaged) = salvaged.get(&info.path) {
                    writer.touch(std::slice::from_ref(&info.path), salvaged.used)?;
                }
            }
            writer.leave_out(&left_out(&refused))
        })?;
        index.close()?;
        // the log first: it would be read as the new index's log
        for end in ["-wal", "-shm", "-journal", ""] {
            let old = ending(&place, end);
            match fs_err::rename(&old, ending(&old, ".damaged")) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
        }
        fs_err::rename(&new, &place)?;
        files::sync_folder(&self.layout.var())?;
        refused.extend(self.strangers()?);
        refused.sort_unstable();
        Ok(Rebuilt { registered: infos.len(), refused, dropped: 0 })
    }

    /// Examines trees. Those that cannot be read, or refer to a path that is neither `valid` nor registered with
    /// them, cannot be registered. References are looked for among `all`.
    #[expect(clippy::type_complexity, reason = "names and reasons")]
    fn look_at(
        &self,
        trees: &[StorePath],
        all: &[StorePath],
        valid: &BTreeSet<StorePath>,
        salvaged: &FxHashMap<StorePath, Salvaged>,
    ) -> Result<(Vec<PathInfo>, Vec<(String, String)>), StoreError> {
        let there: FxHashSet<&StorePath> = all.iter().collect();
        let look = |path: &StorePath| {
            let salvaged = salvaged.get(path);
            match (self.look(path, all)?, salvaged) {
                (Ok(found), salvaged) => Ok(Ok(found.with(salvaged, &there))),
                // damaged; once registered, it can be repaired
                (Err(_), Some(salvaged)) if self.real(path).symlink_metadata().is_ok() => {
                    Ok(Ok(Found::of(path, salvaged, &there)))
                }
                // a failure of the machine, not of the tree
                (Err(e @ (StoreError::Io(_) | StoreError::Tree(TreeError::Io(_)))), _)
                    if self.real(path).symlink_metadata().is_ok() =>
                {
                    Err(e)
                }
                (Err(e), _) => Ok(Err((path.base().to_owned(), e.to_string()))),
            }
        };
        let found = trees.par_iter().map(look).collect::<Result<Vec<_>, StoreError>>()?;
        let (mut refused, mut known) = (Vec::new(), FxHashMap::default());
        let mut derivers: FxHashMap<StorePath, StorePath> = FxHashMap::default();
        for result in found {
            match result {
                Ok(Found { info, outputs }) => {
                    for output in outputs {
                        derivers.entry(output).or_insert_with(|| info.path.clone());
                    }
                    known.insert(info.path.clone(), info);
                }
                Err(reason) => refused.push(reason),
            }
        }
        refused.extend(remove_dangling(&mut known, valid));
        for info in known.values_mut() {
            let deriver = derivers.remove(&info.path);
            info.deriver = deriver.or(info.deriver.take());
            // drop signatures of other info
            let same =
                |s: &&Salvaged| (&s.references, &s.deriver) == (&info.references, &info.deriver);
            if let Some(salvaged) = salvaged.get(&info.path).filter(same) {
                info.signatures.clone_from(&salvaged.signatures);
            }
        }
        let mut infos: Vec<PathInfo> = known.into_values().collect();
        infos.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok((infos, refused))
    }

    /// Examines a tree, or gives the reason why that is impossible.
    ///
    /// # Errors
    /// If the tree stays writable, which must not be registered.
    fn look(
        &self,
        path: &StorePath,
        candidates: &[StorePath],
    ) -> Result<Result<Found, StoreError>, StoreError> {
        let place = self.real(path);
        let before = || -> Result<(Option<Derivation>, bool), StoreError> {
            if seal::is_going(&place)? {
                let problem = "it was being removed".to_owned();
                return Err(StoreError::Derivation { path: path.clone(), problem });
            }
            let is_derivation = path.is_derivation();
            let derivation = is_derivation.then(|| self.read_derivation(path)).transpose()?;
            Ok((derivation, fs_err::symlink_metadata(&place)?.is_dir()))
        };
        let (derivation, is_folder) = match before() {
            Ok(known) => known,
            Err(e) => return Ok(Err(e)),
        };
        let sealed = seal::seal(&place, candidates, None, true, Bounds::NONE);
        if is_folder {
            // seal again what had to be writable, even after an error
            seal::seal_folder(&place, 0o555)?;
        }
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(e) => return Ok(Err(e.into())),
        };
        let (references, outputs) = match derivation {
            Some(derivation) => (
                derivation.references(),
                derivation.outputs.values().map(|o| o.path.clone()).collect(),
            ),
            // a source has no references, whatever text it holds
            None if StorePath::of_source(&sealed.measure.hash, path.name()).as_ref()
                == Ok(path) =>
            {
                (BTreeSet::new(), Vec::new())
            }
            None => (sealed.references, Vec::new()),
        };
        let info = PathInfo {
            path: path.clone(),
            tree: sealed.measure.hash,
            size: sealed.measure.size,
            references,
            deriver: None,
            nar: None,
            signatures: BTreeSet::new(),
            registered: now(),
        };
        Ok(Ok(Found { info, outputs }))
    }

    /// Other entries of the store's folder.
    fn strangers(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut strangers = Vec::new();
        for entry in fs_err::read_dir(self.dir())? {
            let name = entry?.file_name();
            match name.to_str().map(StorePath::from_base) {
                Some(Ok(_)) => {}
                Some(Err(e)) => strangers.push((name.display().to_string(), e.to_string())),
                None => {
                    strangers
                        .push((name.display().to_string(), "its name is not UTF-8".to_owned()));
                }
            }
        }
        Ok(strangers)
    }
}

impl Found {
    /// An unreadable tree, by its row in the old index.
    fn of(path: &StorePath, salvaged: &Salvaged, there: &FxHashSet<&StorePath>) -> Self {
        let info = PathInfo {
            path: path.clone(),
            tree: salvaged.tree,
            size: salvaged.size,
            references: BTreeSet::new(),
            deriver: None,
            nar: None,
            signatures: BTreeSet::new(),
            registered: salvaged.registered,
        };
        Self { info, outputs: Vec::new() }.with(Some(salvaged), there)
    }

    /// Adds the facts of the old index.
    fn with(mut self, salvaged: Option<&Salvaged>, there: &FxHashSet<&StorePath>) -> Self {
        let Some(salvaged) = salvaged else { return self };
        let info = &mut self.info;
        // another hash now means damage, which must not become valid
        (info.tree, info.size) = (salvaged.tree, salvaged.size);
        info.deriver.clone_from(&salvaged.deriver);
        info.registered = salvaged.registered;
        // a declared reference may not occur in the tree
        let said = salvaged.references.iter().filter(|path| there.contains(path));
        info.references.extend(said.cloned());
        self
    }
}

/// Takes out trees with missing references, and trees that refer to those; with the reasons.
fn remove_dangling(
    known: &mut FxHashMap<StorePath, PathInfo>,
    valid: &BTreeSet<StorePath>,
) -> Vec<(String, String)> {
    let mut referrers: FxHashMap<StorePath, Vec<StorePath>> = FxHashMap::default();
    let mut todo: Vec<StorePath> = Vec::new();
    for info in known.values() {
        for reference in &info.references {
            if !known.contains_key(reference) && !valid.contains(reference) {
                todo.push(reference.clone());
            }
            referrers.entry(reference.clone()).or_default().push(info.path.clone());
        }
    }
    let mut refused = Vec::new();
    while let Some(missing) = todo.pop() {
        for path in referrers.remove(&missing).into_iter().flatten() {
            if known.remove(&path).is_some() {
                let reason = format!("it refers to '{missing}', which is missing");
                refused.push((path.base().to_owned(), reason));
                todo.push(path);
            }
        }
    }
    refused
}

/// The paths among the refused entries.
fn left_out(refused: &[(String, String)]) -> Vec<StorePath> {
    refused.iter().filter_map(|(name, _)| StorePath::from_base(name).ok()).collect()
}

/// A file's name with something behind it.
fn ending(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}
