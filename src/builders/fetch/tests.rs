use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use serde_json::{Value, json};

use super::*;
use crate::{
    derivation::{Derivation, Fixed, Output},
    inputs::Inputs,
    net::test_index::{Fault, Index, sha256},
    net::{host::HostEnvironment, http::HttpSettings, network::NetworkSettings},
    store_path::StorePath,
};

/// A place to fetch to, with settings that a test may change.
struct Bench {
    dir: tempfile::TempDir,
    index: Index,
    http: HttpSettings,
    indexes: BTreeMap<String, String>,
    log: Mutex<Vec<String>>,
}

impl Bench {
    fn new() -> Self {
        let http = HttpSettings { backoff: Duration::from_millis(1), ..HttpSettings::default() };
        let (dir, index) = (tempfile::tempdir().unwrap(), Index::new());
        let indexes = ["pypi", "debian"].map(|name| (name.to_owned(), index.simple())).into();
        Self { dir, index, http, indexes, log: Mutex::default() }
    }

    fn partial(&self) -> PathBuf {
        self.dir.path().join("partial")
    }

    fn fetch(&self, sha256: &str, attributes: &Value) -> Result<Vec<u8>, String> {
        let hash = Hash::parse(sha256, Some(Algorithm::Sha256)).unwrap();
        self.fetch_by(Fixed { mode: HashMode::Flat, hash }, attributes)
    }

    fn fetch_by(&self, fixed: Fixed, attributes: &Value) -> Result<Vec<u8>, String> {
        let environment = HostEnvironment { variables: BTreeMap::new(), root: "/nowhere".into() };
        let network = Network::new(NetworkSettings {
            indexes: self.indexes.clone(),
            environment,
            http: self.http.clone(),
            partial: Some(self.partial()),
        });
        let path = StorePath::new(&[1; 20], "file").unwrap();
        let derivation = Derivation {
            name: "file".into(),
            system: "builtin".into(),
            builder: b"builtin:fetch".to_vec(),
            args: Vec::new(),
            env: BTreeMap::new(),
            structured: Some(attributes.to_string()),
            outputs: [("out".to_owned(), Output { path, fixed: Some(fixed) })].into(),
            input_derivations: BTreeMap::new(),
            input_sources: std::collections::BTreeSet::new(),
        };
        let out = self.dir.path().join("out");
        let result = build(&Task {
            derivation: &derivation,
            outputs: &[("out".to_owned(), out.clone())].into(),
            scratch: self.dir.path(),
            inputs: Inputs::new(self.dir.path(), &[]),
            graph: &|_| unreachable!("no builder asks for it"),
            sandbox: &|_| unreachable!("fetch runs no program"),
            network: Some(&network),
            log: &|line| self.log.lock().unwrap().push(line.to_owned()),
            progress: &|_, _| {},
            cancelled: &|| false,
        });
        match result {
            Ok(()) => {
                let content = fs::read(&out).unwrap();
                fs::remove_file(&out).unwrap();
                Ok(content)
            }
            Err(error) => {
                assert!(!out.exists(), "something was left behind");
                Err(error.to_string())
            }
        }
    }

    fn logged(&self, text: &str) -> bool {
        self.log.lock().unwrap().iter().any(|line| line.contains(text))
    }

    fn leftovers(&self) -> usize {
        fs::read_dir(self.partial()).map_or(0, Iterator::count)
    }
}

fn big() -> Vec<u8> {
    (0..300_000u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_locked_file_of_a_project_is_fetched() {
    let bench = Bench::new();
    let name = "Foo_Bar-1.0-py3-none-any.whl";
    let hash = bench.index.release("foo-bar", name, big(), json!({"yanked": "too old"}));
    let attributes = json!({"index": "pypi", "project": "Foo_.Bar", "file": name});
    assert_eq!(bench.fetch(&hash, &attributes).unwrap(), big());
    assert!(bench.logged("yanked") && bench.logged("too old"));
    bench.index.only_html();
    assert_eq!(bench.fetch(&hash, &attributes).unwrap(), big());
    assert_eq!(bench.leftovers(), 0);
}

#[test]
fn a_file_of_another_hash_is_not_even_fetched() {
    let bench = Bench::new();
    let hash = bench.index.release("a", "a-1.whl", "content", Value::Null);
    let attributes = json!({"index": "pypi", "project": "a", "file": "a-1.whl"});
    let other = sha256(b"other");
    let error = bench.fetch(&other, &attributes).unwrap_err();
    let sri = |hex: &str| Hash::parse(hex, Some(Algorithm::Sha256)).unwrap().to_string();
    assert!(error.contains(&sri(&other)) && error.contains(&sri(&hash)), "{error}");
    assert!(bench.index.seen("files/a-1.whl").is_empty());
    let missing = json!({"index": "pypi", "project": "a", "file": "a-2.whl"});
    assert!(bench.fetch(&other, &missing).unwrap_err().contains("lists no file 'a-2.whl'"));
    let missing = json!({"index": "pypi", "project": "b", "file": "b-2.whl"});
    assert!(bench.fetch(&other, &missing).unwrap_err().contains("has no project 'b'"));
}

#[test]
fn wrong_content_shows_both_hashes_and_stays_nowhere() {
    let bench = Bench::new();
    bench.index.file("x", "content");
    let expected = Algorithm::Sha512.digest(b"other");
    let attributes = json!({"url": bench.index.url("x")});
    let fixed = Fixed { mode: HashMode::Flat, hash: expected };
    let error = bench.fetch_by(fixed, &attributes).unwrap_err();
    let actual = Algorithm::Sha512.digest(b"content").to_string();
    assert!(error.contains(&expected.to_string()) && error.contains(&actual), "{error}");
    assert_eq!(bench.leftovers(), 0);
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    let bench = Bench::new();
    bench.index.file("x", big());
    for after in [1000, 70_000, 0, 200_000] {
        bench.index.fault("x", Fault::Truncate(after));
    }
    let attributes = json!({"url": bench.index.url("x")});
    assert_eq!(bench.fetch(&sha256(&big()), &attributes).unwrap(), big());
    let seen = bench.index.seen("x");
    let ranges: Vec<_> = seen.iter().map(|s| s.headers.get("range").cloned()).collect();
    let at = |n: usize| Some(format!("bytes={n}-"));
    assert_eq!(ranges, [None, at(1000), at(71_000), at(71_000), at(271_000)]);
}

#[test]
fn what_an_earlier_run_fetched_is_used_if_it_fits() {
    let mut bench = Bench::new();
    bench.index.file("x", big());
    let attributes = json!({"url": bench.index.url("x")});
    bench.http.attempts = 1;
    bench.index.fault("x", Fault::Truncate(5000));
    let error = bench.fetch(&sha256(&big()), &attributes).unwrap_err();
    assert!(error.contains("broke off"), "{error}");
    assert_eq!(bench.leftovers(), 1);
    assert_eq!(bench.fetch(&sha256(&big()), &attributes).unwrap(), big());
    assert_eq!(bench.index.seen("x").last().unwrap().headers["range"], "bytes=5000-");
    // damaged, too long, and a server without ranges
    let name = fs::read_dir(bench.partial()).unwrap().count();
    assert_eq!(name, 0);
    let hash = Hash::parse(&sha256(&big()), Some(Algorithm::Sha256)).unwrap();
    let partial = bench.partial().join(format!("sha256-{}.part", hash.format(Format::Nix32)));
    for left in [vec![7; 5000], vec![7; 2_000_000]] {
        fs::write(&partial, left).unwrap();
        assert_eq!(bench.fetch(&sha256(&big()), &attributes).unwrap(), big());
        assert!(!partial.exists());
    }
    fs::write(&partial, vec![7; 5000]).unwrap();
    bench.index.fault("x", Fault::NoRange);
    assert_eq!(bench.fetch(&sha256(&big()), &attributes).unwrap(), big());
}

#[test]
fn passing_failures_are_tried_again_and_lasting_ones_are_not() {
    let mut bench = Bench::new();
    bench.index.file("x", "content");
    let attributes = json!({"url": bench.index.url("x")});
    let hash = sha256(b"content");
    for code in [500, 503, 429] {
        bench.index.fault("x", Fault::Status(code, None));
    }
    assert_eq!(bench.fetch(&hash, &attributes).unwrap(), b"content");
    assert_eq!(bench.index.seen("x").len(), 4);
    bench.index.fault("x", Fault::Status(403, None));
    assert!(bench.fetch(&hash, &attributes).unwrap_err().contains("answers 403"));
    assert_eq!(bench.index.seen("x").len(), 5);
    bench.http.attempts = 2;
    for _ in 0..2 {
        bench.index.fault("x", Fault::Status(502, None));
    }
    assert!(bench.fetch(&hash, &attributes).unwrap_err().contains("answers 502"));
    bench.http.read = Duration::from_millis(100);
    bench.index.fault("x", Fault::Slow(Duration::from_millis(400)));
    assert_eq!(bench.fetch(&hash, &attributes).unwrap(), b"content");
}

#[test]
fn retry_after_is_obeyed() {
    let bench = Bench::new();
    bench.index.file("x", "content");
    bench.index.fault("x", Fault::Status(429, Some(1)));
    let start = std::time::Instant::now();
    bench.fetch(&sha256(b"content"), &json!({"url": bench.index.url("x")})).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn sizes_are_checked() {
    let bench = Bench::new();
    bench.index.file("x", "content");
    let attributes = |size| json!({"url": bench.index.url("x"), "size": size});
    let hash = sha256(b"content");
    assert_eq!(bench.fetch(&hash, &attributes(7)).unwrap(), b"content");
    for size in [6, 8] {
        let error = bench.fetch(&hash, &attributes(size)).unwrap_err();
        assert!(error.contains(&format!("expected {size} bytes, got 7")), "{error}");
    }
    assert_eq!(bench.leftovers(), 0);
}

#[test]
fn locations_are_tried_in_turn() {
    let bench = Bench::new();
    bench.index.file("b", "content");
    bench.index.file("simple/pool/c%3a1.deb", "content");
    let hash = sha256(b"content");
    let two = [bench.index.url("a"), bench.index.url("b")];
    assert_eq!(bench.fetch(&hash, &json!({"urls": two})).unwrap(), b"content");
    assert!(bench.logged("404"));
    let below = json!({"index": "debian", "file": "pool/c:1.deb"});
    assert!(bench.fetch(&hash, &below).unwrap_err().contains("pool/c%3A1.deb"));
    bench.index.file("simple/pool/c%3A1.deb", "content");
    assert_eq!(bench.fetch(&hash, &below).unwrap(), b"content");
    let none = json!({"urls": [bench.index.url("a"), bench.index.url("c")]});
    assert!(bench.fetch(&hash, &none).unwrap_err().contains("no location has the file"));
    let local = bench.dir.path().join("local file");
    fs::write(&local, "content").unwrap();
    let url = format!("file://{}/local%20file", bench.dir.path().display());
    assert_eq!(bench.fetch(&hash, &json!({"url": url})).unwrap(), b"content");
    assert!(local.exists());
}

#[test]
fn offline_says_what_would_be_fetched() {
    let mut bench = Bench::new();
    bench.http.offline = true;
    let url = bench.index.url("x");
    let error = bench.fetch(&sha256(b""), &json!({"url": url})).unwrap_err();
    assert!(error.contains(&url) && error.contains("--offline"), "{error}");
    let attributes = json!({"index": "pypi", "project": "a", "file": "a-1.whl"});
    let error = bench.fetch(&sha256(b""), &attributes).unwrap_err();
    assert!(error.contains("a-1.whl") && error.contains("--offline"), "{error}");
}

#[test]
fn credentials_reach_their_host_only_and_no_message() {
    let mut bench = Bench::new();
    let other = Index::new();
    other.file("x", "content");
    let netrc = bench.dir.path().join("netrc");
    fs::write(&netrc, "machine 127.0.0.1 login me password s3cret\n").unwrap();
    bench.http.netrc = Some(netrc);
    // the same server under another name is another host
    let elsewhere = other.url("x").replace("127.0.0.1", "localhost");
    bench.index.fault("x", Fault::Redirect(elsewhere));
    let attributes = json!({"url": bench.index.url("x")});
    assert_eq!(bench.fetch(&sha256(b"content"), &attributes).unwrap(), b"content");
    // "me:s3cret" in base 64
    assert_eq!(bench.index.seen("x")[0].headers["authorization"], "Basic bWU6czNjcmV0");
    assert!(!other.seen("x")[0].headers.contains_key("authorization"));
    assert!(!bench.logged("s3cret"));
    // an index's address may have some: they go to the index and to what it links to beside it
    let hash = bench.index.release("a", "a-1.whl", "content", Value::Null);
    bench.http.netrc = None;
    let simple = bench.index.simple().replace("http://", "http://you:h1dden@");
    let attributes = json!({"index": "mine", "project": "a", "file": "a-1.whl"});
    bench.indexes.insert("mine".to_owned(), simple);
    assert_eq!(bench.fetch(&hash, &attributes).unwrap(), b"content");
    for path in ["simple/a/", "files/a-1.whl"] {
        assert!(bench.index.seen(path)[0].headers["authorization"].starts_with("Basic eW91Om"));
    }
    let missing = json!({"index": "mine", "project": "b", "file": "b-1.whl"});
    let error = bench.fetch(&hash, &missing).unwrap_err();
    assert!(!error.contains("h1dden") && !bench.logged("h1dden"), "{error}");
    // an address in a derivation may not
    let url = bench.index.url("y").replace("http://", "http://you:h1dden@");
    let error = bench.fetch(&sha256(b""), &json!({"url": url})).unwrap_err();
    assert!(error.contains("netrc") && !error.contains("h1dden"), "{error}");
    assert!(bench.index.seen("y").is_empty());
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_port() {
    let mut bench = Bench::new();
    let other = Index::new();
    other.file("x", "content");
    let netrc = bench.dir.path().join("netrc");
    fs::write(&netrc, "machine 127.0.0.1 login me password s3cret\n").unwrap();
    bench.http.netrc = Some(netrc);
    bench.index.fault("x", Fault::Redirect("y?q".to_owned()));
    bench.index.fault("y?q", Fault::Redirect(other.url("x")));
    let attributes = json!({"url": bench.index.url("x")});
    assert_eq!(bench.fetch(&sha256(b"content"), &attributes).unwrap(), b"content");
    assert!(bench.index.seen("y?q")[0].headers.contains_key("authorization"));
    assert!(!other.seen("x")[0].headers.contains_key("authorization"));
}

#[test]
fn redirects_end_somewhere() {
    let bench = Bench::new();
    let attributes = json!({"url": bench.index.url("x")});
    let fail = || bench.fetch(&sha256(b""), &attributes).unwrap_err();
    for (to, reason) in [
        ("file:///etc/passwd", "a file of this machine"),
        ("ftp://h/", "scheme"),
        ("http://me:s3cret@h:port/", "port"),
    ] {
        bench.index.fault("x", Fault::Redirect(to.to_owned()));
        let error = fail();
        assert!(error.contains(reason) && !error.contains("s3cret"), "{error}");
        assert!(error.contains(&bench.index.url("x")), "{error}");
    }
    for _ in 0..100 {
        bench.index.fault("x", Fault::Redirect("x".to_owned()));
    }
    let before = bench.index.seen("x").len();
    assert!(fail().contains("10 redirects"));
    assert_eq!(bench.index.seen("x").len() - before, 11);
}

#[test]
fn a_file_that_changes_between_its_parts_is_fetched_anew() {
    let bench = Bench::new();
    bench.index.file("x", big());
    let attributes = json!({"url": bench.index.url("x")});
    let old = || Fault::Part(vec![7; big().len()], 100_000);
    // a server that cannot tell
    bench.index.fault("x", old());
    assert_eq!(bench.fetch(&sha256(&big()), &attributes).unwrap(), big());
    assert!(bench.logged("starting over"));
    assert_eq!(bench.index.seen("x").len(), 3);
    // the right hash of what is there, and none if it goes on changing
    bench.index.fault("x", old());
    let error = bench.fetch(&sha256(b"other"), &attributes).unwrap_err();
    let actual = Algorithm::Sha256.digest(&big()).to_string();
    assert!(error.contains(&actual), "{error}");
    for fault in [old(), Fault::Rest, old()] {
        bench.index.fault("x", fault);
    }
    let error = bench.fetch(&sha256(&big()), &attributes).unwrap_err();
    assert!(error.contains("do not fit together") && !error.contains("got"), "{error}");
    assert_eq!(bench.leftovers(), 0);
    // one that can is asked to
    bench.index.tags();
    let before = bench.index.seen("x").len();
    bench.index.fault("x", old());
    assert_eq!(bench.fetch(&sha256(&big()), &attributes).unwrap(), big());
    let seen = bench.index.seen("x").split_off(before);
    assert_eq!(seen.len(), 2);
    assert!(seen[1].headers["if-range"].starts_with('"'), "{:?}", seen[1]);
    // the same version goes on
    let before = bench.index.seen("x").len();
    bench.index.fault("x", Fault::Truncate(100_000));
    assert_eq!(bench.fetch(&sha256(&big()), &attributes).unwrap(), big());
    assert_eq!(bench.index.seen("x").len() - before, 2);
}

#[test]
fn a_server_that_gives_too_little_is_left() {
    let mut bench = Bench::new();
    bench.index.file("x", big());
    let attributes = json!({"url": bench.index.url("x")});
    bench.http.read = Duration::from_secs(1);
    bench.http.attempts = 2;
    // a byte now and then, and a few bytes for each of many requests
    for _ in 0..2 {
        bench.index.fault("x", Fault::Drip(Duration::from_millis(50)));
    }
    let error = bench.fetch(&sha256(&big()), &attributes).unwrap_err();
    assert!(error.contains("bytes came in"), "{error}");
    let before = bench.index.seen("x").len();
    for _ in 0..1000 {
        bench.index.fault("x", Fault::Truncate(3));
    }
    assert!(bench.fetch(&sha256(&big()), &attributes).unwrap_err().contains("broke off"));
    assert_eq!(bench.index.seen("x").len() - before, 2);
}

#[test]
fn a_fetch_ends_when_it_is_cancelled() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static STOP: AtomicBool = AtomicBool::new(false);
    let mut bench = Bench::new();
    bench.index.file("x", big());
    bench.http.cancelled = || STOP.load(Ordering::Relaxed);
    for fault in [
        Fault::Slow(Duration::from_secs(30)),
        Fault::Drip(Duration::from_secs(30)),
        Fault::Status(503, Some(60)),
    ] {
        STOP.store(false, Ordering::Relaxed);
        bench.index.fault("x", fault);
        let start = std::time::Instant::now();
        let error = std::thread::scope(|scope| {
            let running = scope.spawn(|| {
                let attributes = json!({"url": bench.index.url("x")});
                bench.fetch(&sha256(&big()), &attributes).unwrap_err()
            });
            std::thread::sleep(Duration::from_millis(300));
            STOP.store(true, Ordering::Relaxed);
            running.join().unwrap()
        });
        assert_eq!(error, "cancelled");
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn pages_may_be_compressed_and_files_are_not_unpacked() {
    use std::io::Write as _;
    let gzip = |content: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(content).unwrap();
        out.finish().unwrap()
    };
    let bench = Bench::new();
    let page = format!("<a href=\"{}\">a-1.whl</a>", bench.index.url("x"));
    bench.index.release("a", "a-1.whl", "other", Value::Null);
    bench.index.only_html();
    bench.index.fault("simple/a/", Fault::Encoded("gzip", gzip(page.as_bytes())));
    bench.index.file("x", "content");
    bench.index.fault("x", Fault::Encoded("gzip", gzip(b"content")));
    let attributes = json!({"index": "pypi", "project": "a", "file": "a-1.whl"});
    let content = bench.fetch(&sha256(&gzip(b"content")), &attributes).unwrap();
    assert_eq!(content, gzip(b"content"));
    // what inflates to more than a page may have
    let zeros = gzip(&vec![b' '; crate::limits::PAGE as usize + 1]);
    bench.index.fault("simple/a/", Fault::Encoded("gzip", zeros));
    assert!(bench.fetch(&sha256(b""), &attributes).unwrap_err().contains("has more than"));
    bench.index.fault("simple/a/", Fault::Encoded("br", Vec::new()));
    assert!(bench.fetch(&sha256(b""), &attributes).unwrap_err().contains("encoded as 'br'"));
}

#[test]
fn attributes_are_checked() {
    let bench = Bench::new();
    let fail = |attributes| bench.fetch(&sha256(b""), &attributes).unwrap_err();
    assert!(fail(json!({})).contains("'url'"));
    assert!(fail(json!({"index": "debian"})).contains("'file'"));
    assert!(fail(json!({"index": "debian", "file": "../x"})).contains("relative path"));
    assert!(fail(json!({"url": "x"})).contains("'x' is not an address"));
    assert!(fail(json!({"url": "http://127.0.0.1/x", "size": "a"})).contains("whole number"));
    assert!(fail(json!({"index": "mine", "file": "x"})).contains("--index mine=URL"));
}
