//! The files that an evaluation may read. Store paths keep their logical names wherever the store is. Links
//! are followed step by step, so that none leads out of the allowed folders.
//!
//! A pure evaluation reads only those store paths that it made itself, so a value never depends on other
//! contents of the store. It reads the project except for `.git`.

use std::{
    collections::BTreeSet,
    io,
    path::{Component, Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::store_path::{STORE_DIR, StorePath};

/// The number of links that the kernel follows.
const LINKS: usize = 40;

/// The files that an evaluation may read.
#[derive(Debug, Default)]
pub struct Access {
    /// The store's folder on this machine, if there is one.
    pub store: Option<PathBuf>,
    /// The folders and files that may be read besides the store; `None` for all.
    pub allowed: Option<Vec<PathBuf>>,
    /// The user's home folder, which is never a project.
    pub home: Option<PathBuf>,
    /// The store's root folder, under each of its names.
    hidden: Vec<PathBuf>,
    /// The store paths that this evaluation made and may read.
    opened: Mutex<BTreeSet<StorePath>>,
}

/// The reason that a path cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Evaluation is pure.
    #[error(
        "access to '{}' is forbidden in pure evaluation: it is neither in the project{} nor made by this \
         evaluation; move it there, name it with -I, or use --impure",
        .path.display(), shown(.allowed)
    )]
    Forbidden {
        /// The path.
        path: PathBuf,
        /// The allowed folders.
        allowed: Vec<PathBuf>,
    },
    /// Evaluation is pure, and the path is in the store.
    #[error(
        "access to '{}' is forbidden in pure evaluation: it reads only those store paths that it made \
         itself; use the path with its context (as in `\"${{...}}\"`), name it with -I, \
         or use --impure",
        .0.display()
    )]
    Closed(PathBuf),
    /// Evaluation is pure, and the path belongs to git.
    #[error(
        "access to '{}' is forbidden in pure evaluation: '.git' is not part of the project; use --impure",
        .0.display()
    )]
    Git(PathBuf),
    /// The links form a cycle.
    #[error("too many links on the way to '{}'", .0.display())]
    Loop(PathBuf),
}

fn shown(allowed: &[PathBuf]) -> String {
    let allowed: Vec<String> = allowed.iter().map(|path| path.display().to_string()).collect();
    if allowed.is_empty() { String::new() } else { format!(" ({})", allowed.join(", ")) }
}

impl Access {
    /// Access at the start of an evaluation.
    #[must_use]
    pub fn new(store: Option<PathBuf>, allowed: Option<Vec<PathBuf>>) -> Self {
        let root = store.as_ref().and_then(|store| store.parent());
        let mut hidden: Vec<PathBuf> = root.map(Path::to_owned).into_iter().collect();
        hidden.extend(root.and_then(|root| fs_err::canonicalize(root).ok()));
        hidden.dedup();
        Self { store, allowed, hidden, ..Self::default() }
    }

    /// Sets the user's home folder.
    #[must_use]
    pub fn at_home(self, home: Option<PathBuf>) -> Self {
        Self { home, ..self }
    }

    /// Allows a store path that this evaluation made.
    pub fn open(&self, path: &StorePath) {
        let mut opened = self.opened();
        if !opened.contains(path) {
            opened.insert(path.clone());
        }
    }

    /// The store paths that may be read.
    pub(super) fn opened(&self) -> MutexGuard<'_, BTreeSet<StorePath>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store's root folder, under each of its names.
    pub(super) fn hidden(&self) -> &[PathBuf] {
        &self.hidden
    }

    /// Checks that a path may be read. Its links are resolved or do not matter.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`], [`AccessError::Closed`] or [`AccessError::Git`].
    pub fn check(&self, path: &Path) -> Result<(), AccessError> {
        let Some(allowed) = &self.allowed else { return Ok(()) };
        let mut found = None;
        for folder in allowed {
            let Ok(below) = path.strip_prefix(folder) else { continue };
            // files of the store and of git do not belong to the folder around them
            let mut hidden = self.hidden.iter().filter(|root| root.starts_with(folder));
            if hidden.any(|root| path.starts_with(root)) {
                found = Some(AccessError::Closed(path.to_owned()));
            } else if below.components().any(|part| part.as_os_str() == ".git") {
                found = Some(AccessError::Git(path.to_owned()));
            } else {
                return Ok(());
            }
        }
        if path.starts_with(STORE_DIR) {
            let opened = object(path).is_some_and(|object| self.opened().contains(&object));
            return if opened { Ok(()) } else { Err(AccessError::Closed(path.to_owned())) };
        }
        let forbidden =
            || AccessError::Forbidden { path: path.to_owned(), allowed: allowed.clone() };
        Err(found.unwrap_or_else(forbidden))
    }

    /// The real path on this machine. Follows no links.
    #[must_use]
    pub fn real(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix(STORE_DIR), &self.store) {
            (Ok(inside), Some(store)) => store.join(inside),
            _ => path.to_owned(),
        }
    }

    /// Follows the links in a path, and with `last` also in its last name. Keeps names that do not exist.
    ///
    /// # Errors
    /// A link leads out of the allowed folders, or the links form a cycle.
    pub fn resolve(&self, path: &Path, last: bool) -> Result<PathBuf, AccessError> {
        let inside = self.store.as_ref().and_then(|store| path.strip_prefix(store).ok());
        let logical = inside.map(|inside| Path::new(STORE_DIR).join(inside));
        let path = logical.as_deref().unwrap_or(path);
        self.check(path)?;
        let mut done = PathBuf::from("/");
        let mut todo: Vec<_> = parts(path);
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(&part);
            // a result link leads to the store's real folder: switch to the logical name
            if self.store.as_ref() == Some(&done) {
                done = PathBuf::from(STORE_DIR);
            }
            if todo.is_empty() && !last {
                break;
            }
            // do not check the folders above the store and the project
            let outside = self.check(&done).is_err() || done == Path::new(STORE_DIR);
            if outside && self.allowed.is_some() {
                continue;
            }
            let Ok(target) = std::fs::read_link(self.real(&done)) else { continue };
            links += 1;
            if links > LINKS {
                return Err(AccessError::Loop(path.to_owned()));
            }
            done.pop();
            if target.is_absolute() {
                done = PathBuf::from("/");
            }
            todo.extend(parts(&target));
        }
        self.check(&done)?;
        Ok(done)
    }
}

/// The store path that contains a path.
pub(super) fn object(path: &Path) -> Option<StorePath> {
    let base = path.strip_prefix(STORE_DIR).ok()?.iter().next()?;
    StorePath::from_base(base.to_str()?).ok()
}

/// The names in a path, the last one first.
fn parts(path: &Path) -> Vec<std::ffi::OsString> {
    let name = |c: Component<'_>| match c {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_but_not_out_of_the_project() {
        let space = tempfile::tempdir().unwrap();
        let space = fs_err::canonicalize(space.path()).unwrap();
        let project = space.join("project");
        fs_err::create_dir_all(project.join("sub")).unwrap();
        fs_err::write(project.join("sub/file"), "x").unwrap();
        fs_err::write(space.join("secret"), "x").unwrap();
        symlink("sub/file", project.join("in")).unwrap();
        symlink("../secret", project.join("out")).unwrap();
        symlink("b", project.join("a")).unwrap();
        symlink("a", project.join("b")).unwrap();
        let access = Access::new(None, Some(vec![project.clone()]));
        assert_eq!(access.resolve(&project.join("in"), true).unwrap(), project.join("sub/file"));
        assert_eq!(access.resolve(&project.join("in"), false).unwrap(), project.join("in"));
        let out = access.resolve(&project.join("out"), true).unwrap_err();
        assert!(matches!(out, AccessError::Forbidden { .. }), "{out}");
        let circle = access.resolve(&project.join("a"), true).unwrap_err();
        assert!(matches!(circle, AccessError::Loop(_)), "{circle}");
        assert!(access.resolve(&space.join("secret"), true).is_err());
        let free = Access::new(None, None);
        assert_eq!(free.resolve(&project.join("out"), true).unwrap(), space.join("secret"));
    }

    #[test]
    fn store_paths_are_found_where_the_store_is() {
        let space = tempfile::tempdir().unwrap();
        let store = space.path().join("store");
        let base = "00000000000000000000000000000000-x";
        fs_err::create_dir_all(store.join(base)).unwrap();
        symlink(format!("{STORE_DIR}/{base}"), store.join("link")).unwrap();
        let logical = Path::new(STORE_DIR).join(base);
        let project = tempfile::tempdir().unwrap();
        symlink(store.join(base), project.path().join("result")).unwrap();
        let link = project.path().join("result");
        let access = |allowed| Access::new(Some(store.clone()), allowed);
        let free = access(None);
        assert_eq!(free.resolve(&logical, true).unwrap(), logical);
        assert_eq!(free.real(&logical), store.join(base));
        assert_eq!(free.resolve(&Path::new(STORE_DIR).join("link"), true).unwrap(), logical);
        assert_eq!(free.resolve(&link, true).unwrap(), logical);
        // pure evaluation reads what it made, by any name
        let pure = access(Some(vec![project.path().to_owned()]));
        let closed = |path: &Path| matches!(pure.resolve(path, true), Err(AccessError::Closed(_)));
        assert!(closed(&logical) && closed(&link) && closed(Path::new(STORE_DIR)));
        assert_eq!(pure.resolve(&link, false).unwrap(), link);
        pure.open(&StorePath::from_base(base).unwrap());
        assert_eq!(pure.resolve(&logical.join("sub"), true).unwrap(), logical.join("sub"));
        assert_eq!(pure.resolve(&link, true).unwrap(), logical);
        assert!(closed(Path::new(STORE_DIR)));
        // a store inside the project does not belong to it
        let around = access(Some(vec![space.path().to_owned()]));
        assert!(around.resolve(&store.join(base), true).is_err());
        assert!(around.resolve(&space.path().join("var/index"), true).is_err());
    }

    #[test]
    fn git_is_not_part_of_the_project() {
        let project = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(project.path().join("sub/.git")).unwrap();
        symlink("sub/.git", project.path().join("link")).unwrap();
        let access = Access::new(None, Some(vec![project.path().to_owned()]));
        for path in [".git", ".git/config", "sub/.git", "link", "link/config"] {
            let refused = access.resolve(&project.path().join(path), true).unwrap_err();
            assert!(matches!(refused, AccessError::Git(_)), "{path}: {refused}");
        }
        assert!(access.resolve(&project.path().join(".gitignore"), true).is_ok());
    }
}
