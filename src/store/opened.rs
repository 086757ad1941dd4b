//! Changes to valid trees: sharing their files, or replacing them by repaired ones. A folder can only be
//! changed or moved while it is writable, and a process that dies then leaves it writable. So a note of the
//! paths is first synced to a scratch folder. While its process lives, folders are writable only under the
//! insertion lock; when it is dead, the next process that finds the note seals them.

use std::{collections::BTreeSet, fmt::Write as _, io, path::Path};

use super::{Scratch, Store, StoreError, roots::entries, seal};
use crate::{
    files,
    store_path::StorePath,
    tree::{Listing, NodeKind, TreeError},
};

/// The file in a scratch folder that names the paths, a base name a line.
const NOTE: &str = "opened";

/// Paths whose folders may be writable. Dropping it without [`Opened::close`] seals them; if that fails, the
/// note stays for the next process.
pub(super) struct Opened<'s> {
    store: &'s Store,
    scratch: Option<Scratch>,
}

impl Opened<'_> {
    /// Removes the note: everything is sealed and on disk.
    pub(super) fn close(mut self) {
        self.scratch = None;
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if let Some(scratch) = self.scratch.take()
            && self.store.seal_noted(scratch.path()).is_err()
        {
            // it is locked until this process ends
            std::mem::forget(scratch);
        }
    }
}

impl Store {
    /// Writes a note in a scratch folder that folders of these paths will be writable.
    pub(super) fn note_opened<'p>(
        &self,
        scratch: Scratch,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<Opened<'_>, StoreError> {
        let mut lines = String::new();
        for path in paths {
            let _ = writeln!(lines, "{}", path.base());
        }
        files::replace(&scratch.path().join(NOTE), lines.as_bytes())?;
        files::sync_folder(&self.layout.scratch())?;
        Ok(Opened { store: self, scratch: Some(scratch) })
    }

    /// Seals the paths that a note in this scratch folder names, if there is one.
    pub(super) fn seal_noted(&self, scratch: &Path) -> Result<(), StoreError> {
        let noted = noted(scratch)?;
        if noted.is_empty() {
            return Ok(());
        }
        self.index.write(|_| noted.iter().try_for_each(|path| self.seal_folders(path)))?;
        Ok(files::sync_all(self.dir())?)
    }

    /// Checks again a `place` in a path that had other metadata: true if they are canonical now. Folders that a
    /// dead process left writable are sealed first.
    pub(super) fn is_sealed(&self, path: &StorePath, place: &Path) -> Result<bool, StoreError> {
        if !self.layout.writable() {
            return Ok(seal::is_sealed(place));
        }
        self.index.write(|_| {
            if !seal::is_sealed(place) && self.is_noted(path)? {
                self.seal_folders(path)?;
            }
            Ok(seal::is_sealed(place))
        })
    }

    fn is_noted(&self, path: &StorePath) -> io::Result<bool> {
        for scratch in entries(&self.layout.scratch())? {
            if noted(&scratch)?.contains(path) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn seal_folders(&self, path: &StorePath) -> Result<(), StoreError> {
        let listing = match Listing::read(&self.real(path)) {
            // collected meanwhile
            Err(TreeError::Io(e)) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut folders = listing.nodes().iter().filter(|node| node.kind == NodeKind::Directory);
        Ok(folders.try_for_each(|node| seal::seal_folder(&node.path, 0o555))?)
    }
}

/// The paths that the note in a scratch folder names; none if there is none.
fn noted(scratch: &Path) -> io::Result<BTreeSet<StorePath>> {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
    let text = match files::read_regular(&scratch.join(NOTE)) {
        // anything else is not clutch's
        Err(e) if matches!(e.kind(), NotFound | NotADirectory | InvalidInput) => Vec::new(),
        text => text?,
    };
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    Ok(lines.filter_map(|line| StorePath::from_base(line).ok()).collect())
}
