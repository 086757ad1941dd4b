//! The namespaces of a sandbox, and the user ids in them.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{CWD, Mode, OFlags, open},
    io::Errno,
    mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree},
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
    process::{DumpableBehavior, Gid, Uid, chdir},
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe},
};

use super::{
    confine,
    kernel::{Fail, last_errno, linux},
    mounts,
    wire::{Failure, Step},
};

/// The user and group that every builder runs as, whoever runs clutch.
pub(super) const UID: u32 = 1000;
pub(super) const GID: u32 = 100;

/// The user that builders are on the host if root runs clutch: nobody else, as far as can be. It is in none of the
/// ranges that distributions, systemd, containers or Nix give away.
const OTHER: u32 = 2_147_000_517;

/// The first Linux that asks who has opened a control group's file, and not who writes to it: the helper does
/// not stay root.
const OPENER_COUNTS: (u32, u32) = (5, 16);

/// Takes this process into `place`, and into a user namespace in which it is user 0. The namespaces of sandboxes
/// are made in it, so that what these tell of the users outside (`/proc/self/uid_map`) is the same whoever runs
/// clutch.
///
/// An ordinary user stays who it is. Root becomes somebody else, to whom what root owns in `place` appears as its
/// own: so all that belongs to root outside is a stranger's in a sandbox, as it is for a user. If the
/// file system of `place` cannot do that, root stays root.
pub(super) fn enclose(place: Option<&Path>) -> Result<(), Failure> {
    // Asked for now: in a new user namespace nobody has an id yet.
    let owner = (rustix::process::geteuid(), rustix::process::getegid());
    let other = match place {
        Some(place) if owner.0.is_root() && linux() >= OPENER_COUNTS => appear(place),
        _ => None,
    };
    if let Some(place) = place {
        chdir(place).fail(Step::Directory, place)?;
    }
    let Some(namespace) = other else {
        // SAFETY: this process has one thread.
        unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }.fail(Step::UserNamespace, "")?;
        return map_user((0, 0), owner);
    };
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))
        .fail(Step::UserNamespace, "")?;
    let done = |result: libc::c_int| match result {
        0 => Ok(()),
        _ => Err(Failure::new(Step::UserMap, "0", last_errno())),
    };
    // SAFETY: plain calls; this process has one thread.
    unsafe {
        done(libc::setgroups(0, std::ptr::null()))?;
        done(libc::setresgid(0, 0, 0))?;
        done(libc::setresuid(0, 0, 0))?;
    }
    // else the files of this process in /proc, which map users, would not be its own
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).fail(Step::UserMap, "prctl")
}

/// Makes a mount namespace in which what root owns below `place` is [`OTHER`]'s, and gives a user namespace in
/// which that is user 0. `None` if that cannot be done.
fn appear(place: &Path) -> Option<OwnedFd> {
    let is_everybody = |file: &str| {
        let map = fs_err::read_to_string(file).unwrap_or_default();
        map.split_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"]
    };
    if !is_everybody("/proc/self/uid_map") || !is_everybody("/proc/self/gid_map") {
        return None;
    }
    // SAFETY: this process has one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.ok()?;
    mounts::follow_host().ok()?;
    let namespace = namespace_of_other().ok()?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let mount = open_tree(CWD, place, flags).ok()?;
    mounts::map_users(&mount, &namespace).ok()?;
    move_mount(&mount, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).ok()?;
    Some(namespace)
}

/// A user namespace whose user 0 is [`OTHER`] outside.
fn namespace_of_other() -> Result<OwnedFd, Errno> {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: this process has one thread; the child makes a few calls and ends.
    let child = match unsafe { libc::fork() } {
        0 => {
            drop(ours);
            // SAFETY: as this process, the child has one thread.
            if unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }.is_ok() {
                let _ = rustix::io::write(&theirs, b"x");
                // until the parent has what it wants
                let _ = rustix::io::read(&theirs, &mut [0]);
            }
            // SAFETY: ends this process without running what the helper registered.
            unsafe { libc::_exit(0) }
        }
        child if child > 0 => child,
        _ => return Err(last_errno()),
    };
    drop(theirs);
    if rustix::io::read(&ours, &mut [0])? == 0 {
        return Err(Errno::PERM);
    }
    for file in ["uid_map", "gid_map"] {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let map = open(format!("/proc/{child}/{file}"), flags, Mode::empty())?;
        rustix::io::write(map, format!("0 {OTHER} 1").as_bytes())?;
    }
    open(format!("/proc/{child}/ns/user"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
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

/// Maps this process's user and group to these numbers in its new user namespace.
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
