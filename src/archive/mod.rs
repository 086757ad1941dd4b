//! A directory tree as data: its entries in one order, its hash, and its form as one stream of
//! bytes. Knows nothing of the store.

mod fixed;
mod listing;
mod nar;
mod pack;
mod tree;
mod unpack;

use std::{io, path::PathBuf};

pub use fixed::fixed_hash;
pub use listing::{Kind, Listing, Node};
pub use nar::{nar_hash, nar_hash_listed, write_nar};
pub use pack::{pack, pack_bytes, pack_end};
pub use tree::{Digest, Leaf, Measure, fold, hash_file, leaf, leaves, measure, measure_listed};
pub use unpack::{Announced, UnpackError, unpack, unpack_bytes};

/// Why a tree cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Reading failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something that is neither a file nor a folder nor a symlink.
    #[error(
        "'{}' is a {kind}, but only files, folders and symlinks are allowed in the store",
        .path.display()
    )]
    Unsupported {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
}
