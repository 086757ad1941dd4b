//! Writes trees and texts into a scratch folder: canonical from the start, and hashed and scanned for
//! references while they are written.

use std::{
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::Path,
};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use rayon::prelude::*;
use rustix::fs::{Mode, OFlags};

use super::{
    pool::{Pool, SMALLEST, Shareable},
    scan::{Scan, Tail},
    seal::{self, FEW, Sealed},
};
use crate::{
    files,
    store_path::StorePath,
    tree::{self, Digest, Leaf, Listing, Node, NodeKind, TreeError},
};

/// Copies a listing to `target`, which does not exist yet. `leaves` are its contents when it was listed: a file
/// that the pool has is linked. A file that has changed since gives the result another hash.
///
/// # Errors
/// If something cannot be read or written; a partial copy is left.
pub(super) fn copy(
    listing: &Listing,
    leaves: &[Option<Leaf>],
    target: &Path,
    candidates: &[StorePath],
    pool: &Pool,
    each: bool,
) -> Result<Sealed, TreeError> {
    let scan = Scan::new(candidates);
    let place = |node: &Node| match listing.relative(node) {
        root if root.as_os_str().is_empty() => target.to_owned(),
        below => target.join(below),
    };
    let folders = || listing.nodes().iter().filter(|node| node.kind == NodeKind::Directory);
    for node in folders() {
        fs_err::create_dir(place(node))?;
    }
    let synced = each && listing.nodes().len() <= FEW;
    let one = |buffer: &mut Vec<u8>, (node, known): (&Node, &Option<Leaf>)| {
        let place = place(node);
        scan.whole(listing.relative(node).as_os_str().as_bytes());
        match (node.kind, known) {
            (NodeKind::File, Some(known)) => {
                copy_file(node, known, &place, &scan, pool, synced, buffer)
            }
            (NodeKind::Symlink, _) => {
                symlink(fs_err::read_link(&node.path)?, &place)?;
                Ok((Some(seal::seal_symlink(&place, &scan)?), None))
            }
            _ => Ok((None, None)),
        }
    };
    let (leaves, shareable): (Vec<_>, Vec<_>) = listing
        .nodes()
        .par_iter()
        .zip(leaves)
        .map_init(Vec::new, one)
        .collect::<Result<Vec<_>, TreeError>>()?
        .into_iter()
        .unzip();
    // backwards, so that a folder is changed after everything in it
    for node in folders().collect::<Vec<_>>().into_iter().rev() {
        let place = place(node);
        // a folder can only be moved while it is writable
        seal::seal_folder(&place, if place == target { 0o755 } else { 0o555 })?;
        if synced {
            files::sync_folder(&place)?;
        }
    }
    Ok(Sealed {
        measure: tree::fold(listing, &leaves),
        references: scan.found(),
        synced,
        shareable: shareable.into_iter().flatten().collect(),
        kind: listing.nodes()[0].kind,
    })
}

/// Writes a file of these bytes.
///
/// # Errors
/// If it cannot be written.
pub(super) fn text(
    bytes: &[u8],
    target: &Path,
    candidates: &[StorePath],
    each: bool,
) -> Result<Sealed, TreeError> {
    let scan = Scan::new(candidates);
    scan.whole(bytes);
    let digest = *blake3::hash(bytes).as_bytes();
    create(target, false, each, |file| file.write_all(bytes))?;
    let leaf = Leaf { executable: false, digest, size: bytes.len() as u64 };
    let shareable = Shareable { file: target.to_owned(), digest, executable: false };
    Ok(Sealed {
        measure: tree::fold(&Listing::of_file(target), &[Some(leaf)]),
        references: scan.found(),
        synced: each,
        shareable: if leaf.size >= SMALLEST { vec![shareable] } else { Vec::new() },
        kind: NodeKind::File,
    })
}

fn copy_file(
    node: &Node,
    known: &Leaf,
    target: &Path,
    scan: &Scan<'_>,
    pool: &Pool,
    sync: bool,
    buffer: &mut Vec<u8>,
) -> Result<(Option<Leaf>, Option<Shareable>), TreeError> {
    let Leaf { executable, digest, size } = *known;
    let shareable = Shareable { file: target.to_owned(), digest, executable };
    let mut tail = Tail::default();
    let mut look = |piece: &[u8]| scan.piece(&mut tail, piece);
    if size >= SMALLEST && pool.link(&shareable, size, buffer, &mut look) {
        return Ok((Some(*known), None));
    }
    // a file may have become a link
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut source = fs_err::OpenOptions::new().read(true).custom_flags(flags).open(&node.path)?;
    let mut found: (Digest, u64) = Default::default();
    create(target, executable, sync, |file| {
        let mut written = Ok(());
        found = tree::hash_file(&mut source, size, buffer, |piece| {
            look(piece);
            if written.is_ok() {
                written = file.write_all(piece);
            }
        })?;
        written
    })?;
    let (digest, size) = found;
    let leaf = Leaf { executable, digest, size };
    Ok((Some(leaf), (size >= SMALLEST).then_some(Shareable { digest, ..shareable })))
}

/// Makes a file with canonical metadata.
fn create(
    target: &Path,
    executable: bool,
    sync: bool,
    fill: impl FnOnce(&mut fs_err::File) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mode = Mode::from_raw_mode(if executable { 0o555 } else { 0o444 });
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::open(target, flags, mode).map_err(|e| seal::named(e, target))?;
    let mut file = fs_err::File::from_parts(std::fs::File::from(file), target);
    fill(&mut file)?;
    seal::canonical(&file, mode).map_err(|e| seal::named(e, target))?;
    if sync {
        file.sync_all()?;
    }
    Ok(())
}
