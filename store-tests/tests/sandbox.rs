//! The view of a builder, found out by trying: each builder here is the probe, which says how every
//! attempt ended. What it must not be able to do stands in `escapes.rs`.

use std::{ffi::OsStr, process::Command};

use clutch_store_tests::{Ran, Space, child, probing};

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

/// More than a process may usually have open.
#[test]
fn a_build_may_have_many_inputs() {
    let space = Space::new(BINARY).with_probe();
    let inputs = "inputs = builtins.genList (n: builtins.toFile \"input\" \"${toString n}\") 1500;";
    let operations: &[&[&str]] = &[&["list", "/clutch/store"], &["write", "$out", "x"]];
    space.write("default.nix", probing("many", inputs, operations));
    let mut bash = space.command_of("bash");
    bash.args(["-c", "ulimit -S -n 256; exec \"$@\"", "bash", BINARY, "build", "--no-link"]);
    let ran = Ran::of(child::output(&mut bash).unwrap());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(space.ok(["log", "."]).lines().filter(|l| l.ends_with("-input")).count(), 1500);
    // what is left beside an output is told by a few names
    let operations: &[&[&str]] = &[&["many", "/clutch/store", "3000"], &["write", "$out", "x"]];
    space.write("default.nix", probing("strays", "", operations));
    let error = space.fails(1, ["build", "--no-link"]);
    assert!(error.contains("more"), "{error}");
    assert!(error.len() < 3000, "{error}");
}

/// A build sees nothing of who has started it: not the user, not the groups, not signals, limits, mask of
/// modes, working directory or terminal.
#[test]
fn a_build_is_the_same_whoever_starts_it() {
    let operations: &[&[&str]] = &[
        &["owners"],
        &["limits"],
        &["read", "/proc/self/status"],
        &["read", "/proc/self/limits"],
        &["read", "/proc/self/oom_score_adj"],
        &["read", "/proc/self/personality"],
        &["read", "/proc/self/uid_map"],
        &["read", "/proc/self/gid_map"],
        &["read", "/proc/self/setgroups"],
        &["read", "/proc/self/loginuid"],
        &["read", "/proc/self/cgroup"],
        &["environment"],
        &["write", "$out", "x"],
    ];
    let seen = |space: Space, before: &[&str]| {
        let space = space.with_probe();
        space.write("input/file", "first");
        space.write("default.nix", probing("same", "input = ./input;", operations));
        let command = space.command();
        let mut words: Vec<&OsStr> = before.iter().map(OsStr::new).collect();
        words.push(command.get_program());
        let mut started = Command::new(words[0]);
        started.args(&words[1..]).args(["build", "--no-link"]).env_clear();
        started.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = Ran::of(child::output(started.current_dir(space.path("project"))).unwrap());
        assert_eq!(ran.code, 0, "{before:?}: {}", ran.stderr);
        let log = Ran::of(child::output(space.command().args(["log", "."])).unwrap()).stdout;
        let differs = |line: &&str| {
            let words = ["Vm", "Rss", "Hugetlb", "voluntary", "nonvoluntary", "Groups:"];
            !words.iter().any(|word| line.starts_with(word))
        };
        let lines: Vec<String> = log.lines().filter(differs).map(str::to_owned).collect();
        assert!(lines.len() > 100, "{log}");
        assert!(lines.contains(&"groups 0".to_owned()), "{log}");
        lines
    };
    let plain = seen(Space::new(BINARY), &["env"]);
    let owner = |path: &str| {
        let line = plain.iter().find(|line| line.starts_with(&format!("{path} "))).unwrap();
        line.split(' ').skip(2).collect::<Vec<_>>().join(":")
    };
    assert_eq!(["/", "/build", "/dev"].map(owner), ["1000:100"; 3]);
    assert_eq!(["/dev/null", "/proc", "/proc/sys"].map(owner), ["65534:65534"; 3]);
    let input = plain.iter().find(|line| line.contains("-input/file ")).unwrap();
    assert!(input.ends_with(" 1000 100"), "{input}");
    let disturbed = "trap '' HUP INT PIPE TERM USR1; umask 0; ulimit -S -c 0 -n 300 -s 4096 -v 8000000 -f \
                     100000 -d 9000000 -l 64; exec \"$@\"";
    let mut ways: Vec<(bool, Vec<&str>)> = vec![
        (false, vec!["bash", "-c", disturbed, "bash"]),
        (false, vec!["nice", "-n", "0", "setsid", "-w"]),
        (false, vec!["setarch", "-R"]),
    ];
    if Space::is_root() {
        let user = ["setpriv", "--reuid", "1234", "--regid", "1234"];
        ways.push((true, [&user[..], &["--clear-groups"]].concat()));
        ways.push((true, [&user[..], &["--groups", "4,24,27,1234"]].concat()));
        ways.push((false, vec!["setpriv", "--groups", "4,24,27"]));
    }
    for (is_user, before) in ways {
        let space = match is_user {
            true => Space::new(BINARY).as_user(1234),
            false => Space::new(BINARY),
        };
        let found = seen(space, &before);
        let differing: Vec<_> = plain.iter().zip(&found).filter(|(a, b)| a != b).collect();
        assert!(differing.is_empty() && plain.len() == found.len(), "{before:?}: {differing:#?}");
    }
}
