//! `clutch lock FILE`: makes a lock of pinned requirements by asking the index once which files it has.
//! Nothing is resolved: the lock holds the packages in the file and no others. A warning names what their
//! wheels require besides.

mod metadata;
mod pin;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use self::pin::{Pinned, pins};
pub use self::{
    metadata::MetadataError,
    pin::{PinError, Problem},
};
use super::{
    lock::{LockedPackage, PythonLock, Target},
    marker::Marker,
    requirements::{Needs, Unmet, advice, unmet},
    requirements_file::Requirements,
};
use crate::net::{index::IndexError, network::Network};

/// The number of simultaneous requests.
const REQUESTS: usize = 16;

/// An error while making a lock.
#[derive(Debug, thiserror::Error)]
pub enum LockingError {
    /// The index's address is not known.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The threads for the requests could not be started.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Some requirements cannot be locked.
    #[error("{}", lines(.0))]
    Requirements(Vec<PinError>),
}

fn lines(errors: &[PinError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Locks requirements for some targets. `warn` takes warnings. The caller adds the names of the files that
/// the lock was made of, which depend on where it is written.
///
/// # Errors
/// All requirements that cannot be locked, each with its place in the file.
pub fn lock(
    network: &Network,
    index: &str,
    requirements: &Requirements,
    targets: &[Target],
    warn: &(dyn Fn(&str) + Sync),
) -> Result<PythonLock, LockingError> {
    requirements.warnings.iter().for_each(|line| warn(line));
    let pins = pins(&requirements.lines, targets).map_err(LockingError::Requirements)?;
    let base = network.indexes().find(index)?.address;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(REQUESTS).build()?;
    let (mut packages, mut failed) = (Vec::new(), Vec::new());
    let (mut requires, mut unread) = (BTreeMap::new(), Vec::new());
    let results: Vec<_> =
        threads.install(|| pins.par_iter().map(|pin| pin.lock(network, &base, warn)).collect());
    for result in results {
        match result {
            Ok(Pinned { package, requires: needs }) => {
                match needs {
                    Ok(needs) => {
                        let key = (package.name.clone(), package.version.to_string());
                        requires.insert(key, needs);
                    }
                    Err(error) => unread.push(error),
                }
                packages.push(package);
            }
            Err(error) => failed.push(error),
        }
    }
    if failed.is_empty() {
        if let Some(first) = unread.first() {
            let such = match unread.len() {
                1 => String::new(),
                number => format!("{number} wheels, such as "),
            };
            warn(&format!("cannot read the requirements of {such}{first}"));
        }
        let unmet = unmet_on(requirements, targets, &packages, &requires);
        unmet.iter().for_each(|unmet| warn(&unmet.to_string()));
        if !unmet.is_empty() {
            warn(&format!(
                "an environment of this lock will fail; {}, then lock again",
                advice(&unmet)
            ));
        }
        let (index, targets) = (index.to_owned(), targets.to_vec());
        Ok(PythonLock { index, requirements: Vec::new(), targets, packages })
    } else {
        Err(LockingError::Requirements(failed))
    }
}

/// The requirements of each package by name and version, as far as they are known.
type Requires = BTreeMap<(String, String), Vec<String>>;

/// The requirements of the packages on one of the targets that the lock does not contain.
fn unmet_on(
    requirements: &Requirements,
    targets: &[Target],
    packages: &[LockedPackage],
    requires: &Requires,
) -> BTreeSet<Unmet> {
    let mut problems = BTreeSet::new();
    for target in targets {
        let markers = target.markers();
        let holds = |marker: &Option<Marker>| {
            marker.as_ref().is_none_or(|marker| marker.holds(&markers, &BTreeSet::new()))
        };
        let there: Vec<(&LockedPackage, String)> = packages
            .iter()
            .filter(|package| holds(&package.marker))
            .map(|package| (package, package.version.to_string()))
            .collect();
        let needs: Vec<Needs<'_>> = there
            .iter()
            .map(|(package, version)| Needs {
                name: &package.name,
                version,
                requires: requires
                    .get(&(package.name.clone(), version.clone()))
                    .map_or(&[], Vec::as_slice),
                requires_python: None,
            })
            .collect();
        let lines = requirements.lines.iter().map(|line| &line.requirement);
        let extras: Vec<(&str, &str)> = lines
            .filter(|requirement| holds(&requirement.marker))
            .flat_map(|r| r.extras.iter().map(|extra| (r.name.as_str(), extra.as_str())))
            .collect();
        // the environment reports requirements that cannot be read
        problems.extend(unmet(&needs, &extras, &markers, &|_| (), &|| false));
    }
    problems
}
