//! `builtin:python`: CPython from Debian packages, with byte code, relocated so that it uses nothing of
//! the host, in the layout of CPython's own installation.
//!
//! Attributes (structured): `revision`, as for `builtin:prefix`; `debs`, the packages of the
//! interpreter and of every library that it needs, the C library included; `version`, such as `3.11`.

mod bundled;
mod layout;
mod sources;
mod sysconfig;

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize;

use super::{
    bytecode::{self, Compiled},
    target::Interpreter,
};
use crate::{
    build::task::{Task, TaskError},
    builders::{attributes, prefix},
};

#[derive(Deserialize)]
struct Attributes {
    revision: u64,
    debs: Vec<String>,
    version: String,
}

/// The builder.
///
/// # Errors
/// If the packages are not those of that interpreter, or a text to be replaced is missing from one.
pub(crate) fn build(task: &Task<'_>) -> Result<(), TaskError> {
    let attributes: Attributes = attributes::read(task)?;
    prefix::check_revision(attributes.revision)?;
    let minor = minor(&attributes.version)?;
    let (out, logical) = (task.output("out")?, prefix::logical(task)?);
    let debs = prefix::packages(task, &attributes.debs)?;

    prefix::lay_out(task, &debs, out, &|place| layout::is_wanted(place, minor))?;
    layout::complete(out, minor)?;
    sources::undo_distribution(out, minor)?;
    sysconfig::rewrite(out, &logical, minor)?;
    bundled::use_certificates(out, &logical)?;

    let interpreter = Interpreter::at(out, &logical)?;
    let library = out.join("lib").join(interpreter.name());
    let compiled = bytecode::compile(task, &interpreter, &library)?;
    every_module_has_byte_code(&library, &compiled, minor)?;
    (task.log)(&format!("CPython 3.{minor}, byte code of {} modules", compiled.len()));
    Ok(())
}

/// A module of the standard library that does not compile was damaged here.
fn every_module_has_byte_code(
    library: &Path,
    compiled: &[Compiled],
    minor: u32,
) -> Result<(), TaskError> {
    let compiled: BTreeSet<_> = compiled.iter().map(|c| c.path.as_str()).collect();
    for (path, _) in prefix::walk(library)? {
        let source = path.strip_prefix(library).ok().and_then(Path::to_str);
        let Some(source) = source.filter(|name| name.ends_with(".py")) else { continue };
        let is_link = path.is_symlink();
        if !is_link && !compiled.contains(bytecode::cached(source, minor).as_str()) {
            return Err(TaskError::Failed(format!("{} does not compile", path.display())));
        }
    }
    Ok(())
}

/// 11 for `3.11`.
fn minor(version: &str) -> Result<u32, TaskError> {
    let minor = version.strip_prefix("3.").and_then(|minor| minor.parse().ok());
    minor.filter(|minor| sources::KNOWN.contains(minor)).ok_or_else(|| TaskError::Attribute {
        name: "version".into(),
        problem: format!("'{version}' is not one of {}", known()),
    })
}

fn known() -> String {
    sources::KNOWN.map(|minor| format!("'3.{minor}'")).join(", ")
}
