//! From a derivation to valid output paths: the steps that are missing (`plan`), their order and how many
//! run at a time (`queue`), each step under its lock (`run`), and one build (`attempt`): its inputs,
//! environment and log, its built-in builder or the executor of its program, and its outputs.

mod attempt;
mod attributes;
pub mod builtin;
mod check;
mod closures;
mod environment;
mod error;
pub mod executor;
mod graph;
mod local;
mod log;
mod observe;
mod outputs;
pub mod plan;
pub mod queue;
pub mod repair;
mod run;
pub mod sandbox;
pub mod task;

use std::collections::BTreeSet;

pub use attributes::AttributeError;
pub use check::{Check, Verdict};
pub use error::{BuildError, BuildFailure};
pub use graph::{GraphError, GraphNode};
pub use observe::{Event, Observer};
pub use run::{Options, Realiser};

use crate::{
    derivation::{Derivation, Records},
    store::{Store, StoreError},
    store_path::StorePath,
};

/// The derivations of a store, and some that have just been evaluated and need not be read again.
pub struct Derivations<'a> {
    /// The store.
    pub store: &'a Store,
    /// Derivations in memory, by path.
    pub fresh: &'a Records,
}

impl plan::Lookup for Derivations<'_> {
    fn derivation(&self, path: &StorePath) -> Result<Derivation, StoreError> {
        match self.fresh.get(path) {
            Some(derivation) => Ok(derivation),
            None => self.store.read_derivation(path),
        }
    }

    fn valid(&self, paths: &[StorePath]) -> Result<BTreeSet<StorePath>, StoreError> {
        self.store.valid(paths)
    }
}

#[cfg(test)]
mod tests;
