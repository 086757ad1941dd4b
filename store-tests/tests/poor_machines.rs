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
fn a_removed_working_folder_is_reported() {
    let space = built("gone");
    for words in ["eval -E 1", "build", "run -- tool", "shell -- true"] {
        let line = format!("mkdir gone; cd gone; rmdir ../gone; $clutch {words}");
        let ran = shell(&space, &["env"], &line);
        assert_ne!(ran.code, 0, "{words}: {}", ran.stdout);
        assert!(ran.stderr.contains("working folder"), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains("cd to another one"), "{words}: {}", ran.stderr);
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
    for limit in ["-f 1", "-f 8"] {
        let line = format!("ulimit {limit}; $clutch build --no-link -E \"$0\"");
        let large = probing("large", "", &[&["fill", "$out", "1000000"]]);
        let mut command = space.command_of("bash");
        command.args(["-c", &line.replace("$clutch", BINARY), &large]);
        let ran = Ran::of(child::output(&mut command).unwrap());
        assert!((1..6).contains(&ran.code), "{limit}: {} {}", ran.code, ran.stderr);
        assert!(ran.stderr.contains("`ulimit -f` is"), "{limit}: {}", ran.stderr);
        assert_eq!(space.problems(), Vec::<String>::new(), "{limit}");
    }
    // these are enough
    for limit in ["-n 64", "-S -u 2000", "-s 128"] {
        let line = format!("ulimit {limit}; $clutch build --no-link && $clutch eval -E '1 + 1'");
        let ran = shell(&space, &["env"], &line);
        assert_eq!(ran.code, 0, "{limit}: {}", ran.stderr);
        space.ok(["gc"]);
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
    let mount = space.path("project/no");
    let told = format!("'{0}', which holds the store, is mounted 'noexec'", mount.display());
    let advice = format!("mount -o remount,exec {}", mount.display());
    let is_told = |ran: &Ran| {
        assert!(ran.stderr.contains(&told) && ran.stderr.contains(&advice), "{}", ran.stderr);
    };
    is_told(&ran);
    // run and shell
    let operations: &[&[&str]] =
        &[&["mkdir", "$out"], &["mkdir", "$out/bin"], &["write", "$out/bin/tool", "x"]];
    let operations = [operations, &[&["chmod", "755", "$out/bin/tool"]]].concat();
    space.write("tool.nix", probing("tool", "", &operations));
    for (words, code) in [
        ("run tool.nix -- tool", 126),
        ("run --isolated tool.nix -- tool", 126),
        ("shell tool.nix -- tool", 126),
        // the machine's own shell starts
        ("shell tool.nix", 0),
    ] {
        let line = format!(
            "mkdir -p no; mount -t tmpfs x no; mkdir no/below; export CLUTCH_STORE=$PWD/no/below; \
             $clutch -q build --no-link tool.nix && mount -o remount,noexec no && $clutch {words}"
        );
        let ran = shell(&space, own, &line);
        assert_eq!(ran.code, code, "{words}: {}", ran.stderr);
        is_told(&ran);
    }
    let line =
        "mount -t tmpfs -o noexec x no; mkdir no/below; $clutch --store $PWD/no/below doctor";
    let ran = shell(&space, own, line);
    assert!(ran.stdout.contains(&advice), "{}", ran.stdout);
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
    // a user of this test's own: the limit is on all processes of a user
    let user = 20_000 + std::process::id() % 40_000;
    let space = Space::new(BINARY).as_user(user).with_probe();
    space.write("default.nix", probing("threads", "", &[&["write", "$out", "x"]]));
    let mut refused = 0;
    // in a container whose first process waits for nobody, those of runs that failed count for ever
    for most in 1..200 {
        let line = format!("ulimit -u {most}; exec ../clutch build --no-link");
        let ran = shell(&space, &["env"], &line);
        assert!(!ran.stderr.contains("panicked"), "{most}: {}", ran.stderr);
        if ran.code == 0 {
            break;
        }
        assert!(ran.stderr.contains("`ulimit -u` is"), "{most}: {}", ran.stderr);
        refused += 1;
    }
    assert!((2..199).contains(&refused), "{refused}");
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

/// A folder on a disk whose file system has the flag, in which nothing stays immutable.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let file = folder.path().join("file");
        fs_err::write(&file, "").unwrap();
        let disk = Self(folder);
        let can = chattr(&["+i"], &file);
        can.then_some(disk)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        chattr(&["-R", "-i"], self.0.path());
    }
}

fn chattr(words: &[&str], path: &std::path::Path) -> bool {
    let mut command = Command::new("chattr");
    let status = child::status(command.args(words).arg(path).stderr(Stdio::null()));
    status.is_ok_and(|status| status.success())
}

#[test]
fn an_immutable_file_of_the_store_is_named() {
    let Some(disk) = Disk::new() else {
        eprintln!("LEFT OUT: `chattr +i` needs root and a file system that has the flag");
        return;
    };
    let space = Space::new(BINARY).with_own_probe();
    let words: [&[&str]; 3] =
        [&["mkdir", "$out"], &["mkdir", "$out/folder"], &["write", "$out/folder/file", "x"]];
    space.write("default.nix", probing("kept", &space.salt(), &words));
    space.write("other.nix", probing("other", &space.salt(), &words));
    let store = disk.0.path().join("store");
    let run = |words: &[&str]| {
        let at = ["--store", store.to_str().unwrap()];
        space.run(at.iter().chain(words))
    };
    let built = |file: &str| {
        let ran = run(&["build", "--no-link", file]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let base = ran.stdout.trim().strip_prefix("/clutch/store/").unwrap().to_owned();
        store.join("store").join(base)
    };
    let is_told = |ran: &Ran, file: &str| {
        let at = ran.stderr.find("is immutable: as root `chattr -i ");
        let at = at.unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr));
        assert!(ran.stderr[at..].contains(&format!("{file}`")), "{}", ran.stderr);
    };
    // something in a path: it is told again until it can go, and all else goes
    let (kept, other) = (built("default.nix"), built("other.nix"));
    assert!(chattr(&["+i"], &kept.join("folder/file")));
    for _ in 0..2 {
        let ran = run(&["gc"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        is_told(&ran, "folder/file");
    }
    assert!(!kept.exists() && !other.exists());
    assert!(chattr(&["-R", "-i"], &store));
    assert_eq!(run(&["gc"]).code, 0);
    assert_eq!(fs_err::read_dir(store.join("var/tmp")).unwrap().count(), 0);
    // the path itself
    let (kept, other) = (built("default.nix"), built("other.nix"));
    assert!(chattr(&["+i"], &kept));
    for _ in 0..2 {
        let ran = run(&["gc"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        is_told(&ran, kept.to_str().unwrap());
    }
    assert!(kept.exists() && !other.exists());
    assert!(chattr(&["-i"], &kept));
    assert_eq!(run(&["gc"]).code, 0);
    assert!(!kept.exists());
    // a repair of what was changed, in its metadata and in its content
    for (place, content) in [("folder", None), ("folder/file", Some("y"))] {
        let kept = built("default.nix");
        let place = kept.join(place);
        let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs_err::set_permissions(&place, mode(0o755)).unwrap();
        if let Some(content) = content {
            fs_err::write(&place, content).unwrap();
        }
        let held = if content.is_some() { &kept } else { &place };
        assert!(chattr(&["+i"], held));
        let ran = run(&["verify", "--repair"]);
        assert_ne!(ran.code, 0, "{}", ran.stdout);
        let both = Ran { stderr: ran.stdout + &ran.stderr, stdout: String::new(), ..ran };
        is_told(&both, held.to_str().unwrap());
        assert!(chattr(&["-i"], held));
        let ran = run(&["verify", "--repair"]);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    }
}

/// Nothing is opened by a path that is longer than the system's; what is said of it can be read.
#[test]
fn paths_that_are_too_long_are_cut_in_messages() {
    let space = Space::new(BINARY);
    let name = "A".repeat(6000);
    let deep = vec!["abcdefgh"; 700].join("/");
    for long in [&name, &deep] {
        let texts = [
            "builtins.readFile ./LONG",
            "import ./LONG",
            "builtins.path { path = ./LONG; }",
            "\"${./LONG}\"",
            "builtins.readDir ./LONG",
            "builtins.hashFile \"sha256\" ./LONG",
            "builtins.filterSource (path: type: true) ./LONG",
            "import <LONG>",
            "builtins.toFile \"LONG\" \"\"",
            "builtins.storePath \"/clutch/store/LONG\"",
            "derivation { name = \"LONG\"; system = \"x\"; builder = \"x\"; }",
        ];
        let texts = texts.map(|text| text.replace("LONG", long));
        let expressions = texts.iter().map(|text| vec!["eval", "-E", text]);
        let words =
            ["build", "eval", "run", "shell", "closure", "show", "lock", "import", "verify"];
        let arguments = words.iter().map(|word| vec![*word, long]);
        let more = [
            vec!["profile", "set", long, "/clutch/store/x"],
            vec!["gc", "--max-size", long],
            vec!["paths", long],
            vec!["--store", long, "paths"],
            vec!["-I", long, "eval", "-E", "1"],
        ];
        for words in expressions.chain(arguments).chain(more) {
            let ran = space.run(&words);
            let begin: String = words.join(" ").chars().take(40).collect();
            assert_ne!(ran.code, 0, "{begin}: {}", ran.stdout);
            let said = ran.stdout + &ran.stderr;
            assert!(said.len() < 1800, "{begin}: {} bytes: {said}", said.len());
            if said.contains("os error 36") {
                assert!(said.contains("a path can have at most 4095 bytes"), "{begin}: {said}");
            }
        }
        let said = space.fails(2, ["build", long]);
        assert!(said.contains(" bytes)..."), "{said}");
        assert!(said.contains("a path can have at most 4095 bytes"), "{said}");
        let ran = space.run(["--json", "build", long]);
        assert!(ran.stderr.len() < 1000, "{}", ran.stderr);
    }
    // what the program says itself is not cut
    let said = space.fails(1, ["eval", "-E", &format!("throw \"{name}\"")]);
    assert!(said.contains(&name), "{said}");
}
