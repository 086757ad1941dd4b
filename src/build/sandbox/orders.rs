//! Clutch's side of the helper: the process that is started with the first order, and takes any number.

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

use super::{helper, wire};

/// Runs programs in sandboxes, any number at the same time. The helper is started with the first.
#[derive(Default)]
pub struct Sandbox {
    helper: Mutex<Option<Helper>>,
    /// See [`Sandbox::within`].
    pub(super) place: Option<PathBuf>,
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

    /// Gives an order to the helper.
    pub(super) fn send(&self, network: bool, fds: &[OwnedFd]) -> std::io::Result<()> {
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
