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
    /// The file is something else.
    #[error("'{file}' is {problem}")]
    NoExport {
        /// The file.
        file: String,
        /// What it is, and what was expected.
        problem: &'static str,
    },
    /// The file is damaged. Nothing of it was taken.
    #[error("'{file}' is refused: {place}: {problem}")]
    Refused {
        /// The file.
        file: String,
        /// The place in it.
        place: String,
        /// The problem.
        problem: String,
    },
    /// The content of some paths does not prove their names. Nothing of the file was taken.
    // not how many: the file may be refused before the content of all is read
    #[error("'{file}' holds outputs of builds, which cannot be verified, such as '{path}'")]
    Unproved {
        /// The file.
        file: String,
        /// The first of those paths.
        path: StorePath,
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
            Self::Tree(_) | Self::Codec(_) | Self::NoExport { .. } | Self::Refused { .. } => false,
        }
    }
}
