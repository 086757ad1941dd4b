//! Garbage collection and verification by the whole tool.

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
    let space = Space::new(BINARY).with_own_probe();
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
fn what_builds_set_aside_goes_after_its_time() {
    let space = Space::new(BINARY).with_own_probe();
    // as bad as a build can leave it: unreadable, unwritable, of any time
    let words: [&[&str]; 6] = [
        &["write", "/build/file", &"x".repeat(10_000)],
        &["mkdir", "/build/deep"],
        &["write", "/build/deep/file", "x"],
        &["chmod", "0", "/build/deep"],
        &["chmod", "0555", "/build"],
        &["exit", "1"],
    ];
    space.write("default.nix", probing("bad", "", &words));
    for number in 0..2 {
        let said = space.fails(1, ["build", "--keep-failed"]);
        assert!(said.contains(&format!("var/failed/bad-{number}")), "{said}");
    }
    let kept = || fs_err::read_dir(space.store().join("var/failed")).unwrap().count();
    let said = space.run(["gc"]).stderr;
    assert!(!said.contains("kept build") && kept() == 2, "{said}");
    let would = space.run(["gc", "--dry-run", "--keep-days", "0"]);
    assert!(would.stdout.contains("var/failed/bad-1") && kept() == 2, "{}", would.stdout);
    let said = space.run(["gc", "--keep-days", "0"]).stderr;
    assert!(said.contains("and 2 kept builds deleted"), "{said}");
    assert!(!said.contains(" 0 B freed") && kept() == 0, "{said}");
    assert_eq!(space.litter(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_is_pinned_stays_with_what_made_it() {
    let space = Space::new(BINARY).with_own_probe();
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
    let space = Space::new(BINARY).with_own_probe();
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

#[test]
fn a_full_disk_can_be_collected() {
    let space = Space::new(BINARY);
    let text = format!(
        "{{ name }}: (import <clutch>).text {{ inherit name; text = ''{}''; }}",
        space.salt()
    );
    space.write("default.nix", text);
    let plain = space.command();
    let mut command = std::process::Command::new("unshare");
    if !Space::is_root() {
        command.arg("--map-root-user");
    }
    // a download that was interrupted takes what the index needs
    let script = "mount -t tmpfs -o size=8m none \"$0\" && \"$1\" build --no-link --argstr name x && mkdir -p \
                  \"$0/var/fetch\" && head -c 1000000 /dev/zero > \"$0/var/fetch/x.part\" && ! cat \
                  /dev/zero > \"$0/fill\" && ! \"$1\" build --no-link --argstr name y && \"$1\" gc && \
                  \"$1\" paths";
    fs_err::create_dir_all(space.store()).unwrap();
    command.args(["--mount", "sh", "-c", script]).arg(space.store()).arg(plain.get_program());
    command.env_clear().current_dir(space.path("project"));
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = clutch_store_tests::Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("No space left"), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(matches!(lines[..], [built] if built.ends_with("-x")), "nothing stays: {lines:?}");
}
