//! Programs that `clutch run` and `clutch shell` start. On a terminal the environment's programs come first, whatever
//! the user's start-up files say: bash and sh are everywhere; zsh and fish are tried if they are installed. A program
//! finds what it would have found without clutch: signals, limits, mounts.

use std::process::Command;

use clutch_store_tests::{Ran, Space, child, probing, terminal::Terminal};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

#[test]
fn start_up_files_do_not_put_other_programs_first() {
    let space = Space::new(BINARY);
    let program = "#!/bin/sh\necho the-environment\n";
    space.write(
        "default.nix",
        format!(
            "(import <clutch>).text {{ name = \"tools-1.0\"; executable = true; \
             destination = \"bin/python\"; text = {program:?}; }}"
        ),
    );
    space.ok(["build", "--no-link"]);
    let own = space.path("home/own/python");
    fs_err::create_dir_all(own.parent().unwrap()).unwrap();
    fs_err::write(&own, program.replace("the-environment", "the-user")).unwrap();
    fs_err::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let posix = "export PATH=$HOME/own:$PATH PYTHONPATH=/bad SEEN=seen; ";
    let fish = "set -gx PATH $HOME/own $PATH; set -gx PYTHONPATH /bad; set -gx SEEN seen; \
                function fish_prompt; echo -n 'own> '; end";
    let start_up = [
        (".bashrc", format!("{posix} PS1='own> '")),
        (".shinit", format!("{posix} PS1='own> '")),
        // this one moves the others
        (".zshenv", "export ZDOTDIR=$HOME/zsh".to_owned()),
        ("zsh/.zshrc", format!("{posix} PROMPT='own> '")),
        (".config/fish/config.fish", fish.to_owned()),
    ];
    for (name, text) in start_up {
        let file = space.path("home").join(name);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, text).unwrap();
    }
    space.write("answer", "python; env | sort | grep -e SEEN -e PYTHON -e CLUTCH_SH -e ^ENV");
    let init = space.path("home/.shinit");
    for shell in ["bash", "sh", "zsh", "fish"] {
        let found = space.command_of("sh").args(["-c", &format!("command -v {shell}")]).output();
        let found = String::from_utf8(found.unwrap().stdout).unwrap();
        if found.is_empty() && !matches!(shell, "bash" | "sh") {
            continue;
        }
        let variables =
            [("SHELL", found.trim()), ("ENV", init.to_str().unwrap()), ("PYTHONHOME", "/bad")];
        // twice: what is left of the first time is no obstacle
        for _ in 0..2 {
            let mut terminal = Terminal::new(&space, &format!("{BINARY} shell"), &variables);
            terminal.expect("(tools-1.0) own> ");
            terminal.write("sh answer > said; echo e''nd\n");
            terminal.expect("end\r\n");
            let said = fs_err::read_to_string(space.path("project/said")).unwrap();
            let mut expected = vec!["the-environment", "CLUTCH_SHELL=tools-1.0"];
            let env = format!("ENV={}", init.display());
            expected.extend([&env[..], "SEEN=seen"]);
            assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{shell}");
            terminal.write("exit 3\n");
            assert_eq!(terminal.end(), 3, "{shell}");
        }
    }
    // with a place that cannot be written there is a shell all the same
    let cache = space.path("home/.cache");
    fs_err::remove_dir_all(&cache).unwrap();
    fs_err::write(&cache, "").unwrap();
    let mut terminal = Terminal::new(&space, &format!("{BINARY} shell"), &[("SHELL", "/bin/sh")]);
    terminal.expect("may change PATH");
    terminal.write("echo ali''ve; exit\n");
    terminal.expect("alive\r\n");
    // a command has no start-up files
    assert_eq!(
        space.ok(["shell", "--", "sh", "-c", "python; echo $CLUTCH_SHELL"]),
        "the-environment\ntools-1.0"
    );
}

/// A project whose program is the probe.
fn with_tool(space: Space) -> Space {
    let space = space.with_probe();
    let operations: &[&[&str]] = &[
        &["mkdir", "$out"],
        &["mkdir", "$out/bin"],
        &["copy", "/proc/self/exe", "$out/bin/tool"],
        &["chmod", "755", "$out/bin/tool"],
    ];
    space.write("default.nix", probing("tool", "", operations));
    space.ok(["build", "--no-link"]);
    space
}

#[test]
fn a_program_has_the_signals_and_limits_that_clutch_was_started_with() {
    let users = match Space::is_root() {
        true => vec![Space::new(BINARY), Space::new(BINARY).as_user(1234)],
        false => vec![Space::new(BINARY)],
    };
    for space in users.into_iter().map(with_tool) {
        let tried: &[&str] = &["read", "/proc/self/status", "--", "limits"];
        let said = |before: &[&str], clutch: &[&str], program: &str| {
            let command = space.command();
            let mut started = space.command_of(before[0]);
            started.args(&before[1..]);
            if !clutch.is_empty() {
                started.arg(command.get_program()).args(clutch).arg("--");
            }
            let ran = Ran::of(child::output(started.arg(program).args(tried)).unwrap());
            assert_eq!(ran.code, 0, "{before:?} {clutch:?}: {}", ran.stderr);
            let wanted = |line: &&str| {
                ["SigBlk", "SigIgn", "SigCgt", "limit", "NoNew"].iter().any(|w| line.starts_with(w))
            };
            ran.stdout.lines().filter(wanted).map(str::to_owned).collect::<Vec<_>>()
        };
        let probe = space.path("project/probe");
        for before in [
            &["env"][..],
            &["bash", "-c", "trap '' PIPE HUP INT TERM; exec \"$@\"", "bash"],
            &[
                "bash",
                "-c",
                "trap '' USR2 TSTP; ulimit -S -n 100 -c 0 -s 4096; exec \"$@\"",
                "bash",
            ],
            &["env", "--block-signal=USR1,PIPE,INT", "--ignore-signal=CHLD,WINCH"],
        ] {
            let expected = said(before, &[], probe.to_str().unwrap());
            assert!(expected.len() > 10, "{expected:?}");
            for clutch in [&["run", "."][..], &["run", "--isolated", "."], &["shell", "."]] {
                assert_eq!(said(before, clutch, "tool"), expected, "{before:?} {clutch:?}");
            }
        }
    }
}

/// Else `yes | head -1` never ends.
#[test]
fn a_program_ends_when_nobody_reads_what_it_writes() {
    let space = with_tool(Space::new(BINARY));
    let mut command = space.command();
    command.args(["shell", ".", "--", "sh", "-c", "(while :; do echo y; done) | head -1"]);
    let ran = Ran::of(child::output(&mut command).unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "y\n"), "{}", ran.stderr);
}

/// A running program sees what the host mounts and unmounts meanwhile.
#[test]
fn mounts_come_and_go_in_a_view_as_outside() {
    if !Space::is_root() {
        return;
    }
    let space = with_tool(Space::new(BINARY));
    let inside = "echo ready > told; read x < go; cat mount/file; echo seen > told; read x < go; \
                  ls mount; echo gone > told";
    let outside = format!(
        "mkdir mount; mkfifo go told; {BINARY} shell . -- sh -c '{inside}' & \
         read x < told; mount -t tmpfs x mount; echo hello > mount/file; echo > go; \
         read x < told; umount mount && echo unmounted; echo > go; read x < told; wait; \
         grep -c /mount /proc/self/mounts"
    );
    let mut command: Command = space.command_of("unshare");
    command.args(["--mount", "--propagation", "shared", "sh", "-c", &outside]);
    let ran = Ran::of(child::output(&mut command).unwrap());
    assert_eq!(ran.stdout, "hello\nunmounted\n0\n", "{}", ran.stderr);
}
