//! Runs a program that sees the store at its logical place, if it is kept elsewhere. This does not confine the
//! program: it has the user's own rights. It replaces this process, so signals, terminal and exit status are
//! its own.

use std::{
    ffi::{CString, OsStr},
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    fs::{CWD, Mode, OFlags, open},
    io::FdFlags,
    mount::{MountFlags, MoveMountFlags, UnmountFlags, mount, move_mount, unmount},
    process::{chdir, fchdir, pivot_root},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::{
    Bind, SandboxError, error,
    kernel::{Fail, last_errno},
    mounts, namespaces, started,
    wire::{self, Failure, Step, ViewOrder, WireBind},
};

/// The name (`argv[0]`) by which a process knows that it is to set up a view.
pub(super) const NAME: &str = "clutch-view";

/// A program and its view.
#[derive(Clone, Debug)]
pub struct View {
    /// The program: a path as it is in the view, or a name that is looked for in the environment's
    /// `PATH`.
    pub program: Vec<u8>,
    /// Its arguments (without the program).
    pub args: Vec<Vec<u8>>,
    /// Its whole environment.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// The working directory; `/` if the view has no such folder.
    pub cwd: PathBuf,
    /// The binds.
    pub binds: Vec<Bind>,
    /// True if nothing of the host shows but `/proc`, some devices, an empty `/tmp` and the binds.
    /// Else all of the host shows, and the binds on top.
    pub isolated: bool,
}

impl View {
    /// Replaces this process by the program. Returns only an error; [`super::init_if_helper`] returns later errors
    /// in the process that sets up the view. Nothing is dropped: end builds first.
    #[must_use]
    pub fn exec(&self) -> SandboxError {
        let exec = || -> io::Result<std::convert::Infallible> {
            let (mut command, order) = self.command()?;
            started::exec_as_started(&mut command);
            let error = command.exec();
            drop(order);
            Err(error)
        };
        match exec() {
            Err(error) => SandboxError::Helper(error),
        }
    }

    /// The command that sets up the view and becomes the program. Its descriptor is to be kept until
    /// the command was started.
    ///
    /// # Errors
    /// If the order cannot be written.
    pub(super) fn command(&self) -> io::Result<(Command, OwnedFd)> {
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        let variable = |(name, value): &(Vec<u8>, Vec<u8>)| [name, &b"="[..], value].concat();
        let order = wire::write_order(&ViewOrder {
            program: self.program.clone(),
            args: self.args.clone(),
            env: self.env.iter().map(variable).collect(),
            cwd: bytes(&self.cwd),
            binds: self
                .binds
                .iter()
                .map(|bind| WireBind {
                    host: bytes(&bind.host),
                    inside: bytes(&bind.inside),
                    writable: bind.writable,
                })
                .collect(),
            isolated: self.isolated,
        })?;
        rustix::io::fcntl_setfd(&order, FdFlags::empty())?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(NAME).arg(order.as_raw_fd().to_string()).env_clear();
        Ok((command, order))
    }
}

/// Sets up the view that this process was started for and becomes its program. Returns only an
/// error.
pub(super) fn become_program(mut args: impl Iterator<Item = std::ffi::OsString>) -> SandboxError {
    let number = args.next().and_then(|n| n.to_str()?.parse::<i32>().ok());
    let Some(number) = number.filter(|&n| n > 2) else {
        return SandboxError::Helper(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: the process that this one was before left its order at that descriptor, and nothing
    // here owns it yet. If there is none, reading it fails.
    let order = unsafe { OwnedFd::from_raw_fd(number) };
    match wire::read_order(order) {
        Err(error) => SandboxError::Helper(error),
        Ok(order) => error::explain(enter(&order).err().unwrap_or_else(|| start(&order))),
    }
}

fn enter(order: &ViewOrder) -> Result<(), Failure> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let root = uid.is_root();
    let flags =
        if root { UnshareFlags::NEWNS } else { UnshareFlags::NEWNS | UnshareFlags::NEWUSER };
    // SAFETY: this process has only just been started and has one thread.
    unsafe { unshare_unsafe(flags) }.fail(Step::Namespaces, "")?;
    if !root {
        namespaces::map_user((uid.as_raw(), gid.as_raw()), (uid, gid))?;
    }
    mounts::follow_host()?;
    let mask = rustix::process::umask(Mode::empty());
    let sources = sources(order)?;
    let top = mounts::tmpfs("mode=0755")?;
    move_mount(&top, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .fail(Step::RootFs, "/")?;
    fchdir(&top).fail(Step::RootFs, "/")?;
    pivot_root(".", ".").fail(Step::PivotRoot, "/")?;
    unmount(".", UnmountFlags::DETACH).fail(Step::PivotRoot, "/")?;
    chdir("/").fail(Step::PivotRoot, "/")?;
    if order.isolated {
        mounts::directory("/tmp", 0o1777)?;
        mount("tmpfs", "/tmp", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=1777"))
            .fail(Step::RootFs, "/tmp")?;
    }
    for source in sources {
        mounts::show(source)?;
    }
    mounts::set_read_only("/")?;
    rustix::process::umask(mask);
    let cwd = OsStr::from_bytes(&order.cwd);
    chdir(cwd).or_else(|_| chdir("/")).fail(Step::Directory, cwd)
}

/// Opens what will show: of the host, the entries of its root directory.
fn sources(order: &ViewOrder) -> Result<Vec<mounts::Source>, Failure> {
    let mut sources = Vec::new();
    if order.isolated {
        let proc = Path::new("/proc");
        sources.push(mounts::source(mounts::tree(CWD, proc)?, proc, proc.to_owned(), None)?);
        sources.extend(mounts::devices()?);
    } else {
        let all = open("/", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .fail(Step::OpenSource, "/")?;
        let own = order
            .binds
            .iter()
            .filter_map(|bind| bind.inside.get(1..)?.split(|b| *b == b'/').next());
        let own: Vec<&[u8]> = own.collect();
        for entry in rustix::fs::Dir::new(all).fail(Step::OpenSource, "/")? {
            let entry = entry.fail(Step::OpenSource, "/")?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || own.contains(&name) {
                continue;
            }
            let path = Path::new("/").join(OsStr::from_bytes(name));
            sources.push(mounts::source(mounts::tree(CWD, &path)?, &path, path.clone(), None)?);
        }
    }
    for bind in &order.binds {
        let inside = PathBuf::from(OsStr::from_bytes(&bind.inside));
        let host = Path::new(OsStr::from_bytes(&bind.host));
        sources.push(mounts::source(mounts::tree(CWD, host)?, host, inside, Some(bind.writable))?);
    }
    Ok(sources)
}

/// Becomes the program; a name without a slash is looked for as a shell does.
fn start(order: &ViewOrder) -> Failure {
    let c = |bytes: &[u8]| CString::new(bytes).unwrap_or_default();
    let strings = |items: &[Vec<u8>]| items.iter().map(|item| c(item)).collect::<Vec<_>>();
    let mut args = vec![c(&order.program)];
    args.extend(strings(&order.args));
    let env = strings(&order.env);
    let pointers = |strings: &[CString]| {
        strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
    };
    let (arg_pointers, env_pointers) = (pointers(&args), pointers(&env));
    let mut errno = rustix::io::Errno::NOENT;
    started::restore();
    for place in places(order) {
        let place = c(&place);
        // SAFETY: both arrays end with a null pointer and outlive the call, as their strings do.
        unsafe { libc::execve(place.as_ptr(), arg_pointers.as_ptr(), env_pointers.as_ptr()) };
        match last_errno() {
            rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR => {}
            other => errno = other,
        }
    }
    Failure::new(Step::Exec, OsStr::from_bytes(&order.program), errno)
}

/// The places to look for the program.
fn places(order: &ViewOrder) -> Vec<Vec<u8>> {
    if order.program.contains(&b'/') {
        return vec![order.program.clone()];
    }
    let path = order.env.iter().find_map(|variable| variable.strip_prefix(b"PATH="));
    let folders = path.unwrap_or_default().split(|b| *b == b':').filter(|f| !f.is_empty());
    folders.map(|folder| [folder, b"/", &order.program].concat()).collect()
}
