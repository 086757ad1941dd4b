//! Locks of Debian packages, for `expr/lib/debian.nix`.

use clutch_expr::{
    error::Result,
    eval::Interpreter,
    value::{AttrsBuilder, Value},
};

use super::lock::{LockText, fail, symbol};
use crate::debian::lock::DebianLock;

/// `host.readDebianLock { lock; architecture; }`: its `index` and `suite`, and its `packages` by name, each
/// with `version`, `file` and `sha256`.
pub(super) fn read_lock<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let attrs = it.attrs(args[0])?;
    let name = symbol(it, "lock");
    let lock = it.attr(attrs, name)?;
    let name = symbol(it, "architecture");
    let architecture = it.attr(attrs, name)?;
    let architecture = it.plain_string(architecture)?.lossy().into_owned();
    let read = LockText::read(it, lock, "clutch lock --debian SUITE PACKAGE...")?;
    let lock = DebianLock::parse(&read.path, &read.text).map_err(|error| read.error(&error))?;
    if lock.architecture != architecture {
        return Err(fail(format!(
            "{}: the lock is for '{}', expected '{architecture}'",
            read.path.display(),
            lock.architecture
        )));
    }
    let [version, file, sha256] = ["version", "file", "sha256"].map(|name| symbol(it, name));
    let mut packages = AttrsBuilder::with_capacity(lock.packages.len());
    for package in &lock.packages {
        let mut set = AttrsBuilder::with_capacity(3);
        set.push(version, it.text(package.version.as_bytes()));
        set.push(file, it.text(package.file.as_bytes()));
        set.push(sha256, it.text(package.sha256.as_bytes()));
        packages.push(symbol(it, &package.name), Value::Attrs(set.build(it.arena)));
    }
    let mut result = AttrsBuilder::with_capacity(3);
    result.push(symbol(it, "index"), it.text(lock.index.as_bytes()));
    result.push(symbol(it, "suite"), it.text(lock.suite.as_bytes()));
    result.push(symbol(it, "packages"), Value::Attrs(packages.build(it.arena)));
    Ok(Value::Attrs(result.build(it.arena)))
}
