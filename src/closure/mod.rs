//! The closure of a path, with sizes, and the reason for a path being in it.

mod diff;

use std::collections::{BTreeMap, BTreeSet};

pub use diff::{Difference, Package, difference};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    store::{PathInfo, Store, StoreError},
    store_path::StorePath,
};

/// These paths and all that they refer to, directly or not: each after its references, and always in the same
/// order for the same paths.
///
/// # Errors
/// If one of them is not valid, or the index cannot be read.
pub fn requisites(store: &Store, paths: &[StorePath]) -> Result<Vec<PathInfo>, StoreError> {
    let infos = store.reachable(paths)?;
    Ok(sorted(infos))
}

/// The closure size of each of these paths: the bytes of the path and of all that it needs.
///
/// # Errors
/// As [`requisites`].
pub fn sizes(store: &Store, paths: &[StorePath]) -> Result<BTreeMap<StorePath, u64>, StoreError> {
    let infos = store.reachable(paths)?;
    let by_path: FxHashMap<&StorePath, &PathInfo> = infos.iter().map(|i| (&i.path, i)).collect();
    let size = |root: &StorePath| {
        let mut seen = FxHashSet::from_iter([root]);
        let mut todo = vec![root];
        let mut size = 0;
        while let Some(path) = todo.pop() {
            size += by_path[path].size;
            todo.extend(by_path[path].references.iter().filter(|r| seen.insert(*r)));
        }
        size
    };
    Ok(paths.iter().map(|path| (path.clone(), size(path))).collect())
}

/// Explains why `from` needs `to`: a shortest chain of references between them, both included.
/// `None` if it does not need it.
///
/// # Errors
/// If `from` is not valid, or the index cannot be read.
pub fn why_depends(
    store: &Store,
    from: &StorePath,
    to: &StorePath,
) -> Result<Option<Vec<StorePath>>, StoreError> {
    let infos = store.reachable(std::slice::from_ref(from))?;
    let by_path: FxHashMap<&StorePath, &PathInfo> = infos.iter().map(|i| (&i.path, i)).collect();
    let mut came_from: FxHashMap<&StorePath, &StorePath> = FxHashMap::default();
    let mut todo = std::collections::VecDeque::from([from]);
    while let Some(path) = todo.pop_front() {
        if path == to {
            let mut chain = vec![path.clone()];
            let mut at = path;
            while at != from {
                at = came_from[at];
                chain.push(at.clone());
            }
            chain.reverse();
            return Ok(Some(chain));
        }
        for reference in &by_path[path].references {
            if reference != from && !came_from.contains_key(reference) {
                came_from.insert(reference, path);
                todo.push_back(reference);
            }
        }
    }
    Ok(None)
}

/// Sorts paths that are closed under references: references first, else by path.
fn sorted(mut infos: Vec<PathInfo>) -> Vec<PathInfo> {
    infos.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let paths: Vec<_> = infos.iter().map(|info| (&info.path, &info.references)).collect();
    let order = order(&paths);
    let mut infos: Vec<Option<PathInfo>> = infos.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| infos[at].take()).collect()
}

/// The canonical order of paths, which come sorted and with their references: each after its references if
/// these are among them, else by path. Returns their indices.
#[must_use]
pub fn order(paths: &[(&StorePath, &BTreeSet<StorePath>)]) -> Vec<usize> {
    let places: FxHashMap<&StorePath, usize> =
        paths.iter().enumerate().map(|(n, (path, _))| (*path, n)).collect();
    let mut order: Vec<usize> = Vec::with_capacity(paths.len());
    let mut seen = vec![false; paths.len()];
    for start in 0..paths.len() {
        // (path, true if its references are in the order already)
        let mut todo = vec![(start, false)];
        while let Some((at, after)) = todo.pop() {
            if after {
                order.push(at);
            } else if !std::mem::replace(&mut seen[at], true) {
                todo.push((at, true));
                let references = paths[at].1.iter().rev().filter_map(|r| places.get(r).copied());
                todo.extend(references.filter(|r| !seen[*r]).map(|r| (r, false)));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Insertion, References};

    /// Paths 0..references.len(), each with the references of its number.
    fn store(references: &[&[usize]]) -> (tempfile::TempDir, Store, Vec<StorePath>) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("root")).unwrap();
        let path = |n: usize| StorePath::new(&[n as u8; 20], &format!("p{n}")).unwrap();
        let paths: Vec<StorePath> = (0..references.len()).map(path).collect();
        let scratch = store.scratch().unwrap();
        let insertions = references.iter().enumerate().map(|(n, references)| {
            let source = scratch.path().join(n.to_string());
            fs_err::write(&source, "x".repeat(1 << n)).unwrap();
            let references: BTreeSet<_> = references.iter().map(|r| paths[*r].clone()).collect();
            Insertion {
                path: paths[n].clone(),
                source: source.into(),
                references: References::Known(references),
                deriver: None,
                expected: None,
                signatures: BTreeSet::new(),
            }
        });
        store.insert(insertions.collect()).unwrap();
        (dir, store, paths)
    }

    #[test]
    fn references_stand_before_what_refers_to_them() {
        let (_dir, store, paths) = store(&[&[0, 2, 1], &[3], &[3], &[], &[0]]);
        let order = |roots: &[usize]| {
            let roots: Vec<_> = roots.iter().map(|r| paths[*r].clone()).collect();
            let found = requisites(&store, &roots).unwrap();
            found.iter().map(|i| i.path.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(order(&[0]), ["p3", "p1", "p2", "p0"]);
        assert_eq!(order(&[3]), ["p3"]);
        assert_eq!(order(&[2, 1]), ["p3", "p1", "p2"]);
        assert_eq!(order(&[1, 2, 1]), ["p3", "p1", "p2"]);
    }

    #[test]
    fn a_closure_counts_each_path_once() {
        let (_dir, store, paths) = store(&[&[0, 2, 1], &[3], &[3], &[]]);
        let sizes = sizes(&store, &paths).unwrap();
        assert_eq!(sizes.into_values().collect::<Vec<_>>(), [15, 10, 12, 8]);
    }

    #[test]
    fn the_shortest_chain_explains() {
        let (_dir, store, paths) = store(&[&[1, 2], &[3], &[4], &[4], &[], &[]]);
        let why = |from: usize, to: usize| why_depends(&store, &paths[from], &paths[to]).unwrap();
        let chain = [paths[0].clone(), paths[2].clone(), paths[4].clone()];
        assert_eq!(why(0, 4), Some(chain.to_vec()));
        assert_eq!(why(4, 4), Some(vec![paths[4].clone()]));
        assert_eq!(why(0, 5), None);
    }

    #[test]
    fn what_is_not_valid_has_no_closure() {
        let (_dir, store, _) = store(&[]);
        let path = StorePath::new(&[9; 20], "x").unwrap();
        let text = requisites(&store, &[path]).unwrap_err().to_string();
        assert!(text.ends_with("-x' is not in the store"), "{text}");
    }
}
