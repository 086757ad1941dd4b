//! The differences of two trees, down to the member of an archive and the part of a `.pyc` file, for people who look
//! for the reason. Knows nothing of the store, and trusts nothing that it reads: a file that it cannot take apart is
//! compared byte by byte.

mod container;
mod content;
mod formats;
mod pyc;
mod trees;

pub(crate) use trees::trees;

use crate::tree::NodeKind;

/// The most differences of one comparison. For a tree that differs everywhere, the first ones are enough.
pub(crate) const MOST: usize = 1000;

/// One difference and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path from the root of the tree on; empty for the root itself.
    pub path: String,
    /// The member of the archive at that path, the member of that, and so on.
    pub members: Vec<String>,
    /// The difference.
    pub change: Change,
}

/// A difference. The first of each pair belongs to the first tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is in the first tree or archive only.
    Missing,
    /// It is in the second tree or archive only.
    Added,
    /// The kind of the entry.
    Kind(NodeKind, NodeKind),
    /// One file is executable, the other is not.
    Executable(bool, bool),
    /// The target of the symlink.
    Target(String, String),
    /// A property of a container or of one of its members, by the field's name.
    Field(&'static str, String, String),
    /// The order of an archive's members; both have the same.
    Order,
    /// The bytes.
    Bytes(Window),
}

/// The first bytes that differ, with some around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The offset of the first difference.
    pub offset: u64,
    /// The sizes of both, in bytes.
    pub sizes: (u64, u64),
    /// The offset of the bytes below.
    pub start: u64,
    /// Bytes of the first.
    pub first: Vec<u8>,
    /// Bytes of the second.
    pub second: Vec<u8>,
}

#[cfg(test)]
mod tests;
