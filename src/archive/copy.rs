//! A copy of a listed tree, files in parallel.

use std::{os::unix::fs::symlink, path::Path};

use rayon::prelude::*;

use super::{ArchiveError, Kind, Listing};

/// Copies what a listing holds to `target`, which does not exist yet. Of the metadata only the
/// executable bit is sure to be kept.
///
/// # Errors
/// Where something cannot be read or written; what was written so far is left.
pub fn copy(listing: &Listing, target: &Path) -> Result<(), ArchiveError> {
    let place = |node| match listing.relative(node) {
        root if root.as_os_str().is_empty() => target.to_owned(),
        below => target.join(below),
    };
    for node in listing.nodes().iter().filter(|node| node.kind == Kind::Directory) {
        fs_err::create_dir(place(node))?;
    }
    listing.nodes().par_iter().try_for_each(|node| match node.kind {
        Kind::Directory => Ok(()),
        Kind::Symlink => Ok(symlink(fs_err::read_link(&node.path)?, place(node))?),
        Kind::File => Ok(fs_err::copy(&node.path, place(node)).map(drop)?),
    })
}
