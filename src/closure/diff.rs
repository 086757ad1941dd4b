//! Compares two closures: packages that were added, removed or changed, by the names and versions in their
//! store paths.

use std::collections::{BTreeMap, BTreeSet};

use clutch_expr::versions::split_name;

use super::requisites;
use crate::{
    store::{PathInfo, Store, StoreError},
    store_path::StorePath,
};

/// The differences between two closures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The packages that are not the same in both, by name.
    pub packages: BTreeMap<String, [Package; 2]>,
    /// The bytes in each closure.
    pub sizes: [u64; 2],
}

/// All paths of one package in a closure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// The text after the name in them, such as a version.
    pub versions: BTreeSet<String>,
    /// The bytes in them.
    pub size: u64,
    paths: BTreeSet<StorePath>,
}

impl Package {
    /// True if the closure has no such package.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.paths.is_empty()
    }
}

/// Compares the closures of two paths.
///
/// # Errors
/// If one is not valid, or the index cannot be read.
pub fn difference(
    store: &Store,
    before: &StorePath,
    after: &StorePath,
) -> Result<Difference, StoreError> {
    let mut difference = Difference::default();
    for (side, path) in [before, after].into_iter().enumerate() {
        for info in requisites(store, std::slice::from_ref(path))? {
            let PathInfo { path, size, .. } = info;
            let (name, version) = split_name(path.name().as_bytes());
            let [name, version] = [name, version].map(|t| String::from_utf8_lossy(t).into_owned());
            let package = &mut difference.packages.entry(name).or_default()[side];
            package.versions.extend(Some(version).filter(|version| !version.is_empty()));
            package.size += size;
            package.paths.insert(path);
            difference.sizes[side] += size;
        }
    }
    difference.packages.retain(|_, [before, after]| before.paths != after.paths);
    Ok(difference)
}
