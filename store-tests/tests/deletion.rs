//! `clutch store delete`: a whole store goes, and nothing else.

use std::os::unix::fs::symlink;

use clutch_store_tests::{Space, child::Running, probing, terminal::Terminal};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

fn filled() -> Space {
    let space = Space::new(BINARY).with_probe();
    let words: [&[&str]; 2] = [&["mkdir", "$out"], &["write", "$out/file", "text"]];
    space.write("default.nix", probing("tool", &space.salt(), &words));
    space.ok(["build", "-o", "kept"]);
    space
}

#[test]
fn a_store_is_removed_as_a_whole() {
    let space = filled();
    let victim = space.path("victim");
    fs_err::create_dir(&victim).unwrap();
    fs_err::write(victim.join("precious"), "precious").unwrap();
    symlink(&victim, space.store().join("var/failed-link")).unwrap();
    let said = space.fails(3, ["store", "delete", "--yes"]);
    assert!(said.contains("'var/failed-link', which clutch did not make"), "{said}");
    fs_err::remove_file(space.store().join("var/failed-link")).unwrap();
    // in folders that hold anything it goes, and is not followed
    fs_err::create_dir_all(space.store().join("var/failed")).unwrap();
    symlink(&victim, space.store().join("var/failed/link")).unwrap();
    symlink(&victim, space.store().join("var/tmp/link")).unwrap();
    let said = space.fails(2, ["store", "delete"]);
    assert!(said.contains("1 link") && said.contains("--yes"), "{said}");
    assert!(space.store().exists());
    let ran = space.run(["store", "delete", "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.lines().count() <= 2, "{}", ran.stderr);
    assert!(!space.store().exists());
    assert!(victim.join("precious").exists());
    let said = space.fails(3, ["store", "delete", "--yes"]);
    assert!(said.contains("does not exist"), "{said}");
    space.ok(["build", "--no-link"]);
}

/// Only a clear yes is one.
#[test]
fn on_a_terminal_it_is_asked_first() {
    let space = filled();
    let line = format!("'{BINARY}' store delete");
    // the end of the input, Ctrl-C, and what is no answer
    for (typed, code) in [("\n", 130), ("no\n", 130), ("yy\n", 130), ("\x04", 130), ("\x03", 130)] {
        let mut terminal = Terminal::new(&space, &line, &[]);
        let asked = terminal.expect("[y/N] ");
        assert!(asked.contains("with 3 paths") && asked.contains("1 link"), "{asked}");
        terminal.write(typed);
        assert_eq!(terminal.end(), code, "{typed:?}");
        assert_eq!(space.valid().len(), 3, "{typed:?}");
    }
    let mut terminal = Terminal::new(&space, &line, &[]);
    terminal.expect("[y/N] ");
    terminal.write("y\n");
    terminal.expect("deleted store");
    assert_eq!(terminal.end(), 0);
    assert!(!space.store().exists());
}

#[test]
fn a_store_without_an_index_is_removed() {
    let space = filled();
    fs_err::write(space.store().join("var/index.sqlite"), "no index").unwrap();
    space.ok(["store", "delete", "--yes"]);
    assert!(!space.store().exists());
}

#[test]
fn what_is_no_store_stays() {
    let space = filled();
    let other = space.path("other");
    fs_err::create_dir_all(other.join("store")).unwrap();
    fs_err::create_dir_all(other.join("var")).unwrap();
    fs_err::write(other.join("store/file"), "precious").unwrap();
    let at = |place: &std::path::Path| {
        space.run(["--store", place.to_str().unwrap(), "store", "delete", "--yes"])
    };
    for place in [&other, &space.path("project"), std::path::Path::new("/"), &space.path("none")] {
        let ran = at(place);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("is not a store"), "{}", ran.stderr);
    }
    assert!(other.join("store/file").exists() && !space.path("none").exists());
    for stranger in ["mine", "store/mine", "var/mine"] {
        let place = space.store().join(stranger);
        fs_err::write(&place, "precious").unwrap();
        let ran = at(&space.store());
        assert!(
            ran.code == 3 && ran.stderr.contains("which clutch did not make"),
            "{}",
            ran.stderr
        );
        fs_err::remove_file(&place).unwrap();
    }
    assert_eq!(space.problems(), Vec::<String>::new());
}

#[test]
fn a_store_in_use_stays() {
    let space = filled();
    let words: [&[&str]; 3] = [&["print", "it runs"], &["sleep", "3"], &["mkdir", "$out"]];
    space.write("slow.nix", probing("slow", &space.salt(), &words));
    let running = Running::start(&space, &["build", "-v", "--no-link", "slow.nix"]);
    running.says("it runs");
    let said = space.fails(3, ["store", "delete", "--yes"]);
    assert!(said.contains("is used by the running command"), "{said}");
    assert_eq!(running.end("a build").code, 0);
    space.ok(["store", "delete", "--yes"]);
}

#[test]
fn a_link_into_another_store_is_told() {
    let (one, other) = (filled(), filled());
    let link = other.path("project/kept");
    for args in [&["show"][..], &["closure"], &["run"]] {
        let args: Vec<&str> = args.iter().copied().chain([link.to_str().unwrap()]).collect();
        let ran = one.run(&args);
        let root = other.store();
        let told = ran.stderr.contains(&format!("--store {}", root.display()));
        assert!(ran.code == 2 && told, "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn an_empty_variable_is_none() {
    let space = filled();
    let mut command = space.command();
    command.args(["paths"]).env("CLUTCH_STORE", "").env("XDG_DATA_HOME", space.path("data"));
    let output = clutch_store_tests::child::output(&mut command).unwrap();
    let ran = clutch_store_tests::Ran::of(output);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let said = space.fails(2, ["--store", "", "paths"]);
    assert!(said.contains("--store"), "{said}");
    let long = format!("{}/{}", space.path("").display(), "x/".repeat(2000));
    let said = space.fails(3, ["--store", &long, "paths"]);
    assert!(said.len() < 1000, "{}", said.len());
}

#[test]
fn a_collection_names_the_roots_that_it_drops() {
    let space = filled();
    let path = space.ok(["build", "--no-link"]);
    let link = space.path("project/kept");
    fs_err::remove_file(&link).unwrap();
    for args in [&["gc", "--dry-run"][..], &["gc"]] {
        let said = space.run(args).stderr;
        assert!(
            said.contains(&format!("link '{}' was removed or changed", link.display())),
            "{said}"
        );
    }
    assert!(!space.valid().contains(&path));
    assert!(!space.run(["gc"]).stderr.contains("was removed or changed"));
}
