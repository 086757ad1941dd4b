//! Executors run the programs of derivations. The sandbox of this machine (`local`) is one. A
//! build asks for the executor that takes its derivation, and only fails if none does.

use std::{collections::BTreeMap, path::Path};

use super::{
    AttributeError, BuildError,
    digests::Digests,
    sandbox::{Exit, Limits, Variation, Watch},
};
use crate::{derivation::Derivation, store_path::StorePath};

/// A program to run, with everything that it may see and use.
pub struct Action<'a> {
    /// The derivation with placeholders replaced: system, program, arguments, and the outputs to make.
    pub derivation: &'a Derivation,
    /// The variables of the environment.
    pub env: BTreeMap<String, Vec<u8>>,
    /// Files in the working directory: name and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// The store paths that the program sees: the closure of its inputs, ordered by path.
    pub inputs: &'a [StorePath],
    /// The digests of the files of each input.
    pub digests: &'a Digests<'a>,
    /// The input whose entries show at `/`, if the derivation has a `sandboxRoot`.
    pub root: Option<StorePath>,
    /// True if it may use the network.
    pub network: bool,
    /// Its limits.
    pub limits: Limits,
    /// The variation of this run, if it is made for a comparison.
    pub vary: Option<Variation>,
    /// An empty folder on this machine for the working directory, if the executor has one here. A failed build
    /// may keep it.
    pub build: &'a Path,
    /// An empty folder on this machine, on the store's file system. After a successful run it holds
    /// each output under the base name of its store path.
    pub outputs: &'a Path,
}

/// Runs the programs of derivations, here or elsewhere.
pub trait Executor: Sync {
    /// The systems whose programs it runs, such as `x86_64-linux`.
    fn systems(&self) -> &[String];

    /// The features that it has (`requiredSystemFeatures`).
    fn features(&self) -> &[&str];

    /// Runs a program to its end. Everything that it prints goes to `watch.output` as it comes. When this
    /// returns, nothing writes to the outputs any more. They are not trusted: the caller checks, hashes
    /// and scans them.
    ///
    /// # Errors
    /// If the program cannot be run, passes a limit or is cancelled.
    fn execute(&self, action: Action<'_>, watch: Watch<'_>) -> Result<Exit, BuildError>;
}

/// The first executor that takes a derivation with these required features.
///
/// # Errors
/// If none does.
pub(super) fn choose<'a>(
    executors: &[&'a dyn Executor],
    derivation: &Derivation,
    required: &[String],
) -> Result<&'a dyn Executor, BuildError> {
    let of_system: Vec<&'a dyn Executor> = executors
        .iter()
        .copied()
        .filter(|executor| executor.systems().contains(&derivation.system))
        .collect();
    if of_system.is_empty() {
        let (needed, here) = (derivation.system.clone(), systems(executors));
        return Err(BuildError::System { needed, here });
    }
    let has =
        |executor: &dyn Executor, feature: &String| executor.features().contains(&feature.as_str());
    let takes = |executor: &&dyn Executor| required.iter().all(|f| has(*executor, f));
    if let Some(found) = of_system.iter().copied().find(takes) {
        return Ok(found);
    }
    // the first feature that one of them lacks
    let lacks = |feature: &&String| of_system.iter().any(|executor| !has(*executor, feature));
    let feature = required.iter().find(lacks).cloned().unwrap_or_default();
    let mut present: Vec<&str> = of_system.iter().flat_map(|e| e.features()).copied().collect();
    present.sort_unstable();
    present.dedup();
    let present = present.join(", ");
    Err(AttributeError::Feature { feature, present }.into())
}

/// The systems that executors have, as text.
fn systems(executors: &[&dyn Executor]) -> String {
    let mut all: Vec<&str> =
        executors.iter().flat_map(|executor| executor.systems()).map(String::as_str).collect();
    all.dedup();
    all.join("', '")
}
