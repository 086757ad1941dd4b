//! Invariants of a store at any moment, whatever has happened to it: looked at from outside, with
//! nothing of the tool but the tree hash.

use std::{
    collections::BTreeSet,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use crate::Space;

impl Space {
    /// The faults of the store, a line each; nothing if all is well. Nothing is changed.
    ///
    /// Every registered path has the tree that the index says, canonical metadata, and references that
    /// are registered, too. What has a place in the store's folder has the name of a store path. Roots
    /// lead to registered paths, and result links are roots.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let index = self.store().join("var/index.sqlite");
        let folder = self.store().join("store");
        let registered = registered(&index, &folder, &self.path(""), &mut problems);
        let is_registered = |base: &str| registered.contains(base);
        for name in self.on_disk() {
            if clutch::store_path::StorePath::from_base(&name).is_err() {
                problems.push(format!("store/{name} is no store path"));
            }
        }
        let roots = self.store().join("var/roots");
        let mut holders = BTreeSet::new();
        for entry in entries(&roots.join("links")) {
            let holder = fs_err::read_link(&entry).unwrap();
            holders.insert(holder.clone());
            let Ok(target) = fs_err::read_link(&holder) else { continue };
            if target.parent() == Some(&*folder) && !is_registered(&name_of(&target)) {
                problems.push(format!("the root {} leads to nothing valid", holder.display()));
            }
        }
        for link in entries(&self.path("project")) {
            // an unfinished one has no name yet that anybody knows
            let Ok(target) = fs_err::read_link(&link) else { continue };
            if target.parent() != Some(&*folder) || name_of(&link).starts_with('.') {
                continue;
            }
            if !is_registered(&name_of(&target)) {
                problems.push(format!("{} leads to nothing valid", link.display()));
            }
            if !holders.contains(&link) {
                problems.push(format!("{} is no root", link.display()));
            }
        }
        for pin in entries(&roots.join("pins")) {
            let text = fs_err::read_to_string(&pin).unwrap();
            let is_whole = is_registered(text.lines().next().unwrap_or_default());
            if !name_of(&pin).starts_with('.') && !is_whole {
                problems.push(format!("the pin {} holds nothing valid", pin.display()));
            }
        }
        problems
    }

    /// The base names of paths whose folders a dead command may have left writable: those in the notes that
    /// it has left, too. The next command that opens the store seals them.
    #[must_use]
    pub fn noted(&self) -> BTreeSet<String> {
        let scratch = entries(&self.store().join("var/tmp"));
        let notes = scratch.iter().filter_map(|s| fs_err::read_to_string(s.join("opened")).ok());
        notes.flat_map(|note| note.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Remains of ended commands in the store that nothing needs; after a collection there is
    /// none.
    #[must_use]
    pub fn litter(&self) -> Vec<PathBuf> {
        let folders = ["tmp", "locks", "roots/live"];
        let all = folders.iter().flat_map(|folder| entries(&self.store().join("var").join(folder)));
        let links = entries(&self.store().join("var/pool"));
        all.chain(links.into_iter().filter(|link| name_of(link).starts_with('.'))).collect()
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The names in a folder, if it is there.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs_err::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// The base names that have a row; each is looked at.
fn registered(
    index: &Path,
    store: &Path,
    scratch: &Path,
    problems: &mut Vec<String>,
) -> BTreeSet<String> {
    // a copy, so that what SQLite does first after a crash is left to the next command
    let copies = tempfile::tempdir_in(scratch).unwrap();
    for ending in ["", "-wal", "-journal"] {
        let name = format!("index.sqlite{ending}");
        if index.with_file_name(&name).exists() {
            fs_err::copy(index.with_file_name(&name), copies.path().join(&name)).unwrap();
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let copy = copies.path().join("index.sqlite");
    let Ok(connection) = Connection::open_with_flags(copy, flags) else { return BTreeSet::new() };
    let mut look = || -> rusqlite::Result<BTreeSet<String>> {
        let version: i32 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
        if version == 0 {
            return Ok(BTreeSet::new());
        }
        for check in ["integrity_check", "foreign_key_check"] {
            let mut statement = connection.prepare(&format!("PRAGMA {check}"))?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                let text = row.get::<_, String>(0)?;
                if text != "ok" {
                    problems.push(format!("{check}: {text}"));
                }
            }
        }
        let mut rows = connection.prepare("SELECT base, tree, size FROM paths")?;
        let rows = rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut found = BTreeSet::new();
        for row in rows {
            let (base, tree, size): (String, [u8; 32], i64) = row?;
            match clutch::tree::measure(&store.join(&base)) {
                Err(error) => problems.push(format!("{base}: {error}")),
                Ok(measure)
                    if measure.hash.0 != tree || i64::try_from(measure.size) != Ok(size) =>
                {
                    problems.push(format!("{base} is not what the index says"));
                }
                Ok(_) => canonical(&store.join(&base), problems),
            }
            found.insert(base);
        }
        Ok(found)
    };
    look().unwrap_or_else(|error| {
        problems.push(format!("the index cannot be read: {error}"));
        BTreeSet::new()
    })
}

/// True if modes and times below a path are those of the store.
fn canonical(path: &Path, problems: &mut Vec<String>) {
    let metadata = fs_err::symlink_metadata(path).unwrap();
    let mode = metadata.permissions().mode() & 0o7777;
    let is_right = match metadata.file_type() {
        kind if kind.is_symlink() => true,
        kind if kind.is_dir() => mode == 0o555,
        _ => mode == 0o444 || mode == 0o555,
    };
    if !is_right || metadata.mtime() != 1 {
        problems.push(format!("{} has mode {mode:o}, time {}", path.display(), metadata.mtime()));
    }
    if metadata.is_dir() {
        entries(path).iter().for_each(|below| canonical(below, problems));
    }
}
