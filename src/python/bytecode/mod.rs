//! Byte code that is made once, at build time: for every `.py` file of a tree its `.pyc`, which the
//! interpreter then loads without looking at the source (PEP 552, unchecked hash). The bytes follow
//! from the source and the interpreter alone: not from the order of files, the number of workers or
//! the place in the store.

pub mod marshal;

use std::{
    fmt::Write as _,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use fs_err as fs;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::target::Interpreter;
use crate::{
    build::{
        sandbox::Request,
        task::{Task, TaskError},
    },
    store_path::STORE_DIR,
};

/// What runs in the sandbox.
const DRIVER: &str = include_str!("driver.py");

/// A `.pyc` that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Its path from the tree.
    pub path: String,
    /// The hash of its content.
    pub sha256: [u8; 32],
    /// Its size in bytes.
    pub size: u64,
}

/// Compiles every `.py` file below `tree` into the `__pycache__` beside it. A source file is known
/// in its byte code by its path from `tree`; the interpreter puts the real one there when it loads
/// it. Files that do not compile, such as templates and Python 2, stay without and are named in the
/// log.
///
/// `tree` is in or above no other build's reach: a scratch folder or an output being made. The
/// interpreter may itself be an output being made.
///
/// # Errors
/// Where the interpreter cannot be run, or writes byte code that is not understood.
pub fn compile(
    task: &Task<'_>,
    interpreter: &Interpreter,
    tree: &Path,
) -> Result<Vec<Compiled>, TaskError> {
    let sources = sources(tree)?;
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let scratch = tempfile::Builder::new().prefix("bytecode-").tempdir_in(task.scratch)?;
    let workers = workers(sources.len());
    run(task, interpreter, tree, &sources, scratch.path(), workers)?;

    let files: Vec<_> = (0..workers)
        .map(|n| fs::read(scratch.path().join(format!("out/{n}"))))
        .collect::<Result<_, _>>()?;
    let mut records: Vec<Option<Record<'_>>> = vec![None; sources.len()];
    for file in &files {
        split(file, &mut records)
            .ok_or_else(|| TaskError::Failed("the byte compiler's answer is cut off".into()))?;
    }
    let results: Vec<_> = sources
        .par_iter()
        .zip(records.into_par_iter())
        .map(|(source, record)| finish(tree, source, record, interpreter))
        .collect::<Result<_, TaskError>>()?;
    let mut compiled = Vec::with_capacity(results.len());
    for (source, result) in sources.iter().zip(results) {
        match result {
            Ok(pyc) => compiled.push(pyc),
            Err(reason) => (task.log)(&format!("no byte code for {}: {reason}", source.name)),
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

/// Every `.py` file, the largest first, so that workers that take turns end together.
fn sources(tree: &Path) -> Result<Vec<Source>, TaskError> {
    let mut found = Vec::new();
    let mut folders = vec![(tree.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            // Names that are not UTF-8 cannot be imported.
            let Some(name) = name.to_str() else { continue };
            if kind.is_dir() {
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

/// One a core, but none for less than a few files: a process costs as much as compiling these.
fn workers(files: usize) -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(files.div_ceil(4))
}

/// Runs the driver; its answers are in `scratch/out` then.
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

    // Hash randomisation is set by the environment, so that cannot be ignored (`-E`, `-I`); it
    // holds nothing else.
    let mut request = Request::new(interpreter.program())
        .args(["-s", "-S", "-P", "-B", "-W", "ignore", "/build/job/driver.py"])
        .args(["/build/tree", "/build/job/list", "/build/job/out", &workers.to_string()])
        .env("PYTHONHASHSEED", "0")
        .env("PYTHONUTF8", "1");
    if let Some(place) = &interpreter.making {
        request = request.read_only(place, &interpreter.logical);
    }
    request = request.read_only(tree, "/build/tree").writable(scratch, "/build/job");
    debug_assert!(interpreter.logical.starts_with(STORE_DIR));
    (task.sandbox)(&request)
}

#[derive(Clone, Copy)]
enum Record<'a> {
    Pyc(&'a [u8]),
    Refused(&'a [u8]),
}

/// Reads what a worker wrote; nothing where it is not whole.
fn split<'a>(mut file: &'a [u8], records: &mut [Option<Record<'a>>]) -> Option<()> {
    while !file.is_empty() {
        let (head, rest) = file.split_at_checked(9)?;
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (body, rest) = rest.split_at_checked(number(5) as usize)?;
        let record = if head[4] == 1 { Record::Pyc(body) } else { Record::Refused(body) };
        *records.get_mut(number(0) as usize)? = Some(record);
        file = rest;
    }
    Some(())
}

/// Writes one `.pyc`; the inner error says why the file has none.
fn finish(
    tree: &Path,
    source: &Source,
    record: Option<Record<'_>>,
    interpreter: &Interpreter,
) -> Result<Result<Compiled, String>, TaskError> {
    let fail =
        |problem: String| TaskError::Failed(format!("byte code of {}: {problem}", source.name));
    let raw = match record {
        None => return Err(fail("the compiler did not come to it".into())),
        Some(Record::Refused(why)) => return Ok(Err(one_line(&String::from_utf8_lossy(why)))),
        Some(Record::Pyc(raw)) => raw,
    };
    let pyc = marshal::canonical_pyc(raw).map_err(|e| fail(e.to_string()))?;
    let path = cached(&source.name, interpreter.minor);
    let real: PathBuf = tree.join(&path);
    if let Some(parent) = real.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(real, &pyc)?;
    let sha256 = Sha256::digest(&pyc).into();
    Ok(Ok(Compiled { path, sha256, size: pyc.len() as u64 }))
}

/// Where the byte code of a source file belongs (PEP 3147).
#[must_use]
pub fn cached(source: &str, minor: u32) -> String {
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
                        let file = fs::read(scratch.path().join(format!("out/{n}"))).unwrap();
                        let mut records = vec![None; list.len()];
                        split(&file, &mut records).unwrap();
                        for (source, record) in list.iter().zip(records) {
                            if let Some(Record::Pyc(raw)) = record {
                                out.insert(
                                    source.name.clone(),
                                    marshal::canonical_pyc(raw).unwrap(),
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
        let mut records = vec![None; 1];
        assert!(split(&whole, &mut records).is_some());
        assert!(matches!(records[0], Some(Record::Pyc(b"xy"))));
        assert!(split(&whole[..10], &mut records).is_none());
        whole[0] = 1;
        assert!(split(&whole, &mut [None; 1]).is_none());
    }
}
