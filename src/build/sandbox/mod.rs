//! A process that sees nothing but what it is given: its own namespaces, an empty root with the
//! folders that were bound in, no network, no privilege. Knows paths and arguments, never
//! derivations.
//!
//! [`Sandbox::run`] sends an order to the helper, which is this program started once more with a
//! single thread; the helper forks a first process for each order (`helper`), which makes its
//! namespaces and root (`namespaces`, `root`, `mounts`), gives up what it does not need (`confine`, `filter`) and executes
//! the program. `supervise` is clutch's side of one run.

mod confine;
mod doctor;
mod filter;
mod groups;
mod helper;
mod landlock;
mod memory;
mod mounts;
mod namespaces;
mod refusal;
mod request;
mod root;
pub mod started;
mod supervise;
mod usage;
mod view;
mod wire;

use std::{
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

pub use doctor::{Finding, Health, examine};
pub use groups::{GroupError, can_limit_memory};
pub(in crate::build) use memory::words as memory_words;
pub use refusal::{Cause, Refusal};
pub use request::{Bind, Limits, Request, Variation};
pub use supervise::{Exit, SandboxError, Watch, noexec_mount};
pub use view::View;

/// Does the work that this process was started for, if that is not the program itself: the helper
/// never returns, and a process that was to become a [`View`]'s program gives back why it could not.
/// Every program that uses [`Sandbox`] or [`View`] calls this first of all.
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

/// Runs programs in sandboxes, any number at the same time. The helper is started with the first.
#[derive(Default)]
pub struct Sandbox {
    helper: Mutex<Option<Helper>>,
    /// See [`Sandbox::within`].
    place: Option<PathBuf>,
}

/// The helper's process and the socket that takes orders.
struct Helper {
    process: Child,
    control: Option<OwnedFd>,
}

impl Sandbox {
    /// Nothing is started yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Sandbox::new`], for requests that bind in what is below a folder of clutch's own: a store. No link
    /// below it is followed. For root its files appear to the programs as theirs, while they are those of
    /// another user on the host, if the file system can do that: so programs see the same whoever runs clutch.
    #[must_use]
    pub fn within(place: &Path) -> Self {
        Self { helper: Mutex::default(), place: Some(place.to_owned()) }
    }

    /// Runs a program to its end; its output (both streams) goes to `watch.output` as it comes.
    /// When this returns, no process of the sandbox is left.
    ///
    /// # Errors
    /// If the sandbox cannot be made ([`SandboxError::Refused`] has the remedy), the program
    /// cannot be started, a limit was passed or the run was cancelled.
    pub fn run(&self, request: &Request, watch: Watch<'_>) -> Result<Exit, SandboxError> {
        supervise::run(self, request, watch)
    }

    /// Gives an order to the helper.
    fn send(&self, network: bool, fds: &[OwnedFd]) -> std::io::Result<()> {
        let fds: &[BorrowedFd<'_>] = &fds.iter().map(AsFd::as_fd).collect::<Vec<_>>();
        let packet: &[u8] = &[if network { wire::WITH_NETWORK } else { wire::ORDER }];
        let mut slot = self.helper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Helper { control: Some(control), .. }) = &*slot
            && wire::send(control, packet, fds).is_ok()
        {
            return Ok(());
        }
        // Not there yet, or gone: only an order that was taken may fail with it.
        let helper = slot.insert(Helper::start(self.place.as_deref())?);
        let control = helper.control.as_ref().expect("a helper that was just started");
        wire::send(control, packet, fds)
    }
}

impl Helper {
    fn start(place: Option<&Path>) -> std::io::Result<Self> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let process = Command::new("/proc/self/exe")
            .arg0(helper::NAME)
            .args(place)
            .env_clear()
            // a huge page would be split and copied in every process that is forked from it
            .env("MIMALLOC_ALLOW_THP", "0")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { process, control: Some(ours) })
    }
}

/// The helper ends when it can get no more orders.
impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.control.take());
        // Nothing can be done about a helper that cannot be waited for.
        let _ = self.process.wait();
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
