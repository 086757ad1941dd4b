//! Tar streams into a [`Tree`].

use std::{
    io::{self, Read},
    path::Path,
};

use tar::EntryType;

use super::{
    ArchiveError, entry_name,
    tar_entries::{Entries, Entry},
    writer::{Refused, Tree},
};

/// Unpacks a (decompressed) tar stream. `select` is given each entry's clean name and gives its
/// place in the tree, or nothing if it is left out; the root itself is not asked for. Owners, times
/// and setuid bits are dropped; devices, pipes and sockets are refused.
///
/// # Errors
/// Names `archive`, the entry and the problem.
pub(crate) fn unpack(
    archive: &Path,
    stream: impl Read,
    tree: &Tree<'_>,
    select: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ArchiveError> {
    let broken = |error: io::Error| match tree.is_cancelled() {
        true => ArchiveError::Cancelled,
        false => ArchiveError::archive(archive, format!("not a whole tar: {error}")),
    };
    let is_cancelled = || tree.is_cancelled();
    let stream = Bounded { inner: stream, left: tree.limits().bytes, cancelled: &is_cancelled };
    let mut entries = Entries::new(stream);
    while let Some(entry) = entries.next_entry().map_err(broken)? {
        put(archive, &entry, &mut entries, tree, select)?;
    }
    // what follows the last entry is read too, so that the decompressor checks its sums
    io::copy(&mut entries.into_inner(), &mut io::sink()).map_err(broken)?;
    Ok(())
}

fn put(
    archive: &Path,
    entry: &Entry,
    content: &mut dyn Read,
    tree: &Tree<'_>,
    select: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ArchiveError> {
    let fail = |reason: &str| ArchiveError::entry(archive, &entry.name, reason);
    let refused = |refused: Refused| match refused {
        Refused::Reason(reason) => ArchiveError::entry(archive, &entry.name, reason),
        Refused::Io(_) | Refused::Cancelled if tree.is_cancelled() => ArchiveError::Cancelled,
        Refused::Io(error) => ArchiveError::entry(archive, &entry.name, error.to_string()),
        Refused::Cancelled => ArchiveError::Cancelled,
    };
    let name = entry_name::clean(&entry.name).map_err(fail)?;
    let is_folder = entry.kind == EntryType::Directory;
    if name.is_empty() && !is_folder {
        return Err(fail("the root can only be a folder"));
    }
    let is_file = matches!(entry.kind, EntryType::Regular | EntryType::Continuous);
    if !is_file && entry.size > 0 {
        // others would take the content for the next header
        return Err(fail("it has content, which only files may have"));
    }
    let Some(place) = (if name.is_empty() { None } else { select(&name) }) else { return Ok(()) };
    let target = |what: &str| match &entry.target {
        None => Err(fail(&format!("the {what} has no target"))),
        Some(target) => std::str::from_utf8(target)
            .map_err(|_| fail(&format!("the {what}'s target is not UTF-8"))),
    };
    match entry.kind {
        _ if is_folder => tree.directory(&place).map_err(refused),
        _ if is_file => {
            let executable = entry.mode & 0o111 != 0;
            tree.file(&place, executable, entry.size, content).map_err(refused)
        }
        EntryType::Symlink => tree.link(&place, target("link")?).map_err(refused),
        EntryType::Link => {
            let target = entry_name::clean(target("hard link")?.as_bytes()).map_err(fail)?;
            let target =
                select(&target).ok_or_else(|| fail("the hard link's target is left out"))?;
            tree.hard_link(&place, &target).map_err(refused)
        }
        EntryType::Char | EntryType::Block => Err(fail("it is a device node")),
        EntryType::Fifo => Err(fail("it is a named pipe")),
        _ => Err(fail("it is of a kind that is not supported")),
    }
}

/// A stream that fails after so many bytes, or once it is cancelled: names and entries that are left out are read,
/// too, and must not go on for ever.
struct Bounded<'a, R> {
    inner: R,
    left: u64,
    cancelled: &'a dyn Fn() -> bool,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.cancelled)() {
            return Err(io::Error::other("cancelled"));
        }
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other("it unpacks to more than is in proportion to its size")
        })?;
        Ok(count)
    }
}
