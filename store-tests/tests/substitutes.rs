//! `--from`: a build takes from exports what it needs and they have, and builds the rest.

use std::path::PathBuf;

use clutch_store_tests::{
    Space,
    fault::{Action, Class},
};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// `final` needs `program` to be built, and refers to nothing; `program` refers to `library`.
const PROJECT: &str = r#"
let
  make = name: more: derivation ({ inherit name; system = "builtin"; builder = "builtin:text"; } // more);
in
rec {
  library = make "library" { text = "a library"; executable = true; };
  program = make "program" { text = "uses ${library} and ${builtins.toFile "note" "a note"}"; };
  final = make "final" { text = "made with a program"; inherit program; };
  other = make "other" { text = "something else"; };
  fixed = make "fixed" {
    text = "the same for ever";
    outputHash = builtins.hashString "sha256" "the same for ever";
    outputHashAlgo = "sha256";
    inherit library;
  };
}
"#;

/// A machine that has built something, and its export; and one that has nothing.
fn machines(built: &[&str]) -> (Space, Space, PathBuf) {
    let [first, second] = [(); 2].map(|()| {
        let space = Space::new(BINARY);
        space.write("default.nix", PROJECT);
        space
    });
    let file = export(&first, "export", built);
    (first, second, file)
}

fn export(space: &Space, name: &str, built: &[&str]) -> PathBuf {
    let paths: Vec<String> =
        built.iter().map(|of| space.ok(["build", "--no-link", "-A", of])).collect();
    let file = space.path(name);
    let mut words = vec!["export", "-o", file.to_str().unwrap()];
    words.extend(paths.iter().map(String::as_str));
    space.ok(words);
    file
}

/// What a dry run says: names of what would be taken, and of what would be built.
fn planned(space: &Space, of: &str, from: &[&str]) -> [Vec<String>; 2] {
    let mut words = vec!["build", "--dry-run", "--json", "-A", of];
    words.extend(from);
    let plan: Value = serde_json::from_str(&space.ok(words)).unwrap();
    ["substitute", "build"].map(|kind| {
        let paths = plan[kind].as_array().unwrap().iter().map(|path| path.as_str().unwrap());
        let mut names: Vec<String> =
            paths.map(|path| path.split_once('-').unwrap().1.to_owned()).collect();
        names.sort_unstable();
        names
    })
}

/// The names of valid paths but derivations.
fn names(space: &Space) -> Vec<String> {
    let valid = space.valid();
    let names = valid.iter().map(|base| base.split_once('-').unwrap().1.to_owned());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".drv")).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_the_file_has_is_taken_and_the_rest_is_built() {
    let (_first, space, file) = machines(&["library", "other"]);
    let from = ["--from", file.to_str().unwrap(), "--accept-unsigned"];
    let expected = [vec!["library"], vec!["program.drv"]];
    assert_eq!(planned(&space, "program", &from), expected);
    let text = space.ok([&["build", "--dry-run", "-A", "program"][..], &from].concat());
    assert!(text.starts_with("1 would be taken from '"), "{text}");
    assert!(text.contains("-library\n1 would be built:\n"), "{text}");
    assert_eq!(names(&space), ["note"], "nothing was done");

    let events = space.path("events");
    let own = ["--events", events.to_str().unwrap(), "build", "--no-link", "-A", "program"];
    let ran = space.run([&own[..], &from].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("taking library"), "{}", ran.stderr);
    assert!(ran.stderr.contains("building program"), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 taken, 1 built in"), "{}", ran.stderr);
    assert_eq!(
        names(&space),
        ["library", "note", "program"],
        "the file's other path is not needed"
    );
    space.ok(["verify"]);
    let events = fs_err::read_to_string(events).unwrap();
    let events: Vec<Value> =
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let plan = events.iter().find(|event| event["kind"] == "plan").unwrap();
    assert_eq!([&plan["substitutes"], &plan["builds"]], [&json!(1), &json!(1)]);
    let taken = events.iter().find(|e| e["kind"] == "finished" && e["name"] == "library").unwrap();
    assert!(taken["path"].as_str().unwrap().ends_with("-library"), "{taken}");
    assert_eq!(taken["derivation"], Value::Null);
    // its derivation is in the store, so it is known what made it
    let library = taken["path"].as_str().unwrap();
    assert!(space.ok(["show", library]).contains("-library.drv"));
}

#[test]
fn references_come_along_and_inputs_do_not() {
    let (_first, space, file) = machines(&["final", "program"]);
    let file = file.to_str().unwrap();
    let from = ["--from", file, "--accept-unsigned"];
    assert_eq!(planned(&space, "final", &from), [vec!["final".to_owned()], vec![]]);
    space.ok([&["build", "--no-link", "-A", "final"][..], &from].concat());
    // the note is of the evaluation
    assert_eq!(names(&space), ["final", "note"]);
    let expected = [vec!["library".to_owned(), "program".to_owned()], vec![]];
    assert_eq!(planned(&space, "program", &from), expected);
    let program = space.ok([&["build", "--no-link", "-A", "program"][..], &from].concat());
    assert_eq!(space.ok(["closure", &program]).lines().count(), 3);
    space.ok(["verify"]);
    assert_eq!(space.problems(), [""; 0]);
}

#[test]
fn what_nothing_proves_is_built_unless_it_is_trusted() {
    let (_first, space, file) = machines(&["program", "fixed"]);
    let from = ["--from", file.to_str().unwrap()];
    // a fixed output has its hash
    assert_eq!(planned(&space, "fixed", &from), [vec!["fixed".to_owned()], vec![]]);
    space.ok([&["build", "--no-link", "-A", "fixed"][..], &from].concat());
    assert_eq!(names(&space), ["fixed"]);
    let ran = space.run([&["build", "--no-link", "-A", "program"][..], &from].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("has 2 paths to build, but they cannot be verified"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("--accept-unsigned"), "{}", ran.stderr);
    assert!(ran.stderr.contains("building library") && !ran.stderr.contains("taking"));
    assert!(space.fails(2, ["build", "--accept-unsigned"]).contains("--from"));
}

#[test]
fn the_first_of_several_files_that_has_a_path_gives_it() {
    let (first, space, whole) = machines(&["program"]);
    let part = export(&first, "part", &["library"]);
    let words = ["--from", part.to_str().unwrap(), "--from", whole.to_str().unwrap()];
    let text =
        space
            .ok([&["build", "--dry-run", "-A", "program", "--accept-unsigned"][..], &words]
                .concat());
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("/part'") && lines[1].ends_with("-library"), "{text}");
    assert!(lines[2].contains("/export'") && lines[3].ends_with("-program"), "{text}");
    space.ok([&["build", "--no-link", "-A", "program", "--accept-unsigned"][..], &words].concat());
    space.ok(["verify"]);
}

#[test]
fn programs_run_from_a_file() {
    let (_first, space, file) = machines(&["library"]);
    let from = ["--from", file.to_str().unwrap(), "--accept-unsigned"];
    let ran = space.run([&["shell", "-A", "library"][..], &from, &["--", "/bin/true"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("taking library"), "{}", ran.stderr);
}

#[test]
fn a_damaged_file_is_an_error_with_its_place() {
    let (_first, _second, file) = machines(&["program"]);
    let whole = fs_err::read(&file).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let space = Space::new(BINARY);
        space.write("default.nix", PROJECT);
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        let file = space.path("damaged");
        fs_err::write(&file, bytes).unwrap();
        let file = file.to_str().unwrap();
        let words = ["build", "--no-link", "-A", "program", "--from", file, "--accept-unsigned"];
        let ran = space.run(words);
        // what was taken before is whole
        assert_eq!(space.problems(), [""; 0], "byte {at}");
        if ran.code != 0 {
            refused += 1;
            assert_eq!(ran.code, 5, "byte {at}: {}", ran.stderr);
            let texts =
                [format!("'{file}' is refused: "), format!("'{file}' is not a file written")];
            assert!(texts.iter().any(|text| ran.stderr.contains(text)), "{}", ran.stderr);
            assert!(!ran.stderr.contains("building"), "byte {at}: {}", ran.stderr);
            assert!(!names(&space).contains(&"program".to_owned()), "byte {at}");
        }
    }
    assert!(refused > 30, "{refused}");
}

#[test]
fn a_file_that_cannot_be_read_any_more_is_built_instead() {
    let (first, _second, file) = machines(&["program"]);
    let program = first.ok(["build", "--no-link", "-A", "program"]);
    let mut seen = 0;
    // each call that reads the file fails once
    for n in 1.. {
        let space = Space::new(BINARY);
        space.write("default.nix", PROJECT);
        let own = space.path("export");
        fs_err::copy(&file, &own).unwrap();
        let from = ["--from", own.to_str().unwrap(), "--accept-unsigned"];
        let words = [&["build", "--no-link", "-A", "program"][..], &from].concat();
        let done = space.disturbed(&words, Class::Data, Action::Fail(n, libc::EIO));
        let Some(call) = done.call else { break };
        if !call.contains("/export") {
            continue;
        }
        let ran = done.ran;
        assert_eq!(space.problems(), [""; 0], "{call}");
        if ran.stderr.contains("building it instead") {
            seen += 1;
            assert_eq!((ran.code, ran.stdout.trim()), (0, &*program), "{call}: {}", ran.stderr);
            space.ok(["verify"]);
        } else {
            assert_ne!(ran.code, 0, "{call}: {}", ran.stderr);
            assert!(ran.stderr.contains(own.to_str().unwrap()), "{call}: {}", ran.stderr);
        }
    }
    assert!(seen > 0, "no failure was met while a path was taken");
}
