//! Files: of the library inside the binary, or of the host.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::Interpreter;
use crate::{
    error::{Error, Kind, Result},
    host::{AddPath, FileType, Filter, HostResult},
    library,
    source::Span,
};

/// The path of a text of the language.
#[must_use]
pub(crate) fn as_path(text: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(text))
}

impl Interpreter<'_> {
    /// What the host refused as an error of the evaluation.
    ///
    /// # Errors
    /// What the host said.
    pub fn from_host<T>(&self, result: HostResult<T>) -> Result<T> {
        result.map_err(|error| Error::new(Kind::Host, Span::NONE, error.0))
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// What the host says.
    pub fn read_file(&self, path: &Path) -> Result<Vec<u8>> {
        if library::contains(path) {
            return match library::read(path) {
                Some(bytes) => Ok(bytes.to_vec()),
                None => Err(no_such_file(path)),
            };
        }
        self.from_host(self.host.read_file(path))
    }

    /// The entries of a directory.
    ///
    /// # Errors
    /// What the host says.
    pub fn read_dir(&self, path: &Path) -> Result<Vec<(Vec<u8>, FileType)>> {
        if library::contains(path) {
            let Some(entries) = library::entries(path) else { return Err(no_such_file(path)) };
            let entries = entries.into_iter();
            return Ok(entries
                .map(|(name, kind)| (name.as_os_str().as_bytes().to_vec(), kind))
                .collect());
        }
        self.from_host(self.host.read_dir(path))
    }

    /// What is at a path; links are not followed.
    ///
    /// # Errors
    /// What the host says.
    pub fn file_type(&self, path: &Path) -> Result<Option<FileType>> {
        if library::contains(path) {
            return Ok(library::file_type(path));
        }
        self.from_host(self.host.file_type(path))
    }

    /// The path with all links followed.
    ///
    /// # Errors
    /// What the host says.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf> {
        if library::contains(path) {
            return Ok(path.to_owned());
        }
        self.from_host(self.host.resolve(path))
    }

    /// Copies a tree to the store under its own name and gives the store path.
    ///
    /// # Errors
    /// What the host says.
    pub fn add_path(&self, path: &Path, filter: Option<&mut Filter<'_>>) -> Result<String> {
        let name = path.file_name().unwrap_or_else(|| OsStr::new("source"));
        let name = name.to_string_lossy().into_owned();
        if library::contains(path) {
            let bytes = self.read_file(path)?;
            return self.from_host(self.host.add_text(&name, &bytes, &[]));
        }
        let request = AddPath { path: path.to_owned(), name, recursive: true, sha256: None };
        self.from_host(self.host.add_path(&request, filter))
    }
}

#[cold]
fn no_such_file(path: &Path) -> Box<Error> {
    let message = format!("path '{}' does not exist", path.display());
    Error::new(Kind::Host, Span::NONE, message)
}
