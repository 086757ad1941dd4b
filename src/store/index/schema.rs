//! The tables of the index (docs/formats.md, "Index").

use rusqlite::Connection;

/// The version of the tables, kept in SQLite's `user_version`.
pub(super) const VERSION: i32 = 1;

pub(super) const TABLES: &str = "
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
pub(super) const LEFT_OUT: &str =
    "CREATE TABLE IF NOT EXISTS left_out (base TEXT PRIMARY KEY) STRICT, WITHOUT ROWID";

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA user_version", (), |row| row.get(0))
}
