//! Reads an export into a store: all of it at once, or path by path as a plan needs them. A path is unpacked into
//! scratch and checked before it is registered.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::{
    Substituter, TransferError,
    header::{Exported, Header},
    proof::{Claim, Makers},
    source::Source,
};
use crate::{
    derivation::{Derivation, Identities},
    limits,
    regular::{self, Link},
    store::{Insertion, PathInfo, References, Scratch, Store, StoreError},
    store_path::StorePath,
};

/// Which paths to accept although their content does not prove their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// None: the import fails.
    Nothing,
    /// Outputs, as if they had been built here.
    Outputs,
}

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The paths that were exported by name; all are valid now.
    pub roots: BTreeSet<StorePath>,
    /// The paths that were not valid before.
    pub added: Vec<StorePath>,
    /// The added paths whose content nothing proves.
    pub trusted: Vec<StorePath>,
    /// The paths that the store already has with other content. The store's content stays.
    pub differing: Vec<StorePath>,
    /// The number of paths in the export.
    pub total: usize,
}

/// An open export. Everything that does not need the content of its paths was checked.
pub struct Export {
    source: Source,
    header: Header,
    trust: Trust,
    /// The paths that the store does not have, in the order of the header.
    fresh: Vec<Fresh>,
    /// For each, its index in `fresh` and whether plans may take it.
    places: FxHashMap<StorePath, (usize, bool)>,
    /// The paths that the store has with other content.
    differing: Vec<StorePath>,
    /// Every path that the header names: an output can only hold paths that existed when it was made.
    among: Arc<[StorePath]>,
    /// The folder to unpack into; `None` if the store has all paths.
    scratch: Option<Scratch>,
}

/// A path that the store does not have.
struct Fresh {
    /// Its place in the export.
    at: usize,
    claim: Claim,
    deriver: Option<StorePath>,
}

/// Imports the export in `file` (`-` is standard input). `progress` gets the bytes done and the total;
/// any thread may call it.
///
/// # Errors
/// If the file is not a canonical export, does not match its header, refers to a path that the store lacks,
/// or holds a path that neither its content nor `trust` admits. The store is then unchanged.
pub fn import(
    store: &Store,
    file: &Path,
    trust: Trust,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Imported, TransferError> {
    let export = Export::open(store, file, trust)?;
    // fail before unpacking if the outcome is certain
    let hopeless = export.fresh.iter().filter(|f| f.claim.is_hopeless(export.exported(f)));
    export.prove(hopeless.map(|fresh| export.exported(fresh).path.clone()).collect())?;
    let all: Vec<&Fresh> = export.fresh.iter().collect();
    let trusted = export.insert(store, &all, progress)?;
    let added = all.into_iter().map(|fresh| export.exported(fresh).path.clone()).collect();
    let Export { header, differing, .. } = export;
    Ok(Imported { total: header.paths.len(), roots: header.roots, added, trusted, differing })
}

impl Export {
    /// Opens the export in `file` (`-` is standard input). Reads its derivations, and judges its other
    /// paths by them and by those of the store.
    ///
    /// # Errors
    /// As [`import`], but only derivations are unpacked.
    pub fn open(store: &Store, file: &Path, trust: Trust) -> Result<Self, TransferError> {
        let mut source = Source::open(store, file)?;
        let header = source.header()?;
        let named: BTreeSet<&StorePath> =
            header.paths.iter().flat_map(|e| e.references.iter().chain([&e.path])).collect();
        let valid = store.valid(named.iter().copied())?;
        check_references(&source, &header, &valid)?;
        let mut differing = Vec::new();
        for exported in header.paths.iter().filter(|e| valid.contains(&e.path)) {
            let info = store.info(&exported.path)?;
            differing.extend(info.filter(|info| info.tree != exported.tree).map(|info| info.path));
        }
        let missing: Vec<(usize, &Exported)> =
            header.paths.iter().enumerate().filter(|(_, e)| !valid.contains(&e.path)).collect();
        let scratch = if missing.is_empty() { None } else { Some(store.scratch()?) };
        let mut fresh = Vec::with_capacity(missing.len());
        let mut places = FxHashMap::default();
        if let Some(scratch) = &scratch {
            let records = derivations(&source, store, &missing, scratch)?;
            let made = missing.iter().map(|(_, e)| &e.path).filter(|path| !path.is_derivation());
            let makers = Makers::find(store, &records, made)?;
            let knows = |path: &StorePath| {
                records.binary_search_by(|(known, _)| known.cmp(path)).is_ok()
                    || valid.contains(path)
                    || store.is_valid(path).is_ok_and(|is_valid| is_valid)
            };
            for (at, exported) in missing {
                let (claim, deriver) = makers
                    .judge(exported, knows)
                    .map_err(|problem| source.refuse(exported.path.to_string(), problem))?;
                let may_be_taken = trust == Trust::Outputs || !claim.is_hopeless(exported);
                // references come before the path
                let can_be_had = |reference: &StorePath| {
                    let found = places.get(reference).map(|(_, is_offered)| *is_offered);
                    *reference == exported.path || found.unwrap_or(true)
                };
                let is_offered = may_be_taken && exported.references.iter().all(can_be_had);
                places.insert(exported.path.clone(), (fresh.len(), is_offered));
                fresh.push(Fresh { at, claim, deriver });
            }
        }
        let among = named.into_iter().cloned().collect::<Vec<_>>().into();
        Ok(Self { source, header, trust, fresh, places, differing, among, scratch })
    }

    /// True if the export has this path but does not offer it, because nothing proves its content or references.
    #[must_use]
    pub fn withholds(&self, path: &StorePath) -> bool {
        self.places.get(path).is_some_and(|(_, is_offered)| !is_offered)
    }

    fn exported(&self, fresh: &Fresh) -> &Exported {
        &self.header.paths[fresh.at]
    }

    /// Refuses paths whose content does not prove their names, unless they are trusted.
    fn prove(&self, unproved: Vec<StorePath>) -> Result<Vec<StorePath>, TransferError> {
        match self.trust {
            Trust::Nothing => match unproved.into_iter().next() {
                Some(path) => {
                    Err(TransferError::Unproved { file: self.source.name().to_owned(), path })
                }
                None => Ok(Vec::new()),
            },
            Trust::Outputs => Ok(unproved),
        }
    }

    /// Unpacks and inserts paths, all or none. Returns those that were taken on trust.
    fn insert(
        &self,
        store: &Store,
        wanted: &[&Fresh],
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Vec<StorePath>, TransferError> {
        let Some(scratch) = &self.scratch else { return Ok(Vec::new()) };
        let all = wanted.iter().map(|fresh| self.exported(fresh).announced.size).sum();
        let done = AtomicU64::new(0);
        let unpacked = wanted
            .par_iter()
            .map(|fresh| {
                let insertion = self.insertion(fresh, scratch)?;
                let size = self.exported(fresh).announced.size;
                progress(done.fetch_add(size, Ordering::Relaxed) + size, all);
                Ok(insertion)
            })
            .collect::<Result<Vec<_>, TransferError>>()?;
        let is_trusted =
            |insertion: &&Insertion| matches!(insertion.references, References::Declared(..));
        let trusted = unpacked.iter().filter(is_trusted).map(|insertion| insertion.path.clone());
        let trusted = self.prove(trusted.collect())?;
        store.insert(unpacked).map_err(|error| self.source.explain(error))?;
        Ok(trusted)
    }

    /// Unpacks a path for insertion. If its content does not prove its name, its references are declared.
    fn insertion(&self, fresh: &Fresh, scratch: &Scratch) -> Result<Insertion, TransferError> {
        let (source, exported) = (&self.source, self.exported(fresh));
        let path = exported.path.clone();
        let place = match fresh.claim {
            Claim::Derivation => place(exported, scratch),
            _ => source.unpack(fresh.at, exported, scratch)?,
        };
        let is_proved = fresh
            .claim
            .is_proved(exported, &place, self.trust == Trust::Nothing)
            .map_err(|problem| source.refuse(path.to_string(), problem))?;
        let references = exported.references.clone();
        // a source or a text may mention any path; an output refers to every path that it mentions
        let references = match is_proved {
            true => References::Known(references),
            false => References::Declared(references, self.among.clone()),
        };
        let (deriver, expected) = (fresh.deriver.clone(), Some(exported.tree));
        // the signatures cover the deriver
        let signatures = match deriver == exported.deriver {
            true => exported.signatures.clone(),
            false => BTreeSet::new(),
        };
        Ok(Insertion { path, source: place.into(), references, deriver, expected, signatures })
    }
}

impl Substituter for Export {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn offers(&self, paths: &[&StorePath]) -> Vec<Option<PathInfo>> {
        let offer = |path: &&StorePath| {
            let (at, _) = self.places.get(*path).filter(|(_, is_offered)| *is_offered)?;
            Some(self.exported(&self.fresh[*at]).info())
        };
        paths.iter().map(offer).collect()
    }

    fn take(&self, store: &Store, path: &StorePath) -> Result<(), TransferError> {
        let place = self.places.get(path);
        let (at, _) = place.ok_or_else(|| StoreError::NotValid(path.clone()))?;
        self.insert(store, &[&self.fresh[*at]], &|_, _| {}).map(drop)
    }
}

/// Checks that every reference is in the export or in the store.
fn check_references(
    source: &Source,
    header: &Header,
    valid: &BTreeSet<StorePath>,
) -> Result<(), TransferError> {
    let held: BTreeSet<&StorePath> = header.paths.iter().map(|e| &e.path).collect();
    for Exported { path, references, .. } in &header.paths {
        let known = |r: &&StorePath| held.contains(r) || valid.contains(*r);
        if let Some(missing) = references.iter().find(|r| !known(r)) {
            let problem = format!(
                "it refers to '{missing}', which is neither in the export nor in the store"
            );
            return Err(source.refuse(path.to_string(), problem));
        }
    }
    Ok(())
}

/// The place to unpack a path to.
fn place(exported: &Exported, scratch: &Scratch) -> PathBuf {
    scratch.path().join(exported.path.base())
}

/// Unpacks and reads the derivations among these, ordered by path. Each record must match its path and
/// its references in the header, and have its own outputs only: otherwise a build would write to
/// another derivation's path.
fn derivations(
    source: &Source,
    store: &Store,
    missing: &[(usize, &Exported)],
    scratch: &Scratch,
) -> Result<Vec<(StorePath, Derivation)>, TransferError> {
    let all: Vec<_> = missing.iter().filter(|(_, e)| e.path.is_derivation()).collect();
    let read = all
        .par_iter()
        .map(|(at, exported)| {
            let refuse = |problem: String| source.refuse(exported.path.to_string(), problem);
            let place = source.unpack(*at, exported, scratch)?;
            let bytes = regular::read(&place, Link::Refuse, limits::DERIVATION)
                .map_err(|_| refuse("it is not a file".to_owned()))?;
            let derivation = Derivation::from_bytes(&bytes).map_err(|e| refuse(e.to_string()))?;
            match derivation.to_bytes() {
                Ok(own) if own == bytes => Ok(derivation),
                _ => Err(refuse("it is not in the canonical form of a derivation".to_owned())),
            }
        })
        .collect::<Result<Vec<_>, TransferError>>()?;
    let mut identities = Identities::new();
    let mut records = Vec::with_capacity(all.len());
    for ((_, exported), derivation) in all.into_iter().zip(read) {
        let path = &exported.path;
        let refuse = |problem: String| source.refuse(path.to_string(), problem);
        if derivation.references() != exported.references {
            return Err(refuse("its references differ from those in the header".to_owned()));
        }
        for input in derivation.input_derivations.keys() {
            learn_valid(store, &mut identities, input)?;
        }
        let found = identities.learn(&derivation).map_err(|e| refuse(e.to_string()))?;
        if found != *path {
            return Err(refuse(format!("its content belongs to '{found}'")));
        }
        records.push((path.clone(), derivation));
    }
    records.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(records)
}

/// Learns a derivation of the store after its inputs.
fn learn_valid(
    store: &Store,
    identities: &mut Identities,
    path: &StorePath,
) -> Result<(), StoreError> {
    let mut todo = vec![path.clone()];
    while let Some(path) = todo.last() {
        if identities.knows(path) {
            todo.pop();
            continue;
        }
        let derivation = store.read_derivation(path)?;
        let inputs = derivation.input_derivations.keys();
        let unknown: Vec<_> = inputs.filter(|input| !identities.knows(input)).cloned().collect();
        if unknown.is_empty() {
            identities.learn(&derivation)?;
        }
        todo.extend(unknown);
    }
    Ok(())
}
