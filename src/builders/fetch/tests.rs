use serde_json::{Value, json};

use super::*;
use crate::{
    builders::test_index::{Fault, Index, sha256},
    derivation::{Derivation, Fixed, Output},
    store_path::StorePath,
    trees::Trees,
};

/// A place to fetch to, with settings that a test may change.
struct Bench {
    dir: tempfile::TempDir,
    index: Index,
    http: HttpSettings,
    log: Mutex<Vec<String>>,
}

impl Bench {
    fn new() -> Self {
        let http = HttpSettings { backoff: Duration::from_millis(1), ..HttpSettings::default() };
        let (dir, index) = (tempfile::tempdir().unwrap(), Index::new());
        Self { dir, index, http, log: Mutex::default() }
    }

    fn partial(&self) -> PathBuf {
        self.dir.path().join("partial")
    }

    fn fetch(&self, sha256: &str, attributes: &Value) -> Result<Vec<u8>, String> {
        let hash = Hash::parse(sha256, Some(Algorithm::Sha256)).unwrap();
        self.fetch_by(Fixed { mode: HashMode::Flat, hash }, attributes)
    }

    fn fetch_by(&self, fixed: Fixed, attributes: &Value) -> Result<Vec<u8>, String> {
        let indexes = ["pypi", "debian"].map(|name| (name.to_owned(), self.index.simple()));
        let environment = Environment { variables: BTreeMap::new(), root: "/nowhere".into() };
        let fetcher = Fetcher::new(FetchSettings {
            indexes: indexes.into(),
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
        let result = fetcher.build(&Task {
            derivation: &derivation,
            outputs: &[("out".to_owned(), out.clone())].into(),
            scratch: self.dir.path(),
            inputs: Trees::new(self.dir.path(), &[]),
            sandbox: &|_| unreachable!("fetch runs no program"),
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
    bench.index.fault("x", Fault::Truncate(0));
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
        assert!(error.contains(&format!("7 bytes, {size} were expected")), "{error}");
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
    let url = bench.index.url("y").replace("http://", "http://you:h1dden@");
    let error = bench.fetch(&sha256(b""), &json!({"url": url})).unwrap_err();
    assert!(bench.index.seen("y")[0].headers["authorization"].starts_with("Basic eW91Om"));
    let log = bench.log.lock().unwrap().join("\n");
    assert!(!format!("{error}{log}").contains("h1dden") && !log.contains("s3cret"), "{error}{log}");
}

#[test]
fn attributes_are_checked() {
    let bench = Bench::new();
    let fail = |attributes| bench.fetch(&sha256(b""), &attributes).unwrap_err();
    assert!(fail(json!({})).contains("'url'"));
    assert!(fail(json!({"index": "debian"})).contains("'file'"));
    assert!(fail(json!({"index": "debian", "file": "../x"})).contains("relative path"));
    assert!(fail(json!({"url": "x"})).contains("'x' is no address"));
    assert!(fail(json!({"url": "http://127.0.0.1/x", "size": "a"})).contains("whole number"));
    assert!(fail(json!({"index": "mine", "file": "x"})).contains("--index mine=URL"));
}

#[test]
fn the_environment_says_how_to_fetch() {
    let dir = tempfile::tempdir().unwrap();
    let of = |variables: &[(&str, &str)]| {
        let mut all = BTreeMap::from([("HOME", dir.path().to_str().unwrap())]);
        all.extend(variables.iter().copied());
        let variables = all.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        FetchSettings::of(Environment { variables, root: "/nowhere".into() }).http
    };
    assert_eq!((of(&[]).netrc, of(&[]).read), (None, Duration::from_secs(60)));
    fs::write(dir.path().join(".netrc"), "").unwrap();
    assert_eq!(of(&[("PIP_DEFAULT_TIMEOUT", "7")]).read, Duration::from_secs(7));
    assert_eq!(of(&[]).netrc, Some(dir.path().join(".netrc")));
    assert_eq!(of(&[("NETRC", "/nothing")]).netrc, None);
}
