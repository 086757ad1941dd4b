//! From an expression to a program on another machine, offline: the builders are the probe.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clutch_store_tests::{Space, probing};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");
/// An ordinary user, who need not have an account.
const USER: u32 = 12345;

/// A library of two outputs, and a program that refers to one of them.
fn project(space: &Space) {
    let library = probing(
        "library",
        "outputs = [ \"out\" \"doc\" ];",
        &[&["mkdir", "$out"], &["write", "$out/text", "hello"], &["write", "$doc", "a manual"]],
    );
    let program = probing(
        "greeter",
        "library = import ./library.nix; program = ./probe;",
        &[
            &["mkdir", "$out"],
            &["mkdir", "$out/bin"],
            &["copy", "$program", "$out/bin/greeter"],
            &["symlink", "$library/text", "$out/text"],
        ],
    );
    space.write("library.nix", library);
    space.write("default.nix", program);
}

/// The store's record of a path.
fn info(space: &Space, path: &str) -> Value {
    serde_json::from_str(&space.ok(["show", "--json", path])).unwrap()
}

/// The tree hash of every valid path, one a line.
fn hashes(space: &Space) -> Vec<String> {
    space.valid().iter().map(|p| format!("{p} {}", info(space, p)["treeHash"])).collect()
}

/// Runs a test's part that needs root, or says that it was left out.
fn needs_root() -> bool {
    if !Space::is_root() {
        eprintln!("LEFT OUT: becoming another user needs root");
    }
    Space::is_root()
}

#[test]
fn outputs_references_and_closures() {
    let space = Space::new(BINARY).with_probe();
    project(&space);
    let both = space.ok(["build", "--no-link", "library.nix", "--json"]);
    let both: Value = serde_json::from_str(&both).unwrap();
    let outputs = both[0]["outputs"].as_object().unwrap();
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["doc", "out"]);
    let program = space.ok(["build", "default.nix"]);
    let link = fs_err::read_link(space.path("project/result")).unwrap();
    assert_eq!(link, space.real(&program));
    let closure = space.ok(["closure", &program]);
    let library = outputs["out"].as_str().unwrap();
    // references come first; the manual and the probe are not referred to
    assert_eq!(closure.lines().collect::<Vec<_>>(), [library, &program]);
    assert_eq!(info(&space, &program)["references"][0], library);
    let sizes: Value =
        serde_json::from_str(&space.ok(["closure", "--size", "--json", &program])).unwrap();
    let size = |n: usize| sizes["paths"][n]["closureSize"].as_u64().unwrap();
    assert!(size(0) > 0 && size(1) > size(0), "{sizes}");
    assert_eq!(sizes["size"], size(1));
}

#[test]
fn a_second_build_has_nothing_to_do() {
    let space = Space::new(BINARY).with_probe();
    project(&space);
    let first = space.run(["build", "--no-link"]);
    let second = space.run(["build", "--no-link"]);
    assert_eq!(first.stdout, second.stdout);
    assert_eq!((second.code, second.stderr.as_str()), (0, ""));
    let plan = space.ok(["build", "--dry-run", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&plan).unwrap()["build"], Value::Array(Vec::new()));
}

#[test]
fn paths_and_hashes_depend_on_neither_user_nor_place_nor_time() {
    let space = Space::new(BINARY).with_probe();
    project(&space);
    space.ok(["build", "--no-link"]);
    let again = Space::new(BINARY).with_probe();
    project(&again);
    again.ok(["build", "--no-link"]);
    assert_eq!(hashes(&space), hashes(&again));
    if needs_root() {
        let user = Space::new(BINARY).with_probe().as_user(USER);
        project(&user);
        user.ok(["build", "--no-link"]);
        assert_eq!(hashes(&space), hashes(&user));
    }
}

#[test]
fn a_closure_moves_to_another_store_and_runs_there() {
    let space = Space::new(BINARY).with_probe();
    project(&space);
    let program = space.ok(["build", "--no-link"]);
    let words = ["--", "greeter", "read", &format!("{program}/text")];
    let said = space.ok(["run", "default.nix"].iter().chain(&words));
    assert_eq!(said, "hello");
    let file = space.path("closure.clutch");
    space.ok(["export", &program, "-o", file.to_str().unwrap()]);
    let mut other = Space::new(BINARY);
    if needs_root() {
        other = other.as_user(USER);
    }
    other.ok(["import", "--accept-unsigned", file.to_str().unwrap()]);
    let mut closure: Vec<_> = space.ok(["closure", &program]).lines().map(str::to_owned).collect();
    closure.sort();
    assert_eq!(other.valid(), closure);
    for path in other.valid() {
        assert_eq!(info(&other, &path)["treeHash"], info(&space, &path)["treeHash"]);
    }
    assert_eq!(other.ok(["run", &program[..]].iter().chain(&words)), said);
    assert_eq!(other.ok(["run", "--isolated", &program[..]].iter().chain(&words)), said);
}

#[test]
fn a_failure_shows_the_end_of_the_log_and_where_the_rest_is() {
    let space = Space::new(BINARY).with_probe();
    space.write("default.nix", probing("bad", "", &[&["print", "the reason"], &["exit", "3"]]));
    let error = space.fails(1, ["build", "--no-link"]);
    assert!(error.contains("the reason") && error.contains("clutch log"), "{error}");
    let derivation = space.ok(["eval", "--raw", "-A", "drvPath", "default.nix"]);
    assert_eq!(space.ok(["log", &derivation]), "the reason");
}

#[test]
fn a_failed_build_is_kept_where_asked() {
    let space = Space::new(BINARY).with_probe();
    let operations: [&[&str]; 2] = [&["write", "/build/clue", "here"], &["exit", "1"]];
    space.write("default.nix", probing("bad", "", &operations));
    let error = space.fails(1, ["build", "--no-link", "--keep-failed"]);
    let at = error.lines().find_map(|l| l.split_once("is kept: ")).expect(&error).1;
    let folder = at.trim_matches(|c: char| c == '\'' || c.is_whitespace());
    assert_eq!(fs_err::read_to_string(format!("{folder}/clue")).unwrap(), "here");
}

#[test]
fn a_wrong_hash_shows_both_and_keeps_nothing() {
    let space = Space::new(BINARY).with_probe();
    let zeros = format!("sha256-{}=", "A".repeat(43));
    let fixed = format!("outputHashMode = \"flat\"; outputHash = \"{zeros}\";");
    space.write("default.nix", probing("pinned", &fixed, &[&["write", "$out", "text"]]));
    let error = space.fails(1, ["build", "--no-link"]);
    // printf text | openssl dgst -sha256 -binary | base64
    let real = "sha256-mC2ePrmW9VnmM/TRlN7zdh2Qn1o7ZH0ahR/q1nwyydE=";
    assert!(error.contains(&zeros) && error.contains(real), "{error}");
    assert!(!space.on_disk().iter().any(|n| n.ends_with("-pinned")));
    let right = format!("outputHashMode = \"flat\"; outputHash = \"{real}\";");
    space.write("default.nix", probing("pinned", &right, &[&["write", "$out", "text"]]));
    space.ok(["build", "--no-link"]);
}

#[test]
fn wrong_expressions_fail_with_the_place_and_leave_the_store_alone() {
    let space = Space::new(BINARY).with_probe();
    for (expression, expected) in [
        ("let x = x; in x", "infinite recursion"),
        ("let f = x: f x + 1; in f 1", "max-call-depth"),
        ("{ a = 1; a = 2; }", "already defined"),
        ("1 +", "syntax error"),
        ("foo", "undefined variable 'foo'"),
        ("derivation { name = \"a b\"; builder = \"x\"; system = \"builtin\"; }", "a b"),
        ("derivation { name = \"x\"; system = \"builtin\"; }", "builder"),
    ] {
        space.write("default.nix", expression);
        let error = space.fails(1, ["build", "--no-link"]);
        assert!(error.contains(expected), "{expression}: {error}");
        assert!(error.contains("default.nix"), "{expression}: {error}");
        assert_eq!(space.valid(), Vec::<String>::new(), "{expression}");
        assert_eq!(space.on_disk(), Vec::<String>::new(), "{expression}");
    }
}

#[test]
fn a_build_killed_in_the_middle_leaves_nothing_and_succeeds_later() {
    let space = Space::new(BINARY).with_probe();
    let operations: [&[&str]; 4] = [
        &["mkdir", "$out"],
        &["write", "$out/half", "x"],
        &["sleep", "2"],
        &["write", "$out/whole", "y"],
    ];
    space.write("default.nix", probing("slow", "", &operations));
    let mut child: std::process::Child = space
        .command()
        .args(["build", "--no-link"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let half = || {
        let found =
            Command::new("find").arg(space.store()).args(["-name", "half"]).output().unwrap();
        !found.stdout.is_empty()
    };
    let start = Instant::now();
    while !half() {
        assert!(start.elapsed() < Duration::from_secs(60), "the builder never started");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(space.valid().iter().all(|p| !p.ends_with("-slow")));
    let path = space.ok(["build", "--no-link"]);
    assert_eq!(fs_err::read_to_string(space.real(&path).join("whole")).unwrap(), "y");
    assert!(space.valid().contains(&path));
}

#[test]
fn an_import_killed_in_the_middle_leaves_nothing_and_succeeds_later() {
    let space = Space::new(BINARY).with_probe();
    let fills: Vec<String> = (0..40).map(|n| format!("$out/{n}")).collect();
    let mut operations: Vec<Vec<&str>> = vec![vec!["mkdir", "$out"]];
    operations.extend(fills.iter().map(|f| vec!["fill", f, "16777216"]));
    let operations: Vec<&[&str]> = operations.iter().map(Vec::as_slice).collect();
    space.write("default.nix", probing("large", "", &operations));
    let path = space.ok(["build", "--no-link"]);
    let file = space.path("closure.clutch");
    space.ok(["export", &path, "-o", file.to_str().unwrap()]);
    for wait in [5, 40, 120, 250] {
        let other = Space::new(BINARY);
        let mut child = other
            .command()
            .args(["import", "--accept-unsigned"])
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        let listed = other.valid();
        assert!(listed.is_empty() || listed == std::slice::from_ref(&path), "{listed:?}");
        other.ok(["import", "--accept-unsigned", file.to_str().unwrap()]);
        assert_eq!(other.valid(), std::slice::from_ref(&path));
        assert_eq!(info(&other, &path)["treeHash"], info(&space, &path)["treeHash"]);
    }
}

#[test]
fn an_archive_that_was_changed_is_refused_and_leaves_nothing() {
    let space = Space::new(BINARY).with_probe();
    project(&space);
    let program = space.ok(["build", "--no-link"]);
    let file = space.path("closure.clutch");
    space.ok(["export", &program, "-o", file.to_str().unwrap()]);
    let whole = fs_err::read(&file).unwrap();
    let bad = space.path("bad.clutch");
    let refuse = |bytes: &[u8], what: &str| {
        fs_err::write(&bad, bytes).unwrap();
        let other = Space::new(BINARY);
        let ran = other.run(["import", "--accept-unsigned", bad.to_str().unwrap()]);
        assert_eq!(ran.code, 5, "{what}: {}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stderr.contains("bad.clutch") && !ran.stderr.contains("panicked"),
            "{}",
            ran.stderr
        );
        assert_eq!((other.valid(), other.on_disk()), (Vec::new(), Vec::new()), "{what}");
    };
    refuse(b"", "empty");
    refuse(b"no archive at all", "other bytes");
    for n in 1..8 {
        refuse(&whole[..whole.len() * n / 8], "truncated");
    }
    for n in 0..24 {
        let mut changed = whole.clone();
        let at = 40 + (whole.len() - 80) * n / 24;
        changed[at] ^= 0x20;
        fs_err::write(&bad, &changed).unwrap();
        let other = Space::new(BINARY);
        let ran = other.run(["import", "--accept-unsigned", bad.to_str().unwrap()]);
        // a bit may lie in what carries nothing (a time in a gzip header): then all is as it was
        if ran.code == 0 {
            for path in other.valid() {
                assert_eq!(info(&other, &path)["treeHash"], info(&space, &path)["treeHash"]);
            }
        } else {
            assert_eq!(ran.code, 5, "byte {at}: {}", ran.stderr);
            assert_eq!((other.valid(), other.on_disk()), (Vec::new(), Vec::new()), "byte {at}");
        }
    }
}
