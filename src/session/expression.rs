//! An expression and its evaluation options.

use std::path::{Component, Path, PathBuf};

use clutch_expr::{show::Style, source::Origin};

use super::{SessionError, file_kind::FileKind};
use crate::store_path::{STORE_DIR, StorePath};

/// An expression, the attributes to select, and its permissions.
#[derive(Clone)]
pub(crate) struct Expression {
    /// Its text or file.
    pub source: Source,
    /// The attributes to select, such as `tools.hello`; empty for the value itself.
    pub attributes: Vec<String>,
    /// The arguments for the value, if it is a function.
    pub arguments: Vec<(String, Argument)>,
    /// Entries of the search path, `PATH` or `NAME=PATH`.
    pub search_path: Vec<String>,
    /// Allow environment variables, the clock and files outside the project.
    pub impure: bool,
    /// Experimental language features.
    pub features: Vec<String>,
    /// Build files that the evaluation reads.
    pub import_from_derivation: bool,
    /// Treat warnings as errors.
    pub abort_on_warn: bool,
    /// Print the messages of `builtins.traceVerbose`.
    pub trace_verbose: bool,
    /// Use a valid cached result.
    pub cached: bool,
    /// Compute cheap values before they are needed. Printing a partly computed value shows the difference.
    pub eager: bool,
    /// Profile the functions.
    pub profiled: bool,
    /// The memory limit in bytes (default: three quarters of the machine's memory).
    pub memory: Option<u64>,
    /// The style of error messages.
    pub style: Style,
}

/// The subject of a build.
#[derive(Clone)]
pub(crate) enum Subject {
    /// A derivation of the store.
    Stored(StorePath),
    /// The derivations in an expression.
    Expression(Box<Expression>),
}

/// An argument of a function.
#[derive(Clone)]
pub(crate) enum Argument {
    /// The value of an expression.
    Expression(String),
    /// A string.
    Text(String),
}

/// The source of an expression.
#[derive(Clone)]
pub(crate) enum Source {
    /// The absolute path of a file, or of a folder with a `default.nix`.
    File(PathBuf),
    /// A text.
    Text(Origin, Vec<u8>),
}

impl Source {
    /// The expression at a path. Rejects files that are known to be something else, which would only give a
    /// syntax error.
    ///
    /// # Errors
    /// [`SessionError::Missing`], [`SessionError::NoDefault`] or [`SessionError::NoExpression`].
    pub(crate) fn file(path: &Path) -> Result<Self, SessionError> {
        let path = absolute(path)?;
        // the store may be in another folder
        if path.symlink_metadata().is_err() && !path.starts_with(STORE_DIR) {
            return Err(SessionError::Missing(path));
        }
        if path.is_dir() && path.join("default.nix").symlink_metadata().is_err() {
            return Err(SessionError::NoDefault(path));
        }
        match FileKind::of(&path) {
            Some(kind) => Err(SessionError::NoExpression { path, kind }),
            None => Ok(Self::File(path)),
        }
    }
}

/// Makes a path absolute and removes `.` and `..`; does not follow links.
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
