//! `builtin:wheel`: one wheel, installed for one interpreter, as a store object of its own that
//! environments are composed from. Its content depends on the wheel's bytes and the interpreter
//! alone.

pub mod entry_points;
pub mod headers;
pub(crate) mod identity;
pub(crate) mod install;
pub(crate) mod layout;
pub(crate) mod listing;
pub mod record;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use serde::Deserialize;

use self::{
    entry_points::EntryPointsError, identity::IdentityError, layout::LayoutError,
    listing::ListingError,
};
use super::{excerpt::excerpt, target::Interpreter};
use crate::{
    build::task::{Task, TaskError},
    builders::attributes,
};

/// Why a wheel cannot be installed. Nothing that was written by then may be used.
#[derive(Debug, thiserror::Error)]
pub enum WheelError {
    /// The archive is not safe or not whole.
    #[error(transparent)]
    Archive(#[from] crate::unpack::ArchiveError),
    /// The wheel as a whole is not what the specification asks for.
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
    Io(#[from] std::io::Error),
    /// Compiling failed, or the build was cancelled.
    #[error(transparent)]
    Task(#[from] TaskError),
}

/// Why a file of a wheel cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It has no place.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Its place is taken by another entry.
    #[error("'{0}' has the same place in an installation")]
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

/// The attributes of `builtin:wheel`.
#[derive(Debug, Deserialize)]
struct Attributes {
    /// The store path of the archive.
    wheel: String,
    /// The archive's own file name.
    file: String,
    /// The store path of the interpreter.
    interpreter: String,
    /// The policy for a RECORD that disagrees with the files.
    #[serde(default)]
    record: RecordPolicy,
}

/// The policy for a RECORD that does not describe the files. The archive's own hash was checked already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordPolicy {
    /// Refuse the wheel.
    #[default]
    Strict,
    /// Say so in the log.
    Lenient,
}

/// Runs `builtin:wheel`.
///
/// # Errors
/// If the archive is not a wheel that can be installed safely; names it, and the entry at fault.
pub fn build(task: &Task<'_>) -> Result<(), TaskError> {
    let attributes: Attributes = attributes::read(task)?;
    let interpreter = Interpreter::input(task, &attributes.interpreter)?;
    let archive = task.input(&attributes.wheel)?;
    let wheel = install::Wheel::open(&archive.open()?, &attributes.file)?;
    wheel.install(task, &interpreter, attributes.record, task.output("out")?)?;
    Ok(())
}
