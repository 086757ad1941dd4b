//! The Python wing: wheels and environments, and the builders inside the binary that make them.

pub mod attributes;
pub mod bytecode;
pub mod distribution;
pub mod environment;
pub mod excerpt;
pub mod interpreter;
pub mod lock;
pub mod locking;
pub mod marker;
pub mod program_target;
pub mod requirement;
pub mod requirements;
pub mod requirements_file;
pub mod tags;
pub mod target;
pub mod version;
pub mod wheel;
pub mod wheel_name;

#[cfg(test)]
mod testing;

use crate::build::task::{Builtins, Task, TaskError};

/// The builders of this wing, by the name behind `builtin:`.
pub struct Builders;

impl Builtins for Builders {
    fn run(&self, name: &str, task: &Task<'_>) -> Result<(), TaskError> {
        match name {
            "distribution" => distribution::build(task),
            "environment" => environment::build(task),
            "python" => interpreter::build(task),
            "wheel" => wheel::build(task),
            other => Err(TaskError::Unknown(other.to_owned())),
        }
    }
}
