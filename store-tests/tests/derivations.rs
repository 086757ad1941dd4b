//! Attributes of a derivation that change how it is built or what it may hold, and values that need
//! a build in the middle of an evaluation.

use clutch_store_tests::{Space, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// Builds `default.nix` with these attributes and operations, and gives where the output lies.
fn build(space: &Space, attributes: &str, operations: &[&[&str]]) -> std::path::PathBuf {
    space.write("default.nix", probing("it", attributes, operations));
    space.real(&space.ok(["build", "--no-link"]))
}

#[test]
fn a_sandbox_root_shows_at_its_usual_places_and_cannot_be_written() {
    let space = Space::new(BINARY).with_probe();
    space.write("tree/etc/greeting", "from the root");
    space.write("tree/usr/share/file", "x");
    let attributes = "sandboxRoot = ./tree;";
    let operations: [&[&str]; 4] = [
        &["read", "/etc/greeting"],
        &["try", "write", "/usr/share/new", "x"],
        &["try", "write", "/etc/greeting", "x"],
        &["write", "$out", "done"],
    ];
    space.write("default.nix", probing("it", attributes, &operations));
    let derivation = space.ok(["eval", "--raw", "-A", "drvPath", "default.nix"]);
    space.ok(["build", "--no-link"]);
    let log = space.ok(["log", &derivation]);
    assert!(log.starts_with("from the root"), "{log}");
    assert_eq!(log.matches("write: EROFS").count(), 2, "{log}");
}

#[test]
fn attributes_come_as_files_where_asked() {
    let space = Space::new(BINARY).with_probe();
    let attributes = "text = \"long\"; passAsFile = [ \"text\" ];";
    let out = build(&space, attributes, &[&["copy", "$textPath", "$out"]]);
    assert_eq!(fs_err::read_to_string(out).unwrap(), "long");
    let attributes = "__structuredAttrs = true; number = 7; list = [ \"a\" { b = true; } ];";
    let out = build(&space, attributes, &[&["copy", "$NIX_ATTRS_JSON_FILE", "$out"]]);
    // in this mode only the file says where the output goes
    let json: serde_json::Value = serde_json::from_slice(&fs_err::read(out).unwrap()).unwrap();
    assert_eq!((&json["number"], &json["list"][1]["b"]), (&7.into(), &true.into()));
}

#[test]
fn references_that_are_not_allowed_are_refused() {
    let space = Space::new(BINARY).with_probe();
    space.write("library.nix", probing("library", "", &[&["write", "$out", "x"]]));
    let built = |rule: &str| {
        let attributes = format!("library = import ./library.nix; {rule}");
        space.write("default.nix", probing("it", &attributes, &[&["write", "$out", "$library"]]));
        space.run(["build", "--no-link"])
    };
    let library = "(import ./library.nix)";
    for rule in [
        "allowedReferences = [ ];".to_owned(),
        "allowedRequisites = [ ];".to_owned(),
        format!("disallowedReferences = [ {library} ];"),
        format!("disallowedRequisites = [ {library} ];"),
    ] {
        let ran = built(&rule);
        assert_eq!(ran.code, 1, "{rule}");
        assert!(ran.stderr.contains("-library"), "{rule}: {}", ran.stderr);
        assert!(!space.valid().iter().any(|p| p.ends_with("-it")), "{rule}");
    }
    let ran = built(&format!("allowedReferences = [ {library} ];"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_value_can_need_a_build() {
    let space = Space::new(BINARY).with_probe();
    space.write("made.nix", probing("made", "", &[&["write", "$out", "{ answer = 42; }"]]));
    assert_eq!(space.ok(["eval", "-E", "(import (import ./made.nix)).answer"]), "42");
    let read = "builtins.readFile (import ./made.nix)";
    assert_eq!(space.ok(["eval", "--raw", "-E", read]), "{ answer = 42; }");
}

#[test]
fn another_address_of_a_fixed_output_changes_nothing_downstream() {
    let space = Space::new(BINARY).with_probe();
    let path = |url: &str| {
        let fetched = format!(
            "derivation {{ name = \"f\"; system = \"builtin\"; builder = \"builtin:fetch\"; \
             url = \"{url}\"; outputHashMode = \"flat\"; outputHashAlgo = \"sha256\"; \
             outputHash = \"{}\"; }}",
            "0".repeat(64)
        );
        let attributes = format!("input = {fetched};");
        space.write("default.nix", probing("user", &attributes, &[&["copy", "$input", "$out"]]));
        let eval = |what| space.ok(["eval", "--raw", "-A", what, "default.nix"]);
        (eval("outPath"), eval("drvPath"))
    };
    let (one, other) = (path("http://127.0.0.1/a"), path("http://127.0.0.1/b"));
    assert_eq!(one.0, other.0);
    assert_ne!(one.1, other.1);
}

#[test]
fn pure_evaluation_reads_the_project_alone() {
    let space = Space::new(BINARY);
    let outside = space.path("home/secret");
    fs_err::write(&outside, "1").unwrap();
    std::os::unix::fs::symlink(&outside, space.path("project/link")).unwrap();
    for expression in [format!("import {}", outside.display()), "import ./link".to_owned()] {
        let error = space.fails(1, ["eval", "-E", &expression]);
        assert!(error.contains("--impure"), "{error}");
        assert_eq!(space.ok(["eval", "--impure", "-E", &expression]), "1");
    }
    assert_eq!(space.ok(["eval", "-E", "builtins.getEnv \"HOME\""]), "\"\"");
}

#[test]
fn one_failure_stops_only_what_depends_on_it() {
    let space = Space::new(BINARY).with_probe();
    let part = |name: &str, attributes: &str, words: &[&str]| {
        format!("{name} = {};", probing(name, attributes, &[words]))
    };
    let all = [
        part("bad", "", &["exit", "1"]),
        part("worse", "", &["exit", "2"]),
        part("user", "needs = bad;", &["write", "$out", "x"]),
        part("alone", "", &["write", "$out", "x"]),
    ];
    space.write("default.nix", format!("rec {{ {} }}", all.join("\n")));
    let error = space.fails(1, ["build", "--no-link", "--keep-going"]);
    for text in ["exit code 1", "exit code 2", "user"] {
        assert!(error.contains(text), "{text}: {error}");
    }
    assert!(space.valid().iter().any(|p| p.ends_with("-alone")));
}
