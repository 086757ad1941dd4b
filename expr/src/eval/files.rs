//! Files: of the library inside the binary, or of the host.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::{Interpreter, library};
use crate::{
    error::{Error, ErrorKind, Result},
    host::{AddPath, FileType, Filter, HostError, HostResult},
    limit::interrupted,
    source::Span,
    suggest::did_you_mean,
};

impl Interpreter<'_> {
    /// Turns an error of the host into an error of the evaluation.
    ///
    /// # Errors
    /// The refusal of the host.
    pub fn from_host<T>(&self, result: HostResult<T>) -> Result<T> {
        result.map_err(refused)
    }

    /// The same for one path. If the path does not exist, the error names its neighbours.
    ///
    /// # Errors
    /// The refusal of the host.
    pub(crate) fn of_path<T>(&self, path: &Path, result: HostResult<T>) -> Result<T> {
        result.map_err(|error| self.explain(path, error))
    }

    #[cold]
    fn explain(&self, path: &Path, error: HostError) -> Box<Error> {
        let there = |path: &Path| !matches!(self.host.file_type(path), Ok(None));
        if there(path) {
            return refused(error);
        }
        let error = no_such_file(path);
        let Some((folder, name)) = parts(path) else { return error };
        if !there(folder) {
            let missing = folder.ancestors().take_while(|folder| !there(folder)).last();
            let Some((folder, name)) = missing.and_then(parts) else { return error };
            return match self.near(folder, name) {
                Some(near) => error.with_help(format!("{near} (in '{}')", folder.display())),
                None => error.with_help(format!(
                    "there is no '{}' in '{}'",
                    name.display(),
                    folder.display()
                )),
            };
        }
        match self.near(folder, name) {
            Some(near) => error.with_help(near),
            None if name == "default.nix" => {
                let nix = self.names(folder).into_iter().filter(|name| name.ends_with(".nix"));
                let nix: Vec<String> = nix.take(5).map(|name| format!("'{name}'")).collect();
                error.with_help(match nix.is_empty() {
                    true => "importing a folder reads its default.nix".to_owned(),
                    false => format!(
                        "importing a folder reads its default.nix; it has {}",
                        nix.join(", ")
                    ),
                })
            }
            None => error,
        }
    }

    /// Advice for a name that a folder lacks.
    fn near(&self, folder: &Path, name: &OsStr) -> Option<String> {
        did_you_mean(&name.to_string_lossy(), self.names(folder).into_iter())
    }

    /// The names in a folder, sorted. `None` if it cannot be read.
    fn names(&self, folder: &Path) -> Vec<String> {
        let entries = self.host.read_dir(folder).unwrap_or_default();
        let mut names: Vec<String> =
            entries.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        names.sort();
        names
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// The refusal of the host.
    pub fn read_file(&self, path: &Path) -> Result<Vec<u8>> {
        if library::contains(path) {
            return match self.options.library.read(path) {
                Some(bytes) => Ok(bytes.to_vec()),
                None => Err(no_such_file(path)),
            };
        }
        self.of_path(path, self.host.read_file(path, self.room_left() as u64))
    }

    /// The bytes of a file of any size, piece by piece.
    ///
    /// # Errors
    /// The refusal of the host; the evaluation was stopped.
    pub(crate) fn stream_file(&self, path: &Path, take: &mut dyn FnMut(&[u8])) -> Result<()> {
        if library::contains(path) {
            take(&self.read_file(path)?);
            return Ok(());
        }
        let limit = &self.options.limit;
        let result = self.host.stream_file(path, &mut |piece| {
            take(piece);
            !limit.is_stopped()
        });
        self.of_path(path, result)?;
        if limit.is_stopped() { Err(interrupted()) } else { Ok(()) }
    }

    /// The entries of a directory.
    ///
    /// # Errors
    /// The refusal of the host.
    pub fn read_dir(&self, path: &Path) -> Result<Vec<(Vec<u8>, FileType)>> {
        if library::contains(path) {
            let Some(entries) = self.options.library.read_dir(path) else {
                return Err(no_such_file(path));
            };
            let entries = entries.into_iter();
            return Ok(entries
                .map(|(name, kind)| (name.as_os_str().as_bytes().to_vec(), kind))
                .collect());
        }
        self.of_path(path, self.host.read_dir(path))
    }

    /// The type of the file at a path. Links are not followed.
    ///
    /// # Errors
    /// The refusal of the host.
    pub fn file_type(&self, path: &Path) -> Result<Option<FileType>> {
        if library::contains(path) {
            return Ok(self.options.library.file_type(path));
        }
        self.from_host(self.host.file_type(path))
    }

    /// The path with all links followed.
    ///
    /// # Errors
    /// The refusal of the host.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf> {
        if library::contains(path) {
            return Ok(path.to_owned());
        }
        self.from_host(self.host.resolve(path))
    }

    /// Copies a tree to the store under its own name and gives the store path.
    ///
    /// # Errors
    /// The refusal of the host.
    pub fn add_path(&self, path: &Path, filter: Option<&mut Filter<'_>>) -> Result<String> {
        let name = path.file_name().unwrap_or_else(|| OsStr::new("source"));
        let name = name.to_string_lossy().into_owned();
        if library::contains(path) {
            let bytes = self.read_file(path)?;
            return self.from_host(self.host.add_text(&name, &bytes, &[]));
        }
        let request =
            AddPath { path: path.to_owned(), name, recursive: true, sha256: None, follow: false };
        self.of_path(path, self.host.add_path(&request, filter))
    }
}

/// The parent folder and the name of a path.
fn parts(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}

/// The evaluation's error for an error of the host, which it keeps.
#[cold]
fn refused(error: HostError) -> Box<Error> {
    let (text, cause) = error.into_parts();
    let error = Error::new(ErrorKind::Host, Span::NONE, text);
    match cause {
        Some(cause) => error.with_cause(cause),
        None => error,
    }
}

#[cold]
fn no_such_file(path: &Path) -> Box<Error> {
    let message = format!("path '{}' does not exist", path.display());
    Error::new(ErrorKind::Host, Span::NONE, message)
}
