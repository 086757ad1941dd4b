//! Takes a tree out of the store. It loses its final name in one step, so nobody ever sees part of it there. On
//! an overlay file system a folder of a lower layer (a store in a container image) cannot be moved: it is
//! marked and then removed in place, so the rest that a crash leaves does not count as a tree.

use std::{io, os::unix::fs::PermissionsExt, path::Path};

use super::seal;
use crate::{files, immutable};

/// Moves a tree to `trash`, a free place in a scratch folder, or removes it if it cannot be moved. The caller
/// keeps others from using it. A missing tree is not an error.
///
/// # Errors
/// If it can neither be moved nor removed.
pub(super) fn take_away(place: &Path, trash: &Path) -> io::Result<()> {
    let is_folder = match fs_err::symlink_metadata(place) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?.is_dir(),
    };
    if is_folder {
        // a folder can only be moved while it is writable
        fs_err::set_permissions(place, PermissionsExt::from_mode(0o755))
            .map_err(|error| immutable::explain(error, place))?;
    }
    match fs_err::rename(place, trash) {
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => remove(place, is_folder),
        other => other.map_err(|error| immutable::explain(error, place)),
    }
}

/// Removes a tree in its place.
pub(super) fn remove(place: &Path, is_folder: bool) -> io::Result<()> {
    if is_folder {
        fs_err::set_permissions(place, PermissionsExt::from_mode(seal::GOING))
            .map_err(|error| immutable::explain(error, place))?;
        files::sync_folder(place)?;
    }
    files::remove_tree(place)
}
