//! A store of an earlier program: it opens, its index is brought up to date once, and nothing is lost, whoever
//! opens it and whatever happens meanwhile.

use std::process::Stdio;

use clutch_store_tests::{
    Ran, Space,
    earlier::{EXPORT, REGISTERED, RESULT},
    fault::{Action, Class},
};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// The version that this program makes.
const TODAY: i32 = 2;

fn space() -> Space {
    Space::new(BINARY).of_version_1()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_store_of_version_1_opens_migrates_and_verifies() {
    let space = space();
    assert_eq!(space.index_version(), 1);
    let all = json(&space.ok(["paths", "--json"]));
    assert_eq!(space.index_version(), TODAY);
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 5);
    for info in all {
        assert_eq!(info["registered"], REGISTERED, "{info}");
        assert_eq!((&info["narHash"], &info["signatures"]), (&Value::Null, &json("[]")));
    }
    let closure = space.ok(["closure", RESULT]);
    assert_eq!(closure.lines().count(), 3, "{closure}");
    let ran = space.run(["build", "--no-link"]);
    assert_eq!((ran.code, ran.stdout.trim()), (0, RESULT));
    assert!(!ran.stderr.contains("built"), "{}", ran.stderr);
    space.ok(["verify"]);
    // what is new has its place
    let before = space.ok(["show", RESULT]);
    let shown = space.ok(["show", "--nar", RESULT]);
    assert!(shown.starts_with(&before) && shown.contains("\nnar: sha256-"), "{shown}");
    assert_eq!(space.ok(["show", RESULT]), shown, "it is kept");
    assert_eq!(space.problems(), [""; 0]);
    space.write("new.nix", "derivation { name = \"new\"; system = \"builtin\"; builder = \"builtin:text\"; text = \"\"; }");
    space.ok(["build", "--no-link", "new.nix"]);
    space.ok(["gc"]);
    assert_eq!(space.valid(), [""; 0]);
}

#[test]
fn it_is_made_anew_like_any_other() {
    let space = space();
    let before = space.ok(["closure", "--json", RESULT]);
    for damage in [false, true] {
        space.put_index_of_version_1();
        let index = space.store().join("var/index.sqlite");
        match damage {
            // the pages of the tables, but not what says which these are
            true => {
                let mut bytes = fs_err::read(&index).unwrap();
                bytes[4096..].fill(0xff);
                fs_err::write(&index, bytes).unwrap();
            }
            false => fs_err::remove_file(&index).unwrap(),
        }
        space.ok(["verify", "--rebuild-index"]);
        assert_eq!(space.index_version(), TODAY);
        let strip = |text: &str| {
            let mut value = json(text);
            for path in value["paths"].as_array_mut().unwrap() {
                path.as_object_mut().unwrap().remove("registered");
            }
            value
        };
        assert_eq!(strip(&space.ok(["closure", "--json", RESULT])), strip(&before));
    }
}

#[test]
fn several_processes_may_open_it_at_once() {
    let space = space();
    for _ in 0..5 {
        space.put_index_of_version_1();
        let start = |_| {
            let mut command = space.command();
            command.args(["show", RESULT]).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let running: Vec<_> = (0..6).map(start).collect();
        for child in running {
            let ran = Ran::of(child.wait_with_output().unwrap());
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            assert!(ran.stdout.contains(RESULT), "{}", ran.stdout);
        }
        assert_eq!(space.index_version(), TODAY);
        assert_eq!(space.valid().len(), 5);
    }
}

#[test]
fn a_crash_in_the_middle_leaves_the_earlier_index_or_the_new_one() {
    let space = space();
    let calls = space.disturbed(&["paths"], Class::Change, Action::Count).calls;
    assert_eq!(space.index_version(), TODAY);
    assert!(calls > 2, "{calls}");
    let mut seen = [false; 2];
    for n in 1..=calls {
        for action in [Action::Kill(n), Action::Torn(n)] {
            space.put_index_of_version_1();
            space.disturbed(&["paths"], Class::Change, action);
            assert_eq!(space.problems(), [""; 0], "{action:?}");
            seen[usize::from(space.index_version() == TODAY)] = true;
            assert_eq!(space.ok(["paths"]).lines().count(), 5, "{action:?}");
            assert_eq!(space.index_version(), TODAY, "{action:?}");
        }
    }
    assert_eq!(seen, [true; 2], "it died before and behind the change");
}

#[test]
fn an_index_of_a_newer_program_is_refused_and_stays() {
    let space = space();
    space.ok(["paths"]);
    let index = space.store().join("var/index.sqlite");
    let connection = rusqlite::Connection::open(&index).unwrap();
    connection.pragma_update(None, "user_version", TODAY + 1).unwrap();
    connection.close().unwrap();
    let before = fs_err::read(&index).unwrap();
    let text = space.fails(3, ["paths"]);
    assert!(text.contains("version 3") && text.contains("use a newer clutch"), "{text}");
    assert_eq!(fs_err::read(&index).unwrap(), before);
}

#[test]
fn an_export_of_version_1_is_imported() {
    let space = Space::new(BINARY);
    let file = space.write("export", EXPORT);
    let file = file.to_str().unwrap();
    assert!(space.fails(5, ["import", file]).contains("cannot be verified"));
    space.ok(["import", "--accept-unsigned", file]);
    assert_eq!(space.ok(["closure", RESULT]).lines().count(), 3);
    space.ok(["verify"]);
    // it is written in the form of today
    let again = space.path("again");
    space.ok(["export", "-o", again.to_str().unwrap(), RESULT]);
    let other = Space::new(BINARY);
    other.ok(["import", "--accept-unsigned", again.to_str().unwrap()]);
    assert_eq!(other.valid(), space.valid());
}
