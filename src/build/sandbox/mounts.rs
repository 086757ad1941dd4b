//! Binds and small file systems: what a root is put together from. Every host path is opened before
//! the root changes and every path inside is made after it, so a link in a tree that was bound in
//! cannot lead to the host.

use std::{
    ffi::OsStr,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, mkdir, open, readlinkat, symlink},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags,
        fsconfig_create, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
    },
};

use super::{
    helper::last_errno,
    wire::{Failure, Step},
};

/// The devices of the host that show inside.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

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

/// Something of the host, opened, and where it will show.
pub(super) struct Source {
    inside: PathBuf,
    what: What,
}

enum What {
    Tree {
        mount: OwnedFd,
        directory: bool,
    },
    /// Links cannot be bound; they are made again.
    Link(PathBuf),
}

/// The devices, opened; they show at the same place below the working directory.
pub(super) fn devices() -> Result<Vec<Source>, Failure> {
    DEVICES
        .iter()
        .map(|name| {
            let path = Path::new("/dev").join(name);
            let mount = tree(&path)?;
            // A device of a read-only mount can be written to, but not changed.
            let set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
            set_attributes(&mount, c"", set, &path)?;
            let inside = Path::new("dev").join(name);
            Ok(Source { inside, what: What::Tree { mount, directory: false } })
        })
        .collect()
}

/// Opens a path of the host. It keeps its mounts' attributes where `writable` does not say.
pub(super) fn source(
    host: &Path,
    inside: PathBuf,
    writable: Option<bool>,
) -> Result<Source, Failure> {
    let mount = tree(host)?;
    let kind = FileType::from_raw_mode(fstat(&mount).fail(Step::OpenSource, host)?.st_mode);
    if kind == FileType::Symlink {
        let target = readlinkat(&mount, "", Vec::new()).fail(Step::OpenSource, host)?;
        let target = PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes()));
        return Ok(Source { inside, what: What::Link(target) });
    }
    if let Some(writable) = writable {
        let set = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        let set = if writable { set } else { set | libc::MOUNT_ATTR_RDONLY };
        set_attributes(&mount, c"", set, host)?;
    }
    Ok(Source { inside, what: What::Tree { mount, directory: kind == FileType::Directory } })
}

/// A copy of the mounts below a path, attached nowhere.
pub(super) fn tree(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    open_tree(CWD, path, flags).fail(Step::OpenSource, path)
}

/// Adds attributes to a mount and those below it (mount_setattr, Linux 5.12).
pub(super) fn set_attributes(
    at: impl AsFd,
    path: &std::ffi::CStr,
    set: u64,
    on: impl AsRef<OsStr>,
) -> Result<(), Failure> {
    let attributes = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let mut flags = 0x8000; // AT_RECURSIVE
    if path.is_empty() {
        flags |= libc::AT_EMPTY_PATH;
    }
    // SAFETY: `path` ends with a null byte, `attributes` has the size that is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if done < 0 { Err(Failure::new(Step::Bind, on, last_errno())) } else { Ok(()) }
}

/// Makes the one mount at `path` read-only, not those below it.
pub(super) fn set_read_only(path: &str) -> Result<(), Failure> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
    rustix::mount::mount_remount(path, flags, c"").fail(Step::RootFs, path)
}

pub(super) fn tmpfs(mode: &str) -> Result<OwnedFd, Failure> {
    let step = |r| Fail::fail(r, Step::RootFs, "tmpfs");
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).fail(Step::RootFs, "tmpfs")?;
    let (key, value) = mode.split_once('=').unwrap_or((mode, ""));
    step(fsconfig_set_string(&fs, key, value))?;
    step(fsconfig_create(&fs))?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NOSUID)
        .fail(Step::RootFs, "tmpfs")
}

/// Attaches a source at its place, which is made first.
pub(super) fn show(source: Source) -> Result<(), Failure> {
    let inside = source.inside;
    match source.what {
        What::Link(target) => match symlink(&target, &inside) {
            Err(Errno::NOENT) => {
                parents(&inside)?;
                symlink(&target, &inside).fail(Step::File, &inside)
            }
            other => other.fail(Step::File, &inside),
        },
        What::Tree { mount, directory } => {
            match place(&inside, directory) {
                Err(Errno::NOENT) => {
                    parents(&inside)?;
                    place(&inside, directory)
                }
                other => other,
            }
            .fail(Step::File, &inside)?;
            move_mount(&mount, "", CWD, &inside, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
                .fail(Step::Bind, &inside)
        }
    }
}

fn place(inside: &Path, directory: bool) -> rustix::io::Result<()> {
    let made = if directory {
        mkdir(inside, Mode::from_raw_mode(0o755))
    } else {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        open(inside, flags, Mode::from_raw_mode(0o644)).map(drop)
    };
    match made {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

pub(super) fn directory(path: impl AsRef<Path>, mode: u32) -> Result<(), Failure> {
    let path = path.as_ref();
    match mkdir(path, Mode::from_raw_mode(mode)) {
        Err(Errno::EXIST) => Ok(()),
        other => other.fail(Step::File, path),
    }
}

fn parents(path: &Path) -> Result<(), Failure> {
    let ancestors: Vec<_> =
        path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()).collect();
    ancestors.into_iter().rev().try_for_each(|parent| directory(parent, 0o755))
}
