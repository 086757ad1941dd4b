//! What running processes use of a store, as far as `/proc` shows it: programs, open and mapped
//! files, working folders, environments. Inside a namespace a path is seen at its logical place, so
//! both places are looked for.

use std::{collections::BTreeSet, os::unix::ffi::OsStrExt, path::Path};

use memchr::memmem::Finder;

use crate::store_path::{STORE_DIR, StorePath};

/// The store paths that processes use, with the process's id. What cannot be read belongs to others
/// and is left out.
pub(super) fn used(dir: &Path) -> BTreeSet<(StorePath, u32)> {
    let places = [Finder::new(dir.as_os_str().as_bytes()), Finder::new(STORE_DIR)];
    let mut found = BTreeSet::new();
    let Ok(processes) = fs_err::read_dir("/proc") else { return found };
    for process in processes.flatten() {
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
            if let Ok(target) = fs_err::read_link(folder.join(link)) {
                see(target.as_os_str().as_bytes());
            }
        }
        for file in ["maps", "environ"] {
            if let Ok(text) = fs_err::read(folder.join(file)) {
                see(&text);
            }
        }
        let open = fs_err::read_dir(folder.join("fd")).into_iter().flatten().flatten();
        for target in open.filter_map(|fd| fs_err::read_link(fd.path()).ok()) {
            see(target.as_os_str().as_bytes());
        }
    }
    found
}

/// The store path that a text behind the store dir starts with.
fn first_path(text: &[u8]) -> Option<StorePath> {
    let text = text.strip_prefix(b"/")?;
    let good = |b: &u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(b);
    let end = text.iter().position(|b| !good(b)).unwrap_or(text.len());
    StorePath::from_base(std::str::from_utf8(&text[..end]).ok()?).ok()
}
