//! From a derivation to valid output paths: the steps that are missing (`plan`), their order and how many
//! run at a time (`queue`), each step under its lock (`run`), and one build (`attempt`): its inputs,
//! environment and log, its built-in builder or the executor of its program, and its outputs.

mod attempt;
mod attributes;
pub mod builtin;
mod check;
mod closures;
pub mod digests;
mod environment;
mod error;
pub mod executor;
mod graph;
mod input_graph;
mod local;
mod log;
mod observe;
mod outputs;
pub mod plan;
pub mod queue;
mod realiser;
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
pub use realiser::{Options, Realiser};

use self::plan::{Availability, Lookup, Offer};
use crate::{
    cache::Substituter,
    derivation::{Derivation, Records},
    store::{Store, StoreError},
    store_path::StorePath,
};

/// The derivations of a store, and some from the evaluation that need not be read again.
pub struct Derivations<'a> {
    /// The store.
    pub store: &'a Store,
    /// Derivations in memory, by path.
    pub fresh: &'a Records,
    /// The substituters.
    pub substituters: Substituters<'a>,
}

/// Substituters, and the paths not to take from them.
#[derive(Clone, Copy, Default)]
pub struct Substituters<'a> {
    /// The substituters in order; the first that has a path gives it.
    pub all: &'a [&'a dyn Substituter],
    /// Paths that could not be taken in an earlier plan.
    pub without: Option<&'a BTreeSet<StorePath>>,
}

impl Lookup for Derivations<'_> {
    fn derivation(&self, path: &StorePath) -> Result<Derivation, StoreError> {
        match self.fresh.get(path) {
            Some(derivation) => Ok(derivation),
            None => self.store.read_derivation(path),
        }
    }

    fn find(&self, paths: &[StorePath]) -> Result<Vec<Availability>, StoreError> {
        let valid = self.store.valid(paths)?;
        let mut found: Vec<Availability> = paths
            .iter()
            .map(|path| match valid.contains(path) {
                true => Availability::Valid,
                false => Availability::Unavailable,
            })
            .collect();
        let Substituters { all, without } = self.substituters;
        let is_refused = |path| without.is_some_and(|without| without.contains(path));
        for (substituter, from) in all.iter().enumerate() {
            let missing: Vec<usize> = (0..paths.len())
                .filter(|at| found[*at] == Availability::Unavailable && !is_refused(&paths[*at]))
                .collect();
            let asked: Vec<&StorePath> = missing.iter().map(|at| &paths[*at]).collect();
            for (at, info) in missing.into_iter().zip(from.offers(&asked)) {
                if let Some(info) = info {
                    found[at] = Availability::Substitutable(Box::new(Offer { info, substituter }));
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
