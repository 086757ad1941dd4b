//! Why a transfer is refused or fails.

use std::io;

use crate::{codec::CodecError, store::StoreError, store_path::StorePath, tree::TreeError};

/// An error of writing or reading an export.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Reading or writing failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A store path cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The header cannot be written.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The file is not an export, or is damaged. The store is unchanged.
    #[error("cannot read export '{file}': {place}: {problem}")]
    Refused {
        /// The file.
        file: String,
        /// The place in it.
        place: String,
        /// The problem.
        problem: String,
    },
    /// The content of some paths does not prove their names. The store is unchanged.
    #[error("{}", unproved(.file, .paths, *.total))]
    Unproved {
        /// The file.
        file: String,
        /// Those paths, at least one.
        paths: Vec<StorePath>,
        /// The number of paths in the export.
        total: usize,
    },
}

impl TransferError {
    /// True if the path can be built instead: the substituter does not lie, and is not damaged.
    #[must_use]
    pub fn can_build_instead(&self) -> bool {
        use StoreError::{Dangling, NotValid};
        match self {
            Self::Unproved { .. } | Self::Io(_) => true,
            Self::Store(error) => matches!(error, Dangling { .. } | NotValid(_)),
            Self::Tree(_) | Self::Codec(_) | Self::Refused { .. } => false,
        }
    }
}

fn unproved(file: &str, paths: &[StorePath], total: usize) -> String {
    let first = paths.first().map(ToString::to_string).unwrap_or_default();
    match paths.len() {
        1 => format!("'{file}': nothing proves that the content of '{first}' fits its name"),
        count => format!(
            "'{file}': nothing proves that the content of {count} of its {total} paths fits their names, \
             such as '{first}'"
        ),
    }
}
