//! An entry of a git tree.

/// A file, link, folder or submodule of a tree.
pub(super) struct Entry {
    /// Its path in the tree: any bytes but NUL, as names of files are.
    pub(super) name: Vec<u8>,
    /// Its kind.
    pub(super) kind: EntryKind,
    /// The id of its object, or of a submodule's commit.
    pub(super) id: String,
}

/// The kinds that git has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    Directory,
    File { executable: bool },
    Link,
    Submodule,
}

impl Entry {
    /// True for a file of attributes.
    pub(super) fn has_attributes(&self) -> bool {
        self.name.rsplit(|byte| *byte == b'/').next() == Some(b".gitattributes")
    }
}
