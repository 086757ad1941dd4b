//! The result of an evaluation: a derivation to build, with its attributes.

use std::collections::BTreeSet;

use crate::store_path::StorePath;

/// A derivation that a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its path.
    pub derivation: StorePath,
    /// The selected outputs; empty for all.
    pub outputs: BTreeSet<String>,
    /// `meta.mainProgram`.
    pub main_program: Option<String>,
    /// The environment that it runs in, if it names one.
    pub environment: Option<StorePath>,
    /// Its name.
    pub name: String,
}
