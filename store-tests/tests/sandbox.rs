//! What a builder sees, found out by trying: each builder here is the probe, which says how every
//! attempt ended. What it must not be able to do stands in `escapes.rs`.

use clutch_store_tests::{Space, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// Builds `default.nix` of the project, which must succeed, and gives the log.
fn build_log(space: &Space) -> String {
    let derivation = space.ok(["eval", "--raw", "-A", "drvPath", "default.nix"]);
    space.ok(["build", "--no-link", "default.nix"]);
    space.ok(["log", &derivation])
}

/// Builds a probe of these operations and gives the log.
fn log_of(space: &Space, operations: &[&[&str]]) -> String {
    space.write("default.nix", probing("attempt", "", operations));
    build_log(space)
}

/// Builds a probe that tries one thing and says how that ended.
fn attempt(space: &Space, before: &[&[&str]], words: &[&str]) -> String {
    let mut tried = vec!["try"];
    tried.extend(words);
    let mut operations = before.to_vec();
    operations.extend([&tried[..], &["write", "$out", "x"]]);
    let log = log_of(space, &operations);
    let prefix = format!("{}: ", words[0]);
    let line = log.lines().find_map(|l| l.strip_prefix(&prefix)).unwrap_or_else(|| panic!("{log}"));
    line.to_owned()
}

#[test]
fn a_builder_sees_nothing_of_the_host() {
    let space = Space::new(BINARY).with_probe();
    for path in ["/bin/sh", "/usr", "/home", "/root", "/sys", "/etc/shadow", "/var", "/lib64"] {
        assert_eq!(attempt(&space, &[], &["read", path]), "ENOENT", "{path}");
    }
    let project = space.path("project/default.nix");
    assert_eq!(attempt(&space, &[], &["read", project.to_str().unwrap()]), "ENOENT");
    let log = log_of(&space, &[&["list", "/"], &["processes"], &["ids"], &["write", "$out", "x"]]);
    let lines: Vec<&str> = log.lines().collect();
    let number = |l: &&str| l.starts_with(|c: char| c.is_ascii_digit());
    let top: Vec<&str> = lines.iter().copied().take_while(|l| !number(l)).collect();
    let known = ["build", "clutch", "dev", "etc", "proc", "tmp"];
    assert!(top.iter().all(|t| known.contains(t)), "{top:?}");
    // its own processes only, and the fixed user whoever runs clutch
    let count: u32 = lines[top.len()].parse().unwrap();
    assert!(count <= 2, "{log}");
    assert_eq!(lines[top.len() + 1], "1000 100");
}

#[test]
fn a_builder_sees_its_inputs_and_no_other_store_path() {
    let space = Space::new(BINARY).with_probe();
    space.write("other.nix", probing("other", "", &[&["write", "$out", "secret"]]));
    let other = space.ok(["build", "--no-link", "other.nix"]);
    assert_eq!(attempt(&space, &[], &["read", &other]), "ENOENT");
    let log = log_of(&space, &[&["list", "/clutch/store"], &["write", "$out", "x"]]);
    let listed: Vec<&str> = log.lines().collect();
    assert_eq!(listed.len(), 1, "the probe is the only input: {log}");
    assert!(listed[0].ends_with("-probe"));
}

#[test]
fn a_builder_cannot_write_outside_its_outputs() {
    let space = Space::new(BINARY).with_probe();
    for path in ["/new", "/proc/sys/kernel/hostname", "/dev/new", "/clutch/new"] {
        let end = attempt(&space, &[], &["write", path, "x"]);
        assert!(["EROFS", "EACCES", "EPERM", "ENOENT"].contains(&end.as_str()), "{path}: {end}");
    }
    // below the store dir there is room for outputs, but nothing else gets out of the build
    let stray = "/clutch/store/00000000000000000000000000000000-stray";
    let operations = [&["write", "$out", "x"][..], &["write", stray, "x"]];
    space.write("stray.nix", probing("stray", "", &operations));
    let before = space.valid();
    let error = space.fails(1, ["build", "--no-link", "stray.nix"]);
    assert!(error.contains("00000000000000000000000000000000-stray"), "{error}");
    let after = space.valid();
    assert!(after.iter().all(|p| before.contains(p) || p.ends_with(".drv")), "{after:?}");
    assert!(!space.on_disk().iter().any(|n| n.ends_with("-stray")));
}

#[test]
fn the_environment_is_the_documented_one() {
    let space = Space::new(BINARY).with_probe();
    let operations = [&["environment"][..], &["write", "$out", "x"]];
    space.write("default.nix", probing("env", "extra = 1;", &operations));
    let log = build_log(&space);
    let names: Vec<&str> = log.lines().filter_map(|l| Some(l.split_once('=')?.0)).collect();
    for name in ["HOME", "PATH", "TMPDIR", "out", "extra", "NIX_BUILD_TOP"] {
        assert!(names.contains(&name), "{name} is missing: {log}");
    }
    assert!(log.contains("extra=1\n"));
    let secret = std::env::vars().find(|(name, _)| name.starts_with("CARGO_"));
    assert!(secret.is_none_or(|(name, _)| !names.contains(&name.as_str())), "{log}");
}
