//! The programs in an environment's `bin`: the interpreter, what distributions bring, and shells'
//! activation.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Seek as _},
    path::Path,
};

use fs_err::{
    self as fs,
    os::unix::fs::{OpenOptionsExt as _, symlink},
};

use super::{
    collision::Collision,
    compose::link_target,
    distribution::Distribution,
    error::{DistributionError, EnvironmentError},
};
use crate::{
    build::task::{Task, TaskError},
    inputs::{Entry, EntryKind, InputPath},
    limits,
    python::{target::Interpreter, wheel::entry_points::Script},
    regular,
};

/// The longest line that every kernel reads after `#!`.
const SHEBANG_MAX: usize = 127;

/// The bytes of a file that are read to find its interpreter.
const FIRST_LINE: u64 = 4 << 10;

/// A program and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Written for this environment.
    Text(Vec<u8>),
    /// Linked as it is, to the store object with this base name.
    Link(String),
}

/// Every program of the distributions by its name in `bin`.
pub(super) type Programs = BTreeMap<String, Program>;

/// Finds the programs. Also returns the names of several distributions that the policy does not
/// decide.
///
/// # Errors
/// If the environment's path is too long for scripts, or reading fails.
pub(super) fn find(
    distributions: &[Distribution<'_>],
    environment: &str,
    policy: &BTreeMap<String, String>,
) -> Result<(Programs, Vec<Collision>), EnvironmentError> {
    let python = format!("{environment}/bin/python");
    let mut wanted: BTreeMap<String, Vec<(&str, Program)>> = BTreeMap::new();
    for distribution in distributions {
        for (name, program) in programs(distribution, &python)? {
            wanted.entry(name).or_default().push((&distribution.name, program));
        }
    }
    let (mut found, mut collisions) = (Programs::new(), Vec::new());
    for (name, mut owners) in wanted {
        let path = format!("bin/{name}");
        owners.sort_by_key(|(owner, _)| *owner);
        if let Some(choice) = policy.get(&path) {
            owners.retain(|(owner, _)| owner == choice);
        }
        let Some((_, first)) = owners.first() else {
            let choice = policy.get(&path).cloned().unwrap_or_default();
            return Err(EnvironmentError::Policy { path, choice });
        };
        if owners.iter().all(|(_, other)| other == first) {
            if matches!(first, Program::Text(_)) && python.len() > SHEBANG_MAX - 2 {
                let most = SHEBANG_MAX - 2 - (python.len() - environment.len());
                return Err(EnvironmentError::LongPath { path: environment.to_owned(), most });
            }
            found.insert(name, first.clone());
        } else {
            let owners = owners.iter().map(|(owner, _)| (*owner).to_owned()).collect();
            collisions.push(Collision { path, owners });
        }
    }
    Ok((found, collisions))
}

/// The programs of one distribution; an entry point takes precedence over a file of its name.
fn programs(distribution: &Distribution<'_>, python: &str) -> Result<Programs, EnvironmentError> {
    let mut found = Programs::new();
    let bin = distribution.tree.join("bin");
    if bin.kind()? == Some(EntryKind::Folder) {
        for Entry { name, kind } in bin.entries()? {
            let name = name.into_string().map_err(|name| EnvironmentError::Distribution {
                path: distribution.path.to_string(),
                reason: DistributionError::FileName(name, "bin".to_owned()),
            })?;
            let content =
                if kind == EntryKind::File { script_at(&bin.join(&name))? } else { vec![] };
            let program = match with_interpreter(&content, python) {
                Some(text) => Program::Text(text),
                None => Program::Link(distribution.path.base().to_owned()),
            };
            found.insert(name, program);
        }
    }
    for script in &distribution.scripts {
        found.insert(script.name.clone(), Program::Text(text(script, python).into_bytes()));
    }
    Ok(found)
}

/// The content of a Python script; empty for anything else.
fn script_at(place: &InputPath<'_>) -> std::io::Result<Vec<u8>> {
    let mut file = place.open()?;
    let mut head = Vec::new();
    (&mut file).take(FIRST_LINE).read_to_end(&mut head)?;
    if with_interpreter(&head, "").is_none() {
        return Ok(vec![]);
    }
    file.rewind()?;
    regular::read_all(&file, limits::SCRIPT)
}

/// A program that calls a function.
fn text(script: &Script, python: &str) -> String {
    let Script { module, function, .. } = script;
    let import = function.split('.').next().unwrap_or(function);
    format!(
        "#!{python}\nimport sys\n\nfrom {module} import {import}\n\nif __name__ == \"__main__\":\n    \
         sys.exit({function}())\n"
    )
}

/// A Python script with this interpreter in its first line; `None` for another script. Wheels write
/// `#!python` or `#!pythonw`. A path to Python, or `/usr/bin/env` with it, is replaced too: an
/// environment uses nothing of the host.
fn with_interpreter(content: &[u8], python: &str) -> Option<Vec<u8>> {
    let line = content.strip_prefix(b"#!")?;
    let end = line.iter().position(|b| *b == b'\n').unwrap_or(line.len());
    let command = std::str::from_utf8(&line[..end]).ok()?;
    let mut words = command.split_whitespace();
    let mut program = words.next()?;
    if program.ends_with("/env") {
        program = words.next().filter(|word| *word != "-S").or_else(|| words.next())?;
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    let version = name.strip_prefix("pythonw").or_else(|| name.strip_prefix("python"))?;
    if !version.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let mut text = format!("#!{python}");
    for argument in words {
        text.push(' ');
        text.push_str(argument);
    }
    Some([text.as_bytes(), &line[end..]].concat())
}

/// Writes the programs, the interpreter's names and the activation scripts into `out/bin`.
///
/// # Errors
/// If writing fails.
pub(super) fn write(
    task: &Task<'_>,
    out: &Path,
    programs: &Programs,
    interpreter: &Interpreter,
    environment: &str,
    prompt: &str,
) -> Result<(), EnvironmentError> {
    let bin = out.join("bin");
    fs::create_dir_all(&bin)?;
    for (name, program) in programs {
        if (task.cancelled)() {
            return Err(TaskError::Cancelled.into());
        }
        match program {
            Program::Text(text) => executable(&bin.join(name), text)?,
            Program::Link(base) => {
                symlink(link_target(&format!("bin/{name}"), base), bin.join(name))?;
            }
        }
    }
    let base = interpreter.logical.rsplit('/').next().unwrap_or_default();
    let target = link_target(&format!("bin/{}", interpreter.name()), base);
    for name in BTreeSet::from(["python", "python3", &interpreter.name()]) {
        symlink(&target, bin.join(name))?;
    }
    for (name, template) in [
        ("activate", include_str!("activate/activate.sh")),
        ("activate.fish", include_str!("activate/activate.fish")),
        ("activate.csh", include_str!("activate/activate.csh")),
    ] {
        let text = template.replace("@environment@", environment).replace("@prompt@", prompt);
        fs::write(bin.join(name), text)?;
    }
    Ok(())
}

fn executable(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(path)?;
    file.write_all(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_ask_for_this_python() {
        let with = |text: &str| {
            with_interpreter(text.as_bytes(), "/e/bin/python")
                .map(|t| String::from_utf8(t).unwrap())
        };
        for (text, expected) in [
            ("#!python\nx", Some("#!/e/bin/python\nx")),
            ("#!pythonw -u\r\nx", Some("#!/e/bin/python -u\nx")),
            ("#!/usr/bin/env python3\nx", Some("#!/e/bin/python\nx")),
            ("#!/usr/bin/env -S python3 -E\nx", Some("#!/e/bin/python -E\nx")),
            ("#! /usr/bin/python3.11", Some("#!/e/bin/python")),
            ("#!/bin/sh\npython", None),
            ("#!python-config\n", None),
            ("#!\n", None),
            ("#!/usr/bin/env\n", None),
            ("\x7fELF", None),
            ("", None),
        ] {
            assert_eq!(with(text).as_deref(), expected, "{text}");
        }
    }
}
