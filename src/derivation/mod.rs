//! A derivation: everything that a build depends on, as data. Its canonical encoding and identity
//! are in the files beside this one; nothing here reads a file or runs anything.

mod draft;
mod encoding;
mod identity;
mod record;
mod records;

use std::collections::{BTreeMap, BTreeSet};

pub use draft::{Draft, DraftOutputs};
pub use identity::{Identities, Identity, IdentityError, fixed_path, placeholder};
pub use record::RecordError;
pub use records::Records;

use crate::{hash::Hash, store_path::StorePath};

/// A derivation with all its paths known. Strings of the language are bytes, so the values that a
/// builder sees are bytes too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// The name; an output's path has it too, followed by `-<output>` unless that is `out`.
    pub name: String,
    /// The platform that can build this, such as `x86_64-linux`, or `builtin`.
    pub system: String,
    /// The program to run, or `builtin:<name>`.
    pub builder: Vec<u8>,
    /// The program's arguments.
    pub args: Vec<Vec<u8>>,
    /// The environment of the builder, outputs included.
    pub env: BTreeMap<String, Vec<u8>>,
    /// With `__structuredAttrs`: the attributes as one JSON object. The builder finds them in a
    /// file and `env` holds nothing but the outputs.
    pub structured: Option<String>,
    /// The outputs by name; never empty.
    pub outputs: BTreeMap<String, Output>,
    /// The derivations whose outputs this one reads, with the names of these outputs.
    pub input_derivations: BTreeMap<StorePath, BTreeSet<String>>,
    /// The store paths that this one reads and no derivation makes.
    pub input_sources: BTreeSet<StorePath>,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its path.
    pub path: StorePath,
    /// The expected hash, if the output is fixed.
    pub fixed: Option<Fixed>,
}

/// The expected content of a fixed output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The bytes that are hashed.
    pub mode: HashMode,
    /// The hash that it must have.
    pub hash: Hash,
}

/// The bytes that the hash of an output covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashMode {
    /// The bytes of a single file that is not executable.
    Flat,
    /// The tree in Nix's archive format (`nar`), so that Nix's hashes are valid here.
    Recursive,
}

impl Derivation {
    /// True if the content of the (only) output is known beforehand, so that the network is allowed.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.outputs.values().any(|o| o.fixed.is_some())
    }

    /// The name of its built-in builder, if it has one: the text that follows `builtin:`.
    #[must_use]
    pub fn builtin(&self) -> Option<&str> {
        std::str::from_utf8(&self.builder).ok()?.strip_prefix("builtin:")
    }
}

#[cfg(test)]
mod tests;
