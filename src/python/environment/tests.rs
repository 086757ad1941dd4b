//! Composes environments out of wheels that are installed here, and runs them.

use std::{path::PathBuf, process::Command};

use fs_err as fs;
use serde_json::json;

use crate::{
    python::{
        environment,
        target::Interpreter,
        testing::{Bench, interpreters, path, wheel},
        wheel as wheels,
    },
    store_path::StorePath,
};

const FILE: u32 = 0o100_644;

type Files<'a> = &'a [(&'a str, u32, &'a [u8])];

/// Installs a wheel into the bench's store.
fn install(
    bench: &mut Bench,
    interpreter: &Interpreter,
    number: u8,
    name: &str,
    files: Files<'_>,
) -> StorePath {
    let file = format!("{}-1.0-py3-none-any.whl", name.replace('-', "_"));
    let source = path(number + 100, &file);
    let mut one = Bench::new(&json!({
        "wheel": source.to_string(), "file": file, "interpreter": interpreter.logical,
    }));
    fs::write(one.input(&source), wheel(name, "1.0", files)).unwrap();
    one.interpreter(interpreter);
    one.run(wheels::build).unwrap();
    let path = path(number, name);
    let place = bench.input(&path);
    fs::rename(one.out(), place).unwrap();
    path
}

/// Composes; the environment is then in the store, so that its links work.
fn compose(
    mut bench: Bench,
    interpreter: &Interpreter,
    distributions: &[StorePath],
    collisions: &serde_json::Value,
) -> Result<(Bench, PathBuf), String> {
    let distributions: Vec<_> = distributions.iter().map(ToString::to_string).collect();
    bench.derivation.structured = Some(
        json!({
            "interpreter": interpreter.logical,
            "distributions": distributions,
            "collisions": collisions,
        })
        .to_string(),
    );
    bench.run(environment::build).map_err(|e| e.to_string())?;
    let out = bench.derivation.outputs["out"].path.clone();
    let place = bench.input(&out);
    fs::rename(bench.out(), &place).unwrap();
    bench.make_runnable();
    Ok((bench, place))
}

fn new(interpreter: &Interpreter) -> Bench {
    let mut bench = Bench::new(&json!({}));
    bench.interpreter(interpreter);
    bench
}

#[test]
fn the_main_program_is_written_down_where_it_is_there() {
    let Some(interpreter) = interpreters().into_iter().next() else { return };
    let build = |name: &str| {
        let mut bench = new(&interpreter);
        bench.derivation.structured = Some(
            json!({
                "interpreter": interpreter.logical, "distributions": [], "mainProgram": name,
            })
            .to_string(),
        );
        let result = bench.run(environment::build).map_err(|e| e.to_string());
        result.map(|()| {
            let text = fs::read_to_string(bench.out().join("pyvenv.cfg")).unwrap();
            text.lines().find_map(|line| Some(line.strip_prefix("main-program = ")?.to_owned()))
        })
    };
    assert_eq!(build("python"), Ok(Some("python".to_owned())));
    for name in ["web", "", "../lib", "/bin/sh"] {
        let error = build(name).unwrap_err();
        assert!(
            error.contains("does not contain this program, only ") && error.contains("python"),
            "{error}"
        );
    }
}

#[test]
fn python_finds_itself_and_every_distribution() {
    for interpreter in interpreters() {
        let mut bench = new(&interpreter);
        let points = b"[console_scripts]\nhello = alpha.cli:main\n";
        let alpha = install(
            &mut bench,
            &interpreter,
            1,
            "alpha",
            &[
                ("alpha/__init__.py", FILE, b""),
                (
                    "alpha/cli.py",
                    FILE,
                    b"import beta\ndef main():\n    print('hello', beta.__file__)\n",
                ),
                ("space/one.py", FILE, b"x = 1\n"),
                ("alpha-1.0.data/scripts/raw", FILE, b"#!python\nprint('raw')\n"),
                ("alpha-1.0.dist-info/entry_points.txt", FILE, points),
            ],
        );
        let beta = install(
            &mut bench,
            &interpreter,
            2,
            "beta",
            &[
                ("beta/__init__.py", FILE, b"def boom():\n    1 / 0\n"),
                ("space/two.py", FILE, b"x = 2\n"),
            ],
        );
        let (bench, place) = compose(bench, &interpreter, &[beta, alpha], &json!({})).unwrap();
        let script = r#"
import sys, importlib.metadata as metadata, traceback
assert sys.prefix != sys.base_prefix, (sys.prefix, sys.base_prefix)
import beta, space.one, space.two
print(sys.prefix)
print(sorted(d.name + d.version for d in metadata.distributions()))
try: beta.boom()
except ZeroDivisionError: print(traceback.extract_tb(sys.exc_info()[2])[-1].filename)
for d in metadata.distributions():
    for f in d.files:
        if f.hash:
            import hashlib, base64
            data = f.read_binary()
            assert len(data) == f.size, f
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert digest == f.hash.value, f
print(sorted(str(f) for f in metadata.files("alpha") if "bin" in str(f)))
print(beta.__cached__)
"#;
        let python = place.join("bin/python");
        let run =
            Command::new(&python).args(["-I", "-W", "ignore", "-c", script]).output().unwrap();
        let text = String::from_utf8_lossy(&run.stdout).replace(place.to_str().unwrap(), "ENV");
        let errors = String::from_utf8_lossy(&run.stderr);
        let name = interpreter.name();
        let expected = format!(
            "ENV\n['alpha1.0', 'beta1.0']\nENV/lib/{name}/site-packages/beta/__init__.py\n\
             ['../../../bin/hello', '../../../bin/raw']\n\
             ENV/lib/{name}/site-packages/beta/__pycache__/__init__.cpython-3{}.pyc\n",
            interpreter.minor
        );
        assert_eq!(text, expected, "{errors}");

        // one owner: a link; two owners: a folder of links
        let library = place.join(interpreter.site_packages());
        assert!(library.join("beta").is_symlink() && !library.join("space").is_symlink());
        assert!(library.join("space/one.py").is_symlink());
        let logical = bench.derivation.outputs["out"].path.to_string();
        for (program, expected) in
            [("hello", "from alpha.cli import main"), ("raw", "print('raw')")]
        {
            let text = fs::read_to_string(place.join("bin").join(program)).unwrap();
            assert!(text.starts_with(&format!("#!{logical}/bin/python\n")), "{text}");
            assert!(text.contains(expected));
            let run = Command::new(&python).arg(place.join("bin").join(program)).output().unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        }
    }
}

#[test]
fn byte_code_is_used_and_none_is_written() {
    let Some(interpreter) = interpreters().into_iter().next() else { return };
    let mut bench = new(&interpreter);
    let alpha = install(&mut bench, &interpreter, 1, "alpha", &[("alpha.py", FILE, b"x = 1\n")]);
    let real = bench.dir.path().join("store").join(alpha.base());
    let (_bench, place) = compose(bench, &interpreter, &[alpha], &json!({})).unwrap();
    // Unchecked: a change of the source is not seen, so the byte code is what runs.
    let source = real.join(interpreter.site_packages()).join("alpha.py");
    fs::write(&source, "x = 2\n").unwrap();
    let run = Command::new(place.join("bin/python"))
        .args(["-I", "-c", "import alpha; print(alpha.x)"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&run.stdout), "1\n");
}

#[test]
fn two_owners_of_one_file_are_named() {
    let Some(interpreter) = interpreters().into_iter().next() else { return };
    let both = |bench: &mut Bench| {
        let alpha: Files<'_> = &[
            ("shared/same.py", FILE, b"x = 1\n"),
            ("shared/other.py", FILE, b"x = 1\n"),
            ("alpha-1.0.dist-info/entry_points.txt", FILE, b"[console_scripts]\nrun = a:b\n"),
        ];
        let beta: Files<'_> = &[
            ("shared/same.py", FILE, b"x = 1\n"),
            ("shared/other.py", FILE, b"x = 2\n"),
            ("Beta-1.0.dist-info/entry_points.txt", FILE, b"[console_scripts]\nrun = b:b\n"),
        ];
        let a = install(bench, &interpreter, 1, "alpha", alpha);
        [a, install(bench, &interpreter, 2, "Beta", beta)]
    };
    let mut bench = new(&interpreter);
    let two = both(&mut bench);
    let error = compose(bench, &interpreter, &two, &json!({})).map(|_| ()).unwrap_err();
    let library = interpreter.site_packages();
    for expected in [
        "'alpha' and 'beta' both have 'bin/run' with different content".to_owned(),
        format!("'alpha' and 'beta' both have '{library}/shared/other.py' with different content"),
    ] {
        assert!(error.contains(&expected), "{error}");
    }
    assert!(!error.contains("same.py") && !error.contains("pyc"), "{error}");

    let mut bench = new(&interpreter);
    let two = both(&mut bench);
    let policy = json!({ "bin/run": "beta", "shared/other.py": "Beta" });
    let (_bench, place) = compose(bench, &interpreter, &two, &policy).unwrap();
    assert_eq!(
        fs::read_to_string(place.join(&library).join("shared/other.py")).unwrap(),
        "x = 2\n"
    );
    assert!(fs::read_to_string(place.join("bin/run")).unwrap().contains("from b import b"));

    for (key, value) in [("shared/other.py", "gamma"), ("bin/run", "gamma")] {
        let mut bench = new(&interpreter);
        let two = both(&mut bench);
        let error =
            compose(bench, &interpreter, &two, &json!({ key: value })).map(|_| ()).unwrap_err();
        assert!(error.contains("no distribution with that name"), "{error}");
    }
}

#[test]
fn the_order_of_distributions_does_not_matter() {
    let Some(interpreter) = interpreters().into_iter().next() else { return };
    let outline = |order: &[usize]| {
        let mut bench = new(&interpreter);
        let files: [Files<'_>; 3] = [
            &[("ns/a.py", FILE, b"1\n"), ("ns/same.py", FILE, b"0\n")],
            &[("ns/b.py", FILE, b"2\n"), ("ns/same.py", FILE, b"0\n")],
            &[("c.py", FILE, b"3\n"), ("c-1.0.data/data/share/x", FILE, b"")],
        ];
        let paths: Vec<_> = ["a", "b", "c"]
            .iter()
            .zip(files)
            .zip(1..)
            .map(|((name, files), number)| install(&mut bench, &interpreter, number, name, files))
            .collect();
        let order: Vec<_> = order.iter().map(|i| paths[*i].clone()).collect();
        let (_bench, place) = compose(bench, &interpreter, &order, &json!({})).unwrap();
        let mut found = Vec::new();
        let mut folders = vec![place.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                let content = match () {
                    () if kind.is_dir() => {
                        folders.push(entry.path());
                        Vec::new()
                    }
                    () if kind.is_symlink() => {
                        fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes()
                    }
                    () => fs::read(entry.path()).unwrap(),
                };
                found.push((entry.path().strip_prefix(&place).unwrap().to_owned(), content));
            }
        }
        found.sort();
        found
    };
    let first = outline(&[0, 1, 2]);
    assert!(first.len() > 15);
    for order in [[2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        assert!(outline(&order) == first, "{order:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let Some(interpreter) = interpreters().into_iter().next() else { return };
    let mut bench = new(&interpreter);
    let a = install(&mut bench, &interpreter, 1, "alpha", &[("a.py", FILE, b"")]);
    let b = install(&mut bench, &interpreter, 2, "Alpha", &[("b.py", FILE, b"")]);
    let error = compose(bench, &interpreter, &[a, b], &json!({})).map(|_| ()).unwrap_err();
    assert!(error.contains("two distributions are called 'alpha'"), "{error}");

    let mut bench = new(&interpreter);
    let other = path(3, "other");
    fs::create_dir_all(bench.input(&other).join("lib/python3.9/site-packages")).unwrap();
    let error = compose(bench, &interpreter, &[other], &json!({})).map(|_| ()).unwrap_err();
    assert!(error.contains("found one for CPython 3.9"), "{error}");

    for (is_folder, found) in [(false, "a file"), (true, "a folder that is not a distribution")] {
        let mut bench = new(&interpreter);
        let other = path(3, "other");
        let place = bench.input(&other);
        if is_folder { fs::create_dir(place) } else { fs::write(place, "") }.unwrap();
        let error = compose(bench, &interpreter, &[other], &json!({})).map(|_| ()).unwrap_err();
        let minor = interpreter.minor;
        let text =
            format!("expected a Python distribution built for CPython 3.{minor}, found {found}");
        assert!(error.ends_with(&text), "{error}");
    }

    let bench = new(&interpreter);
    let error =
        compose(bench, &interpreter, &[path(4, "absent")], &json!({})).map(|_| ()).unwrap_err();
    assert!(error.contains("not an input"), "{error}");

    let mut bench = new(&interpreter);
    let points: &[u8] = b"[console_scripts]\nx = a:b\n";
    let files: Files<'_> = &[("alpha-1.0.dist-info/entry_points.txt", FILE, points)];
    let a = install(&mut bench, &interpreter, 1, "alpha", files);
    let output = bench.derivation.outputs.get_mut("out").unwrap();
    output.path = path(5, &"long".repeat(20));
    let error = compose(bench, &interpreter, &[a], &json!({})).map(|_| ()).unwrap_err();
    assert!(error.contains("choose a shorter name"), "{error}");
}
