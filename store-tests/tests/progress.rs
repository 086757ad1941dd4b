//! Progress of builds: events for programs, lines for logs, a drawing for people.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use clutch_store_tests::{
    Ran, Space,
    index::{Fault, Index, sha256},
    probing,
    terminal::Terminal,
};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A good build of a fetched file, a bad one, and one that needs it.
fn project(space: &Space, index: &Index) {
    index.file("file", vec![b'x'; 300_000]);
    let fetched = format!(
        "derivation {{ name = \"file\"; system = \"builtin\"; builder = \"builtin:fetch\"; url = \"{}\"; \
         outputHashMode = \"flat\"; outputHashAlgo = \"sha256\"; outputHash = \"{}\"; }}",
        index.url("file"),
        sha256(&vec![b'x'; 300_000])
    );
    let words: &[&[&str]] = &[&["print", "hello \u{e9}"], &["write", "$out", "x"]];
    let good = probing("good", &format!("file = {fetched};"), words);
    let bad = probing("bad", "", &[&["print", "the reason"], &["exit", "3"]]);
    let above = probing("above", &format!("bad = {bad};"), words);
    space.write("default.nix", format!("{{ good = {good}; above = {above}; }}"));
}

/// Every line, each of which has what every line must have.
fn events(text: &str) -> Vec<Value> {
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(event["version"], 1, "{line}");
        assert!(event["time"].as_f64().is_some_and(|t| t > 1.7e9), "{line}");
        assert!(event["kind"].is_string(), "{line}");
        let of_one = event["derivation"].is_string();
        assert_eq!(of_one, event["name"].is_string(), "{line}");
        event
    };
    assert!(text.ends_with('\n'));
    text.lines().map(event).collect()
}

#[test]
fn every_line_of_a_run_is_an_event() {
    let (space, index) = (Space::new(BINARY), Index::new());
    let space = space.with_probe();
    project(&space, &index);
    let ran = space.run(["build", "--no-link", "-k", "-j1", "--events", "-"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let all = events(&ran.stderr);
    let mut of: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for event in &all {
        let name = event["name"].as_str().unwrap_or_default();
        of.entry(name.to_owned()).or_default().push(event["kind"].as_str().unwrap());
    }
    assert_eq!(of[""], ["begin", "plan", "error", "end"]);
    assert_eq!(of["good"], ["started", "line", "finished"]);
    assert_eq!(of["bad"], ["started", "line", "failed"]);
    assert_eq!(of["above"], ["skipped"]);
    let file = &of["file"];
    assert_eq!((file.first(), file.last()), (Some(&"started"), Some(&"finished")), "{file:?}");
    assert!(file.contains(&"progress"), "{file:?}");
    let find = |kind: &str, name: &str| {
        let found =
            all.iter().find(|e| e["kind"] == kind && (name.is_empty() || e["name"] == name));
        found.unwrap_or_else(|| panic!("no {kind}"))
    };
    let plan = find("plan", "");
    assert_eq!((&plan["builds"], &plan["fetches"]), (&3.into(), &1.into()));
    assert_eq!(find("line", "good")["text"], "hello \u{e9}");
    let progress: Vec<_> = all.iter().filter(|e| e["kind"] == "progress").collect();
    assert_eq!(progress.last().unwrap()["done"], 300_000);
    assert_eq!(progress.last().unwrap()["of"], 300_000);
    let out = find("finished", "good")["outputs"]["out"].as_str().unwrap();
    assert_eq!(fs_err::read(space.real(out)).unwrap(), b"x");
    assert!(find("failed", "bad")["error"].as_str().unwrap().contains("exit code 3"));
    assert_eq!(find("skipped", "above")["because"], find("failed", "bad")["derivation"]);
    assert!(find("error", "")["message"].as_str().unwrap().contains("the reason"));
    assert_eq!(find("end", "")["exit"], 1);
    let times: Vec<f64> = all.iter().map(|e| e["time"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn events_go_to_a_file_beside_what_people_read() {
    let space = Space::new(BINARY).with_probe();
    space.write("default.nix", probing("x", "", &[&["write", "$out", "x"]]));
    let ran = space.run(["build", "--no-link", "--events", "events", "--json"]);
    let results: Value = serde_json::from_str(&ran.stdout).unwrap();
    let all = events(&fs_err::read_to_string(space.path("project/events")).unwrap());
    let finished = all.iter().find(|e| e["kind"] == "finished").unwrap();
    assert_eq!(finished["outputs"], results[0]["outputs"]);
    assert_eq!(all.last().unwrap()["exit"], 0);
    // nothing to do: a beginning and an end, here on a descriptor
    let clutch = space.command();
    let program = clutch.get_program().display();
    let line = format!("exec {program} build --no-link --events /dev/fd/3 3>third");
    let mut shell = space.command_of("/bin/sh");
    assert!(shell.args(["-c", &line]).stdout(Stdio::null()).status().unwrap().success());
    let all = events(&fs_err::read_to_string(space.path("project/third")).unwrap());
    assert_eq!(
        all.iter().map(|e| e["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["begin", "end"]
    );
    let error = space.fails(2, ["build", "--events", "no/such/folder"]);
    assert!(error.contains("--events"), "{error}");
    space.fails(2, ["eval", "-E", "nothing.nix", "--events", ""]);
}

#[test]
fn a_log_shows_that_something_still_happens() {
    let space = Space::new(BINARY).with_probe();
    let words: &[&[&str]] = &[&["print", "working"], &["sleep", "11"], &["write", "$out", "x"]];
    space.write("default.nix", probing("slow", "", words));
    let said = space.run(["build", "--no-link"]).stderr;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "building slow");
    assert!(
        lines[1].starts_with("building slow, ") && lines[1].contains("last line: working"),
        "{said}"
    );
    assert!(lines.iter().any(|line| line.starts_with("done: slow in ")), "{said}");
    assert!(lines.last().unwrap().starts_with("1 built in "), "{said}");
}

/// Runs the binary on a terminal of its own, of 60 columns, and gives all that it wrote there.
fn on_terminal(space: &Space, args: &str) -> (i32, String) {
    let program = space.command().get_program().to_owned();
    let line = format!("stty cols 60 rows 20; exec {} {args}", program.display());
    let mut script = space.command_of("script");
    script.args(["-qefc", &line, "/dev/null"]);
    let ran = Ran::of(script.env("TERM", "xterm").stdin(Stdio::null()).output().unwrap());
    (ran.code, ran.stdout)
}

#[test]
fn a_terminal_shows_a_tree_and_keeps_nothing_of_it() {
    let (space, index) = (Space::new(BINARY).with_probe(), Index::new());
    project(&space, &index);
    index.fault("file", Fault::Slow(Duration::from_millis(1500)));
    let words: &[&[&str]] =
        &[&["print", "\u{1b}[2Jhello"], &["sleep", "1.5"], &["write", "$out", "x"]];
    let slow = probing("slow", "file = (import ./default.nix).good.file;", words);
    space.write("slow.nix", slow);
    let (code, said) = on_terminal(&space, "build --no-link slow.nix");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("waits for") && said.contains("└─ "), "{said}");
    assert!(said.contains("file") && said.contains("0 of 1 built"), "{said}");
    assert!(said.contains("hello") && !said.contains("\u{1b}[2J"), "{said}");
    // in the end, what was drawn is removed: below the summary stands the result alone
    let end = said.rfind("\u{1b}[J").unwrap();
    let end: Vec<&str> = said[end..].lines().collect();
    assert!(end[0].contains("1 built, 1 fetched (293 KiB) in"), "{end:?}");
    assert!(end[1].starts_with("/clutch/store/") && end.len() == 2, "{end:?}");
}

/// True if a text moves the cursor up.
fn goes_up(text: &str) -> bool {
    text.split("\u{1b}[")
        .skip(1)
        .any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('A'))
}

#[test]
fn a_drawing_is_gone_while_the_process_is_stopped() {
    let space = Space::new(BINARY).with_probe();
    let slow = probing("slow", "", &[&["print", "here"], &["sleep", "4"], &["write", "$out", "x"]]);
    space.write("default.nix", slow);
    let mut terminal = Terminal::new(&space, "bash --norc -i", &[("TERM", "xterm")]);
    terminal.write(&format!("{BINARY} build --no-link\n"));
    terminal.expect("building");
    terminal.expect("here");
    terminal.write("\u{1a}");
    let drawn = terminal.expect("Stopped");
    let last = drawn.rsplit("building").next().unwrap();
    assert!(last.contains("\u{1b}[J"), "{last:?}");
    assert!(goes_up(last), "{last:?}");
    // what the shell prints stays
    terminal.write("fg\n");
    let shell = terminal.expect("building");
    assert!(!goes_up(&shell), "{shell:?}");
    terminal.expect("1 built");
    terminal.write("exit 0\n");
    assert_eq!(terminal.end(), 0);
}
