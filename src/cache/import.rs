//! Reads an export into a store. Everything that it adds is unpacked into scratch and checked before
//! anything is registered, and all of it is registered at once.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rayon::prelude::*;

use super::{
    TransferError,
    header::{Exported, Header},
    proof::{Claim, Makers},
    source::Source,
};
use crate::{
    derivation::{Derivation, Identities},
    limits,
    regular::{self, Link},
    store::{Insertion, References, Scratch, Store, StoreError},
    store_path::StorePath,
};

/// What is taken of an export whose content does not prove its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nothing: the import is refused.
    Nothing,
    /// Outputs, as if whoever made the file had built them here.
    Outputs,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What was asked for when it was exported; all are valid now.
    pub roots: BTreeSet<StorePath>,
    /// The paths that were not valid before.
    pub added: Vec<StorePath>,
    /// Those of them whose content was taken on trust.
    pub trusted: Vec<StorePath>,
    /// The paths that are valid with another content than the export has, which stays.
    pub differing: Vec<StorePath>,
    /// How many paths there are in the export.
    pub total: usize,
}

/// A path that the store does not have.
struct Fresh<'e> {
    /// Its place in the export.
    at: usize,
    exported: &'e Exported,
    claim: Claim,
    deriver: Option<StorePath>,
}

/// Takes the export in `file` (`-` is standard input) into the store. `progress` is told how many bytes
/// of all are done; any thread may call it.
///
/// # Errors
/// Where the file is not exactly what an export is, or does not fit to its own header, or refers to
/// what the store does not have, or holds what neither its content nor `trust` lets in. Nothing of it
/// is then in the store.
pub fn import(
    store: &Store,
    file: &Path,
    trust: Trust,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Imported, TransferError> {
    let mut source = Source::open(store, file)?;
    let header = source.header()?;
    let named = || header.paths.iter().flat_map(|e| e.references.iter().chain([&e.path]));
    let valid = store.valid(named())?;
    check_references(&source, &header, &valid)?;
    let mut differing = Vec::new();
    for exported in header.paths.iter().filter(|e| valid.contains(&e.path)) {
        let info = store.info(&exported.path)?;
        differing.extend(info.filter(|info| info.tree != exported.tree).map(|info| info.path));
    }
    let missing: Vec<(usize, &Exported)> =
        header.paths.iter().enumerate().filter(|(_, e)| !valid.contains(&e.path)).collect();
    let total = header.paths.len();
    if missing.is_empty() {
        let (added, trusted) = (Vec::new(), Vec::new());
        return Ok(Imported { roots: header.roots, added, trusted, differing, total });
    }

    let scratch = store.scratch()?;
    let records = derivations(&source, store, &missing, &scratch)?;
    let made = missing.iter().map(|(_, e)| &e.path).filter(|path| !path.is_derivation());
    let makers = Makers::find(store, &records, made)?;
    let knows = |path: &StorePath| {
        records.binary_search_by(|(known, _)| known.cmp(path)).is_ok() || valid.contains(path)
    };
    let mut fresh = Vec::with_capacity(missing.len());
    for (at, exported) in missing {
        let judged = makers.judge(exported, |path| {
            knows(path) || store.is_valid(path).is_ok_and(|is_valid| is_valid)
        });
        let (claim, deriver) =
            judged.map_err(|problem| source.refuse(exported.path.to_string(), problem))?;
        fresh.push(Fresh { at, exported, claim, deriver });
    }
    let unproved = |paths: Vec<StorePath>| match trust {
        Trust::Nothing if !paths.is_empty() => {
            let file = source.name().to_owned();
            Err(TransferError::Unproved { file, paths, total })
        }
        _ => Ok(paths),
    };
    // told at once where it is sure, before all is unpacked
    let hopeless = fresh.iter().filter(|fresh| fresh.claim.is_hopeless(fresh.exported));
    unproved(hopeless.map(|fresh| fresh.exported.path.clone()).collect())?;

    let all = fresh.iter().map(|fresh| fresh.exported.announced.size).sum();
    let done = AtomicU64::new(0);
    // what an output may hold of the others is in the archive, or it was not whole when it was made
    let among: Arc<[StorePath]> =
        named().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().into();
    let unpacked = fresh
        .par_iter()
        .map(|fresh| {
            let insertion = insertion(&source, fresh, trust, &among, &scratch)?;
            let size = fresh.exported.announced.size;
            progress(done.fetch_add(size, Ordering::Relaxed) + size, all);
            Ok(insertion)
        })
        .collect::<Result<Vec<_>, TransferError>>()?;
    let is_trusted =
        |insertion: &&Insertion| matches!(insertion.references, References::Declared(..));
    let trusted = unpacked.iter().filter(is_trusted).map(|insertion| insertion.path.clone());
    let trusted = unproved(trusted.collect())?;
    store.insert(unpacked).map_err(|error| source.explain(error))?;
    let added = fresh.into_iter().map(|fresh| fresh.exported.path.clone()).collect();
    Ok(Imported { roots: header.roots, added, trusted, differing, total })
}

/// Every reference leads to what is in the export or in the store.
fn check_references(
    source: &Source,
    header: &Header,
    valid: &BTreeSet<StorePath>,
) -> Result<(), TransferError> {
    let held: BTreeSet<&StorePath> = header.paths.iter().map(|e| &e.path).collect();
    for Exported { path, references, .. } in &header.paths {
        let known = |r: &&StorePath| held.contains(r) || valid.contains(*r);
        if let Some(missing) = references.iter().find(|r| !known(r)) {
            let problem =
                format!("it refers to '{missing}', which is neither here nor in the store");
            return Err(source.refuse(path.to_string(), problem));
        }
    }
    Ok(())
}

/// A path as it is put into the store. What its content does not prove has its references declared.
fn insertion(
    source: &Source,
    fresh: &Fresh<'_>,
    trust: Trust,
    among: &Arc<[StorePath]>,
    scratch: &Scratch,
) -> Result<Insertion, TransferError> {
    let Fresh { at, exported, claim, deriver } = fresh;
    let path = exported.path.clone();
    let place = match claim {
        Claim::Derivation => place(exported, scratch),
        _ => source.unpack(*at, exported, scratch)?,
    };
    let is_proved = claim
        .is_proved(exported, &place, trust == Trust::Nothing)
        .map_err(|problem| source.refuse(path.to_string(), problem))?;
    let references = exported.references.clone();
    // a source or a text may hold any words; an output's references are what it holds
    let references = match is_proved {
        true => References::Known(references),
        false => References::Declared(references, among.clone()),
    };
    let (deriver, expected) = (deriver.clone(), Some(exported.tree));
    Ok(Insertion { path, source: place.into(), references, deriver, expected })
}

/// Where a path is unpacked.
fn place(exported: &Exported, scratch: &Scratch) -> PathBuf {
    scratch.path().join(exported.path.base())
}

/// Unpacks and reads the derivations among these, ordered by path. The record of each belongs to its
/// path, refers to what the header says, and claims no output that is another's: else building it would
/// put something under a foreign path.
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
                _ => Err(refuse("it is not written as a derivation is".to_owned())),
            }
        })
        .collect::<Result<Vec<_>, TransferError>>()?;
    let mut identities = Identities::new();
    let mut records = Vec::with_capacity(all.len());
    for ((_, exported), derivation) in all.into_iter().zip(read) {
        let path = &exported.path;
        let refuse = |problem: String| source.refuse(path.to_string(), problem);
        if derivation.references() != exported.references {
            return Err(refuse("its references are not those of the header".to_owned()));
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

/// Learns a derivation of the store and, before it, its inputs.
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
