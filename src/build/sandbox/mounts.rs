//! What a sandbox sees: its namespaces, and a root of its own put together out of binds.
//!
//! Every host path is opened before the root changes and every path inside is made after it, so a
//! link in a tree that was bound in cannot lead to the host.

use std::{
    ffi::OsStr,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, mkdir, open, readlinkat, symlink},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags,
        MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount,
        fsopen, mount, mount_change, move_mount, open_tree, unmount,
    },
    process::{Gid, Uid, chdir, fchdir, pivot_root},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::{
    confine,
    helper::last_errno,
    wire::{Failure, Order, Step},
};

/// The user and group that every builder runs as, whoever runs clutch.
pub(super) const UID: u32 = 1000;
pub(super) const GID: u32 = 100;

const PASSWD: &str = "root:x:0:0:root:/build:/noshell\n\
    clutch:x:1000:100:builder:/build:/noshell\n\
    nobody:x:65534:65534:nobody:/:/noshell\n";
const GROUP: &str = "root:x:0:\nclutch:x:100:\nnogroup:x:65534:\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// The devices of the host that show inside.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// The names in a root directory that are the sandbox's own, whatever the root tree has there.
const OWN: &[&str] = &["build", "clutch", "dev", "proc", "sys", "tmp"];

/// Files of `/proc` that tell of the host; they show empty. All of `/proc` is read-only.
const MASKED: &[&str] = &["/proc/kcore", "/proc/keys", "/proc/timer_list"];

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

/// Moves this process, process 1 of a new process namespace, into a sandbox. `owner` is who clutch
/// is on the host: files that are made inside belong to them.
pub(super) fn enter(order: &Order, owner: (Uid, Gid)) -> Result<(), Failure> {
    map_user((UID, GID), owner)?;
    let mut flags =
        UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWCGROUP;
    if !order.network {
        flags |= UnshareFlags::NEWNET;
    }
    // SAFETY: this process has one thread, and shares no descriptor table.
    unsafe { unshare_unsafe(flags) }.fail(Step::Namespaces, "")?;
    rustix::system::sethostname(b"localhost").fail(Step::HostName, "localhost")?;
    // SAFETY: the length is that of the text.
    if unsafe { libc::setdomainname(c"(none)".as_ptr(), 6) } < 0 {
        return Err(Failure::new(Step::HostName, "(none)", last_errno()));
    }
    if !order.network {
        confine::loopback()?;
    }
    rustix::process::umask(Mode::empty());
    new_root(order)
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

fn new_root(order: &Order) -> Result<(), Failure> {
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .fail(Step::Propagation, "/")?;
    let sources = sources(order)?;
    let devices = devices()?;

    let root = tmpfs("mode=0755")?;
    move_mount(&root, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .fail(Step::RootFs, "/")?;
    fchdir(&root).fail(Step::RootFs, "/")?;
    // While the host's /proc is still there: the kernel gives a new one only to who sees one.
    directory("proc", 0o755)?;
    mount(
        "proc",
        "proc",
        "proc",
        MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY,
        None,
    )
    .fail(Step::Proc, "/proc")?;
    // The old root lies on top of the new one until it is taken off.
    pivot_root(".", ".").fail(Step::PivotRoot, "/")?;
    unmount(".", UnmountFlags::DETACH).fail(Step::PivotRoot, "/")?;
    chdir("/").fail(Step::PivotRoot, "/")?;

    furnish(order, devices)?;
    for source in sources {
        show(source)?;
    }
    set_read_only("/")
}

/// The folders, devices and files that every sandbox has.
fn furnish(order: &Order, devices: Vec<Source>) -> Result<(), Failure> {
    for (path, mode) in
        [("/dev", 0o755), ("/dev/pts", 0o755), ("/dev/shm", 0o1777), ("/tmp", 0o1777)]
    {
        directory(path, mode)?;
    }
    for device in devices {
        show(device)?;
    }
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/dev/ptmx", "pts/ptmx"),
    ] {
        symlink(target, link).fail(Step::Devices, link)?;
    }
    let shared = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", "/dev/shm", "tmpfs", shared, Some(c"mode=1777"))
        .fail(Step::Devices, "/dev/shm")?;
    mount(
        "devpts",
        "/dev/pts",
        "devpts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        Some(c"newinstance,ptmxmode=0666,mode=0620"),
    )
    .fail(Step::Devices, "/dev/pts")?;
    for (path, mode) in [("/tmp", c"mode=1777"), ("/build", c"mode=0755")] {
        if !order.binds.iter().any(|bind| bind.inside == path.as_bytes()) {
            directory(path, 0o755)?;
            mount("tmpfs", path, "tmpfs", shared, Some(mode)).fail(Step::RootFs, path)?;
        }
    }
    if order.root.is_none() {
        directory("/etc", 0o755)?;
        for (path, text) in [("/etc/passwd", PASSWD), ("/etc/group", GROUP), ("/etc/hosts", HOSTS)]
        {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
            let file = open(path, flags, Mode::from_raw_mode(0o644)).fail(Step::File, path)?;
            rustix::io::write(&file, text.as_bytes()).fail(Step::File, path)?;
        }
    }
    for path in MASKED {
        if rustix::fs::access(*path, rustix::fs::Access::EXISTS).is_ok() {
            let null = tree(Path::new("/dev/null"))?;
            move_mount(&null, "", CWD, *path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
                .fail(Step::Proc, path)?;
        }
    }
    Ok(())
}

/// Opens all that is bound in: the root tree's entries first.
fn sources(order: &Order) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::with_capacity(order.binds.len());
    if let Some(root) = &order.root {
        let root = Path::new(OsStr::from_bytes(root));
        let dir = open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .fail(Step::OpenSource, root)?;
        for entry in rustix::fs::Dir::new(dir).fail(Step::OpenSource, root)? {
            let entry = entry.fail(Step::OpenSource, root)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || OWN.iter().any(|own| own.as_bytes() == name) {
                continue;
            }
            let name = OsStr::from_bytes(name);
            sources.push(source(&root.join(name), Path::new("/").join(name), Some(false))?);
        }
    }
    for bind in &order.binds {
        let inside = PathBuf::from(OsStr::from_bytes(&bind.inside));
        sources.push(source(
            Path::new(OsStr::from_bytes(&bind.host)),
            inside,
            Some(bind.writable),
        )?);
    }
    Ok(sources)
}

pub(super) fn devices() -> Result<Vec<Source>, Failure> {
    DEVICES
        .iter()
        .map(|name| {
            let path = Path::new("/dev").join(name);
            let mount = tree(&path)?;
            // A device of a read-only mount can be written to, but not changed.
            let set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
            set_attributes(&mount, c"", set, &path)?;
            Ok(Source { inside: path, what: What::Tree { mount, directory: false } })
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
fn tree(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    open_tree(CWD, path, flags).fail(Step::OpenSource, path)
}

/// Adds attributes to a mount and those below it (mount_setattr, Linux 5.12).
fn set_attributes(
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
    let ancestors: Vec<_> = path.ancestors().skip(1).collect();
    ancestors.into_iter().rev().try_for_each(|parent| directory(parent, 0o755))
}
