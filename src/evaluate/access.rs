//! Which files an evaluation may read, and where they are: store paths are shown under their logical
//! names wherever the store is kept, links are followed by hand so that they cannot lead out of what
//! is allowed.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use crate::store_path::STORE_DIR;

/// As many links as the kernel follows.
const LINKS: usize = 40;

/// The files that an evaluation may read.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Where the store is on this machine; nothing where there is none yet.
    pub store: Option<PathBuf>,
    /// The folders and files that may be read besides the store; nothing for all.
    pub allowed: Option<Vec<PathBuf>>,
}

/// Why a path cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Evaluation is pure.
    #[error(
        "access to '{}' is forbidden in pure evaluation: it is neither in the project ({}) nor in \
         the store; move it there, name it with -I, or use --impure",
        .path.display(), .allowed
    )]
    Forbidden {
        /// The path.
        path: PathBuf,
        /// What is allowed, for people.
        allowed: String,
    },
    /// Links that lead to each other.
    #[error("too many links on the way to '{}'", .0.display())]
    Loop(PathBuf),
}

impl Access {
    /// Checks that a path, whose links are resolved or do not matter, may be read.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`].
    pub fn check(&self, path: &Path) -> Result<(), AccessError> {
        let Some(allowed) = &self.allowed else { return Ok(()) };
        // a folder above what is allowed may be looked at, but that shows nothing of its content
        if path.starts_with(STORE_DIR) || allowed.iter().any(|a| path.starts_with(a)) {
            return Ok(());
        }
        let allowed =
            allowed.iter().map(|a| a.display().to_string()).collect::<Vec<_>>().join(", ");
        Err(AccessError::Forbidden { path: path.to_owned(), allowed })
    }

    /// Where a path without links to follow is on this machine.
    #[must_use]
    pub fn real(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix(STORE_DIR), &self.store) {
            (Ok(inside), Some(store)) => store.join(inside),
            _ => path.to_owned(),
        }
    }

    /// Follows all links on the way to a path, and at its end where `last` says so. What does not
    /// exist is left as it is.
    ///
    /// # Errors
    /// Where a link leads out of what is allowed, or in a circle.
    pub fn resolve(&self, path: &Path, last: bool) -> Result<PathBuf, AccessError> {
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
            // a result link leads to where the store is; what is there goes by its own name
            if self.store.as_ref() == Some(&done) {
                done = PathBuf::from(STORE_DIR);
            }
            if todo.is_empty() && !last {
                break;
            }
            // the way down to the store and to the project is not looked at
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
        let access = Access { store: None, allowed: Some(vec![project.clone()]) };
        assert_eq!(access.resolve(&project.join("in"), true).unwrap(), project.join("sub/file"));
        assert_eq!(access.resolve(&project.join("in"), false).unwrap(), project.join("in"));
        let out = access.resolve(&project.join("out"), true).unwrap_err();
        assert!(matches!(out, AccessError::Forbidden { .. }), "{out}");
        let circle = access.resolve(&project.join("a"), true).unwrap_err();
        assert!(matches!(circle, AccessError::Loop(_)), "{circle}");
        assert!(access.resolve(&space.join("secret"), true).is_err());
        let free = Access { store: None, allowed: None };
        assert_eq!(free.resolve(&project.join("out"), true).unwrap(), space.join("secret"));
    }

    #[test]
    fn store_paths_are_found_where_the_store_is() {
        let space = tempfile::tempdir().unwrap();
        let base = "00000000000000000000000000000000-x";
        fs_err::create_dir(space.path().join(base)).unwrap();
        symlink(format!("{STORE_DIR}/{base}"), space.path().join("link")).unwrap();
        let access = Access { store: Some(space.path().to_owned()), allowed: Some(Vec::new()) };
        let logical = Path::new(STORE_DIR).join(base);
        assert_eq!(access.resolve(&logical, true).unwrap(), logical);
        assert_eq!(access.real(&logical), space.path().join(base));
        assert_eq!(access.resolve(&Path::new(STORE_DIR).join("link"), true).unwrap(), logical);
        let project = tempfile::tempdir().unwrap();
        symlink(space.path().join(base), project.path().join("result")).unwrap();
        let access = Access { allowed: Some(vec![project.path().to_owned()]), ..access };
        assert_eq!(access.resolve(&project.path().join("result"), true).unwrap(), logical);
        assert!(access.resolve(&space.path().join(base), true).is_err());
    }
}
