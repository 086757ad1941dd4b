//! An expression and what it is evaluated with.

use std::path::{Component, Path, PathBuf};

use clutch_expr::{show::Style, source::Origin};

use super::{SessionError, file_kind::FileKind};
use crate::store_path::{STORE_DIR, StorePath};

/// An expression, which part of it is meant, and what it may do.
#[derive(Clone)]
pub(crate) struct Expression {
    /// Its text, or the file that has it.
    pub source: Source,
    /// The attributes that are selected, such as `tools.hello`; empty for the value itself.
    pub attributes: Vec<String>,
    /// What the value is called with if it is a function.
    pub arguments: Vec<(String, Argument)>,
    /// Entries of the search path, `PATH` or `NAME=PATH`.
    pub search_path: Vec<String>,
    /// It may read variables, the clock and files outside the project.
    pub impure: bool,
    /// Experimental features of the language.
    pub features: Vec<String>,
    /// What it reads may be built in its middle.
    pub import_from_derivation: bool,
    /// A warning is an error.
    pub abort_on_warn: bool,
    /// `builtins.traceVerbose` says something.
    pub trace_verbose: bool,
    /// A result that is known is taken as it is.
    pub cached: bool,
    /// Values are computed before anybody needs them where that is cheap. A value that is printed as far as
    /// it was computed shows the difference.
    pub eager: bool,
    /// The functions that the time goes into are counted.
    pub profiled: bool,
    /// How many bytes its values may take; nothing for three quarters of the machine's memory.
    pub memory: Option<u64>,
    /// How its errors are shown.
    pub style: Style,
}

/// What is to be built.
#[derive(Clone)]
pub(crate) enum Subject {
    /// A derivation of the store.
    Stored(StorePath),
    /// The derivations that an expression holds.
    Expression(Box<Expression>),
}

/// What a function is called with.
#[derive(Clone)]
pub(crate) enum Argument {
    /// The value of an expression.
    Expression(String),
    /// A string.
    Text(String),
}

/// Where an expression is.
#[derive(Clone)]
pub(crate) enum Source {
    /// In a file, or in a folder's `default.nix`; an absolute path.
    File(PathBuf),
    /// It is given itself.
    Text(Origin, Vec<u8>),
}

impl Source {
    /// The expression at a path. A file that is known to be something else is refused, since read as an
    /// expression it would have an error of syntax.
    ///
    /// # Errors
    /// [`SessionError::Missing`] or [`SessionError::NoExpression`].
    pub(crate) fn file(path: &Path) -> Result<Self, SessionError> {
        let path = absolute(path)?;
        // the store may be kept elsewhere
        if path.symlink_metadata().is_err() && !path.starts_with(STORE_DIR) {
            return Err(SessionError::Missing(path));
        }
        match FileKind::of(&path) {
            Some(kind) => Err(SessionError::NoExpression { path, kind }),
            None => Ok(Self::File(path)),
        }
    }
}

/// The path from the root on, without `.` and `..`; links are left as they are.
///
/// # Errors
/// The path is empty, or the working folder is gone.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, SessionError> {
    let path = std::path::absolute(path).map_err(SessionError::Folder)?;
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::Normal(name) => clean.push(name),
            _ => {}
        }
    }
    Ok(clean)
}
