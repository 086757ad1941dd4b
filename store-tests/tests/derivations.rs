//! Attributes of a derivation that change how it is built or what it may hold, and values that need
//! a build in the middle of an evaluation.

use clutch_store_tests::{Space, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// Builds `default.nix` with these attributes and operations, and gives the place of the output.
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
    // in this mode only the file knows the place of the output
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
    // also if it is there already
    let ran = space.run(["eval", "--no-allow-import-from-derivation", "--raw", "-E", read]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("-made.drv' during evaluation"), "{}", ran.stderr);
}

#[test]
fn a_text_refers_to_what_occurs_in_it() {
    let space = Space::new(BINARY).with_probe();
    space.write("named.nix", probing("named", "", &[&["write", "$out", "x"]]));
    let attributes = "named = import ./named.nix; silent = builtins.toFile \"silent\" \"\";";
    space.write("made.nix", probing("made", attributes, &[&["write", "$out", "$named"]]));
    let context = "builtins.getContext (builtins.readFile (import ./made.nix))";
    let named = space.ok(["eval", "--raw", "-E", "(import ./named.nix).outPath"]);
    let shown = space.ok(["eval", "--strict", "-E", context]);
    assert_eq!(shown, format!("{{ \"{named}\" = {{ path = true; }}; }}"));
    // a file of the project is only text
    space.write("text", &named);
    let context = "builtins.getContext (builtins.readFile ./text)";
    assert_eq!(space.ok(["eval", "--strict", "-E", context]), "{ }");
}

#[test]
fn a_result_link_leads_to_its_store_path() {
    let space = Space::new(BINARY).with_probe();
    let operations: [&[&str]; 2] = [&["mkdir", "$out"], &["write", "$out/file", "x"]];
    space.write("default.nix", probing("it", "", &operations));
    let out = space.ok(["build", "-o", "link"]);
    // pure evaluation does not look
    let error = space.fails(1, ["eval", "-E", "builtins.storePath ./link"]);
    assert!(error.contains("in pure evaluation"), "{error}");
    let eval =
        |expression: &str| space.ok(["eval", "--impure", "--strict", "--json", "-E", expression]);
    assert_eq!(eval("builtins.storePath ./link"), format!("\"{out}\""));
    // the text is the file's, the reference that of the whole object
    let file = format!("builtins.storePath \"{out}/file\"");
    assert_eq!(eval(&file), format!("\"{out}/file\""));
    let context = eval(&format!("builtins.getContext ({file})"));
    assert_eq!(context, format!("{{\"{out}\":{{\"path\":true}}}}"));
}

#[test]
fn trees_are_fetched_by_the_hash_of_what_they_hold() {
    let space = Space::new(BINARY);
    // the hashes are what `nix-hash --type sha256 --sri` says of the same trees
    let (tree, file) = (
        "sha256-SULobUnHMyXBifLhEFdH2z99+KRzN8fYslYEDCIYxYA=",
        "sha256-5wn2xiN7EfkiP7m1tx8ZlfoL6ig/uMMmSt6M9orR4/w=",
    );
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), Default::default()));
    for (name, mode, text) in
        [("p-1/default.nix", 0o644, "{ answer = 42; }"), ("p-1/sub/tool", 0o755, "text")]
    {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive.append_link(&mut link, "p-1/link", "sub/tool").unwrap();
    let archive = space.write("p.tar.gz", archive.into_inner().unwrap().finish().unwrap());
    let url = format!("file://{}", archive.display());
    let text = format!("file://{}", space.write("onefile", "text").display());

    let tarball = format!("builtins.fetchTarball {{ url = \"{url}\"; sha256 = \"{tree}\"; }}");
    assert_eq!(space.ok(["eval", "-E", &format!("(import ({tarball})).answer")]), "42");
    // what is there is not fetched again
    fs_err::rename(&archive, archive.with_file_name("moved")).unwrap();
    let path = space.ok(["eval", "--raw", "-E", &tarball]);
    assert!(path.ends_with("-source"), "{path}");
    fs_err::rename(archive.with_file_name("moved"), &archive).unwrap();

    let fetched = |attributes: &str| {
        let call = format!("builtins.fetchTree {{ {attributes} }}");
        space.ok(["eval", "--strict", "-E", &call])
    };
    let rev = "1".repeat(40);
    assert_eq!(
        fetched(&format!(
            "type = \"tarball\"; url = \"{url}\"; narHash = \"{tree}\"; \
             lastModified = 3; rev = \"{rev}\"; revCount = 7;"
        )),
        format!(
            "{{ lastModified = 3; lastModifiedDate = \"19700101000003\"; narHash = \"{tree}\"; \
             outPath = \"{path}\"; rev = \"{rev}\"; revCount = 7; shortRev = \"1111111\"; }}"
        )
    );
    let one = fetched(&format!("type = \"file\"; url = \"{text}\"; narHash = \"{file}\";"));
    assert!(one.starts_with(&format!("{{ narHash = \"{file}\"; outPath = \"")), "{one}");
    let same = fetched(&format!("type = \"path\"; path = ./onefile; narHash = \"{file}\";"));
    assert_eq!(one, same);

    for (call, why) in [
        (tarball.replace("SULo", "AAAA"), "hash mismatch"),
        (format!("builtins.fetchTarball \"{url}\""), "has no hash"),
        (format!("builtins.fetchTree {{ type = \"tarball\"; url = \"{url}\"; }}"), "has no hash"),
        (
            format!(
                "builtins.fetchTarball {{ url = \"{text}\"; sha256 = \"sha256-{}=\"; }}",
                "A".repeat(43)
            ),
            "not a",
        ),
        (
            format!(
                "builtins.fetchTree {{ type = \"path\"; path = ./onefile; narHash = \"{tree}\"; }}"
            ),
            "hash mismatch",
        ),
        (
            format!(
                "builtins.fetchTree {{ type = \"path\"; path = \"x\"; narHash = \"{tree}\"; }}"
            ),
            "not an absolute path",
        ),
        (
            format!(
                "builtins.fetchTree {{ type = \"file\"; url = \"{url}\"; depth = 1; narHash = \"{tree}\"; }}"
            ),
            "no attribute 'depth'",
        ),
        ("builtins.fetchTree { type = \"github\"; }".to_owned(), "'github' is not supported"),
    ] {
        let ran = space.run(["eval", "--strict", "-E", &call]);
        assert_eq!(ran.code, 1, "{call}");
        assert!(ran.stderr.contains(why), "{call}: {}", ran.stderr);
        assert_eq!(space.valid().iter().filter(|p| !p.ends_with(".drv")).count(), 2, "{call}");
    }
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

/// Both forms of `exportReferencesGraph`, byte for byte as Nix 2.34 writes them (but for `ca`).
#[test]
fn a_build_is_told_the_references_of_its_inputs() {
    let space = Space::new(BINARY).with_probe();
    let a = probing("a", "", &[&["write", "$out", "hi"]]);
    space.write("a.nix", a);
    let b = probing(
        "b",
        "a = import ./a.nix;",
        &[&["mkdir", "$out"], &["write", "$out/a", "$a"], &["write", "$out/self", "$out"]],
    );
    space.write("b.nix", b);
    let paths = ["a", "b"].map(|name| space.ok(["build", "--no-link", &format!("{name}.nix")]));
    let [a, b] = &paths;
    // in the order of the paths
    let both = |one: String, two: String| if a < b { one + &two } else { two + &one };
    let references = if a < b { format!("{a}\n{b}\n") } else { format!("{b}\n{a}\n") };
    let graph = both(format!("{a}\n\n0\n"), format!("{b}\n\n2\n{references}"));
    let classic =
        "exportReferencesGraph = [ \"one\" (import ./a.nix) \"two\" \"${import ./b.nix}/x\" ];";
    let out = build(&space, classic, &[&["copy", "two", "$out"]]);
    assert_eq!(fs_err::read_to_string(out).unwrap(), graph);
    let out = build(&space, classic, &[&["copy", "one", "$out"]]);
    assert_eq!(fs_err::read_to_string(out).unwrap(), format!("{a}\n\n0\n"));
    // a derivation in the graph brings its outputs along
    let deep = "exportReferencesGraph = [ \"g\" (import ./b.nix).drvPath ];";
    let out = build(&space, deep, &[&["copy", "g", "$out"]]);
    let text = fs_err::read_to_string(out).unwrap();
    assert!(
        text.contains(&format!("{b}\n\n2\n{references}")) && text.contains("-b.drv\n"),
        "{text}"
    );

    let structured = "__structuredAttrs = true; \
                      exportReferencesGraph.g = [ [ (import ./a.nix) ] (import ./b.nix) ];";
    let out = build(&space, structured, &[&["copy", "$NIX_ATTRS_JSON_FILE", "$out"]]);
    let json: serde_json::Value = serde_json::from_slice(&fs_err::read(out).unwrap()).unwrap();
    let node = |path: &str| {
        let all = json["g"].as_array().unwrap();
        assert_eq!(all.len(), 2);
        all.iter().find(|node| node["path"] == path).unwrap().clone()
    };
    let small = serde_json::json!({
        "path": a, "references": [], "narHash": nar_hash(&space, a), "narSize": 120,
        "closureSize": 120, "valid": true,
    });
    assert_eq!(node(a), small);
    let (large, size) = (node(b), node(b)["narSize"].as_u64().unwrap());
    assert_eq!(large["closureSize"], size + 120);
    let lines: Vec<&str> = references.lines().collect();
    assert_eq!(large["references"], serde_json::json!(lines));
    assert_eq!(large["narHash"], nar_hash(&space, b));

    for (attributes, words) in [
        ("exportReferencesGraph = [ \"one\" ];", "but 'one' has no path"),
        ("exportReferencesGraph = [ \"../one\" ./probe ];", "the file name '../one' is not valid"),
        ("exportReferencesGraph = [ \"1\" ./probe ];", "the file name '1' is not valid"),
        ("exportReferencesGraph = [ \"one\" \"/etc\" ];", "'/etc' is not a store path"),
        (
            "exportReferencesGraph = [ \"g\" (builtins.unsafeDiscardStringContext \"${import ./b.nix}\") ];",
            "is not an input of the derivation",
        ),
        ("__structuredAttrs = true; exportReferencesGraph = [ \"one\" ];", "expected a set"),
        ("__structuredAttrs = true; exportReferencesGraph.one = 1;", "'1' is not a store path"),
    ] {
        space.write("default.nix", probing("told", attributes, &[&["write", "$out", "x"]]));
        let error = space.fails(1, ["build", "--no-link"]);
        assert!(error.contains(words), "{attributes}: {error}");
    }
}

/// The hash of a path in Nix's archive format, as Nix 2 shows it.
fn nar_hash(space: &Space, path: &str) -> String {
    let (hash, _) = clutch::tree::nar(&space.real(path)).unwrap();
    format!("sha256:{}", hash.format(clutch::hash::Format::Nix32))
}
