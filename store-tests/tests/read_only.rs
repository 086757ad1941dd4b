//! A store on a file system that is mounted read-only: everything that only reads works, whatever state
//! the index was left in.

use std::process::Command;

use clutch_store_tests::{Ran, Space, earlier::RESULT, probing};
use rusqlite::Connection;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// Runs the binary while the store's folder is mounted read-only.
fn read_only(space: &Space, args: &[&str]) -> Ran {
    let plain = space.command();
    let mut command = Command::new("unshare");
    if !Space::is_root() {
        command.arg("--map-root-user");
    }
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script]).arg(space.store()).arg(plain.get_program());
    command.args(args).env_clear().current_dir(space.path("project"));
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ran::of(command.output().unwrap())
}

fn ok(space: &Space, args: &[&str]) -> String {
    let ran = read_only(space, args);
    assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.stdout, ran.stderr);
    ran.stdout.trim_end().to_owned()
}

/// A program, and an expression that reads what a derivation made.
fn prepared(space: &Space) -> String {
    let operations: [&[&str]; 3] =
        [&["mkdir", "$out"], &["mkdir", "$out/bin"], &["copy", "$program", "$out/bin/tool"]];
    space.write("default.nix", probing("tool", "program = ./probe;", &operations));
    space.write("text.nix", probing("text", "", &[&["write", "$out", "{ answer = 42; }"]]));
    space.write("answer.nix", "(import (import ./text.nix)).answer");
    let again = [&["write", "$out", "$answer"][..]];
    let more = "answer = toString (import ./answer.nix);";
    space.write("again.nix", probing("again", more, &again));
    for name in ["again.nix", "text.nix"] {
        space.ok(["build", "--no-link", name]);
    }
    space.ok(["build", "--no-link"])
}

/// All that only reads.
fn read_all(space: &Space, path: &str) {
    assert_eq!(ok(space, &["eval", "-E", "1 + 1"]), "2");
    assert_eq!(ok(space, &["eval", "answer.nix"]), "42", "import from derivation");
    assert!(ok(space, &["eval", "again.nix"]).contains("again"));
    assert_eq!(ok(space, &["build", "--no-link"]), path);
    assert!(ok(space, &["build", "--no-link", "again.nix"]).ends_with("-again"));
    // a derivation that is not in the store is evaluated, too
    space.write("new.nix", probing("new", "", &[&["mkdir", "$out"]]));
    assert!(ok(space, &["eval", "--raw", "-E", "(import ./new.nix).outPath"]).ends_with("-new"));
    assert!(ok(space, &["paths"]).contains(path));
    assert!(ok(space, &["show", path]).contains(path));
    assert!(ok(space, &["closure", path]).contains(path));
    assert_eq!(ok(space, &["run", path, "--", "tool", "print", "up"]), "up");
    assert_eq!(ok(space, &["run", "--", "tool", "print", "up"]), "up");
    let export = space.path("project/export");
    ok(space, &["export", path, "-o", export.to_str().unwrap()]);
    ok(space, &["verify"]);
    ok(space, &["gc", "--dry-run"]);
    ok(space, &["why-alive", path]);
    ok(space, &["pin"]);
    let other = Space::new(BINARY);
    other.ok(["import", "--accept-unsigned", export.to_str().unwrap()]);
    for args in [
        &["gc"][..],
        &["pin", "name", path],
        &["build", "--no-link", "new.nix"],
        &["import", "--accept-unsigned", export.to_str().unwrap()],
        &["verify", "--rebuild-index"],
    ] {
        let ran = read_only(space, args);
        // what is all there needs no import
        let is_done = args[0] == "import" && ran.code == 0;
        assert!(is_done || ran.stderr.contains("cannot be written"), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn a_store_that_is_mounted_read_only_is_read() {
    let space = Space::new(BINARY).with_probe();
    let path = prepared(&space);
    read_all(&space, &path);
}

#[test]
fn the_log_that_a_killed_command_has_left_is_read() {
    let space = Space::new(BINARY).with_probe();
    space.ok(["paths"]);
    let files =
        ["", "-wal", "-shm"].map(|end| space.store().join(format!("var/index.sqlite{end}")));
    let [index, log, shared] = &files;
    // as long as somebody has the index open, nobody removes the log
    let holder = Connection::open(index).unwrap();
    holder.query_row("SELECT count(*) FROM paths", (), |row| row.get::<_, i64>(0)).unwrap();
    let path = prepared(&space);
    let kept = files.each_ref().map(|file| fs_err::read(file).unwrap());
    drop(holder);
    for (file, content) in files.iter().zip(kept) {
        fs_err::write(file, content).unwrap();
    }
    assert!(log.metadata().unwrap().len() > 0, "what is valid stands in the log");
    read_all(&space, &path);
    fs_err::remove_file(shared).unwrap();
    read_all(&space, &path);
    assert_eq!(space.problems(), Vec::<String>::new());
}

#[test]
fn a_running_command_is_not_disturbed_by_readers() {
    // the same store is mounted read-only in one place and written in another
    let space = Space::new(BINARY).with_probe();
    let path = prepared(&space);
    let holder = Connection::open(space.store().join("var/index.sqlite")).unwrap();
    holder.query_row("SELECT count(*) FROM paths", (), |row| row.get::<_, i64>(0)).unwrap();
    assert!(ok(&space, &["paths"]).contains(&path));
    space.write("new.nix", probing("new", "", &[&["mkdir", "$out"]]));
    let new = space.ok(["build", "--no-link", "new.nix"]);
    assert!(ok(&space, &["paths"]).contains(&new), "what was just built is seen");
}

#[test]
fn an_index_of_an_earlier_program_is_read_as_it_is() {
    let space = Space::new(BINARY).of_version_1();
    let file = space.store().join("var/index.sqlite");
    let before = fs_err::read(&file).unwrap();
    assert_eq!(ok(&space, &["paths"]).lines().count(), 5);
    assert!(ok(&space, &["show", RESULT]).contains("deriver: "));
    assert_eq!(ok(&space, &["closure", RESULT]).lines().count(), 3);
    assert_eq!(ok(&space, &["build", "--no-link"]), RESULT);
    ok(&space, &["verify"]);
    assert!(ok(&space, &["show", "--nar", RESULT]).contains("nar: sha256-"));
    assert_eq!(fs_err::read(&file).unwrap(), before);
}
