//! `builtin:prefix`: Debian packages as one relocated prefix (`bin`, `lib`, `share`, ...) that runs
//! anywhere with nothing of the host: its programs start its own dynamic linker, which finds its own
//! libraries through its own cache. Maintainer scripts are never run.
//!
//! Attributes (structured): `revision`, see [`REVISION`]; `debs`, the packages; `links`, further links from a place in the prefix
//! to a text (`"bin/awk" = "mawk"`), such as a maintainer script would have made.

mod certificates;
mod gather;
mod host_paths;
mod locales;
mod place;
mod programs;
mod walk;

use std::{collections::BTreeMap, path::Path};

use rayon::prelude::*;
use serde::Deserialize;

pub(crate) use walk::walk;

use super::attributes;
use crate::unpack::{
    ArchiveError,
    deb::Deb,
    writer::{Limits, Links, Tree},
};
use crate::{
    build::task::{Task, TaskError},
    inputs::InputPath,
};

/// The revision of these builders' output. It grows with every change of that. As an attribute it is part of a
/// derivation's identity, so one path never has two contents.
pub const REVISION: u64 = 3;

/// The builder's attributes.
#[derive(Deserialize)]
struct Attributes {
    revision: u64,
    debs: Vec<String>,
    #[serde(default)]
    links: BTreeMap<String, String>,
}

/// The builder.
///
/// # Errors
/// If an attribute, package or file is wrong; the error names it.
pub fn build(task: &Task<'_>) -> Result<(), TaskError> {
    let attributes: Attributes = attributes::read(task)?;
    check_revision(attributes.revision)?;
    let out = task.output("out")?;
    let debs = packages(task, &attributes.debs)?;
    lay_out(task, &debs, out, &|_| true)?;
    gather::add_links(out, &attributes.links)?;
    Ok(())
}

/// Refuses a derivation that was written for other builders.
///
/// # Errors
/// Names both revisions.
pub fn check_revision(revision: u64) -> Result<(), TaskError> {
    if revision == REVISION {
        return Ok(());
    }
    let problem = format!(
        "it is {revision}, but this clutch makes revision {REVISION}; \
         use the library that it brings, `import <clutch>`"
    );
    Err(attributes::bad("revision", &problem))
}

/// The packages of the attribute `debs`.
///
/// # Errors
/// If there are none, or one is not an input.
pub fn packages<'a>(task: &'a Task<'_>, debs: &[String]) -> Result<Vec<InputPath<'a>>, TaskError> {
    if debs.is_empty() {
        return Err(attributes::bad("debs", "expected at least one .deb"));
    }
    debs.iter().map(|logical| task.input(logical)).collect()
}

/// Unpacks the packages into the prefix `out` and makes it run at the logical path of that output.
/// `keep` says for each place in the prefix if it is wanted.
///
/// # Errors
/// If a package is damaged, two packages disagree about a file, or a program or library is not
/// as it is expected to be.
pub fn lay_out(
    task: &Task<'_>,
    debs: &[InputPath<'_>],
    out: &Path,
    keep: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(), TaskError> {
    let prefix = logical(task)?;
    let packages = tempfile::Builder::new().prefix("debs-").tempdir_in(task.scratch)?;
    unpack(task, debs, packages.path(), keep)?;
    gather::gather(task, packages.path(), out)?;
    certificates::bundle(out)?;
    locales::archive(out)?;
    programs::relocate(task, out, &prefix)
}

/// The logical path of the output `out`.
///
/// # Errors
/// If the derivation has no such output.
pub fn logical(task: &Task<'_>) -> Result<String, TaskError> {
    task.output("out")?;
    Ok(task.derivation.outputs["out"].path.to_string())
}

/// All packages into one tree, under the names that they give. Two that disagree are refused there.
fn unpack(
    task: &Task<'_>,
    debs: &[InputPath<'_>],
    root: &Path,
    keep: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(), TaskError> {
    let sizes = debs.iter().map(|deb| Ok(deb.open()?.metadata()?.len()));
    let total = sizes.sum::<std::io::Result<u64>>()?;
    let tree = Tree::create(root, Links::Absolute, Limits::for_archive(total), task.cancelled)?;
    let select = |name: &str| {
        place::place(name).filter(|place| keep(place))?;
        Some(name.to_owned())
    };
    debs.par_iter().try_for_each(|place| -> Result<(), TaskError> {
        if (task.cancelled)() {
            return Err(TaskError::Cancelled);
        }
        let deb = Deb::open(place.open()?)?;
        let architecture = deb.control.get("architecture").map(String::as_str);
        if !matches!(architecture, Some("amd64" | "all")) {
            let reason = format!("a package for {architecture:?}, expected 'amd64' or 'all'");
            return Err(ArchiveError::archive(deb.path(), reason).into());
        }
        Ok(deb.unpack_into(&tree, &select)?)
    })
}

#[cfg(test)]
mod tests;
