//! `clutch repl`: lines from a pipe, and a person at a terminal.

use std::{
    io::{Read as _, Write as _},
    os::fd::AsFd as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clutch_store_tests::{Ran, Space, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// Gives lines to the repl through a pipe.
fn repl(space: &Space, args: &[&str], lines: &str) -> Ran {
    let mut command = space.command();
    let child = command.arg("repl").args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

/// The output of lines that must all succeed.
fn says(space: &Space, args: &[&str], lines: &str) -> String {
    let ran = repl(space, args, lines);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

#[test]
fn expressions_and_definitions() {
    let space = Space::new(BINARY);
    let lines = "1 + 1\nx = 2\ny = x * 3; z.a = 6\n\n# nothing\ny\nx = 10\ny + x\nz\ninherit (z) a\n[ a x ]\n\"\"";
    let expected = "2\n6\n16\n{ a = 6; }\n[\n  6\n  10\n]\n\"\"\n";
    assert_eq!(says(&space, &[], lines), expected);
    // a definition is computed when somebody asks for it, and sees what was there before
    assert_eq!(says(&space, &[], "x = 1\nx = x + 1\nt = throw \"no\"\nx"), "2\n");
}

#[test]
fn text_goes_on_until_it_is_whole() {
    let space = Space::new(BINARY);
    let lines = "let\n  a = 1;\nin\na\n{\n  b =\n''\n  two\n  lines\n'';\n}.b\nf = x:\n  x + 1\nf 1\n:p [\n1 ]";
    assert_eq!(says(&space, &[], lines), "1\n\"two\\nlines\\n\"\n2\n[ 1 ]\n");
    let ran = repl(&space, &[], "[ 1");
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("unexpected end of file"), "{}", ran.stderr);
}

#[test]
fn one_level_is_printed_or_all_of_it() {
    let space = Space::new(BINARY);
    let value = "{ a = 1; b = { c = [ 1 ]; }; e = throw \"no\"; f = x: x; g = { }; h = map; }";
    assert_eq!(
        says(&space, &[], value),
        "{\n  a = 1;\n  b = { ... };\n  e = «error: no»;\n  f = «lambda f @ «string»:1:50»;\n  g = { };\n  h = «primop map»;\n}\n"
    );
    assert_eq!(
        says(&space, &[], ":p { b.c = [ 1 { } ]; }"),
        "{\n  b = {\n    c = [\n      1\n      { }\n    ];\n  };\n}\n"
    );
    assert_eq!(says(&space, &["--json"], "{ a = [ 1 ]; }"), "{\"a\":[1]}\n");
}

#[test]
fn an_error_ends_nothing_but_is_told_by_the_exit_code() {
    let space = Space::new(BINARY);
    let ran = repl(
        &space,
        &[],
        "a = 5\nb = a + \"x\"\nb\nundefined\n1 +* 2\n:nope\n:lf nixpkgs\nlet f = x: f x; in f 1\na",
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "5\n"), "{}", ran.stderr);
    for part in [
        "cannot add a string to an integer\n --> «string»:1:5\n",
        "1 | b = a + \"x\"",
        "undefined variable 'undefined'",
        "syntax error, unexpected '*'",
        "unknown command ':nope'",
        "flakes are not supported",
        "max-call-depth exceeded",
    ] {
        assert!(ran.stderr.contains(part), "{part}\n{}", ran.stderr);
    }
    let ran = repl(&space, &["--max-eval-memory", "20M"], "builtins.genList (n: n) 9999999\n:r\n1");
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "1\n"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("to free the memory and forget all definitions, type `:r`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn files_are_loaded_and_loaded_again() {
    let space = Space::new(BINARY);
    space.write("default.nix", "{ given ? 1 }: { inherit given; twice = x: 2 * x; }");
    assert_eq!(says(&space, &["default.nix"], "twice given"), "2\n");
    assert_eq!(says(&space, &[".", "--arg", "given", "4"], "twice given"), "8\n");
    assert_eq!(says(&space, &["-E", "{ one.two = 3; }", "-A", "one"], "two"), "3\n");
    space.write("lib.nix", "{ n = 1; }");
    let lines = ":l ./lib.nix\nn\nx = 5\n:l lib.nix\n:a { n = 7; }\nn\n:r\nn\nx";
    let ran = repl(&space, &[], lines);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "1\n7\n1\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("added 1 variable: n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("undefined variable 'x'"), "`:r` forgets\n{}", ran.stderr);
    let ran = repl(&space, &["-q"], ":l ./missing.nix\n:a 5\n1");
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "1\n"), "{}", ran.stderr);
    // pure, unless it is not asked to be
    let ran = repl(&space, &[], "builtins.getEnv \"HOME\"\n:l /etc/hostname.nix");
    assert!(ran.stdout.starts_with("\"\"\n") && ran.code == 1, "{}{}", ran.stdout, ran.stderr);
    let home = says(&space, &["--impure"], "builtins.getEnv \"HOME\" != \"\"");
    assert_eq!(home, "true\n");
}

#[test]
fn types_and_documentation() {
    let space = Space::new(BINARY);
    assert_eq!(
        says(&space, &[], ":t 1\n:t { }\n:t map"),
        "an integer\na set\nthe built-in function 'map'\n"
    );
    let shown = says(&space, &[], ":doc builtins.map\n:doc map (x: x)");
    assert_eq!(
        shown.matches("builtins.map f list\n\nCall f with every element").count(),
        2,
        "{shown}"
    );
    space.write(
        "lib.nix",
        "{\n  /**\n    Adds one.\n\n        plus 1\n  */\n  plus = n: n + 1;\n  none = x: x;\n}",
    );
    let ran = repl(&space, &["lib.nix"], ":doc plus\n:doc none");
    assert!(ran.stdout.starts_with("plus, defined at "), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("lib.nix:7:10\n\nAdds one.\n\n    plus 1\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("a function has no documentation") && ran.code == 1);
    assert!(says(&space, &[], ":?").contains(":doc"));
    assert_eq!(says(&space, &[], "1\n:q\n2"), "1\n");
}

#[test]
fn derivations_are_shown_and_built() {
    let space = Space::new(BINARY).with_probe();
    space.write(
        "default.nix",
        format!("{{ d = {}; }}", probing("one", "", &[&["write", "$out", "x"]])),
    );
    let shown = says(&space, &["default.nix"], "d\n{ inherit d; }");
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("«derivation /clutch/store/") && lines[0].ends_with("-one.drv»"));
    assert_eq!(lines[1..], ["{".to_owned(), format!("  d = {};", lines[0]), "}".to_owned()]);
    let built = says(&space, &["default.nix"], ":b d");
    let path = built.trim().strip_prefix("out -> ").unwrap();
    assert_eq!(fs_err::read_to_string(space.real(path)).unwrap(), "x");
    let ran = repl(
        &space,
        &["default.nix"],
        ":b 5\n:b derivation { name = \"x\"; system = \"x86_64-linux\"; builder = \"/none\"; }\n1",
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "1\n"), "{}", ran.stderr);
}

#[test]
fn shells_complete_it() {
    let space = Space::new(BINARY);
    for (words, expected) in [(&["rep"][..], "repl"), (&["repl", "--eval-p"], "--eval-profile")] {
        assert_eq!(space.completions(words), [expected]);
    }
    space.fails(2, ["repl", "-"]);
}

/// The repl at a terminal of its own.
struct Terminal {
    keys: std::fs::File,
    seen: String,
    more: std::sync::mpsc::Receiver<Vec<u8>>,
    child: std::process::Child,
}

impl Terminal {
    fn new(space: &Space, args: &[&str]) -> Self {
        let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let name = name.to_str().unwrap();
        let size = rustix::termios::Winsize { ws_row: 40, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(master.as_fd(), size).unwrap();
        let slave = || fs_err::OpenOptions::new().read(true).write(true).open(name).unwrap();
        // setsid makes it the terminal that Ctrl-C belongs to
        let inner = space.command();
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(inner.get_program()).arg("repl").args(args);
        command.env_clear().current_dir(space.path("project"));
        for (name, value) in inner.get_envs() {
            command.env(name, value.unwrap());
        }
        let into = |file: fs_err::File| Stdio::from(file.into_parts().0);
        command
            .env("TERM", "xterm")
            .stdin(into(slave()))
            .stdout(into(slave()))
            .stderr(into(slave()));
        let child = command.spawn().unwrap();
        let mut output = std::fs::File::from(master.try_clone().unwrap());
        let (sender, more) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                let _ = sender.send(buffer[..n].to_vec());
            }
        });
        Self { keys: master.into(), seen: String::new(), more, child }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Presses keys and waits for what is said, and for the prompt after it.
    fn line(&mut self, keys: &str, said: &str) {
        self.press(keys);
        self.expect(said);
        self.expect("\u{1b}[?2004h");
        self.expect("clutch> ");
    }

    /// Waits for a text, and forgets all up to its end.
    fn expect(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.more.recv_timeout(left) {
                Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("no {text:?} in {:?}", self.seen),
            }
        }
    }
}

#[test]
fn a_person_at_a_terminal() {
    if Command::new("setsid").arg("--version").output().is_err() {
        eprintln!("NOT TESTED: setsid is not installed");
        return;
    }
    let space = Space::new(BINARY);
    space.write("folder/file.nix", "{ loaded = 77; }");
    let mut terminal =
        Terminal::new(&space, &["-E", "{ languages.nix.words = 3; broken = throw \"no\"; }"]);
    terminal.expect("clutch> ");
    // names, attributes, what fails, paths, commands
    terminal.line("lang\t.n\t.w\t + 39\r", "42");
    terminal.line("broken.\t\x15:l fol\tf\t\r", "added 1 variable: loaded");
    terminal.line("loaded + 1\r", "78");
    terminal.line(":do\t map\r", "builtins.map f list");
    // a text goes on on the next line
    terminal.line("[ 5\r6 ]\r", "  6\r\n]");
    // Ctrl-C drops a line, and ends an evaluation
    terminal.line("1 + 1 +\x03", "1 + 1 +");
    terminal.line("1000 + 1\r", "1001");
    let endless = "builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }";
    terminal.press(&format!("builtins.trace \"running\" (builtins.length ({endless}))\r"));
    terminal.expect("trace: running");
    terminal.line("\x03", "the evaluation was interrupted");
    // also in the middle of one builtin
    terminal.line(
        "many = builtins.genList (n: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa${toString n}\") 2000\r",
        "\n",
    );
    terminal.line(
        "text = builtins.concatStringsSep \"\" (builtins.genList (_: \"aaaaaaaaaa\") 1000000)\r",
        "\n",
    );
    terminal.line("builtins.deepSeq many (builtins.stringLength text)\r", "10000000");
    terminal.press("builtins.trace \"busy\" (builtins.replaceStrings many many text)\r");
    terminal.expect("trace: busy");
    terminal.line("\x03", "the evaluation was interrupted");
    // what completion computes may take for ever
    terminal.line(&format!("e = {{ x = {endless}; }}\r"), "}");
    terminal.line("e.x.\t\x15\"still\" + \"here\"\r", "\"stillhere\"");
    terminal.press("\x04");
    assert!(terminal.child.wait().unwrap().success());
    let history = space.path("home/.local/state/clutch/repl-history");
    let history = fs_err::read_to_string(history).unwrap();
    assert!(history.contains("languages.nix.words + 39\n"), "{history}");
    // the next one knows it
    let mut terminal = Terminal::new(&space, &[]);
    terminal.expect("clutch> ");
    terminal.line("\x1b[A\x15\"the \" + \"end\"\r", "\"the end\"");
    terminal.line("\x1b[A\x1b[A\r", "\"stillhere\"");
    terminal.press(":q\r");
    assert!(terminal.child.wait().unwrap().success());
}

/// Lines that nobody would type: a seed draws them out of pieces of the language, of commands, and of
/// any bytes.
#[test]
fn no_lines_end_it_but_the_one_that_says_so() {
    const PIECES: [&str; 28] = [
        "x",
        "=",
        "= 1",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "''",
        "${",
        "let",
        "in",
        "inherit",
        "with",
        ":p",
        ":t",
        ":l",
        ":a",
        ":doc",
        ":b",
        ":r",
        ":",
        ":?",
        "#",
        "/*",
        "\\",
        "\u{e9}",
        "throw \"no\"",
    ];
    let space = Space::new(BINARY);
    let mut state: u64 = 1;
    let mut draw = |below: usize| {
        // the generator of Knuth's MMIX
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..40 {
        let mut lines = Vec::new();
        for _ in 0..30 {
            for _ in 0..draw(6) {
                match draw(8) {
                    0 => lines.extend((0..draw(8)).map(|_| draw(256) as u8).filter(|b| *b != b'q')),
                    _ => lines.extend_from_slice(PIECES[draw(PIECES.len())].as_bytes()),
                }
                lines.push(b' ');
            }
            lines.push(b'\n');
        }
        let mut command = space.command();
        let child = command.arg("repl").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.stderr(Stdio::piped()).spawn().unwrap();
        // it may have ended before it has read all
        let _ = child.stdin.take().unwrap().write_all(&lines);
        let ran = Ran::of(child.wait_with_output().unwrap());
        let shown = String::from_utf8_lossy(&lines);
        assert!(matches!(ran.code, 0 | 1), "{round}: {}: {shown}", ran.code);
        assert!(!ran.stderr.contains("panicked"), "{round}: {}: {shown}", ran.stderr);
    }
    // what stands behind it is not read
    for before in
        ["", "x = 1\n", "[ 1\n2 ]\n", "throw \"no\"\n", "unknown\n", ":nothing\n", "''\n''\n"]
    {
        let ran = repl(&space, &[], &format!("{before}:q\n100 + 1\n"));
        assert!(!ran.stdout.contains("101"), "{before}: {}", ran.stdout);
    }
}
