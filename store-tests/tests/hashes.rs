//! Fixed outputs that have another content than their hashes say: all are told of at once, and
//! `--update-hashes` writes the right ones in place of the wrong ones, and nowhere else.

use clutch_store_tests::{
    Space,
    index::{Fault, Index, sha256},
    probing,
};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// An index with the files `a` to `e`, each of which holds its name.
fn index() -> Index {
    let index = Index::new();
    for name in ["a", "b", "c", "d", "e"] {
        index.file(name, name);
    }
    index
}

fn sri(hex: &str) -> String {
    let expression = format!(
        "builtins.convertHash {{ hash = \"{hex}\"; hashAlgo = \"sha256\"; toHashFormat = \"sri\"; }}"
    );
    Space::new(BINARY).ok(["eval", "--raw", "-E", &expression])
}

fn nix32(hex: &str) -> String {
    let expression = format!(
        "builtins.convertHash {{ hash = \"{hex}\"; hashAlgo = \"sha256\"; toHashFormat = \"nix32\"; }}"
    );
    Space::new(BINARY).ok(["eval", "--raw", "-E", &expression])
}

fn read(space: &Space, file: &str) -> String {
    fs_err::read_to_string(space.path("project").join(file)).unwrap()
}

#[test]
fn all_wrong_hashes_are_told_at_once_and_written_where_they_stand() {
    let (space, index) = (Space::new(BINARY).with_probe(), index());
    let at = |name: &str| index.url(name);
    let wrong = sri(&sha256(b"wrong"));
    // one wrong hash in two places, a base-32 one, one that is not known yet in two ways, and one in
    // another file that comes to its derivation by way of variables
    let (wrong32, other) = (nix32(&sha256(b"wrong32")), sha256(b"other"));
    let text = format!(
        "let\n  clutch = import <clutch>;\n  pins = import ./pins.nix;\nin\n[\n  \
         (clutch.fetch {{ url = \"{}\"; hash = \"{wrong}\"; }})\n  \
         (clutch.fetch {{ url = \"{}\"; hash = \"{wrong}\"; }})\n  \
         (clutch.fetch {{\n    url = \"{}\";\n    sha256 = \"{wrong32}\"; # of c\n  }})\n  \
         (clutch.fetch {{ url = \"{}\"; hash = clutch.fakeHash; }})\n  \
         (clutch.fetch {{ url = \"{}\"; sha256 = pins.e; }})\n]\n",
        at("a"),
        at("b"),
        at("c"),
        at("d"),
        at("e"),
    );
    space.write("default.nix", &text);
    space.write("pins.nix", format!("{{ e = \"{other}\"; }} # pins\n"));
    let error = space.fails(1, ["build", "--no-link"]);
    assert!(error.contains("hash mismatch: the content of 5 files"), "{error}");
    for name in ["a", "b", "d"] {
        assert_eq!(error.matches(&sri(&sha256(name.as_bytes()))).count(), 1, "{name}: {error}");
    }
    // in the form in which they are written
    assert!(error.contains(&nix32(&sha256(b"c"))) && error.contains(&sha256(b"e")), "{error}");
    assert_eq!(error.matches("--update-hashes").count(), 1, "{error}");
    let json = space.fails(1, ["build", "--no-link", "--json"]);
    let json: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(json["error"]["mismatches"].as_array().unwrap().len(), 5, "{json}");
    assert_eq!(read(&space, "default.nix"), text);

    let ran = space.run(["build", "--no-link", "--update-hashes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = text
        .replacen(&wrong, &sri(&sha256(b"a")), 1)
        .replacen(&wrong, &sri(&sha256(b"b")), 1)
        .replace(&wrong32, &nix32(&sha256(b"c")))
        .replace("clutch.fakeHash", &format!("\"{}\"", sri(&sha256(b"d"))));
    assert_eq!(read(&space, "default.nix"), expected);
    assert_eq!(read(&space, "pins.nix"), format!("{{ e = \"{}\"; }} # pins\n", sha256(b"e")));
    let shown = [
        "--- default.nix\n+++ default.nix\n@@ -3,12 +3,12 @@\n",
        &format!(
            "-    sha256 = \"{wrong32}\"; # of c\n+    sha256 = \"{}\"; # of c\n",
            nix32(&sha256(b"c"))
        ),
        &format!("-{{ e = \"{other}\"; }} # pins\n+"),
    ];
    for part in shown {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let content: Vec<_> =
        ran.stdout.lines().map(|path| fs_err::read_to_string(space.real(path)).unwrap()).collect();
    assert_eq!(content, ["a", "b", "c", "d", "e"]);
    // nothing is left to be done, and nothing is
    assert_eq!(space.run(["build", "--no-link", "--update-hashes"]).stderr, "");
}

#[test]
fn a_hash_in_a_lock_is_written_there() {
    let (space, index) = (Space::new(BINARY), Index::new());
    let file = "thing-1.0-py3-none-any.whl";
    let right = index.release("thing", file, "content", serde_json::Value::Null);
    let wrong = sha256(b"wrong");
    let lock = |hash: &str| {
        format!(
            "version = 1\nkind = \"python\"\nindex = \"test\"\n\n[[target]]\npython = \"3.11\"\n\
             platform = \"manylinux_2_36_x86_64\"\n\n[[package]]\nname = \"thing\"\nversion = \"1.0\"\n\
             [[package.file]]\nname = \"{file}\"\nsize = 7\nsha256 = \"{hash}\"\n"
        )
    };
    space.write("clutch.lock", lock(&wrong));
    space.write(
        "default.nix",
        "((import <clutch>).python.wheels { lock = ./clutch.lock; }).thing.wheel",
    );
    let at = format!("--index=test={}", index.simple());
    let error = space.fails(1, ["build", "--no-link", &at]);
    assert!(error.contains(&format!("specified {wrong}\n    got       {right}")), "{error}");
    // also if the evaluation was in the cache
    for error in [error, space.fails(1, ["build", "--no-link", &at])] {
        assert!(error.contains("-none-any.whl (clutch.lock:15)"), "{error}");
        assert!(error.contains("accepts it, and changes clutch.lock"), "{error}");
    }
    let path = space.ok(["build", "--no-link", "--update-hashes", &at]);
    assert_eq!(fs_err::read_to_string(space.real(&path)).unwrap(), "content");
    assert_eq!(read(&space, "clutch.lock"), lock(&right));
}

#[test]
fn what_is_behind_a_wrong_hash_comes_in_the_next_round() {
    let (space, index) = (Space::new(BINARY).with_probe(), index());
    // the program makes a fixed output out of a file whose hash is wrong, too
    let fetch = format!("(import <clutch>).fetch {{ url = \"{}\"; hash = \"\"; }}", index.url("a"));
    let fixed = "outputHashMode = \"flat\"; outputHashAlgo = \"sha256\"; outputHash = \"\";";
    let attributes = format!("file = {fetch}; {fixed}");
    let text = probing("copy", &attributes, &[&["read", "$file"], &["write", "$out", "made"]]);
    space.write("default.nix", &text);
    let error = space.fails(1, ["build", "--no-link", "--no-keep-going"]);
    assert!(
        error.contains("specified \"\"") && error.contains("because of failed dependencies: copy"),
        "{error}"
    );
    let ran = space.run(["build", "--no-link", "--update-hashes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("--- default.nix").count(), 2, "{}", ran.stderr);
    let text = text
        .replacen("hash = \"\"", &format!("hash = \"{}\"", sri(&sha256(b"a"))), 1)
        .replacen("outputHash = \"\"", &format!("outputHash = \"{}\"", sri(&sha256(b"made"))), 1);
    assert_eq!(read(&space, "default.nix"), text);
}

/// A tarball with one file, and the SHA-256 of its content as a tree.
fn tarball(index: &Index, name: &str) -> (String, String) {
    let space = Space::new(BINARY);
    space.write("tree/file", name);
    let archive = space.path("archive.tar");
    let mut tar = space.command_of("tar");
    tar.args(["--sort=name", "-cf"]).arg(&archive).args(["-C", ".", "tree"]);
    assert!(tar.status().unwrap().success());
    index.file(name, fs_err::read(archive).unwrap());
    let wrong = sha256(b"wrong");
    let hash = format!("builtins.path {{ path = ./tree; sha256 = \"{wrong}\"; }}");
    let error = space.fails(1, ["eval", "-E", &hash]);
    let hash = error.split("got ").nth(1).unwrap().split_whitespace().next().unwrap();
    (index.url(name), hash.to_owned())
}

#[test]
fn what_is_fetched_by_the_evaluation_is_updated_too() {
    let (space, index) = (Space::new(BINARY), index());
    let (tar, tree) = tarball(&index, "tar");
    let zeros = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let (a, b) = (index.url("a"), index.url("b"));
    let lib = "lib = { fakeSha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"; };";
    let text = format!(
        "let\n  {lib}\n  read = path: builtins.readFile path;\nin\nread (builtins.fetchurl {{ \
         url = \"{a}\"; sha256 = \"\"; }})\n\
         + read (builtins.fetchurl {{\n  url = \"{b}\";\n  sha256 = lib.fakeSha256;\n}})\n\
         + read (builtins.fetchTarball {{ url = \"{tar}\"; sha256 = \"{}\"; }} + \"/file\")\n\
         + read (builtins.fetchTree {{ type = \"tarball\"; url = \"{tar}\"; narHash = \"{zeros}\"; }} \
         + \"/file\")\n",
        nix32(&"0".repeat(64))
    );
    space.write("default.nix", &text);
    let error = space.fails(1, ["eval"]);
    for part in ["specified \"\"", &sri(&sha256(b"a")), "--update-hashes"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(read(&space, "default.nix"), text);
    let ran = space.run(["eval", "--raw", "--update-hashes"]);
    assert_eq!((ran.code, &ran.stdout[..]), (0, "abtartar"), "{}", ran.stderr);
    let tree32 = format!("builtins.convertHash {{ hash = \"{tree}\"; toHashFormat = \"nix32\"; }}");
    let expected = text
        .replacen("\"\"", &format!("\"{}\"", sri(&sha256(b"a"))), 1)
        .replacen("= lib.fakeSha256", &format!("= \"{}\"", sha256(b"b")), 1)
        .replacen(
            &format!("\"{}\"", nix32(&"0".repeat(64))),
            &format!("\"{}\"", space.ok(["eval", "--raw", "-E", &tree32])),
            1,
        )
        .replacen(zeros, &tree, 1);
    assert_eq!(read(&space, "default.nix"), expected);
    // no hash at all: the error says how to come to one
    let error = space.fails(1, ["eval", "-E", &format!("builtins.fetchTarball \"{tar}\"")]);
    assert!(error.contains("with `sha256 = \"\"` the error shows the right one"), "{error}");
}

#[test]
fn every_command_that_builds_updates_hashes() {
    let (space, index) = (Space::new(BINARY).with_probe(), index());
    let fetch = |name: &str| {
        format!("(import <clutch>).fetch {{ url = \"{}\"; hash = \"\"; }}", index.url(name))
    };
    let tool = |name: &str| {
        probing(
            "tool",
            &format!("file = {};", fetch(name)),
            &[&["mkdir", "$out"], &["mkdir", "$out/bin"], &["symlink", "$file", "$out/bin/tool"]],
        )
    };
    for (name, words) in [
        ("a", vec!["run", "--update-hashes", "--", "/bin/true"]),
        ("b", vec!["shell", "--update-hashes", "--", "/bin/true"]),
        ("c", vec!["profile", "set", "web", "--update-hashes"]),
    ] {
        let text = tool(name);
        space.write("default.nix", &text);
        let plain: Vec<&str> =
            words.iter().copied().filter(|word| *word != "--update-hashes").collect();
        let error = space.fails(1, &plain);
        assert!(error.contains("hash mismatch") && error.contains("--update-hashes"), "{error}");
        let ran = space.run(&words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
        let right = format!("hash = \"{}\"", sri(&sha256(name.as_bytes())));
        assert_eq!(read(&space, "default.nix"), text.replacen("hash = \"\"", &right, 1));
    }
}

#[test]
fn as_many_rounds_as_it_takes_but_none_for_what_is_never_the_same() {
    let (space, index) = (Space::new(BINARY), Index::new());
    // each is only asked for when the one before is known
    let mut text = "\"\"".to_owned();
    for n in 0..12 {
        let name = n.to_string();
        index.file(&name, &*name);
        text = format!(
            "let x = {text}; in\nbuiltins.seq x (builtins.readFile (builtins.fetchurl {{ url = \
             \"{}\"; sha256 = \"\"; }}))",
            index.url(&name)
        );
    }
    space.write("default.nix", &text);
    assert_eq!(space.ok(["eval", "--raw", "--update-hashes"]), "11");
    // another content with every request
    index.file("odd", "odd");
    for content in ["one", "two", "three"] {
        index.fault("odd", Fault::Wrong(content.into()));
    }
    let fetch = |hash: &str| {
        format!("(import <clutch>).fetch {{ url = \"{}\"; hash = \"{hash}\"; }}", index.url("odd"))
    };
    space.write("default.nix", fetch(""));
    let error = space.fails(1, ["build", "--no-link", "--update-hashes"]);
    assert!(error.contains("the content of odd seems to change"), "{error}");
    assert_eq!(read(&space, "default.nix"), fetch(&sri(&sha256(b"one"))));
}

#[test]
fn an_ambiguous_hash_is_not_changed() {
    let (space, index) = (Space::new(BINARY).with_probe(), index());
    let fetch = |name: &str, hash: &str| {
        format!("((import <clutch>).fetch {{ url = \"{}\"; hash = {hash}; }})", index.url(name))
    };
    let refused = |text: &str, why: &str| {
        space.write("default.nix", text);
        let error = space.fails(1, ["build", "--no-link", "--update-hashes"]);
        assert!(error.contains(why) && error.contains("yourself"), "{why}: {error}");
        assert_eq!(read(&space, "default.nix"), text);
    };
    let wrong = sri(&sha256(b"wrong"));
    // two that have it from one place; one that is in two places; one that is computed
    let (a, b) = (fetch("a", "h"), fetch("b", "h"));
    refused(&format!("let h = \"{wrong}\"; in [ {a} {b} ]"), "take their hash from the same place");
    refused(&format!("let h = \"{wrong}\"; i = \"{wrong}\"; in {a}"), "several places");
    refused(&fetch("a", "builtins.substring 0 0 \"x\""), "no text that can be replaced");
    // a definition of the placeholder is not a place for a hash
    let fake = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    refused(&format!("let fakeHash = \"{fake}\"; f = h: {a}; in f fakeHash"), "no text");
    // a file outside the project is never written, although it may be read
    let outside = format!("{{ h = \"{wrong}\"; }}");
    fs_err::create_dir(space.path("outside")).unwrap();
    fs_err::write(space.path("outside/pins.nix"), &outside).unwrap();
    let text = fetch("a", "(import <pins/pins.nix>).h");
    space.write("default.nix", &text);
    let error = space.fails(1, ["build", "--update-hashes", "-I", "pins=../outside"]);
    assert!(error.contains("no file that was read"), "{error}");
    let error = space.fails(1, ["build", "--update-hashes", "-E", &fetch("a", "\"\"")]);
    assert!(error.contains("its place is unknown"), "{error}");
    assert_eq!(fs_err::read_to_string(space.path("outside/pins.nix")).unwrap(), outside);
}

#[test]
fn in_continuous_integration_a_failure_stops_only_its_dependents() {
    let space = Space::new(BINARY).with_probe();
    let good = probing("good", "", &[&["sleep", "0.3"], &["write", "$out", "x"]]);
    let bad = probing("bad", "", &[&["exit", "1"]]);
    let worse = probing("worse", "", &[&["exit", "2"]]);
    space.write("default.nix", format!("[ ({bad}) ({worse}) ({good}) ]"));
    let failed = |ci: &str, more: &[&str]| {
        let mut command = space.command();
        command.args(["build", "--no-link", "-j1"]).args(more).env("CI", ci);
        let ran = clutch_store_tests::Ran::of(command.output().unwrap());
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        ran.stderr.matches("cannot build").count()
    };
    assert_eq!(failed("", &[]), 1);
    assert_eq!(failed("false", &["-k"]), 2);
    assert_eq!(failed("true", &["--no-keep-going"]), 1);
    assert_eq!(failed("true", &[]), 2);
    assert!(space.valid().iter().any(|path| path.ends_with("-good")), "{:?}", space.valid());
}

#[test]
fn what_is_no_hash_is_told_with_its_place() {
    let space = Space::new(BINARY);
    space.write(
        "default.nix",
        "(import <clutch>).fetch {\n  url = \"x:y\";\n  hash = \"sha256-xx\";\n}",
    );
    let error = space.fails(1, ["build", "--no-link"]);
    assert!(error.contains("hash 'sha256-xx' has wrong length"), "{error}");
    assert!(error.contains("default.nix:3:3"), "{error}");
}
