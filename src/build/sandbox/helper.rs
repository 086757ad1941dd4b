//! The helper: clutch run again under another name, with one thread and next to no environment, so
//! that it may fork where a process with threads may not. It forks one child an order; the child is
//! process 1 of a sandbox, sets it up, starts the program and reaps. Nothing here returns to
//! clutch's own code.

use std::{
    os::{
        fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::{
    io::Errno,
    net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair},
    process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, pidfd_send_signal, wait, waitid},
};

use super::{
    confine,
    kernel::{Fail, last_errno},
    landlock,
    mounts::Host,
    namespaces, root,
    wire::{self, Failure, Order, Reply, Step},
};

/// The name (`argv[0]`) by which the helper knows itself.
pub(super) const NAME: &str = "clutch-sandbox";

/// Bytes of stack for the code before the program.
const STACK: usize = 128 << 10;

/// The control socket, where the parent puts it.
const CONTROL: i32 = 0;

/// Serves orders until clutch is gone or has no more. Then it ends every sandbox and waits for each first process,
/// because process 1 of a container may not reap them. If it is killed itself, the kernel ends them:
/// each first process asked for that.
///
/// One first process is always made ahead: it has its namespaces and the common part of its root when
/// an order comes. An order with the host's network needs another one.
///
/// `place` is the folder of [`super::Sandbox::within`].
pub(super) fn serve(place: Option<&Path>) -> ! {
    // SAFETY: the parent started this process with the control socket as its standard input, and
    // nothing else in this process uses that descriptor.
    let control = unsafe { OwnedFd::from_raw_fd(CONTROL) };
    confine::detach();
    let filter = super::filter::program();
    let enclosed = namespaces::enclose(place);
    let make = |network: bool| -> Result<First, Failure> {
        enclosed.clone()?;
        First::make(network, place, &filter).map_err(|e| Failure::new(Step::UserNamespace, "", e))
    };
    let mut ahead = make(false);
    let mut started = Vec::new();
    loop {
        let Ok(Some((packet, fds))) = wire::receive(&control) else { break };
        let mut fds = fds.into_iter();
        let (Some(order), Some(status), Some(log)) = (fds.next(), fds.next(), fds.next()) else {
            continue;
        };
        let first = match packet.first() {
            Some(&wire::WITH_NETWORK) => make(true),
            _ => std::mem::replace(&mut ahead, Err(Failure::new(Step::Fork, "", Errno::AGAIN)))
                // somebody may have killed it while it waited
                .and_then(|first| if first.has_ended() { make(false) } else { Ok(first) }),
        };
        match first {
            Ok(first) => {
                match first.join(fds) {
                    Ok(()) => {
                        let orders = [order.as_fd(), status.as_fd(), log.as_fd()];
                        // The status socket's end tells the parent if one of these fails.
                        let _ = wire::send(&first.orders, &[wire::ORDER], &orders).and_then(|()| {
                            wire::send_reply(&status, &Reply::Started, &[first.pidfd.as_fd()])
                        });
                    }
                    // It ends with the socket of its orders.
                    Err(failure) => fail(&status, failure),
                }
                started.push(first.pidfd);
            }
            Err(failure) => fail(&status, failure),
        }
        drop((order, status, log));
        // the kernel reaps them: of one that has ended nothing is left
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        started.retain(|first| matches!(waitid(WaitId::PidFd(first.as_fd()), options), Ok(None)));
        if ahead.is_err() {
            ahead = make(false);
        }
    }
    drop(ahead);
    for first in started {
        // It may have ended already.
        let _ = pidfd_send_signal(first, Signal::KILL);
    }
    while matches!(wait(WaitOptions::empty()), Ok(_) | Err(Errno::INTR)) {}
    std::process::exit(0)
}

/// A first process that waits for its order.
struct First {
    pid: Pid,
    pidfd: OwnedFd,
    orders: OwnedFd,
}

impl First {
    fn make(
        network: bool,
        place: Option<&Path>,
        filter: &[libc::sock_filter],
    ) -> Result<Self, Errno> {
        let (orders, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        match fork_first()? {
            Forked::Parent(pid, pidfd) => Ok(Self { pid, pidfd, orders }),
            Forked::Child => {
                drop(orders);
                first(&theirs, network, place, filter)
            }
        }
    }

    /// True if it is gone. It sends nothing before it has an order.
    fn has_ended(&self) -> bool {
        recv(&self.orders, &mut [0; 1], RecvFlags::DONTWAIT) != Err(Errno::AGAIN)
    }

    /// Puts it into control groups, each given by the file that takes process numbers.
    fn join(&self, groups: impl Iterator<Item = OwnedFd>) -> Result<(), Failure> {
        for group in groups {
            rustix::io::write(group, self.pid.as_raw_nonzero().to_string().as_bytes())
                .fail(Step::ControlGroup, "cgroup.procs")?;
        }
        Ok(())
    }
}

enum Forked {
    Child,
    /// With the child's number.
    Parent(Pid, OwnedFd),
}

/// Forks a child that is process 1 of a new process namespace, with all capabilities in a new user
/// namespace. The other namespaces are made by the child, so that two sandboxes start in parallel.
fn fork_first() -> Result<Forked, Errno> {
    let mut pidfd: i32 = -1;
    let mut args = libc::clone_args {
        flags: (libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_PIDFD) as u64,
        pidfd: &raw mut pidfd as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    // SAFETY: this process has one thread, so the child's copy of memory is consistent; without
    // CLONE_VM and a stack this is fork with more flags. `args` has the size that is passed.
    let pid =
        unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    if pid < 0 {
        return Err(last_errno());
    }
    Ok(match Pid::from_raw(pid as i32) {
        // SAFETY: the kernel stored a new descriptor that nobody else owns.
        Some(pid) => Forked::Parent(pid, unsafe { OwnedFd::from_raw_fd(pidfd) }),
        None => Forked::Child,
    })
}

fn fail(status: impl AsFd, failure: Failure) {
    // ignore: the parent may be gone, too
    let _ = wire::send_reply(status, &Reply::Failed(failure), &[]);
}

/// Process 1 of a sandbox. An error before the order is reported when the order comes.
fn first(orders: &OwnedFd, network: bool, place: Option<&Path>, filter: &[libc::sock_filter]) -> ! {
    confine::die_with_parent();
    let ready = namespaces::enter(network).and_then(|()| root::lay_out(place));
    if let Ok(Some((_, fds))) = wire::receive(orders)
        && let Ok([order, status, log]) = <[OwnedFd; 3]>::try_from(fds)
    {
        let reply = ready.and_then(|host| run(order, host, &status, log, filter));
        // ignore: the parent may be gone, too
        let _ = wire::send_reply(status, &reply.unwrap_or_else(Reply::Failed), &[]);
    }
    // SAFETY: ends this process without running what the helper registered.
    unsafe { libc::_exit(0) }
}

/// Carries out an order.
fn run(
    order: OwnedFd,
    host: Host,
    status: &OwnedFd,
    log: OwnedFd,
    filter: &[libc::sock_filter],
) -> Result<Reply, Failure> {
    let order: Order =
        wire::read_order(order).map_err(|_| Failure::new(Step::ReadOrder, "", Errno::INVAL))?;
    root::fill(&order, host)?;
    confine::hide_first_process()?;
    use_up_numbers(order.numbers)?;
    let pid = spawn(|| fail(status, builder(&order, log.as_fd(), filter)))
        .map_err(|e| Failure::new(Step::Fork, "", e))?;
    drop(log);
    Ok(reap(pid))
}

/// Starts a child that executes a program, or ends when `child` returns. Until then it shares this
/// process's memory, and this process waits: `fork` would copy the tables of all
/// memory only to throw them away.
fn spawn(mut child: impl FnMut()) -> Result<i32, Errno> {
    extern "C" fn begin<F: FnMut()>(child: *mut libc::c_void) -> i32 {
        // SAFETY: it is the `child` below, of that type, which nobody else uses while this runs.
        unsafe { (*child.cast::<F>())() };
        // SAFETY: as in `first`.
        unsafe { libc::_exit(127) }
    }
    fn begin_of<F: FnMut()>(_: &F) -> extern "C" fn(*mut libc::c_void) -> i32 {
        begin::<F>
    }
    // not on this one's own stack, which may be short
    let mut stack = vec![std::mem::MaybeUninit::<u128>::uninit(); STACK / size_of::<u128>()];
    // SAFETY: the stack grows down from its end, which is aligned as a u128 is, and outlives the child's
    // use of it, as `child` does, since CLONE_VFORK lets this process go on only when the child has
    // executed its program or ended. Neither has more than one thread.
    let pid = unsafe {
        libc::clone(
            begin_of(&child),
            stack.as_mut_ptr_range().end.cast(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            (&raw mut child).cast(),
        )
    };
    if pid < 0 { Err(last_errno()) } else { Ok(pid) }
}

/// Starts and ends this many processes.
fn use_up_numbers(processes: u32) -> Result<(), Failure> {
    for _ in 0..processes {
        // SAFETY: this process has one thread; the child does nothing but end.
        match unsafe { libc::fork() } {
            // SAFETY: as in `first`.
            0 => unsafe { libc::_exit(0) },
            pid if pid > 0 => drop(wait(WaitOptions::empty())),
            _ => return Err(Failure::new(Step::Fork, "", last_errno())),
        }
    }
    Ok(())
}

/// Waits for the program, and reaps orphans meanwhile. Whatever still runs when
/// the program has ended is killed and waited for, so that nothing writes to the outputs any more.
fn reap(program: i32) -> Reply {
    let mut reply = Reply::Killed(libc::SIGKILL);
    let mut running = true;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == program => {
                running = false;
                reply = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Reply::Exited(code),
                    (None, signal) => Reply::Killed(signal.unwrap_or(libc::SIGKILL)),
                };
                // SAFETY: sends a signal to every process of this namespace but this one.
                unsafe { libc::kill(-1, libc::SIGKILL) };
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return reply,
        }
        if !running {
            // New children may have been forked while the signal was on its way.
            // SAFETY: as above.
            unsafe { libc::kill(-1, libc::SIGKILL) };
        }
    }
}

/// Becomes the program. Returns only an error.
fn builder(order: &Order, log: BorrowedFd<'_>, filter: &[libc::sock_filter]) -> Failure {
    let run = || -> Result<std::convert::Infallible, Failure> {
        confine::own_session(log)?;
        confine::limits(order.most_processes)?;
        confine::processors(order.processors)?;
        let cwd = std::ffi::OsStr::from_bytes(&order.cwd);
        rustix::process::chdir(cwd).fail(Step::Directory, cwd)?;
        let image = Image::new(order)?;
        confine::drop_privileges()?;
        landlock::confine(order)?;
        confine::install(filter)?;
        Err(image.execute())
    };
    match run() {
        Err(failure) => failure,
    }
}

/// Program, arguments and environment in the form that the kernel takes.
struct Image {
    program: std::ffi::CString,
    args: Vec<std::ffi::CString>,
    env: Vec<std::ffi::CString>,
}

impl Image {
    fn new(order: &Order) -> Result<Self, Failure> {
        let c = |bytes: &[u8]| {
            std::ffi::CString::new(bytes).map_err(|_| {
                Failure::new(Step::Exec, &*String::from_utf8_lossy(bytes), Errno::INVAL)
            })
        };
        let mut args = vec![c(&order.program)?];
        for arg in &order.args {
            args.push(c(arg)?);
        }
        let env = order.env.iter().map(|e| c(e)).collect::<Result<_, _>>()?;
        Ok(Self { program: c(&order.program)?, args, env })
    }

    fn execute(&self) -> Failure {
        let pointers = |strings: &[std::ffi::CString]| {
            strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
        };
        let (args, env) = (pointers(&self.args), pointers(&self.env));
        // SAFETY: both arrays end with a null pointer and outlive the call, as their strings do.
        unsafe { libc::execve(self.program.as_ptr(), args.as_ptr(), env.as_ptr()) };
        Failure::new(Step::Exec, &*self.program.to_string_lossy(), last_errno())
    }
}
