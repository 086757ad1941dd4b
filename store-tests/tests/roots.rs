//! Garbage collection: roots and limits that keep paths: links, pins, processes, imports, limits.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _, path::Path, process::Stdio};

use clutch_store_tests::{Space, probing};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Builds a path of that name that holds a file of so many bytes, `fill` its content; all that the build
/// needs is this space's own, too.
fn sized(space: &Space, name: &str, fill: char, bytes: usize) -> String {
    let text = space.salt() + &fill.to_string().repeat(bytes);
    space.write(&format!("{name}.txt"), text);
    let copy: [&[&str]; 2] = [&["mkdir", "$out"], &["copy", "$text", "$out/text"]];
    let file = format!("{name}.nix");
    let attributes = format!("{} text = ./{name}.txt;", space.salt());
    space.write(&file, probing(name, &attributes, &copy));
    space.ok(["build", "--no-link", &file])
}

/// The bytes that the store's paths, and what is in its pool, take on disk, each file once.
fn on_disk(space: &Space) -> u64 {
    fn walk(folder: &Path, seen: &mut BTreeMap<u64, u64>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            seen.insert(metadata.ino(), metadata.blocks() * 512);
            if metadata.is_dir() {
                walk(&entry.path(), seen);
            }
        }
    }
    let mut seen = BTreeMap::new();
    walk(&space.store().join("store"), &mut seen);
    for folder in fs_err::read_dir(space.store().join("var/pool")).unwrap() {
        walk(&folder.unwrap().path(), &mut seen);
    }
    seen.into_values().sum()
}

#[test]
fn a_collection_frees_what_it_says() {
    let space = Space::new(BINARY).with_own_probe();
    // a and b share their text, and so do the sources that it is copied from
    let [a, b, c] =
        [("a", 'x'), ("b", 'x'), ("c", 'y')].map(|(name, fill)| sized(&space, name, fill, 100_000));
    space.ok(["pin", "a", &a]);
    let would = json(&space.ok(["gc", "--dry-run", "--json"]));
    let before = on_disk(&space);
    let did = json(&space.ok(["gc", "--json"]));
    assert_eq!(would, did, "a dry run tells what happens");
    let freed = did["freed"].as_u64().unwrap();
    assert!(freed > 100_000 && freed < did["size"].as_u64().unwrap(), "b is only a name: {did}");
    assert_eq!(before - on_disk(&space), freed);
    assert!(!space.real(&b).exists() && !space.real(&c).exists());
    assert_eq!(json(&space.ok(["gc", "--json"]))["freed"], 0);

    space.ok(["pin", "--remove", "a"]);
    let said = space.run(["gc"]).stderr;
    assert!(said.contains(" deleted, ") && said.contains(" freed"), "{said}");
    assert_eq!((space.on_disk(), space.valid()), (Vec::new(), Vec::new()));
}

#[test]
fn limits_end_a_collection() {
    let space = Space::new(BINARY).with_own_probe();
    for (name, fill) in [("a", 'a'), ("b", 'b'), ("c", 'c')] {
        sized(&space, name, fill, 100_000);
    }
    // what goes first of things of one age depends on their hashes; this is larger than all the rest
    let probe = space.valid().into_iter().find(|path| path.ends_with("-probe")).unwrap();
    space.ok(["pin", "probe", &probe]);
    let freed = |words: &[&str]| {
        let words = ["gc", "--dry-run", "--json"].iter().chain(words);
        json(&space.ok(words))["freed"].as_u64().unwrap()
    };
    let all = freed(&[]);
    assert!(all > 300_000, "{all}");
    assert_eq!(freed(&["--keep-days", "1"]), 0, "all of it was made today");
    let some = freed(&["--max-freed", "150K"]);
    assert!((150 << 10..all).contains(&some), "{some}");
    let size = on_disk(&space);
    assert_eq!(freed(&["--max-size", &(size + 1).to_string()]), 0);
    assert_eq!(freed(&["--max-size", "1G"]), 0);
    let most = size - 150_000;
    space.ok(["gc", "--max-size", &most.to_string()]);
    let left = on_disk(&space);
    assert!(left <= most && left > most - 120_000, "no more than it takes: {left} of {size}");
    space.fails(2, ["gc", "--max-size", "lots"]);
}

#[test]
fn pins_are_listed_and_end() {
    let space = Space::new(BINARY).with_own_probe();
    let [a, b] = ["a", "b"].map(|name| sized(&space, name, 'x', 10));
    space.ok(["pin", "release", &a]);
    space.ok(["pin", "trial", &b, "--days", "3"]);
    space.ok(["pin", "then", &b, "--until", "2999-12-31"]);
    let list = space.ok(["pin"]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines[0], format!("release  {a}"));
    assert_eq!(lines[1], format!("then     {b}  until 2999-12-31T00:00:00Z"));
    let pins = json(&space.ok(["pin", "--json"]));
    assert_eq!((&pins[0]["name"], &pins[0]["until"]), (&"release".into(), &Value::Null));
    let until = pins[2]["until"].as_u64().unwrap();
    assert!(space.ok(["pin", "trial"]).contains("until 2"), "one pin is shown alone");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(until > now + 2 * 86_400 && until <= now + 3 * 86_400);

    // no path is no way to let go of one
    let error = space.fails(1, ["pin", "unknown"]);
    assert!(error.contains("pin 'unknown' does not exist"), "{error}");
    space.fails(1, ["pin", "--remove", "unknown"]);
    for words in [
        &["pin", "x", &a, "--until", "2020-01-01"][..],
        &["pin", "x", &a, "--until", "soon"],
        &["pin", "x", &a, "--until", "2999-01-01", "--days", "1"],
        &["pin", "a/b", &a],
    ] {
        space.fails(2, words);
    }
    space.fails(1, ["pin", "x", "/clutch/store/00000000000000000000000000000000-missing"]);

    space.ok(["pin", "--remove", "then"]);
    // its time passes
    let file = space.store().join("var/roots/pins/trial");
    let text = fs_err::read_to_string(&file).unwrap();
    fs_err::write(&file, text.replace(&until.to_string(), "1000000000")).unwrap();
    assert!(space.ok(["pin"]).contains("expired 2001-09-09"));
    space.ok(["gc"]);
    assert!(space.real(&a).exists() && !space.real(&b).exists());
    assert_eq!(space.ok(["pin"]), format!("release  {a}"));
}

#[test]
fn what_a_running_program_uses_stays() {
    let space = Space::new(BINARY).with_own_probe();
    let operations: [&[&str]; 3] =
        [&["mkdir", "$out"], &["mkdir", "$out/bin"], &["copy", "$program", "$out/bin/tool"]];
    let attributes = format!("{} program = ./probe;", space.salt());
    space.write("default.nix", probing("tool", &attributes, &operations));
    let path = space.ok(["build", "--no-link"]);
    let mut command = space.command();
    command.args(["run", &path, "--", "tool", "print", "up", "--", "sleep", "60"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // it has started when it says so
    let mut said = [0; 2];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    space.ok(["gc"]);
    let why = space.ok(["why-alive", &path]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(why.starts_with("process ") && why.contains(&path), "{why}");
    assert!(space.real(&path).join("bin/tool").exists());
    space.ok(["gc"]);
    assert!(!space.real(&path).exists());
}

#[test]
fn an_import_says_what_keeps_it() {
    let space = Space::new(BINARY).with_own_probe();
    let path = sized(&space, "a", 'x', 10);
    let file = space.path("a.clutch");
    let file = file.to_str().unwrap();
    space.ok(["export", &path, "-o", file]);
    for (words, kept) in [
        (&["import", "--accept-unsigned", file][..], false),
        (&["import", "--accept-unsigned", file, "--pin", "mine"], true),
        (&["import", "--accept-unsigned", file, "-o", "link"], true),
    ] {
        let other = Space::new(BINARY);
        let ran = other.run(words);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("nothing uses these paths"), !kept, "{}", ran.stderr);
        other.ok(["gc"]);
        assert_eq!(other.valid().contains(&path), kept, "{words:?}");
    }
    Space::new(BINARY).fails(2, ["import", file, "--pin", "a/b"]);
}

#[test]
fn downloads_stay_up_to_a_limit() {
    let space = Space::new(BINARY).with_own_probe();
    // as `nix-hash --flat --base16 --type sha256` says of `x`, and of `y`
    let fetched = [
        ("x", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"),
        ("y", "a1fce4363854ff888cff4b8e7875d600c2682390412a8cf79b37d0b11148b0fa"),
    ]
    .map(|(text, hash)| {
        let fixed = format!("outputHashAlgo = \"sha256\"; outputHash = \"{hash}\";");
        // a fixed output's path depends on its name and hash alone
        let name = format!("{text}{}.whl", space.path("").file_name().unwrap().display());
        space.write("default.nix", probing(&name, &fixed, &[&["write", "$out", text]]));
        space.ok(["build", "--no-link"])
    });
    let built = sized(&space, "a", 'x', 10);
    space.ok(["gc", "--keep-downloads", "30d"]);
    assert!(fetched.iter().all(|path| space.real(path).exists()) && !space.real(&built).exists());
    space.ok(["gc", "--keep-downloads", "1B"]);
    assert_eq!(fetched.iter().filter(|path| space.real(path).exists()).count(), 1);
    space.ok(["gc"]);
    assert_eq!(space.valid(), Vec::<String>::new());
    let error = space.fails(2, ["gc", "--keep-downloads", "30"]);
    assert!(error.contains("give a size such as 2G, or days such as 30d"), "{error}");
}
