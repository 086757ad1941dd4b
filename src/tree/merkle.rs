//! The tree hash: a Merkle hash over sorted entries, so that equal trees are equal hashes and a part
//! of a tree can be compared alone (docs/formats.md, "Tree hash").

use std::{io::Read, path::Path};

use rayon::prelude::*;

use super::{Bounds, Listing, Node, NodeKind, TreeError};
use crate::hash::{Purpose, TreeHash};

/// BLAKE3 of a file's content or of a symlink's target.
pub type Digest = [u8; 32];

/// From this size on (bytes) one file is hashed by several threads.
const LARGE: u64 = 4 << 20;

/// The part of a file or symlink that goes into the hash of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// True if it may be executed; never for symlinks.
    pub executable: bool,
    /// BLAKE3 of the content or of the target.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}

/// A tree's hash and the bytes in it (of files and of symlink targets).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The hash.
    pub hash: TreeHash,
    /// Bytes.
    pub size: u64,
}

/// Hashes the tree at `root`, files in parallel.
///
/// # Errors
/// If something cannot be read or is not allowed in the store.
pub fn measure(root: &Path) -> Result<Measure, TreeError> {
    let listing = Listing::read(root)?;
    Ok(fold(&listing, &leaves(&listing)?))
}

/// Hashes the files and symlinks of a listing in parallel; `None` for folders.
///
/// # Errors
/// If something cannot be read.
pub fn leaves(listing: &Listing) -> Result<Vec<Option<Leaf>>, TreeError> {
    leaves_within(listing, Bounds::NONE)
}

/// As [`leaves`], for an untrusted tree.
///
/// # Errors
/// As [`leaves`], and if `bounds` say so.
pub fn leaves_within(
    listing: &Listing,
    bounds: Bounds<'_>,
) -> Result<Vec<Option<Leaf>>, TreeError> {
    let nodes = listing.nodes().par_iter();
    nodes.map_init(Vec::new, |buffer, node| leaf_within(node, buffer, bounds)).collect()
}

/// The hash of a tree out of its leaves, one a node (nothing for folders).
#[must_use]
pub fn fold(listing: &Listing, leaves: &[Option<Leaf>]) -> Measure {
    let nodes = listing.nodes();
    let mut folders: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate().skip(1) {
        folders[node.parent].push(at);
    }
    // a folder comes before its entries, so going backwards they are known
    let mut digests = vec![[0; 32]; nodes.len()];
    for (at, leaf) in leaves.iter().enumerate().rev() {
        digests[at] = leaf.as_ref().map_or_else(
            || {
                let mut hasher = Purpose::Directory.hasher();
                for child in &folders[at] {
                    let name = nodes[*child].name();
                    hasher.update(&[letter(&nodes[*child], leaves[*child].as_ref())]);
                    hasher.update(&(name.len() as u32).to_le_bytes());
                    hasher.update(name).update(&digests[*child]);
                }
                *hasher.finalize().as_bytes()
            },
            |leaf| leaf.digest,
        );
    }
    let mut hasher = Purpose::Tree.hasher();
    hasher.update(&[letter(&nodes[0], leaves[0].as_ref())]).update(&digests[0]);
    let size = leaves.iter().flatten().map(|leaf| leaf.size).sum();
    Measure { hash: TreeHash(*hasher.finalize().as_bytes()), size }
}

/// The letter of an entry's kind.
fn letter(node: &Node, leaf: Option<&Leaf>) -> u8 {
    match node.kind {
        NodeKind::Directory => b'd',
        NodeKind::Symlink => b'l',
        NodeKind::File if leaf.is_some_and(|l| l.executable) => b'x',
        NodeKind::File => b'f',
    }
}

/// Hashes one file or symlink; `None` for a folder. `buffer` is kept between calls.
///
/// # Errors
/// If it cannot be read.
pub fn leaf(node: &Node, buffer: &mut Vec<u8>) -> Result<Option<Leaf>, TreeError> {
    leaf_within(node, buffer, Bounds::NONE)
}

fn leaf_within(
    node: &Node,
    buffer: &mut Vec<u8>,
    bounds: Bounds<'_>,
) -> Result<Option<Leaf>, TreeError> {
    use std::os::unix::{ffi::OsStrExt, fs::PermissionsExt};
    match node.kind {
        NodeKind::Directory => Ok(None),
        NodeKind::Symlink => {
            let target = fs_err::read_link(&node.path)?;
            let target = target.as_os_str().as_bytes();
            let digest = *blake3::hash(target).as_bytes();
            Ok(Some(Leaf { executable: false, digest, size: target.len() as u64 }))
        }
        NodeKind::File => {
            let mut file = fs_err::File::open(&node.path)?;
            let metadata = file.metadata()?;
            bounds.check_file(&node.path, metadata.len())?;
            let (digest, size) = hash_file(&mut file, metadata.len(), buffer, |_| {})?;
            let executable = metadata.permissions().mode() & 0o100 != 0;
            Ok(Some(Leaf { executable, digest, size }))
        }
    }
}

/// Hashes the bytes of `file` and shows every piece to `see`. `expected` is its size, if known; `buffer` is kept
/// between files.
///
/// # Errors
/// If reading fails.
pub fn hash_file(
    file: &mut impl Read,
    expected: u64,
    buffer: &mut Vec<u8>,
    mut see: impl FnMut(&[u8]) + Send,
) -> std::io::Result<(Digest, u64)> {
    let large = expected >= LARGE;
    let wanted = if large { LARGE as usize } else { 128 << 10 };
    if buffer.len() < wanted {
        buffer.resize(wanted, 0);
    }
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    loop {
        // a file with its expected size has ended: reading again would cost a call a file
        let left = usize::try_from(expected.saturating_sub(size)).unwrap_or(wanted);
        let end = if left > 0 { left.min(wanted) } else { wanted };
        let filled = fill(file, &mut buffer[..end])?;
        let piece = &buffer[..filled];
        if large && filled == end {
            rayon::join(|| hasher.update_rayon(piece), || see(piece));
        } else {
            hasher.update(piece);
            see(piece);
        }
        size += filled as u64;
        if filled < end || size == expected {
            return Ok((*hasher.finalize().as_bytes(), size));
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn tree(dir: &Path) {
        fs_err::create_dir_all(dir.join("b/empty")).unwrap();
        fs_err::write(dir.join("a"), "one").unwrap();
        fs_err::write(dir.join("b/run"), "two").unwrap();
        fs_err::set_permissions(dir.join("b/run"), PermissionsExt::from_mode(0o755)).unwrap();
        symlink("a", dir.join("link")).unwrap();
    }

    #[test]
    fn the_hash_is_the_documented_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("any name");
        tree(&root);
        let entry = |letter: u8, name: &str, digest: &Digest| {
            let len = (name.len() as u32).to_le_bytes();
            [&[letter][..], &len, name.as_bytes(), digest].concat()
        };
        let list = |entries: &[Vec<u8>]| {
            *Purpose::Directory.hasher().update(&entries.concat()).finalize().as_bytes()
        };
        let content = |text: &str| *blake3::hash(text.as_bytes()).as_bytes();
        let b = list(&[entry(b'd', "empty", &list(&[])), entry(b'x', "run", &content("two"))]);
        let top = list(&[
            entry(b'f', "a", &content("one")),
            entry(b'd', "b", &b),
            entry(b'l', "link", &content("a")),
        ]);
        let whole = Purpose::Tree.hasher().update(b"d").update(&top).finalize();
        let found = measure(&root).unwrap();
        assert_eq!(found, Measure { hash: TreeHash(*whole.as_bytes()), size: 7 });
    }

    #[test]
    fn every_difference_shows() {
        let dir = tempfile::tempdir().unwrap();
        let mut seen = vec![];
        let changes: [fn(&Path); 8] = [
            |_| {},
            |d| fs_err::write(d.join("a"), "two").unwrap(),
            |d| fs_err::set_permissions(d.join("a"), PermissionsExt::from_mode(0o755)).unwrap(),
            |d| fs_err::rename(d.join("a"), d.join("c")).unwrap(),
            |d| fs_err::remove_dir(d.join("b/empty")).unwrap(),
            |d| fs_err::write(d.join("new"), "").unwrap(),
            |d| {
                fs_err::remove_file(d.join("link")).unwrap();
                fs_err::write(d.join("link"), "a").unwrap();
            },
            |d| fs_err::rename(d.join("b/run"), d.join("run")).unwrap(),
        ];
        for (n, change) in changes.iter().enumerate() {
            let root = dir.path().join(n.to_string());
            tree(&root);
            change(&root);
            seen.push(measure(&root).unwrap().hash);
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn a_large_file_hashes_as_one_piece() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..LARGE * 2 + 12345).map(|n| ((n * n) >> 7) as u8).collect();
        fs_err::write(dir.path().join("large"), &bytes).unwrap();
        let mut seen: Vec<u8> = Vec::new();
        let mut file = fs_err::File::open(dir.path().join("large")).unwrap();
        let (digest, size) =
            hash_file(&mut file, bytes.len() as u64, &mut Vec::new(), |p| seen.extend(p)).unwrap();
        assert_eq!(digest, *blake3::hash(&bytes).as_bytes());
        assert_eq!((size, seen == bytes), (bytes.len() as u64, true));
    }

    #[test]
    fn a_pipe_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let text = measure(dir.path()).unwrap_err().to_string();
        assert!(text.contains("pipe' is a named pipe"), "{text}");
    }
}
