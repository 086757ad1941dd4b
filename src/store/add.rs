//! What the evaluator adds: texts, sources and derivations. Each is put into a scratch folder and
//! inserted by the one routine.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use rayon::prelude::*;

use super::{Insertion, References, Scratch, Source, Store, StoreError};
use crate::{
    archive::{self, Kind, Listing},
    derivation::Derivation,
    limits,
    regular::{self, Link},
    store_path::StorePath,
};

impl Store {
    /// Adds a text with the store paths that it refers to, which are valid.
    ///
    /// # Errors
    /// Where the name is not valid, a reference is not, or the store cannot be written.
    pub fn add_text(
        &self,
        name: &str,
        text: &[u8],
        references: BTreeSet<StorePath>,
    ) -> Result<StorePath, StoreError> {
        let path = StorePath::of_text(text, &references, name)?;
        self.keep([&path])?;
        if !self.is_valid(&path)? {
            let scratch = self.scratch()?;
            let source = Source::Text { bytes: text.to_owned(), to: scratch.path().join("text") };
            let references = References::Known(references);
            let path = path.clone();
            let text = Insertion { path, source, references, deriver: None, expected: None };
            self.insert(vec![text])?;
        }
        Ok(path)
    }

    /// The path that [`Store::add_source`] gives; nothing is copied.
    ///
    /// # Errors
    /// Where the name is not valid, or the tree cannot be read or is not allowed in the store.
    pub fn source_path(
        name: &str,
        from: &Path,
        keep: &mut dyn FnMut(&Path, Kind) -> bool,
    ) -> Result<StorePath, StoreError> {
        let listing = Listing::read_some(from, keep)?;
        Ok(StorePath::of_source(&archive::measure_listed(&listing)?.hash, name)?)
    }

    /// Adds a tree from outside (a file, a folder or a symlink), or what `keep` accepts of it. It is
    /// asked with the path below `from`. A tree that is there already is only read.
    ///
    /// # Errors
    /// As [`Store::source_path`], where the tree changes meanwhile, and where the store cannot be
    /// written.
    pub fn add_source(
        &self,
        name: &str,
        from: &Path,
        keep: &mut dyn FnMut(&Path, Kind) -> bool,
    ) -> Result<StorePath, StoreError> {
        let listing = Listing::read_some(from, keep)?;
        let leaves = archive::leaves(&listing)?;
        let measure = archive::fold(&listing, &leaves);
        let path = StorePath::of_source(&measure.hash, name)?;
        self.keep([&path])?;
        if self.is_valid(&path)? {
            return Ok(path);
        }
        let scratch = self.scratch()?;
        let insertion = Insertion {
            path: path.clone(),
            source: Source::Copy { listing, leaves, to: scratch.path().join("source") },
            references: References::Known(BTreeSet::new()),
            deriver: None,
            expected: Some(measure.hash),
        };
        match self.insert(vec![insertion]) {
            Err(StoreError::Tree { .. }) => Err(StoreError::Changed(from.to_owned())),
            other => other.map(|_| path),
        }
    }

    /// Adds the records of derivations, whose inputs are valid or among them. Gives their paths.
    ///
    /// # Errors
    /// Where an input is missing or the store cannot be written.
    pub fn add_derivations(
        &self,
        derivations: &[Derivation],
    ) -> Result<Vec<StorePath>, StoreError> {
        let paths = derivations.par_iter().map(Derivation::path).collect::<Result<Vec<_>, _>>()?;
        self.keep(&paths)?;
        let valid = self.valid(&paths)?;
        let fresh: BTreeMap<&StorePath, &Derivation> =
            paths.iter().zip(derivations).filter(|(path, _)| !valid.contains(*path)).collect();
        if fresh.is_empty() {
            return Ok(paths);
        }
        let scratch = self.scratch()?;
        let insertions = fresh
            .into_par_iter()
            .map(|(path, derivation)| record(&scratch, path, derivation))
            .collect::<Result<_, StoreError>>()?;
        self.insert(insertions)?;
        Ok(paths)
    }

    /// Reads the record of a derivation.
    ///
    /// # Errors
    /// Where the path is not valid, or the record is damaged.
    pub fn read_derivation(&self, path: &StorePath) -> Result<Derivation, StoreError> {
        // no link, since a record is a file; whatever lies there, it is not read without end
        let bytes = match regular::read(&self.real(path), Link::Refuse, limits::DERIVATION) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::NotValid(path.clone()));
            }
            Err(e) => return Err(e.into()),
        };
        let damaged = |problem| StoreError::Derivation { path: path.clone(), problem };
        let derivation = Derivation::from_bytes(&bytes).map_err(|e| damaged(e.to_string()))?;
        match derivation.path() {
            Ok(found) if found == *path => Ok(derivation),
            _ => Err(damaged("its content does not belong to its path".to_owned())),
        }
    }
}

fn record(
    scratch: &Scratch,
    path: &StorePath,
    derivation: &Derivation,
) -> Result<Insertion, StoreError> {
    let damaged = |problem| StoreError::Derivation { path: path.clone(), problem };
    let bytes = derivation.to_bytes().map_err(|e| damaged(e.to_string()))?;
    let source = Source::Text { bytes, to: scratch.path().join(path.digest()) };
    let references = References::Known(derivation.references());
    Ok(Insertion { path: path.clone(), source, references, deriver: None, expected: None })
}
