//! Runs a process in its own namespaces, with an empty root and the folders bound into it, without network and
//! privileges. Knows paths and arguments, never derivations.
//!
//! [`Sandbox::run`] sends an order to the helper, which is this program started once more with a
//! single thread; the helper forks a first process for each order (`helper`), which makes its
//! namespaces and root (`namespaces`, `root`, `mounts`), gives up what it does not need (`confine`, `filter`) and executes
//! the program. `supervise` is clutch's side of one run.

mod confine;
mod doctor;
mod error;
mod filter;
mod groups;
mod helper;
mod kernel;
mod landlock;
mod memory;
mod mounts;
mod namespaces;
mod noexec;
mod orders;
mod refusal;
mod request;
mod root;
pub mod started;
mod supervise;
mod usage;
mod view;
mod wire;

use std::path::Path;

pub use doctor::{Finding, Health, examine};
pub use error::{GroupError, SandboxError};
pub use groups::can_limit_memory;
pub(in crate::build) use memory::words as memory_words;
pub use noexec::noexec_mount;
pub use orders::Sandbox;
pub use refusal::{Cause, Refusal};
pub use request::{Bind, Limits, Request, Variation};
pub use supervise::{Exit, Watch};
pub use view::View;

/// Does this process's work if it was started as a helper, which never returns, or to become a [`View`]'s
/// program, which returns only an error. A program that uses [`Sandbox`] or [`View`] calls this first.
///
/// # Errors
/// See above.
pub fn init_if_helper() -> Result<(), SandboxError> {
    let mut args = std::env::args_os();
    match args.next().as_deref().and_then(std::ffi::OsStr::to_str) {
        Some(helper::NAME) => helper::serve(args.next().as_deref().map(Path::new)),
        Some(view::NAME) => Err(view::become_program(args)),
        _ => Ok(()),
    }
}

/// Test binaries have no `main` of ours, so there this runs before it.
#[cfg(test)]
#[used]
#[unsafe(link_section = ".init_array")]
static HELPER: extern "C" fn() = {
    extern "C" fn before_main() {
        if let Err(error) = init_if_helper() {
            eprintln!("{error}");
            std::process::exit(126);
        }
    }
    before_main
};

#[cfg(test)]
pub(super) mod tests;
