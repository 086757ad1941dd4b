//! Canonical metadata, hash and references of a tree that is to be inserted, in one pass over its
//! files: mode 0444 or 0555, modification time 1, owner the store's, no extended attributes.

use std::{
    collections::BTreeSet,
    io,
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::Path,
};

use rayon::prelude::*;
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT},
    io::Errno,
};

use super::{
    pool::{Pool, SMALLEST, Shareable},
    scan::{Scan, Tail},
};
use crate::{
    files, immutable,
    store_path::StorePath,
    tree::{self, Bounds, Leaf, Listing, Measure, Node, NodeKind, TreeError},
};

/// Up to this many entries, each is synced by itself; more are synced with their file system.
pub(super) const FEW: usize = 24;

/// A tree that is ready to be moved into the store.
pub(super) struct Sealed {
    /// Its hash and size.
    pub(super) measure: Measure,
    /// The candidates that occur in it.
    pub(super) references: BTreeSet<StorePath>,
    /// True if its data are on disk already.
    pub(super) synced: bool,
    /// The files that can enter the pool when they are on disk.
    pub(super) shareable: Vec<Shareable>,
    /// The type of its root.
    pub(super) kind: NodeKind,
}

/// Makes the metadata of the tree at `root` canonical, hashes it and looks for `candidates` in it.
/// With `each`, its entries are synced one by one if they are few.
///
/// # Errors
/// If something cannot be read or changed, or is not allowed in the store, and if `bounds` say so.
pub(super) fn seal(
    root: &Path,
    candidates: &[StorePath],
    pool: Option<&Pool>,
    each: bool,
    bounds: Bounds<'_>,
) -> Result<Sealed, TreeError> {
    let listing = Listing::read_within(root, bounds)?;
    let scan = Scan::new(candidates);
    let synced = each && listing.nodes().len() <= FEW;
    let leaves = listing
        .nodes()
        .par_iter()
        .map_init(Vec::new, |buffer, node| {
            scan.whole(listing.relative(node).as_os_str().as_bytes());
            match node.kind {
                NodeKind::File => seal_file(node, &scan, pool, synced, buffer, bounds).map(Some),
                NodeKind::Symlink => seal_symlink(&node.path, &scan).map(|leaf| Some((leaf, None))),
                NodeKind::Directory => Ok(None),
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    // backwards, so that a folder is changed after everything in it
    for node in listing.nodes().iter().rev().filter(|n| n.kind == NodeKind::Directory) {
        let is_root = node.path == root;
        // a folder can only be moved while it is writable
        seal_folder(&node.path, if is_root { 0o755 } else { 0o555 })?;
        if synced {
            files::sync_folder(&node.path)?;
        }
    }
    let (leaves, shareable): (Vec<_>, Vec<_>) = leaves.into_iter().map(Option::unzip).unzip();
    let shareable = shareable.into_iter().flatten().flatten().collect();
    let measure = tree::fold(&listing, &leaves);
    let kind = listing.nodes()[0].kind;
    Ok(Sealed { measure, references: scan.found(), synced, shareable, kind })
}

/// Makes the metadata of a folder canonical, with that mode.
pub(super) fn seal_folder(path: &Path, mode: u32) -> io::Result<()> {
    let metadata = fs_err::symlink_metadata(path)?;
    let work = || {
        own(path, &metadata)?;
        if metadata.mode() & 0o7777 != mode {
            rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())?;
        }
        if !is_old(&metadata) {
            rustix::fs::utimensat(CWD, path, &old(), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        strip(
            |names| rustix::fs::llistxattr(path, names),
            |name| rustix::fs::lremovexattr(path, name),
        )
    };
    work().map_err(|e| named(e, path))
}

/// The mode of a folder that is being removed in place: its remains do not count as a tree.
pub(super) const GOING: u32 = 0o700;

/// True if this is a folder that was being removed in place.
pub(super) fn is_going(path: &Path) -> io::Result<bool> {
    let found = fs_err::symlink_metadata(path)?;
    Ok(found.is_dir() && found.mode() & 0o7777 == GOING)
}

/// True if mode and time of a file or folder are canonical.
pub(super) fn is_sealed(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| is_canonical(&metadata))
}

/// As [`is_sealed`], with metadata at hand.
pub(super) fn is_canonical(metadata: &std::fs::Metadata) -> bool {
    let mode = metadata.mode() & 0o7777;
    (mode == 0o555 || (mode == 0o444 && metadata.is_file())) && is_old(metadata)
}

/// Makes the metadata of a symlink canonical, and hashes it.
pub(super) fn seal_symlink(path: &Path, scan: &Scan<'_>) -> Result<Leaf, TreeError> {
    let target = fs_err::read_link(path)?;
    let target = target.as_os_str().as_bytes();
    scan.whole(target);
    let metadata = fs_err::symlink_metadata(path)?;
    let work = || {
        own(path, &metadata)?;
        if !is_old(&metadata) {
            rustix::fs::utimensat(CWD, path, &old(), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        strip(
            |names| rustix::fs::llistxattr(path, names),
            |name| rustix::fs::lremovexattr(path, name),
        )
    };
    work().map_err(|e| named(e, path))?;
    let digest = *blake3::hash(target).as_bytes();
    Ok(Leaf { executable: false, digest, size: target.len() as u64 })
}

fn seal_file(
    node: &Node,
    scan: &Scan<'_>,
    pool: Option<&Pool>,
    sync: bool,
    buffer: &mut Vec<u8>,
    bounds: Bounds<'_>,
) -> Result<(Leaf, Option<Shareable>), TreeError> {
    let path = &node.path;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOATIME;
    let open = |flags| rustix::fs::open(path, flags, Mode::empty());
    let open = || match open(flags) {
        // only the owner may leave the time of access alone
        Err(Errno::PERM) => open(flags.difference(OFlags::NOATIME)),
        other => other,
    };
    let file = match open() {
        Err(Errno::ACCESS) => rustix::fs::chmodat(CWD, path, Mode::RUSR, AtFlags::empty())
            .and_then(|()| open())
            .map_err(|e| named(e, path))?,
        other => other.map_err(|e| named(e, path))?,
    };
    let mut file = fs_err::File::from_parts(std::fs::File::from(file), path);
    let metadata = file.metadata()?;
    let executable = metadata.mode() & 0o100 != 0;
    let mut tail = Tail::default();
    bounds.check_file(path, metadata.len())?;
    let see = |piece: &[u8]| scan.piece(&mut tail, piece);
    let mut reading = bounds.reading(&mut file);
    let (digest, size) = tree::hash_file(&mut reading, metadata.len(), buffer, see)
        .map_err(|error| bounds.explain(error))?;
    let work = || {
        let file = file.file();
        own(path, &metadata)?;
        let mode = if executable { 0o555 } else { 0o444 };
        if metadata.mode() & 0o7777 != mode {
            rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
        }
        if !is_old(&metadata) {
            rustix::fs::futimens(file, &old())?;
        }
        strip(
            |names| rustix::fs::flistxattr(file.as_fd(), names),
            |name| rustix::fs::fremovexattr(file.as_fd(), name),
        )
    };
    work().map_err(|e| named(e, path))?;
    let shareable = Shareable { file: path.clone(), digest, executable };
    let shared = size >= SMALLEST && pool.is_some_and(|pool| pool.share(&shareable, buffer));
    if sync && !shared {
        file.sync_all()?;
    }
    Ok((Leaf { executable, digest, size }, (!shared && size >= SMALLEST).then_some(shareable)))
}

/// Makes the metadata of a file canonical that this process has just made.
pub(super) fn canonical(file: &fs_err::File, mode: Mode) -> Result<(), Errno> {
    let file = file.file();
    // the umask may have removed bits
    rustix::fs::fchmod(file, mode)?;
    rustix::fs::futimens(file, &old())?;
    // a folder may pass on attributes
    strip(
        |names| rustix::fs::flistxattr(file.as_fd(), names),
        |name| rustix::fs::fremovexattr(file.as_fd(), name),
    )
}

/// The time that everything in the store was changed at; access is left alone.
fn old() -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: 1, tv_nsec: 0 },
    }
}

fn is_old(metadata: &std::fs::Metadata) -> bool {
    metadata.mtime() == 1 && metadata.mtime_nsec() == 0
}

/// Makes this process's user the owner, instead of the build's user.
fn own(path: &Path, metadata: &std::fs::Metadata) -> Result<(), Errno> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if (metadata.uid(), metadata.gid()) == (user.as_raw(), group.as_raw()) {
        return Ok(());
    }
    rustix::fs::chownat(CWD, path, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)
}

/// Removes extended attributes, if the file system has them.
fn strip(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    remove: impl Fn(&[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let length = match list(&mut []) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(()),
        other => other?,
    };
    let mut names = vec![0; length];
    let length = list(&mut names)?;
    // the kernel's labels are its own business
    names[..length]
        .split(|b| *b == 0)
        .filter(|name| !name.is_empty() && *name != b"security.selinux")
        .try_for_each(remove)
}

pub(super) fn named(e: Errno, path: &Path) -> io::Error {
    let e = io::Error::from(e);
    let text = format!("failed to make '{}' canonical: {e}", path.display());
    immutable::explain(io::Error::new(e.kind(), text), path)
}
