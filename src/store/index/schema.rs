//! The tables of the index (docs/formats.md, "Index") and their migrations.

use rusqlite::{Connection, Transaction};

/// The version of the tables, kept in SQLite's `user_version`.
pub(super) const VERSION: i32 = STEPS.len() as i32;

/// The SQL that brings an index from version `n` to `n + 1`. A new index runs all of it, so there is one way
/// to the tables. A step only adds, so an earlier clutch that has the index open can go on.
const STEPS: [&str; 2] = [
    "
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
    ",
    // version 1 made `left_out` on demand
    "
    CREATE TABLE IF NOT EXISTS left_out (base TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    ALTER TABLE paths ADD COLUMN nar BLOB CHECK (length(nar) = 32);
    ALTER TABLE paths ADD COLUMN nar_size INTEGER;
    ALTER TABLE paths ADD COLUMN signatures TEXT;
    ",
];

/// The version of an index; 0 if it has no tables.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA user_version", (), |row| row.get(0))
}

/// Makes or migrates the tables. Does nothing if another process has done so.
pub(super) fn upgrade(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let found = version(transaction)?;
    if found < VERSION {
        let done = usize::try_from(found).unwrap_or(0);
        STEPS[done..].iter().try_for_each(|step| transaction.execute_batch(step))?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(())
}

/// Adds views for the tables and columns that a read-only index of an earlier version lacks: they are empty.
pub(super) fn read_as_current(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.execute_batch(
        "CREATE TEMP VIEW paths AS
         SELECT *, NULL AS nar, NULL AS nar_size, NULL AS signatures FROM main.paths",
    )?;
    if !connection.table_exists(Some("main"), "left_out")? {
        connection.execute_batch("CREATE TEMP TABLE left_out (base TEXT)")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::TransactionBehavior;

    use super::*;

    fn columns(connection: &Connection) -> Vec<String> {
        let statement = connection.prepare("SELECT * FROM paths").unwrap();
        statement.column_names().map(str::to_owned).collect()
    }

    #[test]
    fn an_index_of_each_earlier_version_reads_and_becomes_one_of_today() {
        let mut new = Connection::open_in_memory().unwrap();
        let transaction = new.transaction().unwrap();
        upgrade(&transaction).unwrap();
        transaction.commit().unwrap();
        for earlier in 1..VERSION {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("index.sqlite");
            let mut old = Connection::open(&file).unwrap();
            for step in &STEPS[..earlier as usize] {
                old.execute_batch(step).unwrap();
            }
            old.pragma_update(None, "user_version", earlier).unwrap();
            let reader = Connection::open(&file).unwrap();
            read_as_current(&reader).unwrap();
            assert_eq!(columns(&reader), columns(&new));
            reader.prepare("SELECT base FROM left_out").unwrap();
            drop(reader);
            // a process that dies in the middle leaves the old version
            let behavior = TransactionBehavior::Immediate;
            let transaction = old.transaction_with_behavior(behavior).unwrap();
            upgrade(&transaction).unwrap();
            drop(transaction);
            assert_eq!(version(&old).unwrap(), earlier);
            for _ in 0..2 {
                let transaction = old.transaction_with_behavior(behavior).unwrap();
                upgrade(&transaction).unwrap();
                transaction.commit().unwrap();
                assert_eq!(version(&old).unwrap(), VERSION);
                assert_eq!(columns(&old), columns(&new));
            }
        }
    }
}
