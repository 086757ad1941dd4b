//! Composes several trees into one by links. A folder or file of one object alone becomes one link. A
//! folder of several objects is created, and its content composed in turn. The order of the objects does
//! not matter.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use fs_err::{self as fs, os::unix::fs::symlink};

use super::{
    collision::Collision,
    error::{DistributionError, EnvironmentError},
};
use crate::{
    build::task::{Task, TaskError},
    inputs::{EntryKind, InputPath},
    regular,
};

/// One of the trees.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    /// The name of its distribution, for errors and the policy.
    pub name: String,
    /// Its base name in the store.
    pub base: String,
    /// Its tree.
    pub tree: InputPath<'a>,
}

/// The trees to compose, and the rules for it.
#[derive(Debug, Default)]
pub(super) struct Composition<'a> {
    /// The trees.
    pub sources: Vec<Source<'a>>,
    /// Folders that are created even if only one tree has them.
    pub folders: BTreeSet<String>,
    /// Paths that are left out.
    pub without: BTreeSet<String>,
    /// For a path of several trees, the name of the tree to take it from.
    pub policy: BTreeMap<String, String>,
}

impl Composition<'_> {
    /// Writes the links into the existing folder `out`. Returns the paths that several trees have with
    /// different content, unless the policy decides them.
    ///
    /// # Errors
    /// If reading or writing fails, or the policy names a tree without that path.
    pub(super) fn write(
        &self,
        task: &Task<'_>,
        out: &Path,
    ) -> Result<Vec<Collision>, EnvironmentError> {
        let mut collisions = Vec::new();
        let mut folders = vec![(String::new(), self.sources.iter().collect())];
        while let Some((folder, sources)) = folders.pop() {
            if (task.cancelled)() {
                return Err(TaskError::Cancelled.into());
            }
            self.folder(out, &folder, sources, &mut folders, &mut collisions)?;
        }
        collisions.sort();
        collisions.dedup();
        Ok(collisions)
    }

    /// Composes one folder; its folders of several trees are added to `folders`.
    fn folder<'s>(
        &'s self,
        out: &Path,
        folder: &str,
        sources: Vec<&'s Source<'s>>,
        folders: &mut Vec<(String, Vec<&'s Source<'s>>)>,
        collisions: &mut Vec<Collision>,
    ) -> Result<(), EnvironmentError> {
        let mut names: BTreeMap<String, Vec<(&Source<'_>, EntryKind)>> = BTreeMap::new();
        for source in sources {
            for entry in source.tree.join(folder).entries()? {
                let name =
                    entry.name.into_string().map_err(|name| EnvironmentError::Distribution {
                        path: source.base.clone(),
                        reason: DistributionError::FileName(name, folder.to_owned()),
                    })?;
                names.entry(name).or_default().push((source, entry.kind));
            }
        }
        for (name, mut owners) in names {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if self.without.contains(&path) {
                continue;
            }
            owners.sort_by(|a, b| (&a.0.name, &a.0.base).cmp(&(&b.0.name, &b.0.base)));
            let decided_as = source_of(&path).unwrap_or_else(|| path.clone());
            if let Some(choice) = self.policy.get(&decided_as) {
                owners.retain(|(source, _)| source.name == *choice);
                if owners.is_empty() {
                    return Err(EnvironmentError::Policy { path, choice: choice.clone() });
                }
            }
            let all_folders = owners.iter().all(|(_, kind)| *kind == EntryKind::Folder);
            if all_folders && (owners.len() > 1 || self.folders.contains(&path)) {
                fs::create_dir_all(out.join(&path))?;
                folders.push((path, owners.iter().map(|(source, _)| *source).collect()));
            } else if all_folders || same(&path, &owners)? {
                symlink(link_target(&path, &owners[0].0.base), out.join(&path))?;
            } else {
                let owners = owners.iter().map(|(source, _)| source.name.clone()).collect();
                collisions.push(Collision { path: decided_as, owners });
            }
        }
        Ok(())
    }
}

/// The source file of byte code, which has the same owner.
fn source_of(path: &str) -> Option<String> {
    let (folder, file) = path.strip_suffix(".pyc")?.split_once("__pycache__/")?;
    let (stem, _tag) = file.rsplit_once('.')?;
    Some(format!("{folder}{stem}.py"))
}

/// True if all owners have the same file or link.
fn same(path: &str, owners: &[(&Source<'_>, EntryKind)]) -> Result<bool, EnvironmentError> {
    let Some(((first, kind), others)) = owners.split_first() else { return Ok(true) };
    if others.iter().any(|(_, other)| other != kind) || (*kind == EntryKind::Folder) {
        return Ok(false);
    }
    if *kind == EntryKind::Link {
        let target = |source: &Source<'_>| source.tree.join(path).link();
        let expected = target(first)?;
        return others.iter().try_fold(true, |same, (s, _)| Ok(same && target(s)? == expected));
    }
    for (other, _) in others {
        if !regular::same(&first.tree.join(path).open()?, &other.tree.join(path).open()?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// From the folder that holds `path` in one store object to the same path in another: relative, so
/// that it can be followed wherever the store is.
#[must_use]
pub(super) fn link_target(path: &str, base: &str) -> String {
    format!("{}{base}/{path}", "../".repeat(path.split('/').count()))
}
