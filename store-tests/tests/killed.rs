//! Processes that are killed behind clutch's back: the builder, what it has started, process 1 of its
//! sandbox, the one that waits for the next, the helper, clutch itself. And a disk that a build fills.
//! Each ends with a clear error or not at all; nothing half-made is registered, nothing runs on, nothing is
//! left that the next command does not clean up.
//!
//! `CLUTCH_FAULT_SEED` draws who is killed when; `CLUTCH_FAULTS=all` does more of it.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clutch_store_tests::{
    Ran, Space,
    child::{self, Running},
    probing,
};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A space for each kind of user that this process can be.
fn users() -> Vec<Space> {
    let own = Space::new(BINARY).with_probe();
    match Space::is_root() {
        true => vec![own, Space::new(BINARY).as_user(1234).with_probe()],
        false => vec![own],
    }
}

/// The processes below one, each with its parent.
fn below(top: u32) -> BTreeMap<u32, u32> {
    let mut parents = BTreeMap::new();
    for entry in fs_err::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // the name of a program may hold anything, spaces and brackets included
        let Ok(text) = fs_err::read_to_string(entry.path().join("stat")) else { continue };
        let after = text.rsplit_once(')').unwrap().1;
        parents.insert(id, after.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap());
    }
    let is_below = |id: &u32| {
        let mut at = *id;
        while let Some(parent) = parents.get(&at) {
            if *parent == top {
                return true;
            }
            at = *parent;
        }
        false
    };
    let ids: Vec<u32> = parents.keys().copied().filter(is_below).collect();
    ids.into_iter().map(|id| (id, parents[&id])).collect()
}

fn children(all: &BTreeMap<u32, u32>, of: u32) -> Vec<u32> {
    all.iter().filter(|(_, parent)| **parent == of).map(|(id, _)| *id).collect()
}

fn kill(id: u32) {
    // it may have ended already
    let mut kill = Command::new("kill");
    kill.args(["-KILL", &id.to_string()]).stderr(Stdio::null()).status().unwrap();
}

fn is_there(id: u32) -> bool {
    let stat = fs_err::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // one that has ended and waits for its parent is none
    stat.rsplit_once(')').is_some_and(|(_, after)| !after.trim_start().starts_with('Z'))
}

/// Waits until none of these processes runs any more.
fn wait_for_end(ids: impl IntoIterator<Item = u32>, place: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    for id in ids {
        while is_there(id) {
            assert!(Instant::now() < end, "process {id} runs on: {place}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Nothing is registered that is not whole, nothing is mounted, and a collection leaves no litter.
fn check(space: &Space, place: &str) {
    assert_eq!(space.problems(), Vec::<String>::new(), "{place}");
    let mounts = fs_err::read_to_string("/proc/self/mountinfo").unwrap();
    let own = space.path("").display().to_string();
    assert!(!mounts.contains(own.trim_end_matches('/')), "{place}: {mounts}");
    space.ok(["gc", "--keep-days", "1"]);
    assert_eq!(space.litter(), Vec::<std::path::PathBuf>::new(), "{place}");
}

/// The process that is killed while a build runs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Clutch,
    Helper,
    /// Process 1 of the sandbox that runs.
    First,
    /// Process 1 of the next sandbox.
    Waiting,
    Builder,
    /// A process that the builder has started.
    Child,
}

/// The processes of a build that is running, by what they are.
fn processes(clutch: u32) -> BTreeMap<&'static str, Vec<u32>> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let all = below(clutch);
        let helpers = children(&all, clutch);
        let firsts: Vec<u32> = helpers.iter().flat_map(|helper| children(&all, *helper)).collect();
        let builders = |first: &u32| children(&all, *first);
        let (running, waiting): (Vec<u32>, Vec<u32>) =
            firsts.iter().partition(|first| !builders(first).is_empty());
        if running.len() == 1 && waiting.len() == 1 {
            let inside: Vec<u32> =
                running.iter().flat_map(|first| below(*first).into_keys()).collect();
            return BTreeMap::from([
                ("helper", helpers),
                ("running", running),
                ("waiting", waiting),
                ("inside", inside),
            ]);
        }
        assert!(Instant::now() < end, "no sandbox is there: {all:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn whoever_is_killed_the_build_says_so_and_leaves_nothing() {
    for space in users() {
        // it sleeps for as many seconds as there are cores: for ever at first, then not at all
        let words: [&[&str]; 6] = [
            &["mkdir", "$out"],
            &["write", "$out/half", "made"],
            &["background", "1000"],
            &["print", "ready"],
            &["sleep", "$NIX_BUILD_CORES"],
            &["write", "$out/whole", "made"],
        ];
        space.write("first.nix", probing("first", &space.salt(), &words));
        let more = format!("{} first = import ./first.nix;", space.salt());
        let top = [&["copy", "$first/whole", "$out"][..]];
        space.write("default.nix", probing("top", &more, &top));
        for (who, code, said) in [
            (Who::Clutch, -1, ""),
            (Who::Helper, 1, "helper process ended unexpectedly"),
            (Who::First, 1, "helper process ended unexpectedly"),
            (Who::Builder, 1, "ended by signal 9"),
            (Who::Waiting, 0, ""),
            (Who::Child, 0, ""),
        ] {
            let place = format!("{who:?}");
            // if nobody notices, it has to end by itself
            let cores = if code == 0 { "2" } else { "1000" };
            let build = ["-v", "build", "--no-link", "--cores", cores];
            let running = Running::start(&space, &build);
            running.says("ready");
            let clutch = running.child.id();
            let found = processes(clutch);
            let [builder, child] = found["inside"][..] else { panic!("{found:?}") };
            kill(match who {
                Who::Clutch => clutch,
                Who::Helper => found["helper"][0],
                Who::First => found["running"][0],
                Who::Waiting => found["waiting"][0],
                Who::Builder => builder.min(child),
                Who::Child => builder.max(child),
            });
            let ran = running.end(&place);
            wait_for_end(found.into_values().flatten(), &place);
            assert_eq!(ran.code, code, "{place}: {}", ran.stderr);
            assert!(ran.stderr.contains(said), "{place}: {}", ran.stderr);
            assert!(code != 1 || ran.stderr.contains("-first.drv'"), "{place}: {}", ran.stderr);
            let is_valid = space.valid().iter().any(|path| path.ends_with("-first"));
            assert_eq!(is_valid, code == 0, "{place}");
            check(&space, &place);
            space.ok(["build", "--no-link", "--cores", "0"]);
            space.ok(["gc", "--max-freed", "100G"]);
            assert!(!space.valid().iter().any(|path| path.ends_with("-first")), "{place}");
        }
    }
}

/// Derivations that need each other, some of them by a builder inside the binary that starts sandboxes, too.
fn graph(space: &Space) {
    let salt = space.salt();
    let mut all = salt.clone();
    let mut words: Vec<Vec<String>> = vec![vec!["mkdir".into(), "$out".into()]];
    for n in 0..6 {
        let before = match n {
            0 | 1 => String::new(),
            _ => format!("before = import ./part-{}.nix;", n - 2),
        };
        let operations: [&[&str]; 4] = [
            &["mkdir", "$out"],
            &["print", "at work"],
            &["sleep", "0.01"],
            &["write", "$out/a", "part"],
        ];
        let more = format!("{salt} n = {n}; {before}");
        space.write(&format!("part-{n}.nix"), probing(&format!("part-{n}"), &more, &operations));
        all += &format!("p{n} = import ./part-{n}.nix;");
        words.push(vec!["copy".into(), format!("$p{n}/a"), format!("$out/{n}")]);
    }
    let words: Vec<Vec<&str>> =
        words.iter().map(|words| words.iter().map(String::as_str).collect()).collect();
    let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
    space.write("default.nix", probing("top", &all, &words));
}

#[test]
fn processes_killed_at_random_leave_nothing_half_made() {
    let is_long = std::env::var_os("CLUTCH_FAULTS").is_some_and(|value| value == "all");
    let rounds = if is_long { 400 } else { 12 };
    let seed = std::env::var("CLUTCH_FAULT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0u64);
    for space in users() {
        graph(&space);
        let mut state = seed + 1;
        let mut draw = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % end
        };
        let (mut failed, mut whole) = (0, 0);
        for round in 0..rounds {
            let running = Running::start(&space, &["build", "--no-link", "-j2"]);
            let clutch = running.child.id();
            std::thread::sleep(Duration::from_millis(draw(180)));
            let mut all: Vec<u32> = below(clutch).into_keys().collect();
            // clutch itself now and then, too
            all.push(clutch);
            let victim = all[usize::try_from(draw(all.len() as u64)).unwrap()];
            kill(victim);
            let place = format!("round {round}, {victim} of {all:?} below {clutch}");
            let ran = running.end(&place);
            wait_for_end(all, &place);
            match ran.code {
                0 => whole += 1,
                -1 if victim == clutch => failed += 1,
                1 => {
                    failed += 1;
                    let is_told = ["ended unexpectedly", "ended by signal 9"]
                        .iter()
                        .any(|t| ran.stderr.contains(t));
                    assert!(is_told, "{place}: {}", ran.stderr);
                }
                code => panic!("exit code {code}: {place}: {}", ran.stderr),
            }
            assert!(!ran.stderr.contains("panicked at"), "{place}: {}", ran.stderr);
            check(&space, &place);
            space.ok(["build", "--no-link", "-j2"]);
            assert_eq!(space.problems(), Vec::<String>::new(), "{place}");
            space.ok(["gc"]);
        }
        eprintln!("{failed} builds failed, {whole} did not notice");
    }
}

/// In a container whose process 1 waits for nobody, here a `cat`: what clutch has started has been waited for when it
/// ends, where a sandbox can be made and where it cannot.
#[test]
fn nothing_is_left_to_a_process_1_that_waits_for_nobody() {
    let words: [&[&str]; 1] = [&["write", "$out", "x"]];
    let space = Space::new(BINARY).with_probe();
    space.write("default.nix", probing("one", &space.salt(), &words));
    for (before, code) in [("", 0), ("echo 0 > /proc/sys/user/max_user_namespaces", 4)] {
        let script = format!(
            "mkfifo told; {{ {before}\n \"$0\" build --no-link >&2; echo \"code $?\"; \
             cat /proc/[0-9]*/stat; }} > told & exec cat told"
        );
        let mut command = space.command_of("unshare");
        command.args(["--map-root-user", "--pid", "--fork", "--mount-proc", "sh", "-c", &script]);
        let ran = Ran::of(child::output(command.arg(space.command().get_program())).unwrap());
        let (first, processes) = ran.stdout.split_once('\n').unwrap();
        assert_eq!(first, format!("code {code}"), "{}", ran.stderr);
        let left: Vec<&str> = processes.lines().filter(|line| line.contains(") Z ")).collect();
        assert_eq!(left, Vec::<&str>::new());
        fs_err::remove_file(space.path("project/told")).unwrap();
        space.ok(["gc"]);
    }
}

/// The store is on a disk of its own, which has little more than what has to stay free.
#[test]
fn a_build_that_fills_the_disk_says_so_and_leaves_nothing() {
    let space = Space::new(BINARY).with_probe();
    for (name, size, words) in [
        // it goes on and on; it has all of it within a moment
        (
            "slow",
            "100000000",
            &[&["mkdir", "$out"][..], &["fill", "$out/large", "60000000"], &["sleep", "1000"]][..],
        ),
        ("quick", "80000000", &[&["fill", "$out", "200000000"][..]][..]),
        (
            "inside",
            "80000000",
            &[&["fill", "/build/large", "200000000"][..], &["write", "$out", "x"]][..],
        ),
    ] {
        space.write("default.nix", probing(name, &space.salt(), words));
        space.write("small.nix", probing("small", &space.salt(), &[&["write", "$out", "x"]]));
        let plain = space.command();
        let mut command = Command::new("unshare");
        if !Space::is_root() {
            command.arg("--map-root-user");
        }
        // the same command again, on what is left
        let script = "mkdir -p \"$0\" && mount -t tmpfs -o size=\"$1\" none \"$0\" && shift && \
                      \"$1\" build --no-link default.nix; echo \"code $?\" && \
                      \"$1\" verify >&2 && \"$1\" build --no-link small.nix >&2 && \"$1\" gc --keep-days 1 >&2 && \
                      ls \"$0\"/var/tmp \"$0\"/var/locks \"$0\"/store";
        command.args(["--mount", "sh", "-c", script]).arg(space.store()).arg(size);
        command.arg(plain.get_program()).env_clear().current_dir(space.path("project"));
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = Ran::of(command.output().unwrap());
        assert_eq!(ran.code, 0, "{name}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.starts_with("code 1\n"), "{name}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("bytes free on the disk"), "{name}: {}", ran.stderr);
        assert!(ran.stdout.contains("-small\n"), "{name}: {}", ran.stdout);
        assert!(
            !ran.stdout.lines().any(|line| line.ends_with(&format!("-{name}"))),
            "{}",
            ran.stdout
        );
        let tmp = ran.stdout.split_once("/var/tmp:\n").unwrap().1;
        assert_eq!(tmp.trim(), "", "{name}: {}", ran.stdout);
    }
}
