//! Compiles every `.py` file of a tree to a `.pyc` at build time. The interpreter loads it without
//! looking at the source (PEP 552, unchecked hash). The bytes depend only on the source and the
//! interpreter, not on the order of files, the number of workers or the place in the store.

pub(crate) mod marshal;

use std::{
    fmt::Write as _,
    io,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use fs_err::{self as fs, os::unix::fs::FileExt as _};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use self::marshal::MarshalError;
use super::target::Interpreter;
use crate::{
    build::{
        sandbox::Request,
        task::{Task, TaskError},
    },
    limits,
    regular::{self, Link},
    store_path::STORE_DIR,
};

/// The program that runs in the sandbox.
const DRIVER: &str = include_str!("driver.py");

/// A `.pyc` that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compiled {
    /// Its path from the tree.
    pub path: String,
    /// The hash of its content.
    pub sha256: [u8; 32],
    /// Its size in bytes.
    pub size: u64,
}

/// Compiles every `.py` file below `tree` into the `__pycache__` beside it. Byte code names its source file by the
/// path from `tree`; the interpreter replaces it by the real path when it loads the file. Files that do not compile,
/// such as templates and Python 2, or that are unusually large or deeply nested, get no byte code and are named in
/// the log.
///
/// `tree` must be out of reach of other builds: a scratch folder, or an output of this build. The
/// interpreter may be an output of this build, too.
///
/// # Errors
/// If the interpreter cannot be run, or writes byte code of an unknown format.
pub(crate) fn compile(
    task: &Task<'_>,
    interpreter: &Interpreter,
    tree: &Path,
) -> Result<Vec<Compiled>, TaskError> {
    let (sources, large): (Vec<_>, Vec<_>) =
        sources(tree)?.into_iter().partition(|source| source.size <= limits::SOURCE);
    let without = |source: &Source, reason: &str| {
        (task.log)(&format!("no byte code for {}: {reason}", source.name));
    };
    for source in large {
        let most = limits::SOURCE;
        without(&source, &format!("it has {} bytes, more than {most}", source.size));
    }
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let scratch = tempfile::Builder::new().prefix("bytecode-").tempdir_in(task.scratch)?;
    let workers = workers(sources.len());
    run(task, interpreter, tree, &sources, scratch.path(), workers)?;

    let files: Vec<_> = (0..workers)
        .map(|n| regular::open(&scratch.path().join(format!("out/{n}")), Link::Refuse))
        .collect::<Result<_, _>>()?;
    let mut records: Vec<Option<Record<'_>>> = vec![None; sources.len()];
    for file in &files {
        split(file, &mut records)?;
    }
    let results: Vec<_> = sources
        .par_iter()
        .zip(records.into_par_iter())
        .map(|(source, record)| {
            if (task.cancelled)() {
                return Err(TaskError::Cancelled);
            }
            finish(tree, source, record, interpreter)
        })
        .collect::<Result<_, TaskError>>()?;
    let mut compiled = Vec::with_capacity(results.len());
    for (source, result) in sources.iter().zip(results) {
        match result {
            Ok(pyc) => compiled.push(pyc),
            Err(reason) => without(source, &reason.to_string()),
        }
    }
    compiled.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(compiled)
}

struct Source {
    /// Its path from the tree.
    name: String,
    size: u64,
}

/// Every `.py` file, the largest first, so that the workers finish at about the same time.
fn sources(tree: &Path) -> Result<Vec<Source>, TaskError> {
    let mut found = Vec::new();
    let mut folders = vec![(tree.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            // Names that are not UTF-8 cannot be imported.
            let Some(name) = name.to_str() else { continue };
            if kind.is_dir() && name != "__pycache__" {
                folders.push((entry.path(), format!("{prefix}{name}/")));
            } else if kind.is_file() && name.ends_with(".py") {
                let size = entry.metadata()?.len();
                found.push(Source { name: format!("{prefix}{name}"), size });
            }
        }
    }
    found.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
    Ok(found)
}

/// The number of workers: one per core, but each with at least a few files, because starting a process
/// takes as long as compiling them.
fn workers(files: usize) -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(files.div_ceil(4))
}

/// Runs the driver, which writes its answers to `scratch/out`.
fn run(
    task: &Task<'_>,
    interpreter: &Interpreter,
    tree: &Path,
    sources: &[Source],
    scratch: &Path,
    workers: usize,
) -> Result<(), TaskError> {
    let mut list = String::new();
    for source in sources {
        list.push_str(&source.name);
        list.push('\0');
    }
    fs::write(scratch.join("driver.py"), DRIVER)?;
    fs::write(scratch.join("list"), list)?;
    fs::create_dir(scratch.join("out"))?;

    // The environment turns off hash randomisation, so `-E` and `-I` cannot be given. It contains
    // nothing else.
    let mut request = Request::new(interpreter.program())
        .args(["-s", "-S", "-P", "-B", "-W", "ignore", "/build/job/driver.py"])
        .args(["/build/tree", "/build/job/list", "/build/job/out"])
        .args([limits::BYTE_CODE.to_string(), workers.to_string()])
        .env("PYTHONHASHSEED", "0")
        .env("PYTHONUTF8", "1");
    if let Some(place) = &interpreter.making {
        request = request.read_only(place, &interpreter.logical);
    }
    request = request.read_only(tree, "/build/tree").writable(scratch, "/build/job");
    debug_assert!(interpreter.logical.starts_with(STORE_DIR));
    (task.sandbox)(&request)
}

/// The answer of a worker about one file, and its place in the file of answers.
#[derive(Clone, Copy)]
struct Record<'a> {
    file: &'a fs::File,
    at: u64,
    size: u32,
    /// True for byte code, false for an error message.
    done: bool,
}

impl Record<'_> {
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.size as usize];
        self.file.read_exact_at(&mut bytes, self.at)?;
        Ok(bytes)
    }
}

/// Finds the answers of a worker in its file, without reading them.
///
/// # Errors
/// If it is cut off.
fn split<'a>(file: &'a fs::File, records: &mut [Option<Record<'a>>]) -> Result<(), TaskError> {
    let cut_off = || TaskError::Failed("the byte compiler's answer is cut off".into());
    let (mut at, end) = (0, file.metadata()?.len());
    while at < end {
        let mut head = [0; 9];
        file.read_exact_at(&mut head, at).map_err(|_| cut_off())?;
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (index, size, done) = (number(0) as usize, number(5), head[4] == 1);
        at += head.len() as u64;
        let record = Record { file, at, size, done };
        at += u64::from(size);
        if at > end || u64::from(size) > limits::BYTE_CODE {
            return Err(cut_off());
        }
        *records.get_mut(index).ok_or_else(cut_off)? = Some(record);
    }
    Ok(())
}

/// The reason why a source file has no byte code. Python compiles it on import, or reports the error then.
#[derive(Debug, thiserror::Error)]
enum Uncompiled {
    /// The compiler's message.
    #[error("{0}")]
    Source(String),
    /// Byte code nested too deeply for the canonical form.
    #[error(transparent)]
    Nested(MarshalError),
    /// The name of the `.pyc` is too long for the file system.
    #[error("its name is too long")]
    LongName,
}

/// Writes one `.pyc`. The inner error is the reason why the file has none.
fn finish(
    tree: &Path,
    source: &Source,
    record: Option<Record<'_>>,
    interpreter: &Interpreter,
) -> Result<Result<Compiled, Uncompiled>, TaskError> {
    let fail =
        |problem: String| TaskError::Failed(format!("byte code of {}: {problem}", source.name));
    let record = record.ok_or_else(|| fail("the compiler ended before it".into()))?;
    let raw = record.read()?;
    if !record.done {
        return Ok(Err(Uncompiled::Source(one_line(&String::from_utf8_lossy(&raw)))));
    }
    let pyc = match marshal::canonical_pyc(&raw) {
        Ok(pyc) => pyc,
        Err(error @ MarshalError::Depth) => return Ok(Err(Uncompiled::Nested(error))),
        Err(error) => return Err(fail(error.to_string())),
    };
    let path = cached(&source.name, interpreter.minor);
    let real: PathBuf = tree.join(&path);
    let write = || {
        if let Some(parent) = real.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&real, &pyc)
    };
    match write() {
        Err(e) if e.kind() == io::ErrorKind::InvalidFilename => {
            return Ok(Err(Uncompiled::LongName));
        }
        other => other?,
    }
    let sha256 = Sha256::digest(&pyc).into();
    Ok(Ok(Compiled { path, sha256, size: pyc.len() as u64 }))
}

/// The path of the byte code of a source file (PEP 3147).
#[must_use]
pub(crate) fn cached(source: &str, minor: u32) -> String {
    let (folder, name) = source.rsplit_once('/').map_or(("", source), |(f, n)| (f, n));
    let mut path = String::from(folder);
    if !folder.is_empty() {
        path.push('/');
    }
    let stem = name.strip_suffix(".py").unwrap_or(name);
    let _ = write!(path, "__pycache__/{stem}.cpython-3{minor}.pyc");
    path
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::python::testing::{Bench, interpreters, prefix};

    const MODULE: &str = r#"
"""A doc string."""
import os
NAMES = {"a", "b b", "é", 1, 2.5, None, (1, "x")}
def f(x, /, y=(1, 2, (3, "deep")), *, z=b"bytes"):
    if x in {"one", "two", "three words", b"four", 5, (6, 7.0), frozenset}:
        return -0.0, 0.0, 1j, True, 1, ..., 10**30, "\ud800"
    return [lambda q: (q, x, "one") for _ in range(3)], x[1:2]
class C:
    a = b = "a"
    async def m(self):
        async with self as s:
            yield {**s}
"#;
    const SAME: &str = "
import marshal, sys
def same(a, b):
    if type(a) is not type(b): return False
    if isinstance(a, type(same.__code__)):
        fields = [n for n in dir(a) if n.startswith('co_') and not callable(getattr(a, n))]
        return all(same(getattr(a, n), getattr(b, n)) for n in fields if n != 'co_lnotab')
    if isinstance(a, tuple): return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b) if not isinstance(a, frozenset) else a == b
def load(path):
    with open(path, 'rb') as f: data = f.read()
    assert data[4:8] == bytes([1, 0, 0, 0]), data[:16]
    return marshal.loads(data[16:])
with open(sys.argv[1], 'rb') as f: source = f.read()
fresh = compile(source, sys.argv[3], 'exec', dont_inherit=True, optimize=0)
assert same(fresh, load(sys.argv[2])), sys.argv
";

    #[test]
    fn byte_code_is_equal_to_what_the_interpreter_makes() {
        for interpreter in interpreters() {
            let bench = Bench::new(&json!({}));
            let tree = bench.dir.path().join("tree");
            fs::create_dir_all(tree.join("p")).unwrap();
            let stdlib = prefix(&interpreter).join("lib").join(interpreter.name());
            fs::write(tree.join("p/own.py"), MODULE).unwrap();
            fs::write(tree.join("bad.py"), "print 'two'").unwrap();
            let names = ["argparse.py", "typing.py", "dataclasses.py", "datetime.py", "opcode.py"];
            for name in names {
                fs::copy(stdlib.join(name), tree.join("p").join(name)).unwrap();
            }
            let compiled = bench.run(|task| compile(task, &interpreter, &tree)).unwrap();
            assert_eq!(compiled.len(), names.len() + 1);
            assert!(bench.log.lock().unwrap()[0].starts_with("no byte code for bad.py: "));
            for name in names.iter().chain(&["own.py"]) {
                let source = format!("p/{name}");
                let status = std::process::Command::new(
                    prefix(&interpreter).join("bin").join(interpreter.name()),
                )
                .args(["-I", "-W", "ignore", "-c", SAME])
                .arg(tree.join(&source))
                .arg(tree.join(cached(&source, interpreter.minor)))
                .arg(&source)
                .status();
                assert!(status.unwrap().success(), "{source}");
            }
        }
    }

    #[test]
    fn order_and_workers_leave_no_trace() {
        for interpreter in interpreters() {
            let stdlib = prefix(&interpreter).join("lib").join(interpreter.name());
            let bench = Bench::new(&json!({}));
            let tree = bench.dir.path().join("tree");
            fs::create_dir_all(&tree).unwrap();
            for name in ["ast.py", "enum.py", "json/decoder.py", "inspect.py", "zipfile.py"] {
                if let Ok(source) = fs::read(stdlib.join(name)) {
                    fs::write(tree.join(name.replace('/', "_")), source).unwrap();
                }
            }
            let results = [(1, false, "0"), (3, false, "0"), (2, true, "77")].map(
                |(workers, turned, seed)| {
                    let mut list = sources(&tree).unwrap();
                    if turned {
                        list.reverse();
                    }
                    let scratch = tempfile::tempdir().unwrap();
                    bench
                        .run(|task| {
                            let sandbox = |request: &Request| {
                                let mut request = request.clone();
                                request.env[0].1 = seed.into();
                                (task.sandbox)(&request)
                            };
                            let task = Task { sandbox: &sandbox, ..*task };
                            run(&task, &interpreter, &tree, &list, scratch.path(), workers)
                        })
                        .unwrap();
                    let mut out = std::collections::BTreeMap::new();
                    for n in 0..workers {
                        let file = fs::File::open(scratch.path().join(format!("out/{n}"))).unwrap();
                        let mut records = vec![None; list.len()];
                        split(&file, &mut records).unwrap();
                        for (source, record) in list.iter().zip(records) {
                            if let Some(record) = record.filter(|record| record.done) {
                                out.insert(
                                    source.name.clone(),
                                    marshal::canonical_pyc(&record.read().unwrap()).unwrap(),
                                );
                            }
                        }
                    }
                    out
                },
            );
            assert!(results[0].len() >= 4);
            assert!(results[0] == results[1] && results[0] == results[2]);
        }
    }

    #[test]
    fn byte_code_has_its_place() {
        assert_eq!(cached("a/b.py", 11), "a/__pycache__/b.cpython-311.pyc");
        assert_eq!(cached("b.py", 13), "__pycache__/b.cpython-313.pyc");
        assert_eq!(cached("a/b.c.py", 13), "a/__pycache__/b.c.cpython-313.pyc");
    }

    #[test]
    fn an_answer_that_is_cut_off_is_noticed() {
        let mut whole = vec![0, 0, 0, 0, 1, 2, 0, 0, 0, b'x', b'y'];
        let path = tempfile::tempdir().unwrap().keep().join("out");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let file = fs::File::open(&path).unwrap();
            let mut records = vec![None; 1];
            split(&file, &mut records).ok()?;
            records[0].map(|record| (record.done, record.read().unwrap()))
        };
        assert_eq!(read(&whole), Some((true, b"xy".to_vec())));
        assert_eq!(read(&whole[..10]), None);
        assert_eq!(read(&whole[..5]), None);
        whole[0] = 1;
        assert_eq!(read(&whole), None);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    /// A file that the compiler cannot take, or whose byte code is not written, costs no other file its
    /// own.
    #[test]
    fn what_goes_beyond_a_bound_has_no_byte_code_and_all_else_has() {
        for interpreter in interpreters() {
            let bench = Bench::new(&json!({}));
            let tree = bench.dir.path().join("tree");
            fs::create_dir_all(tree.join("__pycache__")).unwrap();
            let lambdas = |n: usize| format!("x = {}1\n", "lambda: ".repeat(n));
            let large = "#".repeat(usize::try_from(limits::SOURCE).unwrap() + 1);
            let long_name = format!("{}.py", "x".repeat(250));
            // distinct texts of 4,000 letters each, in 30 bytes of source
            let bomb: String = (0..6000).map(|n| format!("a{n} = 'x{n:03}' * 800\n")).collect();
            for (name, text) in [
                ("deep.py", lambdas(900)),
                ("deeper.py", lambdas(20_000)),
                ("sum.py", format!("x = {}1\n", "1 + ".repeat(200_000))),
                ("dots.py", format!("x = a{}\n", ".a".repeat(200_000))),
                ("minus.py", format!("x = {}1\n", "-".repeat(200_000))),
                ("nul.py", "\0".to_owned()),
                ("large.py", large),
                ("bomb.py", bomb),
                (&long_name, "x = 1\n".to_owned()),
                ("a.py", "x = 1\n".to_owned()),
                ("z.py", "x = 1\n".to_owned()),
                ("__pycache__/y.py", "x = 1\n".to_owned()),
            ] {
                fs::write(tree.join(name), text).unwrap();
            }
            let compiled = bench.run(|task| compile(task, &interpreter, &tree)).unwrap();
            let compiled: Vec<_> = compiled.iter().map(|one| one.path.as_str()).collect();
            let cached = |name| cached(name, interpreter.minor);
            assert!(compiled.contains(&&*cached("a.py")) && compiled.contains(&&*cached("z.py")));
            assert!(!compiled.iter().any(|path| path.contains("__pycache__/y")), "{compiled:?}");
            let log = bench.log.lock().unwrap().join("\n");
            for (name, reason) in [
                ("deep.py", "objects nest deeper than 600 levels"),
                ("deeper.py", ""),
                ("nul.py", "null bytes"),
                ("large.py", "it has 16777217 bytes, more than 16777216"),
                ("bomb.py", "more than 16777216"),
                (&long_name, "its name is too long"),
            ] {
                let expected = format!("no byte code for {name}: ");
                let line = log.lines().find(|line| line.starts_with(&expected));
                assert!(line.is_some_and(|line| line.contains(reason)), "{name}: {log}");
            }
        }
    }

    /// The compiler itself is ended by some files; which, depends on its version. So the test ends it.
    #[test]
    fn a_compiler_that_crashes_goes_on_behind_the_file() {
        let crash = "    if b'crash' in source: os.kill(os.getpid(), int(source.split()[1]))\n";
        let at = "    code = compile(source";
        for interpreter in interpreters() {
            let run = |signal: u32| {
                let dir = tempfile::tempdir().unwrap();
                let at_dir = |name: &str| dir.path().join(name);
                fs::write(at_dir("driver.py"), DRIVER.replace(at, &format!("{crash}{at}")))
                    .unwrap();
                for folder in ["tree", "out"] {
                    fs::create_dir(at_dir(folder)).unwrap();
                }
                let mut list = String::new();
                for n in 0..9 {
                    let text =
                        if n % 3 == 1 { format!("crash {signal}") } else { format!("x = {n}") };
                    fs::write(at_dir(&format!("tree/{n}.py")), text).unwrap();
                    let _ = write!(list, "{n}.py\0");
                }
                fs::write(at_dir("list"), list).unwrap();
                let python =
                    interpreter.making.as_ref().unwrap().join("bin").join(interpreter.name());
                let mut python = std::process::Command::new(python);
                let paths = ["driver.py", "tree", "list", "out"].map(at_dir);
                let ran = python.arg("-I").args(paths).args(["1000", "2"]).output().unwrap();
                let files = ["out/0", "out/1"].map(|name| fs::File::open(at_dir(name)).unwrap());
                let mut records = vec![None; 9];
                files.iter().for_each(|file| split(file, &mut records).unwrap());
                let done: Vec<_> = records.iter().map(|r| r.is_some_and(|r| r.done)).collect();
                let why = records[1].map(|r| String::from_utf8(r.read().unwrap()).unwrap());
                (ran.status.success(), done, why)
            };
            let others: Vec<_> = (0..9).map(|n| n % 3 != 1).collect();
            assert_eq!(run(11), (true, others.clone(), Some("the compiler crashes".into())));
            assert_eq!(run(24), (true, others, Some("compiling takes too long".into())));
            // who is killed from outside is no fault of a file
            assert!(!run(9).0 && !run(15).0);
        }
    }
}
