//! Why a wheel cannot be installed.

use std::io;

use super::{
    entry_points::EntryPointsError, identity::IdentityError, layout::LayoutError,
    listing::ListingError,
};
use crate::{build::task::TaskError, python::excerpt::excerpt, unpack::ArchiveError};

/// An error while installing a wheel. Files written until then must not be used.
#[derive(Debug, thiserror::Error)]
pub enum WheelError {
    /// The archive is not safe or not whole.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The wheel as a whole violates the specification.
    #[error("wheel '{file}': {reason}")]
    Identity {
        /// Its file name.
        file: String,
        /// The problem.
        reason: IdentityError,
    },
    /// Its RECORD cannot be used.
    #[error("wheel '{file}': RECORD: {reason}")]
    Listing {
        /// Its file name.
        file: String,
        /// The problem.
        reason: ListingError,
    },
    /// One of its files is at fault.
    #[error("wheel '{file}': '{}': {reason}", excerpt(entry))]
    Entry {
        /// Its file name.
        file: String,
        /// The entry's name.
        entry: String,
        /// The problem.
        reason: EntryError,
    },
    /// Files and RECORD disagree.
    #[error(
        "wheel '{file}': RECORD does not describe its files: {problems} (set record = \"lenient\" \
         to accept this; the lock's hash still holds)"
    )]
    Record {
        /// Its file name.
        file: String,
        /// The first few disagreements.
        problems: String,
    },
    /// Reading or writing failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Compiling failed, or the build was cancelled.
    #[error(transparent)]
    Task(#[from] TaskError),
}

/// An error about one file of a wheel.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It has no place in an installation.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Its place is taken by another entry.
    #[error("'{0}' is installed to the same place")]
    Twice(String),
    /// Another entry is in a folder of this name.
    #[error("'{0}' would have to be a folder")]
    Folder(String),
    /// It lists entry points and cannot be read.
    #[error(transparent)]
    EntryPoints(#[from] EntryPointsError),
}

impl From<WheelError> for TaskError {
    fn from(error: WheelError) -> Self {
        match error {
            WheelError::Archive(error) => error.into(),
            WheelError::Io(error) => Self::Io(error),
            WheelError::Task(error) => error,
            other => Self::Failed(other.to_string()),
        }
    }
}
