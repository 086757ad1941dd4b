//! Attempts of hostile builders: tables of (name, what goes before, the attempt, the answers that are right), each
//! tried for real, as root and as an ordinary user. An answer is the kernel's error, or `done` if the attempt may
//! succeed and reach nothing.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::{MetadataExt as _, PermissionsExt},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use clutch_store_tests::{Space, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// Name, what goes before, the attempt, the right answers.
type Row = (&'static str, &'static [&'static [&'static str]], &'static [&'static str], Answers);
type Answers = &'static [&'static str];

/// Refused by the kernel or the filter, whatever for.
const REFUSED: Answers = &["EPERM", "EACCES"];
const READ_ONLY: Answers = &["EROFS", "EACCES", "EPERM"];
const ABSENT: Answers = &["ENOENT"];

const FILE: &[&[&str]] = &[&["write", "/tmp/file", "x"]];

const TABLE: &[Row] = &[
    // the network
    ("a server of the host's loopback", &[], &["connect", "127.0.0.1", "PORT"], &["ECONNREFUSED"]),
    ("an address outside", &[], &["connect", "192.0.2.1", "80"], &["ENETUNREACH"]),
    ("a cloud's metadata", &[], &["connect", "169.254.169.254", "80"], &["ENETUNREACH"]),
    ("an abstract socket of the host", &[], &["abstract", "ABSTRACT"], &["ECONNREFUSED"]),
    ("a raw socket", &[], &["raw"], &["EPERM"]),
    ("a packet socket", &[], &["family", "17"], &["EAFNOSUPPORT"]),
    ("the hypervisor (vsock)", &[], &["family", "40"], &["EAFNOSUPPORT"]),
    ("the kernel's ciphers (AF_ALG)", &[], &["family", "38"], &["EAFNOSUPPORT"]),
    ("bluetooth", &[], &["family", "31"], &["EAFNOSUPPORT"]),
    // other processes
    ("trace the parent", &[], &["ptrace", "1"], &["EPERM"]),
    ("read the parent's memory", &[], &["call", "process_vm_readv"], &["EPERM"]),
    ("take the parent's descriptors", &[], &["call", "pidfd_getfd"], &["EPERM"]),
    ("a process of the host by its number", &[], &["kill", "HOST"], &["ESRCH"]),
    ("every process", &[], &["kill", "-1"], &["ESRCH", "EPERM"]),
    // process 1 takes no notice, which the rows after this one show
    ("kill the parent", &[], &["kill", "1"], &["done", "EPERM"]),
    ("priority over others", &[], &["call", "setpriority"], &["EACCES"]),
    ("real-time scheduling", &[], &["call", "sched_setscheduler"], &["EPERM"]),
    // /proc
    ("the parent's environment", &[], &["read", "/proc/1/environ"], REFUSED),
    ("the parent's memory as a file", &[], &["read", "/proc/1/mem"], REFUSED),
    ("the parent's root", &[], &["list", "/proc/1/root"], REFUSED),
    ("the parent's working directory", &[], &["list", "/proc/1/cwd"], REFUSED),
    ("the parent's program", &[], &["readlink", "/proc/1/exe"], REFUSED),
    ("out by one's own root", &[], &["read", "/proc/self/root/../../etc/shadow"], ABSENT),
    (
        "the program that takes cores",
        &[],
        &["write", "/proc/sys/kernel/core_pattern", "|x"],
        READ_ONLY,
    ),
    ("the host's name by a file", &[], &["write", "/proc/sys/kernel/hostname", "x"], READ_ONLY),
    (
        "system requests",
        &[],
        &["write", "/proc/sysrq-trigger", "h"],
        &["EROFS", "EACCES", "ENOENT"],
    ),
    (
        "spared when memory is short",
        &[],
        &["write", "/proc/self/oom_score_adj", "-1000"],
        READ_ONLY,
    ),
    ("another user map", &[], &["write", "/proc/self/uid_map", "0 0 1"], READ_ONLY),
    ("the kernel's memory", &[], &["read", "/proc/kcore"], &["done", "EACCES", "ENOENT"]),
    ("names of keys", &[], &["read", "/proc/keys"], &["done"]),
    ("users by their keys", &[], &["read", "/proc/key-users"], &["done"]),
    // mounts and namespaces
    ("a mount", &[], &["mount", "/tmp"], &["EPERM"]),
    ("the root writable", &[], &["remount", "/"], &["EPERM"]),
    ("an input writable", &[], &["remount", "$input"], &["EPERM"]),
    ("take /proc off", &[], &["umount", "/proc"], &["EPERM"]),
    ("a new file system", &[], &["call", "fsopen"], &["EPERM"]),
    ("a copy of the mounts", &[], &["call", "open_tree"], &["EPERM"]),
    ("move a mount", &[], &["call", "move_mount"], &["EPERM"]),
    ("another root", &[], &["chroot", "/tmp"], &["EPERM"]),
    ("another root by a mount", &[], &["call", "pivot_root"], &["EPERM"]),
    ("a user namespace (unshare)", &[], &["unshare"], &["EPERM"]),
    ("a user namespace (clone)", &[], &["call", "clone"], &["EPERM"]),
    ("a user namespace (clone3)", &[], &["call", "clone3"], &["ENOSYS"]),
    (
        "a second user namespace, were there no filter",
        &[],
        &["read", "/proc/sys/user/max_user_namespaces"],
        &["done"],
    ),
    ("another namespace", &[], &["call", "setns"], &["EPERM"]),
    // devices
    ("make a device", &[], &["device", "/tmp/null"], &["EPERM"]),
    ("physical memory", &[], &["read", "/dev/mem"], ABSENT),
    ("the kernel's log", &[], &["read", "/dev/kmsg"], ABSENT),
    ("a disk", &[], &["read", "/dev/vda"], ABSENT),
    ("virtual machines", &[], &["read", "/dev/kvm"], ABSENT),
    ("a file system of one's own", &[], &["read", "/dev/fuse"], ABSENT),
    ("type into a terminal", &[], &["call", "tiocsti"], &["EPERM"]),
    // rights
    ("a setuid bit", FILE, &["chmod", "4755", "/tmp/file"], &["EPERM"]),
    ("a setgid bit", FILE, &["chmod", "2755", "/tmp/file"], &["EPERM"]),
    ("a file made with a setuid bit", &[], &["setuid-file", "/tmp/setuid"], &["EPERM"]),
    ("modes that no filter sees", &[], &["call", "openat2"], &["ENOSYS"]),
    ("a file of root's", FILE, &["chown", "/tmp/file"], &["EINVAL", "EPERM"]),
    ("an attribute", FILE, &["xattr", "/tmp/file"], &["EOPNOTSUPP"]),
    ("a flag of a file", &[&["write", "/build/file", "x"]], &["flags", "/build/file"], &["EPERM"]),
    ("become root", &[], &["setuid", "0"], &["EINVAL", "EPERM"]),
    ("other groups", &[], &["call", "setgroups"], &["EPERM"]),
    ("ports of the machine", &[], &["call", "iopl"], &["EPERM"]),
    // inputs
    ("write an input", &[], &["write", "$input/file", "x"], READ_ONLY),
    ("add to an input", &[], &["write", "$input/new", "x"], READ_ONLY),
    ("shorten an input", &[], &["truncate", "$input/file"], READ_ONLY),
    ("the mode of an input", &[], &["chmod", "777", "$input/file"], READ_ONLY),
    ("the time of an input", &[], &["touch", "$input/file"], READ_ONLY),
    ("rename in an input", &[], &["rename", "$input/file", "$input/other"], READ_ONLY),
    ("remove of an input", &[], &["remove", "$input/file"], READ_ONLY),
    ("an attribute of an input", &[], &["xattr", "$input/file"], &["EOPNOTSUPP"]),
    (
        "another name of an input's file",
        &[],
        &["link", "$input/file", "/build/link"],
        &["EXDEV", "EPERM"],
    ),
    ("an input by its descriptor", &[], &["reopen", "$input/file"], READ_ONLY),
    ("an input by its memory", &[], &["map", "$input/file"], REFUSED),
    ("hold an input against others", &[], &["lease", "$input/file"], &["EACCES"]),
    // the host
    ("the host's passwords", &[], &["read", "/etc/shadow"], ABSENT),
    ("the host's shell", &[], &["read", "/bin/sh"], ABSENT),
    ("the user's files", &[], &["read", "PROJECT"], ABSENT),
    ("the host's devices", &[], &["list", "/sys"], ABSENT),
    ("a store path that is no input", &[], &["read", "OTHER"], ABSENT),
    ("a file by its handle", &[], &["call", "open_by_handle_at"], &["EPERM"]),
    ("write beside what is meant for it", &[], &["write", "/new", "x"], READ_ONLY),
    ("write among the devices", &[], &["write", "/dev/new", "x"], READ_ONLY),
    // the kernel
    ("a keyring", &[], &["keyctl"], &["EPERM"]),
    ("a key", &[], &["call", "add_key"], &["EPERM"]),
    ("io_uring", &[], &["io_uring"], &["ENOSYS"]),
    ("bpf", &[], &["bpf"], &["EPERM"]),
    ("counters of the processor", &[], &["call", "perf_event_open"], &["EPERM"]),
    ("faults as messages", &[], &["call", "userfaultfd"], &["EPERM"]),
    ("a module", &[], &["call", "init_module"], &["EPERM"]),
    ("take a module out", &[], &["call", "delete_module"], &["EPERM"]),
    ("another kernel", &[], &["call", "kexec_load"], &["EPERM"]),
    ("restart the machine", &[], &["call", "reboot"], &["EPERM"]),
    ("swap", &[], &["call", "swapon"], &["EPERM"]),
    ("accounts of processes", &[], &["call", "acct"], &["EPERM"]),
    ("quotas", &[], &["call", "quotactl"], &["EPERM"]),
    ("the kernel's messages", &[], &["call", "syslog"], &["EPERM"]),
    ("hang up the terminal", &[], &["call", "vhangup"], &["EPERM"]),
    ("the clock", &[], &["clock"], &["EPERM"]),
    ("the clock (nanoseconds)", &[], &["call", "clock_settime"], &["EPERM"]),
    ("the clock's speed", &[], &["call", "adjtimex"], &["EPERM"]),
    ("the host's name", &[], &["hostname", "x"], &["EPERM"]),
    ("the host's domain", &[], &["call", "setdomainname"], &["EPERM"]),
    // still there, in spite of everything
    ("an output", &[], &["write", "$out", "x"], &["done"]),
];

/// A space for each kind of user that this process can be.
fn users() -> Vec<Space> {
    let own = Space::new(BINARY).with_probe();
    match Space::is_root() {
        true => vec![own, Space::new(BINARY).as_user(1234).with_probe()],
        false => vec![own],
    }
}

/// True if this limit can be kept in this space, according to `doctor`.
fn can_limit(space: &Space, option: &str) -> bool {
    let found: serde_json::Value = serde_json::from_str(&space.ok(["doctor", "--json"])).unwrap();
    let findings = found["findings"].as_array().unwrap().iter();
    let mut texts = findings.map(|finding| finding["found"].as_str().unwrap());
    let text =
        texts.find(|text| text.contains(option)).unwrap_or_else(|| panic!("{option}: {found}"));
    !text.contains("cannot be given")
}

#[test]
fn every_attempt_ends_as_it_must() {
    use std::os::{linux::net::SocketAddrExt as _, unix::net as unix};
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let name = format!("clutch-escapes-{}", std::process::id());
    let address = unix::SocketAddr::from_abstract_name(&name).unwrap();
    let _socket = unix::UnixListener::bind_addr(&address).unwrap();
    for space in users() {
        space.write("other.nix", probing("other", "", &[&["write", "$out", "secret"]]));
        let other = space.ok(["build", "--no-link", "other.nix"]);
        let project = space.path("project/default.nix").display().to_string();
        let host = std::process::id().to_string();
        let real = |word: &'static str| match word {
            "PORT" => port.clone(),
            "ABSTRACT" => name.clone(),
            "HOST" => host.clone(),
            "PROJECT" => project.clone(),
            "OTHER" => other.clone(),
            word => word.to_owned(),
        };
        let mut operations: Vec<Vec<String>> = Vec::new();
        for (name, before, attempt, _) in TABLE {
            operations.push(vec!["print".to_owned(), format!("== {name}")]);
            for words in *before {
                operations.push(words.iter().map(|word| real(word)).collect());
            }
            let words = attempt.iter().map(|word| real(word));
            operations.push(std::iter::once("try".to_owned()).chain(words).collect());
        }
        let words: Vec<Vec<&str>> =
            operations.iter().map(|o| o.iter().map(String::as_str).collect()).collect();
        let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
        space.write("input/file", "first");
        space.write("default.nix", probing("escapes", "input = ./input;", &words));
        space.ok(["build", "--no-link"]);
        let log = space.ok(["log", "."]);
        let mut sections = log.split("== ").skip(1);
        let mut wrong = Vec::new();
        for (name, _, _, right) in TABLE {
            let section = sections.next().unwrap_or_else(|| panic!("'{name}' is missing: {log}"));
            let (title, said) = section.split_once('\n').unwrap();
            assert_eq!(title, *name);
            // nothing but the answer: what could be read is empty
            let answer = said.trim_end().split_once(": ").map(|(_, answer)| answer);
            let is_namespaces = name.contains("were there no filter");
            let is_right = match is_namespaces {
                true => said == "0\nread: done\n",
                false => said.lines().count() == 1 && answer.is_some_and(|a| right.contains(&a)),
            };
            if !is_right {
                wrong.push(format!("{name}: {}, expected {right:?}", said.trim_end()));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(TABLE.len() >= 100);
        space.ok(["verify"]);
    }
}

/// A builder of a few operations, an option, and the words of the error that it must end with.
type Flood =
    (&'static str, &'static [&'static [&'static str]], &'static [&'static str], &'static str);

const FLOODS: &[Flood] = &[
    ("log", &[&["flood", "100000000"]], &["--max-log-size", "100K"], "--max-log-size"),
    ("silence", &[&["sleep", "1000"]], &["--max-silent-time", "1"], "--max-silent-time"),
    ("time", &[&["flood", "10"], &["sleep", "1000"]], &["--timeout", "1"], "--timeout"),
    (
        "disk",
        &[&["fill", "/build/x", "8000000"], &["sleep", "1000"]],
        &["--max-disk", "4M"],
        "--max-disk",
    ),
    ("output", &[&["fill", "$out", "8000000"]], &["--max-disk", "4M"], "--max-disk"),
    (
        "files",
        &[&["mkdir", "$out"], &["many", "$out", "500"]],
        &["--max-files", "400"],
        "--max-files",
    ),
    ("bomb", &[&["bomb"]], &["--max-processes", "50"], "bomb : EAGAIN"),
    ("memory", &[&["memory", "200"]], &["--max-memory", "50M"], "--max-memory"),
    ("shared", &[&["fill", "/dev/shm/x", "200000000"]], &["--max-memory", "50M"], "--max-memory"),
];

#[test]
fn a_flood_ends_at_its_limit_and_the_error_names_it() {
    for space in users() {
        for (name, operations, options, words) in FLOODS {
            space.write("default.nix", probing(name, "", operations));
            let start = Instant::now();
            let ran = space.run(["build", "--no-link"].iter().chain(*options));
            let option = options[0];
            let needs = ["--max-memory", "--max-processes"].contains(&option);
            if needs && !can_limit(&space, option) {
                // a limit that cannot be kept is refused
                assert_eq!(ran.code, 4, "{name}: {}", ran.stderr);
                assert!(ran.stderr.contains("cannot limit its"), "{name}: {}", ran.stderr);
                continue;
            }
            assert_eq!(ran.code, 1, "{name}: {}", ran.stderr);
            assert!(ran.stderr.contains(words), "{name}: {}", ran.stderr);
            assert!(start.elapsed() < Duration::from_secs(500), "{name} was not ended");
            let made = format!("-{name}");
            assert!(!space.on_disk().iter().any(|path| path.ends_with(&made)), "{name}");
        }
        // the lack of a limit is mentioned if there is more to say
        space.write("default.nix", probing("more", "", &[&["write", "$out", "x"]]));
        let ran = space.run(["-v", "build", "--no-link"]);
        assert!(ran.stderr.contains("builds have no memory limit"), "{}", ran.stderr);
        // what is in memory has a size of its own
        let operations = [&["space", "/tmp"][..], &["space", "/dev/shm"], &["write", "$out", "x"]];
        space.write("default.nix", probing("space", "", &operations));
        space.ok(["build", "--no-link"]);
        let meminfo = fs_err::read_to_string("/proc/meminfo").unwrap();
        let total: u64 = meminfo.split_whitespace().nth(1).unwrap().parse().unwrap();
        for line in space.ok(["log", "."]).lines() {
            assert!(line.parse::<u64>().unwrap() < total * 1024 / 3, "{line} of {total} KiB");
        }
    }
}

/// The content of an output, and a word of the error.
const LEFT: &[(&str, &[&str], &str)] = &[
    ("fifo", &["fifo", "$out/odd"], "is a named pipe"),
    ("socket", &["socket", "$out/odd"], "is a socket"),
    ("build-link", &["symlink", "/build/x", "$out/odd"], "during the build only"),
    ("tmp-link", &["symlink", "/tmp/x", "$out/odd"], "during the build only"),
    ("climbing-link", &["symlink", "../../../tmp/x", "$out/odd"], "during the build only"),
];

#[test]
fn nothing_odd_is_left_behind() {
    for space in users() {
        for (name, operation, words) in LEFT {
            space.write("default.nix", probing(name, "", &[&["mkdir", "$out"], operation]));
            let error = space.fails(1, ["build", "--no-link"]);
            assert!(error.contains(words) && error.contains("odd"), "{name}: {error}");
            assert!(!space.on_disk().iter().any(|n| n.ends_with(&format!("-{name}"))));
        }
        let modes: &[&[&str]] = &[
            &["mkdir", "$out"],
            &["program", "$out/run", "x"],
            &["write", "$out/open", "x"],
            &["write", "$out/closed", "x"],
            &["chmod", "1777", "$out/run"],
            &["chmod", "666", "$out/open"],
            &["chmod", "0", "$out/closed"],
            &["chmod", "1777", "$out"],
        ];
        space.write("default.nix", probing("modes", "", modes));
        let path = space.ok(["build", "--no-link"]);
        let mode = |name: &str| {
            let place = space.real(&path).join(name);
            fs_err::symlink_metadata(place).unwrap().mode() & 0o7777
        };
        assert_eq!(["run", "open", "closed", "."].map(mode), [0o555, 0o444, 0o444, 0o555]);
    }
}

/// A folder that is swapped for a link to the host, over and over, also while the output is taken: no
/// link is followed, and what is registered is what is there.
#[test]
fn an_output_that_changes_while_it_is_taken_leads_nowhere() {
    for space in users() {
        let secret = space.path("secret");
        fs_err::create_dir(&secret).unwrap();
        fs_err::write(secret.join("file"), "secret").unwrap();
        fs_err::set_permissions(secret.join("file"), PermissionsExt::from_mode(0o640)).unwrap();
        let look = || {
            let [folder, file] = [secret.clone(), secret.join("file")].map(|path| {
                let metadata = fs_err::metadata(path).unwrap();
                (metadata.mode(), metadata.uid(), metadata.mtime(), metadata.mtime_nsec())
            });
            (folder, file)
        };
        // leads there from an output that is not in the store yet
        let target = "../../../../../../secret";
        let scratch = space.store().join("var/tmp/x/store/y");
        fs_err::create_dir_all(&scratch).unwrap();
        assert!(scratch.join(target).join("file").exists());
        fs_err::remove_dir_all(space.store()).unwrap();
        for round in 0..4 {
            let operations: &[&[&str]] = &[
                &["mkdir", "$out"],
                &["mkdir", "$out/a"],
                &["many", "$out/a", "50"],
                &["symlink", target, "$out/b"],
                &["swapping", "$out/a", "$out/b"],
                &["scribbling", "$out/growing"],
                // the limits are looked at meanwhile
                &["sleep", "1.2"],
            ];
            space.write("default.nix", probing(&format!("race-{round}"), "", operations));
            let before = look();
            let path = space.ok(["build", "--no-link", "--max-files", "1000", "--max-disk", "1G"]);
            let entry = |name| fs_err::symlink_metadata(space.real(&path).join(name)).unwrap();
            assert_ne!(entry("a").is_symlink(), entry("b").is_symlink());
            assert_eq!(look(), before);
            space.ok(["verify", &path]);
            std::thread::sleep(Duration::from_millis(50));
            space.ok(["verify", &path]);
        }
        // two outputs, one file
        let linked =
            &[&["write", "$out", "x"][..], &["link", "$out", "$dev"], &["chmod", "777", "$dev"]];
        space.write("default.nix", probing("twins", "outputs = [ \"out\" \"dev\" ];", linked));
        for path in space.ok(["build", "--no-link"]).lines() {
            space.ok(["verify", path]);
        }
    }
}

/// Starts a build and waits until its builder says `ready`.
fn start(space: &Space, file: &str) -> Child {
    let mut command = space.command();
    command.args(["-v", "build", "--no-link", file]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut lines = stderr.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("ready")), "the build of {file} is not ready");
    // nobody reads the rest
    std::thread::spawn(move || lines.for_each(drop));
    child
}

/// The processes of this machine that run with that word among their arguments.
fn running(word: &str) -> Vec<String> {
    let processes = fs_err::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        name.parse::<u32>().ok()?;
        let line = fs_err::read(entry.path().join("cmdline")).ok()?;
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()).then_some(name)
    });
    processes.collect()
}

/// Two builds at once: the second tries to reach the first.
#[test]
fn builds_do_not_reach_each_other() {
    for space in users() {
        let mark = format!("clutch-neighbour-{}-{}", std::process::id(), space.store().display());
        let name = format!("clutch-first-{}", std::process::id());
        let first: &[&[&str]] = &[
            &["listening", &name, "4321"],
            &["make-segment", "4321"],
            &["write", "/tmp/mine", "x"],
            &["write", "/dev/shm/mine", "x"],
            &["write", "/build/mine", "x"],
            &["write", "$out", "half"],
            &["print", &mark],
            &["print", "ready"],
            &["sleep", "1000"],
        ];
        space.write("first.nix", probing("first", "", first));
        let mut child = start(&space, "first.nix");
        let out = space.ok(["eval", "--raw", "-A", "outPath", "first.nix"]);
        let neighbour = running(&mark);
        assert!(!neighbour.is_empty(), "the first build runs");
        let environment = format!("/proc/{}/environ", neighbour[0]);
        let attempts: [(&[&str], &str); 9] = [
            (&["abstract", &name], "ECONNREFUSED"),
            (&["connect", "127.0.0.1", "4321"], "ECONNREFUSED"),
            (&["segment", "4321"], "ENOENT"),
            (&["read", "/tmp/mine"], "ENOENT"),
            (&["read", "/dev/shm/mine"], "ENOENT"),
            (&["read", "/build/mine"], "ENOENT"),
            (&["read", &out], "ENOENT"),
            (&["read", &environment], "ENOENT"),
            (&["kill", &neighbour[0]], "ESRCH"),
        ];
        let mut operations: Vec<Vec<&str>> = attempts
            .iter()
            .map(|(words, _)| std::iter::once("try").chain(words.iter().copied()).collect())
            .collect();
        operations.extend([vec!["processes"], vec!["write", "$out", "x"]]);
        let operations: Vec<&[&str]> = operations.iter().map(Vec::as_slice).collect();
        space.write("default.nix", probing("second", "", &operations));
        space.ok(["build", "--no-link"]);
        let log = space.ok(["log", "."]);
        let answers: Vec<&str> =
            log.lines().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
        assert_eq!(answers, attempts.map(|(_, answer)| answer), "{log}");
        let count: u32 = log.lines().last().unwrap().parse().unwrap();
        assert!(count <= 2, "{log}");
        assert_eq!(running(&mark), neighbour, "the first build runs on");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// However a build or clutch itself ends, no process of the build is left, though one has left its
/// session and group.
#[test]
fn the_whole_tree_ends() {
    for space in users() {
        for (way, last) in [
            ("success", &["write", "$out", "x"][..]),
            ("failure", &["exit", "1"]),
            ("limit", &["sleep", "1000"]),
            ("interrupt", &["sleep", "1000"]),
            ("kill", &["sleep", "1000"]),
        ] {
            let mark = format!("clutch-{way}-{}-{}", std::process::id(), space.store().display());
            let operations: &[&[&str]] =
                &[&["background", "1000"], &["print", &mark], &["print", "ready"], last];
            space.write("default.nix", probing(way, "", operations));
            match way {
                "success" => drop(space.ok(["build", "--no-link"])),
                "failure" => drop(space.fails(1, ["build", "--no-link"])),
                "limit" => drop(space.fails(1, ["build", "--no-link", "--timeout", "1"])),
                _ => {
                    let mut child = start(&space, "default.nix");
                    assert!(running(&mark).len() >= 2, "the builder and what it left");
                    let signal = if way == "kill" { "-KILL" } else { "-INT" };
                    let sent =
                        Command::new("kill").arg(signal).arg(child.id().to_string()).status();
                    assert!(sent.unwrap().success());
                    child.wait().unwrap();
                }
            }
            let end = Instant::now() + Duration::from_secs(60);
            while !running(&mark).is_empty() {
                assert!(Instant::now() < end, "{way}: {:?} still run", running(&mark));
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
