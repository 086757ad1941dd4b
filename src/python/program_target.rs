//! Looks for the module and function that a program calls in its sources, without running anything.

use std::{io, path::Path};

use fs_err as fs;

use super::wheel::entry_points::Script;
use crate::{
    limits,
    regular::{self, Link},
};

/// A message if the module or function that a program calls is certainly missing. `library` is the folder that
/// modules are imported from. `is_elsewhere` is true for a module that another folder may have.
///
/// # Errors
/// If reading fails.
pub(crate) fn missing<E: From<io::Error>>(
    library: &Path,
    script: &Script,
    is_elsewhere: &dyn Fn(&str) -> Result<bool, E>,
) -> Result<Option<String>, E> {
    let Script { module, function, .. } = script;
    let mut folder = library.to_owned();
    for (at, part) in module.split('.').enumerate() {
        let (file, package) = (folder.join(format!("{part}.py")), folder.join(part));
        if module.split('.').nth(at + 1).is_none() {
            let sources = [package.join("__init__.py"), file];
            if let Some(source) = sources.iter().find(|source| source.is_file()) {
                let name = function.split('.').next().unwrap_or(function);
                let text = regular::read(source, Link::Refuse, limits::PROGRAM)?;
                let there = may_define(&text, name);
                return Ok((!there).then(|| format!("module '{module}' has no '{name}'")));
            }
        }
        if package.is_dir() {
            folder = package;
            continue;
        }
        // a package without `__init__.py` may be spread over several distributions
        let elsewhere = match at {
            0 => is_elsewhere(part)?,
            _ => !folder.join("__init__.py").is_file(),
        };
        let missing = !elsewhere && !has_other(&folder, part)?;
        return Ok(missing.then(|| format!("the sources have no module '{module}'")));
    }
    Ok(None)
}

/// True if a folder has a module with that name in another form: machine code, or only byte code.
fn has_other(folder: &Path, name: &str) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let file = entry?.file_name();
        let ending = file.to_str().and_then(|file| file.strip_prefix(name));
        if ending.is_some_and(|e| e.starts_with('.') && (e.ends_with(".so") || e == ".pyc")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// True if a source file may define a name: it contains the name, or defines names dynamically.
fn may_define(source: &[u8], name: &str) -> bool {
    // other names are compared by Unicode's rules
    if !name.is_ascii() {
        return true;
    }
    let is_word = |byte: Option<&u8>| {
        byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || !b.is_ascii())
    };
    let has = |word: &str| {
        memchr::memmem::find_iter(source, word).any(|at| {
            let before = at.checked_sub(1).and_then(|at| source.get(at));
            !is_word(before) && !is_word(source.get(at + word.len()))
        })
    };
    let makes_names = ["__getattr__", "globals", "vars", "setattr", "exec", "modules"];
    has(name)
        || makes_names.iter().any(|word| has(word))
        || memchr::memmem::find_iter(source, "import").any(|at| {
            let rest = source[at + "import".len()..].trim_ascii_start();
            rest.starts_with(b"*") || rest.starts_with(b"(*") || rest.starts_with(b"\\")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certainly_missing_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("app/__init__.py", "def main(): pass\nclass App:\n    def run(self): pass\n"),
            ("app/cli.py", "from .other import *\n"),
            ("app/lazy.py", "def __getattr__(name): ...\n"),
            ("app/fast.cpython-311-x86_64-linux-gnu.so", ""),
            ("single.py", "run = print\nrunner = 1\n"),
            ("space/one.py", "x = 1\n"),
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let look = |module: &str, function: &str| {
            let script =
                Script { name: "x".into(), module: module.into(), function: function.into() };
            let elsewhere = |module: &str| Ok::<_, io::Error>(module == "json");
            missing(dir.path(), &script, &elsewhere).unwrap()
        };
        for (module, function) in [
            ("app", "main"),
            ("app", "App.run"),
            ("app.cli", "anything"),
            ("app.lazy", "anything"),
            ("app.fast", "main"),
            ("single", "run"),
            ("space.one", "x"),
            ("space.two", "x"),
            ("json.tool", "main"),
        ] {
            assert_eq!(look(module, function), None, "{module}:{function}");
        }
        for (module, function, reason) in [
            ("app", "mai", "module 'app' has no 'mai'"),
            ("single", "runne", "module 'single' has no 'runne'"),
            ("app.nope", "main", "the sources have no module 'app.nope'"),
            ("single.nope", "main", "the sources have no module 'single.nope'"),
            ("nope", "main", "the sources have no module 'nope'"),
        ] {
            assert_eq!(look(module, function).as_deref(), Some(reason), "{module}:{function}");
        }
    }
}
