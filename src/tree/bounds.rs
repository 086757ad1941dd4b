//! Bounds for work on untrusted trees: a way to stop early, and a largest file.

use std::{
    io::{self, Read},
    path::Path,
};

use super::TreeError;

/// Bounds of work on a tree.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// Asked often, by any thread; true stops the work.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// The most bytes that a file may have. Holes count: they take no room here, but time to hash, and room in
    /// an export.
    pub largest: u64,
    /// The source of this bound, for messages.
    pub limit: &'static str,
}

impl Bounds<'static> {
    /// No bounds.
    pub const NONE: Self = Self { stop: &|| false, largest: u64::MAX, limit: "" };
}

impl<'a> Bounds<'a> {
    /// Fails if the work should stop.
    pub(crate) fn check(&self) -> Result<(), TreeError> {
        if (self.stop)() { Err(TreeError::Stopped) } else { Ok(()) }
    }

    /// Fails if a file has too many bytes.
    pub(crate) fn check_file(&self, path: &Path, size: u64) -> Result<(), TreeError> {
        self.check()?;
        let Self { largest, limit, .. } = *self;
        if size <= largest {
            return Ok(());
        }
        Err(TreeError::Large { path: path.to_owned(), size, largest, limit })
    }

    /// A reader that fails when it is time to stop; [`Bounds::explain`] tells this from other failures.
    pub(crate) fn reading<R>(self, inner: R) -> Reading<'a, R> {
        Reading { inner, bounds: self }
    }

    /// The failure of such a reader.
    pub(crate) fn explain(&self, error: io::Error) -> TreeError {
        self.check().err().unwrap_or(TreeError::Io(error))
    }
}

/// See [`Bounds::reading`].
pub(crate) struct Reading<'a, R> {
    inner: R,
    bounds: Bounds<'a>,
}

impl<R: Read> Read for Reading<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.bounds.stop)() {
            true => Err(io::Error::other("stopped")),
            false => self.inner.read(buffer),
        }
    }
}
