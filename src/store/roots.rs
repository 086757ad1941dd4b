//! Roots: what keeps paths from being collected.
//!
//! A **result link** is a symlink that the user has somewhere; `var/roots/links` holds a symlink to
//! it, named by the hash of its place, so that moving or deleting the result is all that it takes to
//! let go. A **pin** is a file in `var/roots/pins` under a name of the user's choice, with an end if
//! wanted. Running commands and processes are roots for as long as they run.

use std::{
    ffi::OsStr,
    fmt, io,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
};

use super::{Store, StoreError, insert::now, processes};
use crate::{
    hash::encode_nix32,
    store_path::{StorePath, check_name},
};

/// Something that keeps a path, and with it all that it refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// What keeps it.
    pub holder: Holder,
    /// The path.
    pub path: StorePath,
}

/// What keeps a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A result link.
    Link(PathBuf),
    /// A pin of that name.
    Pin(String),
    /// A command that runs and relies on it, by the id of its process.
    Command(u32),
    /// A process that has it open, by its id.
    Process(u32),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(link) => write!(f, "link '{}'", link.display()),
            Self::Pin(name) => write!(f, "pin '{name}'"),
            Self::Command(id) => write!(f, "running command {id}"),
            Self::Process(id) => write!(f, "process {id}"),
        }
    }
}

impl Store {
    /// Makes `link` a symlink to where `path` is on this machine, and a root as long as it stays
    /// where it is. An earlier result link there is replaced.
    ///
    /// # Errors
    /// Where something else is there, or a folder cannot be written.
    pub fn link_root(&self, link: &Path, path: &StorePath) -> Result<(), StoreError> {
        self.need_writable()?;
        let link = std::path::absolute(link)?;
        let occupied = || StoreError::Occupied(link.clone());
        match fs_err::read_link(&link) {
            Ok(target) => drop(store_path_of(&target).ok_or_else(occupied)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Err(occupied()),
        }
        let links = self.layout.roots().join("links");
        fs_err::create_dir_all(&links)?;
        let digest = blake3::hash(link.as_os_str().as_bytes());
        // first the root, so that the link never stands without it
        replace_link(&link, &links.join(encode_nix32(&digest.as_bytes()[..20])))?;
        replace_link(&self.real(path), &link)?;
        Ok(())
    }

    /// Keeps `path` under a name, until a time (seconds since 1970) where one is given. An earlier pin
    /// of that name is replaced.
    ///
    /// # Errors
    /// Where the name breaks the rules of store paths' names, or the store cannot be written.
    pub fn pin(&self, name: &str, path: &StorePath, until: Option<u64>) -> Result<(), StoreError> {
        self.need_writable()?;
        check_name(name)?;
        let pins = self.layout.roots().join("pins");
        fs_err::create_dir_all(&pins)?;
        let until = until.map(|until| format!("until {until}\n")).unwrap_or_default();
        let mut file = tempfile::NamedTempFile::with_prefix_in(".new-", &pins)?;
        io::Write::write_all(&mut file, format!("{}\n{until}", path.base()).as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(pins.join(name)).map_err(|e| e.error)?;
        crate::files::sync_folder(&pins)?;
        Ok(())
    }

    /// Lets go of a pin. Gives whether there was one of that name.
    ///
    /// # Errors
    /// Where the name is not valid or the store cannot be written.
    pub fn unpin(&self, name: &str) -> Result<bool, StoreError> {
        self.need_writable()?;
        check_name(name)?;
        match fs_err::remove_file(self.layout.roots().join("pins").join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            other => Ok(other.map(|()| true)?),
        }
    }

    /// Every root, ordered by its holder: links, pins that have not ended, running commands and
    /// processes. A link that has gone or leads elsewhere is none.
    ///
    /// # Errors
    /// Where the folders of roots cannot be read.
    pub fn roots(&self) -> Result<Vec<Root>, StoreError> {
        let mut roots = self.links()?;
        roots.extend(self.pins()?);
        let kept = self.kept()?.into_iter();
        roots.extend(kept.map(|(id, path)| Root { holder: Holder::Command(id), path }));
        let used = processes::used(self.dir()).into_iter();
        roots.extend(used.map(|(path, id)| Root { holder: Holder::Process(id), path }));
        roots.sort_unstable();
        Ok(roots)
    }

    fn links(&self) -> Result<Vec<Root>, StoreError> {
        let mut roots = Vec::new();
        for entry in entries(&self.layout.roots().join("links"))? {
            let Ok(holder) = fs_err::read_link(&entry) else { continue };
            let Ok(target) = fs_err::read_link(&holder) else { continue };
            if target.parent() == Some(self.dir())
                && let Some(path) = store_path_of(&target)
            {
                roots.push(Root { holder: Holder::Link(holder), path });
            }
        }
        Ok(roots)
    }

    fn pins(&self) -> Result<Vec<Root>, StoreError> {
        let mut roots = Vec::new();
        for entry in entries(&self.layout.roots().join("pins"))? {
            let Some(name) = entry.file_name().and_then(OsStr::to_str) else { continue };
            if check_name(name).is_err() || name.starts_with(".new-") {
                continue;
            }
            let text = fs_err::read_to_string(&entry)?;
            let mut lines = text.lines();
            let path = StorePath::from_base(lines.next().unwrap_or_default())?;
            let until = lines.next().and_then(|line| line.strip_prefix("until ")?.parse().ok());
            if until.is_none_or(|until: u64| until > now()) {
                roots.push(Root { holder: Holder::Pin(name.to_owned()), path });
            }
        }
        Ok(roots)
    }

    /// Removes what stands for links that have gone and pins that have ended.
    pub(super) fn remove_dead_roots(&self) -> Result<(), StoreError> {
        let alive: Vec<Root> = self.links()?.into_iter().chain(self.pins()?).collect();
        let is_alive = |holder: &Holder| alive.iter().any(|root| root.holder == *holder);
        for entry in entries(&self.layout.roots().join("links"))? {
            let holder = fs_err::read_link(&entry).map(Holder::Link);
            if !holder.is_ok_and(|holder| is_alive(&holder)) {
                fs_err::remove_file(&entry)?;
            }
        }
        for entry in entries(&self.layout.roots().join("pins"))? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !is_alive(&Holder::Pin(name)) {
                fs_err::remove_file(&entry)?;
            }
        }
        Ok(())
    }
}

/// What is in a folder that may not be there.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs_err::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other?.map(|entry| Ok(entry?.path())).collect(),
    }
}

/// The store path that a result link's target is, in whichever store.
fn store_path_of(target: &Path) -> Option<StorePath> {
    StorePath::from_base(target.file_name()?.to_str()?).ok()
}

/// Makes `link` a symlink to `target` in one step.
fn replace_link(target: &Path, link: &Path) -> io::Result<()> {
    let folder = link.parent().unwrap_or(Path::new("/"));
    let name = link.file_name().unwrap_or(OsStr::new("link"));
    let mut number = 0;
    loop {
        let mut other = OsStr::new(".").to_owned();
        other.push(name);
        other.push(format!(".{}-{number}", std::process::id()));
        let other = folder.join(other);
        match symlink(target, &other) {
            Ok(()) => return fs_err::rename(&other, link),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(e) => {
                let text = format!("failed to make the symlink '{}': {e}", other.display());
                return Err(io::Error::new(e.kind(), text));
            }
        }
    }
}
