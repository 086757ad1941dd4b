//! One tree out of several, by links: where one object alone has a folder or file there is one link
//! to it; folders that several have are made and their content is composed in turn. The result does
//! not depend on the order of the objects.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use fs_err::{self as fs, os::unix::fs::symlink};

use super::{EnvironmentError, collision::Collision};

/// One of the trees.
#[derive(Clone, Debug)]
pub struct Source {
    /// Whose it is; for error texts and the policy.
    pub name: String,
    /// Its base name in the store.
    pub base: String,
    /// Where it can be read now.
    pub real: PathBuf,
}

/// What to compose, and how.
#[derive(Debug, Default)]
pub struct Composition {
    /// The trees.
    pub sources: Vec<Source>,
    /// Folders that are made even where one tree alone has them.
    pub folders: BTreeSet<String>,
    /// Paths that are left out.
    pub without: BTreeSet<String>,
    /// For a path that several have, the name of the tree that it is taken from.
    pub policy: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
    Link,
}

impl Composition {
    /// Writes the links into the folder `out`, which exists. Paths that several trees have with
    /// different content and for which the policy says nothing are returned.
    ///
    /// # Errors
    /// Where reading or writing fails, or the policy names a tree that has no such path.
    pub fn write(&self, out: &Path) -> Result<Vec<Collision>, EnvironmentError> {
        let mut collisions = Vec::new();
        let all: Vec<_> = self.sources.iter().collect();
        self.folder(out, "", &all, &mut collisions)?;
        collisions.sort();
        collisions.dedup();
        Ok(collisions)
    }

    fn folder(
        &self,
        out: &Path,
        folder: &str,
        sources: &[&Source],
        collisions: &mut Vec<Collision>,
    ) -> Result<(), EnvironmentError> {
        let mut names: BTreeMap<String, Vec<(&Source, Kind)>> = BTreeMap::new();
        for source in sources {
            for entry in fs::read_dir(source.real.join(folder))? {
                let entry = entry?;
                let kind = entry.file_type()?;
                let kind = match () {
                    () if kind.is_dir() => Kind::Folder,
                    () if kind.is_symlink() => Kind::Link,
                    () => Kind::File,
                };
                let name = entry.file_name().into_string().map_err(|name| {
                    EnvironmentError::Distribution {
                        path: source.base.clone(),
                        reason: format!("the name {name:?} in '{folder}' is not UTF-8"),
                    }
                })?;
                names.entry(name).or_default().push((source, kind));
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
            let folders = owners.iter().all(|(_, kind)| *kind == Kind::Folder);
            if folders && (owners.len() > 1 || self.folders.contains(&path)) {
                fs::create_dir_all(out.join(&path))?;
                let owners: Vec<_> = owners.iter().map(|(source, _)| *source).collect();
                self.folder(out, &path, &owners, collisions)?;
            } else if folders || same(&path, &owners)? {
                symlink(link_target(&path, &owners[0].0.base), out.join(&path))?;
            } else {
                let owners = owners.iter().map(|(source, _)| source.name.clone()).collect();
                collisions.push(Collision { path: decided_as, owners });
            }
        }
        Ok(())
    }
}

/// The source file of byte code: whose the one is, his the other is too.
fn source_of(path: &str) -> Option<String> {
    let (folder, file) = path.strip_suffix(".pyc")?.split_once("__pycache__/")?;
    let (stem, _tag) = file.rsplit_once('.')?;
    Some(format!("{folder}{stem}.py"))
}

/// Whether all owners have the same file or link.
fn same(path: &str, owners: &[(&Source, Kind)]) -> Result<bool, EnvironmentError> {
    let Some(((first, kind), others)) = owners.split_first() else { return Ok(true) };
    if others.iter().any(|(_, other)| other != kind) || (*kind == Kind::Folder) {
        return Ok(false);
    }
    if *kind == Kind::Link {
        let target = |source: &Source| fs::read_link(source.real.join(path));
        let expected = target(first)?;
        return others.iter().try_fold(true, |same, (s, _)| Ok(same && target(s)? == expected));
    }
    let size =
        |source: &Source| fs::symlink_metadata(source.real.join(path)).map(|data| data.len());
    for (other, _) in others {
        let content = |source: &Source| fs::read(source.real.join(path));
        if size(other)? != size(first)? || content(other)? != content(first)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// From the folder that holds `path` in one store object to the same path in another: relative, so
/// that it can be followed wherever the store is.
#[must_use]
pub fn link_target(path: &str, base: &str) -> String {
    format!("{}{base}/{path}", "../".repeat(path.split('/').count()))
}
