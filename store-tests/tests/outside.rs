//! Damaged or wrong data from outside: a clear error each, the store unchanged.
//! The index is one on the loopback.

use std::{
    io::Write as _,
    process::Stdio,
    time::{Duration, Instant},
};

use clutch_store_tests::{
    Space,
    index::{Fault, Index},
};
use sha2::{Digest as _, Sha256};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// An expression that fetches one file of a project.
fn fetching(file: &str, hash: &str) -> String {
    format!(
        "derivation {{ name = \"{file}\"; system = \"builtin\"; builder = \"builtin:fetch\"; \
         index = \"test\"; project = \"thing\"; file = \"{file}\"; outputHashMode = \"flat\"; \
         outputHashAlgo = \"sha256\"; outputHash = \"{hash}\"; }}"
    )
}

/// A space whose `default.nix` fetches that file of the index.
fn space_fetching(index: &Index, file: &str, hash: &str) -> (Space, String) {
    let space = Space::new(BINARY);
    space.write("default.nix", fetching(file, hash));
    (space, format!("--index=test={}", index.simple()))
}

/// Nothing but derivations and sources is in the store: no output of a failed build.
fn assert_no_output(space: &Space, name: &str) {
    let named = |path: &String| path.ends_with(&format!("-{name}"));
    assert!(!space.valid().iter().any(named), "{:?}", space.valid());
    assert!(!space.on_disk().iter().any(named), "{:?}", space.on_disk());
}

#[test]
fn a_file_is_fetched_by_name_and_hash() {
    let index = Index::new();
    let hash = index.release("thing", "thing-1.0.tar.gz", "content", serde_json::Value::Null);
    let (space, at) = space_fetching(&index, "thing-1.0.tar.gz", &hash);
    let path = space.ok(["build", "--no-link", &at]);
    assert_eq!(fs_err::read_to_string(space.real(&path)).unwrap(), "content");
    let offline = Space::new(BINARY);
    offline.write("default.nix", fetching("thing-1.0.tar.gz", &hash));
    let error = offline.fails(1, ["build", "--no-link", "--offline", &at]);
    assert!(error.contains("--offline") && error.contains("thing"), "{error}");
}

#[test]
fn another_content_than_the_hash_says_is_refused() {
    let index = Index::new();
    index.release("thing", "thing-1.0.tar.gz", "content", serde_json::Value::Null);
    let wrong = sha256(b"other");
    let (space, at) = space_fetching(&index, "thing-1.0.tar.gz", &wrong);
    let error = space.fails(1, ["build", "--no-link", &at]);
    assert!(error.contains("thing-1.0.tar.gz"), "{error}");
    assert_no_output(&space, "thing-1.0.tar.gz");
    // the index says the right hash but sends other bytes: both hashes are shown
    let hash = index.release("thing", "thing-2.0.tar.gz", "content", serde_json::Value::Null);
    index.fault("files/thing-2.0.tar.gz", Fault::Wrong(b"another".to_vec()));
    let (space, at) = space_fetching(&index, "thing-2.0.tar.gz", &hash);
    let error = space.fails(1, ["build", "--no-link", &at]);
    assert!(error.contains(&format!("specified {hash}")), "{error}");
    assert!(error.contains(&format!("got       {}", sha256(b"another"))), "{error}");
    assert_no_output(&space, "thing-2.0.tar.gz");
}

#[test]
fn a_download_that_breaks_off_is_resumed_or_refused() {
    let index = Index::new();
    let content = "0123456789".repeat(100_000);
    let name = "thing-1.0.tar.gz";
    let hash = index.release("thing", name, content.clone(), serde_json::Value::Null);
    index.fault(&format!("files/{name}"), Fault::Truncate(300_000));
    let (space, at) = space_fetching(&index, name, &hash);
    let path = space.ok(["build", "--no-link", &at]);
    assert_eq!(fs_err::read_to_string(space.real(&path)).unwrap(), content);
    for _ in 0..20 {
        index.fault(&format!("files/{name}"), Fault::Truncate(0));
    }
    let other = Space::new(BINARY);
    other.write("default.nix", fetching(name, &hash));
    let ran = other.run(["build", "--no-link", &at]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_no_output(&other, name);
}

#[test]
fn a_fetch_killed_in_the_middle_leaves_nothing_and_succeeds_later() {
    let index = Index::new();
    let name = "thing-1.0.tar.gz";
    let hash = index.release("thing", name, "x".repeat(1 << 20), serde_json::Value::Null);
    index.fault(&format!("files/{name}"), Fault::Slow(Duration::from_secs(5)));
    let (space, at) = space_fetching(&index, name, &hash);
    let mut child =
        space.command().args(["build", "--no-link", &at]).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while index.seen(&format!("files/{name}")).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "the file was never asked for");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_no_output(&space, name);
    let path = space.ok(["build", "--no-link", &at]);
    assert_eq!(fs_err::metadata(space.real(&path)).unwrap().len(), 1 << 20);
}

/// A zip file with these entries: name, content, Unix mode.
fn zip(entries: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content, mode) in entries {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
        out.start_file(*name, options).unwrap();
        out.write_all(content).unwrap();
    }
    let mut bytes = out.finish().unwrap().into_inner();
    // the writer has no links and no setuid bits, so modes are put into the central directory
    let mut at = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    for (name, _, mode) in entries {
        bytes[at + 40..at + 42].copy_from_slice(&(*mode as u16).to_le_bytes());
        let length = |n: usize| usize::from(u16::from_le_bytes([bytes[at + n], bytes[at + n + 1]]));
        assert_eq!(length(28), name.len());
        at += 46 + length(28) + length(30) + length(32);
    }
    bytes
}

/// The files that make a wheel of `bad` 1.0, and what the test adds.
fn wheel(more: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let meta = b"Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n";
    let tags = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let mut entries: Vec<(&str, &[u8], u32)> = vec![("bad.py", b"x = 1\n", 0o644)];
    entries.extend(more);
    entries.push(("bad-1.0.dist-info/METADATA", meta, 0o644));
    entries.push(("bad-1.0.dist-info/WHEEL", tags, 0o644));
    let record: String = entries.iter().map(|(name, ..)| format!("{name},,\n")).collect();
    let record = format!("{record}bad-1.0.dist-info/RECORD,,\n");
    entries.push(("bad-1.0.dist-info/RECORD", record.as_bytes(), 0o644));
    zip(&entries)
}

/// Tries to unpack an archive as a wheel would be, and gives the error.
fn unpack(name: &str, bytes: &[u8]) -> (Space, clutch_store_tests::Ran) {
    let space = Space::new(BINARY);
    space.write(name, bytes);
    space.write(
        "default.nix",
        format!(
            "derivation {{ name = \"unpacked\"; system = \"builtin\"; builder = \"builtin:unpack\"; \
             src = builtins.path {{ path = ./. + \"/{name}\"; name = \"{name}\"; }}; }}"
        ),
    );
    let ran = space.run(["build", "--no-link"]);
    (space, ran)
}

#[test]
fn a_wheel_that_would_write_elsewhere_is_refused() {
    for (entry, mode) in [
        ("../escape.py", 0o644),
        ("bad/../../escape.py", 0o644),
        ("/etc/escape.py", 0o644),
        ("link.py", 0o120_777),
    ] {
        let (space, ran) =
            unpack("bad-1.0-py3-none-any.whl", &wheel(&[(entry, b"/etc/passwd", mode)]));
        assert_eq!(ran.code, 1, "{entry}: {}", ran.stdout);
        let name = entry.rsplit('/').next().unwrap();
        assert!(ran.stderr.contains(name), "{entry}: {}", ran.stderr);
        assert_no_output(&space, "unpacked");
    }
}

#[test]
fn a_wheel_with_a_name_twice_is_refused() {
    // the writer refuses to make one, so the second name is changed in the bytes
    let mut bytes = wheel(&[("twin_a.py", b"first", 0o644), ("twin_b.py", b"second", 0o644)]);
    let find = b"twin_b.py";
    for at in 0..bytes.len() - find.len() {
        if &bytes[at..at + find.len()] == find {
            bytes[at + 5] = b'a';
        }
    }
    let (space, ran) = unpack("bad-1.0-py3-none-any.whl", &bytes);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("twin_a.py"), "{}", ran.stderr);
    assert_no_output(&space, "unpacked");
}

#[test]
fn a_setuid_file_loses_the_bit() {
    use std::os::unix::fs::PermissionsExt as _;
    let (space, ran) = unpack("bad-1.0-py3-none-any.whl", &wheel(&[("run", b"#!x", 0o106_755)]));
    // refused or cleared: in no case does it reach the store
    if ran.code == 0 {
        let mode = fs_err::metadata(space.real(ran.stdout.trim()).join("run"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7000, 0);
    } else {
        assert!(ran.stderr.contains("run"), "{}", ran.stderr);
        assert_no_output(&space, "unpacked");
    }
}

#[test]
fn archives_that_are_none_are_refused() {
    let truncated = wheel(&[]);
    for (name, bytes) in [
        ("none.deb", &b"!<arch>\nnot a package"[..]),
        ("text.deb", b"hello"),
        ("none.whl", b"hello"),
        ("cut.whl", &truncated[..truncated.len() / 2]),
        ("none.tar.gz", b"\x1f\x8b\x08\x00 nothing"),
        ("none.tar.xz", b"\xfd7zXZ\x00 nothing"),
    ] {
        let (space, ran) = unpack(name, bytes);
        assert_eq!(ran.code, 1, "{name}: {}", ran.stdout);
        assert!(ran.stderr.contains(name), "{name}: {}", ran.stderr);
        assert_no_output(&space, "unpacked");
    }
}

#[test]
fn a_lock_with_a_missing_field_names_file_package_and_field() {
    let space = Space::new(BINARY);
    let lock = "version = 1\nkind = \"python\"\nindex = \"test\"\n\n\
                [[target]]\npython = \"3.11\"\nplatform = \"manylinux_2_36_x86_64\"\n\n\
                [[package]]\nname = \"thing\"\nversion = \"1.0\"\n\
                [[package.file]]\nname = \"thing-1.0-py3-none-any.whl\"\nsize = 1\n";
    space.write("clutch.lock", lock);
    space.write(
        "default.nix",
        "(import <clutch>).python.environment { name = \"e\"; lock = ./clutch.lock; }",
    );
    let error = space.fails(1, ["build", "--no-link"]);
    for part in ["clutch.lock", "thing", "sha256"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!((space.valid(), space.on_disk()), (Vec::new(), Vec::new()));
}
