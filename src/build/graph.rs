//! A reference graph: how store paths refer to each other.

use std::collections::BTreeSet;

use crate::{hash::TreeHash, store_path::StorePath};

/// The attribute that asks for one.
pub(super) const ATTRIBUTE: &str = "exportReferencesGraph";

/// A store path in a reference graph: the facts that follow from its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphNode {
    /// The path.
    pub path: StorePath,
    /// The paths that it refers to, maybe itself. Each is in the graph, too.
    pub references: BTreeSet<StorePath>,
    /// Bytes in its files and symlink targets.
    pub size: u64,
    /// The hash of its tree.
    pub tree: TreeHash,
}

/// An error of a requested graph.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A file name without a path.
    #[error(
        "attribute '{ATTRIBUTE}': expected pairs of a file name and a store path, but '{0}' has no path"
    )]
    Odd(String),
    /// A name that is not for a file.
    #[error(
        "attribute '{ATTRIBUTE}': the file name '{0}' is not valid; expected letters, digits, '_', '.' \
         and '-', beginning with a letter or '_'"
    )]
    FileName(String),
    /// A text that is not a store path.
    #[error("attribute '{ATTRIBUTE}': '{0}' is not a store path")]
    NotAPath(String),
    /// A path that is not an input.
    #[error(
        "attribute '{ATTRIBUTE}': '{0}' is not an input of the derivation, so its references cannot be \
         exported"
    )]
    NotAnInput(StorePath),
}
