//! Errors of the library `<clutch>`: mistakes are told at their line, with what to
//! do, and a lock that is older than its requirements is no secret.

use clutch_store_tests::{
    Space,
    index::{Index, sha256},
};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A lock of one wheel, as it was written before locks said what they were made of.
fn lock(file: &str) -> String {
    format!(
        "version = 1\nkind = \"python\"\nindex = \"test\"\n\n[[target]]\npython = \"3.11\"\n\
         platform = \"manylinux_2_36_x86_64\"\n\n[[package]]\nname = \"thing\"\nversion = \"1.0\"\n\
         [[package.file]]\nname = \"{file}\"\nsize = 7\nsha256 = \"{}\"\n",
        sha256(b"content")
    )
}

/// Evaluates; what is told on standard error.
fn told(space: &Space) -> String {
    let ran = space.run(["eval", "--no-eval-cache", "--raw", "default.nix"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stderr
}

#[test]
fn a_lock_that_is_older_than_its_requirements_is_told() {
    let (space, index) = (Space::new(BINARY), Index::new());
    for version in ["1.0", "2.0"] {
        let file = format!("thing-{version}-py3-none-any.whl");
        index.release("thing", &file, "content", serde_json::Value::Null);
    }
    space.write("requirements.txt", "-r sub/more.txt\n");
    space.write("sub/more.txt", "thing==1.0\n");
    space.write(
        "default.nix",
        "((import <clutch>).python.environment { name = \"e\"; lock = ./clutch.lock; }).drvPath",
    );
    let at = format!("--index=pypi={}", index.simple());
    space.ok(["lock", "requirements.txt", &at]);
    let made = fs_err::read_to_string(space.path("project/clutch.lock")).unwrap();
    for file in ["requirements.txt", "sub/more.txt"] {
        assert!(
            made.contains(&format!("[[requirements]]\nfile = \"{file}\"\nsha256 = ")),
            "{made}"
        );
    }
    assert_eq!(told(&space), "");

    space.write("sub/more.txt", "thing==2.0\n");
    let warning = told(&space);
    let lock_path = space.path("project/clutch.lock");
    assert_eq!(
        warning,
        format!(
            "warning: {}: sub/more.txt has changed since the lock was made; run 'clutch lock \
             requirements.txt'\n",
            lock_path.display()
        )
    );
    // with what was evaluated before, too
    let known = space.run(["build", "--dry-run"]).stderr;
    assert!(known.contains("sub/more.txt has changed since"), "{known}");
    space.ok(["lock", "requirements.txt", &at]);
    assert_eq!(told(&space), "");

    // a lock alone says nothing, and neither does one of before
    fs_err::remove_file(space.path("project/requirements.txt")).unwrap();
    fs_err::remove_dir_all(space.path("project/sub")).unwrap();
    assert_eq!(told(&space), "");
    space.write("clutch.lock", lock("thing-1.0-py3-none-any.whl"));
    assert_eq!(told(&space), "");
}

#[test]
fn only_requirements_beside_the_lock_are_written_down() {
    let (space, index) = (Space::new(BINARY), Index::new());
    let file = "thing-1.0-py3-none-any.whl";
    index.release("thing", file, "content", serde_json::Value::Null);
    space.write("in/requirements.txt", "-r ../other.txt\n");
    space.write("other.txt", "thing==1.0\n");
    space.write("locks/.keep", "");
    let at = format!("--index=pypi={}", index.simple());
    let lock = |output: &str| {
        let lock = space.ok(["lock", "in/requirements.txt", &at, "-o", output]);
        let made = fs_err::read_to_string(space.path("project").join(output)).unwrap_or(lock);
        made.lines().filter(|line| line.starts_with("file = ")).map(str::to_owned).collect()
    };
    let files: Vec<String> = lock("all.lock");
    assert_eq!(files, ["file = \"in/requirements.txt\"", "file = \"other.txt\""]);
    let files: Vec<String> = lock("locks/none.lock");
    assert_eq!(files, [""; 0]);
    let files: Vec<String> = lock("-");
    assert_eq!(files, ["file = \"requirements.txt\""]);
}

#[test]
fn a_lock_that_names_what_is_not_beside_it_is_refused() {
    let space = Space::new(BINARY);
    space.write("default.nix", "(import <clutch>).python.wheels { lock = ./clutch.lock; }");
    for file in ["../secret", "/etc/passwd", "a/../../b", ".", "a/./b"] {
        let text = lock("thing-1.0-py3-none-any.whl");
        let sha256 = sha256(b"x");
        let table =
            format!("[[requirements]]\nfile = \"{file}\"\nsha256 = \"{sha256}\"\n\n[[target]]");
        space.write("clutch.lock", text.replace("[[target]]", &table));
        let error = space.fails(1, ["eval", "default.nix"]);
        let expected =
            "clutch.lock:6: requirements: field 'file': expected a path below the lock's";
        assert!(error.contains(expected) && error.contains("clutch lock"), "{file}: {error}");
    }
}

/// Locks are read by the same code that writes them, and their errors name the line.
#[test]
fn a_wrong_lock_is_told_with_its_line() {
    let space = Space::new(BINARY);
    space.write(
        "default.nix",
        "{ python = (import <clutch>).python.wheels { lock = ./clutch.lock; };\n\
         debian = (import <clutch>).debian.lock ./clutch.lock; }",
    );
    let text = lock("thing-1.0-py3-none-any.whl");
    for (from, to, expected) in [
        (
            "size = 7",
            "size = -7",
            "clutch.lock:14: package 'thing': file 'thing-1.0-py3-none-any.whl': field 'size'",
        ),
        (
            "version = \"1.0\"",
            "version = \"1.0\"\nmark = 1",
            "clutch.lock:12: package 'thing': field 'mark' is unknown",
        ),
        (
            "kind = \"python\"",
            "kind = \"debian\"",
            "clutch.lock:2: field 'kind': expected 'python', found 'debian'",
        ),
        ("[[target]]", "[[target", "clutch.lock:5: not TOML"),
        (
            "version = 1\n",
            "version = 2\n",
            "clutch.lock:1: field 'version': expected version 1, found 2",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        space.write("clutch.lock", text.replacen(from, to, 1));
        let error = space.fails(1, ["eval", "default.nix", "-A", "python"]);
        let advice = "to write the lock again, run `clutch lock requirements.txt`";
        assert!(error.contains(expected) && error.contains(advice), "{error}");
        assert!(error.contains("/project/default.nix:1:"), "{error}");
    }
    space.write("clutch.lock", &text);
    let error = space.fails(1, ["eval", "default.nix", "-A", "debian.packages"]);
    assert!(
        error.contains("clutch.lock:2: field 'kind': expected 'debian', found 'python'"),
        "{error}"
    );
    let caught = "builtins.tryEval (import ./default.nix).debian.packages";
    assert!(space.ok(["eval", "-E", caught]).contains("success = false"));
    // a lock counts as memory of the evaluation
    space.write("clutch.lock", format!("{text}# {}\n", "x".repeat(1 << 20)));
    let all = ["eval", "default.nix", "-A", "python.thing.name"];
    assert_eq!(space.run(all).code, 0);
    let error = space.fails(1, [&all[..], &["--max-eval-memory", "20M"]].concat());
    assert!(error.contains("--max-eval-memory"), "{error}");
}

#[test]
fn an_evaluation_is_made_anew_if_its_lock_has_changed() {
    let space = Space::new(BINARY);
    space.write(
        "default.nix",
        "(import <clutch>).python.environment { name = \"e\"; lock = ./clutch.lock; }",
    );
    let plan = || space.run(["build", "--dry-run", "--json"]).stdout;
    space.write("clutch.lock", lock("thing-1.0-py3-none-any.whl"));
    let first = plan();
    assert_eq!(plan(), first);
    space.write("clutch.lock", lock("thing-1.0-py3-none-any.whl").replace("size = 7", "size = x"));
    assert!(space.run(["build", "--dry-run"]).stderr.contains("clutch.lock:14: "));
    space.write("clutch.lock", lock("thing-1.0-1-py3-none-any.whl"));
    assert_ne!(plan(), first);
}

/// Markers follow the specification, and tags know musl.
#[test]
fn an_interpreter_gets_the_wheels_that_are_for_it() {
    let space = Space::new(BINARY);
    let package = |name: &str, marker: &str, tag: &str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1\"\nmarker = \"{marker}\"\n\
             [[package.file]]\nname = \"{name}-1-{tag}.whl\"\nsize = 7\nsha256 = \"{}\"\n",
            sha256(b"content")
        )
    };
    let any = "py3-none-any";
    let lock = [
        "version = 1\nkind = \"python\"\nindex = \"test\"\n[[target]]\npython = \"3.13\"\n\
         platform = \"musllinux_1_2_x86_64\"\n"
            .to_owned(),
        package("before", "python_full_version < '3.13.0rc1'", any),
        package("after", "python_full_version >= '3.13.0.dev0'", any),
        package("text", "sys_platform < 'linux2'", any),
        package("musl", "os_name == 'posix'", "cp313-cp313-musllinux_1_1_x86_64"),
        package("glibc", "os_name == 'posix'", "cp313-cp313-manylinux_2_17_x86_64"),
    ];
    space.write("clutch.lock", lock.concat());
    let wheels = |library: &str| {
        let interpreter = format!("{{ version = \"3.13.0\"; {library} }}");
        format!(
            "builtins.mapAttrs (name: wheel: (builtins.tryEval wheel.file).value)\n((import \
             <clutch>).python.wheels {{ lock = ./clutch.lock; interpreter = {interpreter}; }})"
        )
    };
    let eval = |text: &str| space.ok(["eval", "--json", "-E", text]);
    let found: serde_json::Value = serde_json::from_str(&eval(&wheels("musl = \"1.2\";"))).unwrap();
    let expected = serde_json::json!({
        "after": "after-1-py3-none-any.whl",
        "glibc": false,
        "musl": "musl-1-cp313-cp313-musllinux_1_1_x86_64.whl",
    });
    assert_eq!(found, expected);
    let found: serde_json::Value =
        serde_json::from_str(&eval(&wheels("glibc = \"2.36\";"))).unwrap();
    assert_eq!((&found["musl"], found["glibc"].is_string()), (&false.into(), true));
    let error = space.fails(1, ["eval", "-E", &wheels("")]);
    assert!(error.contains("expected an attribute 'glibc' such as \"2.36\", or 'musl'"), "{error}");
}

/// Numbers of tags multiply; a name of 20 KB stood for more than can be looked at in a day.
#[test]
fn names_and_markers_in_a_lock_are_bounded() {
    let space = Space::new(BINARY);
    let wheels = "(import <clutch>).python.wheels { lock = ./clutch.lock; }";
    space.write("default.nix", format!("({wheels}).thing.file"));
    let tags = |count: usize| format!("{}x", "x.".repeat(count));
    let long = tags(3000);
    let many = tags(30);
    for (file, expected) in [
        (format!("thing-1.0-{long}-{long}-{long}.whl"), "...' is not a wheel's file name"),
        (format!("thing-1.0-{many}-{many}-{many}.whl"), "it stands for more than 1000 tags"),
    ] {
        space.write("clutch.lock", lock(&file));
        let error = space.fails(1, ["eval", "default.nix"]);
        assert!(error.contains(expected) && error.len() < 4000, "{error}");
    }
    let text = lock("thing-1.0-py3-none-any.whl");
    let with = |marker: &str| {
        let marker = format!("version = \"1.0\"\nmarker = \"{marker}\"");
        space.write("clutch.lock", text.replace("version = \"1.0\"", &marker));
        space.run(["eval", "default.nix"])
    };
    for (marker, expected) in [
        ("os_name == 'x' or ".repeat(1_000_000), "longer than"),
        ("os_name == 'x' or ".repeat(2_000), "more than 1000 comparisons"),
        ("(".repeat(60_000), "parentheses are nested deeper than 64"),
    ] {
        let ran = with(&marker);
        assert_eq!(ran.code, 1, "{}", ran.stdout);
        let error = &ran.stderr;
        assert!(error.contains(expected) && error.contains("clutch.lock:12: "), "{error}");
        assert!(error.len() < 4000, "{error}");
    }
    // a text that is not a version is compared as a text
    let long = with(&format!("python_version == '3{}'", ".0".repeat(20_000)));
    assert_eq!(long.code, 1, "{}", long.stdout);
    assert!(long.stderr.contains("attribute 'thing' missing"), "{}", long.stderr);
    let ran = with(&format!("{}os_name == 'posix'", "os_name == 'x' or ".repeat(900)));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("thing"), "{}", ran.stdout);
}

#[test]
fn mistakes_are_told_at_the_users_line_with_what_to_do() {
    let space = Space::new(BINARY);
    space.write("requirements.txt", "thing==1.0\n");
    space.write("clutch.lock", lock("thing-1.0-cp39-cp39-win_amd64.whl"));
    space.write("x.whl", "");
    for (call, message) in [
        (
            "python.environment { name = \"x\"; lock = ./other.lock; }",
            "other.lock does not exist; to create it, run `clutch lock requirements.txt -o other.lock`",
        ),
        (
            "python.environment { name = \"x\"; lock = ./requirements.txt; }",
            "requirements.txt is not a lock; to create one, run `clutch lock requirements.txt`",
        ),
        (
            "python.environment { name = \"x\"; lock = \"clutch.lock\"; }",
            "write the path without quotes: lock = ./clutch.lock",
        ),
        (
            "python.environment { name = \"x\"; lock = 5; }",
            "lock is int, expected a path; write lock = ./clutch.lock",
        ),
        (
            "python.environment { name = \"x\"; lock = ./clutch.lock; }",
            "clutch.lock:9: package 'thing' 1.0 has no wheel for Python 3.11 on manylinux_2_36_x86_64, only \
             thing-1.0-cp39-cp39-win_amd64.whl; run 'clutch lock --python 3.11 requirements.txt', or",
        ),
        (
            "python.environment { name = \"x\"; distributions = [ ./x.whl ]; }",
            "x.whl is a file, not an installed distribution",
        ),
        (
            "python.environment { name = \"x\"; distributions = [ ./nothing ]; }",
            "nothing does not exist",
        ),
        (
            "python.package { name = \"x\"; version = \"one\"; source = ./.; }",
            "version = \"one\" is not a version (PEP 440)",
        ),
        (
            "python.package { name = \"x y\"; version = \"1\"; source = ./.; }",
            "name = \"x y\" is not a distribution name",
        ),
        (
            "python.package { name = \"x\"; version = \"1\"; source = ./nothing; }",
            "nothing does not exist",
        ),
        (
            "debian.prefix { name = \"x\"; packages = ./other.lock; }",
            "other.lock does not exist; to create it, run `clutch lock --debian SUITE PACKAGE... -o other.lock`",
        ),
        (
            "fetch { url = \"https://example.test/\"; }",
            "does not end in a file name; add name = \"FILE\"",
        ),
        (
            "python.environment { name = \"x\"; lockfile = ./clutch.lock; }",
            "it takes check, collisions, distributions, index, interpreter, lock, mainProgram, name,",
        ),
        // what the derivation is made of is looked at when nobody is on the stack any more
        ("python.environment { name = \"x y\"; }", "invalid derivation name 'x y'"),
        ("text { name = \"x y\"; text = \"\"; }", "invalid derivation name 'x y'"),
        ("unpack { name = \"x\"; src = ./missing.zip; }", "missing.zip"),
        ("debian.prefix { name = \"x\"; packages = [ ./missing.deb ]; }", "missing.deb"),
        ("python.program { name = \"x\"; environment = 1; script = ./missing; }", "missing"),
        ("derivation { name = \"x\"; script = \"\"; source = ./missing; }", "missing"),
    ] {
        space.write("default.nix", format!("let clutch = import <clutch>;\nin clutch.{call}\n"));
        let error = space.fails(1, ["build", "--no-link"]);
        assert!(error.contains(message), "{call}: {error}");
        let first = error.find(" --> ").unwrap_or_else(|| panic!("{call}: {error}"));
        let place = error[first..].lines().next().unwrap();
        assert!(place.contains("/project/default.nix:2:"), "{call}: {error}");
        // neither where it was raised nor how the library came there
        assert!(!error.contains("/__clutch__/") && !error.contains("from call site"), "{error}");
        assert!(error.lines().count() <= 13, "{call}: {error}");
    }
}
