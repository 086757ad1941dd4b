//! The kernel: its version, and its errors, each with the step that failed.

use std::ffi::OsStr;

use rustix::io::Errno;

use super::wire::{Failure, Step};

impl Failure {
    pub(super) fn new(step: Step, on: impl AsRef<OsStr>, errno: Errno) -> Self {
        let on = on.as_ref().to_string_lossy().into_owned();
        Self { step, on, errno: errno.raw_os_error() }
    }
}

/// Names the step and what it was about in an error of the kernel.
pub(super) trait Fail<T> {
    fn fail(self, step: Step, on: impl AsRef<OsStr>) -> Result<T, Failure>;
}

impl<T> Fail<T> for rustix::io::Result<T> {
    fn fail(self, step: Step, on: impl AsRef<OsStr>) -> Result<T, Failure> {
        self.map_err(|errno| Failure::new(step, on, errno))
    }
}

/// The error of the call that was made last.
pub(super) fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// The version of Linux; zeros if its name has no such form.
pub(super) fn linux() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().ok());
    (numbers.next().flatten().unwrap_or(0), numbers.next().flatten().unwrap_or(0))
}
