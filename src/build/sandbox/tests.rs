//! Real sandboxes around a small static program, made once with the C compiler.

use std::{
    path::PathBuf,
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::*;

/// A shell of a few words, linked statically: the sandbox has no library.
const PROBE: &str = include_str!("probe.c");

pub(in crate::build) fn probe() -> PathBuf {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("probe.c");
        fs_err::write(&source, PROBE).unwrap();
        let made = Command::new("cc")
            .args(["-static", "-O1", "-o"])
            .arg(dir.path().join("probe"))
            .arg(&source)
            .status()
            .expect("the tests need a C compiler");
        assert!(made.success());
        dir
    });
    dir.path().join("probe")
}

/// A request for the probe with these attempts, and writable folders at `/build` and `/out`.
struct Trial {
    request: Request,
    dir: tempfile::TempDir,
}

impl Trial {
    fn new(attempts: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["build", "out"] {
            fs_err::create_dir(dir.path().join(name)).unwrap();
        }
        let request = Request::new("/bin/probe")
            .args(attempts.iter().copied())
            .read_only(probe(), "/bin/probe")
            .writable(dir.path().join("build"), "/build")
            .writable(dir.path().join("out"), "/out");
        Self { request, dir }
    }

    fn run(&self) -> (Result<Exit, SandboxError>, String) {
        let mut log = Vec::new();
        let mut output = |bytes: &[u8]| log.extend_from_slice(bytes);
        let watch = Watch { output: &mut output, cancelled: &|| false };
        let result = Sandbox::new().run(&self.request, watch);
        (result, String::from_utf8(log).unwrap())
    }

    /// The log of a run that must succeed.
    fn log(&self) -> String {
        let (result, log) = self.run();
        assert!(matches!(result, Ok(Exit::Code(0))), "{result:?}\n{log}");
        log
    }
}

/// Runs attempts given as `attempt: answer` lines and compares with what was answered.
fn expect(lines: &str) {
    let lines: Vec<_> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let attempts: Vec<_> = lines.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(Trial::new(&attempts).log(), lines.join("\n") + "\n");
}

#[test]
fn everybody_is_the_same_user_in_the_same_place() {
    expect(
        "identity: ok uid 1000 gid 100 pid 2 ppid 1 sid 2 host localhost domain (none) umask 022
         directory: ok /build
         limit=4: ok 1 1
         status=CapEff: ok 0000000000000000
         status=CapPrm: ok 0000000000000000
         status=CapBnd: ok 0000000000000000
         status=CapAmb: ok 0000000000000000
         status=NoNewPrivs: ok 1
         status=Seccomp: ok 2
         list=/proc/self/fd: ok 0 1 2 3
         show=/proc/self/uid_map: ok       1000          0          1
         show=/proc/self/gid_map: ok        100          0          1",
    );
}

#[test]
fn nothing_of_the_host_is_there() {
    expect(
        "list=/: ok bin build dev etc out proc tmp
         list=/dev: ok fd full null ptmx pts random shm stderr stdin stdout tty urandom zero
         list=/bin: ok probe
         list=/etc: ok group hosts passwd
         list=/build: ok
         list=/tmp: ok
         list=/sys: ENOENT
         show=/bin/sh: ENOENT
         show=/proc/1/environ: EACCES
         list=/proc/1/root: EACCES
         show=/proc/1/mem: EACCES
         list=/proc/1/cwd: EACCES
         read-link=/proc/1/exe: EACCES
         show=/proc/keys: ok",
    );
}

#[test]
fn only_what_is_writable_can_be_written() {
    expect(
        "create=/build/x: ok
         create=/out/x: ok
         create=/tmp/x: ok
         create=/dev/shm/x: ok
         write=/dev/null: ok
         create=/x: EROFS
         mkdir=/x: EROFS
         create=/etc/x: EROFS
         write=/etc/passwd: EROFS
         remove=/etc/passwd: EROFS
         create=/bin/x: EROFS
         write=/bin/probe: ETXTBSY
         remove=/bin/probe: EROFS
         chmod=/bin/probe: EROFS
         chmod=/dev/null: EROFS
         rename=/out: EROFS
         remove=/out: EROFS
         write=/proc/self/oom_score_adj: EROFS",
    );
}

#[test]
fn the_network_is_the_loopback_interface() {
    expect(
        "connect=127.0.0.1: ECONNREFUSED
         connect=192.0.2.1: ENETUNREACH
         connect=169.254.169.254: ENETUNREACH
         abstract=clutch-probe: ECONNREFUSED
         raw-socket: EPERM
         socket=16: ESOCKTNOSUPPORT
         socket=40: EAFNOSUPPORT
         socket=38: EAFNOSUPPORT",
    );
}

/// The network of the host, for fixed outputs: its ports, but not its abstract sockets.
#[test]
fn with_the_network_only_the_network_is_shared() {
    use std::os::{linux::net::SocketAddrExt, unix::net as unix};
    let name = format!("clutch-network-{}", std::process::id());
    let address = unix::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let _abstract = unix::UnixListener::bind_addr(&address).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dial = format!("dial={}", listener.local_addr().unwrap());
    let attempts = [&*dial, &*format!("abstract={name}"), "list=/", "identity"];
    assert!(Trial::new(&[&dial]).log().ends_with(": ECONNREFUSED\n"));
    let mut trial = Trial::new(&attempts);
    trial.request.network = true;
    let log = trial.log();
    let lines: Vec<_> = log.lines().map(|line| line.rsplit_once(": ").unwrap().1).collect();
    assert_eq!(lines[0], "ok");
    if landlock::version() >= 6 {
        assert_eq!(lines[1], "EPERM");
    }
    assert!(lines[2].starts_with("ok bin build dev etc "), "{log}");
    assert!(lines[3].starts_with("ok uid 1000 gid 100 pid 2 "), "{log}");
}

/// A host socket without a name in the file system can be reached only in the host's network
/// namespace; the same attempt outside succeeds.
#[test]
fn an_abstract_socket_of_the_host_is_out_of_reach() {
    use std::os::{linux::net::SocketAddrExt, unix::net as unix};
    let address = unix::SocketAddr::from_abstract_name(b"clutch-abstract").unwrap();
    let _listener = unix::UnixListener::bind_addr(&address).unwrap();
    let outside = Command::new(probe()).arg("abstract=clutch-abstract").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&outside.stdout), "abstract=clutch-abstract: ok\n");
    assert_eq!(
        Trial::new(&["abstract=clutch-abstract"]).log(),
        "abstract=clutch-abstract: ECONNREFUSED\n"
    );
}

#[test]
fn no_way_to_privileges() {
    expect(
        "create=/build/x: ok
         create-setuid=/build/y: EPERM
         chmod-setuid=/build/x: EPERM
         chmod-setgid=/build/x: EPERM
         chmod=/build/x: ok
         chown=/build/x: EINVAL
         xattr=/build/x: EOPNOTSUPP
         device=/build/null: EPERM
         setuid=0: EINVAL
         setuid=1: EINVAL
         setgroups: EPERM
         priority: EACCES
         unshare-user: EPERM
         unshare-mount: EPERM
         clone-user: EPERM
         clone3: ENOSYS
         setns: EPERM
         mount=/tmp: EPERM
         remount=/bin/probe: EPERM
         unmount=/proc: EPERM
         chroot=/tmp: EPERM
         ptrace=1: EPERM
         kill=-1: ESRCH
         keyring: EPERM
         bpf: EPERM
         perf: EPERM
         io-uring: ENOSYS
         clock: EPERM
         host-name: EPERM
         module: EPERM
         kexec: EPERM
         terminal: ok /dev/pts/0
         identity: ok uid 1000 gid 100 pid 2 ppid 1 sid 2 host localhost domain (none) umask 022",
    );
    #[cfg(target_arch = "x86_64")]
    expect("x32: Bad system call");
}

/// Root is bound only from Linux 6.14 on.
#[test]
fn a_fork_bomb_ends_at_a_limit() {
    if kernel::linux() >= (6, 14) || !rustix::process::geteuid().is_root() {
        expect("fork-bomb: EAGAIN");
    }
}

/// True if the kernel refuses the signal (Landlock) or process 1 does not notice it.
#[test]
fn the_first_process_cannot_be_killed_from_inside() {
    let log = Trial::new(&["kill=1", "sleep=1", "say=still here"]).log();
    assert!(log.ends_with("still here\n"), "{log}");
}

#[test]
fn an_exit_status_passes_through() {
    let exit = |attempt| Trial::new(&[attempt]).run().0.unwrap();
    assert_eq!(exit("exit=0"), Exit::Code(0));
    assert_eq!(exit("exit=3"), Exit::Code(3));
    assert_eq!(exit("signal=11"), Exit::Signal(11));
}

#[test]
fn a_missing_program_or_bind_is_named() {
    let mut trial = Trial::new(&[]);
    trial.request.program = b"/bin/sh".to_vec();
    let error = trial.run().0.unwrap_err();
    assert!(matches!(&error, SandboxError::Execute { program, .. } if program == "/bin/sh"));

    let trial = Trial::new(&[]);
    let request = trial.request.clone().read_only("/no/such/place", "/x");
    let error = Trial { request, ..trial }.run().0.unwrap_err();
    assert!(error.to_string().contains("/no/such/place"), "{error}");
}

#[test]
fn what_still_runs_at_the_end_is_killed() {
    let start = Instant::now();
    expect("background: ok");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn limits_end_a_run_and_say_which() {
    let limited = |attempts: &[&str], limits| {
        let mut trial = Trial::new(attempts);
        trial.request.limits = limits;
        trial.run().0.unwrap_err()
    };
    let short = Some(Duration::from_millis(300));
    let none = Limits::default();
    let error = limited(&["sleep=100"], Limits { wall: short, ..none });
    assert!(matches!(error, SandboxError::Wall(_)), "{error}");
    let error = limited(&["background", "sleep=100"], Limits { silence: short, ..none });
    assert!(matches!(error, SandboxError::Silence(_)), "{error}");
    let error = limited(&["flood"], Limits { log_bytes: Some(100_000), ..none });
    assert!(matches!(error, SandboxError::LogSize(100_000)), "{error}");
    let error = limited(&["sleep=100"], Limits { keep_free: Some(u64::MAX), ..none });
    assert!(matches!(error, SandboxError::DiskFull { .. }), "{error}");
}

/// In all places together; what is bound in does not count.
#[test]
fn what_is_written_has_a_limit_too() {
    let limited = |attempts: &[&str], limits| {
        let mut trial = Trial::new(attempts);
        trial.request.limits = limits;
        trial.run().0
    };
    let disk = Limits { disk: Some(1 << 20), ..Limits::default() };
    let error = limited(&["fill=/out/x:2000000"], disk).unwrap_err();
    assert!(matches!(error, SandboxError::Disk(_)), "at the end: {error}");
    let start = Instant::now();
    let error = limited(&["fill=/build/x:2000000", "sleep=1000"], disk).unwrap_err();
    assert!(matches!(error, SandboxError::Disk(_)), "while it runs: {error}");
    assert!(start.elapsed() < Duration::from_secs(500));
    assert!(limited(&["fill=/out/x:500000", "fill=/tmp/x:2000000"], disk).is_ok());
    let files = Limits { files: Some(3), ..Limits::default() };
    let made = ["create=/out/a", "mkdir=/out/b", "create=/out/b/c", "create=/build/d"];
    assert!(limited(&made[..3], files).is_ok());
    let error = limited(&made, files).unwrap_err();
    assert!(matches!(error, SandboxError::Files(3)), "{error}");
    let mut trial = Trial::new(&made[..3]);
    trial.request = trial.request.read_only(probe(), "/out/input");
    trial.request.limits = files;
    trial.log();
}

/// If this user may make no control groups, the limit is refused and not forgotten.
#[test]
fn memory_is_limited_or_that_is_an_error() {
    let mut trial = Trial::new(&["say=begun", "memory=300", "say=alive"]);
    trial.request.limits.memory = Some(64 << 20);
    let (result, log) = trial.run();
    match groups::place(groups::Controller::Memory) {
        Ok(_) => assert!(matches!(result, Err(SandboxError::Memory(_))), "{result:?}\n{log}"),
        Err(reason) => {
            let error = result.unwrap_err().to_string();
            assert!(
                error.contains(&reason.to_string()) && error.contains("systemd-run"),
                "{error}"
            );
            assert_eq!(log, "", "it was not started");
        }
    }
    let mut trial = Trial::new(&["memory=300"]);
    trial.request.limits.memory = Some(600 << 20);
    if groups::place(groups::Controller::Memory).is_ok() {
        assert_eq!(trial.log(), "memory=300: ok\n");
    }
}

#[test]
fn processes_are_limited_or_that_is_an_error() {
    let mut trial = Trial::new(&["fork-bomb", "exit=1"]);
    trial.request.limits.processes = Some(20);
    let (result, log) = trial.run();
    if !rustix::process::geteuid().is_root() {
        assert!(matches!(result, Ok(Exit::Code(1))), "{result:?}");
        assert_eq!(log, "fork-bomb: EAGAIN\n");
    } else if groups::place(groups::Controller::Pids).is_ok() {
        assert!(matches!(result, Err(SandboxError::Processes(20))), "{result:?}");
        assert_eq!(log, "fork-bomb: EAGAIN\n");
    } else {
        assert!(matches!(result, Err(SandboxError::Unlimited { what: "pids", .. })), "{result:?}");
    }
}

#[test]
fn a_run_can_be_cancelled() {
    let trial = Trial::new(&["background", "sleep=100"]);
    let start = Instant::now();
    let cancelled = || start.elapsed() > Duration::from_millis(200);
    let watch = Watch { output: &mut |_| {}, cancelled: &cancelled };
    let error = Sandbox::new().run(&trial.request, watch).unwrap_err();
    assert!(matches!(error, SandboxError::Cancelled), "{error}");
}

/// Also if the tree has links that lead out of it, made to catch a bind inside them.
#[test]
fn a_root_tree_shows_read_only_at_its_usual_places() {
    let tree = tempfile::tempdir().unwrap();
    let host = tempfile::tempdir().unwrap();
    let path = |name: &str| tree.path().join(name);
    for name in ["usr", "usr/share", "proc", "tmp", "var"] {
        fs_err::create_dir(path(name)).unwrap();
    }
    for name in ["usr/share/file", "proc/fake", "tmp/fake"] {
        fs_err::write(path(name), "of the tree").unwrap();
    }
    std::os::unix::fs::symlink("usr/share", path("bin")).unwrap();
    std::os::unix::fs::symlink(host.path(), path("trap")).unwrap();
    let run = |trial: Trial, inside: &str| {
        let mut request = trial.request.clone().read_only(probe(), inside);
        request.program = inside.into();
        request.binds.retain(|bind| bind.inside != std::path::Path::new("/bin/probe"));
        request.root = Some(tree.path().into());
        Trial { request, ..trial }.run()
    };
    let attempts = [
        "list=/",
        "show=/bin/file",
        "write=/usr/share/file",
        "create=/usr/x",
        "list=/tmp",
        "show=/proc/fake",
        "read-link=/trap",
        "list=/trap",
    ];
    let (result, log) = run(Trial::new(&attempts), "/probe");
    assert!(matches!(result, Ok(Exit::Code(0))), "{result:?}");
    let answers: Vec<_> = log.lines().map(|line| line.split_once(": ").unwrap().1).collect();
    assert_eq!(
        answers[..6],
        [
            "ok bin build dev out probe proc tmp trap usr var",
            "ok of the tree",
            "EROFS",
            "EROFS",
            "ok",
            "ENOENT",
        ]
    );
    assert_eq!(answers[7], "ENOENT");

    let (result, _) = run(Trial::new(&[]), "/trap/probe");
    assert!(matches!(result, Err(SandboxError::Setup { .. })), "{result:?}");
    assert_eq!(fs_err::read_dir(host.path()).unwrap().count(), 0, "the trap caught a file");
}

#[test]
fn a_run_can_differ_in_what_is_not_promised() {
    let mut trial = Trial::new(&["identity", "status=Cpus_allowed_list"]);
    trial.request.vary = Some(Variation { processors: 1, processes: 40 });
    let log = trial.log();
    assert!(log.contains(" pid 42 ppid 1 "), "{log}");
    let processors = log.trim_end().rsplit("ok ").next().unwrap();
    assert!(processors.parse::<u32>().is_ok(), "only one: {log}");
}

#[test]
fn a_link_is_bound_as_a_link() {
    let trial = Trial::new(&["read-link=/clutch/store/link"]);
    let link = trial.dir.path().join("link");
    std::os::unix::fs::symlink("target", &link).unwrap();
    let request = trial.request.clone().read_only(&link, "/clutch/store/link");
    let log = Trial { request, ..trial }.log();
    assert_eq!(log, "read-link=/clutch/store/link: ok target\n");
}

#[test]
fn runs_do_not_see_each_other() {
    let sandbox = Sandbox::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let trial = Trial::new(&["identity", "list=/tmp", "create=/tmp/x"]);
                    let mut log = Vec::new();
                    let mut output = |bytes: &[u8]| log.extend_from_slice(bytes);
                    let watch = Watch { output: &mut output, cancelled: &|| false };
                    sandbox.run(&trial.request, watch).unwrap();
                    let log = String::from_utf8(log).unwrap();
                    assert!(log.contains("pid 2 ppid 1"), "{log}");
                    assert!(log.ends_with("list=/tmp: ok\ncreate=/tmp/x: ok\n"), "{log}");
                }
            });
        }
    });
}

mod view {
    use super::*;

    /// Runs the probe in a view that binds it and a folder with `inside` at `/clutch/store`.
    fn look(isolated: bool, attempts: &[&str], cwd: &str) -> (i32, String) {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("inside")).unwrap();
        fs_err::copy(probe(), dir.path().join("probe")).unwrap();
        let view = View {
            program: b"probe".to_vec(),
            args: attempts.iter().map(|&a| a.into()).collect(),
            env: vec![(b"PATH".to_vec(), b"/nowhere:/clutch/store".to_vec())],
            cwd: cwd.into(),
            binds: vec![Bind {
                host: dir.path().into(),
                inside: "/clutch/store".into(),
                writable: false,
            }],
            isolated,
        };
        let (mut command, order) = view.command().unwrap();
        let output = command.output().unwrap();
        drop(order);
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text.into_owned())
    }

    #[test]
    fn the_host_shows_with_the_store_at_its_place() {
        let host = probe();
        let (folder, show) =
            (host.parent().unwrap(), format!("list={}", host.parent().unwrap().display()));
        let attempts =
            ["list=/clutch/store", "directory", &show, "create=/clutch/store/x", "exit=7"];
        let (code, text) = look(false, &attempts, folder.to_str().unwrap());
        assert_eq!(code, 7, "{text}");
        let answers: Vec<_> = text.lines().map(|l| l.split_once(": ").unwrap().1).collect();
        let here = format!("ok {}", folder.display());
        assert_eq!(answers, ["ok inside probe", &here, "ok probe probe.c", "EROFS"]);
    }

    #[test]
    fn an_isolated_view_is_empty_but_for_the_binds() {
        let attempts = ["list=/", "list=/clutch", "show=/etc/passwd", "create=/tmp/x", "directory"];
        let (code, text) = look(true, &attempts, "/no/such/place");
        assert_eq!(code, 0, "{text}");
        let answers: Vec<_> = text.lines().map(|l| l.split_once(": ").unwrap().1).collect();
        assert_eq!(answers, ["ok clutch dev proc tmp", "ok store", "ENOENT", "ok", "ok /"]);
    }

    #[test]
    fn a_missing_program_is_named() {
        let view = View {
            program: b"no-such-program".to_vec(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: "/".into(),
            binds: Vec::new(),
            isolated: true,
        };
        let output = view.command().map(|(mut command, _order)| command.output().unwrap()).unwrap();
        assert_eq!(output.status.code(), Some(126));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("cannot execute 'no-such-program'"), "{text}");
    }
}
