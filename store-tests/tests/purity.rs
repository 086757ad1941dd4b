//! Pure evaluation: a value never depends on what the store happens to hold, nor on more of
//! the person's files than their project.

use std::{os::unix::fs::symlink, process::Command};

use clutch_store_tests::{Space, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A derivation without a sandbox; its output is the text.
const TEXT: &str = "derivation { name = \"it\"; system = \"builtin\"; builder = \"builtin:text\"; \
                    text = \"content\"; }";

/// The value of an expression, which may be an error.
fn value(space: &Space, expression: &str) -> String {
    let ran = space.run(["eval", "--strict", "-E", expression]);
    let first = ran.stderr.lines().find(|line| line.starts_with("error")).unwrap_or_default();
    format!("{}{first}", ran.stdout)
}

#[test]
fn no_value_depends_on_what_the_store_holds() {
    let space = Space::new(BINARY);
    let bare = format!("builtins.unsafeDiscardStringContext ({TEXT}).outPath");
    let out = space.ok(["eval", "--raw", "-E", &bare]);
    let project = space.path("project");
    symlink(space.real(&out), project.join("result")).unwrap();
    space.write("plain/file", "x");
    symlink(space.real(&out), project.join("plain/link")).unwrap();
    let literal = |call: &str| format!("{call} {out}");
    let asked = [
        "builtins.pathExists builtins.storeDir".to_owned(),
        "builtins.readDir builtins.storeDir".to_owned(),
        "builtins.readFileType builtins.storeDir".to_owned(),
        "\"${builtins.path { path = builtins.storeDir; name = \"x\"; filter = p: t: false; }}\""
            .into(),
        format!("builtins.pathExists ({bare})"),
        format!("builtins.readFile ({bare})"),
        format!("builtins.readFileType ({bare})"),
        format!("builtins.hashFile \"sha256\" ({bare})"),
        format!("builtins.storePath ({bare})"),
        format!("builtins.path {{ path = {bare}; name = \"x\"; }}"),
        format!("builtins.filterSource (p: t: true) ({bare})"),
        format!("import ({bare})"),
        format!("builtins.scopedImport {{ }} ({bare})"),
        format!("builtins.findFile [ {{ prefix = \"x\"; path = {bare}; }} ] \"x\""),
        format!(
            "(builtins.fetchTree {{ type = \"path\"; path = {bare}; narHash = \
             \"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"; }}).outPath"
        ),
        // a context that was made up opens nothing
        format!(
            "let p = {bare}; in builtins.readFile (builtins.appendContext p {{ ${{p}} = {{ path = true; }}; }})"
        ),
        literal("builtins.readFile"),
        literal("builtins.pathExists"),
        literal("import"),
        format!("\"${{{out}}}\""),
        "builtins.readFile ./result".to_owned(),
        "builtins.pathExists \"${toString ./result}/\"".to_owned(),
        "builtins.readDir ./result".to_owned(),
        "import ./result".to_owned(),
        "builtins.path { path = ./result; name = \"x\"; }".to_owned(),
        "builtins.readFile ./plain/link".to_owned(),
        format!("builtins.readFile \"{}\"", space.real(&out).display()),
        // as in Nix, `import` of a derivation's path looks at no file
        format!("import (builtins.unsafeDiscardStringContext ({TEXT}).drvPath) ? outPath"),
    ];
    let before: Vec<String> = asked.iter().map(|expression| value(&space, expression)).collect();
    assert_eq!(space.ok(["build", "--no-link", "-E", TEXT]), out);
    for (expression, before) in asked.iter().zip(before) {
        let after = value(&space, expression);
        assert_eq!(after, before, "{expression}: before and after the build");
        assert!(
            after.contains("forbidden in pure evaluation")
                || after.contains("not allowed in pure")
                || ["false\n", "true\n"].contains(&after.as_str())
                || expression.contains("findFile"),
            "{expression}: {after}"
        );
    }
    let impure = ["eval", "--impure", "--raw", "-E", "builtins.readFile ./result"];
    assert_eq!(space.ok(impure), "content");
    assert_eq!(space.ok(["eval", "--impure", "-E", &literal("builtins.pathExists")]), "true");
}

#[test]
fn what_an_evaluation_has_made_it_may_read() {
    let space = Space::new(BINARY).with_probe();
    space.write("src/file", "text of a source");
    for (expression, expected) in [
        (format!("builtins.readFile ({TEXT})"), "\"content\""),
        (format!("builtins.readFile \"${{{TEXT}}}\""), "\"content\""),
        ("builtins.readFile (builtins.toFile \"x\" \"abc\")".to_owned(), "\"abc\""),
        ("builtins.readFile \"${./src}/file\"".to_owned(), "\"text of a source\""),
        ("builtins.attrNames (builtins.readDir \"${./src}\")".to_owned(), "[ \"file\" ]"),
        // once it is built, by any name: as in Nix
        (
            format!(
                "let d = {TEXT}; p = builtins.unsafeDiscardStringContext d.outPath; in \
                 [ (builtins.pathExists p) (builtins.readFile d) (builtins.pathExists p) ]"
            ),
            "[ false \"content\" true ]",
        ),
        // a derivation that was never built
        (
            format!(
                "let d = {TEXT}; in builtins.stringLength (builtins.hashFile \"sha256\" d.drvPath)"
            ),
            "64",
        ),
        (format!("builtins.readFileType ({TEXT}).drvPath"), "\"regular\""),
        (
            format!(
                "let d = {TEXT}; i = import d.drvPath; in [ (i.outPath == d.outPath) (i.drvPath == \
                 d.drvPath) i.name i.outputName i.type (i.all == [ i.out ]) (builtins.getContext \
                 i.outPath == builtins.getContext d.outPath) ]"
            ),
            "[ true true \"it\" \"out\" \"derivation\" true true ]",
        ),
    ] {
        assert_eq!(space.ok(["eval", "--strict", "-E", &expression]), expected, "{expression}");
    }
    // what was built refers to another output: a link there is followed
    space.write("named.nix", probing("named", "", &[&["write", "$out", "\"linked\""]]));
    let attributes = "named = import ./named.nix;";
    let operations: [&[&str]; 2] = [&["mkdir", "$out"], &["symlink", "$named", "$out/link"]];
    space.write("made.nix", probing("made", attributes, &operations));
    space.write("default.nix", "import \"${import ./made.nix}/link\"");
    assert_eq!(space.ok(["eval"]), "\"linked\"");
    // the result is known the next time, too
    let all = "derivation { name = \"all\"; system = \"builtin\"; builder = \"builtin:text\"; text = import \
               \"${import ./made.nix}/link\" + builtins.readFile (builtins.toFile \"x\" \"abc\"); }";
    space.write("default.nix", all);
    let build = || space.run(["build", "--dry-run", "-v"]).stderr;
    assert!(!build().contains("using the cached evaluation"));
    assert!(build().contains("using the cached evaluation"));
    // what is named on the command line is open, under both its names
    let out = space.ok(["build", "--no-link", "-E", "import ./made.nix"]);
    for place in [out.clone(), space.real(&out).display().to_string()] {
        let include = format!("x={place}");
        assert_eq!(space.ok(["eval", "-I", &include, "-E", "import <x/link>"]), "\"linked\"");
    }
}

#[test]
fn git_and_what_it_ignores_are_not_of_the_project() {
    let space = Space::new(BINARY);
    let project = space.path("project");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(&project).env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.status().is_ok_and(|status| status.success())
    };
    if !git(&["init", "-q"]) {
        eprintln!("no git here: nothing is tried");
        return;
    }
    let copied = "builtins.attrNames (builtins.readDir \"${./.}\")";
    let copy = "\"${./.}\"";
    space.write(".gitignore", ".env\n*.log\n/out/\n");
    space.write("default.nix", "1");
    let before = space.ok(["eval", "-E", copy]);
    space.write(".env", "TOKEN=secret");
    space.write("a.log", "");
    space.write("out/large", "");
    space.write(".git/info/exclude", "mine\n");
    space.write("mine", "");
    assert_eq!(space.ok(["eval", "--strict", "-E", copied]), "[ \".gitignore\" \"default.nix\" ]");
    assert_eq!(space.ok(["eval", "-E", copy]), before, "nothing that counts has changed");
    assert_eq!(space.ok(["eval", "--impure", "-E", copy]), before);
    let filtered =
        "builtins.attrNames (builtins.readDir \"${builtins.filterSource (p: t: true) ./.}\")";
    let shown = space.ok(["eval", "--strict", "-E", filtered]);
    assert_eq!(shown, "[ \".gitignore\" \"default.nix\" ]");
    // what is named is wanted
    let named = "builtins.attrNames (builtins.readDir \"${./out}\")";
    assert_eq!(space.ok(["eval", "--strict", "-E", named]), "[ \"large\" ]");
    for expression in
        ["builtins.readFile ./.git/config", "builtins.readDir ./.git", "\"${./.git}\""]
    {
        let error = space.fails(1, ["eval", "-E", expression]);
        assert!(error.contains("'.git' is not part of the project"), "{error}");
    }
    assert_eq!(space.ok(["eval", "-E", "builtins.pathExists ./.git"]), "false");
    assert_eq!(space.ok(["eval", "-E", "builtins.readDir ./. ? \".git\""]), "false");
    assert_eq!(space.ok(["eval", "--impure", "-E", "builtins.pathExists ./.git/config"]), "true");
    // a tracked file counts, ignored or not
    assert!(git(&["add", "-f", ".env"]));
    let shown = space.ok(["eval", "--strict", "-E", copied]);
    assert_eq!(shown, "[ \".env\" \".gitignore\" \"default.nix\" ]");
}

#[test]
fn a_home_is_not_a_project() {
    let space = Space::new(BINARY);
    let home = space.path("home");
    fs_err::create_dir_all(home.join(".git")).unwrap();
    fs_err::create_dir_all(home.join("work")).unwrap();
    fs_err::write(home.join("secret"), "x").unwrap();
    fs_err::write(home.join(".gitignore"), "*").unwrap();
    fs_err::write(home.join("work/file"), "y").unwrap();
    fs_err::write(home.join("work/default.nix"), "builtins.readFile ../secret").unwrap();
    fs_err::write(home.join("work/own.nix"), "builtins.readFile \"${./.}/file\"").unwrap();
    fs_err::write(home.join("own.nix"), "{ answer = 42; }").unwrap();
    fs_err::write(home.join("other.nix"), "builtins.readFile ./secret").unwrap();
    let at = |name: &str| home.join(name).display().to_string();
    let refused = |arguments: &[&str]| {
        let error = space.fails(1, [&["eval"], arguments].concat());
        assert!(error.contains("forbidden in pure evaluation"), "{error}");
    };
    refused(&[&at("work")]);
    refused(&[&at("other.nix")]);
    assert_eq!(space.ok(["eval", &at("own.nix"), "-A", "answer"]), "42");
    // the patterns of a home's repository do not count in a folder of it
    assert_eq!(space.ok(["eval", &at("work/own.nix")]), "\"y\"");
    let in_home = |expression: &str| {
        let mut command = space.command();
        command.args(["eval", "-E", expression]).current_dir(&home);
        clutch_store_tests::Ran::of(command.output().unwrap())
    };
    // by a link it is a home, too
    let link = space.path("link");
    symlink(&home, &link).unwrap();
    refused(&[&link.join("other.nix").display().to_string()]);
    refused(&[&link.join("work").display().to_string()]);
    assert_eq!(in_home("1 + 1").stdout, "2\n");
    assert_eq!(in_home("builtins.readFile ./secret").code, 1);
}

#[test]
fn a_store_in_the_project_is_not_of_it() {
    let space = Space::new(BINARY);
    space.write("file", "x");
    let store = space.path("project/.store");
    let eval = |expression: &str| {
        let store = store.display().to_string();
        space.run(["--store", &store, "eval", "--strict", "-E", expression])
    };
    let copied = "builtins.attrNames (builtins.readDir \"${./.}\")";
    assert_eq!(eval(copied).stdout, "[ \"file\" ]\n");
    assert_eq!(eval(copied).stdout, "[ \"file\" ]\n");
    assert!(eval("builtins.readDir ./.store").stderr.contains("forbidden in pure evaluation"));
    // nor if it is named by a link
    fs_err::rename(&store, space.path("project/real")).unwrap();
    symlink("real", &store).unwrap();
    for expression in ["builtins.readDir ./real", "builtins.readDir ./.store/store"] {
        let ran = eval(expression);
        assert!(
            ran.stderr.contains("forbidden in pure evaluation"),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
    }
    assert_eq!(eval(copied).stdout, "[ \"file\" ]\n");
}
