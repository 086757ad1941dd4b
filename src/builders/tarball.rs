//! Tar streams into a [`Tree`].

use std::{io::Read, path::Path};

use super::{
    archive_error::ArchiveError,
    entry_name,
    tree::{Refused, Tree},
};

/// Unpacks a (decompressed) tar stream. `select` is given each entry's clean name and says where
/// it goes in the tree, or that it is left out; the root itself is not asked for. Owners, times and
/// setuid bits are dropped; devices, pipes and sockets are refused.
///
/// # Errors
/// Names `archive`, the entry and what is wrong with it.
pub fn unpack(
    archive: &Path,
    stream: impl Read,
    tree: &Tree,
    select: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ArchiveError> {
    let broken =
        |e: std::io::Error| ArchiveError::archive(archive, format!("not a whole tar: {e}"));
    let stream = Bounded { inner: stream, left: tree.limits().bytes };
    let mut tar = tar::Archive::new(stream);
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind == tar::EntryType::XGlobalHeader {
            continue;
        }
        let raw = entry.path_bytes().into_owned();
        let fail = |reason: &str| ArchiveError::entry(archive, &raw, reason);
        let refused = |refused: Refused| match refused {
            Refused::Reason(reason) => ArchiveError::entry(archive, &raw, reason),
            Refused::Io(error) => ArchiveError::entry(archive, &raw, error.to_string()),
        };
        let name = entry_name::clean(&raw).map_err(fail)?;
        if name.is_empty() && !kind.is_dir() {
            return Err(fail("the root can only be a folder"));
        }
        let Some(place) = (if name.is_empty() { None } else { select(&name) }) else { continue };
        let target = match entry.link_name_bytes() {
            Some(bytes) => Some(
                String::from_utf8(bytes.into_owned())
                    .map_err(|_| fail("the link's target is not UTF-8"))?,
            ),
            None => None,
        };
        match kind {
            tar::EntryType::Directory => tree.directory(&place).map_err(refused)?,
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                let mode = entry.header().mode().map_err(|e| fail(&e.to_string()))?;
                let size = entry.size();
                tree.file(&place, mode & 0o111 != 0, size, &mut entry).map_err(refused)?;
            }
            tar::EntryType::Symlink => {
                let target = target.ok_or_else(|| fail("the link has no target"))?;
                tree.link(&place, &target).map_err(refused)?;
            }
            tar::EntryType::Link => {
                let target = target.ok_or_else(|| fail("the hard link has no target"))?;
                let target = entry_name::clean(target.as_bytes()).map_err(fail)?;
                let target =
                    select(&target).ok_or_else(|| fail("the hard link's target is left out"))?;
                tree.hard_link(&place, &target).map_err(refused)?;
            }
            tar::EntryType::Char | tar::EntryType::Block => {
                return Err(fail("it is a device node"));
            }
            tar::EntryType::Fifo => return Err(fail("it is a named pipe")),
            _ => return Err(fail("it is of a kind that is not supported")),
        }
    }
    // what follows the last entry is read too, so that the decompressor checks its sums
    let mut rest = tar.into_inner();
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(broken)?;
    Ok(())
}

/// A stream that fails where it goes on after so many bytes: names and what is left out are read
/// too, and must not go on for ever.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            std::io::Error::other("it unpacks to more than is in proportion to its size")
        })?;
        Ok(count)
    }
}
