//! Limits, statistics and errors of evaluations.

use clutch_store_tests::{Ran, Space, probing};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

const FOLD: &str = "let f = x: { y = x + 1; }; in builtins.foldl' (s: n: (f s).y) 0 (builtins.genList (n: n) 1000)";

#[test]
fn statistics_are_for_people_or_for_programs() {
    let space = Space::new(BINARY);
    let ran = space.run(["eval", "--stats", "-E", FOLD]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1000\n"));
    for part in ["  parse ", "1 file, ", "  evaluate ", "of functions", "  lists "] {
        assert!(ran.stderr.contains(part), "{part}\n{}", ran.stderr);
    }
    let exact = |args: &[&str]| {
        let ran = space.run(args.iter().chain(&["--strict", "-E", FOLD]));
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "1000\n"), "{}", ran.stderr);
        json(&ran.stderr)
    };
    for args in [["eval", "--stats=json", "-v"], ["eval", "--stats", "--json"]] {
        let stats = exact(&args);
        // a call of f and one of the fold's function for each of the elements
        assert_eq!(stats["calls"], 2000, "{stats}");
        assert_eq!((&stats["sets"], &stats["lookups"]), (&1000.into(), &1000.into()), "{stats}");
        assert_eq!(stats["files"], 1);
        assert!(stats["thunks"].as_u64().unwrap() >= 1, "{stats}");
        assert!(stats["arenaBytes"].as_u64().unwrap() > 30_000, "{stats}");
        let seconds = |phase: &str| stats["seconds"][phase].as_f64().unwrap();
        let sum = seconds("parse") + seconds("compile") + seconds("evaluate");
        assert!((sum - seconds("total")).abs() < 1e-6 && sum > 0.0, "{stats}");
    }
    assert!(space.run(["eval", "-E", "1"]).stderr.is_empty());
    // also if it fails
    let ran = space.run(["eval", "--stats=json", "-E", "throw \"no\""]);
    assert_eq!(json(ran.stderr.lines().next().unwrap())["builtinCalls"], 1, "{}", ran.stderr);
    space.fails(2, ["eval", "--stats=xml", "-E", "1"]);
}

#[test]
fn what_is_known_is_not_evaluated_unless_it_is_profiled() {
    let space = Space::new(BINARY).with_probe();
    let program = format!("let f = n: {}; in f 1", probing("one", "", &[&["write", "$out", "x"]]));
    space.write("default.nix", program);
    let build = |args: &[&str]| {
        let ran = space.run(["build", "--no-link", "-q"].iter().chain(args));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stderr
    };
    assert_eq!(json(&build(&["--stats=json"]))["cached"], false);
    assert_eq!(json(&build(&["--stats=json"]))["cached"], true);
    assert!(build(&["--stats"]).contains("evaluation: cached"));
    build(&["--eval-profile", "profile"]);
    let profile = fs_err::read_to_string(space.path("project/profile")).unwrap();
    assert!(profile.contains("default.nix:1:") && profile.contains(":f"), "{profile}");
}

#[test]
fn a_profile_is_folded_stacks() {
    let space = Space::new(BINARY);
    let expression =
        "let work = n: builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) n); in work 100000";
    space.ok(["eval", "--eval-profile", "out.folded", "-E", expression]);
    let profile = fs_err::read_to_string(space.path("project/out.folded")).unwrap();
    let stack = "(program);«string»:1:79:work;«string»:1:15:primop foldl'";
    let line = profile.lines().find(|line| line.rsplit_once(' ').unwrap().0 == stack);
    let count = line.unwrap_or_else(|| panic!("{profile}")).rsplit_once(' ').unwrap().1;
    assert!(count.parse::<u64>().unwrap() > 0);
    // also of what fails: that is when one wants to know
    space
        .fails(1, ["eval", "--eval-profile", "out2", "-E", &format!("{expression} + throw \"x\"")]);
    assert!(space.path("project/out2").exists());
    let error = space.fails(1, ["eval", "--eval-profile", "no/such/folder", "-E", "1"]);
    assert!(error.contains("no/such/folder"), "{error}");
}

#[test]
fn memory_has_a_limit_that_can_be_set() {
    let space = Space::new(BINARY);
    let expression = "builtins.length (builtins.genList (n: n) 2000000)";
    let error = space.fails(1, ["eval", "--max-eval-memory", "20M", "-E", expression]);
    assert!(
        error.contains("more memory than its limit of 20 MiB, 30 MiB of it at once"),
        "{error}"
    );
    assert!(error.contains("--max-eval-memory") && error.contains("genList"), "{error}");
    assert_eq!(space.ok(["eval", "--max-eval-memory", "100M", "-E", expression]), "2000000");
    // no machine has what this takes
    let endless =
        "builtins.stringLength (builtins.foldl' (s: n: s + s) \"x\" (builtins.genList (n: n) 62))";
    assert!(space.fails(1, ["eval", "-E", endless]).contains("more memory than its limit"));
    let caught = format!("builtins.tryEval ({endless})");
    assert!(space.fails(1, ["eval", "-E", &caught]).contains("more memory than its limit"));
    for size in ["", "5X", "-1"] {
        space.fails(2, ["eval", "-E", "1", &format!("--max-eval-memory={size}")]);
    }
}

/// Each asks for much in another way. What they took is told with the error.
#[test]
fn no_program_takes_much_more_than_its_limit() {
    let space = Space::new(BINARY);
    let big = "(builtins.concatStringsSep \"\" (builtins.genList (_: \"0123456789\") 100000))";
    let programs = [
        format!("builtins.replaceStrings [ \"\" ] [ {big} ] {big}"),
        format!("toString (builtins.genList (_: {big}) 500)"),
        format!("builtins.toJSON (let big = {big}; in builtins.genList (_: big) 500)"),
        format!("builtins.toXML (let big = {big}; in builtins.genList (_: big) 500)"),
        format!("let big = {big}; in map (n: builtins.tryEval (throw \"${{big}}${{toString n}}\")) (builtins.genList (n: n) 500)"),
        format!("let big = {big}; in map (n: builtins.toFile \"x\" \"${{big}}${{toString n}}\") (builtins.genList (n: n) 500)"),
        format!("let big = {big}; in (derivation ({{ name = \"x\"; builder = \"/b\"; system = \"x\"; }} // builtins.listToAttrs (builtins.genList (n: {{ name = \"a${{toString n}}\"; value = big; }}) 500))).drvPath"),
        "builtins.length (builtins.fromJSON \"[${builtins.concatStringsSep \"\" (builtins.genList (_: \"{},[],[{}],\") 200000)}1]\")".to_owned(),
        "let big = builtins.genList (x: x) 1000000; in builtins.foldl' (s: _: s + builtins.length (map (x: x) big)) 0 (builtins.genList (x: x) 200)".to_owned(),
        "builtins.foldl' (p: _: p + (\"/\" + toString p)) /ab (builtins.genList (x: x) 50)".to_owned(),
        "let f = n: { a = f (n + 1); }; in builtins.toXML (f 0)".to_owned(),
    ];
    for program in programs {
        let args = ["eval", "--strict", "--stats=json", "--max-eval-memory", "64M", "-E", &program];
        let ran = space.run(args);
        assert_eq!(ran.code, 1, "{program}\n{}", ran.stderr);
        assert!(ran.stderr.contains("more memory than its limit of 64 MiB"), "{}", ran.stderr);
        let peak = json(ran.stderr.lines().next().unwrap())["peakBytes"].as_u64().unwrap();
        assert!(peak < 200 << 20, "{program}: {peak}");
    }
}

/// Address space is what `ulimit -v` bounds: it is not taken before it is needed, and an evaluation
/// that needs more ends with an ordinary error.
#[test]
fn little_address_space_is_enough_or_an_error() {
    let space = Space::new(BINARY);
    let under = |kib: u32, program: &str| {
        let mut command = space.command_of("sh");
        let run = format!("ulimit -v {kib} && exec \"$0\" eval --strict -E \"$1\"");
        command.args(["-c", &run, BINARY, program]);
        Ran::of(clutch_store_tests::child::output(&mut command).unwrap())
    };
    for kib in [4_000_000, 2_000_000, 500_000] {
        let ran = under(kib, "let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 500");
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "500\n"), "{kib}: {}", ran.stderr);
    }
    for program in [
        "builtins.foldl' (s: _: s + s) \"0123456789\" (builtins.genList (n: n) 60)",
        "toString (builtins.genList (n: n) 100000000)",
        "let f = n: [ n (f (n + 1)) ]; in builtins.deepSeq (f 0) 1",
        "builtins.toJSON (builtins.foldl' (l: _: [ l l ]) 1 (builtins.genList (n: n) 40))",
        "builtins.foldl' (s: n: s // { \"k${toString n}\" = n; }) { } (builtins.genList (n: n) 3000000)",
    ] {
        let ran = under(250_000, program);
        assert_eq!(ran.code, 1, "{program}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{program}: {}", ran.stderr);
    }
}

#[test]
fn errors_for_programs_have_no_headline() {
    let space = Space::new(BINARY);
    space.write("default.nix", "let\n  length = 1;\n  f = x: x + lenght;\nin f 2\n");
    let error = json(&space.fails(1, ["eval", "--json", "default.nix"]));
    let error = &error["error"];
    assert_eq!(error["message"], "undefined variable 'lenght'");
    assert_eq!(error["hints"], serde_json::json!(["did you mean 'length'?"]));
    assert!(error["place"]["file"].as_str().unwrap().ends_with("/default.nix"), "{error}");
    assert_eq!((&error["place"]["line"], &error["place"]["column"]), (&3.into(), &14.into()));
    let ran = space.run(["eval", "--events", "-", "default.nix"]);
    let event = ran.stderr.lines().map(json).find(|event| event["kind"] == "error").unwrap();
    assert_eq!(event["message"], "undefined variable 'lenght'");
    assert_eq!(event["hints"], serde_json::json!(["did you mean 'length'?"]));
    space.write("calls.nix", "let f = x: throw \"no\"; in f 2");
    let error = json(&space.fails(1, ["build", "--json", "calls.nix"]));
    let trace = error["error"]["trace"].as_array().unwrap();
    let texts: Vec<&str> = trace.iter().map(|step| step["text"].as_str().unwrap()).collect();
    assert_eq!(&texts[..2], ["while calling the 'throw' builtin", "while calling 'f'"]);
    assert_eq!(trace[1]["place"]["column"], 27);
}

/// An error of the library is shown at the line of the user that led to it.
#[test]
fn errors_of_the_library_show_the_users_line_first() {
    let space = Space::new(BINARY);
    let cases = [
        // refused at once
        (
            "python.environment {\n  name = \"x\";\n  lok = ./lock;\n}",
            "unexpected argument 'lok'",
            "did you mean 'lock'?",
        ),
        // refused when somebody asks for what the call made
        (
            "python.environment {\n  name = \"x\";\n  lock = ./missing;\n}",
            "project/missing does not exist; to create it, run `clutch lock requirements.txt -o missing`",
            "`--show-trace` shows the steps that led here",
        ),
        (
            "fetch {\n  urls = 5;\n}",
            "expected a list but found an integer: 5",
            "`--show-trace` shows the steps that led here",
        ),
    ];
    for (call, message, other) in cases {
        space.write("default.nix", format!("let clutch = import <clutch>;\nin clutch.{call}\n"));
        let error = space.fails(1, ["build", "--no-link"]);
        assert!(error.contains(message) && error.contains(other), "{error}");
        let place = error.find("/project/default.nix:2:4\n").unwrap_or_else(|| panic!("{error}"));
        let first = error.find(" --> ").unwrap();
        assert!(error[first..place].lines().count() == 1, "{error}");
        assert!(error.contains("2 | in clutch."), "{error}");
        let full = space.fails(1, ["build", "--no-link", "--show-trace"]);
        assert!(full.len() >= error.len() && full.contains("/__clutch__/"), "{full}");
        let json = json(&space.fails(1, ["build", "--no-link", "--json"]));
        assert_eq!(json["error"]["place"]["line"], 2, "{json}");
    }
}

#[test]
fn colours_are_for_terminals() {
    let space = Space::new(BINARY);
    assert!(!space.fails(1, ["eval", "-E", "x"]).contains('\u{1b}'));
    let forced = space.command().env("CLICOLOR_FORCE", "1").args(["eval", "-E", "x"]).output();
    assert!(String::from_utf8_lossy(&forced.unwrap().stderr).contains('\u{1b}'));
}
