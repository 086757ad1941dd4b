//! The evaluation cache: what is known is not evaluated again, and whatever could change the result
//! is noticed.

use clutch_store_tests::{Ran, Space};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

const HIT: &str = "using the cached evaluation";

/// Evaluates `default.nix` and builds nothing.
fn evaluate(space: &Space, arguments: &[&str]) -> Ran {
    let ran = space.run([&["build", "--dry-run", "-v"], arguments].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran
}

fn is_known(space: &Space, arguments: &[&str]) -> bool {
    evaluate(space, arguments).stderr.contains(HIT)
}

/// A derivation whose name is `it` and whose attribute `text` is what `expression` gives.
fn derivation(expression: &str) -> String {
    format!(
        "derivation {{ name = \"it\"; system = \"x86_64-linux\"; builder = \"builtin:text\"; \
         text = {expression}; }}"
    )
}

/// Something that an evaluation reads, and a change of it.
struct Case {
    what: &'static str,
    expression: &'static str,
    change: fn(&Space),
}

const CASES: &[Case] = &[
    Case {
        what: "the file itself",
        expression: "\"x\"",
        change: |space| drop(space.write("default.nix", derivation("\"y\""))),
    },
    Case {
        what: "a file that is imported",
        expression: "import ./other.nix",
        change: |space| drop(space.write("other.nix", "\"other\"")),
    },
    Case {
        what: "a file that is read",
        expression: "builtins.readFile ./text",
        change: |space| drop(space.write("text", "other")),
    },
    Case {
        what: "a file that is hashed",
        expression: "builtins.hashFile \"sha256\" ./text",
        change: |space| drop(space.write("text", "other")),
    },
    Case {
        what: "a file that was not there",
        expression: "if builtins.pathExists ./new then \"yes\" else \"no\"",
        change: |space| drop(space.write("new", "")),
    },
    Case {
        what: "a folder that is listed",
        expression: "toString (builtins.attrNames (builtins.readDir ./tree))",
        change: |space| drop(space.write("tree/new", "")),
    },
    Case {
        what: "a tree that is copied",
        expression: "\"${./tree}\"",
        change: |space| drop(space.write("tree/sub/deep", "changed")),
    },
    Case {
        what: "an executable bit in a tree that is copied",
        expression: "\"${./tree}\"",
        change: |space| {
            use std::os::unix::fs::PermissionsExt;
            let mode = PermissionsExt::from_mode(0o755);
            fs_err::set_permissions(space.path("project/tree/file"), mode).unwrap();
        },
    },
    Case {
        what: "a new file in a filtered tree",
        expression: "\"${builtins.filterSource (p: t: baseNameOf p != \"file\") ./tree}\"",
        change: |space| drop(space.write("tree/sub/new", "x")),
    },
    Case {
        what: "a link on the way",
        expression: "builtins.readFile ./link/file",
        change: |space| {
            let link = space.path("project/link");
            fs_err::remove_file(&link).unwrap();
            fs_err::os::unix::fs::symlink("tree/sub", link).unwrap();
        },
    },
];

fn project() -> Space {
    let space = Space::new(BINARY);
    space.write("other.nix", "\"value\"");
    space.write("text", "text");
    space.write("tree/file", "x");
    space.write("tree/sub/deep", "x");
    space.write("tree/sub/file", "y");
    fs_err::os::unix::fs::symlink("tree", space.path("project/link")).unwrap();
    space
}

#[test]
fn every_change_of_what_was_read_is_noticed() {
    for Case { what, expression, change } in CASES {
        let space = project();
        space.write("default.nix", derivation(expression));
        assert!(!is_known(&space, &[]), "{what}: the first time");
        let known = evaluate(&space, &[]);
        assert!(known.stderr.contains(HIT), "{what}: nothing has changed");
        change(&space);
        let changed = evaluate(&space, &[]);
        assert!(!changed.stderr.contains(HIT), "{what}: it has changed");
        let afresh = evaluate(&space, &["--no-eval-cache"]);
        assert!(!afresh.stderr.contains(HIT));
        assert_eq!(changed.stdout, afresh.stdout, "{what}");
        assert!(is_known(&space, &[]), "{what}: nothing has changed since");
    }
}

#[test]
fn the_root_of_the_project_is_part_of_the_question() {
    let space = project();
    space.write("sub/default.nix", derivation("\"x\""));
    assert!(!is_known(&space, &["sub"]));
    assert!(is_known(&space, &["sub"]));
    fs_err::create_dir(space.path("project/.git")).unwrap();
    assert!(!is_known(&space, &["sub"]));
}

#[test]
fn what_does_not_matter_is_no_change() {
    let space = project();
    let filter = "builtins.filterSource (p: t: baseNameOf p != \"sub\") ./tree";
    space.write("default.nix", derivation(&format!("\"${{{filter}}}\"")));
    assert!(!is_known(&space, &[]));
    space.write("text", "nobody reads it");
    space.write("tree/sub/deep", "below what the filter leaves out");
    assert!(is_known(&space, &[]));
    // the same content, written again
    space.write("tree/file", "x");
    space.write("default.nix", derivation(&format!("\"${{{filter}}}\"")));
    assert!(is_known(&space, &[]));
}

#[test]
fn arguments_and_settings_are_part_of_the_question() {
    let space = project();
    let body = derivation("x + (builtins.tryEval <found>).value.text or \"\" + getEnv \"HELLO\"");
    let function =
        format!("{{ x ? \"\", getEnv ? builtins.getEnv }}: {{ a = {body}; b = {body}; }}");
    space.write("default.nix", function);
    space.write("one/found/default.nix", "{ text = \"1\"; }");
    let all: &[&[&str]] = &[
        &[],
        &["-A", "a"],
        &["-A", "b"],
        &["--argstr", "x", "1"],
        &["--arg", "x", "\"2\""],
        &["--system", "aarch64-linux"],
        &["--impure"],
        &["-E", "import ./default.nix { }"],
        &["--extra-experimental-features", "pipe-operators"],
    ];
    for arguments in all {
        assert!(!is_known(&space, arguments), "{arguments:?}");
        assert!(is_known(&space, arguments), "{arguments:?}");
    }
    let set = |value: &str| {
        let arguments = ["build", "--dry-run", "-v", "--impure"];
        let ran = space.command().args(arguments).env("HELLO", value).output().unwrap();
        Ran::of(ran).stderr.contains(HIT)
    };
    assert!(!set("1"), "a variable that was read has another value");
    assert!(set("1"));
    assert!(!set("2"));
    space.write("default.nix", derivation("toString builtins.currentTime"));
    assert!(!is_known(&space, &["--impure"]));
    assert!(!is_known(&space, &["--impure"]), "the clock is never the same");
}

#[test]
fn messages_are_told_again() {
    let space = Space::new(BINARY);
    let text = "builtins.trace \"a trace\" (builtins.warn \"a warning\" \"x\")";
    space.write("default.nix", derivation(text));
    let (first, second) = (evaluate(&space, &[]), evaluate(&space, &[]));
    assert!(second.stderr.contains(HIT));
    for ran in [first, second] {
        assert!(ran.stderr.contains("trace: a trace"), "{}", ran.stderr);
        assert!(ran.stderr.contains("a warning"), "{}", ran.stderr);
    }
}

#[test]
fn what_was_collected_or_damaged_is_evaluated_again() {
    let space = project();
    space.write("default.nix", derivation("import ./other.nix"));
    let path = space.ok(["build", "--no-link", "-v"]);
    assert!(is_known(&space, &[]));
    space.ok(["gc"]);
    let folder = space.store().join("var/evaluations");
    let records = || fs_err::read_dir(&folder).unwrap().count();
    assert_eq!(records(), 0, "collected with its derivation");
    assert!(!is_known(&space, &[]));
    assert_eq!(space.ok(["build", "--no-link", "-v"]), path);
    assert_eq!(records(), 1);
    // every byte counts
    let file = fs_err::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let whole = fs_err::read(&file).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 20) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs_err::write(&file, damaged).unwrap();
        assert!(!is_known(&space, &[]), "byte {at}");
        fs_err::write(&file, &whole[..at]).unwrap();
        assert!(!is_known(&space, &[]), "cut at {at}");
    }
    fs_err::write(&file, &whole).unwrap();
    assert!(is_known(&space, &[]));
}

#[test]
fn what_was_built_in_the_middle_is_read_again() {
    let space = Space::new(BINARY).with_probe();
    let made = clutch_store_tests::probing("made", "", &[&["write", "$out", "\"text\""]]);
    space.write("made.nix", made);
    space.write("default.nix", derivation("import (import ./made.nix)"));
    assert!(!is_known(&space, &[]));
    assert!(is_known(&space, &[]));
    space.ok(["gc"]);
    assert!(!is_known(&space, &[]), "what it read is gone");
    assert!(is_known(&space, &[]));
}
