//! How long it takes to install a wheel (inflate, write, hash; without byte code) and to compose an
//! environment. `cargo bench --bench environment`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clutch::{
    build::{
        builtin::Registry,
        task::{Task, TaskError},
    },
    derivation::{Derivation, Output},
    inputs::Inputs,
    python::{BUILTINS, wheel::record},
    store_path::StorePath,
};
use fs_err as fs;
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn path(number: u8, name: &str) -> StorePath {
    StorePath::new(&[number; 20], name).expect("a good name")
}

/// A store with an interpreter that is only a name.
struct Store {
    dir: tempfile::TempDir,
    inputs: Vec<StorePath>,
}

impl Store {
    fn new() -> Self {
        let place =
            if Path::new("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir() };
        let dir = tempfile::tempdir_in(place).expect("a scratch folder");
        let mut store = Self { dir, inputs: Vec::new() };
        let bin = store.input(&path(200, "python")).join("bin");
        fs::create_dir_all(&bin).expect("a folder");
        fs::write(bin.join("python3.11"), "").expect("a file");
        store
    }

    fn input(&mut self, path: &StorePath) -> PathBuf {
        self.inputs.push(path.clone());
        self.dir.path().join(path.base())
    }

    /// Runs a builder of the Python wing; the output is removed afterwards.
    fn run(&self, builder: &str, mut attributes: Value) {
        attributes["interpreter"] = path(200, "python").to_string().into();
        let derivation = Derivation {
            name: "out".into(),
            system: "builtin".into(),
            builder: format!("builtin:{builder}").into_bytes(),
            args: Vec::new(),
            env: BTreeMap::new(),
            structured: Some(attributes.to_string()),
            outputs: [("out".into(), Output { path: path(201, "out"), fixed: None })].into(),
            input_derivations: BTreeMap::new(),
            input_sources: BTreeSet::new(),
        };
        let out = self.dir.path().join("out");
        let task = Task {
            derivation: &derivation,
            outputs: &[("out".to_owned(), out.clone())].into(),
            scratch: self.dir.path(),
            inputs: Inputs::new(self.dir.path(), &self.inputs),
            graph: &|_| unreachable!("no builder asks for it"),
            sandbox: &|_| Err(TaskError::Failed("no process is needed".into())),
            network: None,
            log: &|_| {},
            progress: &|_, _| {},
            cancelled: &|| false,
        };
        let builtin = Registry(&[BUILTINS]).get(builder).expect("a built-in builder");
        (builtin.build)(&task).expect("it builds");
        fs::remove_dir_all(out).expect("the output is there");
    }
}

/// A wheel such as numpy's: one large library, some middling ones, hundreds of small files. Without
/// `.py` files, so that there is nothing to compile.
fn numpy_like() -> Vec<u8> {
    use std::io::Write as _;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let content = |size: usize, seed: usize| -> Vec<u8> {
        let word = |i: usize| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8;
        (0..size).map(|i| if i % 3 == 0 { word(i / 64) } else { word(i) & 7 }).collect()
    };
    files.push(("demo.libs/large.so".into(), content(25 << 20, 1)));
    files.extend((0..20).map(|n| (format!("demo/core/lib{n}.so"), content(1 << 20, n))));
    files.extend(
        (0..800).map(|n| (format!("demo/data{}/file{n}.txt", n % 40), content(12 << 10, n))),
    );
    let info = |leaf: &str| format!("demo-1.0.dist-info/{leaf}");
    files.push((info("METADATA"), b"Name: demo\nVersion: 1.0\n".to_vec()));
    files.push((info("WHEEL"), b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n".to_vec()));
    let row = |(path, content): &(String, Vec<u8>)| {
        record::Row::of(path.clone(), &record::sha256(content), content.len() as u64)
    };
    let mut rows: Vec<_> = files.iter().map(row).collect();
    files.push((info("RECORD"), record::format(&mut rows).into_bytes()));
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .unix_permissions(0o644);
    for (path, content) in files {
        zip.start_file(path, options).expect("an entry");
        zip.write_all(&content).expect("its content");
    }
    zip.finish().expect("an archive").into_inner()
}

#[divan::bench(sample_count = 10)]
fn wheel_unpack(bencher: divan::Bencher<'_, '_>) {
    let mut store = Store::new();
    let (source, archive) = (path(1, "wheel"), numpy_like());
    fs::write(store.input(&source), &archive).expect("the wheel");
    let attributes = json!({ "wheel": source.to_string(), "file": "demo-1.0-py3-none-any.whl" });
    bencher
        .counter(divan::counter::BytesCount::of_slice(&archive))
        .bench_local(|| store.run("wheel", attributes.clone()));
}

/// Every distribution has a package, a module and two scripts; each tenth shares a namespace.
#[divan::bench(args = [10, 50, 200])]
fn compose(bencher: divan::Bencher<'_, '_>, count: u8) {
    let mut store = Store::new();
    let mut distributions = Vec::new();
    for n in 0..count {
        let path = path(n, &format!("dist{n}-1.0"));
        let library = store.input(&path).join("lib/python3.11/site-packages");
        let info = library.join(format!("dist{n}-1.0.dist-info"));
        for folder in [&info, &library.join(format!("package{n}"))] {
            fs::create_dir_all(folder).expect("a folder");
        }
        if n % 10 == 0 {
            let shared = library.join("shared");
            fs::create_dir_all(&shared).expect("a folder");
            fs::write(shared.join(format!("part{n}.py")), "").expect("a file");
        }
        let mut scripts = String::from("[console_scripts]\n");
        let _ = writeln!(scripts, "tool{n} = package{n}:main\nother{n} = package{n}:main");
        for (leaf, text) in [
            ("METADATA", format!("Name: dist{n}\nVersion: 1.0\n")),
            ("RECORD", format!("module{n}.py,,\n")),
            ("entry_points.txt", scripts),
        ] {
            fs::write(info.join(leaf), text).expect("a file");
        }
        fs::write(library.join(format!("module{n}.py")), "").expect("a file");
        distributions.push(path.to_string());
    }
    let attributes = json!({ "distributions": distributions });
    bencher.bench_local(|| store.run("environment", attributes.clone()));
}
