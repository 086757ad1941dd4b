//! Help: manual pages, examples, completions, and hints for likely mistakes.

use std::collections::{BTreeMap, BTreeSet};

use clutch_store_tests::Space;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A derivation with a program that prints its arguments.
const TOOL: &str = "derivation { name = \"tool\"; system = \"builtin\"; builder = \"builtin:text\"; executable = \
                    true; destination = \"bin/tool\"; text = \"#!/bin/sh\\necho got \\\"$@\\\"\\n\"; }";

/// The names of the commands, as the help lists them.
fn commands(space: &Space) -> Vec<String> {
    let help = space.ok(["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap();
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_has_help_examples_and_a_page() {
    let space = Space::new(BINARY);
    let pages = space.path("pages/man1");
    space.ok(["man".as_ref(), pages.as_os_str()]);
    assert!(pages.join("clutch.1").is_file());
    let commands = commands(&space);
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands.iter().filter(|command| *command != "help") {
        let help = space.ok([command, "--help"]);
        assert!(help.contains("Examples:\n  "), "{command}: {help}");
        assert_eq!(space.ok(["help", command]), help);
        let page = fs_err::read_to_string(pages.join(format!("clutch-{command}.1"))).unwrap();
        assert!(page.contains("Examples:") && page.contains(".SH OPTIONS"), "{command}");
    }
}

#[test]
fn help_has_one_voice() {
    let space = Space::new(BINARY);
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for command in commands(&space) {
        let help = space.ok(["help", &command]);
        for line in help.lines() {
            let opens = |word: &&str| line.trim_start().starts_with(*word);
            let word = ["What ", "Where ", "Whether ", "Which ", "Who "].into_iter().find(opens);
            assert_eq!(word, None, "{command}: {line}");
        }
        let examples = help.lines().skip_while(|line| *line != "Examples:");
        for line in examples {
            assert!(line.len() <= 80, "{command}: it does not fit a terminal: {line}");
        }
        for block in help.split("\n\n") {
            let lines = block
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with("[default"));
            let words: Vec<&str> = lines.skip_while(|line| !line.starts_with('-')).collect();
            if let [option, text @ ..] = &words[..] {
                texts.entry((*option).to_owned()).or_default().insert(text.join(" "));
            }
        }
    }
    assert!(texts.len() > 40, "{texts:?}");
    let several = texts.iter().filter(|(_, texts)| texts.len() > 1).map(|(option, _)| option);
    assert_eq!(several.collect::<Vec<_>>(), ["--dry-run", "--from <FILE>", "-o, --output <FILE>"]);
}

/// The commands that a text names: the word behind each `clutch` in a line of code or a code span.
fn named_commands(text: &str) -> BTreeSet<String> {
    let after = text.split("clutch ").skip(1);
    let words = after.map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '-'));
    words.filter_map(|mut words| words.next()).map(ToOwned::to_owned).collect()
}

#[test]
fn the_readme_lists_every_command() {
    let space = Space::new(BINARY);
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = fs_err::read_to_string(readme).unwrap();
    let rows: String = readme.lines().filter(|line| line.starts_with("| `clutch ")).collect();
    assert_eq!(named_commands(&rows), commands(&space).into_iter().collect());
}

#[test]
fn help_says_how_a_profile_is_used_and_defines_its_terms() {
    let space = Space::new(BINARY);
    let diff = space.ok(["help", "profile", "diff"]);
    assert!(diff.contains("diff [OPTIONS] PROFILE [FROM [TO]]\n"), "{diff}");
    assert!(diff.contains("diff [OPTIONS] PATH PATH\n"), "{diff}");
    for command in ["set", "list", "rollback", "diff", "wipe", "delete"] {
        let help = space.ok(["help", "profile", command]);
        let examples = help.split("Examples:\n").nth(1).unwrap_or_default();
        assert!(examples.contains(&format!("  clutch profile {command}")), "{command}: {help}");
        for line in examples.lines() {
            assert!(line.len() <= 80, "{command}: it does not fit a terminal: {line}");
        }
    }
    let help = space.ok(["--help"]);
    let terms = help.split("Terms:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for term in ["derivation", "closure", "pin", "profile", "generation"] {
        assert!(terms.lines().any(|line| line.starts_with(&format!("  {term} "))), "{terms}");
    }
}

#[test]
fn an_option_that_is_given_again_is_no_error() {
    let space = Space::new(BINARY);
    space.write("default.nix", TOOL);
    let twice = ["eval", "--strict", "--strict", "--impure", "--impure", "-E", "1"];
    assert_eq!(space.ok(twice), "1");
    let raw = ["--offline", "eval", "--offline", "--raw", "--raw", "-E", "\"x\""];
    assert_eq!(space.ok(raw), "x");
    space.ok(["build", "--no-link", "--no-link", "--dry-run", "--dry-run", "-j", "1", "-j", "2"]);
    // these are lists
    let args = ["eval", "--argstr", "a", "1", "--argstr", "b", "2", "-E", "{ a, b }: a + b"];
    assert_eq!(space.ok(args), "\"12\"");
    space.fails(2, ["eval", "default.nix", "other.nix"]);
}

#[test]
fn a_derivation_that_fails_is_an_error_in_every_form() {
    let space = Space::new(BINARY);
    space.write("default.nix", "let clutch = import <clutch>; in\nclutch.python.environment { name = \"x\"; lock = ./clutch.lock; }");
    for form in [&[][..], &["--strict"], &["--json"], &["--raw"]] {
        let ran = space.run([&["eval"], form].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{form:?}");
        assert!(ran.stderr.contains("clutch.lock"), "{form:?}: {}", ran.stderr);
    }
    // what was not asked for is not computed
    assert_eq!(space.ok(["eval", "-E", "{ x = throw \"no\"; }"]), "{ x = <CODE>; }");
    assert_eq!(space.ok(["eval", "-E", "{ type = throw \"no\"; }"]), "{ type = <CODE>; }");
}

#[test]
fn a_program_gets_arguments_and_is_found_where_the_store_is() {
    let space = Space::new(BINARY);
    space.write("default.nix", TOOL);
    let out = space.ok(["build"]);
    assert_eq!(space.ok(["run"]), "got");
    assert_eq!(space.ok(["run", ".", "--", "--flag", "x"]), "got --flag x");
    assert_eq!(space.ok(["run", ".", "--", "tool", "x"]), "got x");
    let error = space.fails(127, ["run", ".", "--", "x"]);
    assert!(
        error.contains(
            "to pass it to the main program (tool) as an argument, run `clutch run PATH -- tool x`"
        ),
        "{error}"
    );
    let real = space.real(&out).display().to_string();
    for path in [&out, &real, &"result".to_owned()] {
        assert_eq!(space.ok(["run", path, "--", "-v"]), "got -v", "{path}");
    }
    let derivation = space.ok(["eval", "--raw", "-A", "drvPath"]);
    let real = space.real(&derivation).display().to_string();
    assert_eq!(space.ok(["build", "--no-link", &real]), out);
}

#[test]
fn what_is_no_expression_is_told_by_what_it_is() {
    let space = Space::new(BINARY);
    for (name, text, what, hint) in [
        ("fetchit.py", "import sys", "a Python script", "-- python SCRIPT"),
        ("fetchit", "#!/usr/bin/env python3\nimport sys", "a Python script", "python.program"),
        ("x-1-py3-none-any.whl", "PK", "a wheel", "clutch lock"),
        ("clutch.lock", "version = 1", "a lock", "lock = ./clutch.lock;"),
        ("requirements.txt", "x==1", "a requirements file", "clutch lock FILE"),
    ] {
        space.write(name, text);
        for command in ["run", "build", "eval"] {
            let error = space.fails(2, [command, name]);
            assert!(error.contains(&format!("{name}' is {what}, not an expression")), "{error}");
            assert!(error.contains(hint), "{error}");
        }
    }
    space.write("expression", "#!/usr/bin/env clutch\n1");
    assert_eq!(space.ok(["eval", "expression"]), "1");
}

#[test]
fn shells_complete_attributes_programs_and_files() {
    let space = Space::new(BINARY);
    space.write(
        "default.nix",
        format!("{{ x ? 1 }}: {{ tools = {{ hammer = {TOOL}; saw = 1; }}; other = x; }}"),
    );
    space.write("requirements.txt", "");
    space.write("tool.nix", TOOL);
    let completed = |words: &[&str]| space.completions(words);
    assert_eq!(completed(&["build", "-A", "to"]), ["tools"]);
    assert_eq!(
        completed(&["build", "default.nix", "--attr", "tools."]),
        ["tools.hammer", "tools.saw"]
    );
    assert_eq!(completed(&["lock", "req"]), ["requirements.txt"]);
    space.ok(["build", "tool.nix"]);
    assert_eq!(completed(&["run", "result", "--", "to"]), ["tool", "tool.nix"]);
    assert_eq!(completed(&["run", "result", "--", "tool", "to"]), ["tool.nix"]);
}

#[test]
fn doctor_ends_with_a_verdict() {
    let space = Space::new(BINARY);
    let said = space.run(["doctor"]).stdout;
    let verdict = said.lines().last().unwrap_or_default();
    let has = |state: &str| said.lines().any(|line| line.starts_with(state));
    let expected = match (has("fail "), has("warn ")) {
        (true, _) => "clutch cannot work here until what says `fail` is mended",
        (false, true) => "clutch works here, but not all of it: see what says `warn`",
        (false, false) => "everything that clutch needs works",
    };
    assert_eq!(verdict, expected, "{said}");
}
