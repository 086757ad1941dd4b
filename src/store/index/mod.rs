//! The index: the valid paths with their references and derivers, in SQLite (docs/formats.md, "Index"). A
//! path is in the store exactly if it has a row here. `lost` checks that the index fits the trees in the store.

mod rows;
mod schema;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use self::schema::{VERSION, version};
pub(super) use self::{
    rows::{
        all, any, derivations, has_had_rows, id, info, left_out, path_column, reachable,
        unused_since, uses,
    },
    writer::Writer,
};
use super::StoreError;
use crate::files;

/// The time to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The state of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Write,
    Read,
    /// There is none: an empty one in memory takes its place.
    Nothing,
}

/// The index of one store. Any thread may use it; each use takes a connection of its own.
pub(super) struct Index {
    path: PathBuf,
    access: Access,
    /// An earlier version made it, and it cannot be written.
    is_older: bool,
    idle: Mutex<Vec<Connection>>,
    /// Threads of one process wait here, because this wakes them at once; processes wait in SQLite.
    writing: Mutex<()>,
}

impl Index {
    /// Opens the index; `None` if there is none yet. An index of an earlier version is migrated, or read as it
    /// is if it cannot be written.
    pub(super) fn open(path: PathBuf, writable: bool) -> Result<Option<Self>, StoreError> {
        // before SQLite makes an empty file
        if !path.metadata().is_ok_and(|found| found.len() > 0 || !found.is_file()) {
            return Ok(None);
        }
        let access = if writable { Access::Write } else { Access::Read };
        let (mut index, mut connection) = Self::connected(path, access)?;
        let mut found = index.explain(version(&connection))?;
        if (1..VERSION).contains(&found) {
            if writable {
                index.upgrade(&mut connection)?;
                // a newer clutch may have been faster
                found = index.explain(version(&connection))?;
            } else {
                index.explain(schema::read_as_current(&connection))?;
                index.is_older = true;
                found = VERSION;
            }
        }
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

    /// Makes the index, unless another process was faster. It is on disk when this returns, so no power cut
    /// leaves trees without an index.
    pub(super) fn create(path: PathBuf) -> Result<Self, StoreError> {
        let (index, mut connection) = Self::connected(path, Access::Write)?;
        index.explain(connection.pragma_update(None, "synchronous", "FULL"))?;
        index.upgrade(&mut connection)?;
        index.sync()?;
        index.explain(connection.pragma_update(None, "synchronous", "NORMAL"))?;
        index.idle().push(connection);
        Ok(index)
    }

    /// Migrates the tables in one transaction.
    fn upgrade(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        self.explain(begun.and_then(|transaction| {
            schema::upgrade(&transaction)?;
            transaction.commit()
        }))
    }

    /// Closes an index without other users; everything is then in its one file, and on disk.
    pub(super) fn close(self) -> Result<(), StoreError> {
        let connection = self.take()?;
        // closing does the same, but ignores errors
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

    /// The stand-in for a missing index: no path is valid, and nothing is written.
    pub(super) fn nothing(path: PathBuf) -> Self {
        Self {
            path,
            access: Access::Nothing,
            is_older: false,
            idle: Mutex::default(),
            writing: Mutex::default(),
        }
    }

    fn connected(path: PathBuf, access: Access) -> Result<(Self, Connection), StoreError> {
        let index = Self { access, ..Self::nothing(path) };
        let connection = index.connect()?;
        Ok((index, connection))
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        self.explain(match self.access {
            Access::Write => self.connect_to_write(),
            Access::Read => self.connect_to_read().and_then(|connection| {
                if self.is_older {
                    schema::read_as_current(&connection)?;
                }
                Ok(connection)
            }),
            Access::Nothing => Connection::open_in_memory().and_then(|mut connection| {
                let transaction = connection.transaction()?;
                schema::upgrade(&transaction)?;
                transaction.commit()?;
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

    /// Opens the index on a read-only file system. If a writer is at work or has left all three files, SQLite
    /// reads them as usual. Otherwise the index is read as an immutable file or, if a log was left behind, into
    /// memory without locks.
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

    /// Reads with a connection of its own, in one snapshot.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let connection = self.take()?;
        let result = connection.unchecked_transaction().and_then(|moment| work(&moment));
        self.idle().push(connection);
        self.explain(result)
    }

    /// Makes all commits durable: they are in the log, or were synced when they left it.
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

    /// As [`Index::write`], and the result is on disk when this returns.
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

    /// Runs `work` in one exclusive transaction. An error undoes it.
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

/// Retries while the index is busy. SQLite waits by itself, but not if a reader becomes a writer, as when
/// several processes make one index.
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

/// True if the disk is too full for an index.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        // the second if the shared memory of the log cannot be made
        error.code == rusqlite::ErrorCode::DiskFull
            || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    })
}

/// True if an index is damaged and must be rebuilt.
pub(super) fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::{Error, ErrorCode};
    match error {
        // `Unknown` stands for a missing table or column
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
