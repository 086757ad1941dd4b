//! Damage: found, repaired from what is there, or named with what to do; and equal files shared.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use clutch_store_tests::{Space, probing};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn remove_pool(space: &Space) {
    fs_err::remove_dir_all(space.store().join("var/pool")).unwrap();
}

#[test]
fn a_store_without_a_pool_is_optimised() {
    let space = Space::new(BINARY).with_probe();
    let copy: &[&[&str]] = &[&["mkdir", "$out"], &["copy", "$text", "$out/text"]];
    let paths = ["a", "b", "c"].map(|name| {
        // as if files could not be linked
        if space.store().join("var/pool").exists() {
            remove_pool(&space);
        }
        space.write("text", "x".repeat(100_000));
        space.write("default.nix", probing(name, "text = ./text;", copy));
        space.ok(["build", "--no-link"])
    });
    remove_pool(&space);
    let inode = |path: &String| space.real(path).join("text").metadata().unwrap().ino();
    assert_ne!(inode(&paths[0]), inode(&paths[1]));
    let said = json(&space.ok(["optimise", "--json"]));
    assert_eq!(said["saved"], 200_000, "the source is no executable: {said}");
    assert!(paths.iter().all(|path| inode(path) == inode(&paths[0])));
    for place in ["", "text"] {
        let found = space.real(&paths[1]).join(place).metadata().unwrap();
        assert_eq!((found.mode() & 0o7777, found.mtime()), (0o555, 1), "{place}");
    }
    let said = space.run(["optimise", &paths[0]]).stderr;
    assert!(said.contains("1 path checked, 0 B saved"), "{said}");
    space.ok(["verify"]);
}

/// Three paths, each read by the next, and the last refers to the one before; large enough to be
/// shared. Gives base, library and program.
fn chain(space: &Space) -> [String; 3] {
    space.write("text", "x".repeat(10_000));
    let write = |name: &str, more: &str, operations: &[&[&str]]| {
        let attributes = format!("{} {more}", space.salt());
        space.write(&format!("{name}.nix"), probing(name, &attributes, operations));
        space.ok(["build", "--no-link", &format!("{name}.nix")])
    };
    let folder: &[&str] = &["mkdir", "$out"];
    let base = write("base", "text = ./text;", &[folder, &["copy", "$text", "$out/text"]]);
    let library = write(
        "library",
        "base = import ./base.nix;",
        &[folder, &["copy", "$base/text", "$out/text"], &["write", "$out/name", "library"]],
    );
    let program = write(
        "program",
        "library = import ./library.nix;",
        &[folder, &["copy", "$library/name", "$out/name"], &["write", "$out/link", "$library"]],
    );
    [base, library, program]
}

/// Writes to a file as a disk would: nothing but its content changes.
fn damage(file: &Path) {
    let metadata = file.metadata().unwrap();
    let permissions = metadata.permissions();
    fs_err::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs_err::read(file).unwrap();
    bytes[0] ^= 1;
    fs_err::write(file, bytes).unwrap();
    let open = fs_err::OpenOptions::new().write(true).open(file).unwrap();
    open.file().set_modified(metadata.modified().unwrap()).unwrap();
    fs_err::set_permissions(file, permissions).unwrap();
}

fn remove(tree: &Path) {
    let made = std::process::Command::new("chmod").args(["-R", "u+w"]).arg(tree).status().unwrap();
    assert!(made.success());
    fs_err::remove_dir_all(tree).unwrap();
}

#[test]
fn what_is_damaged_is_built_again_in_order() {
    let space = Space::new(BINARY).with_probe();
    let [base, library, program] = chain(&space);
    space.ok(["pin", "program", &program]);
    // what it is built from goes, what says how stays
    space.ok(["gc"]);
    assert!(!space.real(&base).exists() && space.real(&library).exists());
    let trees = |space: &Space| {
        json(&space.ok(["paths", "--json"]))
            .as_array()
            .unwrap()
            .iter()
            .map(|path| (path["path"].to_string(), path["treeHash"].to_string()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = trees(&space);
    let file = fs_err::File::open(space.real(&library).join("text")).unwrap();
    damage(&space.real(&library).join("text"));
    remove(&space.real(&program));
    let ran = space.run(["verify"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains(&format!("{library} has changed")), "{}", ran.stdout);
    assert!(ran.stdout.contains(&format!("{program} is missing")), "{}", ran.stdout);
    assert!(ran.stdout.contains("has changed and is shared"), "{}", ran.stdout);
    assert!(ran.stderr.contains("--repair"), "{}", ran.stderr);

    let ran = space.run(["verify", "--repair"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout.matches("built again").count(), 2, "{}", ran.stdout);
    let order: Vec<usize> = ["building base", "building library", "building program"]
        .map(|what| ran.stderr.find(what).unwrap_or_else(|| panic!("{what}: {}", ran.stderr)))
        .into();
    assert!(order.is_sorted(), "{}", ran.stderr);
    space.ok(["verify"]);
    let after = trees(&space);
    assert!(before.iter().all(|(path, tree)| after.get(path) == Some(tree)));
    let new = fs_err::File::open(space.real(&library).join("text")).unwrap();
    assert_ne!(file.metadata().unwrap().ino(), new.metadata().unwrap().ino(), "not written over");
    let text = fs_err::read_to_string(space.real(&program).join("link")).unwrap();
    assert_eq!(text, library);
}

#[test]
fn nothing_is_built_from_what_is_damaged() {
    let space = Space::new(BINARY).with_probe();
    let [base, library, program] = chain(&space);
    // the library shares its text with what it was copied from
    damage(&space.real(&base).join("text"));
    damage(&space.real(&program).join("name"));
    assert!(space.run(["verify"]).stdout.contains(&library));
    // asked for one, those that it would be built from are looked at, too
    let ran = space.run(["verify", "--repair", &program]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout.matches("built again").count(), 3, "{}", ran.stdout);
    assert!(!ran.stdout.contains("not reproducible"), "{}", ran.stdout);
    space.ok(["verify"]);
}

#[test]
fn changed_modes_are_set_right_without_a_build() {
    let space = Space::new(BINARY).with_probe();
    let [_, library, _] = chain(&space);
    let file = space.real(&library).join("name");
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let ran = space.run(["verify"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("has the right content, but the mode or time of"),
        "{}",
        ran.stdout
    );
    let ran = space.run(["verify", "--repair"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("times restored") && !ran.stderr.contains("building"),
        "{}",
        ran.stderr
    );
    assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o444);
    space.ok(["verify"]);
}

#[test]
fn what_is_read_by_way_of_another_path_is_repaired_first() {
    let space = Space::new(BINARY).with_probe();
    let base: [&[&str]; 2] = [&["sleep", "0.5"], &["write", "$out", "the base"]];
    space.write("base.nix", probing("base", "", &base));
    space.write(
        "middle.nix",
        probing("middle", "base = import ./base.nix;", &[&["write", "$out", "$base"]]),
    );
    // the base shows in its sandbox since the middle refers to it, and is no input of its own
    let attributes = "middle = import ./middle.nix; \
        base = builtins.unsafeDiscardStringContext \"${import ./base.nix}\";";
    space.write("top.nix", probing("top", attributes, &[&["copy", "$base", "$out"]]));
    let [base, middle, top] =
        ["base.nix", "middle.nix", "top.nix"].map(|file| space.ok(["build", "--no-link", file]));
    damage(&space.real(&base));
    fs_err::remove_file(space.real(&top)).unwrap();
    let ran = space.run(["verify", "--repair", &top]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout.matches("built again").count(), 2, "{}", ran.stdout);
    assert!(!ran.stdout.contains("not reproducible"), "{}", ran.stdout);
    assert_eq!(fs_err::read_to_string(space.real(&top)).unwrap(), "the base");
    assert!(space.real(&middle).exists());
    space.ok(["verify"]);
}

#[test]
fn what_cannot_be_built_is_named_and_taken_from_an_export() {
    let space = Space::new(BINARY).with_probe();
    let [base, library, _] = chain(&space);
    let paths = space.valid();
    let source = paths.iter().find(|path| path.ends_with("-text")).unwrap();
    let file = space.path("source.clutch");
    let file = file.to_str().unwrap();
    space.ok(["export", source, "-o", file]);
    let other = space.path("other.clutch");
    let other = other.to_str().unwrap();
    space.ok(["export", &library, "-o", other]);
    // one content under several names
    remove_pool(&space);
    damage(&space.real(source));
    for path in [&base, &library] {
        remove(&space.real(path));
    }
    let ran = space.run(["verify", "--repair"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("it cannot be built here"), "{}", ran.stdout);
    assert!(ran.stdout.contains("--from FILE"), "{}", ran.stdout);
    assert!(ran.stdout.contains(&format!("its input '{source}'")), "{}", ran.stdout);
    assert!(ran.stderr.contains("3 damaged, 0 repaired"), "{}", ran.stderr);

    // one export has nothing of what is damaged but the library, which is not built then
    let said = space.run(["verify", "--repair", "--json", "--from", other, "--from", file]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    let said = json(&said.stdout);
    let of = |path: &str| {
        let all = said["damaged"].as_array().unwrap();
        all.iter().find(|damage| damage["path"] == *path).unwrap()["repaired"].clone()
    };
    assert_eq!(of(source)["from"], file);
    assert_eq!(of(&library)["from"], other);
    assert_eq!((&of(&base)["built"], &of(&base)["same"]), (&true.into(), &true.into()));
    space.ok(["verify"]);
    // a file that is none is refused, and nothing has changed
    damage(&space.real(source));
    let text = space.write("text.clutch", "no export");
    space.fails(5, ["verify", "--repair", "--from", text.to_str().unwrap()]);
    let ran = space.run(["verify"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    space.fails(2, ["verify", "--from", file]);
}

#[test]
fn an_imported_path_is_repaired_when_its_derivation_is_there() {
    let space = Space::new(BINARY).with_probe();
    let [_, library, _] = chain(&space);
    let file = space.path("library.clutch");
    space.ok(["export", &library, "-o", file.to_str().unwrap()]);
    let other = Space::new(BINARY).with_probe();
    other.ok(["import", "--accept-unsigned", file.to_str().unwrap()]);
    damage(&other.real(&library).join("name"));
    let ran = other.run(["verify", "--repair"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("was imported without its derivation"), "{}", ran.stdout);
    assert!(ran.stdout.contains("evaluate its expression again"), "{}", ran.stdout);
    for name in ["text", "base.nix", "library.nix"] {
        other.write(name, fs_err::read(space.path("project").join(name)).unwrap());
    }
    // which the hint says
    assert_eq!(other.ok(["build", "--no-link", "library.nix"]), library);
    let ran = other.run(["verify", "--repair"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    other.ok(["verify"]);
}

#[test]
fn a_repair_that_fails_or_differs_says_so() {
    let space = Space::new(BINARY).with_probe();
    let write = |name: &str, operations: &[&[&str]]| {
        space.write("default.nix", probing(name, "", operations));
        space.ok(["build", "--no-link"])
    };
    let random = write("random", &[&["copy", "/proc/sys/kernel/random/uuid", "$out"]]);
    let slow = write("slow", &[&["sleep", "1.5"], &["write", "$out", "x"]]);
    let quick = write("quick", &[&["write", "$out", "y"]]);
    for path in [&random, &slow, &quick] {
        damage(&space.real(path));
    }
    let ran = space.run(["verify", "--repair", "--timeout", "1"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let said: Vec<&str> = ran.stdout.lines().collect();
    let after = |path: &str| {
        let at = said.iter().position(|line| line.starts_with(path)).unwrap();
        said[at + 1]
    };
    assert!(after(&random).contains("the build is not reproducible"), "{}", ran.stdout);
    assert!(after(&slow).contains("not repaired"), "{}", ran.stdout);
    assert_eq!(after(&quick), "  built again");
    let ran = space.run(["verify"]);
    assert!(ran.stderr.contains("1 damaged"), "{}", ran.stderr);
    space.ok(["verify", "--repair"]);
    space.ok(["verify"]);
}
