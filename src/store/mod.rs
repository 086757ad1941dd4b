//! The store: a folder of finished trees that never change, each under its store path. It knows which paths
//! are valid and their references, and nothing of builds.
//!
//! Several threads and processes use one store at once, without a daemon.

mod add;
mod collect;
mod delete;
mod disk_use;
mod downloads;
mod index;
mod insert;
mod kept_builds;
mod layout;
mod lock;
mod logs;
mod lost;
mod nar;
mod opened;
mod optimise;
mod path_info;
mod pins;
pub mod place;
mod pool;
mod processes;
pub mod profile;
mod rebuild;
mod removal;
mod roots;
mod salvage;
mod scan;
mod scratch;
mod seal;
mod temporary_roots;
mod verify;
mod write;

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

pub use add::Maker;
pub use collect::{Collected, Limits};
pub use delete::Deletion;
pub use downloads::{DownloadLimit, Downloads, Unclear};
pub use insert::{Insertion, References, Source};
pub use kept_builds::KeptBuild;
pub use lock::PathLock;
pub use logs::{LogReader, LogWriter};
pub use path_info::{Nar, PathInfo, PathInfoError, Signature};
pub use pins::Pin;
pub use rebuild::Rebuilt;
pub use roots::{Holder, Root};
pub use scratch::Scratch;
pub use verify::{Damage, Fault, Verified};

use self::{
    index::Index,
    layout::{Layout, Refusal},
};
use crate::{
    derivation::IdentityError,
    hash::TreeHash,
    store_path::{StorePath, StorePathError},
    tree::TreeError,
};

/// An open store.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    dir: PathBuf,
    index: Index,
    temporary_roots: temporary_roots::TemporaryRoots,
    pool: pool::Pool,
}

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A tree cannot be read or is not allowed in the store.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A name is not valid.
    #[error(transparent)]
    Path(#[from] StorePathError),
    /// A derivation breaks a rule.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The index cannot be used.
    #[error("index '{}': {source}{}", .path.display(), advice(source))]
    Index {
        /// Its file.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// The folder is something else.
    #[error("'{}' is not a store: {problem}", .root.display())]
    NotAStore {
        /// The folder.
        root: PathBuf,
        /// The reason.
        problem: String,
    },
    /// Made by a newer program.
    #[error(
        "'{}' has version {found}, but this program knows version {known}; use a newer clutch",
        .root.display()
    )]
    Newer {
        /// The folder or the index.
        root: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is known.
        known: u32,
    },
    /// The store may only be read.
    #[error("store '{}' cannot be written; give another one with --store", .0.display())]
    ReadOnly(PathBuf),
    /// Somebody else can write to the store.
    #[error("store '{}' is read-only, because somebody else can change it: {problem}", .root.display())]
    Shared {
        /// Its folder.
        root: PathBuf,
        /// The other user, or the mode.
        problem: String,
    },
    /// The index does not fit the trees in the store.
    #[error(
        "the index of store '{}' does not fit its paths: {problem}; run `clutch verify \
         --rebuild-index` (until then nothing is changed)",
        .root.display()
    )]
    Lost {
        /// Its folder.
        root: PathBuf,
        /// The paths that it lacks.
        problem: String,
    },
    /// Others use the store.
    #[error("store '{}' is used by {by}; wait until it ends, then try again", .root.display())]
    InUse {
        /// Its folder.
        root: PathBuf,
        /// The user.
        by: String,
    },
    /// There is no space left.
    #[error("no space is left on the disk of '{}'; free some with `clutch gc`", .0.display())]
    Full(PathBuf),
    /// The store's path is too long.
    #[error(
        "the path of the store has {length} bytes, the most is {longest}; give a shorter one with --store"
    )]
    TooLong {
        /// Its bytes.
        length: usize,
        /// The most bytes.
        longest: usize,
    },
    /// The path is not in the store.
    #[error("'{0}' is not in the store")]
    NotValid(StorePath),
    /// A reference to nothing.
    #[error("'{path}' refers to '{reference}', which is not in the store")]
    Dangling {
        /// The path.
        path: StorePath,
        /// Its reference.
        reference: StorePath,
    },
    /// A reference that was not declared.
    #[error("'{path}' refers to '{reference}', which was not declared")]
    Undeclared {
        /// The path.
        path: StorePath,
        /// Its reference.
        reference: StorePath,
    },
    /// A reference that was declared and is not there.
    #[error("'{path}' does not refer to '{reference}', although that was declared")]
    Unheld {
        /// The path.
        path: StorePath,
        /// The declared reference.
        reference: StorePath,
    },
    /// References that lead back.
    #[error("'{0}' refers to itself through other outputs; move what they share into one output")]
    Cycle(StorePath),
    /// One path, two trees.
    #[error("'{0}' is inserted twice at once")]
    Twice(StorePath),
    /// A tree has another hash than announced.
    #[error("the tree of '{path}' has hash {found}, expected {expected}")]
    Hash {
        /// The path.
        path: StorePath,
        /// The hash that was announced.
        expected: TreeHash,
        /// The hash that it has.
        found: TreeHash,
    },
    /// A source was written while it was read.
    #[error("'{}' changed while it was copied to the store; try again", .0.display())]
    Changed(PathBuf),
    /// A result link would replace something else.
    #[error("'{}' exists and is not a result link; remove it or give another name", .0.display())]
    Occupied(PathBuf),
    /// A pin cannot be read.
    #[error("cannot read pin '{}': {problem}; make it again or remove it", .file.display())]
    Pin {
        /// Its file.
        file: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A derivation's record is damaged.
    #[error("'{path}': {problem}")]
    Derivation {
        /// The record's path.
        path: StorePath,
        /// The problem.
        problem: String,
    },
}

/// The remedy for an index that cannot be used.
fn advice(source: &rusqlite::Error) -> &'static str {
    match index::is_damaged(source) {
        true => "; run `clutch verify --rebuild-index`",
        false => "",
    }
}

impl StoreError {
    /// True if there is no room left to write.
    fn is_full(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::StorageFull,
            Self::Full(_) => true,
            _ => false,
        }
    }
}

impl Store {
    /// Opens the store in that folder, and makes it if there is none. A store that cannot be
    /// written is opened for reading.
    ///
    /// # Errors
    /// If the folder is something else, made by a newer program, or cannot be read.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let mut layout = Layout::open(root)?;
        let opened = match Index::open(layout.index(), layout.writable()) {
            Err(error) if error.is_full() => {
                // reading needs no space
                layout.refusal.get_or_insert(Refusal::Full);
                Index::open(layout.index(), false)
            }
            opened => opened,
        };
        let index = match opened? {
            Some(index) => index,
            None => match lost::without_index(&layout)? {
                Some(problem) => {
                    layout.refusal.get_or_insert(Refusal::Lost(problem));
                    Index::nothing(layout.index())
                }
                None if layout.writable() => Index::create(layout.index())?,
                None => Index::nothing(layout.index()),
            },
        };
        let mut store = Self::with(layout, index);
        if let Some(problem) = store.lost()? {
            store.layout.refusal.get_or_insert(Refusal::Lost(problem));
        }
        if store.is_writable() {
            store.remove_dead_scratch()?;
        }
        Ok(store)
    }

    fn with(layout: Layout, index: Index) -> Self {
        let pool = pool::Pool::new(layout.pool());
        Self {
            dir: layout.store(),
            layout,
            index,
            temporary_roots: temporary_roots::TemporaryRoots::default(),
            pool,
        }
    }

    /// The folder given when it was opened, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.layout.root
    }

    /// The folder that holds the store paths under their base names.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The place of a store path on this machine.
    #[must_use]
    pub fn real(&self, path: &StorePath) -> PathBuf {
        self.dir.join(path.base())
    }

    /// The folder of working directories of failed builds (it may not be there).
    #[must_use]
    pub fn failed(&self) -> PathBuf {
        self.layout.failed()
    }

    /// The folder of outputs that differed when they were built again (it may not be there).
    #[must_use]
    pub fn differing(&self) -> PathBuf {
        self.layout.differing()
    }

    /// The folder of cached evaluations (it may not be there).
    #[must_use]
    pub fn evaluations(&self) -> PathBuf {
        self.layout.evaluations()
    }

    /// The folder of facts about fetched revisions (it may not be there).
    #[must_use]
    pub fn revisions(&self) -> PathBuf {
        self.layout.revisions()
    }

    /// The folder of partial downloads.
    #[must_use]
    pub fn partial(&self) -> PathBuf {
        self.layout.partial()
    }

    /// True if this process may add to the store.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.layout.writable()
    }

    /// The info of a path; `None` if it is not valid. It gets a temporary root first ([`Store::keep`]), so the
    /// answer stays true while this store is open.
    ///
    /// # Errors
    /// If the index cannot be read, or the root cannot be written.
    pub fn info(&self, path: &StorePath) -> Result<Option<PathInfo>, StoreError> {
        self.keep([path])?;
        self.glimpse(path)
    }

    /// True if a path is valid: whole, in place and registered. It gets a temporary root, as by [`Store::info`].
    ///
    /// # Errors
    /// As [`Store::info`].
    pub fn is_valid(&self, path: &StorePath) -> Result<bool, StoreError> {
        Ok(!self.valid([path])?.is_empty())
    }

    /// The valid ones of these paths. All get temporary roots, as by [`Store::info`].
    ///
    /// # Errors
    /// As [`Store::info`].
    pub fn valid<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<BTreeSet<StorePath>, StoreError> {
        let paths: Vec<&StorePath> = paths.into_iter().collect();
        self.keep(paths.iter().copied())?;
        self.glimpse_valid(paths)
    }

    /// The info of a path at this moment, without a temporary root. Only for printing, for collections, and for
    /// paths that a rooted path refers to. To rely on the answer, use [`Store::info`].
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn glimpse(&self, path: &StorePath) -> Result<Option<PathInfo>, StoreError> {
        self.index.read(|connection| index::info(connection, path))
    }

    /// The ones of these paths that are valid at this moment, as by [`Store::glimpse`].
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn glimpse_valid<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<BTreeSet<StorePath>, StoreError> {
        self.index.read(|connection| {
            let mut valid = BTreeSet::new();
            for path in paths {
                if index::id(connection, path)?.is_some() {
                    valid.insert(path.clone());
                }
            }
            Ok(valid)
        })
    }

    /// The closure of these paths, in no particular order (`closure` has the ordered view). They get temporary
    /// roots, as by [`Store::info`].
    ///
    /// # Errors
    /// If one of them is not valid, or the index cannot be read.
    pub fn reachable(&self, roots: &[StorePath]) -> Result<Vec<PathInfo>, StoreError> {
        self.keep(roots)?;
        self.index
            .read(|connection| index::reachable(connection, roots))?
            .map_err(StoreError::NotValid)
    }

    /// Every valid path, ordered by path.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn all(&self) -> Result<Vec<PathInfo>, StoreError> {
        self.index.read(index::all)
    }

    /// Syncs the index: a root must not outlive the row of its path.
    fn sync_index(&self) -> Result<(), StoreError> {
        self.index.sync()
    }

    /// Fails if the store is read-only.
    ///
    /// # Errors
    /// The reason, if it is.
    pub fn need_writable(&self) -> Result<(), StoreError> {
        let root = self.layout.root.clone();
        match self.layout.refusal.clone() {
            None => Ok(()),
            Some(Refusal::Unwritable) => Err(StoreError::ReadOnly(root)),
            Some(Refusal::Shared(problem)) => Err(StoreError::Shared { root, problem }),
            Some(Refusal::Lost(problem)) => Err(StoreError::Lost { root, problem }),
            Some(Refusal::Full) => Err(StoreError::Full(root)),
        }
    }
}

#[cfg(test)]
mod tests;
