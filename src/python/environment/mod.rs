//! `builtin:environment`: a genuine virtual environment (PEP 405) composed by links out of an
//! interpreter and installed distributions. Nothing is copied, no process is started.

mod collision;
mod compose;
mod distribution;
mod error;
mod programs;
pub(crate) mod recorded;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use fs_err::{self as fs, os::unix::fs::symlink};
use rayon::prelude::*;
use serde::Deserialize;

use self::{
    compose::{Composition, Source},
    distribution::Distribution,
    error::{DistributionError, EnvironmentError},
    programs::{Program, Programs},
};
use super::{
    marker::MarkerEnvironment,
    requirements::{self, Needs},
    target::Interpreter,
    wheel::record::{self, Row},
};
use crate::{
    build::task::{Task, TaskError},
    builders::attributes,
    limits,
    net::simple::normalised,
};

/// The attributes of `builtin:environment`.
#[derive(Debug, Deserialize)]
struct Attributes {
    /// The store path of the interpreter.
    interpreter: String,
    /// The interpreter's whole version, for `pyvenv.cfg`.
    version: Option<String>,
    /// The store paths of the installed distributions, in any order.
    distributions: Vec<String>,
    /// For a path that several distributions have, the name of the one to take it from.
    #[serde(default)]
    collisions: BTreeMap<String, String>,
    /// True to fail on unmet requirements; false to note them in the log.
    #[serde(default = "yes")]
    check: bool,
    /// The program that `clutch run` runs if none is named.
    #[serde(rename = "mainProgram")]
    main_program: Option<String>,
    /// The machine that it is for, as `platform.machine()` says it.
    #[serde(default = "x86_64")]
    machine: String,
}

fn yes() -> bool {
    true
}

fn x86_64() -> String {
    "x86_64".to_owned()
}

/// Runs `builtin:environment`.
///
/// # Errors
/// If distributions collide or were built for another interpreter. The error names them.
pub(crate) fn build(task: &Task<'_>) -> Result<(), TaskError> {
    Ok(environment(task)?)
}

fn environment(task: &Task<'_>) -> Result<(), EnvironmentError> {
    let attributes: Attributes = attributes::read(task)?;
    let interpreter = Interpreter::input(task, &attributes.interpreter)?;
    let distributions = distributions(task, &attributes.distributions, &interpreter)?;
    check(task, &attributes, &interpreter, &distributions)?;
    let out = task.output("out")?;
    let path = &task.derivation.outputs["out"].path;
    let logical = path.to_string();

    let library = interpreter.site_packages();
    let policy = policy(&attributes.collisions, &library, &distributions);
    let (programs, mut collisions) = programs::find(&distributions, &logical, &policy)?;
    let with_scripts = with_scripts(&distributions, &programs);
    let mut composition = Composition {
        sources: distributions.iter().map(source).collect(),
        folders: above(&library),
        without: BTreeSet::from(["bin".to_owned()]),
        policy,
    };
    for distribution in &with_scripts {
        let info = dist_info(distribution, &library);
        composition.without.insert(format!("{info}/RECORD"));
        composition.folders.insert(info);
    }
    fs::create_dir_all(out.join(&library))?;
    collisions.extend(composition.write(task, out)?);
    if !collisions.is_empty() {
        return Err(EnvironmentError::Collisions(collisions));
    }
    if fs::symlink_metadata(out.join("lib64")).is_err() {
        symlink("lib", out.join("lib64"))?;
    }
    programs::write(task, out, &programs, &interpreter, &logical, path.name())?;
    for distribution in with_scripts {
        if (task.cancelled)() {
            return Err(TaskError::Cancelled.into());
        }
        rewrite_record(out, &library, distribution, &programs)?;
    }
    let mut configuration = format!(
        "home = {}/bin\ninclude-system-site-packages = false\nversion = {}\n",
        interpreter.logical,
        attributes.full_version(&interpreter)
    );
    if let Some(name) = &attributes.main_program {
        check_main_program(out, name)?;
        let _ = writeln!(configuration, "{} = {name}", recorded::MAIN_PROGRAM);
    }
    fs::write(out.join(recorded::FILE), configuration)?;
    Ok(())
}

impl Attributes {
    fn full_version(&self, interpreter: &Interpreter) -> String {
        self.version.clone().unwrap_or_else(|| format!("3.{}", interpreter.minor))
    }
}

fn check_main_program(out: &Path, name: &str) -> Result<(), EnvironmentError> {
    let bin = out.join("bin");
    if !name.contains('/') && bin.join(name).symlink_metadata().is_ok_and(|found| !found.is_dir()) {
        return Ok(());
    }
    let entries = fs::read_dir(bin)?.map(|entry| Ok(entry?.file_name().display().to_string()));
    let mut has = entries.collect::<std::io::Result<Vec<String>>>()?;
    has.sort();
    has.truncate(12);
    Err(EnvironmentError::MainProgram { name: name.to_owned(), has: has.join(", ") })
}

/// Checks the requirements of every distribution.
fn check(
    task: &Task<'_>,
    attributes: &Attributes,
    interpreter: &Interpreter,
    distributions: &[Distribution<'_>],
) -> Result<(), EnvironmentError> {
    let environment = MarkerEnvironment {
        python_version: format!("3.{}", interpreter.minor),
        python_full_version: attributes.full_version(interpreter),
        machine: attributes.machine.clone(),
    };
    let needs: Vec<Needs<'_>> = distributions
        .iter()
        .map(|d| Needs {
            name: &d.name,
            version: &d.version,
            requires: &d.requires,
            requires_python: d.requires_python.as_deref(),
        })
        .collect();
    let problems = requirements::unmet(&needs, &[], &environment, task.log, task.cancelled);
    if (task.cancelled)() {
        return Err(TaskError::Cancelled.into());
    }
    if attributes.check && !problems.is_empty() {
        return Err(EnvironmentError::Requirements(problems));
    }
    for problem in problems {
        (task.log)(&problem.to_string());
    }
    Ok(())
}

/// Reads every distribution, sorted by name, each once.
fn distributions<'a>(
    task: &'a Task<'_>,
    paths: &[String],
    interpreter: &Interpreter,
) -> Result<Vec<Distribution<'a>>, EnvironmentError> {
    let paths: BTreeSet<_> = paths.iter().collect();
    let paths: Vec<_> = paths.into_iter().collect();
    let mut found: Vec<_> = paths
        .par_iter()
        .map(|path| Distribution::read(task, path, interpreter))
        .collect::<Result<_, _>>()?;
    found.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    for pair in found.windows(2) {
        if pair[0].name == pair[1].name {
            return Err(EnvironmentError::Twice {
                name: pair[0].name.clone(),
                first: pair[0].path.clone(),
                second: pair[1].path.clone(),
            });
        }
    }
    Ok(found)
}

/// The policy by paths from the environment. A path in site-packages may also be given from there.
fn policy(
    given: &BTreeMap<String, String>,
    library: &str,
    distributions: &[Distribution<'_>],
) -> BTreeMap<String, String> {
    let place = |path: &String| {
        let below = format!("{library}/{path}");
        let there = distributions.iter().any(|d| matches!(d.tree.join(&below).kind(), Ok(Some(_))));
        if there { below } else { path.clone() }
    };
    given.iter().map(|(path, name)| (place(path), normalised(name))).collect()
}

fn source<'a>(distribution: &Distribution<'a>) -> Source<'a> {
    Source {
        name: distribution.name.clone(),
        base: distribution.path.base().to_owned(),
        tree: distribution.tree.clone(),
    }
}

/// A folder and those above it.
fn above(folder: &str) -> BTreeSet<String> {
    let ends = folder.match_indices('/').map(|(at, _)| at).chain([folder.len()]);
    ends.map(|at| folder[..at].to_owned()).collect()
}

fn dist_info(distribution: &Distribution<'_>, library: &str) -> String {
    format!("{library}/{}", distribution.dist_info.as_deref().unwrap_or_default())
}

/// The distributions whose RECORD has to name programs that are written for this environment.
fn with_scripts<'a, 't>(
    distributions: &'a [Distribution<'t>],
    programs: &Programs,
) -> Vec<&'a Distribution<'t>> {
    let written = |name: &str| matches!(programs.get(name), Some(Program::Text(_)));
    let in_bin = |d: &Distribution<'_>| {
        let entries = d.tree.join("bin").entries().unwrap_or_default();
        entries.iter().any(|entry| entry.name.to_str().is_some_and(written))
    };
    let has = |d: &&Distribution<'_>| {
        d.dist_info.is_some() && (d.scripts.iter().any(|script| written(&script.name)) || in_bin(d))
    };
    distributions.iter().filter(has).collect()
}

/// Writes a distribution's RECORD with the programs as they are in this environment.
fn rewrite_record(
    out: &Path,
    library: &str,
    distribution: &Distribution<'_>,
    programs: &Programs,
) -> Result<(), EnvironmentError> {
    let place = format!("{}/RECORD", dist_info(distribution, library));
    let fail = |reason| EnvironmentError::Distribution {
        path: distribution.path.to_string(),
        reason: DistributionError::Record(reason),
    };
    // a wheel's RECORD, with a row for the byte code of each file
    let mut rows = match distribution.tree.join(&place).read(4 * limits::METADATA) {
        Ok(content) => record::parse(&content).map_err(fail)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    let bin = format!("{}bin/", "../".repeat(library.split('/').count()));
    let row = |name: &str| match programs.get(name) {
        Some(Program::Text(text)) => {
            let path = format!("{bin}{name}");
            Some(Row::of(path, &record::sha256(text), text.len() as u64))
        }
        _ => None,
    };
    let mut listed = BTreeSet::new();
    for old in &mut rows {
        let Some(name) = old.path.strip_prefix(&bin).map(str::to_owned) else { continue };
        if let Some(new) = row(&name) {
            *old = new;
            listed.insert(name);
        }
    }
    let own = distribution.scripts.iter().filter(|script| !listed.contains(&script.name));
    rows.extend(own.filter_map(|script| row(&script.name)));
    fs::write(out.join(place), record::format(&mut rows))?;
    Ok(())
}
