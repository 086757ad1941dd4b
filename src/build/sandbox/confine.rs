//! Takes rights from a process of the sandbox: its parent's session, descriptors, limits, privileges.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::{
    fs::{Mode, OFlags},
    process::{DumpableBehavior, Resource, Rlimit, Signal},
    thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets},
};

use super::{
    kernel::{Fail, last_errno},
    wire::{Failure, Step},
};

/// The most processes and threads of one sandbox: ends fork bombs. Fewer in tests, which make one.
pub(super) const PROCESSES: u64 = if cfg!(test) { 512 } else { 8192 };

/// The limits that hold in every sandbox, whatever the host's are, so that a build meets the same
/// everywhere. A hard limit of the caller that is lower stays, unless the caller is root.
const LIMITS: &[(Resource, u64, u64)] = &[
    // No core files, in outputs or elsewhere. With 0 a program of the host that takes cores from a pipe
    // would still be run, as root and outside; with 1 it is not (fs/coredump.c).
    (Resource::Core, 1, 1),
    // What Linux starts the first process with, and what systemd gives as the upper bound.
    (Resource::Nofile, 1024, 524_288),
    (Resource::Stack, 8 << 20, u64::MAX),
    (Resource::As, u64::MAX, u64::MAX),
    (Resource::Data, u64::MAX, u64::MAX),
    (Resource::Rss, u64::MAX, u64::MAX),
    (Resource::Fsize, u64::MAX, u64::MAX),
    (Resource::Cpu, u64::MAX, u64::MAX),
    (Resource::Locks, u64::MAX, u64::MAX),
    (Resource::Rttime, u64::MAX, u64::MAX),
    // Locked memory, message queues and pending signals are the kernel's memory.
    (Resource::Memlock, 8 << 20, 8 << 20),
    (Resource::Msgqueue, 819_200, 819_200),
    (Resource::Sigpending, 32_768, 32_768),
    // No raised priority.
    (Resource::Nice, 0, 0),
    (Resource::Rtprio, 0, 0),
];

/// Takes the helper off its parent's session and signals, so that Ctrl-C reaches only clutch, which
/// then ends the builds in order. Failures here do not weaken the sandbox.
pub(super) fn detach() {
    let _ = rustix::process::setsid();
    // SAFETY: no code of this process relies on a handler, and no descriptor but the first three is
    // in use: the process has only just been started.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        // Children are reaped by the kernel; their end is seen through their pidfd.
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0);
    }
    let _ = rustix::process::chdir("/");
    // SAFETY: an ordinary call; randomised addresses, and this machine's own name for it.
    unsafe { libc::personality(0) };
    if rustix::process::geteuid().is_root() {
        // SAFETY: an empty list; this process has one thread.
        unsafe { libc::setgroups(0, std::ptr::null()) };
        for &(resource, soft, hard) in LIMITS {
            let bound = |limit: u64| Some(limit).filter(|&l| l != u64::MAX);
            let limit = Rlimit { current: bound(soft), maximum: bound(hard) };
            let _ = rustix::process::setrlimit(resource, limit);
        }
    }
    // all that a build sees is open at once before the root changes
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Lets the kernel kill this process, and with it its process namespace, when the helper ends.
pub(super) fn die_with_parent() {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // SAFETY: as in `detach`; process 1 has to wait for its children itself.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Keeps the memory and the executable of process 1 (which is clutch) from the program.
pub(super) fn hide_first_process() -> Result<(), Failure> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .fail(Step::Privileges, "prctl")
}

/// A session of its own; output to the log, no input.
pub(super) fn own_session(log: BorrowedFd<'_>) -> Result<(), Failure> {
    rustix::process::setsid().fail(Step::Fork, "setsid")?;
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .fail(Step::Devices, "/dev/null")?;
    rustix::stdio::dup2_stdin(&null).fail(Step::Fork, "stdin")?;
    rustix::stdio::dup2_stdout(log).fail(Step::Fork, "stdout")?;
    rustix::stdio::dup2_stderr(log).fail(Step::Fork, "stderr")?;
    // SAFETY: marks descriptors to be closed by execve; none is closed yet.
    let marked =
        unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if marked < 0 {
        return Err(Failure::new(Step::Fork, "close_range", last_errno()));
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    Ok(())
}

/// Sets the resource limits.
pub(super) fn limits(processes: u64) -> Result<(), Failure> {
    // counted in the build's own user namespace; does not bind root
    let processes = (Resource::Nproc, processes, processes);
    for &(resource, soft, hard) in LIMITS.iter().chain([&processes]) {
        let most = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let bound = |limit: u64| Some(limit.min(most)).filter(|&l| l != u64::MAX);
        rustix::process::setrlimit(resource, Rlimit { current: bound(soft), maximum: bound(hard) })
            .fail(Step::Limits, format!("{resource:?}"))?;
    }
    Ok(())
}

/// Limits this process to the first `n` of its processors; 0 is all.
pub(super) fn processors(most: u32) -> Result<(), Failure> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    if most == 0 {
        return Ok(());
    }
    let all = sched_getaffinity(None).fail(Step::Limits, "sched_getaffinity")?;
    let mut some = CpuSet::new();
    let here = (0..CpuSet::MAX_CPU).filter(|&cpu| all.is_set(cpu));
    here.take(most as usize).for_each(|cpu| some.set(cpu));
    sched_setaffinity(None, &some).fail(Step::Limits, "sched_setaffinity")
}

/// Drops every capability for good, and every way to get one.
pub(super) fn drop_privileges() -> Result<(), Failure> {
    use rustix::thread as t;
    let done = |r: rustix::io::Result<()>, on: &str| r.fail(Step::Privileges, on);
    done(t::clear_ambient_capability_set(), "ambient set")?;
    for number in 0..64 {
        match t::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            // One past the last that the kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
            other => done(other, "bounding set")?,
        }
    }
    let locked = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    done(t::set_capabilities_secure_bits(locked), "secure bits")?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    done(t::set_capabilities(None, sets), "capability sets")?;
    done(t::set_no_new_privs(true), "no_new_privs")
}

/// Installs the system call filter; the calls after this are filtered.
pub(super) fn install(filter: &[libc::sock_filter]) -> Result<(), Failure> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).expect("the table is short"),
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: `program` describes `filter`, which the kernel copies and does not change.
    let done =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program) };
    if done < 0 { Err(Failure::new(Step::Filter, "", last_errno())) } else { Ok(()) }
}

/// Brings `lo` up in a fresh network namespace.
pub(super) fn loopback() -> Result<(), Failure> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .fail(Step::Loopback, "socket")?;
    // SAFETY: `ifreq` is plain data for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd());
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`.
    if unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request) } < 0 {
        return Err(Failure::new(Step::Loopback, "", last_errno()));
    }
    Ok(())
}
