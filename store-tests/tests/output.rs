//! Output of commands: an error of standard output is the command's, and what is no file is
//! written into, not replaced.

use std::{
    io::{Read as _, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
    process::{Command, Stdio},
};

use clutch_store_tests::{Ran, Space, child, probing, terminal::Terminal};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A path with an `id` of its own, and a file to import.
fn prepared() -> (Space, String) {
    let space = Space::new(BINARY).with_probe();
    space.write(
        "default.nix",
        probing("made", "", &[&["print", "a line"], &["write", "$out", "x"]]),
    );
    let path = space.ok(["build"]);
    (space, path)
}

fn full() -> Stdio {
    fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap().into_file().into()
}

/// How a shell says that it ends.
fn shell(space: &Space, script: &str) -> Ran {
    let mut bash: Command = space.command_of("bash");
    bash.args(["-c", script]).env("CLUTCH", BINARY);
    Ran::of(child::output(&mut bash).unwrap())
}

#[test]
fn a_full_standard_output_fails_every_command() {
    let (space, path) = prepared();
    let export = space.path("closure");
    let export = export.to_str().unwrap();
    space.ok(["export", &path, "-o", export]);
    space.ok(["profile", "set", "app", &path]);
    space.ok(["pin", "kept", &path]);
    let log = space.ok(["eval", "--raw", "-A", "drvPath", "default.nix"]);
    let commands: &[&[&str]] = &[
        &["eval", "-E", "1"],
        &["eval", "--json", "-E", "1"],
        &["eval", "--raw", "-E", "\"text\""],
        &["eval", "--xml", "-E", "1"],
        &["eval", "--parse", "-E", "1"],
        &["build", "--no-link"],
        &["build", "--json", "--no-link"],
        &["build", "--dry-run"],
        &["build", "--check"],
        &["show", &path],
        &["show", &log],
        &["log", &path],
        &["closure", &path],
        &["paths"],
        &["paths", "--json"],
        &["export", &path, "-o", "-"],
        &["export", &path, "-o", "/dev/full"],
        &["import", export],
        &["gc", "--dry-run", "--json"],
        &["why-alive", &path],
        &["pin"],
        &["profile", "list"],
        &["profile", "list", "app"],
        &["verify", "--json"],
        &["optimise", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["completions", "bash"],
        &["completions", "elvish"],
        &["--help"],
        &["--version"],
        &["build", "--help"],
        &["eval", "--eval-profile", "-", "-E", "1"],
        &["--events", "/dev/full", "paths"],
    ];
    for args in commands {
        let mut command = space.command();
        let ran = command.args(*args).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("No space left on device"), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
    let store = space.path("empty");
    let ran = shell(&space, &format!("$CLUTCH --store {} paths > /dev/full", store.display()));
    assert_eq!(ran.code, 1, "an empty result, too: {}", ran.stderr);
    // the lines of a repl
    let ran = shell(&space, "printf '1\\n2\\n' | $CLUTCH repl > /dev/full");
    assert_eq!((ran.code, ran.stderr.matches("No space left").count()), (1, 1), "{}", ran.stderr);
    // programs are told on standard error
    let ran = shell(&space, "$CLUTCH paths --json > /dev/full");
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["exit"], 1);
    // and if that is full, too, nothing panics
    for args in ["paths", "eval -E a", "build nowhere", "--no-such", "repl"] {
        let ran = shell(&space, &format!("$CLUTCH {args} > /dev/full 2> /dev/full < /dev/null"));
        assert!(matches!(ran.code, 0..=2), "{args}: {}", ran.code);
    }
    assert_eq!(shell(&space, "$CLUTCH eval -E 'builtins.trace 1 2' 2> /dev/full").stdout, "2\n");
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let (space, path) = prepared();
    for args in [
        "paths",
        "eval -E 'builtins.genList (n: n) 100000' --strict",
        "--help",
        "completions bash",
        "repl <<< 1",
        &format!("export {path} -o -"),
        &format!("export {path} -o /dev/stdout"),
        "log default.nix",
    ] {
        let script = format!("$CLUTCH {args} | true; echo ${{PIPESTATUS[0]}}");
        // who is quick enough has printed before the reader has gone
        let ran = shell(
            &space,
            &format!("{{ sleep 0.3; $CLUTCH {args}; }} | true; echo ${{PIPESTATUS[0]}}"),
        );
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("141\n", ""), "{script}");
    }
    // who only listens to what happens is not what the command is for
    let ran = shell(&space, "$CLUTCH paths --events >(true) > /dev/null; echo $?");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("0\n", ""));
}

/// The bytes of an export of that path.
fn exported(space: &Space, path: &str) -> Vec<u8> {
    let file = space.path("as-a-file");
    space.ok(["export", path, "-o", file.to_str().unwrap()]);
    fs_err::read(file).unwrap()
}

#[test]
fn what_is_no_file_is_written_into() {
    let (space, path) = prepared();
    let whole = exported(&space, &path);
    let project = space.path("project");
    let run = |script: &str| {
        let ran = shell(&space, &script.replace("PATH_", &path));
        assert_eq!(ran.code, 0, "{script}: {}", ran.stderr);
        ran
    };
    // pipes, with a reader before and behind
    run("mkfifo pipe; cat pipe > a & $CLUTCH export PATH_ -o pipe; wait");
    run("(sleep 0.5; cat pipe > b) & $CLUTCH export PATH_ -o pipe; wait");
    assert!(project.join("pipe").symlink_metadata().unwrap().file_type().is_fifo());
    // descriptors by their names, and standard output
    run(
        "$CLUTCH export PATH_ -o /dev/stdout > c; ln -s /proc/self/fd/1 out; $CLUTCH export PATH_ -o out > d",
    );
    run("$CLUTCH export PATH_ -o - > e; $CLUTCH export PATH_ -o /dev/fd/7 7> f");
    run("$CLUTCH export PATH_ -o /dev/stdout | cat > g");
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        assert_eq!(fs_err::read(project.join(name)).unwrap(), whole, "{name}");
    }
    assert!(project.join("out").is_symlink());
    // the old content of a file stays if that is asked for
    run("echo first > h; $CLUTCH export PATH_ -o /dev/stdout >> h");
    assert_eq!(fs_err::read(project.join("h")).unwrap(), [b"first\n", &whole[..]].concat());
    // links: the file that they lead to is replaced, or made
    run("mkdir folder; echo old > folder/real; ln -s folder/real link; ln -s link chain");
    run("chmod 600 folder/real; $CLUTCH export PATH_ -o chain");
    run("ln -s folder/new dangling; $CLUTCH export PATH_ -o dangling");
    for name in ["folder/real", "folder/new"] {
        let found = project.join(name).symlink_metadata().unwrap();
        assert!(found.is_file() && fs_err::read(project.join(name)).unwrap() == whole, "{name}");
    }
    assert!(project.join("link").is_symlink() && project.join("chain").is_symlink());
    let mode = fs_err::metadata(project.join("folder/real")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the mode of what was there");
    // a file that is mounted alone cannot be replaced
    if shell(&space, "unshare -m mount -t tmpfs x folder").code == 0 {
        run(
            "echo old > mounted; echo x > under; unshare -m sh -c 'mount --bind under mounted && $CLUTCH export PATH_ -o mounted'",
        );
        assert_eq!(fs_err::read(project.join("under")).unwrap(), whole);
        assert_eq!(fs_err::read(project.join("mounted")).unwrap(), b"old\n");
    }
    // a socket has a reader that takes it
    let listener = UnixListener::bind(project.join("socket")).unwrap();
    let taken = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut bytes).unwrap();
        bytes
    });
    run("$CLUTCH export PATH_ -o socket");
    assert_eq!(taken.join().unwrap(), whole);
    // a folder, a loop of links and a place that is not there are told
    run("ln -s loop loop");
    for (place, text) in
        [("folder", "it is a folder"), ("loop", "Too many levels"), ("no/where", "No such file")]
    {
        let error = space.fails(1, ["export", &path, "-o", place]);
        assert!(
            error.contains(&format!("cannot write '{place}': {text}")) && !error.contains(".-"),
            "{error}"
        );
    }
    let left: Vec<_> =
        fs_err::read_dir(&project).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".-")), "{left:?}");
}

#[test]
fn devices_are_written_into() {
    let (space, path) = prepared();
    // a copy of /dev/null, if this machine lets one be made and used
    let null = space.path("project/null");
    let made = shell(&space, "mknod null c 1 3 && echo x > null");
    let null = if made.code == 0 { null.as_path() } else { Path::new("/dev/null") };
    let is_device = || null.symlink_metadata().unwrap().file_type().is_char_device();
    for args in [
        &["export", &path, "-o"][..],
        &["eval", "-E", "1", "--eval-profile"],
        &["paths", "--events"],
    ] {
        let ran = space.run(args.iter().copied().chain([null.to_str().unwrap()]));
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        assert!(is_device(), "{args:?}");
    }
    // a result link is a link, and takes nobody's place
    let error = space.fails(1, ["build", "-o", null.to_str().unwrap()]);
    assert!(error.contains("exists and is not a result link") && is_device(), "{error}");
}

#[test]
fn locks_and_profiles_of_evaluations_follow_links() {
    let space = Space::new(BINARY);
    space.write("real", "old");
    symlink("real", space.path("project/link")).unwrap();
    space.ok(["eval", "-E", "1", "--eval-profile", "link"]);
    assert!(space.path("project/link").is_symlink());
    assert_ne!(fs_err::read_to_string(space.path("project/real")).unwrap(), "old");
    let ran = space.run(["eval", "-E", "let f = x: x; in f 1", "--eval-profile", "-"]);
    assert!(ran.stdout.ends_with("1\n") && ran.stdout.len() > 2, "{}", ran.stdout);
}

#[test]
fn an_import_reads_standard_input_and_pipes() {
    let (space, path) = prepared();
    let whole = exported(&space, &path);
    space.ok(["export", &path, "-o", "file"]);
    for script in [
        "$CLUTCH import --accept-unsigned - < file",
        "cat file | $CLUTCH import --accept-unsigned -",
        "mkfifo pipe; cat file > pipe & $CLUTCH import --accept-unsigned pipe",
        "(head -c 5; $CLUTCH import --accept-unsigned -) < <(printf 12345; cat file)",
        "$CLUTCH import --accept-unsigned <(cat file)",
    ] {
        let other = Space::new(BINARY);
        other.write("file", &whole);
        let ran = shell(&other, script);
        assert!(ran.code == 0 && ran.stdout.contains(&path), "{script}: {}", ran.stderr);
        assert_eq!(other.valid(), std::slice::from_ref(&path), "{script}");
        assert_eq!(fs_err::read_dir(other.store().join("var/tmp")).unwrap().count(), 0);
    }
    // what has no end is not read to it
    let other = Space::new(BINARY);
    for script in
        ["$CLUTCH import - < /dev/zero", "yes | $CLUTCH import -", "$CLUTCH import /dev/zero"]
    {
        let ran = shell(&other, script);
        assert!(
            ran.code == 5 && ran.stderr.contains("is not a file written by `clutch export`"),
            "{script}: {}",
            ran.stderr
        );
    }
    // a first member that says it is large
    let mut large = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x0c\0CL\x08\0".to_vec();
    large.extend((1u64 << 60).to_le_bytes());
    other.write("large", &large);
    let ran = shell(&other, "cat large /dev/zero | $CLUTCH import -");
    assert!(ran.code == 5 && ran.stderr.contains("are expected"), "{}", ran.stderr);
    let error = other.fails(5, ["import", "."]);
    assert!(error.contains("is a folder"), "{error}");
    assert_eq!(other.on_disk(), Vec::<String>::new());
}

#[test]
fn an_import_that_needs_trust_says_what_to_type() {
    let (space, path) = prepared();
    space.write("text", "text");
    let source = space.ok(["eval", "--raw", "-E", "\"${./text}\"", "--impure"]);
    let built = "derivation { name = \"copy\"; system = \"x86_64-linux\"; builder = \"${./probe}\"; \
                 args = [ \"copy\" ./text \"$out\" ]; }";
    space.ok(["build", "--no-link", "--impure", "-E", built]);
    space.ok(["export", &source, "-o", "source"]);
    space.ok(["export", &path, "-o", "a file"]);
    let other = Space::new(BINARY);
    let source_file = space.path("project/source");
    let file = space.path("project/a file");
    let (source_file, file) = (source_file.to_str().unwrap(), file.to_str().unwrap());
    // a source needs none
    assert_eq!(other.ok(["import", source_file]), source);
    let ran = other.run(["import", file, "--pin", "kept"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(
        ran.stderr.contains(&path) && ran.stderr.contains("which cannot be verified"),
        "{}",
        ran.stderr
    );
    assert_eq!(other.valid(), std::slice::from_ref(&source));
    let json: Value = serde_json::from_str(&other.run(["import", "--json", file]).stderr).unwrap();
    let hint = json["error"]["hints"][0].as_str().unwrap();
    // which is what the hint says
    let typed = hint.split_once("origin of the file, run: clutch ").expect(hint).1;
    let ran = shell(&other, &format!("$CLUTCH {typed}"));
    assert_eq!(ran.code, 0, "{typed}: {}", ran.stderr);
    let done: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(done["trusted"], serde_json::json!([path]));
    // what is there needs none
    assert_eq!(other.ok(["import", file]), path);
}

#[test]
fn a_terminal_does_not_obey_a_log() {
    let space = Space::new(BINARY).with_probe();
    let evil = "\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[31mred\u{1b}[0m \u{9b}H end";
    space.write("default.nix", probing("evil", "", &[&["print", evil], &["write", "$out", "x"]]));
    space.ok(["build", "--no-link"]);
    // as they are, without a terminal
    assert_eq!(space.ok(["log", "."]), evil);
    let mut terminal =
        Terminal::new(&space, &format!("'{BINARY}' log ."), &[("TERM", "xterm-256color")]);
    let shown = terminal.expect("end");
    assert_eq!(terminal.end(), 0);
    assert!(shown.contains("^[]0;title^G^[[2J") && shown.contains("\u{1b}[31mred"), "{shown:?}");
    assert!(
        !shown.contains('\u{7}') && !shown.contains('\u{9b}') && !shown.contains("\u{1b}]"),
        "{shown:?}"
    );
    // nor what an error repeats
    let word = "x\u{1b}]0;title\u{7}y";
    let line = format!("'{BINARY}' show '{word}'; '{BINARY}' build '{word}'");
    let mut terminal = Terminal::new(&space, &line, &[("TERM", "xterm-256color")]);
    let first = terminal.expect("y'");
    let second = terminal.expect("y'");
    for shown in [first, second] {
        assert!(shown.contains("^[]0;title^G") && !shown.contains("\u{1b}]"), "{shown:?}");
    }
}

#[test]
fn an_empty_log_says_why() {
    let space = Space::new(BINARY).with_probe();
    space.write("quiet.nix", probing("quiet", "", &[&["write", "$out", "x"]]));
    space.write("failed.nix", probing("failed", "", &[&["exit", "1"]]));
    space.ok(["build", "--no-link", "quiet.nix"]);
    space.fails(1, ["build", "--no-link", "failed.nix"]);
    let said = |name: &str| space.run(["log", name]).stderr;
    assert!(said("quiet.nix").contains("the build printed nothing"), "{}", said("quiet.nix"));
    assert!(said("failed.nix").contains("the build printed nothing"), "{}", said("failed.nix"));
    // as a power cut leaves them, and one that was killed
    for log in fs_err::read_dir(space.store().join("var/log")).unwrap() {
        let log = log.unwrap().path();
        fs_err::set_permissions(&log, std::fs::Permissions::from_mode(0o644)).unwrap();
        let mut file = fs_err::OpenOptions::new().write(true).open(&log).unwrap();
        file.write_all(b"").unwrap();
    }
    assert!(said("quiet.nix").contains("the machine lost power"), "{}", said("quiet.nix"));
    assert!(said("failed.nix").contains("was stopped before it printed"), "{}", said("failed.nix"));
}

/// A file that is written beside its place goes when the command is stopped, and the one that was there stays.
#[test]
fn an_export_that_is_stopped_leaves_nothing_behind() {
    let space = Space::new(BINARY).with_probe();
    // so much that compressing it takes its time
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    space.write("noise", noise.take(4 << 20).flatten().collect::<Vec<u8>>());
    let copy: &[&[&str]] = &[&["copy", "$noise", "$out"]];
    space.write("default.nix", probing("noise", "noise = ./noise;", copy));
    let path = space.ok(["build", "--no-link"]);
    let folder = space.path("project/out");
    fs_err::create_dir(&folder).unwrap();
    let names = || {
        let names = fs_err::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect::<Vec<_>>()
    };
    for (signal, old) in [("INT", false), ("TERM", true)] {
        if old {
            fs_err::write(folder.join("file"), "old").unwrap();
        }
        let mut command = space.command();
        command.args(["export", &path, "-o", "out/file"]).stderr(Stdio::piped());
        let running = command.spawn().unwrap();
        let start = std::time::Instant::now();
        while !names().iter().any(|name| name.starts_with(".-")) {
            assert!(start.elapsed().as_secs() < 60);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let id = running.id().to_string();
        assert!(child::status(Command::new("kill").args(["-s", signal, &id])).unwrap().success());
        let ran = Ran::of(running.wait_with_output().unwrap());
        assert_eq!(ran.code, 130, "{}", ran.stderr);
        assert!(ran.stderr.contains("interrupted"), "{}", ran.stderr);
        let left: Vec<&str> = if old { vec!["file"] } else { Vec::new() };
        assert_eq!(names(), left);
    }
    assert_eq!(fs_err::read(folder.join("file")).unwrap(), b"old");
}
