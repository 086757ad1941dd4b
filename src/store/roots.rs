//! Roots: they keep paths from being collected.
//!
//! A **result link** is a symlink that the user has somewhere; `var/roots/links` holds a symlink to
//! it, named by the hash of its place, so moving or deleting the link
//! lets the path go. Generations of profiles are such links. Pins (`pins`), running commands (`temporary_roots`) and
//! processes (`processes`) are the other roots.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fmt, io,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
};

use super::{Store, StoreError, processes, temporary_roots::Share};
use crate::{files, hash::encode_nix32, store_path::StorePath};

/// The length of names in the folder of links: 160 bits in base 32.
const NAME: usize = 32;

/// A path that is kept, with all that it refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// The holder.
    pub holder: Holder,
    /// The path.
    pub path: StorePath,
}

/// The holder of a root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A result link.
    Link(PathBuf),
    /// A pin of that name.
    Pin(String),
    /// A running command that relies on it, by process id.
    Command(u32),
    /// A process that has it open, by process id.
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
    /// Makes `link` a symlink to `path` on this machine, and a root as long as it stays there. Replaces an
    /// earlier result link.
    ///
    /// # Errors
    /// If something else is there, or a folder cannot be written.
    pub fn link_root(&self, link: &Path, path: &StorePath) -> Result<(), StoreError> {
        self.need_writable()?;
        let link = std::path::absolute(link)?;
        let occupied = || StoreError::Occupied(link.clone());
        match fs_err::read_link(&link) {
            Ok(target) => drop(store_path_of(&target).ok_or_else(occupied)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Err(occupied()),
        }
        // a collector would remove a root whose link is not there yet
        let _shared = self.collect_lock(Share::Others)?;
        let links = self.layout.links();
        let digest = blake3::hash(link.as_os_str().as_bytes());
        let root = links.join(encode_nix32(&digest.as_bytes()[..NAME * 5 / 8]));
        let leads = |from: &Path, to: &Path| fs_err::read_link(from).is_ok_and(|found| found == to);
        if leads(&root, &link) && leads(&link, &self.real(path)) {
            return Ok(());
        }
        self.sync_index()?;
        fs_err::create_dir_all(&links)?;
        // the root first, so that the link is never without it
        replace_link(&link, &root)?;
        files::sync_folder(&links)?;
        replace_link(&self.real(path), &link)?;
        Ok(())
    }

    /// Every root, ordered by holder: links, pins, running commands and processes. A link that is gone or changed
    /// is not a root, nor is an expired pin.
    ///
    /// # Errors
    /// If the folders of roots cannot be read.
    pub fn roots(&self) -> Result<Vec<Root>, StoreError> {
        let mut roots = self.lasting_roots()?;
        let kept = self.kept()?.into_iter();
        roots.extend(kept.map(|(id, path)| Root { holder: Holder::Command(id), path }));
        let used = processes::used(self.dir())?.into_iter();
        roots.extend(used.map(|(path, id)| Root { holder: Holder::Process(id), path }));
        roots.sort_unstable();
        Ok(roots)
    }

    /// Links and pins: the roots that do not end by themselves.
    pub(super) fn lasting_roots(&self) -> Result<Vec<Root>, StoreError> {
        let mut roots = self.links()?;
        let pins = self.pins()?.into_iter().filter(|pin| !pin.has_ended());
        roots.extend(pins.map(|pin| Root { holder: Holder::Pin(pin.name), path: pin.path }));
        Ok(roots)
    }

    pub(super) fn links(&self) -> Result<Vec<Root>, StoreError> {
        let mut roots = Vec::new();
        for entry in entries(&self.layout.links())? {
            let Some(holder) = target_of(&entry)? else { continue };
            let Some(target) = target_of(&holder)? else { continue };
            if target.parent() == Some(self.dir())
                && let Some(path) = store_path_of(&target)
            {
                roots.push(Root { holder: Holder::Link(holder), path });
            }
        }
        Ok(roots)
    }

    /// Removes the roots of links that are gone, and expired pins. Returns them. The caller keeps others from
    /// making new ones.
    pub(super) fn remove_dead_roots(&self) -> Result<Vec<Holder>, StoreError> {
        let mut gone = Vec::new();
        let alive: BTreeSet<Holder> = self.links()?.into_iter().map(|root| root.holder).collect();
        for entry in entries(&self.layout.links())? {
            // not clutch's
            let Some(holder) = target_of(&entry)?.map(Holder::Link) else { continue };
            let name = entry.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let is_ours = name.len() == NAME || unfinished(name).is_some();
            if is_ours && !alive.contains(&holder) {
                fs_err::remove_file(&entry)?;
                if name.len() == NAME {
                    gone.push(holder);
                }
            }
        }
        gone.extend(self.remove_ended_pins()?.into_iter().map(Holder::Pin));
        gone.sort_unstable();
        Ok(gone)
    }

    /// The roots that the next collection will remove.
    pub(super) fn dead_roots(&self) -> Result<Vec<Holder>, StoreError> {
        let alive: BTreeSet<Holder> = self.links()?.into_iter().map(|root| root.holder).collect();
        let mut gone = Vec::new();
        for entry in entries(&self.layout.links())? {
            let is_whole = entry.file_name().is_some_and(|name| name.len() == NAME);
            gone.extend(target_of(&entry)?.map(Holder::Link).filter(|_| is_whole));
        }
        gone.retain(|holder| !alive.contains(holder));
        let ended = self.pins()?.into_iter().filter(super::Pin::has_ended);
        gone.extend(ended.map(|pin| Holder::Pin(pin.name)));
        gone.sort_unstable();
        Ok(gone)
    }
}

/// The target of a symlink; `None` if there is none. An unreadable one may keep a path, so it is an error.
fn target_of(link: &Path) -> io::Result<Option<PathBuf>> {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
    match fs_err::read_link(link) {
        Ok(target) => Ok(Some(target)),
        // InvalidInput: it is something else
        Err(e) if matches!(e.kind(), NotFound | NotADirectory | InvalidInput) => Ok(None),
        Err(e) => Err(io::Error::new(
            e.kind(),
            format!("cannot read a root, so nothing can be collected: {e}"),
        )),
    }
}

/// The entries of a folder that may not be there.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs_err::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other?.map(|entry| Ok(entry?.path())).collect(),
    }
}

/// The store path in a result link's target, in any store.
pub(super) fn store_path_of(target: &Path) -> Option<StorePath> {
    StorePath::from_base(target.file_name()?.to_str()?).ok()
}

/// The final name of an unfinished symlink of [`replace_link`]: `.<name>.<id>-<n>`.
pub(super) fn unfinished(name: &str) -> Option<&str> {
    let (name, number) = name.strip_prefix('.')?.rsplit_once('.')?;
    let (id, number) = number.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(id) && digits(number)).then_some(name)
}

/// Makes `link` a symlink to `target` in one step.
pub(super) fn replace_link(target: &Path, link: &Path) -> io::Result<()> {
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
