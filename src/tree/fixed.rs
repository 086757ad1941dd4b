//! The hash of a fixed output, over its tree on disk.

use std::{io::Read, os::unix::fs::PermissionsExt, path::Path};

use super::{Bounds, TreeError, nar_hash_within};
use crate::{
    derivation::HashMode,
    hash::{Algorithm, Hash, Hasher},
};

/// The hash of the tree at `root` in that mode. `None` if the mode is for a file that is not
/// executable, and this is something else.
///
/// # Errors
/// If something cannot be read or is not allowed in the store, and if `bounds` say so.
pub fn fixed_hash(
    root: &Path,
    mode: HashMode,
    algorithm: Algorithm,
    bounds: Bounds<'_>,
) -> Result<Option<Hash>, TreeError> {
    if mode == HashMode::Recursive {
        return nar_hash_within(root, algorithm, bounds).map(Some);
    }
    let metadata = fs_err::symlink_metadata(root)?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 != 0 {
        return Ok(None);
    }
    bounds.check_file(root, metadata.len())?;
    let mut file = fs_err::File::open(root)?;
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; 128 << 10];
    loop {
        bounds.check()?;
        match file.read(&mut buffer)? {
            0 => return Ok(Some(hasher.finish())),
            n => hasher.update(&buffer[..n]),
        }
    }
}
