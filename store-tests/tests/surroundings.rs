//! A machine, or a shell, that is not as usual: each error says in plain words what is missing and what to do.

use std::process::{Command, Stdio};

use clutch_store_tests::{Ran, Space, child, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

fn built(name: &str) -> Space {
    let space = Space::new(BINARY).with_probe();
    space.write("default.nix", probing(name, "", &[&["write", "$out", "x"]]));
    space
}

/// Runs a line of shell in which `$clutch` is the binary.
fn shell(space: &Space, program: &[&str], line: &str) -> Ran {
    let mut command: Command = space.command_of(program[0]);
    command.args(&program[1..]).args(["bash", "-c", line]).env("clutch", BINARY);
    Ran::of(child::output(command.stdin(Stdio::null())).unwrap())
}

#[test]
fn a_working_folder_that_was_removed_is_told() {
    let space = built("gone");
    for words in ["eval -E 1", "build", "run -- tool", "shell -- true"] {
        let line = format!("mkdir gone; cd gone; rmdir ../gone; $clutch {words}");
        let ran = shell(&space, &["env"], &line);
        assert_ne!(ran.code, 0, "{words}: {}", ran.stdout);
        assert!(ran.stderr.contains("working folder"), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains("cd to one that is there"), "{words}: {}", ran.stderr);
    }
}

#[test]
fn limits_that_are_too_low_are_named() {
    let space = built("limits");
    for (limit, words) in [("-n 8", "`ulimit -n` is 8"), ("-n 10", "`ulimit -n` is 10")] {
        let ran = shell(&space, &["env"], &format!("ulimit {limit}; $clutch build --no-link"));
        assert_ne!(ran.code, 0, "{}", ran.stdout);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{limit}: {}", ran.stderr);
    }
    // these are enough
    for limit in ["-n 64", "-S -u 2000"] {
        let ran = shell(&space, &["env"], &format!("ulimit {limit}; $clutch build --no-link"));
        assert_eq!(ran.code, 0, "{limit}: {}", ran.stderr);
    }
}

#[test]
fn a_machine_without_proc_or_that_executes_nothing_is_told() {
    if !Space::is_root() {
        return;
    }
    let space = built("machine");
    let own: &[&str] = &["unshare", "--mount", "--propagation", "private"];
    let ran = shell(&space, own, "umount -l /proc; $clutch build --no-link");
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("mount -t proc"), "{}", ran.stderr);
    let ran = shell(&space, own, "umount -l /proc; $clutch doctor");
    assert!(ran.stdout.contains("/proc is not mounted"), "{}", ran.stdout);
    let line = "mkdir no; mount -t tmpfs -o noexec x no; $clutch --store $PWD/no build --no-link";
    let ran = shell(&space, own, line);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("mounted 'noexec'"), "{}", ran.stderr);
    // run and shell
    let operations: &[&[&str]] =
        &[&["mkdir", "$out"], &["mkdir", "$out/bin"], &["write", "$out/bin/tool", "x"]];
    let operations = [operations, &[&["chmod", "755", "$out/bin/tool"]]].concat();
    space.write("tool.nix", probing("tool", "", &operations));
    let line = "mkdir -p no; mount -t tmpfs x no; $clutch --store $PWD/no build --no-link tool.nix; \
                mount -o remount,noexec no; $clutch --store $PWD/no run tool.nix -- tool";
    let ran = shell(&space, own, line);
    assert_eq!(ran.code, 126, "{}", ran.stdout);
    assert!(ran.stderr.contains("mounted 'noexec'"), "{}", ran.stderr);
}

#[test]
fn a_chroot_is_told() {
    if !Space::is_root() {
        return;
    }
    let space = built("chroot");
    // a folder that shows the machine's, without being a mount itself
    let line = "mkdir -p root; for d in /*; do [ -d $d ] && [ ! -L $d ] && mkdir root$d && mount --rbind $d root$d; \
                [ -L $d ] && cp -d $d root$d; done; chroot root $clutch --store $CLUTCH_STORE build --no-link $PWD";
    let ran = shell(&space, &["unshare", "--mount", "--propagation", "private"], line);
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("in a chroot"), "{}", ran.stderr);
}

#[test]
fn threads_and_processes_that_cannot_be_started_are_told() {
    if !Space::is_root() {
        return;
    }
    let space = Space::new(BINARY).as_user(4242).with_probe();
    space.write("default.nix", probing("threads", "", &[&["write", "$out", "x"]]));
    let mut refused = 0;
    for most in 1..40 {
        let line = format!("ulimit -u {most}; exec ../clutch build --no-link");
        let ran = shell(&space, &["env"], &line);
        assert!(!ran.stderr.contains("panicked"), "{most}: {}", ran.stderr);
        if ran.code == 0 {
            break;
        }
        assert!(ran.stderr.contains("`ulimit -u` is"), "{most}: {}", ran.stderr);
        refused += 1;
    }
    assert!((2..39).contains(&refused), "{refused}");
}

/// A build that the kernel ends when memory is short, in a control group of the test's own.
#[test]
fn a_build_that_was_killed_for_lack_of_memory_says_so() {
    let groups = std::path::Path::new("/sys/fs/cgroup/memory");
    if !Space::is_root() || !groups.join("memory.limit_in_bytes").exists() {
        return;
    }
    let group = groups.join(format!("clutch-test-{}", std::process::id()));
    let Ok(()) = fs_err::create_dir(&group) else { return };
    fs_err::write(group.join("memory.limit_in_bytes"), "150M").unwrap();
    let space = Space::new(BINARY).with_probe();
    space.write("default.nix", probing("memory", "", &[&["memory", "600"]]));
    let line = format!("echo $$ > {}/cgroup.procs; exec $clutch build --no-link", group.display());
    let ran = shell(&space, &["env"], &line);
    // its last process may be on its way out
    for _ in 0..100 {
        if fs_err::remove_dir(&group).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("for lack of memory"), "{}", ran.stderr);
}
