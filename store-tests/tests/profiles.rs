//! Profiles: deployed, rolled back, compared, wiped; usable by path and by name; whole at every moment.

use std::{path::PathBuf, process::Stdio};

use clutch_store_tests::{Ran, Space, probing};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Writes an expression for a service of that version, which needs a library and a tool.
fn service(space: &Space, version: &str, library: &str, tool: &str) -> String {
    let salt = space.salt();
    let part = |name: &str, text: &str| {
        probing(name, &salt, &[&["mkdir", "$out"], &["write", "$out/text", text]])
    };
    let operations: [&[&str]; 5] = [
        &["mkdir", "$out"],
        &["mkdir", "$out/bin"],
        &["copy", "$program", "$out/bin/service"],
        &["write", "$out/version", version],
        &["write", "$out/needs", "$needs"],
    ];
    let attributes = format!(
        "{salt} program = ./probe; needs = \"${{{}}} ${{{}}}\";",
        part(library, library),
        part(tool, "the same")
    );
    let file = format!("{version}.nix");
    space.write(&file, probing(&format!("service-{version}"), &attributes, &operations));
    file
}

fn profile(space: &Space, name: &str) -> PathBuf {
    space.path("home/.local/state/clutch/profiles").join(name)
}

fn version(space: &Space, name: &str) -> String {
    fs_err::read_to_string(profile(space, name).join("version")).unwrap()
}

#[test]
fn a_service_is_deployed_and_rolled_back() {
    let space = Space::new(BINARY).with_probe();
    let [one, two] = [("1.0", "lib-1.5", "old-2"), ("2.0", "lib-1.6", "new-3")]
        .map(|(version, library, tool)| service(&space, version, library, tool));
    let first = space.ok(["profile", "set", "web", &one]);
    assert_eq!(version(&space, "web"), "1.0");
    let second = space.ok(["build", "--no-link", &two]);
    // by a store path; what is set already stays what it is
    assert_eq!(space.ok(["profile", "set", "web", &second]), second);
    let said = space.run(["profile", "set", "web", &second]).stderr;
    assert!(said.contains("is already at generation 2"), "{said}");
    assert_eq!(version(&space, "web"), "2.0");
    assert_eq!(fs_err::read_link(profile(&space, "web")).unwrap(), PathBuf::from("web-2-link"));
    assert_eq!(fs_err::read_link(profile(&space, "web-2-link")).unwrap(), space.real(&second));

    // all generations are kept
    space.ok(["gc"]);
    assert!(space.real(&first).exists() && space.real(&second).exists());
    let why = space.ok(["why-alive", &first]);
    assert!(why.starts_with("profile 'web', generation 1\n"), "{why}");
    // all that keeps it is told
    space.ok(["pin", "also", &first]);
    let why = space.ok(["why-alive", &first]);
    assert!(why.contains("profile 'web', generation 1\n") && why.contains("pin 'also'\n"), "{why}");
    let why = json(&space.ok(["why-alive", "--json", &first]));
    let kinds = why.as_array().unwrap().iter().map(|why| why["kind"].as_str().unwrap());
    assert_eq!(kinds.collect::<std::collections::BTreeSet<_>>(), ["pin", "profile"].into());
    space.ok(["pin", "--remove", "also"]);
    let error = space.fails(2, ["closure", "."]);
    assert!(error.contains("run `clutch build` first and give ./result"), "{error}");

    let list = space.ok(["profile", "list", "web"]);
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].starts_with("     1  2") && lines[0].ends_with(&first), "{list}");
    assert!(lines[1].starts_with("*    2  2") && lines[1].ends_with(&second), "{list}");
    let listed = json(&space.ok(["profile", "list", "web", "--json"]));
    assert_eq!(listed["generations"][1]["current"], true);
    assert_eq!(listed["generations"][0]["path"], *first);
    assert!(space.ok(["profile", "list"]).starts_with("web     2  2"));

    assert_eq!(space.ok(["profile", "rollback", "web"]), first);
    assert_eq!(version(&space, "web"), "1.0");
    let error = space.fails(1, ["profile", "rollback", "web"]);
    assert!(error.contains("no generation before the current one"), "{error}");
    let error = space.fails(1, ["profile", "rollback", "web", "--to", "7"]);
    assert!(error.contains("no generation 7; it has 1, 2"), "{error}");
    space.ok(["profile", "rollback", "web", "--to", "2"]);
    assert_eq!(version(&space, "web"), "2.0");

    space.ok(["profile", "wipe", "web", "--keep", "2"]);
    space.ok(["profile", "wipe", "web", "--older-than", "1"]);
    assert_eq!(space.ok(["profile", "list", "web"]).lines().count(), 2, "made today");
    space.ok(["profile", "wipe", "web", "--dry-run"]);
    let wiped = space.ok(["profile", "wipe", "web"]);
    assert!(wiped.ends_with(&first) && wiped.lines().count() == 1, "{wiped}");
    space.ok(["gc"]);
    assert!(!space.real(&first).exists() && space.real(&second).exists());
    // numbers are not used again
    space.ok(["profile", "set", "web", &one]);
    assert!(space.ok(["profile", "list", "web"]).contains("*    3  2"));
    space.ok(["profile", "wipe", "web", "--keep", "1"]);
    assert_eq!(space.ok(["profile", "list", "web"]).lines().count(), 1);
}

#[test]
fn generations_are_compared() {
    let space = Space::new(BINARY).with_probe();
    for (version, library, tool) in
        [("1.0", "lib-1.5", "old-2"), ("2.0", "lib-1.6", "new-3"), ("2.0", "lib-1.6", "new-4")]
    {
        let file = service(&space, version, library, tool);
        space.ok(["profile", "set", "web", &file]);
    }
    let said = space.ok(["profile", "diff", "web", "1", "2"]);
    let lines: Vec<String> =
        said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[0], "lib 1.5 -> 1.6 +0 B", "{said}");
    assert_eq!(lines[1], "new + 3 +8 B", "{said}");
    assert_eq!(lines[2], "old - 2 -8 B", "{said}");
    assert_eq!(lines[3], "service 1.0 -> 2.0 +0 B", "{said}");
    assert!(lines[4].starts_with("closure: "), "{said}");
    let last = json(&space.ok(["profile", "diff", "web", "--json"]));
    assert_eq!((&last["from"]["number"], &last["to"]["number"]), (&2.into(), &3.into()));
    let packages = last["packages"].as_array().unwrap();
    assert_eq!(packages.len(), 2, "{last}");
    assert_eq!(packages[0]["before"]["versions"][0], "3");
    assert_eq!(packages[0]["after"]["versions"][0], "4");
    assert_eq!(packages[1]["before"]["versions"], packages[1]["after"]["versions"]);
    assert_eq!(last["size"]["before"], last["size"]["after"]);
    assert!(space.ok(["profile", "diff", "web"]).contains("2.0 (other content)"));
    space.fails(1, ["profile", "diff", "web", "1", "9"]);
}

#[test]
fn a_profile_is_run_by_name_and_by_path() {
    let space = Space::new(BINARY).with_probe();
    let one = service(&space, "1.0", "lib-1", "tool-1");
    let path = space.ok(["profile", "set", "service", &one]);
    let link = profile(&space, "service");
    let link = link.to_str().unwrap();
    space.ok(["build", &one, "-o", "result"]);
    assert!(space.ok(["closure", "result/bin/service"]).contains(&path));
    for named in ["service", link, "./result", "result", "result/", &path] {
        let said = space.ok(["run", named, "--", "service", "print", "runs"]);
        assert_eq!(said, "runs", "{named}");
        // the main program
        assert_eq!(space.run(["run", named]).code, 0, "{named}");
        let said = space.ok(["shell", named, "--", "service", "print", "in a shell"]);
        assert_eq!(said, "in a shell", "{named}");
        assert!(space.ok(["closure", named]).contains(&path), "{named}");
    }
    // a path of one's own choice
    let place = space.path("srv/app/current");
    let place = place.to_str().unwrap();
    space.ok(["profile", "set", place, "service"]);
    assert_eq!(space.ok(["run", place, "--", "service", "print", "x"]), "x");
    assert_eq!(space.ok(["profile", "list", place]).lines().count(), 1);
    // which the store knows, wherever it is
    let list = space.ok(["profile", "list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("service ") && lines[1].starts_with(place),
        "{list}"
    );
    let listed = json(&space.ok(["profile", "list", "--json"]));
    assert_eq!((&listed[1]["profile"], &listed[1]["name"]), (&place.into(), &"current".into()));
    // a folder with an expression is what it was before there was a profile
    space.write("service/default.nix", "throw \"the folder\"");
    let error = space.fails(1, ["run", "service"]);
    assert!(error.contains("the folder"), "{error}");
    let error = space.fails(2, ["closure", "unknown"]);
    assert!(error.contains("profile or"), "{error}");
}

#[test]
fn a_pin_names_what_it_keeps() {
    let space = Space::new(BINARY).with_probe();
    let [one, two] = [("1.0", "lib-1.5", "tool-1"), ("2.0", "lib-1.6", "tool-1")]
        .map(|(version, library, tool)| service(&space, version, library, tool));
    let [first, second] = [one, two].map(|file| space.ok(["build", "--no-link", &file]));
    space.ok(["pin", "kept", &first]);
    space.ok(["pin", "next", &second]);
    assert_eq!(space.ok(["run", "kept", "--", "service", "print", "runs"]), "runs");
    assert_eq!(space.ok(["shell", "kept", "--", "service", "print", "runs"]), "runs");
    assert!(space.ok(["closure", "kept"]).contains(&first));
    assert_eq!(json(&space.ok(["show", "--json", "kept"]))["path"], *first);
    assert!(space.ok(["why-alive", "kept"]).starts_with("pin 'kept'"));
    space.ok(["verify", "kept"]);
    space.ok(["export", "kept", "-o", "file"]);
    space.ok(["pin", "again", "kept"]);
    assert!(space.ok(["pin", "again"]).ends_with(&first));
    assert_eq!(space.ok(["profile", "set", "app", "kept"]), first);
    // a profile of the same name comes first, and a file before both
    space.ok(["profile", "set", "next", "kept"]);
    assert_eq!(json(&space.ok(["show", "--json", "next"]))["path"], *first);
    let error = space.fails(2, ["closure", "nobody"]);
    assert!(error.contains("a profile or a pin"), "{error}");
    let error = space.fails(2, ["run", "nobody"]);
    assert!(error.contains("profile or pin") && error.contains("`clutch pin`"), "{error}");

    // any two paths are compared
    space.ok(["pin", "later", &second]);
    for pair in [["kept", "later"], ["app", &second], [&first, "later"]] {
        let said = space.ok([&["profile", "diff"], &pair[..]].concat());
        assert!(said.starts_with("lib") && said.contains("1.5 -> 1.6"), "{said}");
    }
    let said = json(&space.ok(["profile", "diff", "kept", "later", "--json"]));
    assert_eq!((&said["from"]["path"], &said["to"]["path"]), (&first.into(), &second.into()));
    space.fails(2, ["profile", "diff", "kept", "later", "3"]);
    space.fails(2, ["profile", "diff", "kept", "nobody"]);
}

#[test]
fn a_generation_has_a_note_and_a_profile_is_deleted() {
    let space = Space::new(BINARY).with_probe();
    let [one, two] = [("1.0", "lib-1", "tool-1"), ("2.0", "lib-1", "tool-1")]
        .map(|(version, library, tool)| service(&space, version, library, tool));
    let first = space.ok(["profile", "set", "web", &one, "--note", "as in the tests"]);
    space.ok(["profile", "set", "web", &two]);
    let notes = || {
        let listed = json(&space.ok(["profile", "list", "web", "--json"]));
        let generations = listed["generations"].as_array().unwrap().iter();
        generations.map(|generation| generation["note"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(notes(), ["as in the tests".into(), Value::Null]);
    let list = space.ok(["profile", "list", "web"]);
    assert!(list.lines().next().unwrap().ends_with(&format!("{first}  as in the tests")), "{list}");
    // of one that is there, and gone with it
    space.ok(["profile", "set", "web", &two, "--note", "ready"]);
    assert_eq!(notes(), ["as in the tests", "ready"]);
    for bad in ["two\nlines", "\u{1b}[2J", &"x".repeat(5000)] {
        let error = space.fails(1, ["profile", "set", "web", &one, "--note", bad]);
        assert!(error.contains("a note is one line"), "{error}");
    }
    space.ok(["profile", "wipe", "web"]);
    assert_eq!(notes(), ["ready"]);
    assert!(!profile(&space, "web-1-note").exists());

    let place = space.path("srv/current");
    let place = place.to_str().unwrap();
    space.ok(["profile", "set", place, &one]);
    for name in ["web", place] {
        let said = space.run(["profile", "delete", name]);
        assert!(said.code == 0 && said.stderr.contains(" with 1 generation\n"), "{}", said.stderr);
    }
    assert_eq!(space.ok(["profile", "list"]), "");
    assert_eq!(fs_err::read_dir(profile(&space, "")).unwrap().count(), 0);
    assert_eq!(fs_err::read_dir(space.path("srv")).unwrap().count(), 0);
    space.ok(["gc"]);
    assert!(!space.real(&first).exists());
}

#[test]
fn what_is_in_the_store_runs_as_its_expression_does() {
    let space = Space::new(BINARY).with_probe();
    // virtual environments by their file, as after an import: nothing else says so
    let venv = |name: &str| {
        let write = ["write", "$out/pyvenv.cfg", "main-program = tool"];
        let copy = |to| ["copy", "$program", to];
        probing(
            name,
            "program = ./probe;",
            &[
                &["mkdir", "$out"],
                &["mkdir", "$out/bin"],
                &copy("$out/bin/a-tool"),
                &copy("$out/bin/tool"),
                &write,
            ],
        )
    };
    let program = |name: &str, needs: &str| {
        probing(
            name,
            &format!("program = ./probe; needs = \"{needs}\";"),
            &[
                &["mkdir", "$out"],
                &["mkdir", "$out/bin"],
                &["copy", "$program", &format!("$out/bin/{name}")],
                &["write", "$out/needs", "$needs"],
            ],
        )
    };
    let (one, two) = (format!("${{{}}}", venv("one")), format!("${{{}}}", venv("two")));
    space.write("venv.nix", venv("one"));
    space.write("app.nix", program("app", &one));
    space.write("both.nix", program("both", &format!("{one} {two}")));
    for name in ["venv", "app", "both"] {
        space.ok(["profile", "set", name, &format!("{name}.nix")]);
    }
    let app = space.ok(["build", "app.nix", "--no-link"]);
    let copy = Space::new(BINARY);
    let file = copy.path("app.export");
    space.ok(["export", &app, "-o", file.to_str().unwrap()]);
    copy.ok(["import", "--accept-unsigned", file.to_str().unwrap(), "-o", "app"]);
    for (space, words) in
        [(&space, &["app"][..]), (&space, &[&app]), (&space, &["app.nix"]), (&copy, &["./app"])]
    {
        for start in ["run", "shell"] {
            for tool in ["a-tool", "app"] {
                let words = [&[start], words, &["--", tool, "print", tool]].concat();
                assert_eq!(space.ok(&words), tool, "{words:?}");
            }
        }
        assert_eq!(
            space.ok([&["run"], words, &["--", "app", "read", "/proc/self/comm"]].concat()),
            "app"
        );
    }
    // the environment names its main program, which is neither its own name nor the only one
    for named in ["venv", "venv.nix"] {
        assert_eq!(space.run(["run", named]).code, 0, "{named}");
    }
    // which of two environments is meant is not known
    for named in ["both", "both.nix"] {
        assert_eq!(space.ok(["run", named, "--", "both", "print", "x"]), "x");
        space.fails(127, ["run", named, "--", "tool", "print", "x"]);
    }
}

#[test]
fn what_is_no_profile_is_left_alone() {
    let space = Space::new(BINARY).with_probe();
    let one = service(&space, "1.0", "lib-1", "tool-1");
    for name in ["web-3-link", "web-3-note", ".", "a b"] {
        space.fails(2, ["profile", "set", name, &one]);
    }
    fs_err::create_dir_all(profile(&space, "taken")).unwrap();
    let error = space.fails(1, ["profile", "set", "taken", &one]);
    assert!(error.contains("exists and is not a profile"), "{error}");
    for words in [
        &["list", "none"][..],
        &["rollback", "none"],
        &["diff", "none"],
        &["wipe", "none"],
        &["delete", "none"],
    ] {
        let error = space.fails(1, ["profile"].iter().chain(words));
        assert!(error.contains("there is no profile"), "{error}");
    }
    let many = "[ (import ./1.0.nix) (import ./2.0.nix) ]";
    service(&space, "2.0", "lib-1", "tool-1");
    let error = space.fails(2, ["profile", "set", "web", "-E", many]);
    assert!(error.contains("has 2"), "{error}");
    space.fails(
        1,
        ["profile", "set", "web", "/clutch/store/00000000000000000000000000000000-missing"],
    );
    assert_eq!(space.ok(["profile", "list", "--json"]), "[]");
    // a generation whose path is gone is no place to go back to
    let path = space.ok(["profile", "set", "web", &one]);
    space.ok(["profile", "set", "web", "2.0.nix"]);
    let link = profile(&space, "web-1-link");
    fs_err::remove_file(&link).unwrap();
    space.ok(["gc"]);
    std::os::unix::fs::symlink(space.real(&path), &link).unwrap();
    let error = space.fails(1, ["profile", "rollback", "web"]);
    assert!(error.contains("is not in the store"), "{error}");
    assert_eq!(version(&space, "web"), "2.0");
}

#[test]
fn several_processes_set_one_profile() {
    let space = Space::new(BINARY).with_probe();
    let paths: Vec<String> = (0..8)
        .map(|n| {
            let file = service(&space, &format!("{n}.0"), "lib-1", "tool-1");
            space.ok(["build", "--no-link", &file])
        })
        .collect();
    let children: Vec<_> = paths
        .iter()
        .map(|path| {
            let mut command = space.command();
            command.args(["profile", "set", "web", path]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let listed = json(&space.ok(["profile", "list", "web", "--json"]));
    let generations = listed["generations"].as_array().unwrap();
    let numbers: Vec<u64> = generations.iter().map(|g| g["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    let mut set: Vec<&str> = generations.iter().map(|g| g["path"].as_str().unwrap()).collect();
    set.sort_unstable();
    let mut all: Vec<&str> = paths.iter().map(String::as_str).collect();
    all.sort_unstable();
    assert_eq!(set, all);
    assert_eq!(generations[7]["current"], true);
}

/// Kills `profile set` at moments spread over its run. `CLUTCH_TEST_KILLS` says how many times.
#[test]
fn a_killed_switch_leaves_the_old_or_the_new() {
    let space = Space::new(BINARY).with_probe();
    let paths = ["1.0", "2.0"].map(|version| {
        let file = service(&space, version, "lib-1", "tool-1");
        space.ok(["profile", "set", "web", &file])
    });
    let start = std::time::Instant::now();
    space.ok(["profile", "set", "web", &paths[0]]);
    let whole = start.elapsed();
    let kills = std::env::var("CLUTCH_TEST_KILLS").map_or(40, |text| text.parse().unwrap());
    for n in 0..kills {
        let path = &paths[(n as usize + 1) % 2];
        let mut command = space.command();
        command.args(["profile", "set", "web", path]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(whole * n / kills);
        let _ = child.kill();
        child.wait().unwrap();
        let target = fs_err::canonicalize(profile(&space, "web")).unwrap();
        assert!(paths.iter().any(|path| space.real(path) == target), "{}", target.display());
        if n % 10 == 0 {
            space.ok(["gc"]);
            assert!(paths.iter().all(|path| space.real(path).exists()));
        }
    }
    space.ok(["profile", "set", "web", &paths[0]]);
    space.ok(["profile", "set", "web", &paths[1]]);
    assert_eq!(version(&space, "web"), "2.0");
    let folder = fs_err::read_dir(profile(&space, "")).unwrap();
    let names: Vec<_> = folder.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| name.starts_with("web")), "nothing is left over: {names:?}");
}

#[test]
fn shells_complete_what_is_in_the_store() {
    let space = Space::new(BINARY).with_probe();
    // a question makes no store
    assert_eq!(space.completions(&["run", "we"]), [""]);
    assert!(!space.store().exists());
    let path = space.ok(["profile", "set", "web-site", &service(&space, "1.0", "lib", "tool")]);
    space.ok(["profile", "set", "other", "web-site"]);
    space.ok(["pin", "weekly", "web-site"]);
    fs_err::create_dir(space.path("project/webbing")).unwrap();
    let prefix = &path["".len().."/clutch/store/".len() + 5];
    let with_folder = vec!["web-site".to_owned(), "weekly".to_owned(), "webbing/".to_owned()];
    for (words, expected) in [
        (&["run", "we"][..], with_folder.clone()),
        (&["closure", "we"], with_folder),
        (&["profile", "rollback", "we"], vec!["web-site".to_owned()]),
        (&["profile", "diff", "oth"], vec!["other".to_owned()]),
        (&["profile", "diff", "other", "week"], vec!["weekly".to_owned()]),
        (&["profile", "delete", "oth"], vec!["other".to_owned()]),
        (&["profile", "set", "new", "week"], vec!["weekly".to_owned()]),
        (&["export", "week"], vec!["weekly".to_owned()]),
        (&["closure", "other", "--why", "week"], vec!["weekly".to_owned()]),
        (&["pin", "we"], vec!["weekly".to_owned()]),
        (&["why-alive", prefix], vec![path.clone()]),
        (&["bui"], vec!["build".to_owned()]),
    ] {
        assert_eq!(space.completions(words), expected, "{words:?}");
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(space.ok(["completions", shell]).contains("CLUTCH_COMPLETE"), "{shell}");
    }
}
