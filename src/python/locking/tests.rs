//! Requirements locked by an index of the test.

use serde_json::{Value, json};

use super::*;
use crate::{
    net::network::NetworkSettings,
    net::{host::HostEnvironment, http::HttpSettings, test_index::Index},
    python::requirements_file,
};

const X86: &str = "manylinux_2_36_x86_64";

fn targets(pythons: &[&str]) -> Vec<Target> {
    pythons.iter().map(|python| Target::new(python, X86).unwrap()).collect()
}

fn lock_text(index: &Index, text: &str, pythons: &[&str]) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("requirements.txt");
    fs_err::write(&file, text).unwrap();
    let requirements = requirements_file::read(&file).map_err(|e| e.to_string())?;
    let environment = HostEnvironment { variables: BTreeMap::new(), root: "/nowhere".into() };
    let network = Network::new(NetworkSettings {
        indexes: [("pypi".to_owned(), index.simple())].into(),
        environment,
        http: HttpSettings::default(),
        partial: None,
    });
    let warned = std::sync::Mutex::new(String::new());
    // most files of these tests are not wheels
    let warn = |line: &str| {
        if !line.contains("odd") && line.starts_with("cannot read the requirements") {
            return;
        }
        warned.lock().unwrap().push_str(line);
    };
    let lock = lock(&network, "pypi", &requirements, &targets(pythons), &warn)
        .map_err(|e| e.to_string().replace(&*dir.path().to_string_lossy(), ""))?;
    let read = PythonLock::parse("l".as_ref(), &lock.to_string());
    assert_eq!(read.unwrap().to_string(), lock.to_string());
    let names = lock.packages.iter().flat_map(|p| {
        let marker = p.marker.as_ref().map(|m| format!("[{m}]"));
        marker.into_iter().chain(p.files.iter().map(|f| f.name.clone()))
    });
    Ok(format!("{}{}", names.collect::<Vec<_>>().join(" "), warned.lock().unwrap()))
}

fn index() -> Index {
    let index = Index::new();
    for file in [
        "a_b-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "a_b-1.0-cp313-cp313-manylinux_2_17_x86_64.whl",
        "a_b-1.0-cp311-cp311-manylinux_2_17_aarch64.whl",
        "a_b-1.0-cp311-cp311-win_amd64.whl",
        "a_b-1.0.tar.gz",
        "a_b-0.9-py3-none-any.whl",
    ] {
        index.release("a-b", file, file, Value::Null);
    }
    index.release("pure", "pure-1-py3-none-any.whl", "1", json!({"yanked": "broken"}));
    index.release("pure", "pure-2-py3-none-any.whl", "2", json!({"requires-python": ">=3.12"}));
    index.release("new", "new-2-py3-none-any.whl", "2", json!({"requires-python": ">=3.12"}));
    index.release("source", "source-1.0.tar.gz", "s", Value::Null);
    index
}

#[test]
fn the_best_wheel_of_each_target_is_locked() {
    let index = index();
    let one = lock_text(&index, "A.B==1", &["3.11"]).unwrap();
    assert_eq!(one, "a_b-1.0-cp311-cp311-manylinux_2_17_x86_64.whl");
    let two = lock_text(&index, "a-b==1.0", &["3.13", "3.11"]).unwrap();
    assert_eq!(two.split(' ').count(), 2);
    let pure = lock_text(&index, "pure==1", &["3.11", "3.12"]).unwrap();
    assert!(pure.contains("pure-1-py3") && pure.contains("yanked from the index: broken"));
    index.only_html();
    assert_eq!(lock_text(&index, "a-b==1.0", &["3.11"]).unwrap(), one);
}

#[test]
fn markers_are_evaluated_and_kept_where_they_differ() {
    let index = index();
    let text = "pure==1 ; python_version < '3.12'\npure==2 ; python_version >= '3.12'\n\
                source==1.0 ; sys_platform == 'win32'\n";
    assert_eq!(lock_text(&index, text, &["3.13"]).unwrap(), "pure-2-py3-none-any.whl");
    let both = lock_text(&index, text, &["3.11", "3.13"]).unwrap();
    assert!(both.contains("[python_version < \"3.12\"] pure-1-"), "{both}");
    assert!(both.contains("[python_version >= \"3.12\"] pure-2-"), "{both}");
    let error = lock_text(&index, "pure==1\npure==2 ; python_version > '3'", &["3.13"]);
    let error = error.unwrap_err();
    assert!(error.contains("are both for Python 3.13 on manylinux_2_36_x86_64"), "{error}");
    assert!(error.contains("txt:1") && error.contains("txt:2"), "{error}");
}

#[test]
fn many_lines_about_one_version_are_one_pin_or_refused() {
    let index = index();
    let text = "pure==1 ; python_version < '3.12'\npure==1 ; python_version >= '3.12'\n";
    let both = lock_text(&index, text, &["3.11", "3.12"]).unwrap();
    assert!(both.starts_with("pure-1-py3-none-any.whl"), "{both}");
    let twice = lock_text(&index, "pure==1\n", &["3.11", "3.11"]).unwrap();
    assert!(twice.starts_with("pure-1-py3-none-any.whl"), "{twice}");
    let many: String = (0..20_000)
        .map(|n| format!("pure==1 ; python_version < '3.12' and os_name != '{n}'\n"))
        .collect();
    let error = lock_text(&index, &many, &["3.11", "3.12"]).unwrap_err();
    assert!(error.contains("txt:1: pure 1 has more markers than a lock can hold"), "{error}");
    let many: String = (0..20_000).map(|n| format!("pure==1.{n}\n")).collect();
    let error = lock_text(&index, &many, &["3.11"]).unwrap_err();
    assert_eq!(error.lines().count(), 19_999);
}

#[test]
fn hashes_limit_the_choice() {
    let index = index();
    let sha256 = |file: &str| crate::net::test_index::sha256(file.as_bytes());
    let file = "a_b-1.0-cp311-cp311-manylinux_2_17_x86_64.whl";
    let text = format!("a-b==1.0 --hash=sha256:{}", sha256(file));
    assert_eq!(lock_text(&index, &text, &["3.11"]).unwrap(), file);
    let fails = lock_text(&index, &text, &["3.13"]).unwrap_err();
    assert!(
        fails.contains("none of those with a hash of this line fits Python 3.13 on"),
        "{fails}"
    );
    let text = format!("a-b==1.0 --hash=sha256:{}", sha256("x"));
    let fails = lock_text(&index, &text, &["3.11"]).unwrap_err();
    assert!(fails.contains("a-b 1.0 has 4 wheels, but none with a hash of this line ("), "{fails}");
}

/// A wheel with half a megabyte of code, and that metadata.
fn wheel(name: &str, metadata: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file(format!("{name}/code.py"), stored).unwrap();
    zip.write_all(&[b'#'; 600_000]).unwrap();
    zip.start_file(format!("{name}-1.dist-info/METADATA"), stored).unwrap();
    zip.write_all(metadata.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn what_the_lock_misses_is_a_warning() {
    let index = index();
    // beside the file, and in it
    let app = "Pure>=2\nRequires-Dist: a-b[x]\nRequires-Dist: gone; extra=='x'";
    let text = |name: &str, needs: &str| {
        format!("Name: {name}\nRequires-Dist: {needs}\n\nA description: so.\n")
    };
    index.release("app", "app-1-py3-none-any.whl", "app", json!({"core-metadata": true}));
    index.file("files/app-1-py3-none-any.whl.metadata", text("app", app));
    let tool = wheel("tool", &text("tool", "app[x]"));
    index.release("tool", "tool-1-py3-none-any.whl", tool, Value::Null);
    let lock = |text: &str| lock_text(&index, text, &["3.11"]).unwrap();
    let warned = lock("app==1\npure==1\n");
    assert!(warned.contains("'app' needs 'Pure>=2', not 1"), "{warned}");
    assert!(warned.contains("'app' needs 'a-b[x]', which is missing"), "{warned}");
    assert!(!warned.contains("gone"), "{warned}");
    for text in ["app[x]==1\n", "app==1\ntool==1\n"] {
        assert!(lock(text).contains("'app' needs 'gone', which is missing"), "{text}");
    }
    // a lock is made even if metadata cannot be fetched
    index.release("odd", "odd-1-py3-none-any.whl", "odd", json!({"core-metadata": true}));
    let warned = lock("odd==1\n");
    let expected = "cannot read the requirements of odd-1-py3-none-any.whl: ";
    assert!(warned.contains(expected), "{warned}");
    // of a large wheel, only the end is asked for
    let seen = index.seen("files/tool-1-py3-none-any.whl");
    let range = seen[0].headers["range"].split_once('-').unwrap().0;
    let start: u64 = range["bytes=".len()..].parse().unwrap();
    assert!(start > 400_000 && seen.len() == 1, "{seen:?}");
}

#[test]
fn only_a_hash_is_pinned() {
    let index = Index::new();
    for (n, hash) in ["", "../../x", "\u{0}", &"x".repeat(64), "0a"].iter().enumerate() {
        let name = format!("p{n}");
        let file = format!("{name}-1-py3-none-any.whl");
        index.release(&name, &file, "x", json!({"hashes": {"sha256": hash}}));
        let error = lock_text(&index, &format!("{name}==1"), &["3.11"]).unwrap_err();
        assert!(error.contains("gives no SHA-256"), "{error}");
    }
    let upper = json!({"hashes": {"sha256": "AB".repeat(32)}});
    index.release("upper", "upper-1-py3-none-any.whl", "x", upper);
    let locked = lock_text(&index, "upper==1", &["3.11"]).unwrap();
    assert!(locked.starts_with("upper-1-py3-none-any.whl"), "{locked}");
}

#[test]
fn every_line_that_fails_is_named() {
    let text = "a-b==1.0\nsource==1.0\npure==7\nnone==1\nnew==2 ; os_name == 'posix'\n";
    let error = lock_text(&index(), text, &["3.10"]).unwrap_err();
    for expected in [
        "txt:1: a-b 1.0 has 4 wheels, but none fits Python 3.10 on manylinux_2_36_x86_64",
        "txt:2: source 1.0 has no wheel, only the source distribution source-1.0.tar.gz",
        "txt:3: the index has no version 7 of 'pure'; its newest are 2, 1",
        "has no project 'none'",
        "txt:5: new 2 has 1 wheel, but none fits",
    ] {
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
}
