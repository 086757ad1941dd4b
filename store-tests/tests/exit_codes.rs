//! An exit code follows from what is wrong, whichever command meets it (README, "Exit codes").

use std::os::unix::fs::PermissionsExt as _;

use clutch_store_tests::{Space, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A space with a built `default.nix`, and the paths of its derivation and its output.
fn built() -> (Space, String, String) {
    let space = Space::new(BINARY).with_probe();
    space.write("default.nix", probing("it", "", &[&["write", "$out", "x"]]));
    let output = space.ok(["build", "--no-link"]);
    let derivation = space.ok(["eval", "--raw", "-A", "drvPath"]);
    (space, derivation, output)
}

/// Runs every command, a `@` among its words standing for `path`, and expects that exit code.
fn all_fail(space: &Space, code: i32, path: &str, commands: &[&[&str]]) {
    let mut wrong = Vec::new();
    for command in commands {
        let words: Vec<String> = command.iter().map(|word| word.replace('@', path)).collect();
        let ran = space.run(&words);
        if ran.code != code {
            wrong.push(format!("{}: {}: {}", words.join(" "), ran.code, ran.stderr));
        }
    }
    assert!(wrong.is_empty(), "expected {code}: {wrong:#?}");
}

#[test]
fn a_damaged_derivation_is_the_stores_fault() {
    let (space, derivation, _) = built();
    let record = space.real(&derivation);
    fs_err::set_permissions(&record, std::fs::Permissions::from_mode(0o644)).unwrap();
    fs_err::write(&record, "nonsense").unwrap();
    let commands: [&[&str]; 9] = [
        &["show", "@"],
        &["build", "@"],
        &["build", "--check", "@"],
        &["build", "--dry-run", "@"],
        &["run", "@"],
        &["shell", "@", "--", "true"],
        &["profile", "set", "it", "@"],
        // in the middle of an evaluation
        &["eval", "--impure", "--expr", "(import (builtins.storePath @)).name"],
        &["build", "--impure", "--expr", "import (builtins.storePath @)"],
    ];
    all_fail(&space, 3, &derivation, &commands);
}

#[test]
fn a_path_that_is_not_in_the_store_is_an_ordinary_failure() {
    let (space, ..) = built();
    let anything: [&[&str]; 12] = [
        &["show", "@"],
        &["closure", "@"],
        &["closure", "--why", "@", "@"],
        &["export", "@", "-o", "file"],
        &["pin", "it", "@"],
        &["verify", "@"],
        &["optimise", "@"],
        &["run", "@"],
        &["shell", "@", "--", "true"],
        &["profile", "set", "it", "@"],
        &["profile", "diff", "@", "@"],
        &["log", "@"],
    ];
    all_fail(&space, 1, "/clutch/store/00000000000000000000000000000000-x", &anything);
    let derivations: [&[&str]; 7] = [
        &["show", "@"],
        &["build", "@"],
        &["run", "@"],
        &["shell", "@", "--", "true"],
        &["profile", "set", "it", "@"],
        &["log", "@"],
        &["eval", "--impure", "--expr", "import (builtins.storePath @)"],
    ];
    all_fail(&space, 1, "/clutch/store/00000000000000000000000000000000-x.drv", &derivations);
}

#[test]
fn a_name_of_nothing_is_a_wrong_argument() {
    let (space, ..) = built();
    let commands: [&[&str]; 14] = [
        &["show", "@"],
        &["closure", "@"],
        &["export", "@", "-o", "file"],
        &["pin", "it", "@"],
        &["verify", "@"],
        &["optimise", "@"],
        &["why-alive", "@"],
        &["run", "@"],
        &["shell", "@", "--", "true"],
        &["profile", "set", "it", "@"],
        &["profile", "diff", "@", "@"],
        &["log", "@"],
        &["build", "@"],
        &["eval", "@"],
    ];
    for name in ["nothing", "./nothing", "/clutch/store/nothing"] {
        let evaluates = |command: &&&[&str]| command[0] == "eval" && name.starts_with("/clutch");
        let commands: Vec<&[&str]> = commands.iter().filter(|c| !evaluates(c)).copied().collect();
        all_fail(&space, 2, name, &commands);
    }
}

#[test]
fn a_store_that_cannot_be_used_is_told_by_every_command() {
    let (space, _, output) = built();
    let commands: [&[&str]; 16] = [
        &["build"],
        &["run"],
        &["shell", ".", "--", "true"],
        &["show", "@"],
        &["log"],
        &["closure", "@"],
        &["paths"],
        &["export", "@", "-o", "file"],
        &["import", "file"],
        &["gc"],
        &["why-alive", "@"],
        &["pin", "it", "@"],
        &["profile", "set", "it", "@"],
        &["verify"],
        &["optimise"],
        &["doctor"],
    ];
    space.write("file", "x");
    let version = space.store().join("var/version");
    fs_err::set_permissions(&version, std::fs::Permissions::from_mode(0o644)).unwrap();
    fs_err::write(&version, "4000000\n").unwrap();
    all_fail(&space, 3, &output, &commands);
}
