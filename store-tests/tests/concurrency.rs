//! Several processes on one store at once. What they do is drawn by `CLUTCH_FAULT_SEED`; with
//! `CLUTCH_FAULTS=all` they do more of it.

use std::{collections::BTreeMap, time::Instant};

use clutch_store_tests::{Ran, Space, child::Running, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// How many processes there are at a time.
const PROCESSES: u64 = 8;

/// How many derivations the top one needs, besides the one that all of these need.
const MIDDLE: usize = 6;

/// A file that is large enough to be shared.
fn large() -> String {
    "0123456789abcdef".repeat(400)
}

/// A space with a graph of derivations: `base`, `middle-0`... that need it, `top` that needs them. No
/// other test on this machine has these paths: what any process uses is kept from a collection.
fn space(name: &str) -> Space {
    fill(Space::new(BINARY).with_own_probe(), name)
}

fn fill(space: Space, name: &str) -> Space {
    let salt = format!("salt = \"{name} {} {:?}\";", std::process::id(), Instant::now());
    let base = [&["mkdir", "$out"][..], &["write", "$out/text", "base"]];
    space.write("base.nix", probing("base", &salt, &base));
    let mut all = salt.clone();
    for n in 0..MIDDLE {
        let more = format!("{salt} base = import ./base.nix; n = {n};");
        let large = large();
        let words = [
            &["mkdir", "$out"][..],
            &["read", "$base/text"],
            &["write", "$out/a", "$base"],
            &["mkdir", "$out/folder"],
            &["write", "$out/folder/large", &large],
        ];
        space.write(&format!("middle-{n}.nix"), probing(&format!("middle-{n}"), &more, &words));
        all += &format!("m{n} = import ./middle-{n}.nix;");
    }
    let mut words: Vec<Vec<String>> = vec![vec!["mkdir".to_owned(), "$out".to_owned()]];
    for n in 0..MIDDLE {
        words.push(vec!["read".to_owned(), format!("$m{n}/a")]);
        words.push(vec!["write".to_owned(), format!("$out/{n}"), format!("$m{n}")]);
    }
    let words: Vec<Vec<&str>> =
        words.iter().map(|words| words.iter().map(String::as_str).collect()).collect();
    let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
    space.write("top.nix", probing("top", &all, &words));
    space
}

/// Runs a command, which must succeed.
fn ok(space: &Space, args: &[&str]) -> Ran {
    let ran = space.run(args);
    assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.stdout, ran.stderr);
    assert!(!ran.stderr.contains("locked"), "{args:?}: {}", ran.stderr);
    ran
}

/// How often each derivation was started, by its name.
fn built(said: &str) -> BTreeMap<String, u32> {
    let mut built = BTreeMap::new();
    for name in said.lines().filter_map(|line| line.strip_prefix("building ")) {
        *built.entry(name.to_owned()).or_default() += 1;
    }
    built
}

#[test]
fn many_processes_build_each_derivation_once() {
    let space = space("once");
    let said: String = std::thread::scope(|scope| {
        let run = |n: u64| {
            let target = match n % 2 {
                0 => "top.nix".to_owned(),
                _ => format!("middle-{}.nix", n % 6),
            };
            let space = &space;
            scope.spawn(move || ok(space, &["build", "--no-link", &target]).stderr)
        };
        let all: Vec<_> = (0..PROCESSES).map(run).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut names: Vec<String> = (0..MIDDLE).map(|n| format!("middle-{n}")).collect();
    names.extend(["base".to_owned(), "top".to_owned()]);
    let expected: BTreeMap<String, u32> = names.into_iter().map(|name| (name, 1)).collect();
    assert_eq!(built(&said), expected, "{said}");
    assert_eq!(space.problems(), Vec::<String>::new());
    assert_eq!(space.litter(), Vec::<std::path::PathBuf>::new());
}

/// As the user that most people are, for whom a read-only folder is one; with `CLUTCH_FAULTS=all` as root,
/// too.
#[test]
fn processes_that_do_everything_at_once_do_not_disturb_each_other() {
    let plain = Space::new(BINARY);
    match Space::is_root() {
        true => {
            all_at_once(&fill(
                Space::new(BINARY).as_user(1234).with_own_probe(),
                "all at once, a user",
            ));
            if is_long() {
                all_at_once(&fill(plain.with_own_probe(), "all at once, root"));
            }
        }
        false => all_at_once(&fill(plain.with_own_probe(), "all at once")),
    }
}

fn is_long() -> bool {
    std::env::var_os("CLUTCH_FAULTS").is_some_and(|value| value == "all")
}

fn all_at_once(space: &Space) {
    // what is imported is built in another store
    let top = space.ok(["build", "--no-link", "top.nix"]);
    space.ok(["export", &top, "-o", "top"]);
    space.ok(["gc"]);
    assert!(!space.valid().contains(&top));
    let rounds = if is_long() { 100 } else { 8 };
    let seed = std::env::var("CLUTCH_FAULT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0u64);
    std::thread::scope(|scope| {
        for process in 0..PROCESSES {
            let top = &*top;
            scope.spawn(move || {
                let mut state = seed * PROCESSES + process + 1;
                for _ in 0..rounds {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    round(space, top, process, state >> 33);
                }
            });
        }
    });
    assert_eq!(space.problems(), Vec::<String>::new());
    ok(space, &["verify"]);
    ok(space, &["gc", "--keep-days", "1"]);
    assert_eq!(space.litter(), Vec::<std::path::PathBuf>::new());
    for link in space.path("project").read_dir().unwrap() {
        let link = link.unwrap().path();
        if link.is_symlink() {
            fs_err::remove_file(link).unwrap();
        }
    }
    for process in 0..PROCESSES {
        space.run(["pin", "--remove", &format!("pin-{process}")]);
    }
    ok(space, &["gc"]);
    assert_eq!((space.valid(), space.on_disk()), (Vec::new(), Vec::new()));
}

/// The next step of one process.
fn round(space: &Space, top: &str, process: u64, draw: u64) {
    let link = format!("result-{process}");
    let pin = format!("pin-{process}");
    let middle = format!("middle-{}.nix", draw / 16 % MIDDLE as u64);
    let is_whole = |path: &str| {
        let verified = space.run(["verify", path]);
        assert_eq!(verified.code, 0, "{path}: {}{}", verified.stdout, verified.stderr);
    };
    match draw % 12 {
        0 => drop(ok(space, &["gc"])),
        1 => drop(ok(space, &["gc", "--max-freed", "10K"])),
        2 => {
            // a fresh root keeps what was made, with all that it needs
            ok(space, &["build", "top.nix", "-o", &link]);
            let closure = ok(space, &["closure", top]);
            assert_eq!(closure.stdout.lines().count(), MIDDLE + 2, "{}", closure.stdout);
            is_whole(top);
        }
        3 => {
            let path = ok(space, &["build", &middle, "-o", &link]).stdout;
            is_whole(path.trim());
        }
        4 => drop(ok(space, &["build", "--no-link", &middle])),
        5 => {
            ok(space, &["import", "--accept-unsigned", "top", "--pin", &pin]);
            is_whole(top);
        }
        6 => {
            let _ = fs_err::remove_file(space.path("project").join(&link));
            let removed = space.run(["pin", "--remove", &pin]);
            assert!(
                removed.code == 0 || removed.stderr.contains("does not exist"),
                "{}",
                removed.stderr
            );
        }
        7 => {
            // equal files come that are not shared: the pool is a saving, and may go at any moment
            for folder in fs_err::read_dir(space.store().join("var/pool")).into_iter().flatten() {
                let files = folder.unwrap().path();
                for file in fs_err::read_dir(files).into_iter().flatten().flatten() {
                    let _ = fs_err::remove_file(file.path());
                }
            }
            ok(space, &["optimise"]);
        }
        8 => drop(ok(space, &["optimise"])),
        9 => {
            let profile = format!("./profile-{process}");
            ok(space, &["profile", "set", &profile, &middle]);
            let link = space.path("project").join(&profile).join("a");
            let base = fs_err::read_to_string(link).unwrap();
            assert!(base.ends_with("-base"), "{base}");
            if draw % 5 < 3 {
                let back = space.run(["profile", "rollback", &profile]);
                let is_first = back.stderr.contains("no generation before");
                assert!(back.code == 0 || is_first, "{}", back.stderr);
                ok(space, &["profile", "wipe", &profile]);
            }
            ok(space, &["profile", "list", &profile]);
        }
        10 => {
            let path = ok(space, &["build", &middle, "-o", &link]).stdout;
            ok(space, &["pin", &pin, path.trim()]);
            is_whole(path.trim());
        }
        _ => {
            ok(space, &["paths"]);
            ok(space, &["verify", "--repair"]);
            ok(space, &["verify"]);
        }
    }
}

/// Evaluations that share a text and a source with others, beside collections that would have both.
#[test]
fn what_evaluations_share_stays_beside_a_collector() {
    let space = Space::new(BINARY).with_own_probe();
    let salt = format!("{} {:?}", std::process::id(), Instant::now());
    space.write("shared.txt", &salt);
    for n in 0..3 {
        let more = format!(
            "n = {n}; shared = builtins.toFile \"shared\" \"{salt}\"; source = \"${{./shared.txt}}\"; \
             more = builtins.toFile \"more\" \"${{builtins.toFile \"shared\" \"{salt}\"}} {n}\";"
        );
        let words: [&[&str]; 4] = [
            &["read", "$source"],
            &["mkdir", "$out"],
            &["write", "$out/shared", "$shared"],
            &["write", "$out/more", "$more"],
        ];
        space.write(&format!("user-{n}.nix"), probing(&format!("user-{n}"), &more, &words));
    }
    let rounds = if is_long() { 60 } else { 12 };
    let is_over = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for n in 0..3 {
            let (space, is_over) = (&space, &is_over);
            scope.spawn(move || {
                let file = format!("user-{n}.nix");
                // whatever happens, the collector ends
                let run = || {
                    for round in 0..rounds {
                        match round % 3 {
                            0 => ok(space, &["build", "--no-link", &file]),
                            _ => ok(space, &["build", "--dry-run", &file]),
                        };
                    }
                };
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
                is_over.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                ended.unwrap();
            });
        }
        let mut draw = 0;
        while is_over.load(std::sync::atomic::Ordering::SeqCst) < 3 {
            draw += 1;
            ok(&space, if draw % 2 == 0 { &["gc"] } else { &["gc", "--max-freed", "1"] });
            ok(&space, &["verify"]);
        }
    });
    assert_eq!(space.problems(), Vec::<String>::new());
}

/// A derivation that takes its time.
fn slow(space: &Space, seconds: &str) {
    let salt = format!("salt = \"{} {:?}\";", std::process::id(), Instant::now());
    space.write("slow.nix", probing("slow", &salt, &[&["sleep", seconds], &["mkdir", "$out"]]));
}

/// Waits for the end of a command, which must be a success. Gives what else it has said.
fn ends_well(running: Running) -> String {
    let ran = running.end("a command beside others");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stderr
}

#[test]
fn who_comes_second_waits_and_says_so() {
    let space = Space::new(BINARY).with_own_probe();
    slow(&space, "1.5");
    let first = Running::start(&space, &["build", "--no-link", "slow.nix"]);
    first.says("building slow");
    let second = Running::start(&space, &["build", "--no-link", "slow.nix"]);
    second.says("waiting for another clutch: slow");
    ends_well(first);
    let rest = ends_well(second);
    assert!(!rest.contains("building"), "it was built already: {rest}");
}

#[test]
fn the_lock_of_a_dead_process_is_none() {
    let space = Space::new(BINARY).with_own_probe();
    slow(&space, "2");
    let mut first = Running::start(&space, &["build", "--no-link", "slow.nix"]);
    first.says("building slow");
    let second = Running::start(&space, &["build", "--no-link", "slow.nix"]);
    second.says("waiting for another clutch: slow");
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    second.says("building slow");
    ends_well(second);
    assert_eq!(space.problems(), Vec::<String>::new());
    // what the dead one has left goes with the next commands
    space.ok(["gc", "--keep-days", "1"]);
    assert_eq!(space.litter(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_a_running_build_needs_is_not_collected() {
    let space = space("running");
    space.ok(["build", "--no-link", "base.nix"]);
    let base = space.valid().into_iter().find(|path| path.ends_with("-base")).unwrap();
    let words: [&[&str]; 4] = [
        &["print", "it runs"],
        &["sleep", "1.5"],
        &["mkdir", "$out"],
        &["copy", "$base/text", "$out/text"],
    ];
    let more = format!("base = import ./base.nix; salt = \"{:?}\";", Instant::now());
    space.write("user.nix", probing("user", &more, &words));
    let running = Running::start(&space, &["build", "-v", "-o", "used", "user.nix"]);
    running.says("it runs");
    space.ok(["gc"]);
    assert!(space.valid().contains(&base));
    ends_well(running);
    space.ok(["gc"]);
    assert_eq!(fs_err::read_to_string(space.path("project/used/text")).unwrap(), "base");
    assert_eq!(space.problems(), Vec::<String>::new());
}
