//! The `.drv` file: a derivation as a stored record (docs/formats.md, "Derivation record").

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};

use super::{Derivation, Fixed, HashMode, IdentityError, Output};
use crate::{
    codec::{self, CodecError, RecordKind},
    hash::{Algorithm, Hash},
    store_path::{StorePath, StorePathError, check_name},
};

const KIND: RecordKind = RecordKind { magic: *b"clutchdv", version: 1, what: "a derivation" };

/// An error of reading a derivation.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The bytes are no such record.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A path or a name inside is not valid.
    #[error("the derivation has an invalid path or name: {0}")]
    Path(#[from] StorePathError),
    /// A hash inside is not valid.
    #[error("output '{output}' of the derivation has an invalid hash: {problem}")]
    Hash {
        /// The output.
        output: String,
        /// The problem.
        problem: String,
    },
    /// It breaks a rule of derivations.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// The record as it is read. A borrowed one with the same fields is written.
#[derive(Decode)]
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

#[derive(Decode)]
struct OutputRecord {
    name: String,
    path: String,
    /// Recursive, the algorithm's name, the bytes.
    fixed: Option<(bool, String, Vec<u8>)>,
}

#[derive(Encode)]
struct Written<'d> {
    name: &'d str,
    system: &'d str,
    builder: &'d [u8],
    args: &'d Vec<Vec<u8>>,
    env: Vec<(&'d str, &'d [u8])>,
    structured: &'d Option<String>,
    outputs: Vec<WrittenOutput<'d>>,
    input_derivations: Vec<(&'d str, Vec<&'d str>)>,
    input_sources: Vec<&'d str>,
}

#[derive(Encode)]
struct WrittenOutput<'d> {
    name: &'d str,
    path: &'d str,
    fixed: Option<(bool, &'d str, &'d [u8])>,
}

impl Derivation {
    /// The bytes of the `.drv` file.
    ///
    /// # Errors
    /// If they would be more than a reader accepts.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        let outputs = self.outputs.iter().map(|(name, output)| WrittenOutput {
            name,
            path: output.path.base(),
            fixed: output.fixed.as_ref().map(|Fixed { mode, hash }| {
                (*mode == HashMode::Recursive, hash.algorithm().name(), hash.bytes())
            }),
        });
        let inputs = self
            .input_derivations
            .iter()
            .map(|(path, names)| (path.base(), names.iter().map(String::as_str).collect()));
        let record = Written {
            name: &self.name,
            system: &self.system,
            builder: &self.builder,
            args: &self.args,
            env: self.env.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect(),
            structured: &self.structured,
            outputs: outputs.collect(),
            input_derivations: inputs.collect(),
            input_sources: self.input_sources.iter().map(StorePath::base).collect(),
        };
        codec::encode(KIND, &record)
    }

    /// Reads a `.drv` file's bytes. Everything in it is checked but the paths of its outputs, which
    /// need its inputs ([`super::Identities::learn`]).
    ///
    /// # Errors
    /// If the bytes are not a derivation or break a rule.
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
