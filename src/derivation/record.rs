//! The `.drv` file: a derivation as a stored record (docs/formats.md, "Derivation record").

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};

use super::{Derivation, Fixed, HashMode, IdentityError, Output};
use crate::{
    codec::{self, CodecError, Kind},
    hash::{Algorithm, Hash},
    store_path::{StorePath, StorePathError, check_name},
};

const KIND: Kind = Kind { magic: *b"clutchdv", version: 1, what: "a derivation" };

/// Why bytes are not a derivation.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The bytes are no such record.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A path or a name inside is not valid.
    #[error("a derivation holds a text that is not valid: {0}")]
    Path(#[from] StorePathError),
    /// A hash inside is not valid.
    #[error("output '{output}' of a derivation has a hash that is not valid: {problem}")]
    Hash {
        /// The output.
        output: String,
        /// What is wrong.
        problem: String,
    },
    /// It breaks a rule of derivations.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

#[derive(Encode, Decode)]
struct Record {
    name: String,
    system: String,
    builder: Vec<u8>,
    args: Vec<Vec<u8>>,
    env: Vec<(String, Vec<u8>)>,
    structured: Option<String>,
    outputs: Vec<OutputRecord>,
    input_derivations: Vec<(String, Vec<String>)>,
    input_sources: Vec<String>,
}

#[derive(Encode, Decode)]
struct OutputRecord {
    name: String,
    path: String,
    /// Recursive, the algorithm's name, the bytes.
    fixed: Option<(bool, String, Vec<u8>)>,
}

impl Derivation {
    /// The bytes of the `.drv` file.
    ///
    /// # Errors
    /// Where they would be more than a reader accepts.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        let outputs = self.outputs.iter().map(|(name, output)| OutputRecord {
            name: name.clone(),
            path: output.path.base().to_owned(),
            fixed: output.fixed.map(|Fixed { mode, hash }| {
                let recursive = mode == HashMode::Recursive;
                (recursive, hash.algorithm().name().to_owned(), hash.bytes().to_vec())
            }),
        });
        let inputs = self
            .input_derivations
            .iter()
            .map(|(path, names)| (path.base().to_owned(), names.iter().cloned().collect()));
        let record = Record {
            name: self.name.clone(),
            system: self.system.clone(),
            builder: self.builder.clone(),
            args: self.args.clone(),
            env: self.env.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            structured: self.structured.clone(),
            outputs: outputs.collect(),
            input_derivations: inputs.collect(),
            input_sources: self.input_sources.iter().map(|p| p.base().to_owned()).collect(),
        };
        codec::encode(KIND, &record)
    }

    /// Reads a `.drv` file's bytes. Everything in it is checked but the paths of its outputs, which
    /// need its inputs ([`super::Identities::learn`]).
    ///
    /// # Errors
    /// Where the bytes are no derivation or break a rule.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let record: Record = codec::decode(KIND, bytes)?;
        let derivation = Self {
            name: record.name,
            system: record.system,
            builder: record.builder,
            args: record.args,
            env: sorted(record.env, |(name, _)| name)?.into_iter().collect(),
            structured: record.structured,
            outputs: sorted(record.outputs, |o| &o.name)?
                .into_iter()
                .map(|output| Ok((output.name.clone(), output.check()?)))
                .collect::<Result<_, RecordError>>()?,
            input_derivations: sorted(record.input_derivations, |(path, _)| path)?
                .into_iter()
                .map(|(path, names)| Ok((StorePath::from_base(&path)?, checked_names(names)?)))
                .collect::<Result<BTreeMap<_, _>, RecordError>>()?,
            input_sources: sorted(record.input_sources, |path| path)?
                .iter()
                .map(|path| StorePath::from_base(path))
                .collect::<Result<BTreeSet<_>, _>>()?,
        };
        derivation.check()?;
        Ok(derivation)
    }

    /// The store paths that the record refers to: its input derivations and sources.
    #[must_use]
    pub fn references(&self) -> BTreeSet<StorePath> {
        self.input_derivations.keys().chain(&self.input_sources).cloned().collect()
    }
}

impl OutputRecord {
    fn check(self) -> Result<Output, RecordError> {
        let path = StorePath::from_base(&self.path)?;
        let Some((recursive, algorithm, bytes)) = self.fixed else {
            return Ok(Output { path, fixed: None });
        };
        let fail = |problem: String| RecordError::Hash { output: self.name.clone(), problem };
        let algorithm = Algorithm::from_name(&algorithm)
            .ok_or_else(|| fail(format!("unknown algorithm '{algorithm}'")))?;
        if bytes.len() != algorithm.size() {
            return Err(fail(format!("{} bytes, expected {}", bytes.len(), algorithm.size())));
        }
        let mode = if recursive { HashMode::Recursive } else { HashMode::Flat };
        Ok(Output { path, fixed: Some(Fixed { mode, hash: Hash::from_slice(algorithm, &bytes) }) })
    }
}

/// The items, which must be in strictly ascending order: each derivation has one record.
fn sorted<T>(items: Vec<T>, key: impl Fn(&T) -> &String) -> Result<Vec<T>, RecordError> {
    match items.is_sorted_by(|a, b| key(a) < key(b)) {
        true => Ok(items),
        false => Err(RecordError::Codec(CodecError::Damaged {
            what: KIND.what,
            problem: "a list is not sorted".to_owned(),
        })),
    }
}

fn checked_names(names: Vec<String>) -> Result<BTreeSet<String>, RecordError> {
    let names = sorted(names, |name| name)?;
    names.iter().try_for_each(|name| check_name(name))?;
    Ok(names.into_iter().collect())
}
