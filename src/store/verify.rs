//! Looking whether what is in the store is what the index says, and making the index anew out of
//! what is in the store.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::{PathInfo, Store, StoreError, insert::now, pool::Pool, seal};
use crate::{
    archive::{self, ArchiveError, Bounds, Digest, Kind, Leaf, Listing, Measure, Node},
    derivation::Derivation,
    files,
    hash::TreeHash,
    store_path::StorePath,
};

/// A valid path that is not what the index says.
#[derive(Debug)]
pub struct Damage {
    /// The path.
    pub path: StorePath,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a path.
#[derive(Debug)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// Its tree has another hash.
    Changed {
        /// The hash in the index.
        expected: TreeHash,
        /// The hash that it has.
        found: TreeHash,
    },
    /// It cannot be read.
    Unreadable(ArchiveError),
    /// Its content is right, but the mode or the time of this was changed.
    Metadata(PathBuf),
}

/// What [`Store::rebuild`] did.
#[derive(Debug)]
pub struct Rebuilt {
    /// How many paths are valid that were not before.
    pub registered: usize,
    /// What lies in the store's folder and was not registered, and why.
    pub refused: Vec<(String, String)>,
}

/// What [`Store::verify_all`] found.
#[derive(Debug, Default)]
pub struct Verified {
    /// How many paths were looked at.
    pub checked: usize,
    /// Those that are damaged.
    pub damages: Vec<Damage>,
    /// The files of the pool whose content is not what their name says.
    pub pool: Vec<PathBuf>,
}

/// Digests of files with several names, by inode, so that each is read once.
type Digests = Mutex<FxHashMap<(u64, u64), Digest>>;

impl Store {
    /// Hashes the trees of these paths again. `progress` is told the size of each that is done; any
    /// thread may call it. Gives those that are damaged, in the order in which they were given.
    ///
    /// # Errors
    /// Where one is not valid, or the index cannot be read.
    pub fn verify(
        &self,
        paths: &[StorePath],
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Damage>, StoreError> {
        let infos = paths
            .iter()
            .map(|path| self.info(path)?.ok_or_else(|| StoreError::NotValid(path.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        self.damages(infos, &Digests::default(), progress)
    }

    /// Hashes everything again: every valid path and every file of the pool. `progress` is told the
    /// size of each path that is done, and that of all; any thread may call it.
    ///
    /// # Errors
    /// Where the index or the pool cannot be read.
    pub fn verify_all(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Verified, StoreError> {
        let infos = self.all()?;
        let all = infos.iter().map(|info| info.size).sum();
        let progress = &|size| progress(size, all);
        let (checked, digests) = (infos.len(), Digests::default());
        let damages = self.damages(infos, &digests, progress)?;
        let digests = digests.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Verified { checked, damages, pool: self.pool.damaged(&digests)? })
    }

    /// Makes the modes and times of a path's tree what they should be.
    ///
    /// # Errors
    /// Where the tree cannot be read or changed.
    pub fn reseal(&self, path: &StorePath) -> Result<(), StoreError> {
        self.need_writable()?;
        let root = self.real(path);
        if seal::seal(&root, &[], None, true, Bounds::NONE)?.kind == Kind::Directory {
            seal::seal_folder(&root, 0o555)?;
        }
        Ok(())
    }

    /// Takes files out of the pool, so that nothing shares them any more.
    ///
    /// # Errors
    /// Where the store cannot be written.
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
        let look = |info: PathInfo| {
            let fault = match measure(&self.real(&info.path), digests) {
                Ok((measure, odd)) if measure.hash == info.tree => odd.map(Fault::Metadata),
                Ok((measure, _)) => {
                    Some(Fault::Changed { expected: info.tree, found: measure.hash })
                }
                Err(ArchiveError::Io(e)) if e.kind() == io::ErrorKind::NotFound => {
                    Some(Fault::Missing)
                }
                Err(e) => Some(Fault::Unreadable(e)),
            };
            fault.map(|fault| Damage { path: info.path, fault })
        };
        let seen = infos.into_par_iter().filter_map(|info| {
            let size = info.size;
            let damage = look(info);
            progress(size);
            damage
        });
        let seen: Vec<Damage> = seen.collect();
        let mut damages = Vec::with_capacity(seen.len());
        for damage in seen {
            let mut found = Some(damage);
            // what somebody had open when it was looked at is looked at again
            while let Some(Damage { path, fault: Fault::Metadata(place) }) = &found
                && self.is_sealed(path, place)?
            {
                found = self.info(path)?.and_then(look);
            }
            damages.extend(found);
        }
        // what a collector has removed meanwhile is not missing
        let valid = self.valid(damages.iter().map(|damage| &damage.path))?;
        Ok(damages.into_iter().filter(|damage| valid.contains(&damage.path)).collect())
    }

    /// Opens the store in that folder and registers what lies in it without a row: all of it, where
    /// the index was lost. An index that cannot be read is put aside. Since nothing gets its final
    /// name before it is whole on disk, what is there is whole; references are found by scanning,
    /// derivers by reading the derivations.
    ///
    /// # Errors
    /// Where the folder is no store, or cannot be read or written.
    pub fn rebuild(root: &Path) -> Result<(Self, Rebuilt), StoreError> {
        let store = match Self::open(root) {
            Err(StoreError::Index { path, source }) if is_damaged(&source) => {
                for end in ["", "-wal", "-shm"] {
                    let mut file = path.clone().into_os_string();
                    file.push(end);
                    let mut aside = file.clone();
                    aside.push(".damaged");
                    match fs_err::rename(&file, &aside) {
                        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
                        _ => {}
                    }
                }
                Self::open(root)?
            }
            other => other?,
        };
        store.need_writable()?;
        let rebuilt = store.register_found()?;
        Ok((store, rebuilt))
    }

    fn register_found(&self) -> Result<Rebuilt, StoreError> {
        let mut refused = Vec::new();
        let mut all = BTreeSet::new();
        for entry in fs_err::read_dir(self.dir())? {
            let name = entry?.file_name();
            match name.to_str().map(StorePath::from_base) {
                Some(Ok(path)) => drop(all.insert(path)),
                Some(Err(e)) => refused.push((name.display().to_string(), e.to_string())),
                None => refused.push((name.display().to_string(), "it is not text".to_owned())),
            }
        }
        let valid = self.valid(&all)?;
        let candidates: Vec<StorePath> = all.iter().cloned().collect();
        let fresh: Vec<&StorePath> = all.difference(&valid).collect();
        let found: Vec<Result<Found, (String, String)>> = fresh
            .par_iter()
            .map(|path| {
                self.look(path, &candidates).map_err(|e| (path.base().to_owned(), e.to_string()))
            })
            .collect();
        let mut known: FxHashMap<StorePath, PathInfo> = FxHashMap::default();
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
        // what refers to something that is not there is not whole, nor is what refers to that
        loop {
            let missing = |r: &&StorePath| !known.contains_key(*r) && !valid.contains(*r);
            let dangling = known.values().find_map(|info| {
                Some((info.path.clone(), info.references.iter().find(missing)?.clone()))
            });
            let Some((path, reference)) = dangling else { break };
            let reason = format!("it refers to '{reference}', which is not there");
            refused.push((path.base().to_owned(), reason));
            known.remove(&path);
        }
        for info in known.values_mut() {
            info.deriver = derivers.get(&info.path).cloned();
        }
        let mut infos: Vec<&PathInfo> = known.values().collect();
        infos.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        // looking at them has made their metadata canonical
        files::sync_all(self.dir())?;
        self.index.write(|writer| writer.register(&infos))?;
        refused.sort_unstable();
        Ok(Rebuilt { registered: infos.len(), refused })
    }

    /// What a tree in the store's folder is.
    fn look(&self, path: &StorePath, candidates: &[StorePath]) -> Result<Found, StoreError> {
        let derivation: Option<Derivation> =
            if path.is_derivation() { Some(self.read_derivation(path)?) } else { None };
        let sealed = seal::seal(&self.real(path), candidates, None, true, Bounds::NONE)?;
        let (references, outputs) = match derivation {
            Some(derivation) => (
                derivation.references(),
                derivation.outputs.values().map(|o| o.path.clone()).collect(),
            ),
            // a source refers to nothing, whatever words are in it
            None if StorePath::of_source(&sealed.measure.hash, path.name()).as_ref()
                == Ok(path) =>
            {
                (BTreeSet::new(), Vec::new())
            }
            None => (sealed.references, Vec::new()),
        };
        if sealed.kind == Kind::Directory {
            seal::seal_folder(&self.real(path), 0o555)?;
        }
        let info = PathInfo {
            path: path.clone(),
            tree: sealed.measure.hash,
            size: sealed.measure.size,
            references,
            deriver: None,
            registered: now(),
        };
        Ok(Found { info, outputs })
    }
}

/// Hashes a tree; files with several names only where their digest is not known. Gives a file or folder
/// whose metadata are not canonical, too.
fn measure(root: &Path, digests: &Digests) -> Result<(Measure, Option<PathBuf>), ArchiveError> {
    let odd = OnceLock::new();
    let look = |node: &Node, metadata: &Metadata| {
        if !seal::is_canonical(metadata) {
            // one is enough
            let _ = odd.set(node.path.clone());
        }
    };
    let known = || digests.lock().unwrap_or_else(PoisonError::into_inner);
    let leaf = |buffer: &mut Vec<u8>, node: &Node| -> Result<Option<Leaf>, ArchiveError> {
        match node.kind {
            Kind::Directory => {
                look(node, &fs_err::symlink_metadata(&node.path)?);
                return Ok(None);
            }
            Kind::Symlink => return archive::leaf(node, buffer),
            Kind::File => {}
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
        let (digest, size) = archive::hash_file(&mut file, metadata.len(), buffer, |_| {})?;
        if has_others {
            known().insert(inode, digest);
        }
        Ok(Some(Leaf { executable, digest, size }))
    };
    let listing = Listing::read(root)?;
    let leaves = listing.nodes().par_iter().map_init(Vec::new, leaf);
    let leaves = leaves.collect::<Result<Vec<_>, _>>()?;
    Ok((archive::fold(&listing, &leaves), odd.into_inner()))
}

struct Found {
    info: PathInfo,
    /// The outputs, where it is a derivation.
    outputs: Vec<StorePath>,
}

/// Whether SQLite cannot make sense of the file.
fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}
