//! The entries of a tree in canonical order: a folder before what is in it, siblings sorted by the
//! bytes of their names.

use std::{
    ffi::OsStr,
    fs::FileType,
    os::unix::{ffi::OsStrExt, fs::FileTypeExt},
    path::{Path, PathBuf},
};

use super::{Bounds, TreeError};
use crate::limits;

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its place: the root's path, then names.
    pub path: PathBuf,
    /// Its type.
    pub kind: NodeKind,
    /// The index of the folder that it is in; the root is its own.
    pub parent: usize,
}

/// True if an entry, by its path from the root on, is listed.
pub type Keep<'k> = dyn FnMut(&Path, Option<NodeKind>) -> bool + 'k;

/// All entries of a tree, the root first.
#[derive(Clone, Debug)]
pub struct Listing {
    nodes: Vec<Node>,
}

impl Node {
    /// The last part of the path.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.path.file_name().map_or(b"", OsStr::as_bytes)
    }
}

impl Listing {
    /// Lists the tree at `root`, which may be a single file or a symlink.
    ///
    /// # Errors
    /// If a folder cannot be read, or holds something that is not allowed in the store.
    pub fn read(root: &Path) -> Result<Self, TreeError> {
        Self::read_within(root, Bounds::NONE)
    }

    /// As [`Listing::read`], for an untrusted tree.
    ///
    /// # Errors
    /// As [`Listing::read`], and if `bounds` say so.
    pub fn read_within(root: &Path, bounds: Bounds<'_>) -> Result<Self, TreeError> {
        Self::list(root, &mut |_, _| true, bounds)
    }

    /// Lists the part of the tree at `root` that `keep` accepts. It is called in canonical order, with the path
    /// from the root and the type (`None` for special files). The root itself is always kept.
    ///
    /// # Errors
    /// As [`Listing::read`]; an entry that is not kept is never an error.
    pub fn read_some(root: &Path, keep: &mut Keep<'_>) -> Result<Self, TreeError> {
        Self::list(root, keep, Bounds::NONE)
    }

    fn list(root: &Path, keep: &mut Keep<'_>, bounds: Bounds<'_>) -> Result<Self, TreeError> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut todo = vec![(root.to_owned(), fs_err::symlink_metadata(root)?.file_type(), 0)];
        // the folders that the present one is in, and itself
        let mut open: Vec<usize> = Vec::new();
        while let Some((path, found, parent)) = todo.pop() {
            let at = nodes.len();
            while open.last().is_some_and(|folder| *folder != parent) {
                open.pop();
            }
            let kind = kind_of(found, &path);
            if at > 0 && !keep(below(root, &path), kind.as_ref().ok().copied()) {
                continue;
            }
            if open.len() > limits::DEPTH {
                return Err(TreeError::Deep(path));
            }
            if path.as_os_str().len() > limits::PATH {
                return Err(TreeError::Long(path));
            }
            let node = Node { path, kind: kind?, parent };
            if node.kind == NodeKind::Directory {
                open.push(at);
                let first = todo.len();
                for entry in fs_err::read_dir(&node.path)? {
                    bounds.check()?;
                    let entry = entry?;
                    todo.push((entry.path(), entry.file_type()?, at));
                }
                // a stack: the first name has to be on top
                todo[first..]
                    .sort_unstable_by(|(a, ..), (b, ..)| b.file_name().cmp(&a.file_name()));
            }
            nodes.push(node);
        }
        Ok(Self { nodes })
    }

    /// The listing of a file, which need not be there.
    #[must_use]
    pub fn of_file(path: &Path) -> Self {
        Self { nodes: vec![Node { path: path.to_owned(), kind: NodeKind::File, parent: 0 }] }
    }

    /// The entries, the root first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The path of an entry from the root on; empty for the root.
    #[must_use]
    pub fn relative<'a>(&self, node: &'a Node) -> &'a Path {
        below(&self.nodes[0].path, &node.path)
    }
}

fn below<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

fn kind_of(found: FileType, path: &Path) -> Result<NodeKind, TreeError> {
    let kind = match found {
        t if t.is_file() => return Ok(NodeKind::File),
        t if t.is_dir() => return Ok(NodeKind::Directory),
        t if t.is_symlink() => return Ok(NodeKind::Symlink),
        t if t.is_socket() => "socket",
        t if t.is_fifo() => "named pipe",
        _ => "device",
    };
    Err(TreeError::Unsupported { path: path.to_owned(), kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_in_folders_have_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = dir.path().join("tree");
        fs_err::create_dir(&folder).unwrap();
        // siblings do not count
        for _ in 0..limits::DEPTH {
            fs_err::create_dir(folder.join("0")).unwrap();
            folder.push("1");
            fs_err::create_dir(&folder).unwrap();
        }
        let tree = dir.path().join("tree");
        assert_eq!(Listing::read(&tree).unwrap().nodes().len(), 1 + 2 * limits::DEPTH);
        fs_err::write(folder.join("file"), "").unwrap();
        let error = Listing::read(&tree).unwrap_err();
        assert!(matches!(error, TreeError::Deep(_)), "{error}");
        assert!(error.to_string().len() < 400, "{error}");
        let mut keep = |path: &Path, _| !path.ends_with("file");
        assert!(Listing::read_some(&tree, &mut keep).is_ok(), "what is not kept is no error");
        crate::files::remove_tree(&tree).unwrap();
    }

    #[test]
    fn what_no_path_can_name_is_told_in_few_words() {
        use rustix::fs::{Mode, mkdirat, open, openat};
        let dir = tempfile::tempdir().unwrap();
        let mut folder = open(dir.path(), crate::files::FOLDER, Mode::empty()).unwrap();
        let name = "n".repeat(250);
        for _ in 0..20 {
            mkdirat(&folder, &name, Mode::RWXU).unwrap();
            folder = openat(&folder, &name, crate::files::FOLDER, Mode::empty()).unwrap();
        }
        let error = Listing::read(dir.path()).unwrap_err();
        assert!(matches!(error, TreeError::Long(_)), "{error}");
        assert!(error.to_string().len() < 400, "{error}");
        crate::files::remove_tree(dir.path()).unwrap();
    }

    #[test]
    fn a_caller_that_has_enough_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("file"), "").unwrap();
        let bounds = Bounds { stop: &|| true, ..Bounds::NONE };
        let error = Listing::read_within(dir.path(), bounds).unwrap_err();
        assert!(matches!(error, TreeError::Stopped), "{error}");
    }
}
