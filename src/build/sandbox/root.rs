//! The root of a sandbox: prepared ahead, and filled when the order comes.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, open, symlink},
    mount::{MountFlags, MoveMountFlags, UnmountFlags, mount, move_mount, unmount},
    process::{chdir, fchdir, pivot_root},
};

use super::{
    confine,
    kernel::{Fail, linux},
    mounts::{self, Host, Source, directory, set_read_only, show, source, tmpfs, tree},
    wire::{Failure, Order, Step},
};

const PASSWD: &str = "root:x:0:0:root:/build:/noshell\n\
    clutch:x:1000:100:builder:/build:/noshell\n\
    nobody:x:65534:65534:nobody:/:/noshell\n";
const GROUP: &str = "root:x:0:\nclutch:x:100:\nnogroup:x:65534:\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// The names in a root directory that are the sandbox's own, whatever the root tree has there.
const OWN: &[&str] = &["build", "clutch", "dev", "proc", "sys", "tmp"];

/// Files of `/proc` that tell of the host; they show empty. All of `/proc` is read-only.
const MASKED: &[&str] = &["proc/kcore", "proc/keys", "proc/key-users", "proc/timer_list"];

/// From this Linux on a process namespace has a bound of its own on its processes, which also binds
/// root. Before, the same file is the host's.
pub(super) const OWN_PID_MAX: (u32, u32) = (6, 14);

const SHARED: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Makes the part of the root that is the same for every program, in the working directory, which was
/// `place`; the host's root is still there.
pub(super) fn lay_out(place: Option<&Path>) -> Result<Host, Failure> {
    rustix::process::umask(Mode::empty());
    mounts::follow_host()?;
    let host = Host::new(place)?;
    let devices = mounts::devices()?;
    // Over the host's root, where a path does not find it until the root changes.
    let root = tmpfs("mode=0755")?;
    move_mount(&root, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .fail(Step::RootFs, "/")?;
    fchdir(&root).fail(Step::RootFs, "/")?;
    proc()?;
    for (path, mode) in [("dev", 0o755), ("dev/pts", 0o755), ("dev/shm", 0o1777)] {
        directory(path, mode)?;
    }
    for device in devices {
        show(device)?;
    }
    for (link, target) in [
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "/proc/self/fd/0"),
        ("dev/stdout", "/proc/self/fd/1"),
        ("dev/stderr", "/proc/self/fd/2"),
        ("dev/ptmx", "pts/ptmx"),
    ] {
        symlink(target, link).fail(Step::Devices, link)?;
    }
    mount("tmpfs", "dev/shm", "tmpfs", SHARED, Some(c"mode=1777,size=25%,nr_inodes=1m"))
        .fail(Step::Devices, "/dev/shm")?;
    mount(
        "devpts",
        "dev/pts",
        "devpts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        Some(c"newinstance,ptmxmode=0666,mode=0620"),
    )
    .fail(Step::Devices, "/dev/pts")?;
    Ok(host)
}

/// Mounts `/proc` while the host's is still there: the kernel gives a new one only to who sees one.
fn proc() -> Result<(), Failure> {
    directory("proc", 0o755)?;
    mount("proc", "proc", "proc", SHARED | MountFlags::NOEXEC, None).fail(Step::Proc, "/proc")?;
    if linux() >= OWN_PID_MAX {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let path = "proc/sys/kernel/pid_max";
        let file = open(path, flags, Mode::empty()).fail(Step::Proc, path)?;
        let most = confine::PROCESSES.to_string();
        rustix::io::write(file, most.as_bytes()).fail(Step::Proc, path)?;
    }
    // If memory is short, a build ends before anything else. It also is the same whoever has started clutch,
    // unless that has more already.
    let path = "proc/self/oom_score_adj";
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let _ = file.and_then(|file| rustix::io::write(file, b"500"));
    // A second lock on what the system call filter refuses: no namespace can be made from here. Not
    // every kernel has it.
    let path = "proc/sys/user/max_user_namespaces";
    let none = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let _ = none.and_then(|file| rustix::io::write(file, b"0"));
    mounts::set_attributes(CWD, c"proc", libc::MOUNT_ATTR_RDONLY, "/proc")?;
    for path in MASKED {
        if rustix::fs::access(*path, rustix::fs::Access::EXISTS).is_ok() {
            let null = tree(CWD, Path::new("/dev/null"))?;
            move_mount(&null, "", CWD, *path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
                .fail(Step::Proc, path)?;
        }
    }
    Ok(())
}

/// Leaves the host's root for the one that was laid out, and shows in it what the order says.
pub(super) fn fill(order: &Order, mut host: Host) -> Result<(), Failure> {
    let sources = sources(order, &mut host)?;
    drop(host);
    // The old root lies on top of the new one until it is taken off.
    pivot_root(".", ".").fail(Step::PivotRoot, "/")?;
    unmount(".", UnmountFlags::DETACH).fail(Step::PivotRoot, "/")?;
    chdir("/").fail(Step::PivotRoot, "/")?;
    for (path, mode) in [
        ("/tmp", c"mode=1777,size=25%,nr_inodes=1m"),
        ("/build", c"mode=0755,size=25%,nr_inodes=1m"),
    ] {
        directory(path, 0o755)?;
        if !order.binds.iter().any(|bind| bind.inside == path.as_bytes()) {
            mount("tmpfs", path, "tmpfs", SHARED, Some(mode)).fail(Step::RootFs, path)?;
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
    for source in sources {
        if order.root.is_some() {
            source.check_place(OWN)?;
        }
        show(source)?;
    }
    set_read_only("/")
}

/// Opens all that is bound in: the root tree's entries first.
fn sources(order: &Order, host: &mut Host) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::with_capacity(order.binds.len());
    if let Some(root) = &order.root {
        let root = Path::new(OsStr::from_bytes(root));
        let dir = host.folder(root)?;
        for entry in rustix::fs::Dir::read_from(&dir).fail(Step::OpenSource, root)? {
            let entry = entry.fail(Step::OpenSource, root)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || OWN.iter().any(|own| own.as_bytes() == name) {
                continue;
            }
            let name = OsStr::from_bytes(name);
            let mount = tree(&dir, Path::new(name))?;
            sources.push(source(mount, &root.join(name), Path::new("/").join(name), Some(false))?);
        }
    }
    for bind in &order.binds {
        let inside = PathBuf::from(OsStr::from_bytes(&bind.inside));
        let path = Path::new(OsStr::from_bytes(&bind.host));
        sources.push(source(host.tree(path)?, path, inside, Some(bind.writable))?);
    }
    Ok(sources)
}
