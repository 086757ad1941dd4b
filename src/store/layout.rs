//! The folders of a store below its root, and the file that says that it is one.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::StoreError;
use crate::files;

/// The version of the layout that this program makes and reads.
const VERSION: u32 = 1;

/// The paths of a store's parts.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The root folder, absolute and without symlinks.
    pub(super) root: PathBuf,
    /// Whether this process may write it.
    pub(super) writable: bool,
}

impl Layout {
    /// Opens the layout at `root` and makes what is missing.
    pub(super) fn open(root: &Path) -> Result<Self, StoreError> {
        if !root.exists() {
            files::make_folders(root)?;
        }
        let root = fs_err::canonicalize(root)?;
        let mut layout = Self { root, writable: true };
        match fs_err::read_to_string(layout.version()) {
            Ok(text) => layout.check(&text)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return layout.make().map(|()| layout),
            Err(e) => return Err(e.into()),
        }
        let writable = Access::WRITE_OK | Access::EXEC_OK;
        layout.writable =
            [layout.store(), layout.var()].iter().all(|p| access(p, writable).is_ok());
        Ok(layout)
    }

    fn check(&self, text: &str) -> Result<(), StoreError> {
        let not = |problem: String| StoreError::NotAStore { root: self.root.clone(), problem };
        let number = text.strip_prefix("clutch store ").and_then(|t| t.trim_end().parse().ok());
        match number {
            Some(VERSION) => Ok(()),
            Some(found) if found > VERSION => {
                Err(StoreError::Newer { root: self.root.clone(), found, known: VERSION })
            }
            _ => Err(not("its var/version is none of ours".to_owned())),
        }
    }

    /// Makes the folders in a root that is empty, or in which this was interrupted.
    fn make(&self) -> Result<(), StoreError> {
        for entry in fs_err::read_dir(&self.root)? {
            let name = entry?.file_name();
            if name != "store" && name != "var" && name != "lost+found" {
                return Err(StoreError::NotAStore {
                    root: self.root.clone(),
                    problem: format!(
                        "it holds '{}'; give an empty folder or one that does not exist",
                        name.display()
                    ),
                });
            }
        }
        for folder in
            [self.store(), self.log(), self.scratch(), self.locks(), self.links(), self.pins()]
        {
            fs_err::create_dir_all(folder)?;
        }
        // where there is a version, there is all that it says
        for folder in [self.roots(), self.var(), self.root.clone()] {
            files::sync_folder(&folder)?;
        }
        files::replace(&self.version(), format!("clutch store {VERSION}\n").as_bytes())?;
        Ok(())
    }

    pub(super) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    pub(super) fn var(&self) -> PathBuf {
        self.root.join("var")
    }

    fn version(&self) -> PathBuf {
        self.root.join("var/version")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.root.join("var/index.sqlite")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("var/log")
    }

    pub(super) fn scratch(&self) -> PathBuf {
        self.root.join("var/tmp")
    }

    pub(super) fn locks(&self) -> PathBuf {
        self.root.join("var/locks")
    }

    /// What interrupted downloads left.
    pub(super) fn partial(&self) -> PathBuf {
        self.root.join("var/fetch")
    }

    /// What failed builds worked on.
    pub(super) fn failed(&self) -> PathBuf {
        self.root.join("var/failed")
    }

    /// What differs when it is built again.
    pub(super) fn differing(&self) -> PathBuf {
        self.root.join("var/check")
    }

    pub(super) fn pool(&self) -> PathBuf {
        self.root.join("var/pool")
    }

    pub(super) fn evaluations(&self) -> PathBuf {
        self.root.join("var/evaluations")
    }

    pub(super) fn revisions(&self) -> PathBuf {
        self.root.join("var/revisions")
    }

    pub(super) fn roots(&self) -> PathBuf {
        self.root.join("var/roots")
    }

    pub(super) fn links(&self) -> PathBuf {
        self.root.join("var/roots/links")
    }

    pub(super) fn pins(&self) -> PathBuf {
        self.root.join("var/roots/pins")
    }
}
