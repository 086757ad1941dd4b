//! What an evaluation finds: a derivation to be built, and what its attributes say of it.

use std::collections::BTreeSet;

use crate::store_path::StorePath;

/// A derivation that a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its path.
    pub derivation: StorePath,
    /// The outputs that are meant; empty for all.
    pub outputs: BTreeSet<String>,
    /// What `meta.mainProgram` says.
    pub main_program: Option<String>,
    /// The environment that it runs in, where it names one.
    pub environment: Option<StorePath>,
    /// Its name.
    pub name: String,
}
