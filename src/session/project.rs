//! The expression's project: the files that a pure evaluation may read.

use std::path::{Path, PathBuf};

use super::{Expression, Session, SessionError, Source, absolute};
use crate::{evaluate::project, store_path::STORE_DIR};

/// The folders of the project: the nearest folder above the expression with a `.git`, else the expression's
/// own folder. A home folder is not a project: for an expression directly in it, the project is that file
/// alone. Each folder is given as named and with links followed.
pub(super) fn folders(source: &Source, home: Option<&Path>) -> Result<Vec<PathBuf>, SessionError> {
    let (start, is_named) = match source {
        Source::File(path) => (path.clone(), true),
        Source::Text(..) => (absolute(Path::new("."))?, false),
    };
    let mut folders = Vec::new();
    for start in [Some(start.clone()), fs_err::canonicalize(&start).ok()].into_iter().flatten() {
        let is_folder = start.is_dir();
        let folder =
            if is_folder { start.clone() } else { start.parent().unwrap_or(&start).into() };
        if let Some(root) = project::repository(&folder, home) {
            folders.push(root);
        } else if project::is_project(&folder, home) || folder.starts_with(STORE_DIR) {
            folders.push(if folder.starts_with(STORE_DIR) { start } else { folder });
        } else if is_named {
            folders.push(if is_folder { start.join("default.nix") } else { start });
        }
    }
    folders.dedup();
    Ok(folders)
}

/// The project folder, with links followed. Only its files may be changed.
pub(super) fn root(session: &Session, expression: &Expression) -> Result<PathBuf, SessionError> {
    let home = session.settings.real_home();
    let folders = folders(&expression.source, home.as_deref())?;
    let root = folders.first().map_or(Path::new("."), PathBuf::as_path);
    fs_err::canonicalize(root).map_err(SessionError::Folder)
}
