//! What differs between two trees, down to the member of an archive and the part of a `.pyc` file, for
//! people who look for the reason. Knows nothing of the store, and trusts nothing that it reads: what
//! it cannot take apart is compared byte by byte.

mod container;
mod content;
mod pyc;
mod trees;

pub use trees::trees;

use crate::tree::Kind;

/// The most differences that are named in one comparison; a tree that differs everywhere is told apart
/// by the first of them.
pub const MOST: usize = 1000;

/// One difference: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path from the root of the tree on; empty for the root itself.
    pub path: String,
    /// The member of the archive at that path, the member of that, and so on.
    pub members: Vec<String>,
    /// What differs.
    pub change: Change,
}

/// What differs. The first of each pair belongs to the first tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is in the first tree or archive only.
    Missing,
    /// It is in the second tree or archive only.
    Added,
    /// The kind of the entry.
    Kind(Kind, Kind),
    /// Whether the file is executable.
    Executable(bool, bool),
    /// The target of the symlink.
    Target(String, String),
    /// What a container says of itself or of a member, by the field's name.
    Field(&'static str, String, String),
    /// The order of an archive's members; both have the same.
    Order,
    /// The bytes.
    Bytes(Window),
}

/// The first bytes that differ, with some around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Where the first difference is.
    pub offset: u64,
    /// How many bytes each has.
    pub sizes: (u64, u64),
    /// Where the bytes below begin.
    pub start: u64,
    /// Bytes of the first.
    pub first: Vec<u8>,
    /// Bytes of the second.
    pub second: Vec<u8>,
}

#[cfg(test)]
mod tests;
