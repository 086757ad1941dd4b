//! The text of a lock that an argument names, read as any file of an evaluation is: the host decides
//! whether it may be read, the evaluation cache notes it, and it counts as memory of the evaluation.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use clutch_expr::{
    error::{Error, ErrorKind, Result},
    eval::Interpreter,
    source::Span,
    symbol::Symbol,
    value::Value,
};

use crate::{limits, lock_file::LockError};

/// Memory that a TOML document needs, as a multiple of its text. The worst is a list of empty lists, which
/// has an entry of 80 bytes for three characters.
const GROWTH: usize = 32;

/// A lock, and the command that writes it.
pub(super) struct LockText {
    pub(super) path: PathBuf,
    pub(super) text: String,
    command: &'static str,
}

/// An error of the program that calls the library, which `builtins.tryEval` catches like a `throw`.
pub(super) fn fail(message: impl Into<String>) -> Box<Error> {
    Error::new(ErrorKind::Throw, Span::NONE, message)
}

/// A symbol of an attribute.
pub(super) fn symbol(it: &mut Interpreter<'_>, name: &str) -> Symbol {
    it.symbols.intern(name.as_bytes())
}

impl LockText {
    /// Reads the lock that an argument names. Messages show `command`, which writes such a lock.
    pub(super) fn read<'a>(
        it: &mut Interpreter<'a>,
        lock: Value<'a>,
        command: &'static str,
    ) -> Result<Self> {
        let lock = it.value(lock)?;
        match lock {
            Value::Path(_) => {}
            Value::String(text) if text.bytes().starts_with(b"/") => {}
            Value::String(text) => {
                let text = text.lossy();
                return Err(fail(format!(
                    "lock = \"{text}\" is a string; write the path without quotes: lock = ./{text}"
                )));
            }
            other => {
                let kind = other.type_name();
                let message =
                    format!("lock is {kind}, expected a path; write lock = ./clutch.lock");
                return Err(fail(message));
            }
        }
        let path = it.real_path(lock)?;
        let path = Path::new(OsStr::from_bytes(path.bytes())).to_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if it.file_type(&path)?.is_none() {
            // `clutch lock` writes clutch.lock by default
            let output = if name == "clutch.lock" { String::new() } else { format!(" -o {name}") };
            let path = path.display();
            let message = format!("{path} does not exist; to create it, run `{command}{output}`");
            return Err(fail(message));
        }
        let bytes = it.read_file(&path)?;
        if bytes.len() as u64 > limits::REQUIREMENTS {
            let most = limits::REQUIREMENTS >> 20;
            return Err(fail(format!("{} is larger than {most} MiB", path.display())));
        }
        it.room(bytes.len().saturating_mul(GROWTH))?;
        let is_lock = bytes[..bytes.len().min(1000)].split(|byte| *byte == b'\n').any(|line| {
            line.strip_prefix(b"version").is_some_and(|rest| rest.trim_ascii().starts_with(b"="))
        });
        if !is_lock {
            return Err(fail(format!(
                "{} is not a lock; to create one, run `clutch lock {name}` and write lock = ./clutch.lock",
                path.display()
            )));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            fail(format!("{}:{line}: the text is not UTF-8", path.display()))
        })?;
        Ok(Self { path, text, command })
    }

    /// An error of a reader of locks, with what to do.
    pub(super) fn error(&self, error: &LockError) -> Box<Error> {
        fail(error.to_string())
            .with_help(format!("to write the lock again, run `{}`", self.command))
    }
}
