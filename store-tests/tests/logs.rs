//! Logs as people read them: of running, ended, failed and killed builds, and of none.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use clutch_store_tests::{Ran, Space, probing};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Ran {
    Ran::of(child.wait_with_output().unwrap())
}

/// Waits until a log that is not empty is there.
fn wait_for_log(space: &Space) {
    let written = || {
        let logs = fs_err::read_dir(space.store().join("var/log")).into_iter().flatten();
        logs.flatten().any(|log| log.metadata().is_ok_and(|m| m.len() > 0))
    };
    while !written() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_log_is_found_by_path_link_derivation_and_expression() {
    let space = Space::new(BINARY).with_probe();
    let long = "a line ".repeat(1000);
    let words = [&["print", &long][..], &["print", "the end"], &["write", "$out", "x"]];
    space.write("default.nix", probing("made", "", &words));
    let path = space.ok(["build"]);
    let derivation = space.ok(["eval", "--raw", "-A", "drvPath", "default.nix"]);
    for name in [path.as_str(), "result", &derivation, ".", "default.nix"] {
        let log = space.ok(["log", name]);
        assert!(log.starts_with("a line") && log.ends_with("\nthe end"), "{name}");
    }
    let log = space.ok(["log", "--json", &path]);
    let log: Value = serde_json::from_str(&log).unwrap();
    assert_eq!((&log[0]["derivation"], &log[0]["running"]), (&derivation.into(), &false.into()));
    assert!(log[0]["log"].as_str().unwrap().ends_with("\nthe end\n"));
    // it goes with its derivation
    space.ok(["gc"]);
    fs_err::remove_file(space.path("project/result")).unwrap();
    space.ok(["gc"]);
    assert_eq!(fs_err::read_dir(space.store().join("var/log")).unwrap().count(), 0);
}

#[test]
fn a_failed_build_has_its_log_and_a_silent_one_says_so() {
    let space = Space::new(BINARY).with_probe();
    space.write("bad.nix", probing("bad", "", &[&["print", "the reason"], &["exit", "3"]]));
    space.write("quiet.nix", probing("quiet", "", &[&["write", "$out", "x"]]));
    space.fails(1, ["build", "bad.nix"]);
    assert_eq!(space.ok(["log", "bad.nix"]), "the reason");
    let none = space.fails(1, ["log", "quiet.nix"]);
    assert!(none.contains("has no log") && none.contains("never built"), "{none}");
    let none = space.fails(1, ["log", "-f", "quiet.nix"]);
    assert!(none.contains("not being built now"), "{none}");
    let path = space.ok(["build", "--no-link", "quiet.nix"]);
    let ran = space.run(["log", "quiet.nix"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains("the build printed nothing"), "{}", ran.stderr);
    // what comes from elsewhere has no log here
    let file = space.path("export");
    let file = file.to_str().unwrap();
    space.ok(["export", &path, "-o", file]);
    let other = Space::new(BINARY);
    other.ok(["import", "--accept-unsigned", file]);
    let none = other.fails(1, ["log", &path]);
    assert!(
        none.contains("no derivation in this store makes") && none.contains("imported"),
        "{none}"
    );
}

#[test]
fn a_running_build_of_another_process_is_followed_to_its_end() {
    let space = Space::new(BINARY).with_probe();
    // it goes on only when the follower has shown the first line
    let words = [
        &["print", "the first line"][..],
        &["sleep", "1.5"],
        &["print", "the last line"],
        &["exit", "1"],
    ];
    space.write("default.nix", probing("slow", "", &words));
    let build = start(space.command().args(["build", "--no-link"]));
    wait_for_log(&space);
    let mut follower = start(space.command().args(["log", "-f", "."]));
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "the first line");
    let now = space.run(["log", "."]);
    assert_eq!(now.stdout, "the first line\n");
    assert!(now.stderr.contains("still running"), "{}", now.stderr);
    assert_eq!(lines.next().unwrap().unwrap(), "the last line");
    assert!(lines.next().is_none());
    let follower = end(follower);
    assert!(
        follower.code == 0 && follower.stderr.contains("the build failed"),
        "{}",
        follower.stderr
    );
    assert_eq!(end(build).code, 1);
    assert_eq!(space.ok(["log", "."]), "the first line\nthe last line");
}

#[test]
fn a_killed_build_leaves_a_readable_log_and_ends_who_follows() {
    let space = Space::new(BINARY).with_probe();
    let words = [&["print", "as far as it came"][..], &["sleep", "60"]];
    space.write("default.nix", probing("killed", "", &words));
    let mut build = start(space.command().args(["build", "--no-link"]));
    wait_for_log(&space);
    let follower = start(space.command().args(["log", "-f", "."]));
    build.kill().unwrap();
    build.wait().unwrap();
    let follower = end(follower);
    assert_eq!((follower.code, follower.stdout.as_str()), (0, "as far as it came\n"));
    assert_eq!(space.ok(["log", "."]), "as far as it came");
    let json: Value = serde_json::from_str(&space.ok(["log", "--json", "."])).unwrap();
    assert_eq!(json[0]["running"], false);
}
