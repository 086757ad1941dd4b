//! Locks of Python packages, names and versions, for `expr/lib/python`.

use std::collections::BTreeSet;

use clutch_expr::{
    error::Result,
    eval::Interpreter,
    value::{Attrs, AttrsBuilder, Value, share},
};

use super::lock::{LockText, fail, symbol};
use crate::{
    lock_file::line,
    net::simple::normalised,
    python::{
        lock::PythonLock,
        requirement,
        selection::{Runtime, select},
        tags::Platform,
        version::Version,
    },
};

/// `host.selectWheels { lock; packages; interpreter; }`: the lock's `index` and `requirements`, and the
/// `wheels` that the interpreter takes, by normalised name, each with `version`, `file` and `sha256`. A
/// package without a matching wheel is an error once its attribute is evaluated. `packages` lists the names
/// to select; null selects all. An interpreter has `version`, `glibc` or `musl` (the version of its C
/// library), and `machine`.
pub(super) fn select_wheels<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let attrs = it.attrs(args[0])?;
    let name = symbol(it, "interpreter");
    let interpreter = it.attr(attrs, name)?;
    let interpreter = it.attrs(interpreter)?;
    let name = symbol(it, "packages");
    let packages = it.attr(attrs, name)?;
    let packages = wanted(it, packages)?;
    let name = symbol(it, "lock");
    let lock = it.attr(attrs, name)?;
    let read = LockText::read(it, lock, "clutch lock requirements.txt")?;
    let lock = PythonLock::parse(&read.path, &read.text).map_err(|error| read.error(&error))?;
    let runtime = runtime(it, interpreter)?;
    let chosen = select(&lock, &runtime, packages.as_ref())
        .map_err(|error| fail(format!("{}: {error}", read.path.display())))?;

    let names = ["version", "file", "sha256"].map(|name| symbol(it, name));
    let mut wheels = AttrsBuilder::with_capacity(chosen.len());
    for (name, choice) in chosen {
        let value = match choice {
            Ok((package, wheel)) => {
                let version = package.version.to_string();
                let values = [&version, &wheel.name, &wheel.sha256];
                let mut set = AttrsBuilder::with_capacity(values.len());
                for (name, value) in names.iter().zip(values) {
                    set.push(*name, it.text(value.as_bytes()));
                }
                Value::Attrs(set.build(it.arena))
            }
            Err(error) => {
                let text =
                    format!("{}:{}: {error}", read.path.display(), line(&read.text, error.at()));
                it.failure(fail(text))
            }
        };
        wheels.push(symbol(it, name), value);
    }
    let names = ["file", "sha256"].map(|name| symbol(it, name));
    let mut requirements = Vec::with_capacity(lock.requirements.len());
    for file in &lock.requirements {
        let mut set = AttrsBuilder::with_capacity(2);
        set.push(names[0], it.text(file.file.as_bytes()));
        set.push(names[1], it.text(file.sha256.as_bytes()));
        requirements.push(Value::Attrs(set.build(it.arena)));
    }
    let mut result = AttrsBuilder::with_capacity(3);
    result.push(symbol(it, "index"), it.text(lock.index.as_bytes()));
    result.push(symbol(it, "requirements"), it.new_list(&requirements));
    result.push(symbol(it, "wheels"), Value::Attrs(wheels.build(it.arena)));
    Ok(Value::Attrs(result.build(it.arena)))
}

/// The packages to select, by normalised name; `None` selects all.
fn wanted<'a>(it: &mut Interpreter<'a>, packages: Value<'a>) -> Result<Option<BTreeSet<String>>> {
    let packages = it.value(packages)?;
    if matches!(packages, Value::Null) {
        return Ok(None);
    }
    let mut names = BTreeSet::new();
    for slot in it.list(packages)?.items {
        names.insert(normalised(&it.plain_string(share(slot))?.lossy()));
    }
    Ok(Some(names))
}

/// The interpreter's attributes that markers and tags need.
fn runtime<'a>(it: &mut Interpreter<'a>, interpreter: &'a Attrs<'a>) -> Result<Runtime> {
    let text = |it: &mut Interpreter<'a>, name| -> Result<Option<String>> {
        let name = symbol(it, name);
        let Some(slot) = interpreter.get(name) else { return Ok(None) };
        Ok(Some(it.plain_string(share(slot))?.lossy().into_owned()))
    };
    let machine = text(it, "machine")?.unwrap_or_else(|| "x86_64".to_owned());
    let platform = match (text(it, "glibc")?, text(it, "musl")?) {
        (Some(version), _) => Platform::glibc(&version, &machine),
        (None, Some(version)) => Platform::musl(&version, &machine),
        (None, None) => {
            let message = "the interpreter has no version of its C library: expected an attribute \
                           'glibc' such as \"2.36\", or 'musl'";
            return Err(fail(message));
        }
    };
    let platform = platform.map_err(|error| fail(error.to_string()))?;
    let name = symbol(it, "version");
    let version = it.attr(interpreter, name)?;
    let version = it.plain_string(version)?.lossy().into_owned();
    Runtime::new(&version, platform).map_err(|error| fail(error.to_string()))
}

/// `host.normalisedName`: the name of a distribution as PEP 503 compares it.
pub(super) fn normalised_name<'a>(
    it: &mut Interpreter<'a>,
    args: &[Value<'a>],
) -> Result<Value<'a>> {
    let name = it.plain_string(args[0])?.lossy().into_owned();
    Ok(it.text(normalised(&name).as_bytes()))
}

/// `host.isDistributionName`
pub(super) fn is_name<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    Ok(Value::Bool(requirement::is_name(&it.plain_string(args[0])?.lossy())))
}

/// `host.isVersion`: whether it is a version of a distribution (PEP 440).
pub(super) fn is_version<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    Ok(Value::Bool(it.plain_string(args[0])?.lossy().parse::<Version>().is_ok()))
}
