//! Why a transfer is refused or fails.

use std::io;

use crate::{codec::CodecError, store::StoreError, store_path::StorePath, tree::TreeError};

/// Why an export cannot be written or is refused.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Reading or writing failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store refuses something.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A store path cannot be read.
    #[error(transparent)]
    Archive(#[from] TreeError),
    /// The header cannot be written.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The file is not an export, or is damaged. Nothing of it was taken.
    #[error("'{file}' is refused: {place}: {problem}")]
    Refused {
        /// The file.
        file: String,
        /// Where in it.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// The content of some paths does not prove their names. Nothing of the file was taken.
    #[error("{}", unproved(.file, .paths, *.total))]
    Unproved {
        /// The file.
        file: String,
        /// Those paths, at least one.
        paths: Vec<StorePath>,
        /// How many paths there are in the export.
        total: usize,
    },
}

impl TransferError {
    /// Whether the path can still be built: nothing is wrong with what it was to be taken from, or it cannot be read
    /// any more.
    #[must_use]
    pub fn can_build_instead(&self) -> bool {
        use StoreError::{Dangling, NotValid};
        match self {
            Self::Unproved { .. } | Self::Io(_) => true,
            Self::Store(error) => matches!(error, Dangling { .. } | NotValid(_)),
            Self::Archive(_) | Self::Codec(_) | Self::Refused { .. } => false,
        }
    }
}

fn unproved(file: &str, paths: &[StorePath], total: usize) -> String {
    let first = paths.first().map(ToString::to_string).unwrap_or_default();
    match paths.len() {
        1 => format!("'{file}': nothing proves that '{first}' holds what its name says"),
        count => format!(
            "'{file}': nothing proves that {count} of its {total} paths hold what their names say, \
             such as '{first}'"
        ),
    }
}
