//! Reads files for an evaluation: paths, permissions and limits.

use std::{
    io::{self, Read as _},
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    sync::PoisonError,
};

use clutch_expr::host::{FileType, HostError, HostResult};
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::{
    AccessError, EvalHost,
    access::object,
    host::{missing, refuse},
};
use crate::{
    limits, regular,
    store_path::{STORE_DIR, StorePath},
};

/// The bytes of a file of at most `most` bytes.
pub(super) fn read(host: &EvalHost<'_>, path: &Path, most: u64) -> HostResult<Vec<u8>> {
    let (mut file, bound) = host.open(path)?;
    let size = file.metadata().map_err(refuse)?.len();
    let most = most.min(bound);
    let too_large = || {
        let advice = if most < bound { "; raise the limit with --max-eval-memory" } else { "" };
        let (path, most) = (path.display(), most >> 10);
        refuse(format!("'{path}' is larger than the limit of {most} KiB{advice}"))
    };
    if size > most {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // the file may grow meanwhile, and kernel files have no size
    (&mut file).take(most + 1).read_to_end(&mut bytes).map_err(refuse)?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// Passes the bytes of a file to `take`, piece by piece, until it returns false.
pub(super) fn stream(
    host: &EvalHost<'_>,
    path: &Path,
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> HostResult<()> {
    let (mut file, most) = host.open(path)?;
    let too_large =
        || refuse(format!("'{}' is larger than the limit of {} KiB", path.display(), most >> 10));
    if file.metadata().map_err(refuse)?.len() > most {
        return Err(too_large());
    }
    let mut buffer = vec![0; 1 << 16];
    let mut taken = 0;
    loop {
        let length = match file.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other.map_err(refuse)?,
        };
        taken += length as u64;
        if taken > most {
            return Err(too_large());
        }
        if length == 0 || !take(&buffer[..length]) {
            return Ok(());
        }
    }
}

/// The names and kinds in a folder.
pub(super) fn list(host: &EvalHost<'_>, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
    use std::os::unix::ffi::OsStringExt as _;
    let shown = host.walk(path, true)?;
    let mut entries = Vec::new();
    for entry in fs_err::read_dir(host.access.real(&shown)).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        let name = entry.file_name();
        // hide what pure evaluation never reads
        if name == ".git" && host.access.check(&shown.join(&name)).is_err() {
            continue;
        }
        if entries.len() >= limits::FOLDER_ENTRIES {
            let text =
                format!("'{}' has more than {} entries", path.display(), limits::FOLDER_ENTRIES);
            return Err(HostError::new(text));
        }
        let found = entry.file_type().map_err(refuse)?;
        entries.push((name.into_vec(), kind_of(found)));
    }
    Ok(entries)
}

/// The kind of file at a path, if it exists.
pub(super) fn kind(host: &EvalHost<'_>, path: &Path) -> HostResult<Option<FileType>> {
    match fs_err::symlink_metadata(host.locate(path, false)?) {
        Ok(metadata) => Ok(Some(kind_of(metadata.file_type()))),
        // the evaluation may create the store
        Err(_) if path == Path::new(STORE_DIR) => Ok(Some(FileType::Directory)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(e) => Err(refuse(e)),
    }
}

fn kind_of(found: std::fs::FileType) -> FileType {
    match found {
        t if t.is_file() => FileType::Regular,
        t if t.is_dir() => FileType::Directory,
        t if t.is_symlink() => FileType::Symlink,
        _ => FileType::Unknown,
    }
}

impl EvalHost<'_> {
    /// Follows the links in a path, and with `last` also in its last name. Writes pending store paths
    /// first.
    pub(super) fn walk(&self, path: &Path, last: bool) -> HostResult<PathBuf> {
        self.need(path)?;
        loop {
            match self.access.resolve(path, last) {
                // a link in a readable path may lead to one of its references
                Err(AccessError::Closed(place)) if self.is_reached(&place)? => {}
                found => {
                    let found = found.map_err(refuse)?;
                    if !self.need(&found)? {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// The real path on this machine, as [`EvalHost::walk`] finds it.
    pub(super) fn locate(&self, path: &Path, last: bool) -> HostResult<PathBuf> {
        Ok(self.access.real(&self.walk(path, last)?))
    }

    /// Writes a pending store path to the store. Returns true if it was pending.
    fn need(&self, path: &Path) -> HostResult<bool> {
        let Some(path) = object(path) else { return Ok(false) };
        let mut pending = self.pending();
        let is_new = path.is_derivation() && pending.derivations.get(&path).is_some();
        if !is_new && !pending.waits(&path) {
            return Ok(false);
        }
        let store = self.realiser.store()?;
        if is_new && store.is_valid(&path)? {
            return Ok(false);
        }
        pending.commit(store)?;
        Ok(true)
    }

    /// True if a path that this evaluation made refers to the store path, directly or indirectly. It may
    /// then be read: it is the same wherever the first path exists.
    fn is_reached(&self, place: &Path) -> HostResult<bool> {
        let Some(wanted) = object(place) else { return Ok(false) };
        let mut todo: Vec<StorePath> = self.access.opened().iter().cloned().collect();
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if todo.len() == *reached {
            return Ok(false);
        }
        let store = self.realiser.store()?;
        while let Some(path) = todo.pop() {
            if path.is_derivation() {
                continue;
            }
            for reference in store.info(&path)?.into_iter().flat_map(|i| i.references) {
                if self.access.opened().insert(reference.clone()) {
                    todo.push(reference);
                }
            }
        }
        let opened = self.access.opened();
        *reached = opened.len();
        Ok(opened.contains(&wanted))
    }

    /// Opens a file to read, with the most bytes that may be read from it.
    fn open(&self, path: &Path) -> HostResult<(fs_err::File, u64)> {
        let place = self.locate(path, true)?;
        let cannot = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => refuse(missing(path)),
            _ => refuse(format!("cannot read '{}': {error}", path.display())),
        };
        // do not follow a link that was put there meanwhile
        let file = openat(CWD, &place, regular::CAREFULLY | OFlags::NOFOLLOW, Mode::empty());
        let file = fs_err::File::from_parts(file.map_err(|e| cannot(e.into()))?.into(), &place);
        let found = file.metadata().map_err(cannot)?;
        let stream = found.file_type().is_fifo() || found.file_type().is_char_device();
        if stream && self.impure.is_some() {
            return Ok((fs_err::File::open(&place).map_err(cannot)?, limits::STREAM));
        }
        regular::check(&file).map_err(cannot)?;
        if !path.starts_with(STORE_DIR) {
            self.note().files.insert(place);
        }
        Ok((file, limits::SOURCE_FILE))
    }
}
