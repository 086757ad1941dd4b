//! The namespaces of a sandbox, and who a process is in them.

use rustix::{
    fs::{Mode, OFlags, open},
    process::{Gid, Uid},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::{
    confine,
    helper::last_errno,
    mounts::Fail,
    wire::{Failure, Step},
};

/// The user and group that every builder runs as, whoever runs clutch.
pub(super) const UID: u32 = 1000;
pub(super) const GID: u32 = 100;

/// Takes this process into a user namespace in which `owner`, who clutch is on the host, is user 0. The
/// namespaces of sandboxes are made in it, so that what these tell of the users outside
/// (`/proc/self/uid_map`) is the same whoever runs clutch.
pub(super) fn enclose(owner: (Uid, Gid)) -> Result<(), Failure> {
    // SAFETY: this process has one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }.fail(Step::UserNamespace, "")?;
    map_user((0, 0), owner)
}

/// Makes the namespaces of a sandbox; this process is in its own user and process namespace already.
/// Files that are made inside belong to who runs clutch. With `network` the host's network stays.
pub(super) fn enter(network: bool) -> Result<(), Failure> {
    map_user((UID, GID), (Uid::ROOT, Gid::ROOT))?;
    let mut flags =
        UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWCGROUP;
    if !network {
        flags |= UnshareFlags::NEWNET;
    }
    // SAFETY: this process has one thread, and shares no descriptor table.
    unsafe { unshare_unsafe(flags) }.fail(Step::Namespaces, "")?;
    rustix::system::sethostname(b"localhost").fail(Step::HostName, "localhost")?;
    // SAFETY: the length is that of the text.
    if unsafe { libc::setdomainname(c"(none)".as_ptr(), 6) } < 0 {
        return Err(Failure::new(Step::HostName, "(none)", last_errno()));
    }
    if network { Ok(()) } else { confine::loopback() }
}

/// Gives this process's user and group these numbers in its new user namespace.
pub(super) fn map_user(inside: (u32, u32), (uid, gid): (Uid, Gid)) -> Result<(), Failure> {
    let put = |file: &str, text: String| {
        let fd = open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .fail(Step::UserMap, file)?;
        rustix::io::write(fd, text.as_bytes()).fail(Step::UserMap, file).map(drop)
    };
    put("/proc/self/setgroups", "deny".into())?;
    put("/proc/self/uid_map", format!("{} {} 1", inside.0, uid.as_raw()))?;
    put("/proc/self/gid_map", format!("{} {} 1", inside.1, gid.as_raw()))
}
