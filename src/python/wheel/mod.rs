//! `builtin:wheel`: one wheel, installed for one interpreter, as a store object of its own that
//! environments are composed from. Its content depends on the wheel's bytes and the interpreter
//! alone.

pub mod entry_points;
mod error;
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

use self::record::RecordPolicy;
use super::target::Interpreter;
use crate::{
    build::task::{Task, TaskError},
    builders::attributes,
};

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

/// Runs `builtin:wheel`.
///
/// # Errors
/// If the archive is not a wheel that can be installed safely. The error names it and the entry at fault.
pub fn build(task: &Task<'_>) -> Result<(), TaskError> {
    let attributes: Attributes = attributes::read(task)?;
    let interpreter = Interpreter::input(task, &attributes.interpreter)?;
    let archive = task.input(&attributes.wheel)?;
    let wheel = install::Wheel::open(&archive.open()?, &attributes.file)?;
    wheel.install(task, &interpreter, attributes.record, task.output("out")?)?;
    Ok(())
}
