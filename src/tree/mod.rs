//! A directory tree as data: its entries in one order, its hash, and its form as one stream of
//! bytes. Knows nothing of the store.

mod bounds;
mod fixed;
mod listing;
mod merkle;
mod nar;
mod pack;
mod unpack;

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::limits;

pub use bounds::Bounds;
pub use fixed::fixed_hash;
pub use listing::{Keep, Listing, Node, NodeKind};
pub use merkle::{Digest, Leaf, Measure, fold, hash_file, leaf, leaves, leaves_within, measure};
pub use nar::{nar, nar_hash_listed, nar_hash_within};
pub use pack::{pack, pack_bytes, pack_end};
pub use unpack::{Announced, UnpackError, unpack, unpack_bytes};

/// An error of reading a tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Reading failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something that is neither a file nor a folder nor a symlink.
    #[error(
        "'{}' is a {kind}, but only files, folders and symlinks are allowed in the store",
        .path.display()
    )]
    Unsupported {
        /// Its place.
        path: PathBuf,
        /// Its type.
        kind: &'static str,
    },
    /// Folders nested too deep.
    #[error(
        "'{}' is in more than {} folders of its tree, the most in a store path",
        shown(.0), limits::DEPTH
    )]
    Deep(PathBuf),
    /// A path that no program can open.
    #[error(
        "'{}' has a path of {} bytes, the most on Linux is {}; use shorter names",
        shown(.0), .0.as_os_str().len(), limits::PATH
    )]
    Long(PathBuf),
    /// A file that is larger than it may be.
    #[error("'{}' has {size} bytes, holes included; the most is {largest}, {limit}", shown(.path))]
    Large {
        /// Its place.
        path: PathBuf,
        /// Its bytes.
        size: u64,
        /// The most that there may be.
        largest: u64,
        /// The source of that limit.
        limit: &'static str,
    },
    /// The caller's [`Bounds`] stopped the work.
    #[error("stopped")]
    Stopped,
}

/// A path for a message: of a very long one the beginning and the end.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    let start = text.char_indices().nth(120).map(|(at, _)| at);
    let end = text.char_indices().rev().nth(60).map(|(at, _)| at);
    match (start, end) {
        (Some(start), Some(end)) if start < end => format!("{}...{}", &text[..start], &text[end..]),
        _ => text,
    }
}
