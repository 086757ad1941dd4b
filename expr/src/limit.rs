//! How much memory an evaluation may take, and how another thread stops it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::{
    error::{Error, ErrorKind},
    source::Span,
};

/// How many steps of a loop that calls nothing pass between two checks of a limit.
pub(crate) const STEPS: u32 = 4096;

/// The memory that an evaluation may take, in bytes. Copies are one and the same, so
/// that the owner of a copy can stop the evaluation.
#[derive(Clone, Debug)]
pub struct Limit {
    pub(crate) bytes: usize,
    stopped: Arc<AtomicBool>,
}

impl Limit {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { bytes, stopped: Arc::default() }
    }

    /// How many bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The same, stopped by setting this flag.
    #[must_use]
    pub fn stopped_by(self, flag: Arc<AtomicBool>) -> Self {
        Self { stopped: flag, ..self }
    }

    /// Stops the evaluation that runs: it fails with [`ErrorKind::Interrupted`] after some calls more. So
    /// does every other one, until [`Self::resume`].
    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// True if it was stopped.
    #[must_use]
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Lets evaluations run again.
    pub fn resume(&self) {
        self.stopped.store(false, Relaxed);
    }
}

impl Default for Limit {
    /// 4 GiB: what a program asks for beyond that, on purpose or by mistake, is an error before the
    /// allocator has to end the process.
    fn default() -> Self {
        Self::new(usize::try_from(4_u64 << 30).unwrap_or(isize::MAX.unsigned_abs()))
    }
}

/// The evaluation was stopped from outside.
#[cold]
pub(crate) fn interrupted() -> Box<Error> {
    Error::new(ErrorKind::Interrupted, Span::NONE, "the evaluation was interrupted")
}
