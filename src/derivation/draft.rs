//! A derivation on its way: all but the paths of its outputs.

use std::collections::{BTreeMap, BTreeSet};

use super::Fixed;
use crate::store_path::StorePath;

/// A derivation before the paths of its outputs are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// See [`Derivation::name`](super::Derivation::name).
    pub name: String,
    /// See [`Derivation::system`](super::Derivation::system).
    pub system: String,
    /// See [`Derivation::builder`](super::Derivation::builder).
    pub builder: Vec<u8>,
    /// See [`Derivation::args`](super::Derivation::args).
    pub args: Vec<Vec<u8>>,
    /// The environment without the outputs; [`Identities::resolve`](super::Identities::resolve) adds them.
    pub env: BTreeMap<String, Vec<u8>>,
    /// See [`Derivation::structured`](super::Derivation::structured).
    pub structured: Option<String>,
    /// What it makes.
    pub outputs: DraftOutputs,
    /// See [`Derivation::input_derivations`](super::Derivation::input_derivations).
    pub input_derivations: BTreeMap<StorePath, BTreeSet<String>>,
    /// See [`Derivation::input_sources`](super::Derivation::input_sources).
    pub input_sources: BTreeSet<StorePath>,
}

/// The outputs of a [`Draft`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DraftOutputs {
    /// Outputs of these names, with paths that follow from the derivation's identity.
    Named(BTreeSet<String>),
    /// One output `out`, with a path that follows from its hash.
    Fixed(Fixed),
}
