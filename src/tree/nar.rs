//! Nix's archive format (NAR), so that Nix's hashes of trees are valid here. It is only written, as a stream,
//! and never read. The format is figure 5.2 of Eelco Dolstra's thesis,
//! "The Purely Functional Software Deployment Model".

use std::{
    io::{self, Read, Write},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use super::{Bounds, Listing, Node, NodeKind, TreeError};
use crate::hash::{Algorithm, Hash, Hasher};

/// The SHA-256 and the size of the tree at `root` in that format.
///
/// # Errors
/// If something cannot be read or is not allowed in the store.
pub fn nar(root: &Path) -> Result<(Hash, u64), TreeError> {
    let mut out = Counted { hasher: Hasher::new(Algorithm::Sha256), size: 0 };
    write_nar(&Listing::read(root)?, &mut out, Bounds::NONE)?;
    Ok((out.hasher.finish(), out.size))
}

/// The hash of the tree at `root` in that format: what `outputHashMode = "recursive"` means. The tree is
/// untrusted.
///
/// # Errors
/// As [`nar`], and if `bounds` say so.
pub fn nar_hash_within(
    root: &Path,
    algorithm: Algorithm,
    bounds: Bounds<'_>,
) -> Result<Hash, TreeError> {
    let mut hasher = Hasher::new(algorithm);
    write_nar(&Listing::read_within(root, bounds)?, &mut hasher, bounds)?;
    Ok(hasher.finish())
}

/// The hash of the tree in a listing.
///
/// # Errors
/// If something cannot be read.
pub fn nar_hash_listed(listing: &Listing, algorithm: Algorithm) -> Result<Hash, TreeError> {
    let mut hasher = Hasher::new(algorithm);
    write_nar(listing, &mut hasher, Bounds::NONE)?;
    Ok(hasher.finish())
}

/// Takes the bytes of an archive.
struct Counted {
    hasher: Hasher,
    size: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the tree in a listing in that format.
fn write_nar(listing: &Listing, out: &mut impl Write, bounds: Bounds<'_>) -> Result<(), TreeError> {
    let mut out = Nar { out, buffer: vec![0; 128 << 10], bounds };
    out.texts(&[b"nix-archive-1"])?;
    // the folders that the current entry is in, outermost first
    let mut open: Vec<usize> = Vec::new();
    for (at, node) in listing.nodes().iter().enumerate() {
        if at > 0 {
            while open.last() != Some(&node.parent) {
                out.close(open.pop())?;
            }
            out.texts(&[b"entry", b"(", b"name", node.name(), b"node"])?;
        }
        match node.kind {
            NodeKind::Directory => {
                out.texts(&[b"(", b"type", b"directory"])?;
                open.push(at);
                continue;
            }
            NodeKind::Symlink => {
                let target = fs_err::read_link(&node.path)?;
                let target = target.as_os_str().as_bytes();
                out.texts(&[b"(", b"type", b"symlink", b"target", target, b")"])?;
            }
            NodeKind::File => out.file(node)?,
        }
        if at > 0 {
            out.texts(&[b")"])?;
        }
    }
    while let Some(folder) = open.pop() {
        out.close(Some(folder))?;
    }
    Ok(())
}

struct Nar<'a, W> {
    out: &'a mut W,
    buffer: Vec<u8>,
    bounds: Bounds<'a>,
}

impl<W: Write> Nar<'_, W> {
    /// Ends a folder, and its entry in the folder above unless it is the root.
    fn close(&mut self, folder: Option<usize>) -> io::Result<()> {
        match folder {
            Some(0) => self.texts(&[b")"]),
            _ => self.texts(&[b")", b")"]),
        }
    }

    fn texts(&mut self, texts: &[&[u8]]) -> io::Result<()> {
        for text in texts {
            self.out.write_all(&(text.len() as u64).to_le_bytes())?;
            self.out.write_all(text)?;
            self.pad(text.len() as u64)?;
        }
        Ok(())
    }

    /// Zeros up to a multiple of eight bytes.
    fn pad(&mut self, length: u64) -> io::Result<()> {
        self.out.write_all(&[0; 8][..(length.wrapping_neg() % 8) as usize])
    }

    fn file(&mut self, node: &Node) -> Result<(), TreeError> {
        let mut file = fs_err::File::open(&node.path)?;
        let metadata = file.metadata()?;
        let length = metadata.len();
        self.bounds.check_file(&node.path, length)?;
        self.texts(&[b"(", b"type", b"regular"])?;
        if metadata.permissions().mode() & 0o100 != 0 {
            self.texts(&[b"executable", b""])?;
        }
        self.texts(&[b"contents"])?;
        self.out.write_all(&length.to_le_bytes())?;
        let mut left = length;
        while left > 0 {
            self.bounds.check()?;
            let wanted = left.min(self.buffer.len() as u64) as usize;
            let read = file.read(&mut self.buffer[..wanted])?;
            if read == 0 {
                let text = format!("'{}' became shorter while it was read", node.path.display());
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text).into());
            }
            self.out.write_all(&self.buffer[..read])?;
            left -= read as u64;
        }
        self.pad(length)?;
        self.texts(&[b")"])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn hashes_are_those_that_nix_prints() {
        // each is what `nix-hash --type sha256 --base32` prints for the same tree
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("tree");
        fs_err::create_dir_all(root.join("a/deep/empty")).unwrap();
        fs_err::create_dir_all(root.join("b")).unwrap();
        fs_err::write(root.join("a/deep/file"), "hello\n").unwrap();
        fs_err::write(root.join("a.b"), "sorted by bytes, so before a/").unwrap();
        fs_err::write(root.join("b/run"), "#!/bin/sh\n").unwrap();
        fs_err::set_permissions(root.join("b/run"), PermissionsExt::from_mode(0o755)).unwrap();
        fs_err::write(root.join("large"), vec![7; 300_001]).unwrap();
        symlink("b/run", root.join("link")).unwrap();
        let hash = |path: &str| nar(&root.join(path)).unwrap().0.format(crate::hash::Format::Nix32);
        assert_eq!(
            ["", "a/deep/file", "b/run", "link", "a/deep/empty"].map(hash),
            [
                "0pw3pr8909ny3rg30fmdcr36l6jg0mswxkkcm9z5fmfhnknl6z56",
                "04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw",
                "0m35wabrvlzjvv71f2xvca3vd91gh9mwvh4mm38h7yb0h9kc30v2",
                "118yrjlgbk2jl8yp9qr29ic5y1qrmn3lwpppd7hry9ir51hwbcww",
                "0sjjj9z1dhilhpc8pq4154czrb79z9cm044jvn75kxcjv6v5l2m5"
            ]
        );
    }
}
