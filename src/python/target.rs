//! The interpreter that byte code, wheels and environments are made for: a prefix in the store.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use fs_err as fs;

use crate::{
    build::task::{Task, TaskError},
    elf::Image,
    limits,
    store_path::STORE_DIR,
};

/// A CPython prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The folder in which it is being built. `None` for an input, which a sandbox shows at its logical
    /// path.
    pub making: Option<PathBuf>,
    /// Its store path, in builds and at run time.
    pub logical: String,
    /// The second part of its version: 11 for Python 3.11.
    pub minor: u32,
}

impl Interpreter {
    /// The interpreter that an attribute names by its logical path.
    ///
    /// # Errors
    /// If it is not an input of this build, or not an interpreter.
    pub fn input(task: &Task<'_>, logical: &str) -> Result<Self, TaskError> {
        let programs = task.input(logical)?.join("bin").entries()?;
        let minor = minor(programs.into_iter().map(|entry| entry.name), logical)?;
        Ok(Self { making: None, logical: logical.to_owned(), minor })
    }

    /// The interpreter that is being built at `place`.
    ///
    /// # Errors
    /// If there is not exactly one `bin/python3.<minor>`.
    pub fn at(place: &Path, logical: &str) -> Result<Self, TaskError> {
        let entries = fs::read_dir(place.join("bin"))?.map(|entry| Ok(entry?.file_name()));
        let programs: Vec<_> = entries.collect::<std::io::Result<_>>()?;
        let minor = minor(programs.into_iter(), logical)?;
        Ok(Self { making: Some(place.to_owned()), logical: logical.to_owned(), minor })
    }

    /// `python3.11`, the name of the executable and of the library folder.
    #[must_use]
    pub fn name(&self) -> String {
        format!("python3.{}", self.minor)
    }

    /// `lib/python3.11/site-packages`, from a prefix.
    #[must_use]
    pub fn site_packages(&self) -> String {
        format!("lib/{}/site-packages", self.name())
    }

    /// The logical path of the executable.
    #[must_use]
    pub fn program(&self) -> String {
        format!("{}/bin/{}", self.logical, self.name())
    }

    /// True if the standard library of this input has a module with that name.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn has_module(&self, task: &Task<'_>, name: &str) -> Result<bool, TaskError> {
        let library = task.input(&self.logical)?.join("lib").join(self.name());
        let found = |place: &str| Ok::<_, TaskError>(library.join(place).kind()?.is_some());
        Ok(found(name)? || found(&format!("{name}.py"))?)
    }

    /// The dynamic linker of this input's executable, if it is in the store. Programs in machine code
    /// need the same one. `None` for an interpreter that uses the host's.
    ///
    /// # Errors
    /// If the executable cannot be read.
    pub fn loader(&self, task: &Task<'_>) -> Result<Option<String>, TaskError> {
        let bytes = task.input(&self.program())?.read(limits::PROGRAM)?;
        let Ok(image) = Image::parse(bytes) else { return Ok(None) };
        let Ok(Some(path)) = image.interpreter() else { return Ok(None) };
        let path = String::from_utf8_lossy(path).into_owned();
        Ok(path.starts_with(STORE_DIR).then_some(path))
    }
}

/// The second part of the version, by the names in `bin`.
fn minor(programs: impl Iterator<Item = OsString>, logical: &str) -> Result<u32, TaskError> {
    let found: Vec<u32> =
        programs.filter_map(|name| name.to_str()?.strip_prefix("python3.")?.parse().ok()).collect();
    let &[minor] = found.as_slice() else {
        return Err(TaskError::Failed(format!(
            "'{logical}' is not an interpreter: expected one file 'bin/python3.<minor>', found {}",
            found.len()
        )));
    };
    Ok(minor)
}
