//! Landlock as a second wall, if the kernel has it: writing only below the places that are meant
//! for it, and no abstract sockets or signals to processes outside. The namespaces keep these away
//! already, except the host's abstract sockets if the host's network stays.

use std::{
    ffi::OsStr,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use rustix::fs::{Mode, OFlags, open};

use super::{
    kernel::{Fail, last_errno},
    wire::{Failure, Order, Step},
};

/// `struct landlock_ruleset_attr` of version 6; earlier versions read the first part of it.
#[repr(C)]
struct RulesetAttributes {
    files: u64,
    network: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

const VERSION: u32 = 1;
const PATH_BENEATH: u32 = 1;

/// Rights to change files: write, remove folders and files, make each kind of file.
const CHANGES: u64 = (1 << 1) | (0x1ff << 4);
/// Moving and linking between folders, version 2. Refused everywhere if it is not handled.
const REFER: u64 = 1 << 13;
/// Version 3.
const TRUNCATE: u64 = 1 << 14;
/// Abstract sockets and signals, version 6.
const SCOPES: u64 = 0b11;

/// The places that may be written to beside the writable binds.
const PLACES: &[&str] = &["/tmp", "/build", "/dev"];

/// The version that the kernel has; 0 if it has none.
pub(super) fn version() -> i64 {
    // SAFETY: without attributes and with this flag, the call only gives its version.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, VERSION)
    };
    version.max(0)
}

/// Confines this process and all that it will start. Nothing is done if the kernel cannot.
pub(super) fn confine(order: &Order) -> Result<(), Failure> {
    let version = version();
    // Version 1 refuses every move between folders, which builds need.
    if version < 2 {
        return Ok(());
    }
    let truncate = if version >= 3 { TRUNCATE } else { 0 };
    let files = CHANGES | REFER | truncate;
    let attributes = RulesetAttributes { files, network: 0, scoped: SCOPES };
    let size = if version >= 6 { size_of::<RulesetAttributes>() } else { size_of::<u64>() };
    // SAFETY: `attributes` has at least `size` bytes.
    let ruleset = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attributes, size, 0u32)
    };
    if ruleset < 0 {
        return Err(Failure::new(Step::Landlock, "", last_errno()));
    }
    // SAFETY: the kernel gave a new descriptor that nobody else owns.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as i32) };
    let binds = order.binds.iter().filter(|bind| bind.writable).map(|bind| &*bind.inside);
    for place in PLACES.iter().map(|place| place.as_bytes()).chain(binds) {
        allow(&ruleset, files, OsStr::from_bytes(place))?;
    }
    // SAFETY: restricts this thread, the only one, by a ruleset that exists.
    let done =
        unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0u32) };
    if done < 0 { Err(Failure::new(Step::Landlock, "", last_errno())) } else { Ok(()) }
}

fn allow(ruleset: &OwnedFd, rights: u64, place: &OsStr) -> Result<(), Failure> {
    let parent =
        open(place, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).fail(Step::Landlock, place)?;
    // A rule for a single file knows only rights that a file can have.
    let kind = rustix::fs::fstat(&parent).fail(Step::Landlock, place)?.st_mode;
    let is_folder = rustix::fs::FileType::from_raw_mode(kind) == rustix::fs::FileType::Directory;
    let allowed = if is_folder { rights } else { rights & (1 << 1 | TRUNCATE) };
    let rule = PathBeneath { allowed, parent: parent.as_raw_fd() };
    // SAFETY: `rule` is what this kind of rule consists of.
    let done = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            PATH_BENEATH,
            &raw const rule,
            0u32,
        )
    };
    if done < 0 { Err(Failure::new(Step::Landlock, place, last_errno())) } else { Ok(()) }
}
