//! A store whose index a program of an earlier version has made. The dump was written by that program; the trees
//! are made anew, since their names and hashes are the same for ever.

use rusqlite::Connection;

use crate::Space;

/// The index of version 1.
const INDEX: &str = include_str!("earlier/index-1.sql");

/// An export of the result, as a program wrote it whose exports were of version 1.
pub const EXPORT: &[u8] = include_bytes!("earlier/export-1.clutch");

/// When the paths became valid, as that index says.
pub const REGISTERED: u64 = 1_795_862_598;

/// The result of the project.
pub const RESULT: &str = "/clutch/store/74k1lggh9qvyzjsp2hym0aspr006wz5h-two";

const PROJECT: &str = r#"
let
  text = name: text: derivation {
    inherit name text;
    system = "builtin";
    builder = "builtin:text";
  };
  notes = builtins.path { path = ./notes; name = "notes"; };
in
text "two" "${text "one" "one"} ${notes}"
"#;

impl Space {
    /// Builds the project, and replaces the index by the one of version 1.
    #[must_use]
    pub fn of_version_1(self) -> Self {
        self.write("notes", "some notes\n");
        self.write("default.nix", PROJECT);
        assert_eq!(self.ok(["build", "--no-link"]), RESULT);
        self.put_index_of_version_1();
        self
    }

    /// Replaces the index by the one of version 1.
    pub fn put_index_of_version_1(&self) {
        let file = self.store().join("var/index.sqlite");
        for end in ["", "-wal", "-shm"] {
            let _ = fs_err::remove_file(file.with_file_name(format!("index.sqlite{end}")));
        }
        let connection = Connection::open(file).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())).unwrap();
        connection.execute_batch(INDEX).unwrap();
        // closing it puts everything into the one file
        connection.close().unwrap();
    }

    /// The version of the index.
    #[must_use]
    pub fn index_version(&self) -> i32 {
        let connection = Connection::open(self.store().join("var/index.sqlite")).unwrap();
        connection.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap()
    }
}
