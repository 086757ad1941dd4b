//! A tree as tar entries with canonical metadata: the same tree is the same bytes. What is written
//! here is GNU tar, so that ordinary tools read it (docs/formats.md, "Export").

use std::{
    io::{self, Read, Write},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use tar::{EntryType, Header};

use super::{Listing, NodeKind, TreeError};

/// The longest name or target that stands in an entry's own header, in bytes.
pub(super) const SHORT: usize = 100;

/// The name of an entry that holds a longer one.
pub(super) const LONG: &[u8] = b"././@LongLink";

/// Writes the tree at `root` as entries whose names start with `name`; no end of archive follows.
///
/// # Errors
/// If something cannot be read, changes meanwhile, or `out` fails.
pub fn pack(listing: &Listing, name: &str, out: &mut impl Write) -> Result<(), TreeError> {
    for node in listing.nodes() {
        let mut full = name.as_bytes().to_vec();
        let below = listing.relative(node).as_os_str().as_bytes();
        if !below.is_empty() {
            full.push(b'/');
            full.extend_from_slice(below);
        }
        match node.kind {
            NodeKind::Directory => entry(out, EntryType::Directory, &full, b"", 0o555, 0)?,
            NodeKind::Symlink => {
                let target = fs_err::read_link(&node.path)?;
                let target = target.as_os_str().as_bytes();
                entry(out, EntryType::Symlink, &full, target, 0o777, 0)?;
            }
            NodeKind::File => {
                let mut file = fs_err::File::open(&node.path)?;
                let metadata = file.metadata()?;
                let executable = metadata.permissions().mode() & 0o100 != 0;
                let mode = if executable { 0o555 } else { 0o444 };
                entry(out, EntryType::Regular, &full, b"", mode, metadata.len())?;
                content(&mut file, metadata.len(), &node.path, out)?;
            }
        }
    }
    Ok(())
}

/// Writes one file of those bytes as an entry.
///
/// # Errors
/// If `out` fails.
pub fn pack_bytes(name: &str, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    entry(out, EntryType::Regular, name.as_bytes(), b"", 0o444, bytes.len() as u64)?;
    out.write_all(bytes)?;
    pad(bytes.len() as u64, out)
}

/// Writes the end of a tar file.
///
/// # Errors
/// If `out` fails.
pub fn pack_end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 1024])
}

fn entry(
    out: &mut impl Write,
    kind: EntryType,
    name: &[u8],
    target: &[u8],
    mode: u32,
    size: u64,
) -> io::Result<()> {
    // a text too long for the header gets an entry of its own before it
    for (text, kind) in [(target, EntryType::GNULongLink), (name, EntryType::GNULongName)] {
        if text.len() > SHORT {
            let size = text.len() as u64 + 1;
            out.write_all(header(kind, LONG, b"", 0, size).as_bytes())?;
            out.write_all(text)?;
            out.write_all(&[0])?;
            pad(size, out)?;
        }
    }
    out.write_all(header(kind, name, target, mode, size).as_bytes())
}

/// The one header of such an entry; longer texts than fit are cut.
pub(super) fn header(kind: EntryType, name: &[u8], target: &[u8], mode: u32, size: u64) -> Header {
    fn fill(field: &mut [u8], text: &[u8]) {
        let length = text.len().min(field.len());
        field[..length].copy_from_slice(&text[..length]);
    }
    let mut header = Header::new_gnu();
    // write the bytes directly: the crate's setters would normalise a path
    if let Some(gnu) = header.as_gnu_mut() {
        fill(&mut gnu.name, name);
        fill(&mut gnu.linkname, target);
    }
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(1);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    header
}

fn content(
    file: &mut impl Read,
    size: u64,
    path: &Path,
    out: &mut impl Write,
) -> Result<(), TreeError> {
    let copied = io::copy(&mut file.take(size), out)?;
    if copied < size {
        let text = format!("'{}' became shorter while it was read", path.display());
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text).into());
    }
    pad(size, out)?;
    Ok(())
}

fn pad(size: u64, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 512][..(size.wrapping_neg() % 512) as usize])
}
