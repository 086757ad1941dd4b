//! For the tests of this wing: tasks without a queue, and the interpreters of this machine.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{Mutex, OnceLock},
};

use fs_err as fs;

use super::{
    target::Interpreter,
    wheel::record::{self, Row},
};
use crate::{
    build::{
        sandbox::{Bind, Request},
        task::{Task, TaskError},
    },
    derivation::{Derivation, Output},
    inputs::Inputs,
    store_path::StorePath,
};

/// A store path of that name; the number makes it distinct.
pub(crate) fn path(number: u8, name: &str) -> StorePath {
    StorePath::new(&[number; 20], name).unwrap()
}

/// The supported interpreters of this machine. Prints a line if there is none, so that a test that
/// checks nothing is noticed.
pub(crate) fn interpreters() -> Vec<Interpreter> {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    FOUND.get_or_init(search).clone()
}

fn search() -> Vec<Interpreter> {
    let mut found: Vec<Interpreter> = Vec::new();
    let named = std::env::var("CLUTCH_TEST_PYTHON").unwrap_or_default();
    let defaults = ["python3.11", "python3.12", "python3.13", "python3.14", "python3"];
    for program in named.split(':').filter(|p| !p.is_empty()).chain(defaults) {
        let ask = ["-I", "-c", "import sys; print(sys.base_prefix)"];
        let Ok(out) = Command::new(program).args(ask).output() else { continue };
        let prefix = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
        let logical = path(250, "python").to_string();
        let Ok(found_one) = Interpreter::at(&prefix, &logical) else { continue };
        if (11..=14).contains(&found_one.minor) && found.iter().all(|i| i.minor != found_one.minor)
        {
            found.push(found_one);
        }
    }
    if found.is_empty() {
        eprintln!("SKIPPED: no CPython 3.11 to 3.14 on this machine; set CLUTCH_TEST_PYTHON");
    }
    found
}

/// The prefix of an interpreter of this machine.
pub(crate) fn prefix(interpreter: &Interpreter) -> PathBuf {
    interpreter.making.clone().expect("one of this machine")
}

/// A wheel with these files beside `METADATA`, `WHEEL` and a true `RECORD`, which are made unless
/// they are given. The mode goes into the external attributes.
pub(crate) fn wheel(name: &str, version: &str, files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let stem = format!("{}-{version}", name.replace('-', "_"));
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    let kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let mut all: Vec<(String, u32, Vec<u8>)> = files
        .iter()
        .map(|(path, mode, content)| ((*path).into(), *mode, content.to_vec()))
        .collect();
    let mut add = |leaf: &str, content: &str| {
        let path = format!("{stem}.dist-info/{leaf}");
        if all.iter().all(|(other, ..)| *other != path) {
            all.push((path, 0o100_644, content.as_bytes().to_vec()));
        }
    };
    add("METADATA", &metadata);
    add("WHEEL", kind);
    let own = format!("{stem}.dist-info/RECORD");
    if all.iter().all(|(path, ..)| *path != own) {
        let rows = all.iter().filter(|(path, ..)| !path.ends_with('/'));
        let rows = rows.map(|(path, _, content)| {
            Row::of(path.clone(), &record::sha256(content), content.len() as u64)
        });
        let mut rows: Vec<_> = rows.chain([Row::own(own.clone())]).collect();
        all.push((own, 0o100_644, record::format(&mut rows).into_bytes()));
    }
    zip_of(&all)
}

/// A zip archive of stored entries with exactly these names and modes, however bad they are.
fn zip_of(entries: &[(String, u32, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    let short = |n: usize| u16::try_from(n).unwrap().to_le_bytes();
    let long = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    for (name, mode, content) in entries {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let offset = file.len();
        // version, flags (UTF-8), method, time and date, CRC, sizes, length of name, of extra
        let common = [
            &[20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0x5c][..],
            &crc.sum().to_le_bytes(),
            &long(content.len()),
            &long(content.len()),
            &short(name.len()),
            &[0, 0],
        ]
        .concat();
        file.extend([b"PK\x03\x04", &common[..], name.as_bytes(), content].concat());
        directory.extend([b"PK\x01\x02\x14\x03", &common[..], &[0; 6]].concat());
        directory.extend((mode << 16).to_le_bytes());
        directory.extend([&long(offset)[..], name.as_bytes()].concat());
    }
    let (start, count) = (file.len(), short(entries.len()));
    let end = [&long(directory.len())[..], &long(start), &[0, 0]].concat();
    [&file[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &count, &end].concat()
}

/// One task with a store of its own.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) inputs: Vec<StorePath>,
    pub(crate) derivation: Derivation,
    pub(crate) outputs: BTreeMap<String, PathBuf>,
    pub(crate) log: Mutex<Vec<String>>,
    /// The real places of programs of inputs: logical path and place.
    real: Vec<(String, PathBuf)>,
}

impl Bench {
    /// A task whose derivation has these structured attributes and one output, `out`.
    pub(crate) fn new(attributes: &serde_json::Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["store", "scratch", "outputs"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let out = path(251, "result");
        let outputs = [("out".to_owned(), dir.path().join("outputs/out"))].into();
        let derivation = Derivation {
            name: "result".into(),
            system: "builtin".into(),
            builder: b"builtin:test".to_vec(),
            args: Vec::new(),
            env: BTreeMap::new(),
            structured: Some(attributes.to_string()),
            outputs: [("out".to_owned(), Output { path: out, fixed: None })].into(),
            input_derivations: BTreeMap::new(),
            input_sources: std::collections::BTreeSet::new(),
        };
        let (inputs, real) = (Vec::new(), Vec::new());
        Self { dir, inputs, derivation, outputs, log: Mutex::default(), real }
    }

    /// Makes an input and gives the place of its files.
    pub(crate) fn input(&mut self, path: &StorePath) -> PathBuf {
        self.inputs.push(path.clone());
        self.dir.path().join("store").join(path.base())
    }

    /// Makes an interpreter of this machine an input: the files that builders read of it are there,
    /// and its programs run in their own place.
    pub(crate) fn interpreter(&mut self, interpreter: &Interpreter) {
        let base = StorePath::parse(&interpreter.logical).unwrap();
        let bin = self.input(&base).join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join(interpreter.name()), "").unwrap();
        self.real.push((interpreter.logical.clone(), prefix(interpreter)));
    }

    /// Replaces the files that builders read of the interpreter by a link to all of it, so that
    /// their output runs in its place.
    pub(crate) fn make_runnable(&self) {
        for (path, prefix) in &self.real {
            let base = StorePath::parse(path).unwrap();
            let place = self.dir.path().join("store").join(base.base());
            fs::remove_dir_all(&place).unwrap();
            fs::os::unix::fs::symlink(prefix, place).unwrap();
        }
    }

    /// The output.
    pub(crate) fn out(&self) -> &PathBuf {
        &self.outputs["out"]
    }

    /// Runs a builder; programs of inputs run without a sandbox, at their real places.
    pub(crate) fn run<T>(
        &self,
        builder: impl FnOnce(&Task<'_>) -> Result<T, TaskError>,
    ) -> Result<T, TaskError> {
        let (store, scratch) = (self.dir.path().join("store"), self.dir.path().join("scratch"));
        builder(&Task {
            derivation: &self.derivation,
            outputs: &self.outputs,
            scratch: &scratch,
            inputs: Inputs::new(&store, &self.inputs),
            graph: &|_| unreachable!("no builder asks for it"),
            sandbox: &|request| {
                let real = self.real.iter().map(|(path, place)| Bind {
                    host: place.clone(),
                    inside: path.into(),
                    writable: false,
                });
                let binds = real.chain(request.binds.iter().cloned()).collect();
                without_sandbox(&Request { binds, ..request.clone() })
            },
            network: None,
            log: &|line| self.log.lock().unwrap().push(line.to_owned()),
            progress: &|_, _| {},
            cancelled: &|| false,
        })
    }
}

fn without_sandbox(request: &Request) -> Result<(), TaskError> {
    let real = |inside: &[u8]| {
        let text = String::from_utf8(inside.to_vec()).unwrap();
        let binds = request.binds.iter().rev();
        binds
            .filter_map(|b| Some((b, text.strip_prefix(b.inside.to_str()?)?)))
            .find(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
            .map_or(text.clone(), |(b, rest)| format!("{}{rest}", b.host.display()))
    };
    let output = Command::new(real(&request.program))
        .args(request.args.iter().map(|a| real(a)))
        .env_clear()
        .envs(request.env.iter().map(|(k, v)| (k, String::from_utf8(v.clone()).unwrap())))
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(TaskError::Failed(String::from_utf8_lossy(&output.stderr).into_owned()))
}
