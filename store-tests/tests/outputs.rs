//! Outputs that nobody expects: folders without end, files that are all hole, a
//! folder for others that is a link. Each ends with an error that says what it is about, and leaves the
//! store as it was.

use clutch_store_tests::{Space, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

fn leftovers(space: &Space) -> usize {
    fs_err::read_dir(space.store().join("var/tmp")).unwrap().count()
}

#[test]
fn folders_without_end_are_cleaned_up() {
    let space = Space::new(BINARY).with_probe();
    // in the working directory they are nobody's business
    let operations: &[&[&str]] = &[&["write", "$out", "x"], &["deep", "/build", "3000"]];
    space.write("default.nix", probing("deep", "", operations));
    space.ok(["build", "--no-link", "--max-files", "100000"]);
    assert_eq!(leftovers(&space), 0);
    // they count, wherever they are
    space.write("many.nix", probing("many", "", operations));
    let error = space.fails(1, ["build", "--no-link", "--max-files", "2900", "many.nix"]);
    assert!(error.contains("--max-files"), "{error}");
    // an output has an end
    let operations: &[&[&str]] = &[&["mkdir", "$out"], &["deep", "$out", "3000"]];
    for (name, more) in [
        ("output", ""),
        ("checked", "allowedReferences = [ ];"),
        (
            "fixed",
            "outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\"; outputHash = \
             \"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\";",
        ),
    ] {
        space.write("output.nix", probing(name, more, operations));
        let error = space.fails(1, ["build", "--no-link", "output.nix"]);
        assert!(error.contains("more than 1000 folders"), "{name}: {error}");
        assert!(error.len() < 2000, "{error}");
        assert_eq!(leftovers(&space), 0);
        assert!(!space.on_disk().iter().any(|path| path.ends_with(&format!("-{name}"))));
    }
    // what is kept for people to look at goes as well
    space.fails(1, ["build", "--no-link", "--keep-failed", "--max-files", "2900", "many.nix"]);
    space.ok(["gc", "--keep-days", "0"]);
    space.ok(["verify"]);
}

#[test]
fn a_file_that_is_all_hole_has_a_bound() {
    let space = Space::new(BINARY).with_probe();
    let exbibytes = (4u64 << 60).to_string();
    let fixed = |mode: &str| {
        format!(
            "outputHashMode = \"{mode}\"; outputHashAlgo = \"sha256\"; outputHash = \
             \"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\";"
        )
    };
    for (name, more) in [
        ("hole", String::new()),
        ("hole-checked", "allowedReferences = [ ];".to_owned()),
        ("hole-flat", fixed("flat")),
        ("hole-recursive", fixed("recursive")),
    ] {
        let operations: &[&[&str]] = &[&["sparse", "$out", &exbibytes]];
        space.write("default.nix", probing(name, &more, operations));
        let error = space.fails(1, ["build", "--no-link"]);
        assert!(error.contains("holes included") && error.contains("its disk"), "{name}: {error}");
        let error = space.fails(1, ["build", "--no-link", "--max-disk", "1M"]);
        assert!(error.contains("--max-disk"), "{name}: {error}");
        assert_eq!(leftovers(&space), 0);
    }
    // one that is not too large is as any other
    space.write("default.nix", probing("small", "", &[&["sparse", "$out", "100000"]]));
    let path = space.ok(["build", "--no-link", "--max-disk", "1M"]);
    assert_eq!(fs_err::metadata(space.real(&path)).unwrap().len(), 100_000);
}

/// If the limit of time does not end the builder, it ends what comes after it.
#[test]
fn time_counts_until_the_output_is_registered() {
    let space = Space::new(BINARY).with_probe();
    let status = rustix::fs::statvfs(space.path(".")).unwrap();
    // hashed at several GB a second
    let size = (status.f_blocks * status.f_frsize).min(1 << 40) / 10 * 9;
    if size < 15 << 30 {
        return;
    }
    space.write("default.nix", probing("long", "", &[&["sparse", "$out", &size.to_string()]]));
    let error = space.fails(1, ["build", "--no-link", "--timeout", "1"]);
    assert!(error.contains("--timeout"), "{error}");
    assert_eq!(leftovers(&space), 0);
}

#[test]
fn a_root_tree_shows_nothing_of_the_host() {
    let users = match Space::is_root() {
        true => vec![Space::new(BINARY), Space::new(BINARY).as_user(1234)],
        false => vec![Space::new(BINARY)],
    };
    for space in users.into_iter().map(Space::with_probe) {
        let made = |name: &str, operations: &[&[&str]]| {
            space.write(&format!("{name}.nix"), probing(name, "", operations));
        };
        made("host", &[&["symlink", "/", "$out"]]);
        made("other", &[&["symlink", "../../../..", "$out"]]);
        made("file", &[&["write", "$out", "x"]]);
        for root in ["host", "other", "file"] {
            let attributes = format!("sandboxRoot = import ./{root}.nix;");
            let operations: &[&[&str]] = &[&["write", "$out", "x"], &["list", "/"]];
            space.write("default.nix", probing("escape", &attributes, operations));
            let error = space.fails(1, ["build", "--no-link"]);
            assert!(error.contains("sandboxRoot"), "{root}: {error}");
        }
        // links in it are links inside
        made(
            "tree",
            &[
                &["mkdir", "$out"],
                &["symlink", "/", "$out/all"],
                &["symlink", "../../../../../../../..", "$out/up"],
                &["symlink", "/proc/1/root", "$out/first"],
                &["mkdir", "$out/folder"],
                &["symlink", "/", "$out/folder/all"],
            ],
        );
        let operations: &[&[&str]] = &[
            &["write", "$out", "x"],
            &["list", "/all"],
            &["print", "=="],
            &["list", "/folder/all"],
            &["print", "=="],
            &["list", "/"],
            &["print", "=="],
            &["try", "read", "/all/etc/shadow"],
            &["try", "read", "/up/etc/passwd"],
            &["try", "list", "/first/etc"],
        ];
        let attributes = "sandboxRoot = import ./tree.nix;";
        space.write("default.nix", probing("inside", attributes, operations));
        space.ok(["build", "--no-link"]);
        let log = space.ok(["log", "."]);
        let parts: Vec<&str> = log.split("==\n").collect();
        assert!(parts[0] == parts[1] && parts[1] == parts[2], "{log}");
        assert_eq!(parts[3], "read: ENOENT\nread: ENOENT\nlist: EACCES");
    }
    // a link in the place of a folder in which the network's files are shown, to what process 1 has open
    let space = Space::new(BINARY).with_probe();
    for target in ["/proc/self/fd/3", "/clutch"] {
        let operations: &[&[&str]] = &[&["mkdir", "$out"], &["symlink", target, "$out/etc"]];
        space.write("root.nix", probing("root", "", operations));
        let attributes = "sandboxRoot = import ./root.nix; outputHashAlgo = \"sha256\"; \
                          outputHash = \"sha256-LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=\";";
        let operations: &[&[&str]] = &[&["write", "$out", "x"], &["list", "/build"]];
        space.write("default.nix", probing("fixed", attributes, operations));
        let ran = space.run(["build", "--no-link"]);
        if std::path::Path::new("/etc/resolv.conf").exists() {
            assert_eq!(ran.code, 1, "{target}: {}", ran.stderr);
            assert!(ran.stderr.contains("'/etc/"), "{target}: {}", ran.stderr);
        }
    }
}

/// Attributes that Nix heeds and clutch does not are refused, with what to do.
#[test]
fn attributes_that_are_not_heeded_are_told() {
    let space = Space::new(BINARY).with_probe();
    for (attributes, words) in [
        ("__noChroot = true;", "every build runs in the sandbox"),
        ("requiredSystemFeatures = [ \"big-parallel\" \"kvm\" ];", "has 'kvm'"),
        (
            "__structuredAttrs = true; outputChecks.out.maxSize = 1;",
            "'maxSize' is not supported: outputChecks only",
        ),
        ("__structuredAttrs = true; unsafeDiscardReferences.out = true;", "remove them"),
        ("__structuredAttrs = true; requiredSystemFeatures = [ \"recursive-nix\" ];", "recursive"),
    ] {
        space.write("default.nix", probing("told", attributes, &[&["write", "$out", "x"]]));
        let error = space.fails(1, ["build", "--no-link"]);
        assert!(error.contains(words), "{attributes}: {error}");
    }
    let none = "exportReferencesGraph = [ ]; __noChroot = false; impureEnvVars = [ \"http_proxy\" ]; \
                requiredSystemFeatures = [ \"big-parallel\" ];";
    space.write("default.nix", probing("told", none, &[&["write", "$out", "x"]]));
    space.ok(["build", "--no-link"]);
    assert!(space.ok(["log", "."]).contains("impureEnvVars is ignored"));
}
