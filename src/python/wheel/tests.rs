//! Installs wheels, good ones and hostile ones.

use fs_err as fs;
use serde_json::json;

use super::build;
use crate::python::testing::{Bench, interpreters, path, wheel};

const FILE: u32 = 0o100_644;

/// Installs an archive under that name; the text of the error if it is refused.
fn install(archive: &[u8], file: &str, record: &str) -> Result<Bench, String> {
    let Some(interpreter) = interpreters().into_iter().next() else {
        return Err("SKIPPED".into());
    };
    let source = path(1, "wheel.whl");
    let mut bench = Bench::new(&json!({
        "wheel": source.to_string(),
        "file": file,
        "interpreter": interpreter.logical,
        "record": record,
    }));
    fs::write(bench.input(&source), archive).unwrap();
    bench.interpreter(&interpreter);
    bench.run(build).map_err(|e| e.to_string())?;
    Ok(bench)
}

/// Installs a wheel of `demo` 1.0 with these files.
fn demo(files: &[(&str, u32, &[u8])]) -> Result<Bench, String> {
    install(&wheel("demo", "1.0", files), "demo-1.0-py3-none-any.whl", "strict")
}

#[test]
fn files_come_to_their_places() {
    let Some(interpreter) = interpreters().into_iter().next() else { return };
    let bench = demo(&[
        ("demo/__init__.py", FILE, b"x = 1\n"),
        ("demo/tool", 0o100_755, b"#!/bin/sh\n"),
        ("demo-1.0.data/scripts/run", FILE, b"#!python\nprint(1)\n"),
        ("demo-1.0.data/data/share/demo/x", FILE, b"x"),
        ("demo-1.0.data/headers/demo.h", FILE, b"h"),
        ("demo-1.0.data/platlib/other.py", FILE, b"y = 2\n"),
        ("demo-1.0.dist-info/entry_points.txt", FILE, b"[console_scripts]\ndemo = demo:x\n"),
    ])
    .unwrap();
    let library = bench.out().join(interpreter.site_packages());
    let tag = format!("cpython-3{}", interpreter.minor);
    let record = fs::read_to_string(library.join("demo-1.0.dist-info/RECORD")).unwrap();
    let rows = super::record::parse(record.as_bytes()).unwrap();
    let paths: Vec<_> = rows.iter().map(|row| row.path.replace(&tag, "TAG")).collect();
    let name = interpreter.name();
    assert_eq!(
        paths,
        [
            "../../../bin/run",
            &format!("../../../include/site/{name}/demo/demo.h"),
            "../../../share/demo/x",
            "__pycache__/other.TAG.pyc",
            "demo-1.0.dist-info/INSTALLER",
            "demo-1.0.dist-info/METADATA",
            "demo-1.0.dist-info/RECORD",
            "demo-1.0.dist-info/WHEEL",
            "demo-1.0.dist-info/entry_points.txt",
            "demo/__init__.py",
            "demo/__pycache__/__init__.TAG.pyc",
            "demo/tool",
            "other.py",
        ]
    );
    for row in rows.iter().filter(|row| !row.hash.is_empty()) {
        let content = fs::read(library.join(&row.path)).unwrap();
        let sha256 = super::record::sha256(&content);
        assert_eq!(*row, super::record::Row::of(row.path.clone(), &sha256, content.len() as u64));
    }
    let executable = |path: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(bench.out().join(path)).unwrap().permissions().mode() & 0o111 != 0
    };
    assert!(executable("bin/run") && !executable("share/demo/x"));
    assert!(executable(&format!("{}/demo/tool", interpreter.site_packages())));
}

#[test]
fn a_second_installation_is_the_same() {
    if interpreters().is_empty() {
        return;
    }
    let files: &[(&str, u32, &[u8])] =
        &[("demo/__init__.py", FILE, b"x = {'a', 'b'}\n"), ("demo/y.py", FILE, b"def f(): pass\n")];
    let record = |bench: Bench| {
        let interpreter = &interpreters()[0];
        let library = bench.out().join(interpreter.site_packages());
        fs::read_to_string(library.join("demo-1.0.dist-info/RECORD")).unwrap()
    };
    assert_eq!(record(demo(files).unwrap()), record(demo(files).unwrap()));
}

#[test]
fn hostile_wheels_are_refused() {
    if interpreters().is_empty() {
        return;
    }
    let metadata = "demo-1.0.dist-info/METADATA";
    let header = "demo-1.0.dist-info/WHEEL";
    let points = "demo-1.0.dist-info/entry_points.txt";
    let cases: &[(&str, &[u8], u32, &str)] = &[
        ("../x.py", b"", FILE, "'..'"),
        ("a/../../x.py", b"", FILE, "'..'"),
        ("/etc/x", b"", FILE, "absolute"),
        ("a\\b", b"", FILE, "backslash"),
        ("a\0b", b"", FILE, "NUL"),
        ("link", b"/etc/passwd", 0o120_777, "link"),
        ("other-2.0.dist-info/METADATA", b"", FILE, "found several"),
        ("demo-1.0.data/purelib/other-2.0.dist-info/METADATA", b"", FILE, "another distribution"),
        ("demo-1.0.data/purelib/demo-1.0.dist-info/RECORD", b"", FILE, "installation itself"),
        ("demo-1.0.data/weird/x", b"", FILE, "weird"),
        ("demo-1.0.data/scripts/python3.11", b"", FILE, "belongs to the environment"),
        ("demo-1.0.data/data/bin/python", b"", FILE, "belongs to the environment"),
        ("demo-1.0.data/data/pyvenv.cfg", b"", FILE, "belongs to the environment"),
        ("other-1.0.data/purelib/x", b"", FILE, "another distribution"),
        (metadata, b"Name: other\nVersion: 1.0\n", FILE, "'other'"),
        (metadata, b"Name: demo\nVersion: 2.0\n", FILE, "'2.0'"),
        (metadata, b"Name: demo\n", FILE, "version"),
        (metadata, b"Name: demo\xff\nVersion: 1.0\n", FILE, "says 'demo\u{ff}' '1.0'"),
        (header, b"Wheel-Version: 2.0\nRoot-Is-Purelib: true\n", FILE, "Wheel-Version 2.0"),
        (header, b"Wheel-Version: 1.0\n", FILE, "root-is-purelib"),
        (header, b"Wheel-Version: 1.0\nRoot-Is-Purelib: maybe\n", FILE, "maybe"),
        (points, b"[console_scripts]\n../x = a:b\n", FILE, "expected a file name"),
        (points, b"[console_scripts]\npython3 = a:b\n", FILE, "belongs to the environment"),
        (points, b"[console_scripts]\nx = a:b;c\n", FILE, "module:function"),
    ];
    for (name, content, mode, expected) in cases {
        let result = demo(&[("demo.py", FILE, b""), (name, *mode, content)]).map(|_| "accepted");
        let error = result.map_or_else(|e| e, str::to_owned);
        assert!(error.contains(expected), "{name}: {error}");
    }
    // the same place twice, by way of .data
    let twice = demo(&[("x.py", FILE, b"1"), ("demo-1.0.data/purelib/x.py", FILE, b"2")]);
    assert!(twice.map(|_| ()).unwrap_err().contains("same place"));
    let both = demo(&[("x", FILE, b"1"), ("demo-1.0.data/purelib/x/y", FILE, b"2")]);
    assert!(both.map(|_| ()).unwrap_err().contains("folder"));
    let cases = demo(&[("x.py", FILE, b"1"), ("X.py", FILE, b"2")]);
    assert!(cases.map(|_| ()).unwrap_err().contains("case only"));
}

#[test]
fn special_bits_do_not_survive() {
    if interpreters().is_empty() {
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let bench =
        demo(&[("demo.py", FILE, b""), ("demo-1.0.data/scripts/s", 0o104_755, b"x")]).unwrap();
    let mode = fs::metadata(bench.out().join("bin/s")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7000, 0);
}

#[test]
fn the_file_name_must_agree() {
    if interpreters().is_empty() {
        return;
    }
    let good = wheel("demo", "1.0", &[("demo.py", FILE, b"")]);
    for file in ["other-1.0-py3-none-any.whl", "demo-1.1-py3-none-any.whl", "demo-1.0.whl"] {
        assert!(install(&good, file, "strict").is_err(), "{file}");
    }
    assert!(install(&good, "Demo-1.0-py3-none-any.whl", "strict").is_ok());
    assert!(install(&good[..good.len() - 30], "demo-1.0-py3-none-any.whl", "strict").is_err());
    assert!(install(b"no zip", "demo-1.0-py3-none-any.whl", "strict").is_err());
}

#[test]
fn record_is_checked_unless_it_may_be_wrong() {
    if interpreters().is_empty() {
        return;
    }
    let own = "demo-1.0.dist-info/RECORD";
    for (record, expected) in [
        ("demo.py,sha256=AAAA,1\n", "expected sha256=AAAA"),
        ("demo.py,md5=AAAA,1\n", "expected a hash by sha256"),
        ("demo.py,,\n", "expected a hash by sha256"),
        ("absent.py,sha256=AAAA,1\n", "listed but missing"),
        ("", "not listed"),
    ] {
        let archive =
            wheel("demo", "1.0", &[("demo.py", FILE, b"1"), (own, FILE, record.as_bytes())]);
        let error =
            install(&archive, "demo-1.0-py3-none-any.whl", "strict").map(|_| ()).unwrap_err();
        assert!(error.contains(expected) && error.contains("lenient"), "{error}");
        let bench = install(&archive, "demo-1.0-py3-none-any.whl", "lenient").unwrap();
        assert!(bench.log.lock().unwrap().iter().any(|line| line.contains(expected)));
    }
    let many: String = (0..2000).map(|n| format!("absent{n},,\n")).collect();
    let many = wheel("demo", "1.0", &[(own, FILE, many.as_bytes())]);
    let error = install(&many, "demo-1.0-py3-none-any.whl", "lenient").map(|_| ()).unwrap_err();
    assert!(error.contains("more than 1000 of its files are missing"), "{error}");
    let twice = wheel("demo", "1.0", &[(own, FILE, b"a,,\na,,\n")]);
    let error = install(&twice, "demo-1.0-py3-none-any.whl", "lenient").map(|_| ()).unwrap_err();
    assert!(error.contains("listed twice"), "{error}");
}

#[test]
fn no_byte_code_of_others_comes_in() {
    let Some(interpreter) = interpreters().into_iter().next() else { return };
    let tag = format!("cpython-3{}", interpreter.minor);
    let library = interpreter.site_packages();
    let foreign = [
        format!("demo/__pycache__/__init__.{tag}.pyc"),
        format!("demo/__pycache__/__init__.{tag}.opt-1.pyc"),
        format!("demo/__pycache__/other.{tag}.pyc/x"),
        format!("case/__PYCACHE__/__init__.{tag}.PYC"),
        "other/__pycache__".to_owned(),
        "demo/__init__.pyc".to_owned(),
        format!("demo-1.0.data/purelib/__pycache__/more.{tag}.pyc"),
        format!("demo-1.0.data/platlib/more/__pycache__/__init__.{tag}.pyc"),
        format!("demo-1.0.data/data/{library}/demo/__pycache__/third.{tag}.pyc"),
        format!("demo-1.0.data/data/{library}/demo/third.pyc"),
        format!("demo-1.0.data/data/share/__pycache__/x.{tag}.pyc"),
        format!("demo-1.0.data/headers/__pycache__/x.{tag}.pyc"),
        "demo-1.0.data/scripts/__pycache__".to_owned(),
    ];
    let mut files: Vec<(&str, u32, &[u8])> =
        foreign.iter().map(|path| (path.as_str(), FILE, &b"FOREIGN"[..])).collect();
    let sources = ["demo/__init__.py", "demo/third.py", "other/x.py", "more/__init__.py"];
    files.extend(sources.map(|path| (path, FILE, &b"x = 1\n"[..])));
    // a package that has no sources is one, too
    files.push(("bare/__init__.pyc", FILE, b"BARE"));
    let bench = demo(&files).unwrap();
    let mut folders = vec![bench.out().clone()];
    let (mut compiled, mut bare) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = fs::read(&path).unwrap();
            assert!(!content.starts_with(b"FOREIGN"), "{}", path.display());
            compiled += usize::from(path.to_str().unwrap().contains("__pycache__"));
            bare += usize::from(content == b"BARE");
        }
    }
    assert_eq!((compiled, bare), (sources.len(), 1));
}

#[test]
fn descriptions_of_old_tools_are_read_with_a_warning() {
    if interpreters().is_empty() {
        return;
    }
    let metadata = b"\xef\xbb\xbfName: demo\r\nVersion: 1.0\r\nAuthor: Ren\xe9\r\n";
    let kind = b"\xef\xbb\xbfWheel-Version: 1.0\r\nGenerator: Ren\xe9\r\nRoot-Is-Purelib: true\r\n";
    let points = b"\xef\xbb\xbf# Ren\xe9\r\n[console_scripts]\r\nx = demo:x\r\n";
    let info = |leaf: &str| format!("demo-1.0.dist-info/{leaf}");
    let paths = ["METADATA", "WHEEL", "entry_points.txt", "RECORD"].map(info);
    let row = |path: &str, content: &[u8]| {
        let sha256 = super::record::sha256(content);
        super::record::Row::of(path.to_owned(), &sha256, content.len() as u64)
    };
    let mut rows = vec![
        row(&paths[0], metadata),
        row(&paths[1], kind),
        row(&paths[2], points),
        row("demo.py", b"x = 1\n"),
        super::record::Row::own(paths[3].clone()),
    ];
    let record = super::record::format(&mut rows).replace('\n', "\r\n");
    let record = [b"\xef\xbb\xbf", record.as_bytes()].concat();
    let bench = demo(&[
        ("demo.py", FILE, b"x = 1\n"),
        (&paths[0], FILE, metadata),
        (&paths[1], FILE, kind),
        (&paths[2], FILE, points),
        (&paths[3], FILE, &record),
    ])
    .unwrap();
    let log = bench.log.lock().unwrap().join("\n");
    for path in &paths[..3] {
        assert!(log.contains(&format!("'{path}' is not UTF-8 and was read as Latin-1")), "{log}");
    }
}

/// Descriptions of wheels are read whole, so they have a bound of their own.
#[test]
fn large_descriptions_are_refused_before_they_are_inflated() {
    use std::io::Write as _;
    if interpreters().is_empty() {
        return;
    }
    let large = usize::try_from(crate::limits::METADATA).unwrap() + 1;
    for leaf in ["METADATA", "WHEEL", "RECORD", "entry_points.txt"] {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        for (file, text) in [
            ("METADATA", "Name: demo\nVersion: 1.0\n"),
            ("WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"),
            ("RECORD", ""),
            ("entry_points.txt", ""),
        ] {
            zip.start_file(format!("demo-1.0.dist-info/{file}"), options).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
            if file == leaf {
                zip.write_all(&vec![b'\n'; large]).unwrap();
            }
        }
        let bytes = zip.finish().unwrap().into_inner();
        assert!(bytes.len() < 100_000);
        let error =
            install(&bytes, "demo-1.0-py3-none-any.whl", "lenient").map(|_| ()).unwrap_err();
        assert!(error.contains(leaf) && error.contains("at most 16 MiB are allowed"), "{error}");
    }
}

/// Every entry is looked up as often as it is named; searching all entries for each takes minutes.
#[test]
fn many_entries_are_found_at_once() {
    if interpreters().is_empty() {
        return;
    }
    // byte code is not written, so that the file system's time does not count
    let names: Vec<String> = (0..60_000).map(|n| format!("demo/__pycache__/{n}.pyc")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), FILE, &b""[..])).collect();
    let started = std::time::Instant::now();
    demo(&files).unwrap();
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
