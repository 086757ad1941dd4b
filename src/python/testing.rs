//! For the tests of this wing: tasks without a queue, and the interpreters of this machine.

use std::{collections::BTreeMap, path::PathBuf, process::Command, sync::Mutex};

use fs_err as fs;

use super::target::Interpreter;
use crate::{
    build::{
        sandbox::Request,
        task::{Task, TaskError},
    },
    derivation::{Derivation, Output},
    store_path::StorePath,
};

/// A store path of that name; the number makes it distinct.
pub(crate) fn path(number: u8, name: &str) -> StorePath {
    StorePath::new(&[number; 20], name).unwrap()
}

/// The interpreters that this machine has, out of those that are supported. Says so where there is
/// none, so that a test that checks nothing is seen.
pub(crate) fn interpreters() -> Vec<Interpreter> {
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

/// One task with a store of its own.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) inputs: Vec<StorePath>,
    pub(crate) derivation: Derivation,
    pub(crate) outputs: BTreeMap<String, PathBuf>,
    pub(crate) log: Mutex<Vec<String>>,
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
        Self { dir, inputs: Vec::new(), derivation, outputs, log: Mutex::default() }
    }

    /// Makes an input and says where its files belong.
    pub(crate) fn input(&mut self, path: &StorePath) -> PathBuf {
        self.inputs.push(path.clone());
        self.dir.path().join("store").join(path.base())
    }

    /// Makes an interpreter of this machine an input.
    pub(crate) fn interpreter(&mut self, interpreter: &Interpreter) {
        let base = StorePath::parse(&interpreter.logical).unwrap();
        let place = self.input(&base);
        fs::os::unix::fs::symlink(&interpreter.real, place).unwrap();
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
            store: &store,
            inputs: &self.inputs,
            sandbox: &without_sandbox,
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
