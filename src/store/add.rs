//! Adds texts, sources and derivations for the evaluator. Each is written to a scratch folder and inserted
//! like any tree.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use rayon::prelude::*;

use super::{Insertion, References, Scratch, Source, Store, StoreError, index};
use crate::{
    derivation::{Derivation, Fixed},
    limits,
    regular::{self, Link},
    store_path::StorePath,
    tree::{self, Keep, Listing},
};

impl Store {
    /// Adds a text with the store paths that it refers to, which must be valid.
    ///
    /// # Errors
    /// If the name or a reference is not valid, or the store cannot be written.
    pub fn add_text(
        &self,
        name: &str,
        text: &[u8],
        references: BTreeSet<StorePath>,
    ) -> Result<StorePath, StoreError> {
        let path = StorePath::of_text(text, &references, name)?;
        if !self.is_valid(&path)? {
            let scratch = self.scratch()?;
            let source = Source::Text { bytes: text.to_owned(), to: scratch.path().join("text") };
            let references = References::Known(references);
            let path = path.clone();
            let text = Insertion {
                path,
                source,
                references,
                deriver: None,
                expected: None,
                signatures: BTreeSet::new(),
            };
            self.insert(vec![text])?;
        }
        Ok(path)
    }

    /// Adds a tree from outside (a file, a folder or a symlink), or the part that `keep` accepts. It
    /// gets the path below `from`. A tree that is in the store already is only read.
    ///
    /// # Errors
    /// If the name is not valid, the tree cannot be read, is not allowed in the store or changes meanwhile, or
    /// the store cannot be written.
    pub fn add_source(
        &self,
        name: &str,
        from: &Path,
        keep: &mut Keep<'_>,
    ) -> Result<StorePath, StoreError> {
        let listing = Listing::read_some(from, keep)?;
        let leaves = tree::leaves(&listing)?;
        let measure = tree::fold(&listing, &leaves);
        let path = StorePath::of_source(&measure.hash, name)?;
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
            signatures: BTreeSet::new(),
        };
        match self.insert(vec![insertion]) {
            Err(StoreError::Hash { .. }) => Err(StoreError::Changed(from.to_owned())),
            other => other.map(|_| path),
        }
    }

    /// Adds the records of derivations, whose inputs are valid or among them. Returns their paths.
    ///
    /// # Errors
    /// If an input is missing or the store cannot be written.
    pub fn add_derivations(
        &self,
        derivations: &[Derivation],
    ) -> Result<Vec<StorePath>, StoreError> {
        let paths = derivations.par_iter().map(Derivation::path).collect::<Result<Vec<_>, _>>()?;
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
    /// If the path is not valid, or the record is damaged.
    pub fn read_derivation(&self, path: &StorePath) -> Result<Derivation, StoreError> {
        // a record is a regular file; read no more than one can have
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
            _ => Err(damaged(
                "its content does not match its path; run `clutch verify --repair`".to_owned(),
            )),
        }
    }
}

impl Store {
    /// The derivations of this store that make one of these paths. They are found by name, because an output
    /// has the name of its derivation.
    ///
    /// # Errors
    /// If the index or a derivation cannot be read.
    pub fn makers<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<Vec<Maker>, StoreError> {
        let paths: BTreeSet<&StorePath> = paths.into_iter().collect();
        let mut makers = Vec::new();
        if paths.is_empty() {
            return Ok(makers);
        }
        let names: BTreeSet<&str> = paths.iter().map(|path| path.name()).collect();
        for derivation in self.index.read(index::derivations)? {
            let Some(name) = derivation.name().strip_suffix(".drv") else { continue };
            // equal names are neighbours
            let alike = names.range(name..).map_while(|other| other.strip_prefix(name));
            if !alike.into_iter().any(|rest| rest.is_empty() || rest.starts_with('-')) {
                continue;
            }
            // skip a damaged one
            let Ok(record) = self.read_derivation(&derivation) else { continue };
            for output in record.outputs.values().filter(|output| paths.contains(&output.path)) {
                let (path, fixed) = (output.path.clone(), output.fixed);
                makers.push(Maker { derivation: derivation.clone(), path, fixed });
            }
        }
        Ok(makers)
    }
}

/// A derivation, and one of its outputs.
#[derive(Clone, Debug)]
pub struct Maker {
    /// The derivation.
    pub derivation: StorePath,
    /// The output's path.
    pub path: StorePath,
    /// The content's hash, if the output is fixed.
    pub fixed: Option<Fixed>,
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
    Ok(Insertion {
        path: path.clone(),
        source,
        references,
        deriver: None,
        expected: None,
        signatures: BTreeSet::new(),
    })
}
