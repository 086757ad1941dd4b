//! Why an environment cannot be composed, and why a store object cannot be part of one.

use std::{ffi::OsString, io};

use super::collision::Collision;
use crate::{
    build::task::TaskError,
    python::{
        excerpt::several,
        requirements::{Unmet, advice},
        wheel::{entry_points::EntryPointsError, headers::HeadersError, record::RecordError},
    },
    store_path::{StorePath, StorePathError},
};

/// An error while composing an environment.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// Distributions want the same path for different things.
    #[error(
        "distributions collide: {}; leave one out, or choose one: collisions.\"{}\" = \"{}\"",
        list(.0), .0[0].path, .0[0].owners[0]
    )]
    Collisions(Vec<Collision>),
    /// One name, several versions.
    #[error("two distributions are called '{name}': {first} and {second}")]
    Twice {
        /// The name as it is compared.
        name: String,
        /// The first store path.
        first: StorePath,
        /// The second store path.
        second: StorePath,
    },
    /// A distribution that cannot be part of this environment.
    #[error("distribution '{path}': {reason}")]
    Distribution {
        /// Its store path.
        path: String,
        /// The problem.
        reason: DistributionError,
    },
    /// The collision policy cannot be followed.
    #[error("collisions.\"{path}\" = \"{choice}\": no distribution with that name has this path")]
    Policy {
        /// The path from the environment.
        path: String,
        /// The distribution that it names.
        choice: String,
    },
    /// A requirement of a distribution is missing.
    #[error(
        "requirements are not met: {}; {} and run 'clutch lock requirements.txt', or set \
         'check = false;' in python.environment",
        sentences(.0),
        advice(.0)
    )]
    Requirements(Vec<Unmet>),
    /// The main program is missing.
    #[error("mainProgram = \"{name}\": the environment does not contain this program, only {has}")]
    MainProgram {
        /// The name.
        name: String,
        /// The first programs that are there.
        has: String,
    },
    /// The kernel would not start scripts with this path.
    #[error(
        "the environment's path '{path}' is too long for the first line of scripts: it may have \
         {most} characters; choose a shorter name"
    )]
    LongPath {
        /// The path.
        path: String,
        /// Its greatest length in bytes.
        most: usize,
    },
    /// An input or attribute is missing.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// Reading or writing failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn sentences(unmet: &[Unmet]) -> String {
    let texts: Vec<String> = unmet.iter().map(ToString::to_string).collect();
    several(&texts, 20, "; ")
}

impl From<EnvironmentError> for TaskError {
    fn from(error: EnvironmentError) -> Self {
        match error {
            EnvironmentError::Task(error) => error,
            EnvironmentError::Io(error) => Self::Io(error),
            other => Self::Failed(other.to_string()),
        }
    }
}

fn list(collisions: &[Collision]) -> String {
    let texts: Vec<_> = collisions.iter().map(ToString::to_string).collect();
    several(&texts, 5, "; ")
}

/// An error about a store object that cannot be part of an environment.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// Its path.
    #[error(transparent)]
    Path(#[from] StorePathError),
    /// No folder for this interpreter.
    #[error("expected a Python distribution built for CPython 3.{minor}, found {found}")]
    Other {
        /// The interpreter's version.
        minor: u32,
        /// The object in words.
        found: String,
    },
    /// Several distributions in one object.
    #[error("expected one distribution, found several: {0}")]
    Several(String),
    /// A file name, and the folder that it is in.
    #[error("the name {0:?} in '{1}' is not UTF-8")]
    FileName(OsString, String),
    /// A name or version that is too long.
    #[error("METADATA: the name or version is too long")]
    LongName,
    /// `METADATA` cannot be read.
    #[error("METADATA: {0}")]
    Headers(#[from] HeadersError),
    /// `entry_points.txt` cannot be read.
    #[error("entry_points.txt: {0}")]
    EntryPoints(#[from] EntryPointsError),
    /// `RECORD` cannot be read.
    #[error("RECORD: {0}")]
    Record(RecordError),
    /// A file cannot be read; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
}
