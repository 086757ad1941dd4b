//! Reads what is left of a damaged index. If the trees contradict a row, the trees count, except for the hash:
//! otherwise damage would become valid.

use std::collections::BTreeSet;

use rusqlite::{Connection, OpenFlags, Row};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Scratch, Signature, index::path_column, layout::Layout};
use crate::{hash::TreeHash, store_path::StorePath};

/// A row of a damaged index.
#[derive(Debug)]
pub(super) struct Salvaged {
    pub(super) tree: TreeHash,
    pub(super) size: u64,
    pub(super) deriver: Option<StorePath>,
    pub(super) signatures: BTreeSet<Signature>,
    pub(super) registered: u64,
    pub(super) used: u64,
    /// The readable rows.
    pub(super) references: BTreeSet<StorePath>,
}

/// Reads as much as possible. The index itself is not touched: its files are copied to `scratch`.
pub(super) fn salvage(layout: &Layout, scratch: &Scratch) -> FxHashMap<StorePath, Salvaged> {
    let copy = scratch.path().join("index.sqlite");
    for end in ["", "-wal"] {
        let with_end = |path: &std::path::Path| {
            let mut path = path.as_os_str().to_owned();
            path.push(end);
            std::path::PathBuf::from(path)
        };
        let _ = fs_err::copy(with_end(&layout.index()), with_end(&copy));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(connection) = Connection::open_with_flags(&copy, flags) else {
        return FxHashMap::default();
    };
    let mut found: FxHashMap<StorePath, Salvaged> = FxHashMap::default();
    let mut bases: FxHashMap<i64, StorePath> = FxHashMap::default();
    // an index of version 1 has no signatures
    for signatures in ["signatures", "NULL"] {
        let sql = format!(
            "SELECT id, base, tree, size, deriver, registered, used, {signatures} FROM paths"
        );
        // stop at an error and keep the rows before it
        let _ = each(&connection, &sql, |row| {
            if let Some((id, path, salvaged)) = salvaged(row) {
                bases.insert(id, path.clone());
                found.entry(path).or_insert(salvaged);
            }
        });
    }
    let _ = each(&connection, "SELECT path, reference FROM refs", |row| {
        let name = |column| bases.get(&row.get(column).ok()?).cloned();
        if let (Some(path), Some(reference)) = (name(0), name(1))
            && let Some(salvaged) = found.get_mut(&path)
        {
            salvaged.references.insert(reference);
        }
    });
    found
}

fn each(connection: &Connection, sql: &str, mut see: impl FnMut(&Row<'_>)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        see(row);
    }
    Ok(())
}

fn salvaged(row: &Row<'_>) -> Option<(i64, StorePath, Salvaged)> {
    let number = |column| row.get::<_, i64>(column).map_or(0, i64::unsigned_abs);
    let deriver: Option<String> = row.get(4).ok().flatten();
    let signatures: String = row.get(7).ok().flatten().unwrap_or_default();
    let salvaged = Salvaged {
        tree: TreeHash(row.get(2).ok()?),
        size: row.get::<_, i64>(3).ok()?.unsigned_abs(),
        deriver: deriver.and_then(|base| StorePath::from_base(&base).ok()),
        signatures: signatures.lines().filter_map(|line| line.parse().ok()).collect(),
        registered: number(5),
        used: number(6),
        references: BTreeSet::new(),
    };
    Some((row.get(0).ok()?, path_column(row, 1).ok()?, salvaged))
}

/// True if an index is whole: SQLite finds nothing wrong, and every row can be read.
pub(super) fn is_whole(connection: &Connection) -> rusqlite::Result<bool> {
    let ok: String = connection.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))?;
    // a trigger would change what is written
    let other = "SELECT 1 FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'
                 AND name NOT IN ('paths', 'refs', 'refs_reference', 'left_out')";
    let is_strange = connection.prepare(other)?.exists(())?;
    let dangling = connection.prepare("PRAGMA foreign_key_check")?.exists(())?;
    let _: (Vec<_>, FxHashSet<_>) =
        (super::index::all(connection)?, super::index::left_out(connection)?);
    super::index::uses(connection)?;
    Ok(ok == "ok" && !dangling && !is_strange)
}
