//! A process that sees nothing but what it is given. Knows paths and arguments, never derivations.

use std::path::PathBuf;

/// What to run, and all that it may see.
pub struct Request {
    /// The program: a path inside the sandbox.
    pub program: Vec<u8>,
    /// Its arguments (without the program).
    pub args: Vec<Vec<u8>>,
    /// Its whole environment.
    pub env: Vec<(String, Vec<u8>)>,
    /// What is bound in: host path, path inside, writable.
    pub binds: Vec<(PathBuf, PathBuf, bool)>,
}
