//! `builtin:distribution`: installs pure Python sources as a distribution, without a build backend.
//! The content of a folder goes to site-packages, with metadata, programs and byte code.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{Read as _, Write as _},
    path::Path,
};

use fs_err as fs;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    excerpt::excerpt,
    program_target,
    requirement::Requirement,
    target::Interpreter,
    version::Version,
    wheel::{
        entry_points::{self, Script},
        install::seal,
        layout,
        record::{self, Row},
    },
};
use crate::{
    build::task::{Task, TaskError},
    builders::attributes,
    inputs::{Entry, EntryKind, InputPath},
};

/// The attributes of `builtin:distribution`.
#[derive(Debug, Deserialize)]
struct Attributes {
    /// The distribution's name.
    distribution: String,
    /// Its version.
    version: String,
    /// The store path of the folder.
    source: String,
    /// The store path of the interpreter.
    interpreter: String,
    /// Programs, as `module:function`.
    #[serde(default)]
    scripts: BTreeMap<String, String>,
    /// Its requirements, as PEP 508 writes them.
    #[serde(default)]
    requires: Vec<String>,
}

/// Runs `builtin:distribution`.
///
/// # Errors
/// If an attribute violates a specification, or the folder contains something that cannot be
/// installed.
pub(crate) fn build(task: &Task<'_>) -> Result<(), TaskError> {
    let attributes: Attributes = attributes::read(task)?;
    let interpreter = Interpreter::input(task, &attributes.interpreter)?;
    let description = describe(&attributes)?;
    let source = task.input(&attributes.source)?;
    let library = task.output("out")?.join(interpreter.site_packages());
    fs::create_dir_all(&library)?;
    let mut rows = Vec::new();
    copy(task, &source, &library, &mut rows)?;
    for script in &description.scripts {
        // a module that the sources lack may come from a requirement
        let is_elsewhere = |module: &str| -> Result<bool, TaskError> {
            Ok(!attributes.requires.is_empty() || interpreter.has_module(task, module)?)
        };
        if let Some(problem) = program_target::missing(&library, script, &is_elsewhere)? {
            let Script { name, module, function } = script;
            let calls = format!("'{name}' calls '{module}:{function}'");
            return Err(wrong("scripts", format!("{calls}, but {problem}")));
        }
    }

    let escaped = attributes.distribution.replace(['-', '.'], "_");
    let info = format!("{escaped}-{}.dist-info", attributes.version);
    if fs::symlink_metadata(library.join(&info)).is_ok() {
        return Err(TaskError::Failed(format!(
            "the sources contain '{info}', which this build writes itself"
        )));
    }
    fs::create_dir(library.join(&info))?;
    for (leaf, text) in description.files {
        let path = format!("{info}/{leaf}");
        fs::write(library.join(&path), &text)?;
        rows.push(Row::of(path, &record::sha256(text.as_bytes()), text.len() as u64));
    }
    Ok(seal(task, &interpreter, &library, &info, rows)?)
}

/// The files that describe the distribution, and its programs.
struct Description {
    /// The files, with their texts.
    files: Vec<(&'static str, String)>,
    scripts: Vec<Script>,
}

fn wrong(name: &str, problem: String) -> TaskError {
    TaskError::Attribute { name: name.into(), problem }
}

fn describe(attributes: &Attributes) -> Result<Description, TaskError> {
    let Attributes { distribution: name, version, .. } = attributes;
    let plain = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| plain(c) || "-_.".contains(c);
    if !(name.starts_with(plain) && name.ends_with(plain) && name.chars().all(inner)) {
        let problem = format!("'{}' is not a distribution name", excerpt(name));
        return Err(wrong("distribution", problem));
    }
    version.parse::<Version>().map_err(|e| wrong("version", e.to_string()))?;
    // it becomes part of a folder's name, and a dash is the separator there
    if !version.chars().all(|c| plain(c) || ".+!_".contains(c)) {
        let problem = format!("'{}' is not a version as PEP 440 normalises it", excerpt(version));
        return Err(wrong("version", problem));
    }
    let mut metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    for requirement in &attributes.requires {
        requirement.parse::<Requirement>().map_err(|e| wrong("requires", e.to_string()))?;
        if requirement.contains(['\n', '\r']) {
            return Err(wrong("requires", "a requirement contains a line break".into()));
        }
        let _ = writeln!(metadata, "Requires-Dist: {requirement}");
    }
    let mut description = Description { files: vec![("METADATA", metadata)], scripts: Vec::new() };
    if !attributes.scripts.is_empty() {
        let mut text = String::from("[console_scripts]\n");
        for (name, function) in &attributes.scripts {
            let _ = writeln!(text, "{name} = {function}");
        }
        description.scripts =
            entry_points::scripts(text.as_bytes()).map_err(|e| wrong("scripts", e.to_string()))?;
        if description.scripts.len() != attributes.scripts.len() {
            return Err(wrong("scripts", "a name contains a line break or '='".into()));
        }
        description.files.push(("entry_points.txt", text));
    }
    Ok(description)
}

/// Copies folders and files, except byte code. A link is an error.
fn copy(
    task: &Task<'_>,
    from: &InputPath<'_>,
    to: &Path,
    rows: &mut Vec<Row>,
) -> Result<(), TaskError> {
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = from.join(&folder).entries()?;
        let has = |file: String| {
            let found = entries.binary_search_by(|entry| entry.name.as_os_str().cmp(file.as_ref()));
            found.is_ok_and(|at| entries[at].kind == EntryKind::File)
        };
        for Entry { name, kind } in &entries {
            let refuse = |why: &str| {
                let path = format!("{folder}{}", name.display());
                TaskError::Failed(format!("the sources have '{path}', {why}"))
            };
            let text = name.to_str().ok_or_else(|| refuse("which is not UTF-8"))?;
            let path = format!("{folder}{text}");
            if layout::is_cache(text) || layout::source_beside(text).is_some_and(has) {
                continue;
            }
            match kind {
                EntryKind::Folder => {
                    fs::create_dir(to.join(&path))?;
                    folders.push(path + "/");
                }
                EntryKind::File => {
                    let (sha256, size) = copy_file(task, &from.join(&path), &to.join(&path))?;
                    rows.push(Row::of(path, &sha256, size));
                }
                EntryKind::Link | EntryKind::Other => {
                    return Err(refuse("which is not a file or folder"));
                }
            }
        }
    }
    Ok(())
}

/// Copies one file; its hash and size.
fn copy_file(
    task: &Task<'_>,
    from: &InputPath<'_>,
    to: &Path,
) -> Result<([u8; 32], u64), TaskError> {
    let (mut from, mut to) = (from.open()?, fs::File::create_new(to)?);
    let (mut hasher, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 128 << 10];
    loop {
        if (task.cancelled)() {
            return Err(TaskError::Cancelled);
        }
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok((hasher.finalize().into(), size));
        }
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        size += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::python::testing::{Bench, interpreters, path};

    fn make(more: &[(&str, Value)], prepare: impl FnOnce(&Path)) -> Option<Result<Bench, String>> {
        let interpreter = interpreters().into_iter().next()?;
        let source = path(1, "source");
        let mut attributes = json!({
            "distribution": "my.app", "version": "1.0", "source": source.to_string(),
            "interpreter": interpreter.logical,
        });
        for (name, value) in more {
            attributes[name] = value.clone();
        }
        let mut bench = Bench::new(&attributes);
        let place = bench.input(&source);
        fs::create_dir_all(place.join("app/__pycache__")).unwrap();
        fs::write(place.join("app/__init__.py"), "def main(): pass\n").unwrap();
        fs::write(place.join("app/__pycache__/stale.pyc"), "").unwrap();
        fs::write(place.join("app/__init__.pyc"), "").unwrap();
        fs::create_dir(place.join("app/__PYCACHE__")).unwrap();
        fs::create_dir(place.join("other")).unwrap();
        fs::write(place.join("other/__pycache__"), "").unwrap();
        fs::write(place.join("other/bare.pyc"), "").unwrap();
        prepare(&place);
        bench.interpreter(&interpreter);
        Some(bench.run(build).map(|()| bench).map_err(|e| e.to_string()))
    }

    #[test]
    fn sources_become_a_distribution() {
        let scripts = ("scripts", json!({ "app": "app:main" }));
        let requires = ("requires", json!(["flask >= 3"]));
        let Some(bench) = make(&[scripts, requires], |_| {}) else { return };
        let (bench, interpreter) = (bench.unwrap(), &interpreters()[0]);
        let library = bench.out().join(interpreter.site_packages());
        let record = fs::read_to_string(library.join("my_app-1.0.dist-info/RECORD")).unwrap();
        let paths: Vec<_> =
            record::parse(record.as_bytes()).unwrap().into_iter().map(|row| row.path).collect();
        let pyc = format!("app/__pycache__/__init__.cpython-3{}.pyc", interpreter.minor);
        let info = ["INSTALLER", "METADATA", "RECORD", "entry_points.txt"];
        let info = info.map(|leaf| format!("my_app-1.0.dist-info/{leaf}"));
        let mut expected = vec!["app/__init__.py".to_owned(), pyc];
        expected.extend(info);
        expected.push("other/bare.pyc".to_owned());
        assert_eq!(paths, expected);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        for (name, value) in [
            ("distribution", json!("../x")),
            ("version", json!("1\nRequires-Dist: x")),
            ("version", json!("one")),
            ("version", json!("1-1")),
            ("version", json!("")),
            ("version", json!("1.".repeat(2000))),
            ("requires", json!(["a\nb"])),
            ("requires", json!(["a >= x"])),
            ("requires", json!(["a", "b ; \n os_name == 'x'"])),
            ("scripts", json!({ "python": "app:main" })),
            ("scripts", json!({ "x": "app" })),
            ("scripts", json!({ "x = app:main\ny": "app:main" })),
            ("scripts", json!({ "x": "nope:main" })),
            ("scripts", json!({ "x": "app:mian" })),
            ("scripts", json!({ "x": "app.nope:main" })),
        ] {
            let Some(result) = make(&[(name, value)], |_| {}) else { return };
            assert!(result.is_err(), "{name}");
        }
        let link = |source: &Path| {
            fs::os::unix::fs::symlink("/etc/passwd", source.join("app/link")).unwrap();
        };
        assert!(make(&[], link).unwrap().map(|_| ()).unwrap_err().contains("not a file or folder"));
        let own = |source: &Path| fs::create_dir(source.join("my_app-1.0.dist-info")).unwrap();
        assert!(make(&[], own).unwrap().map(|_| ()).unwrap_err().contains("writes itself"));
    }
}
