//! An index that is not that of what lies in the store: nothing is removed, and it is made anew whatever was
//! wrong with it.

use std::path::{Path, PathBuf};

use clutch_store_tests::{Space, probing};
use rusqlite::Connection;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A library, a program that refers to it, and what nothing keeps.
fn filled() -> (Space, String) {
    let space = Space::new(BINARY).with_probe();
    let salt = space.salt();
    space.write("library.nix", probing("library", &salt, &[&["write", "$out", "library"]]));
    let program: [&[&str]; 2] = [&["mkdir", "$out"], &["write", "$out/file", "$library"]];
    let more = format!("{salt} library = import ./library.nix;");
    space.write("default.nix", probing("program", &more, &program));
    let path = space.ok(["build", "--no-link"]);
    (space, path)
}

fn index(space: &Space) -> PathBuf {
    space.store().join("var/index.sqlite")
}

fn remove_index(space: &Space) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs_err::remove_file(space.store().join(format!("var/index.sqlite{end}")));
    }
}

/// Changes the index with SQL, without its own checks.
fn change(space: &Space, sql: &str) {
    let connection = Connection::open(index(space)).unwrap();
    connection
        .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")
        .unwrap();
    connection.execute_batch(sql).unwrap();
}

/// Nothing but reading is done; it is said what to type.
fn is_refused(space: &Space, what: &str) {
    let before = space.on_disk();
    for args in [
        &["gc"][..],
        &["gc", "--dry-run"],
        &["gc", "--max-freed", "1"],
        &["verify"],
        &["build", "--no-link", "new.nix"],
        &["optimise"],
        &["pin", "--remove", "it"],
    ] {
        let said = space.fails(3, args);
        assert!(said.contains("clutch verify --rebuild-index"), "{what} {args:?}: {said}");
        assert_eq!(said.matches("--rebuild-index").count(), 1, "{what} {args:?}: {said}");
    }
    assert_eq!(space.on_disk(), before, "{what}");
    assert_eq!(space.ok(["eval", "-E", "1 + 1"]), "2", "{what}");
    let said = space.run(["paths"]);
    assert!(said.stderr.contains("clutch verify --rebuild-index"), "{what}: {}", said.stderr);
}

/// The index is made anew, and knows everything.
fn is_mended(space: &Space, before: &[String], what: &str) {
    let ran = space.run(["verify", "--rebuild-index"]);
    assert_eq!(ran.code, 0, "{what}: {}{}", ran.stdout, ran.stderr);
    assert_eq!(space.valid(), before, "{what}: {}", ran.stderr);
    assert_eq!(space.problems(), Vec::<String>::new(), "{what}");
    assert!(space.ok(["gc", "--keep-days", "1"]).is_empty());
    assert_eq!(space.valid(), before, "{what}: nothing was lost");
}

#[test]
fn a_lost_index_loses_nothing_else() {
    type Losing = fn(&Space);
    let ways: [(&str, Losing); 6] = [
        ("deleted", |space| remove_index(space)),
        ("empty", |space| {
            remove_index(space);
            fs_err::write(index(space), "").unwrap();
        }),
        ("without tables", |space| {
            remove_index(space);
            change(space, "VACUUM");
            assert!(index(space).metadata().unwrap().len() > 0);
        }),
        ("without rows", |space| change(space, "DELETE FROM refs; DELETE FROM paths")),
        ("of another store", |space| {
            remove_index(space);
            let (other, _) = filled();
            other.ok(["gc"]);
            other.write("other.nix", probing("other", &other.salt(), &[&["mkdir", "$out"]]));
            other.ok(["build", "--no-link", "other.nix"]);
            // the probe is in both
            let other_index = index(&other);
            change(&other, "DELETE FROM refs; DELETE FROM paths WHERE base LIKE '%-probe'");
            fs_err::copy(other_index, index(space)).unwrap();
        }),
        ("without its log", |space| {
            remove_index(space);
            Connection::open(index(space))
                .unwrap()
                .execute_batch("PRAGMA journal_mode = WAL")
                .unwrap();
        }),
    ];
    for (what, lose) in ways {
        let (space, path) = filled();
        space.ok(["pin", "it", &path]);
        space.write("new.nix", probing("new", "", &[&["mkdir", "$out"]]));
        let before = space.valid();
        lose(&space);
        is_refused(&space, what);
        is_mended(&space, &before, what);
        space.ok(["pin", "--remove", "it"]);
        space.ok(["gc"]);
        assert!(!space.valid().contains(&path), "{what}: it is collected as ever");
    }
}

#[test]
fn an_older_index_loses_nothing() {
    let (space, path) = filled();
    let old = fs_err::read(index(&space)).unwrap();
    let more: Vec<String> = (0..2)
        .map(|n| {
            let name = format!("later-{n}");
            let more = format!("{} n = {n};", space.salt());
            space.write(&format!("{name}.nix"), probing(&name, &more, &[&["mkdir", "$out"]]));
            space.ok(["build", &format!("{name}.nix"), "-o", &name])
        })
        .collect();
    let before = space.valid();
    remove_index(&space);
    fs_err::write(index(&space), old).unwrap();
    // the links keep what it does not know
    for command in ["gc", "verify"] {
        let said = space.fails(3, [command]);
        assert!(said.contains("--rebuild-index") && said.contains("later-"), "{said}");
    }
    assert!(more.iter().chain([&path]).all(|path| space.real(path).exists()));
    is_mended(&space, &before, "an older one");
}

#[test]
fn a_row_that_a_root_needs_is_missed() {
    let (space, path) = filled();
    space.ok(["pin", "it", &path]);
    let before = space.valid();
    let base = path.rsplit('/').next().unwrap();
    change(
        &space,
        &format!(
            "DELETE FROM refs WHERE path = (SELECT id FROM paths WHERE base = '{base}');
             DELETE FROM paths WHERE base = '{base}'"
        ),
    );
    let said = space.fails(3, ["gc"]);
    assert!(said.contains("pin 'it'") && said.contains(&path), "{said}");
    is_mended(&space, &before, "one row");
}

#[test]
fn an_index_with_anything_in_it_is_made_anew() {
    let ways = [
        ("a bad name", "UPDATE paths SET base = 'no store path' WHERE base LIKE '%-program'"),
        ("a bad hash", "UPDATE paths SET tree = x'00' WHERE base LIKE '%-library'"),
        ("a bad deriver", "UPDATE paths SET deriver = '/etc/passwd' WHERE base LIKE '%-library'"),
        ("no references", "DROP TABLE refs"),
        ("no paths", "DROP TABLE paths"),
        ("no column", "ALTER TABLE paths DROP COLUMN used"),
        ("a newer version", "PRAGMA user_version = 99"),
        ("a negative version", "PRAGMA user_version = -1"),
        ("a dangling reference", "INSERT INTO refs VALUES (9999, 1), (1, 9998)"),
        ("another table of that name", "DROP TABLE left_out; CREATE TABLE left_out (n)"),
        (
            "a trigger",
            "CREATE TRIGGER t BEFORE INSERT ON paths BEGIN SELECT RAISE(ABORT, 'no'); END; \
                       UPDATE paths SET base = 'no' WHERE base LIKE '%-program'",
        ),
    ];
    for (what, sql) in ways {
        let (space, path) = filled();
        space.ok(["pin", "it", &path]);
        let before = space.valid();
        change(&space, sql);
        for args in
            [&["paths"][..], &["closure", &path], &["gc"], &["verify"], &["why-alive", &path]]
        {
            let ran = space.run(args);
            assert!(!ran.stderr.contains("panicked"), "{what} {args:?}: {}", ran.stderr);
            let words = ["index", "newer", "not in the store"];
            let told = ran.code == 0 || words.iter().any(|word| ran.stderr.contains(word));
            assert!(told, "{what} {args:?}: {}", ran.stderr);
        }
        assert!(space.real(&path).exists(), "{what}");
        is_mended(&space, &before, what);
    }
}

#[test]
fn an_index_of_any_bytes_is_made_anew() {
    let (space, path) = filled();
    space.ok(["pin", "it", &path]);
    let before = space.valid();
    let whole = fs_err::read(index(&space)).unwrap();
    let cut = |at: usize| whole[..at.min(whole.len())].to_vec();
    let spoilt = |from: usize, to: usize| {
        let mut bytes = whole.clone();
        let to = to.min(bytes.len());
        bytes[from.min(to)..to].fill(0xa5);
        bytes
    };
    let all = [
        b"no index at all".to_vec(),
        vec![0; 8192],
        cut(100),
        cut(4096),
        cut(5000),
        cut(whole.len() - 4096),
        spoilt(0, 16),
        spoilt(16, 100),
        spoilt(100, 4096),
        spoilt(4096, 8192),
        spoilt(8192, 12288),
        spoilt(12288, 1 << 20),
    ];
    for (n, bytes) in all.into_iter().enumerate() {
        remove_index(&space);
        fs_err::write(index(&space), bytes).unwrap();
        for args in [&["gc"][..], &["verify"], &["closure", &path]] {
            let ran = space.run(args);
            assert!(!ran.stderr.contains("panicked"), "{n} {args:?}: {}", ran.stderr);
            assert!(ran.code != 0, "{n} {args:?}: {}{}", ran.stdout, ran.stderr);
            assert!(ran.stderr.contains("--rebuild-index"), "{n} {args:?}: {}", ran.stderr);
        }
        is_mended(&space, &before, &format!("bytes {n}"));
    }
    // an index that is whole stays
    let ran = space.run(["verify", "--rebuild-index"]);
    assert!(ran.stderr.contains("rebuilt the index with 0 paths"), "{}", ran.stderr);
}

#[test]
fn what_is_damaged_stays_damaged_in_a_new_index() {
    let (space, path) = filled();
    let library = space.ok(["build", "--no-link", "library.nix"]);
    change(&space, "UPDATE paths SET base = 'no' WHERE base LIKE '%-program'");
    let file = space.real(&library);
    set_mode(&file, 0o644);
    fs_err::write(&file, "librarY").unwrap();
    set_mode(&file, 0o444);
    let ran = space.run(["verify", "--rebuild-index"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains(&format!("{library} has changed")), "{}{}", ran.stdout, ran.stderr);
    space.ok(["verify", "--repair"]);
    assert!(space.valid().contains(&path));
    assert_eq!(space.problems(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_registered_is_collected_unless_a_root_keeps_it() {
    let (space, _) = filled();
    let path = space.ok(["eval", "--raw", "-A", "drvPath"]);
    let library = space.ok(["eval", "--raw", "-A", "drvPath", "library.nix"]);
    space.ok(["pin", "it", &path]);
    remove_index(&space);
    fs_err::remove_file(space.real(&library)).unwrap();
    let ran = space.run(["verify", "--rebuild-index"]);
    assert!(ran.stderr.contains("': it refers to"), "{}", ran.stderr);
    space.ok(["gc"]);
    assert!(space.real(&path).exists(), "the pin keeps its tree");
    space.ok(["pin", "--remove", "it"]);
    space.ok(["gc"]);
    assert!(!space.real(&path).exists());
}

#[test]
fn an_index_is_not_replaced_under_a_running_command() {
    let (space, _) = filled();
    let words: [&[&str]; 3] = [&["print", "it runs"], &["sleep", "3"], &["mkdir", "$out"]];
    space.write("slow.nix", probing("slow", &space.salt(), &words));
    let running = clutch_store_tests::child::Running::start(
        &space,
        &["build", "-v", "--no-link", "slow.nix"],
    );
    running.says("it runs");
    remove_index(&space);
    let said = space.fails(3, ["verify", "--rebuild-index"]);
    assert!(said.contains("is used by the running command"), "{said}");
    drop(running);
}

fn set_mode(file: &Path, mode: u32) {
    fs_err::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}
