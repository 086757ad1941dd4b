//! The store paths that running processes use, as far as `/proc` shows it: programs, open and mapped files,
//! working folders, environments. In a namespace a path shows at its logical place, so both places count.

use std::{collections::BTreeSet, io, os::unix::ffi::OsStrExt, path::Path};

use memchr::memmem::Finder;
use rustix::io::Errno;

use crate::store_path::{STORE_DIR, StorePath};

/// The store paths that processes use, with the process's id. Processes of others that cannot be read are left
/// out.
///
/// # Errors
/// If something cannot be read for another reason.
pub(super) fn used(dir: &Path) -> io::Result<BTreeSet<(StorePath, u32)>> {
    let places = [Finder::new(dir.as_os_str().as_bytes()), Finder::new(STORE_DIR)];
    let mut found = BTreeSet::new();
    let Some(processes) = allowed(fs_err::read_dir("/proc"))? else { return Ok(found) };
    for process in processes {
        let process = process?;
        let name = process.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let mut see = |text: &[u8]| {
            for place in &places {
                for at in place.find_iter(text) {
                    let rest = &text[at + place.needle().len()..];
                    found.extend(first_path(rest).map(|path| (path, id)));
                }
            }
        };
        let folder = process.path();
        for link in ["exe", "cwd"] {
            if let Some(target) = allowed(fs_err::read_link(folder.join(link)))? {
                see(target.as_os_str().as_bytes());
            }
        }
        for file in ["maps", "environ"] {
            if let Some(text) = allowed(fs_err::read(folder.join(file)))? {
                see(&text);
            }
        }
        for fd in allowed(fs_err::read_dir(folder.join("fd")))?.into_iter().flatten() {
            let Some(fd) = allowed(fd)? else { break };
            if let Some(target) = allowed(fs_err::read_link(fd.path()))? {
                see(target.as_os_str().as_bytes());
            }
        }
    }
    Ok(found)
}

/// The content read; `None` if it is gone (the process has ended) or belongs to somebody else.
fn allowed<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) => {
            // the kernel's error is inside the one that names the path
            let inner = e.get_ref().and_then(|e| e.source()?.downcast_ref::<io::Error>());
            match inner.and_then(Errno::from_io_error) {
                Some(Errno::MFILE | Errno::NFILE | Errno::IO | Errno::NOMEM) => Err(e),
                _ => Ok(None),
            }
        }
    }
}

/// The store path that a text behind the store dir starts with.
fn first_path(text: &[u8]) -> Option<StorePath> {
    let text = text.strip_prefix(b"/")?;
    let good = |b: &u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(b);
    let end = text.iter().position(|b| !good(b)).unwrap_or(text.len());
    StorePath::from_base(std::str::from_utf8(&text[..end]).ok()?).ok()
}
