//! The interpreter that byte code, wheels and environments are made for: a prefix in the store.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::{
    build::task::{Task, TaskError},
    builders::elf::Image,
    store_path::STORE_DIR,
};

/// A CPython prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Where its files can be read now.
    pub real: PathBuf,
    /// Its path in builds and at run time: a store path, as text.
    pub logical: String,
    /// The second part of its version: 11 for Python 3.11.
    pub minor: u32,
}

impl Interpreter {
    /// The interpreter that an attribute names by its logical path.
    ///
    /// # Errors
    /// Where it is not an input of this build, or no interpreter.
    pub fn input(task: &Task<'_>, logical: &str) -> Result<Self, TaskError> {
        Self::at(&task.input(logical)?, logical)
    }

    /// The interpreter whose files are at `real`, for instance while it is being made.
    ///
    /// # Errors
    /// Where there is not exactly one `bin/python3.<minor>`.
    pub fn at(real: &Path, logical: &str) -> Result<Self, TaskError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(real.join("bin"))? {
            let name = entry?.file_name();
            let minor = name.to_str().and_then(|n| n.strip_prefix("python3."));
            found.extend(minor.and_then(|m| m.parse::<u32>().ok()));
        }
        let &[minor] = found.as_slice() else {
            return Err(TaskError::Failed(format!(
                "'{logical}' is not an interpreter: expected one file 'bin/python3.<minor>', found {}",
                found.len()
            )));
        };
        Ok(Self { real: real.to_owned(), logical: logical.to_owned(), minor })
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

    /// The dynamic linker that the executable asks for, where it is one of the store's: programs in
    /// machine code need the same. An interpreter that uses the host's has none to offer.
    ///
    /// # Errors
    /// Where the executable cannot be read.
    pub fn loader(&self) -> Result<Option<String>, TaskError> {
        let bytes = fs::read(self.real.join("bin").join(self.name()))?;
        let Ok(image) = Image::parse(bytes) else { return Ok(None) };
        let Ok(Some(path)) = image.interpreter() else { return Ok(None) };
        let path = String::from_utf8_lossy(path).into_owned();
        Ok(path.starts_with(STORE_DIR).then_some(path))
    }
}
