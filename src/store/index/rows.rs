//! Queries of the index.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    hash::{Algorithm, Hash, TreeHash},
    store::{Nar, PathInfo},
    store_path::StorePath,
};

/// The columns of a [`PathInfo`].
const COLUMNS: &str = "id, base, tree, size, deriver, registered, nar, nar_size, signatures";

/// True if the index is marked as having rows.
pub(in crate::store) fn has_had_rows(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA application_id", (), |row| row.get::<_, i32>(0)).map(|id| id != 0)
}

/// Any valid path.
pub(in crate::store) fn any(connection: &Connection) -> rusqlite::Result<Option<StorePath>> {
    let any = "SELECT base FROM paths LIMIT 1";
    connection.prepare_cached(any)?.query_row((), |row| path_column(row, 0)).optional()
}

/// The trees that have no row and need none.
pub(in crate::store) fn left_out(
    connection: &Connection,
) -> rusqlite::Result<FxHashSet<StorePath>> {
    let mut statement = connection.prepare_cached("SELECT base FROM left_out")?;
    statement.query_map((), |row| path_column(row, 0))?.collect()
}

/// The time of each valid path's last use, in seconds since 1970.
pub(in crate::store) fn uses(
    connection: &Connection,
) -> rusqlite::Result<FxHashMap<StorePath, u64>> {
    connection
        .prepare_cached("SELECT base, used FROM paths")?
        .query_map((), |row| Ok((path_column(row, 0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
        .collect()
}

/// The valid ones of these paths that were not used since that time.
pub(in crate::store) fn unused_since<'p>(
    connection: &Connection,
    paths: impl IntoIterator<Item = &'p StorePath>,
    since: u64,
) -> rusqlite::Result<Vec<StorePath>> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM paths WHERE base = ? AND used < ?")?;
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for path in paths {
        if statement.exists((path.base(), since))? {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// The row of a path.
pub(in crate::store) fn id(
    connection: &Connection,
    path: &StorePath,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM paths WHERE base = ?")?
        .query_row([path.base()], |row| row.get(0))
        .optional()
}

/// The info of a path.
pub(in crate::store) fn info(
    connection: &Connection,
    path: &StorePath,
) -> rusqlite::Result<Option<PathInfo>> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM paths WHERE base = ?"))?
        .query_row([path.base()], |row| Ok((row.get(0)?, row_info(row)?)))
        .optional()?;
    let Some((id, mut info)) = found else { return Ok(None) };
    info.references = references(connection, id)?;
    Ok(Some(info))
}

/// The closure of some paths, in the order in which they are met; `None` for a path that is not valid.
pub(in crate::store) fn reachable(
    connection: &Connection,
    roots: &[StorePath],
) -> rusqlite::Result<Result<Vec<PathInfo>, StorePath>> {
    let mut row =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM paths WHERE id = ?"))?;
    let mut row_references =
        connection.prepare_cached("SELECT reference FROM refs WHERE path = ?")?;
    let mut places: FxHashMap<i64, usize> = FxHashMap::default();
    let mut ids = Vec::new();
    for root in roots {
        let Some(id) = id(connection, root)? else { return Ok(Err(root.clone())) };
        if places.insert(id, ids.len()).is_none() {
            ids.push(id);
        }
    }
    let mut infos: Vec<PathInfo> = Vec::new();
    let mut references: Vec<Vec<i64>> = Vec::new();
    while let Some(id) = ids.get(infos.len()).copied() {
        infos.push(row.query_row([id], row_info).optional()?.ok_or_else(|| dangling(1))?);
        let found = row_references.query_map([id], |row| row.get(0))?;
        references.push(found.collect::<rusqlite::Result<_>>()?);
        for id in references.last().into_iter().flatten() {
            places.entry(*id).or_insert_with(|| {
                ids.push(*id);
                ids.len() - 1
            });
        }
    }
    for (at, found) in references.iter().enumerate() {
        infos[at].references = found.iter().map(|id| infos[places[id]].path.clone()).collect();
    }
    Ok(Ok(infos))
}

/// The valid paths that are named as derivations.
pub(in crate::store) fn derivations(connection: &Connection) -> rusqlite::Result<Vec<StorePath>> {
    connection
        .prepare_cached("SELECT base FROM paths WHERE base GLOB '*.drv'")?
        .query_map((), |row| path_column(row, 0))?
        .collect()
}

/// The info of every valid path, ordered by path.
pub(in crate::store) fn all(connection: &Connection) -> rusqlite::Result<Vec<PathInfo>> {
    let mut places: FxHashMap<i64, usize> = FxHashMap::default();
    let mut infos: Vec<PathInfo> = Vec::new();
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM paths ORDER BY base"))?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        places.insert(row.get(0)?, infos.len());
        infos.push(row_info(row)?);
    }
    let mut statement = connection.prepare_cached("SELECT path, reference FROM refs")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let [path, reference] = [row.get(0)?, row.get(1)?].map(|id: i64| places.get(&id).copied());
        let (Some(path), Some(reference)) = (path, reference) else { return Err(dangling(0)) };
        let reference = infos[reference].path.clone();
        infos[path].references.insert(reference);
    }
    Ok(infos)
}

fn references(connection: &Connection, id: i64) -> rusqlite::Result<BTreeSet<StorePath>> {
    connection
        .prepare_cached(
            "SELECT base FROM refs JOIN paths ON paths.id = refs.reference WHERE refs.path = ?",
        )?
        .query_map([id], |row| path_column(row, 0))?
        .collect()
}

/// A row of [`COLUMNS`], without the references.
fn row_info(row: &Row<'_>) -> rusqlite::Result<PathInfo> {
    let deriver: Option<String> = row.get(4)?;
    let nar = match (row.get::<_, Option<[u8; 32]>>(6)?, row.get::<_, Option<i64>>(7)?) {
        (Some(hash), Some(size)) => {
            let hash = Hash::from_slice(Algorithm::Sha256, &hash);
            Some(Nar { hash, size: size.unsigned_abs() })
        }
        _ => None,
    };
    let signatures = match row.get_ref(8)?.as_str_or_null()? {
        Some(text) => text.lines().map(str::parse).collect::<Result<_, _>>().map_err(odd(8))?,
        None => BTreeSet::new(),
    };
    Ok(PathInfo {
        path: path_column(row, 1)?,
        tree: TreeHash(row.get(2)?),
        size: row.get::<_, i64>(3)?.unsigned_abs(),
        references: BTreeSet::new(),
        deriver: deriver.map(|base| to_path(&base, 4)).transpose()?,
        nar,
        signatures,
        registered: row.get::<_, i64>(5)?.unsigned_abs(),
    })
}

/// A column that holds a base name.
pub(in crate::store) fn path_column(row: &Row<'_>, column: usize) -> rusqlite::Result<StorePath> {
    let base = row.get_ref(column)?.as_str()?;
    to_path(base, column)
}

fn to_path(base: &str, column: usize) -> rusqlite::Result<StorePath> {
    StorePath::from_base(base).map_err(odd(column))
}

/// The error for a text column with a bad value.
fn odd<E: std::error::Error + Send + Sync + 'static>(
    column: usize,
) -> impl Fn(E) -> rusqlite::Error {
    move |e| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e))
    }
}

/// The error for a reference to a missing row: the index is damaged.
fn dangling(column: usize) -> rusqlite::Error {
    let problem = "a reference leads to a row that is not there".into();
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Integer, problem)
}
