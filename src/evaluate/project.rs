//! Finds the project that contains a file: the work tree of a git repository, but never a home folder or a
//! folder above one.

use std::path::{Path, PathBuf};

/// The nearest folder at or above a path with a `.git`, either a folder or the file of a linked work tree
/// or submodule. `None` if that folder is not a project.
pub fn repository(path: &Path, home: Option<&Path>) -> Option<PathBuf> {
    let holds = |folder: &&Path| folder.join(".git").symlink_metadata().is_ok();
    let root = path.ancestors().find(holds)?;
    is_project(root, home).then(|| root.to_owned())
}

/// True unless the folder is `/`, a home folder or a parent of home folders.
#[must_use]
pub fn is_project(folder: &Path, home: Option<&Path>) -> bool {
    let whole = |folder: &Path| {
        folder.parent().is_some() && !home.is_some_and(|home| home.starts_with(folder))
    };
    // a link leads to the same folder
    whole(folder) && fs_err::canonicalize(folder).map_or(true, |real| whole(&real))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_not_a_project() {
        let space = tempfile::tempdir().unwrap();
        let home = fs_err::canonicalize(space.path()).unwrap().join("home");
        let inner = home.join("work/project");
        fs_err::create_dir_all(inner.join("sub")).unwrap();
        fs_err::create_dir(home.join(".git")).unwrap();
        assert_eq!(repository(&inner, Some(&home)), None);
        assert_eq!(repository(&inner, None), Some(home.clone()));
        fs_err::write(inner.join(".git"), "gitdir: /somewhere").unwrap();
        assert_eq!(repository(&inner.join("sub"), Some(&home)), Some(inner));
        assert!(!is_project(Path::new("/"), None) && !is_project(space.path(), Some(&home)));
        assert!(is_project(&home.join("work"), Some(&home)));
        let link = home.join("work/link");
        fs_err::os::unix::fs::symlink(&home, &link).unwrap();
        assert!(!is_project(&link, Some(&home)));
        assert_eq!(repository(&link, Some(&home)), None);
    }
}
