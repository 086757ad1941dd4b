//! The folders of a store below its root, and the file that marks it as one.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Write as _},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, Mode, access},
    io::Errno,
};

use super::{StoreError, roots::entries};
use crate::{files, store_path::StorePath};

/// The version of the layout.
const VERSION: u32 = 1;

/// The folders that a store may have, each after its parent.
const FOLDERS: [&str; 15] = [
    "store",
    "var",
    "var/log",
    "var/tmp",
    "var/locks",
    "var/fetch",
    "var/failed",
    "var/check",
    "var/pool",
    "var/evaluations",
    "var/revisions",
    "var/roots",
    "var/roots/links",
    "var/roots/pins",
    "var/roots/live",
];

/// The folders made with the store; the others are made on demand.
const FIRST: [&str; 8] = [
    "store",
    "var",
    "var/log",
    "var/tmp",
    "var/locks",
    "var/roots",
    "var/roots/links",
    "var/roots/pins",
];

/// The files opened by name.
const FILES: [&str; 6] = [
    "var/version",
    "var/reserve",
    "var/collect.lock",
    "var/index.sqlite",
    "var/index.sqlite-wal",
    "var/index.sqlite-shm",
];

/// The most bytes of the root's path, so that paths below it stay under the system's 4,096 (`PATH_MAX`).
const LONGEST: usize = 3000;

/// The bytes reserved for a collection on a full disk: the index's shared memory, a log of the deleted rows, and
/// a few folders.
const RESERVE: usize = 1 << 20;

/// The bits of a mode that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// The bit of a folder in which only the owner of an entry may remove it, such as `/tmp`.
const STICKY: u32 = 0o1000;

/// The reason for a store being read-only.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// Its folders cannot be written.
    Unwritable,
    /// Somebody else can write to it; the text says who.
    Shared(String),
    /// The index does not fit the trees; the text says why.
    Lost(String),
    /// The disk is full: no space even for the index's shared memory.
    Full,
}

/// The paths of a store's parts.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The root folder, absolute and without symlinks.
    pub(super) root: PathBuf,
    /// Set if this process may only read the store.
    pub(super) refusal: Option<Refusal>,
}

impl Layout {
    /// Opens the layout at `root` and makes what is missing.
    pub(super) fn open(root: &Path) -> Result<Self, StoreError> {
        if !root.exists() {
            files::make_folders(root)?;
        }
        let mut layout = Self { root: fs_err::canonicalize(root)?, refusal: None };
        if layout.root.as_os_str().len() > LONGEST {
            let length = layout.root.as_os_str().len();
            return Err(StoreError::TooLong { length, longest: LONGEST });
        }
        let shared = layout.look()?;
        match files::read_regular(&layout.version()) {
            Ok(text) => layout.check(&String::from_utf8_lossy(&text))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return layout.make().map(|()| layout);
            }
            Err(e) => return Err(e.into()),
        }
        let access_to = |p: PathBuf| access(p, Access::WRITE_OK | Access::EXEC_OK).is_ok();
        if !(access_to(layout.store()) && access_to(layout.var())) {
            layout.refusal = Some(Refusal::Unwritable);
        } else if let Some(problem) = shared {
            layout.refusal = Some(Refusal::Shared(problem));
        } else {
            layout.mend()?;
        }
        Ok(layout)
    }

    /// As [`Layout::open`], but the store must exist.
    pub(super) fn existing(root: &Path) -> Result<Self, StoreError> {
        let not = |problem: &str| StoreError::NotAStore {
            root: root.to_owned(),
            problem: problem.to_owned(),
        };
        match root.join("var/version").symlink_metadata() {
            Err(_) if !root.exists() => Err(not("it does not exist")),
            Err(_) => Err(not("it has no 'var/version'")),
            Ok(_) => Self::open(root),
        }
    }

    /// Fails if the store holds files that clutch did not make.
    pub(super) fn check_content(&self) -> Result<(), StoreError> {
        let refuse = |folder: &str, name: &OsStr| {
            let place = Path::new(folder).join(name);
            let problem = format!(
                "it holds '{}', which clutch did not make; move that away first",
                place.display()
            );
            Err(StoreError::NotAStore { root: self.root.clone(), problem })
        };
        for entry in fs_err::read_dir(&self.root)? {
            let name = entry?.file_name();
            if name != "store" && name != "var" && name != "lost+found" {
                return refuse("", &name);
            }
        }
        for entry in entries(&self.store())? {
            let name = entry.file_name().unwrap_or_default();
            if name.to_str().is_none_or(|name| StorePath::from_base(name).is_err()) {
                return refuse("store", name);
            }
        }
        for entry in entries(&self.var())? {
            let name = entry.file_name().unwrap_or_default();
            let text = name.to_string_lossy();
            let is_known = |known: &str| known.strip_prefix("var/") == Some(&*text);
            let is_ours = FOLDERS.iter().chain(&FILES).any(|known| is_known(known));
            let unfinished =
                text.starts_with("index.sqlite") || text.starts_with(files::UNFINISHED);
            if !is_ours && !unfinished {
                return refuse("var", name);
            }
        }
        Ok(())
    }

    /// Checks every folder and file that this program will open or write into. A symlink in place of one could
    /// lead to somebody else's file, so it is an error, like anything else of the wrong type. Returns who else
    /// can write to the store: they could make such a symlink at any moment.
    fn look(&self) -> Result<Option<String>, StoreError> {
        let user = rustix::process::geteuid().as_raw();
        let mut shared = None;
        let mut look = |name: &str, is_folder: bool| -> Result<bool, StoreError> {
            let place = self.root.join(name);
            let found = match place.symlink_metadata() {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
                // for an error with the path
                Err(_) => fs_err::symlink_metadata(&place)?,
                Ok(found) => found,
            };
            if found.is_dir() != is_folder || !(is_folder || found.is_file()) {
                let (is, right) =
                    (kind(found.file_type()), if is_folder { "folder" } else { "file" });
                return Err(StoreError::NotAStore {
                    root: self.root.clone(),
                    problem: format!("its '{name}' is {is}, expected a {right}"),
                });
            }
            let mode = found.mode();
            let place = || place.display().to_string().trim_end_matches('/').to_owned();
            // in a sticky folder nobody can rename the files of others, and the root has only two names
            if mode & OTHERS_WRITE != 0 && !(name.is_empty() && mode & STICKY != 0) {
                shared.get_or_insert_with(|| {
                    let (place, mode) = (place(), mode & 0o7777);
                    format!("'{place}' has mode {mode:o}; if you trust its content, run `chmod go-w '{place}'`")
                });
            } else if found.uid() != user && found.uid() != 0 {
                shared.get_or_insert_with(|| {
                    let (place, owner) = (place(), found.uid());
                    format!("'{place}' belongs to user {owner}, and you are user {user}")
                });
            }
            Ok(true)
        };
        look("", true)?;
        if look("var", true)? {
            for name in FOLDERS {
                look(name, true)?;
            }
            for name in FILES {
                look(name, false)?;
            }
        }
        Ok(shared)
    }

    /// Makes missing folders, except for that of the paths: making it would hide the damage.
    fn mend(&self) -> Result<(), StoreError> {
        for name in FIRST.into_iter().skip(1) {
            let place = self.root.join(name);
            if place.symlink_metadata().is_err() {
                make_folder(&place)?;
            }
        }
        Ok(())
    }

    /// True if this process may write to the store.
    pub(super) fn writable(&self) -> bool {
        self.refusal.is_none()
    }

    fn check(&self, text: &str) -> Result<(), StoreError> {
        let not = |problem: String| StoreError::NotAStore { root: self.root.clone(), problem };
        let number = text.strip_prefix("clutch store ").and_then(|t| t.trim_end().parse().ok());
        match number {
            Some(VERSION) => Ok(()),
            Some(found) if found > VERSION => {
                Err(StoreError::Newer { root: self.root.clone(), found, known: VERSION })
            }
            _ => Err(not("clutch did not write its 'var/version'".to_owned())),
        }
    }

    /// Makes the folders in a root that is empty or half made.
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
        for name in FIRST {
            make_folder(&self.root.join(name))?;
        }
        // the version comes last: with it the store is complete
        for folder in [self.roots(), self.var(), self.root.clone()] {
            files::sync_folder(&folder)?;
        }
        files::replace(&self.version(), format!("clutch store {VERSION}\n").as_bytes())?;
        self.reserve();
        Ok(())
    }

    /// The paths in the store's folder, valid or not, in no particular order. Entries with other names are not
    /// clutch's.
    pub(super) fn trees(&self) -> io::Result<Vec<StorePath>> {
        let mut trees = Vec::new();
        let entries = match fs_err::read_dir(self.store()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(trees),
            other => other?,
        };
        for entry in entries {
            let name = entry?.file_name();
            trees.extend(name.to_str().and_then(|name| StorePath::from_base(name).ok()));
        }
        Ok(trees)
    }

    /// Reserves some disk space for [`Layout::release`]. Failing is not an error: only a collection on a full disk
    /// needs it.
    pub(super) fn reserve(&self) {
        let place = self.root.join("var/reserve");
        if place.symlink_metadata().is_ok() {
            return;
        }
        // not zeros: some file systems do not store them
        let made = fs_err::OpenOptions::new().write(true).create_new(true).open(&place);
        let made = made.and_then(|mut file| file.write_all(&vec![0xc5; RESERVE]));
        if made.is_err() {
            let _ = files::remove_file(&place);
        }
    }

    /// Frees the space that [`Layout::reserve`] has taken.
    pub(super) fn release(&self) -> io::Result<()> {
        files::remove_file(&self.root.join("var/reserve"))
    }

    pub(super) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    pub(super) fn var(&self) -> PathBuf {
        self.root.join("var")
    }

    pub(super) fn version(&self) -> PathBuf {
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

    /// Partial downloads.
    pub(super) fn partial(&self) -> PathBuf {
        self.root.join("var/fetch")
    }

    /// Working directories of failed builds.
    pub(super) fn failed(&self) -> PathBuf {
        self.root.join("var/failed")
    }

    /// Outputs that differed when they were built again.
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

/// Makes a folder for this user alone, ignoring inherited access control lists.
fn make_folder(place: &Path) -> io::Result<()> {
    match fs_err::create_dir(place) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    let work = || {
        // an access control list lets others write in spite of the mode
        for name in ["system.posix_acl_default", "system.posix_acl_access"] {
            match rustix::fs::lremovexattr(place, name) {
                Err(Errno::NODATA | Errno::NOTSUP) | Ok(()) => {}
                Err(e) => return Err(e),
            }
        }
        let mode = place.symlink_metadata().map_or(0o755, |found| found.mode());
        if mode & OTHERS_WRITE != 0 {
            rustix::fs::chmod(place, Mode::from_raw_mode(mode & 0o7777 & !OTHERS_WRITE))?;
        }
        Ok(())
    };
    work().map_err(|e| {
        let (e, place) = (io::Error::from(e), place.display());
        io::Error::new(e.kind(), format!("failed to make the folder '{place}': {e}"))
    })
}

/// A kind of file, for messages.
fn kind(found: fs::FileType) -> &'static str {
    match found {
        t if t.is_symlink() => "a symlink",
        t if t.is_dir() => "a folder",
        t if t.is_file() => "a file",
        t if t.is_fifo() => "a pipe",
        t if t.is_socket() => "a socket",
        _ => "a device",
    }
}
