//! The commands as a person or a program calls them: selection, output forms, links, exit codes.

use std::{os::unix::fs::PermissionsExt as _, process::Stdio};

use clutch_store_tests::{Ran, Space, index::Index, probing};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A set of two derivations, one with two outputs, behind a function.
fn project(space: &Space) {
    let words: &[&[&str]] = &[&["write", "$out", "x"], &["write", "$doc", "$note"]];
    let one = probing("one", "outputs = [ \"out\" \"doc\" ]; inherit note;", words);
    let two = probing("two", "", &[&["write", "$out", "x"]]);
    space.write("default.nix", format!("{{ note ? \"none\" }}: {{ one = {one}; two = {two}; }}"));
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn attributes_arguments_and_links() {
    let space = Space::new(BINARY).with_probe();
    project(&space);
    let one = space.ok(["build", "-A", "one", "--argstr", "note", "hello", "-o", "mine"]);
    assert_eq!(one.lines().count(), 2);
    let link = |name: &str| fs_err::read_link(space.path("project").join(name)).unwrap();
    assert_eq!(fs_err::read_to_string(link("mine-doc")).unwrap(), "hello");
    assert_eq!(fs_err::read_to_string(link("mine")).unwrap(), "x");
    let other = space.ok(["build", "-A", "one", "--arg", "note", "\"a\" + \"b\"", "--no-link"]);
    assert_ne!(one, other);
    let doc = space.ok(["build", "-A", "one.doc", "--no-link"]);
    assert!(doc.ends_with("-one-doc") && doc.lines().count() == 1, "{doc}");
    assert_eq!(space.ok(["build", "--no-link"]).lines().count(), 3);
    let error = space.fails(1, ["build", "-A", "tow", "--no-link"]);
    assert!(error.contains("did you mean 'two'"), "{error}");
    let error = space.fails(1, ["build", "-E", "{ a = 5; }"]);
    assert!(error.contains("nothing to build") && error.contains("'a', an integer"), "{error}");
}

#[test]
fn experimental_features_have_an_effect_or_a_warning() {
    let space = Space::new(BINARY);
    let eval = |features: &str, text: &str| {
        space.run(["eval", "--strict", "--extra-experimental-features", features, "-E", text])
    };
    let dates = "fromTOML \"a = 1979-05-27\"";
    let ran = eval("parse-toml-timestamps pipe-operators", dates);
    assert_eq!(ran.stdout, "{ a = { _type = \"timestamp\"; value = \"1979-05-27\"; }; }\n");
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    let ran = eval("nix-command flakes", dates);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("--extra-experimental-features parse-toml-timestamps"));
    assert!(!ran.stderr.contains("unknown"), "{}", ran.stderr);
    let ran = eval("pipe-operator", "1");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1\n"));
    assert!(ran.stderr.contains("unknown experimental feature 'pipe-operator'"), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean 'pipe-operators'?"), "{}", ran.stderr);
}

#[test]
fn values_print_in_every_form() {
    let space = Space::new(BINARY);
    let eval = |words: &[&str]| {
        space.ok(["eval", "-E", "{ a = 1 + 1; b = [ \"x\" ]; }"].iter().chain(words))
    };
    assert_eq!(eval(&[]), "{ a = <CODE>; b = <CODE>; }");
    assert_eq!(eval(&["--strict"]), "{ a = 2; b = [ \"x\" ]; }");
    assert_eq!(space.ok(["eval", "-E", "[ [ ] { } [ 1 ] ]"]), "[ [ ] <CODE> <CODE> ]");
    assert_eq!(eval(&["--json"]), "{\"a\":2,\"b\":[\"x\"]}");
    assert!(eval(&["--xml", "--strict"]).contains("<int value=\"2\" />"));
    assert_eq!(eval(&["--parse"]), "{ a = (1 + 1); b = [ (\"x\") ]; }");
    assert_eq!(space.ok(["eval", "--raw", "-E", "\"plain\""]), "plain");
    let derivation = "derivation { name = \"x\"; system = \"y\"; builder = \"z\"; }";
    let shown = space.ok(["eval", "-E", derivation]);
    assert!(shown.starts_with("\u{ab}derivation /clutch/store/"), "{shown}");
    assert!(shown.ends_with("-x.drv\u{bb}"), "{shown}");
    assert!(space.ok(["eval", "--strict", "-E", derivation]).starts_with("{ all = [ "));
    // a function is called if arguments are given, and on the way of a selection
    let function = ["eval", "-E", "{ a ? 1 }: { inherit a; f = { b ? 2 }: b; }"];
    let called = |words: &[&str]| space.ok(function.iter().chain(words));
    assert_eq!(called(&[]), "<LAMBDA>");
    assert_eq!(called(&["--strict", "--arg", "a", "5"]), "{ a = 5; f = <LAMBDA>; }");
    assert_eq!(called(&["-A", "a"]), "1");
    assert_eq!(called(&["-A", "f"]), "<LAMBDA>");
    assert_eq!(called(&["-A", "f", "--arg", "b", "3"]), "3");
    for form in ["--raw", "--xml", "--parse"] {
        space.fails(2, ["eval", "-E", "1", "--json", form]);
    }
    let mut command = space.command();
    let child = command.args(["eval", "--parse", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"x: x + 1").unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout.trim()), (0, "(x: (x + 1))"), "{}", ran.stderr);
}

#[test]
fn sources_and_texts_have_the_paths_of_their_content() {
    let space = Space::new(BINARY).with_probe();
    space.write("tree/keep", "1");
    space.write("tree/drop", "2");
    let filter = "(path: type: baseNameOf path != \"drop\")";
    let path = |expression: &str| space.ok(["eval", "--raw", "-E", expression]);
    let filtered = path(&format!("builtins.filterSource {filter} ./tree"));
    let same = path(&format!("builtins.path {{ path = ./tree; filter = {filter}; }}"));
    assert_eq!(filtered, same);
    assert_ne!(filtered, path("\"${./tree}\""));
    let name =
        format!("\"${{builtins.path {{ path = ./tree; name = \"tree\"; filter = {filter}; }}}}\"");
    space.write(
        "default.nix",
        probing("user", &format!("tree = {name};"), &[&["list", "$tree"], &["write", "$out", "x"]]),
    );
    let derivation = space.ok(["eval", "--raw", "-A", "drvPath", "default.nix"]);
    space.ok(["build", "--no-link"]);
    assert_eq!(space.ok(["log", &derivation]), "keep");
    let wrong = "0".repeat(52);
    let error = space.fails(
        1,
        ["eval", "-E", &format!("builtins.path {{ path = ./tree; sha256 = \"{wrong}\"; }}")],
    );
    assert!(error.contains("hash mismatch"), "{error}");
    let text = path("builtins.toFile \"note\" \"hello\"");
    assert_eq!(
        space.ok(["eval", "--raw", "-E", "builtins.readFile (builtins.toFile \"note\" \"hello\")"]),
        "hello"
    );
    assert!(text.ends_with("-note"));
}

#[test]
fn a_recursive_fixed_output_is_checked_by_its_archive() {
    let space = Space::new(BINARY).with_probe();
    // nix-hash --type sha256 --sri of a folder that holds the file `f` with the text x
    let build = |hash: &str| {
        let fixed = format!("outputHashMode = \"recursive\"; outputHash = \"{hash}\";");
        let operations = [&["mkdir", "$out"][..], &["write", "$out/f", "x"]];
        space.write("default.nix", probing("tree", &fixed, &operations));
        space.run(["build", "--no-link"])
    };
    let ran = build(&format!("sha256-{}=", "A".repeat(43)));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains(TREE), "{}", ran.stderr);
    assert_eq!(build(TREE).code, 0);
}

/// The output of `nix-hash --type sha256 --sri` for a folder that holds the file `f` with the text x.
const TREE: &str = "sha256-THLxN/MnSXSjba+rHU3Zp5sdhfaqWy+d2/VlKGm4BtY=";

#[test]
fn a_text_of_a_derivation_brings_its_closure() {
    let space = Space::new(BINARY).with_probe();
    space.write("inner.nix", probing("inner", "", &[&["write", "$out", "x"]]));
    let operations = [&["read", "$drv"][..], &["read", "$path"], &["write", "$out", "x"]];
    let attributes = "drv = (import ./inner.nix).drvPath; path = builtins.unsafeDiscardStringContext (import ./inner.nix).outPath;";
    space.write("default.nix", probing("outer", attributes, &operations));
    let derivation = space.ok(["eval", "--raw", "-A", "drvPath", "default.nix"]);
    space.ok(["build", "--no-link"]);
    let described = json(&space.ok(["show", "--json", &derivation]));
    let inputs = described["inputDerivations"].as_object().unwrap();
    assert!(inputs.keys().any(|path| path.ends_with("-inner.drv")), "{described}");
}

#[test]
fn only_programs_of_the_environment_are_run() {
    let space = Space::new(BINARY).with_probe();
    let operations: [&[&str]; 4] = [
        &["mkdir", "$out"],
        &["mkdir", "$out/bin"],
        &["copy", "$program", "$out/bin/tool"],
        &["write", "$out/x", "y"],
    ];
    space.write("default.nix", probing("tool", "program = ./probe;", &operations));
    let error = space.fails(127, ["run", ".", "--", "ls"]);
    assert!(error.contains("no program 'ls'"), "{error}");
    assert_eq!(space.ok(["shell", ".", "--", "tool", "print", "inside"]), "inside");
    space.ok(["shell", ".", "--", "ls"]);
    let mut command = space.command();
    // variables by which something of the machine would be loaded are gone, in whichever way it is started
    let foreign = [
        "PYTHONPATH",
        "PYTHONEXECUTABLE",
        "__PYVENV_LAUNCHER__",
        "PYTHONPYCACHEPREFIX",
        "_PYTHON_SYSCONFIGDATA_NAME",
        "OPENSSL_CONF",
        "OPENSSL_MODULES",
        "GCONV_PATH",
        "LOCPATH",
        "NLSPATH",
        "TCL_LIBRARY",
        "LD_AUDIT",
    ];
    command.envs(foreign.map(|name| (name, "/x"))).env("LD_PRELOAD", "");
    command.env("PYTHONUNBUFFERED", "1").env("SSL_CERT_FILE", "/certificates");
    for way in [&["run", "."][..], &["run", "--isolated", "."], &["shell", "."]] {
        let mut command = clone(&command);
        let said = Ran::of(command.args(way).args(["--", "tool", "environment"]).output().unwrap());
        let set = |name: &str| said.stdout.lines().any(|l| l.starts_with(&format!("{name}=")));
        for name in foreign.into_iter().chain(["LD_PRELOAD"]) {
            assert!(!set(name), "{way:?}: {name}: {}", said.stdout);
        }
        // what is the user's own stays
        let is_isolated = way.contains(&"--isolated");
        assert_eq!(set("PYTHONUNBUFFERED") && set("SSL_CERT_FILE"), !is_isolated, "{way:?}");
    }
    command.args(["run", ".", "--", "tool", "environment"]);
    let said = Ran::of(command.output().unwrap()).stdout;
    assert!(
        said.lines().any(|l| l.starts_with("PATH=/clutch/store/") && l.contains("-tool/bin:")),
        "{said}"
    );
    // what cannot be executed is told with the codes of a shell, and is no matter of the sandbox
    let text = space.write("text", "no program");
    for (command, code) in [("/no/such/program", 127), (text.to_str().unwrap(), 126)] {
        for isolated in [&[][..], &["--isolated"]] {
            // an isolated program does not see the machine's files at all
            let code = if isolated.is_empty() { code } else { 127 };
            let words = [&["run", "."], isolated, &["--", command]].concat();
            let error = space.fails(code, words);
            assert!(error.contains("cannot execute") && !error.contains("doctor"), "{error}");
        }
    }
    // the program's own end is the command's
    assert_eq!(space.run(["run", ".", "--", "tool", "exit", "7"]).code, 7);
}

#[test]
fn what_is_there_is_described() {
    let space = Space::new(BINARY).with_probe();
    project(&space);
    let paths = space.ok(["build", "--no-link"]);
    let derivation = space.ok(["eval", "--raw", "-A", "one.drvPath"]);
    let shown = json(&space.ok(["show", "--json", &derivation]));
    assert_eq!((&shown["name"], &shown["env"]["note"]), (&"one".into(), &"none".into()));
    assert!(shown["outputs"]["doc"]["path"].as_str().unwrap().ends_with("-one-doc"));
    let first = paths.lines().next().unwrap();
    let why = space.fails(1, ["closure", first, "--why", &derivation]);
    assert!(why.contains("does not depend on"), "{why}");
    let missing = "/clutch/store/00000000000000000000000000000000-missing";
    for words in [
        &["closure", missing][..],
        &["closure", missing, "--why", first],
        &["closure", first, "--why", missing],
        &["show", missing],
        &["run", missing],
        &["log", missing],
    ] {
        let error = space.fails(1, words);
        assert!(error.contains("missing"), "{words:?}: {error}");
    }
    for words in [&["show", "/clutch/store/xyz"][..], &["run", "/clutch/store/xyz"]] {
        let error = space.fails(2, words);
        assert!(error.contains("'xyz' is not a store path: expected"), "{error}");
    }
    for words in [&["run", "unknown"], &["shell", "unknown"]] {
        assert!(space.fails(2, words).contains("profile or"), "{words:?}");
    }
    // a folder in which none can be made, although it is there
    space.fails(3, ["--store", "/proc/store", "paths"]);
    assert!(space.ok(["completions", "bash"]).contains("clutch"));
    let doctor = space.run(["doctor", "--json"]);
    let findings = json(&doctor.stdout);
    let subjects: Vec<&str> = findings["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["subject"].as_str().unwrap())
        .collect();
    assert!(subjects.contains(&"user namespaces"), "{subjects:?}");
}

#[test]
fn exit_codes_are_the_documented_ones() {
    let space = Space::new(BINARY).with_probe();
    space.fails(2, ["no-such-command"]);
    space.fails(2, ["build", "nowhere.nix"]);
    space.fails(2, ["show", "neither"]);
    space.fails(2, ["import", "nowhere"]);
    space.fails(2, ["lock", "nowhere"]);
    space.write("garbage", "no export");
    space.fails(5, ["import", "garbage"]);
    space.write("requirements.txt", "name>=1\nother==1\n-e .\nthird\n");
    let error = space.fails(5, ["lock", "requirements.txt"]);
    for line in [1, 3, 4] {
        assert!(error.contains(&format!("requirements.txt:{line}")), "{error}");
    }
    space.write("made.nix", probing("made", "", &[&["write", "$out", "x"]]));
    let path = space.ok(["build", "--no-link", "made.nix"]);
    space.fails(2, ["pin", "no name", &path]);
    let error = space.fails(1, ["build", "made.nix", "-o", "no/such/folder/link"]);
    assert!(error.contains("cannot create the link 'no/such/folder/link'"), "{error}");
    let file = space.write("file", "");
    space.fails(3, ["--store", file.to_str().unwrap(), "paths"]);
    space.write("folder/something", "");
    space.fails(3, ["--store", space.path("project/folder").to_str().unwrap(), "paths"]);
    // a failure in the middle of an evaluation keeps its kind
    space.write("default.nix", "builtins.readFile (import ./bad.nix)");
    space.write("bad.nix", probing("bad", "", &[&["exit", "1"]]));
    let error = space.fails(1, ["eval", "default.nix"]);
    assert!(error.contains("exit code 1"), "{error}");
    space.fails(3, ["--store", file.to_str().unwrap(), "eval", "default.nix"]);
}

#[test]
fn a_file_of_another_kind_is_told_with_what_to_give() {
    let (space, index) = (Space::new(BINARY), Index::new());
    space.write("empty/file", "");
    space.write("wanted/requirements.txt", "a==1\n");
    space.write("function.nix", "x: x");
    space.write("list.nix", "[ ]");
    space.write("pyproject.toml", "[project]\nname = \"x\"\n");
    space.write("binary", "\x7fELF\0\x01");
    space.write("other.nix", "1");
    let hash = "(import <clutch>).fetch { url = \"http://127.0.0.1/x\"; hash = \"abc\"; }";
    let debian = format!("--index=debian={}", index.url("archive"));
    let cases: [(i32, &[&str], &str, &str); 12] = [
        (2, &["build", "empty"], "empty' has no default.nix", "-E EXPRESSION"),
        (2, &["build", "wanted"], "wanted' has no default.nix", "`clutch lock requirements.txt`"),
        (1, &["build", "function.nix"], "a derivation, or a set or list", "to a function"),
        (1, &["build", "list.nix"], "nothing to build", "evaluates to an empty list"),
        (2, &["lock", "requests"], "'requests' does not exist", "only for --debian"),
        (
            2,
            &["lock", "pyproject.toml"],
            "not a requirements file",
            "uv pip compile pyproject.toml",
        ),
        (2, &["build", "pyproject.toml"], "not an expression", "uv pip compile pyproject.toml"),
        (5, &["lock", "empty"], "cannot read 'empty': it is a folder", ""),
        (2, &["eval", "binary"], "binary' is a binary file, not an expression", "-E EXPRESSION"),
        (
            5,
            &["import", "empty"],
            "'empty' is a folder, expected a file written by `clutch export`",
            "",
        ),
        (5, &["import", "other.nix"], "'other.nix' is not a file written by `clutch export`", ""),
        (1, &["build", "-E", hash], "'abc' is not a hash, expected \"sha256-...\", or \"\"", ""),
    ];
    for (code, command, message, advice) in cases {
        let error = space.fails(code, command);
        assert!(error.contains(message) && error.contains(advice), "{command:?}: {error}");
    }
    let error = space.fails(1, ["lock", "--debian", "nosuite", "hello", &debian]);
    assert!(error.contains("the index has no suite 'nosuite' (http"), "{error}");
}

#[test]
fn help_tells_a_commands_own_options_from_the_others() {
    let help = Space::new(BINARY).ok(["build", "--help"]);
    let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("no '{text}' in {help}"));
    let sections = [at("Options:"), at("Evaluation options:"), at("Build options:")];
    let common = at("Global options:");
    assert!(sections.iter().all(|section| *section < common), "{help}");
    assert!(at("--out-link") < sections[1] && at("--update-hashes") < sections[1], "{help}");
    assert!(at("--quiet") > common && at("--events") > common, "{help}");
}

#[test]
fn two_processes_build_a_derivation_once() {
    let space = Space::new(BINARY).with_probe();
    space.write("default.nix", probing("slow", "", &[&["sleep", "1.5"], &["write", "$out", "x"]]));
    let spawn = || {
        space
            .command()
            .args(["build", "--no-link"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [spawn(), spawn()].map(|child| Ran::of(child.wait_with_output().unwrap()));
    assert_eq!(both[0].stdout, both[1].stdout);
    let said: String = both.iter().map(|ran| ran.stderr.as_str()).collect();
    assert_eq!(said.matches("building slow").count(), 1, "{said}");
}

#[test]
fn a_store_that_cannot_be_written_can_be_read() {
    if !Space::is_root() {
        eprintln!("LEFT OUT: becoming another user needs root");
        return;
    }
    let space = Space::new(BINARY).with_probe();
    space.write("made.nix", probing("made", "", &[&["write", "$out", "text"]]));
    let path = space.ok(["build", "--no-link", "made.nix"]);
    // the owner stays root: for this user nothing in it can be written
    let user = Space::new(BINARY).with_probe().as_user(12345);
    let store = space.store();
    fs_err::set_permissions(space.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    let store = store.to_str().unwrap();
    assert_eq!(user.ok(["--store", store, "closure", &path]), path);
    user.write("made.nix", fs_err::read_to_string(space.path("project/made.nix")).unwrap());
    assert_eq!(user.ok(["--store", store, "build", "--no-link", "made.nix"]), path);
    let read = "builtins.readFile (import ./made.nix)";
    assert_eq!(user.ok(["--store", store, "eval", "--raw", "-E", read]), "text");
}

#[test]
fn a_warning_is_an_error_where_that_is_asked() {
    let space = Space::new(BINARY);
    let warn = ["eval", "-E", "builtins.warn \"careful\" 1"];
    assert_eq!(space.ok(warn), "1");
    let error = space.fails(1, [&warn[..], &["--abort-on-warn"]].concat());
    assert!(error.contains("careful") && error.contains("abort-on-warn is set"), "{error}");
    // the environment counts only if evaluation is impure
    let run = |more: &[&str]| {
        let mut command = space.command();
        command.args(warn).args(more).env("NIX_ABORT_ON_WARN", "1").output().unwrap().status.code()
    };
    assert_eq!((run(&[]), run(&["--impure"])), (Some(0), Some(1)));
}

/// A command that starts the same program in the same place with the same environment.
fn clone(command: &std::process::Command) -> std::process::Command {
    let mut other = std::process::Command::new(command.get_program());
    other.env_clear().current_dir(command.get_current_dir().unwrap());
    other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    other.stdin(std::process::Stdio::null());
    other
}
