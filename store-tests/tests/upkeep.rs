//! What keeps paths, what goes, and what is found to be damaged, by the whole tool.

use clutch_store_tests::{Space, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A path with a dependency, and one that nothing refers to.
fn built(space: &Space) -> (String, String, String) {
    let write = |name: &str, more: &str, text: &str| {
        let operations = [&["mkdir", "$out"][..], &["write", "$out/text", text]];
        let attributes = format!("{} {more}", space.salt());
        space.write(&format!("{name}.nix"), probing(name, &attributes, &operations));
    };
    write("library", "", "shared");
    write("program", "library = import ./library.nix;", "$library");
    write("other", "", "alone");
    let build = |name: &str| space.ok(["build", "--no-link", &format!("{name}.nix")]);
    (build("library"), build("program"), build("other"))
}

#[test]
fn only_what_nothing_keeps_is_collected() {
    let space = Space::new(BINARY).with_probe();
    let (library, program, other) = built(&space);
    space.ok(["build", "program.nix", "-o", "kept"]);
    let would = space.ok(["gc", "--dry-run"]);
    assert!(would.contains(&other) && !would.contains(&program), "{would}");
    assert!(space.valid().contains(&other), "a dry run removes nothing");
    space.ok(["gc"]);
    let left = space.valid();
    assert!(left.contains(&program) && left.contains(&library), "{left:?}");
    assert!(!left.contains(&other) && !space.real(&other).exists(), "{left:?}");
    let why = space.ok(["why-alive", &library]);
    assert!(why.contains("kept") && why.contains(&program), "{why}");
    // the link is the root: without it the rest goes
    fs_err::remove_file(space.path("project/kept")).unwrap();
    space.ok(["gc"]);
    assert_eq!((space.valid(), space.on_disk()), (Vec::new(), Vec::new()));
}

#[test]
fn what_is_pinned_stays_with_what_made_it() {
    let space = Space::new(BINARY).with_probe();
    let (library, program, other) = built(&space);
    space.ok(["pin", "mine", &other]);
    space.ok(["gc"]);
    let left = space.valid();
    assert!(
        left.contains(&other) && !left.contains(&program) && !left.contains(&library),
        "{left:?}"
    );
    let derivation = left.iter().find(|path| path.ends_with("-other.drv")).expect("what made it");
    let why = space.ok(["why-alive", derivation]);
    assert!(why.contains("(which made it)"), "{why}");
    space.ok(["pin", "--remove", "mine"]);
    space.ok(["gc", "--keep-days", "1"]);
    assert_eq!(space.valid(), left, "it was made today");
    space.ok(["gc"]);
    assert_eq!(space.valid(), Vec::<String>::new());
}

#[test]
fn damage_is_found_and_a_lost_index_is_made_anew() {
    use std::os::unix::fs::PermissionsExt as _;
    let space = Space::new(BINARY).with_probe();
    let (library, program, _) = built(&space);
    space.ok(["verify"]);
    let before = space.valid();
    let described = space.ok(["closure", "--json", &program]);
    for ending in ["", "-wal", "-shm"] {
        let file = space.store().join(format!("var/index.sqlite{ending}"));
        if file.exists() {
            fs_err::remove_file(file).unwrap();
        }
    }
    space.ok(["verify", "--rebuild-index"]);
    assert_eq!(space.valid(), before);
    let strip = |text: &str| {
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        for path in value["paths"].as_array_mut().unwrap() {
            path.as_object_mut().unwrap().remove("registered");
        }
        value
    };
    assert_eq!(strip(&space.ok(["closure", "--json", &program])), strip(&described));
    let file = space.real(&library).join("text");
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    fs_err::write(&file, "changed").unwrap();
    let ran = space.run(["verify"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains(&library) && !ran.stdout.contains(&program), "{}", ran.stdout);
}
