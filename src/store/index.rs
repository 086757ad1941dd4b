//! The index: which paths are valid, what they refer to and what made them, in SQLite
//! (docs/formats.md, "Index"). A path is in the store exactly where its row is here. Whether it is the index of
//! what lies in the store is for `lost` to say.

use std::{
    collections::BTreeSet,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{PathInfo, StoreError};
use crate::{files, hash::TreeHash, store_path::StorePath};

/// The version of the tables, kept in SQLite's `user_version`.
const VERSION: i32 = 1;

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(120);

const TABLES: &str = "
    CREATE TABLE paths (
        id         INTEGER PRIMARY KEY,
        base       TEXT NOT NULL UNIQUE,
        tree       BLOB NOT NULL CHECK (length(tree) = 32),
        size       INTEGER NOT NULL,
        deriver    TEXT,
        registered INTEGER NOT NULL,
        used       INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE refs (
        path      INTEGER NOT NULL REFERENCES paths (id) ON DELETE CASCADE,
        reference INTEGER NOT NULL REFERENCES paths (id) ON DELETE RESTRICT,
        PRIMARY KEY (path, reference)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX refs_reference ON refs (reference);
";

/// Trees that have no row and need none: those that a collection is removing, and those that were left out
/// when the index was made anew. An index of an earlier program gets the table with the first of them.
const LEFT_OUT: &str =
    "CREATE TABLE IF NOT EXISTS left_out (base TEXT PRIMARY KEY) STRICT, WITHOUT ROWID";

/// How an index is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Write,
    Read,
    /// There is none: one without rows, in memory, stands for it.
    Nothing,
}

/// The index of one store. Any thread may use it; each use takes a connection of its own.
pub(super) struct Index {
    path: PathBuf,
    access: Access,
    idle: Mutex<Vec<Connection>>,
    /// Threads of one process wait here, where they are woken at once; processes wait in SQLite.
    writing: Mutex<()>,
}

impl Index {
    /// Opens the index; nothing where there is none yet.
    pub(super) fn open(path: PathBuf, writable: bool) -> Result<Option<Self>, StoreError> {
        // before SQLite makes an empty file
        if !path.metadata().is_ok_and(|found| found.len() > 0 || !found.is_file()) {
            return Ok(None);
        }
        let access = if writable { Access::Write } else { Access::Read };
        let (index, connection) = Self::connected(path, access)?;
        let found = index.explain(version(&connection))?;
        index.idle().push(connection);
        match found {
            0 => Ok(None),
            VERSION => Ok(Some(index)),
            _ => {
                let (root, known) = (index.path, VERSION.unsigned_abs());
                Err(StoreError::Newer { root, found: found.unsigned_abs(), known })
            }
        }
    }

    /// Makes the index, unless another process was quicker. It is on disk when this returns, so that no power
    /// cut leaves trees in a store that seems to have had no index.
    pub(super) fn create(path: PathBuf) -> Result<Self, StoreError> {
        let (index, mut connection) = Self::connected(path, Access::Write)?;
        index.explain(connection.pragma_update(None, "synchronous", "FULL"))?;
        let make = |transaction: &Transaction<'_>| {
            if version(transaction)? == 0 {
                transaction.execute_batch(TABLES)?;
                transaction.execute_batch(LEFT_OUT)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
            }
            Ok(())
        };
        let made = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let made =
            made.and_then(|transaction| make(&transaction).and_then(|()| transaction.commit()));
        index.explain(made)?;
        index.sync()?;
        index.explain(connection.pragma_update(None, "synchronous", "NORMAL"))?;
        index.idle().push(connection);
        Ok(index)
    }

    /// Closes the index of which this is the only user; everything is in its one file then, and on disk.
    pub(super) fn close(self) -> Result<(), StoreError> {
        let connection = self.take()?;
        // closing does the same, and says nothing if it fails
        let busy: i64 =
            self.explain(
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0)),
            )?;
        drop(connection);
        let place = self.path.clone();
        drop(self);
        let mut log = place.clone().into_os_string();
        log.push("-wal");
        if busy != 0 || Path::new(&log).exists() {
            let problem = format!("'{}' was not written to its end", place.display());
            return Err(std::io::Error::other(problem).into());
        }
        Ok(fs_err::File::open(&place)?.sync_all()?)
    }

    /// What stands for an index that is not there: no path is valid, and nothing is written.
    pub(super) fn nothing(path: PathBuf) -> Self {
        Self { path, access: Access::Nothing, idle: Mutex::default(), writing: Mutex::default() }
    }

    fn connected(path: PathBuf, access: Access) -> Result<(Self, Connection), StoreError> {
        let index = Self { access, ..Self::nothing(path) };
        let connection = index.connect()?;
        Ok((index, connection))
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        self.explain(match self.access {
            Access::Write => self.connect_to_write(),
            Access::Read => self.connect_to_read(),
            Access::Nothing => Connection::open_in_memory().and_then(|connection| {
                connection.execute_batch(TABLES)?;
                Ok(connection)
            }),
        })
    }

    fn connect_to_write(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        patiently(|| connection.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())))?;
        // a commit that a power cut undoes leaves files without a row, never a row without files
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }

    /// Opens the index where nothing can be written. Where somebody who can write is at work, or has
    /// left all three files, SQLite reads them as usual. Else nobody is there: the index is read as a file
    /// that does not change, or, with a log that was left behind, into memory without any locks.
    fn connect_to_read(&self) -> rusqlite::Result<Connection> {
        let open = |options: &str| {
            let name: String = self
                .path
                .to_string_lossy()
                .chars()
                .map(|c| match c {
                    '%' => "%25".to_owned(),
                    '?' => "%3f".to_owned(),
                    '#' => "%23".to_owned(),
                    c => c.to_string(),
                })
                .collect();
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
                | OpenFlags::SQLITE_OPEN_URI
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(format!("file:{name}?{options}"), flags)?;
            connection.busy_timeout(PATIENCE)?;
            if options.ends_with("unix-none") {
                // without this, the log's index would be a file
                connection.query_row("PRAGMA locking_mode = EXCLUSIVE", (), |_| Ok(()))?;
            }
            connection.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
            Ok(connection)
        };
        let log = self.path.with_extension("sqlite-wal");
        match open("mode=ro") {
            Ok(connection) => Ok(connection),
            Err(_) if log.metadata().map_or(true, |m| m.len() == 0) => open("immutable=1"),
            Err(_) => open("mode=ro&vfs=unix-none"),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn explain<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|source| match is_full(&source) {
            true => StoreError::Full(self.path.clone()),
            false => StoreError::Index { path: self.path.clone(), source },
        })
    }

    /// Reads with a connection of its own; all that `work` reads is of one moment.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let connection = self.take()?;
        let result = connection.unchecked_transaction().and_then(|moment| work(&moment));
        self.idle().push(connection);
        self.explain(result)
    }

    /// Makes what was written durable: everything committed is in the log, or was synced when it
    /// left it.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        match fs_err::File::open(self.path.with_extension("sqlite-wal")) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other?.sync_all()?,
        }
        // SQLite makes the log's name durable only when it syncs the log itself
        match self.path.parent() {
            Some(folder) => Ok(files::sync_folder(folder)?),
            None => Ok(()),
        }
    }

    /// As [`Index::write`], and what it did is on disk when this returns.
    pub(super) fn write_durably<T>(
        &self,
        work: impl FnOnce(&Writer<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = self.take()?;
        self.explain(connection.pragma_update(None, "synchronous", "FULL"))?;
        let (connection, result) = self.transact(connection, work)?;
        self.explain(connection.pragma_update(None, "synchronous", "NORMAL"))?;
        self.idle().push(connection);
        Ok(result)
    }

    /// Does `work` in one transaction, alone among all threads and processes. An error undoes it.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Writer<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, result) = self.transact(self.take()?, work)?;
        self.idle().push(connection);
        Ok(result)
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle().pop();
        idle.map_or_else(|| self.connect(), Ok)
    }

    fn transact<T>(
        &self,
        mut connection: Connection,
        work: impl FnOnce(&Writer<'_>) -> Result<T, StoreError>,
    ) -> Result<(Connection, T), StoreError> {
        let result = {
            let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
            let writer = Writer { transaction: self.explain(begun)?, index: self };
            let result = work(&writer)?;
            self.explain(writer.transaction.commit())?;
            result
        };
        Ok((connection, result))
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA user_version", (), |row| row.get(0))
}

/// Tries again while somebody else is at it. SQLite waits by itself, but not where a reader becomes a
/// writer, which is so where several processes make one index.
fn patiently<T>(work: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        match work() {
            Err(e)
                if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && Instant::now() < end =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

/// A transaction that may change the index.
pub(super) struct Writer<'a> {
    transaction: Transaction<'a>,
    index: &'a Index,
}

impl Writer<'_> {
    /// What is known of a path.
    pub(super) fn info(&self, path: &StorePath) -> Result<Option<PathInfo>, StoreError> {
        self.index.explain(info(&self.transaction, path))
    }

    /// Adds paths; what they refer to is among them or valid.
    pub(super) fn register(&self, infos: &[&PathInfo]) -> Result<(), StoreError> {
        let add = |info: &PathInfo| {
            self.transaction
                .prepare_cached(
                    "INSERT INTO paths (base, tree, size, deriver, registered, used)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
                )?
                .insert((
                    info.path.base(),
                    info.tree.0,
                    i64::try_from(info.size).unwrap_or(i64::MAX),
                    info.deriver.as_ref().map(StorePath::base),
                    i64::try_from(info.registered).unwrap_or(i64::MAX),
                ))
        };
        if !infos.is_empty() {
            self.index.explain(self.say_whether_it_has_rows(true))?;
            self.index.explain(self.miss(infos.iter().map(|info| &info.path)))?;
        }
        let mut ids = Vec::with_capacity(infos.len());
        for info in infos {
            ids.push(self.index.explain(add(info))?);
        }
        infos.iter().zip(ids).try_for_each(|(info, own)| self.refer(info, own))
    }

    /// Changes what is known of a valid path: its tree, size and references, and what made it where
    /// that is said.
    pub(super) fn change(&self, info: &PathInfo) -> Result<(), StoreError> {
        let change = || {
            self.transaction.execute(
                "UPDATE paths SET tree = ?2, size = ?3, deriver = ifnull(?4, deriver) WHERE base = ?1",
                (
                    info.path.base(),
                    info.tree.0,
                    i64::try_from(info.size).unwrap_or(i64::MAX),
                    info.deriver.as_ref().map(StorePath::base),
                ),
            )?;
            let own = id(&self.transaction, &info.path)?;
            self.transaction.execute("DELETE FROM refs WHERE path = ?", [own])?;
            Ok(own)
        };
        let own = self.index.explain(change())?;
        own.map_or_else(
            || Err(StoreError::NotValid(info.path.clone())),
            |own| self.refer(info, own),
        )
    }

    /// Adds the references of a row.
    fn refer(&self, info: &PathInfo, own: i64) -> Result<(), StoreError> {
        for reference in &info.references {
            let Some(other) = self.index.explain(id(&self.transaction, reference))? else {
                return Err(StoreError::Dangling {
                    path: info.path.clone(),
                    reference: reference.clone(),
                });
            };
            let add = || {
                self.transaction
                    .prepare_cached("INSERT INTO refs (path, reference) VALUES (?, ?)")?
                    .execute((own, other))
            };
            self.index.explain(add())?;
        }
        Ok(())
    }
}

impl Writer<'_> {
    /// Makes paths invalid. Nothing that stays may refer to them.
    pub(super) fn forget(&self, paths: &[StorePath]) -> Result<(), StoreError> {
        let each = |sql: &str| {
            let mut statement = self.transaction.prepare_cached(sql)?;
            paths.iter().try_for_each(|path| statement.execute([path.base()]).map(drop))
        };
        // first all references, since paths may refer to each other in any order
        self.index
            .explain(each("DELETE FROM refs WHERE path = (SELECT id FROM paths WHERE base = ?)"))?;
        self.index.explain(each("DELETE FROM paths WHERE base = ?"))?;
        let has_rows = || {
            let any = self.transaction.prepare_cached("SELECT 1 FROM paths")?.exists(())?;
            self.say_whether_it_has_rows(any)
        };
        self.index.explain(has_rows())
    }

    /// Says of more trees that they need no row.
    pub(super) fn excuse<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<(), StoreError> {
        let excuse = || {
            self.transaction.execute_batch(LEFT_OUT)?;
            let sql = "INSERT OR IGNORE INTO left_out VALUES (?)";
            let mut add = self.transaction.prepare_cached(sql)?;
            paths.into_iter().try_for_each(|path| add.execute([path.base()]).map(drop))
        };
        self.index.explain(excuse())
    }

    /// Says which trees have no row and need none, instead of those said before.
    pub(super) fn leave_out<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<(), StoreError> {
        let leave = || {
            self.transaction.execute_batch(LEFT_OUT)?;
            self.transaction.execute("DELETE FROM left_out", ()).map(drop)
        };
        self.index.explain(leave())?;
        self.excuse(paths)
    }

    /// Says of trees that get a row that they need one.
    fn miss<'p>(&self, mut paths: impl Iterator<Item = &'p StorePath>) -> rusqlite::Result<()> {
        if left_out(&self.transaction)?.is_empty() {
            return Ok(());
        }
        let sql = "DELETE FROM left_out WHERE base = ?";
        let mut remove = self.transaction.prepare_cached(sql)?;
        paths.try_for_each(|path| remove.execute([path.base()]).map(drop))
    }

    /// Keeps in the index itself that it has rows, or has none, so that rows that somebody has deleted are
    /// missed. It changes seldom.
    fn say_whether_it_has_rows(&self, has: bool) -> rusqlite::Result<()> {
        if has_had_rows(&self.transaction)? == has {
            return Ok(());
        }
        self.transaction.pragma_update(None, "application_id", i32::from(has))
    }

    /// Records that paths are used now.
    pub(super) fn touch(&self, paths: &[StorePath], now: u64) -> Result<(), StoreError> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let touch = || {
            let mut statement = self
                .transaction
                .prepare_cached("UPDATE paths SET used = max(used, ?) WHERE base = ?")?;
            paths.iter().try_for_each(|path| statement.execute((now, path.base())).map(drop))
        };
        self.index.explain(touch())
    }

    /// Reads in the transaction.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.index.explain(work(&self.transaction))
    }
}

impl Deref for Writer<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

/// Whether the index says of itself that it has rows.
pub(super) fn has_had_rows(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA application_id", (), |row| row.get::<_, i32>(0)).map(|id| id != 0)
}

/// Any valid path.
pub(super) fn any(connection: &Connection) -> rusqlite::Result<Option<StorePath>> {
    let any = "SELECT base FROM paths LIMIT 1";
    connection.prepare_cached(any)?.query_row((), |row| path_column(row, 0)).optional()
}

/// The trees that have no row and need none.
pub(super) fn left_out(connection: &Connection) -> rusqlite::Result<FxHashSet<StorePath>> {
    if !connection.table_exists(None, "left_out")? {
        return Ok(FxHashSet::default());
    }
    let mut statement = connection.prepare_cached("SELECT base FROM left_out")?;
    statement.query_map((), |row| path_column(row, 0))?.collect()
}

/// When each valid path was used last, in seconds since 1970.
pub(super) fn uses(connection: &Connection) -> rusqlite::Result<FxHashMap<StorePath, u64>> {
    connection
        .prepare_cached("SELECT base, used FROM paths")?
        .query_map((), |row| Ok((path_column(row, 0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
        .collect()
}

/// Those of the paths that are valid and were not used since that time.
pub(super) fn unused_since<'p>(
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
pub(super) fn id(connection: &Connection, path: &StorePath) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM paths WHERE base = ?")?
        .query_row([path.base()], |row| row.get(0))
        .optional()
}

/// What is known of a path.
pub(super) fn info(
    connection: &Connection,
    path: &StorePath,
) -> rusqlite::Result<Option<PathInfo>> {
    let found = connection
        .prepare_cached(
            "SELECT id, base, tree, size, deriver, registered FROM paths WHERE base = ?",
        )?
        .query_row([path.base()], |row| Ok((row.get(0)?, row_info(row)?)))
        .optional()?;
    let Some((id, mut info)) = found else { return Ok(None) };
    info.references = references(connection, id)?;
    Ok(Some(info))
}

/// Some paths with all that they refer to, however indirectly; nothing for one that is not valid.
/// The order is that in which they are met.
pub(super) fn reachable(
    connection: &Connection,
    roots: &[StorePath],
) -> rusqlite::Result<Result<Vec<PathInfo>, StorePath>> {
    let mut row = connection.prepare_cached(
        "SELECT id, base, tree, size, deriver, registered FROM paths WHERE id = ?",
    )?;
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

/// The valid paths that refer to a path, itself maybe among them.
pub(super) fn referrers(
    connection: &Connection,
    path: &StorePath,
) -> rusqlite::Result<Vec<StorePath>> {
    connection
        .prepare_cached(
            "SELECT paths.base FROM paths AS wanted
             JOIN refs ON refs.reference = wanted.id JOIN paths ON paths.id = refs.path
             WHERE wanted.base = ? ORDER BY paths.base",
        )?
        .query_map([path.base()], |row| path_column(row, 0))?
        .collect()
}

/// The valid paths that are named as derivations.
pub(super) fn derivations(connection: &Connection) -> rusqlite::Result<Vec<StorePath>> {
    connection
        .prepare_cached("SELECT base FROM paths WHERE base GLOB '*.drv'")?
        .query_map((), |row| path_column(row, 0))?
        .collect()
}

/// Every valid path with what is known of it, ordered by path.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<PathInfo>> {
    let mut places: FxHashMap<i64, usize> = FxHashMap::default();
    let mut infos: Vec<PathInfo> = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT id, base, tree, size, deriver, registered FROM paths ORDER BY base",
    )?;
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

/// A row of id, base, tree, size, deriver, registered, without the references.
fn row_info(row: &Row<'_>) -> rusqlite::Result<PathInfo> {
    let deriver: Option<String> = row.get(4)?;
    Ok(PathInfo {
        path: path_column(row, 1)?,
        tree: TreeHash(row.get(2)?),
        size: row.get::<_, i64>(3)?.unsigned_abs(),
        references: BTreeSet::new(),
        deriver: deriver.map(|base| to_path(&base, 4)).transpose()?,
        registered: row.get::<_, i64>(5)?.unsigned_abs(),
    })
}

/// A column that holds a base name.
pub(super) fn path_column(row: &Row<'_>, column: usize) -> rusqlite::Result<StorePath> {
    let base = row.get_ref(column)?.as_str()?;
    to_path(base, column)
}

fn to_path(base: &str, column: usize) -> rusqlite::Result<StorePath> {
    StorePath::from_base(base).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e))
    })
}

/// A reference to a row that is not there, which a whole index does not have.
fn dangling(column: usize) -> rusqlite::Error {
    let problem = "a reference leads to a row that is not there".into();
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Integer, problem)
}

/// Whether there is no space left for an index.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        // the second where readers and writers of the log meet cannot be made
        error.code == rusqlite::ErrorCode::DiskFull
            || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    })
}

/// Whether an index is not what it should be, such that another one has to be made.
pub(super) fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::{Error, ErrorCode};
    match error {
        // `Unknown` is what SQLite says of a table or a column that is missing
        Error::SqliteFailure(e, _) | Error::SqlInputError { error: e, .. } => matches!(
            e.code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown
        ),
        _ => true,
    }
}

/// The folder of an index, for messages.
impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Index").field(&Path::new(&self.path)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_the_index_beside_another_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.sqlite");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE begun (n)").unwrap();
        std::thread::scope(|scope| {
            let opened = scope.spawn(|| Index::create(path.clone()).map(drop));
            std::thread::sleep(Duration::from_millis(300));
            other.execute_batch("ROLLBACK").unwrap();
            drop(other);
            opened.join().unwrap().unwrap();
        });
    }
}
