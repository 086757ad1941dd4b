//! Damage: found, repaired from what is there, or named with what to do; and equal files shared.

use std::os::unix::fs::MetadataExt as _;

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
    assert!(said.contains("1 paths looked at, 0 B saved"), "{said}");
    space.ok(["verify"]);
}
