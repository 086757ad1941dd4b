//! `clutch build --check`: a second build is the same, or its differences are shown.

use std::io::{Cursor, Write as _};

use clutch_store_tests::{
    Space,
    index::{Fault, Index},
    probing,
};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

const CHECK: [&str; 4] = ["build", "--check", "--cores", "2"];

/// A space with the probe that can build these.
fn space_of(derivations: &[(&str, &str, &[&[&str]])]) -> Space {
    let space = Space::new(BINARY).with_probe();
    let all: String = derivations
        .iter()
        .map(|(name, attributes, words)| {
            format!("{name} = {};\n", probing(name, attributes, words))
        })
        .collect();
    space.write("default.nix", format!("rec {{ {all} }}"));
    space
}

#[test]
fn what_is_made_of_its_inputs_alone_is_the_same() {
    let space = space_of(&[
        ("text", "", &[&["write", "$out", "x"]]),
        // an output that names itself, another one, and an input
        (
            "several",
            "outputs = [ \"out\" \"dev\" ]; inherit text;",
            &[
                &["mkdir", "$out"],
                &["symlink", "$out/b", "$out/a"],
                &["write", "$out/b", "x"],
                &["symlink", "$text", "$dev"],
            ],
        ),
        (
            "fixed",
            "outputHashMode = \"flat\"; outputHashAlgo = \"sha256\"; outputHash = \
             \"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\";",
            &[&["write", "$out", "x"]],
        ),
    ]);
    // the first time all of it is built first
    let out = space.ok(CHECK);
    let same: Vec<&str> =
        out.lines().filter_map(|line| line.strip_suffix(" is the same")).collect();
    assert_eq!(same.len(), 4, "{out}");
    for name in ["-text", "-several", "-several-dev", "-fixed"] {
        assert!(same.iter().any(|path| path.ends_with(name)), "{name}: {out}");
    }
    assert!(!space.path("project/result").exists());
    let document: Value =
        serde_json::from_str(&space.ok(["build", "--check", "--json", "-A", "text"])).unwrap();
    assert_eq!(document["checked"].as_array().unwrap().len(), 1);
    assert_eq!(document["checked"][0]["same"], true);
}

#[test]
fn what_depends_on_chance_is_found_out() {
    let space = space_of(&[
        ("time", "", &[&["stamp", "$out"]]),
        ("random", "", &[&["mkdir", "$out"], &["random", "$out/drawn"]]),
        ("cores", "", &[&["write", "$out", "$NIX_BUILD_CORES"]]),
        ("number", "", &[&["number", "$out"]]),
        ("good", "", &[&["write", "$out", "x"]]),
    ]);
    space.ok(["build", "--no-link", "--cores", "2"]);
    let before = space.valid();
    let ran = space.run(CHECK);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("4 of 5 outputs differ"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--keep-differing"), "{}", ran.stderr);
    let about = |name: &str| {
        let named = |line: &&str| line.starts_with("/clutch/store/") && line.contains(name);
        let mut lines = ran.stdout.lines().skip_while(|line| !named(line));
        let first = lines.next().unwrap_or_else(|| panic!("{name}: {}", ran.stdout)).to_owned();
        let rest = lines.take_while(|line| line.starts_with(' ')).map(|line| format!("\n{line}"));
        first + &rest.collect::<String>()
    };
    assert!(about("-good").ends_with(" is the same"));
    let time = about("-time");
    assert!(time.contains("-time differs in 1 place:\n  itself: differs from byte "), "{time}");
    assert!(time.contains("\n    store   ") && time.contains("\n    rebuilt "), "{time}");
    assert!(about("-random").contains("\n  drawn: differs from byte "), "{}", about("-random"));
    let cores = about("-cores");
    assert!(cores.contains("differs from byte 0 on, of 1\n"), "{cores}");
    assert!(cores.contains("32 ") && cores.contains("|2|") && cores.contains("|1|"), "{cores}");
    assert!(about("-number").contains("|process 2|"), "{}", about("-number"));
    // the store is as it was
    assert_eq!(space.valid(), before);
    space.ok(["verify"]);
}

fn zip_of(number: u8) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in [("same.py", "x"), ("pkg/version.py", &*format!("cores = {number}"))] {
        writer.start_file(name, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn members_of_archives_and_parts_of_byte_code_are_named() {
    let space = space_of(&[
        (
            "wheel",
            "wheels = ./wheels;",
            &[&["mkdir", "$out"], &["by-cores", "$wheels", "$out/x.whl"]],
        ),
        ("code", "codes = ./codes;", &[&["mkdir", "$out"], &["by-cores", "$codes", "$out/m.pyc"]]),
    ]);
    for number in [1, 2] {
        space.write(&format!("wheels/{number}"), zip_of(number));
        let time = [&b"\xa7\r\r\n\0\0\0\0"[..], &[number, 0, 0, 0, 9, 0, 0, 0], b"code"].concat();
        space.write(&format!("codes/{number}"), time);
    }
    let ran = space.run(CHECK);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for text in [
        "  x.whl > pkg/version.py: differs from byte 8 on, of 9\n",
        "  m.pyc: header: time of the source is 2 in the store, 1 rebuilt\n",
    ] {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }
    let ran = space.run(CHECK.iter().chain(&["--json"]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let checked = document["checked"].as_array().unwrap();
    let of = |name: &str| {
        let it = checked.iter().find(|c| c["path"].as_str().unwrap().ends_with(name)).unwrap();
        assert_eq!(it["same"], false);
        it["differences"][0].clone()
    };
    let wheel = of("-wheel");
    assert_eq!(wheel["members"], serde_json::json!(["pkg/version.py"]));
    assert_eq!((&wheel["kind"], &wheel["offset"]), (&"bytes".into(), &8.into()));
    assert_eq!(of("-code")["field"], "header: time of the source");
}

#[test]
fn what_differs_is_kept_where_it_is_asked_for() {
    let space = space_of(&[("random", "", &[&["mkdir", "$out"], &["random", "$out/drawn"]])]);
    let path = space.ok(["build", "--no-link"]);
    space.fails(1, CHECK);
    assert!(!space.store().join("var/check").exists());
    let mut earlier = String::new();
    for _ in 0..2 {
        let ran = space.run(CHECK.iter().chain(&["--keep-differing"]));
        let kept = ran.stdout.lines().find_map(|l| l.strip_prefix("  kept in "));
        let kept = std::path::Path::new(kept.unwrap_or_else(|| panic!("{}", ran.stdout)));
        assert!(
            kept.starts_with(space.store().join("var/check"))
                && kept.extension().unwrap() == "check"
        );
        let text = fs_err::read_to_string(kept.join("drawn")).unwrap();
        assert!(text.starts_with("drawn ") && text != earlier, "{text}");
        assert_ne!(fs_err::read_to_string(space.real(&path).join("drawn")).unwrap(), text);
        // a collection has nothing to do with it
        space.ok(["gc"]);
        assert!(kept.join("drawn").exists());
        space.ok(["build", "--no-link"]);
        earlier = text;
    }
}

#[test]
fn a_fixed_output_is_fetched_again() {
    let index = Index::new();
    let hash = index.release("thing", "thing-1.0.tar.gz", "content", Value::Null);
    let space = Space::new(BINARY);
    let expression = format!(
        "derivation {{ name = \"thing\"; system = \"builtin\"; builder = \"builtin:fetch\"; \
         index = \"test\"; project = \"thing\"; file = \"thing-1.0.tar.gz\"; \
         outputHashMode = \"flat\"; outputHashAlgo = \"sha256\"; outputHash = \"{hash}\"; }}"
    );
    space.write("default.nix", expression);
    let at = format!("--index=test={}", index.simple());
    let path = space.ok(["build", "--no-link", &at]);
    assert_eq!(space.ok(["build", "--check", &at]), format!("{path} is the same"));
    assert_eq!(index.seen("files/thing-1.0.tar.gz").len(), 2);
    index.fault("files/thing-1.0.tar.gz", Fault::Wrong(b"another".to_vec()));
    let error = space.fails(1, ["build", "--check", &at]);
    assert!(error.contains("the content of a file does not match its hash"), "{error}");
    let error = space.fails(1, ["build", "--check", "--offline", &at]);
    assert!(error.contains("--offline"), "{error}");
    space.ok(["verify"]);
}

#[test]
fn a_damaged_store_is_not_taken_for_an_impure_build() {
    use std::os::unix::fs::PermissionsExt;
    let space = space_of(&[("text", "", &[&["write", "$out", "$NIX_BUILD_CORES"]])]);
    let path = space.ok(["build", "--no-link", "--cores", "2"]);
    // what the second build will make
    let file = space.real(&path);
    fs_err::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(&file, "1").unwrap();
    let error = space.fails(1, CHECK);
    assert!(error.contains("has changed since it was made"), "{error}");
    assert!(error.contains("verify --repair"), "{error}");
}

#[test]
fn options_that_make_no_sense_together_are_refused() {
    let space = Space::new(BINARY);
    for words in [&["--keep-differing"][..], &["--check", "-o", "x"], &["--check", "--dry-run"]] {
        space.fails(2, ["build"].iter().chain(words));
    }
}
