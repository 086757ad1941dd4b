//! Reads an export into a store. Everything is unpacked into scratch and checked before anything is
//! registered, and all of it is registered at once.

use std::{
    collections::BTreeSet,
    io::{BufReader, Read},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::GzDecoder;
use fs_err::{File, os::unix::fs::FileExt as _};
use rayon::prelude::*;

use super::{
    HEADER, TransferError,
    export::entry_name,
    gzip,
    header::{self, Exported, Header},
};
use crate::{
    archive::{self, UnpackError},
    derivation::{Derivation, Identities},
    store::{Insertion, References, Scratch, Store, StoreError},
    store_path::StorePath,
};

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What was asked for when it was exported; all are valid now.
    pub roots: BTreeSet<StorePath>,
    /// The paths that were not valid before.
    pub added: Vec<StorePath>,
    /// How many paths there are in the export.
    pub total: usize,
}

/// Takes the export in `file` into the store. `progress` is told how many bytes of all are done; any
/// thread may call it.
///
/// # Errors
/// Where the file is not exactly what an export is, or does not fit to its own header, or refers to
/// what the store does not have. Nothing of it is then in the store.
pub fn import(
    store: &Store,
    file: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Imported, TransferError> {
    let source = Source::open(file)?;
    let header = source.header()?;
    let named = || header.paths.iter().flat_map(|e| e.references.iter().chain([&e.path]));
    store.keep(named())?;
    let valid = store.valid(named())?;
    source.check_references(&header, &valid)?;
    let fresh: Vec<(usize, &Exported)> =
        header.paths.iter().enumerate().filter(|(_, e)| !valid.contains(&e.path)).collect();

    let scratch = store.scratch()?;
    let all = fresh.iter().map(|(_, e)| e.announced.size).sum();
    let done = AtomicU64::new(0);
    // what an output may hold of the others is in the archive, or it was not whole when it was made
    let all_paths: Arc<[StorePath]> = header.paths.iter().map(|e| e.path.clone()).collect();
    let insertions = fresh
        .par_iter()
        .map(|(at, exported)| {
            let insertion = source.insertion(*at, exported, &all_paths, &scratch)?;
            let size = exported.announced.size;
            progress(done.fetch_add(size, Ordering::Relaxed) + size, all);
            Ok(insertion)
        })
        .collect::<Result<Vec<_>, TransferError>>()?;
    source.check_derivations(store, &fresh, &insertions)?;
    store.insert(insertions).map_err(|error| source.explain(error))?;
    let added = fresh.iter().map(|(_, exported)| exported.path.clone()).collect();
    Ok(Imported { roots: header.roots, added, total: header.paths.len() })
}

/// The file of an export, with the place of each member.
pub(super) struct Source {
    name: String,
    file: File,
    /// Start and end of the members: the header, the paths, the end.
    members: Vec<(u64, u64)>,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, TransferError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut source = Self { name: path.display().to_string(), file, members: Vec::new() };
        let mut at = 0;
        while at < length {
            let mut start = [0; gzip::HEADER as usize];
            let place = format!("byte {at}");
            if length - at < gzip::HEADER {
                return Err(source.refuse(place, "it ends in the header of a member"));
            }
            source.file.read_exact_at(&mut start, at)?;
            let Some(own) = gzip::member_length(&start) else {
                let problem = match at {
                    0 => "this is no export of clutch",
                    _ => "there is no member where the one before ends",
                };
                return Err(source.refuse(place, problem));
            };
            let end = at.checked_add(own).filter(|_| own > gzip::HEADER + gzip::TRAILER);
            let Some(end) = end.filter(|end| *end <= length) else {
                let problem = format!("a member of {own} bytes starts, but the file has {length}");
                return Err(source.refuse(place, problem));
            };
            source.members.push((at, end));
            at = end;
        }
        Ok(source)
    }

    fn refuse(&self, place: impl Into<String>, problem: impl Into<String>) -> TransferError {
        let (place, problem) = (place.into(), problem.into());
        TransferError::Refused { file: self.name.clone(), place, problem }
    }

    /// The header, and whether there are as many members as it says.
    pub(super) fn header(&self) -> Result<Header, TransferError> {
        let bytes =
            self.read(0, "the header", |from| archive::unpack_bytes(from, HEADER, header::LIMIT))?;
        let header =
            Header::from_bytes(&bytes).map_err(|e| self.refuse("the header", e.to_string()))?;
        let (found, expected) = (self.members.len(), header.paths.len() + 2);
        if found != expected {
            let problem = format!("it has {found} members, but its header needs {expected}");
            return Err(self.refuse("the whole", problem));
        }
        self.read(found - 1, "the end", |from| {
            let mut end = Vec::new();
            from.take(1025).read_to_end(&mut end)?;
            match end == [0; 1024] {
                true => Ok(()),
                false => Err(UnpackError::Whole("expected 1024 zeros".to_owned())),
            }
        })?;
        Ok(header)
    }

    /// Every reference leads to what is in the export or in the store.
    fn check_references(
        &self,
        header: &Header,
        valid: &BTreeSet<StorePath>,
    ) -> Result<(), TransferError> {
        let held: BTreeSet<&StorePath> = header.paths.iter().map(|e| &e.path).collect();
        for Exported { path, references, .. } in &header.paths {
            let known = |r: &&StorePath| held.contains(r) || valid.contains(*r);
            if let Some(missing) = references.iter().find(|r| !known(r)) {
                let problem =
                    format!("it refers to '{missing}', which is neither here nor in the store");
                return Err(self.refuse(path.to_string(), problem));
            }
        }
        Ok(())
    }

    /// Unpacks a path into scratch. Gives where it is.
    pub(super) fn unpack(
        &self,
        at: usize,
        exported: &Exported,
        scratch: &Scratch,
    ) -> Result<PathBuf, TransferError> {
        let target = scratch.path().join(exported.path.base());
        self.read(at + 1, exported.path.base(), |from| {
            archive::unpack(from, &entry_name(&exported.path), &target, exported.announced)
        })?;
        Ok(target)
    }

    fn insertion(
        &self,
        at: usize,
        exported: &Exported,
        all_paths: &Arc<[StorePath]>,
        scratch: &Scratch,
    ) -> Result<Insertion, TransferError> {
        Ok(Insertion {
            path: exported.path.clone(),
            source: self.unpack(at, exported, scratch)?.into(),
            // a source or a text may hold any words; an output's references are what it holds
            references: match exported.deriver {
                Some(_) => References::Declared(exported.references.clone(), all_paths.clone()),
                None => References::Known(exported.references.clone()),
            },
            deriver: exported.deriver.clone(),
            expected: Some(exported.tree),
        })
    }

    /// What the store refuses, where that is the file's fault.
    pub(super) fn explain(&self, error: StoreError) -> TransferError {
        match error {
            StoreError::Tree { path, expected, found } => {
                let problem = format!("its tree has hash {found}, but the header says {expected}");
                self.refuse(path.to_string(), problem)
            }
            StoreError::Undeclared { path, reference } => {
                let problem = format!("it refers to '{reference}', but its header leaves that out");
                self.refuse(path.to_string(), problem)
            }
            other => other.into(),
        }
    }

    /// Inflates a member for `read`; the member has to end where it says, with its checksum.
    fn read<T>(
        &self,
        member: usize,
        place: &str,
        read: impl FnOnce(&mut dyn Read) -> Result<T, UnpackError>,
    ) -> Result<T, TransferError> {
        let Some((start, end)) = self.members.get(member).copied() else {
            return Err(self.refuse(place, "the file ends before it"));
        };
        let range = Range { file: self.file.file(), at: start, end };
        let mut inflated = GzDecoder::new(BufReader::with_capacity(128 << 10, range));
        let result = read(&mut inflated)
            .and_then(|result| match inflated.read(&mut [0])? {
                0 => Ok(result),
                _ => Err(UnpackError::Whole("bytes follow its end".to_owned())),
            })
            .map_err(|e| self.refuse(place, e.to_string()))?;
        let rest = inflated.into_inner();
        match rest.buffer().is_empty() && rest.get_ref().at == end {
            true => Ok(result),
            false => Err(self.refuse(place, "bytes follow its checksum")),
        }
    }

    /// A derivation's record belongs to its path, refers to what the header says, and claims no
    /// output that is another's: else building it would put something under a foreign path.
    fn check_derivations(
        &self,
        store: &Store,
        fresh: &[(usize, &Exported)],
        insertions: &[Insertion],
    ) -> Result<(), TransferError> {
        let mut identities = Identities::new();
        for ((_, exported), insertion) in fresh.iter().zip(insertions) {
            let path = &exported.path;
            if !path.is_derivation() {
                continue;
            }
            let refuse = |problem: String| self.refuse(path.to_string(), problem);
            let bytes =
                fs_err::read(insertion.source.place()).map_err(|e| refuse(e.to_string()))?;
            let derivation = Derivation::from_bytes(&bytes).map_err(|e| refuse(e.to_string()))?;
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
        }
        Ok(())
    }
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

/// A part of a file, read without moving the file's own position.
struct Range<'a> {
    file: &'a std::fs::File,
    at: u64,
    end: u64,
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
