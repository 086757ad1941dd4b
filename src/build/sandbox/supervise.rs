//! Clutch's side of one run: reads the output, watches the limits, waits for the end.

use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags},
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
    pipe::{PipeFlags, pipe_with},
    process::{Signal, pidfd_send_signal},
};

use super::{
    Request, Sandbox, SandboxError, confine,
    error::explain,
    groups::Group,
    kernel::Fail as _,
    memory,
    usage::{Disk, Usage},
    wire::{self, Order, Reply, Step, WireBind},
};

/// The interval at which a run checks for cancellation.
const TICK: Duration = Duration::from_millis(100);

/// Files of the host that make its network usable, shown if the request allows the network.
const NETWORK_FILES: &[&str] =
    &["/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services", "/etc/hosts", "/etc/ssl/certs"];

/// The end of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// The listeners of a run.
pub struct Watch<'a> {
    /// Takes output as it comes, in pieces that need not be lines.
    pub output: &'a mut dyn FnMut(&[u8]),
    /// Asked about ten times a second; true stops the run.
    pub cancelled: &'a dyn Fn() -> bool,
}

impl Sandbox {
    /// Runs a program to its end; its output (both streams) goes to `watch.output` as it comes.
    /// When this returns, no process of the sandbox is left.
    ///
    /// # Errors
    /// If the sandbox cannot be made ([`SandboxError::Refused`] has the remedy), the program
    /// cannot be started, a limit was passed or the run was cancelled.
    pub fn run(&self, request: &Request, mut watch: Watch<'_>) -> Result<Exit, SandboxError> {
        let (status, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(io::Error::from)?;
        let (log, log_end) = pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from)?;
        let group = Group::make(&request.limits)?;
        memory::watch();
        let mut fds = vec![wire::write_order(&order(request))?, theirs, log_end];
        for entry in group.as_ref().map(Group::entries).unwrap_or_default() {
            // opened by this process, which may, for the helper, which may not
            let opened = rustix::fs::open(&entry, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
            fds.push(opened.fail(Step::ControlGroup, &entry).map_err(explain)?);
        }
        self.send(request.network, &fds).map_err(explain_io)?;
        drop(fds);
        let mut run =
            Run { log: std::fs::File::from(log), status, pidfd: None, stopped: None, result: None };
        let ended = run.follow(request, group.as_ref(), &mut watch);
        if ended.is_err() {
            run.kill();
        }
        ended.map_err(explain_io)?;
        match (run.stopped, run.result) {
            (Some(error), _) => Err(error),
            (None, Some(Reply::Exited(code))) => Ok(Exit::Code(code)),
            (None, Some(Reply::Killed(signal))) => Ok(Exit::Signal(signal)),
            (None, Some(Reply::Failed(failure))) => {
                let error = explain(failure);
                let refused = match &error {
                    SandboxError::Execute { program, source }
                        if source.kind() == io::ErrorKind::PermissionDenied =>
                    {
                        self.place
                            .as_deref()
                            .and_then(|place| SandboxError::no_exec(place, program))
                    }
                    _ => None,
                };
                Err(refused.unwrap_or(error))
            }
            (None, Some(Reply::Started) | None) => Err(SandboxError::HelperLost),
        }
    }
}

/// The request in the helper's terms.
fn order(request: &Request) -> Order {
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    let bind = |host: &Path, inside: &Path, writable| WireBind {
        host: bytes(host),
        inside: bytes(inside),
        writable,
    };
    let mut binds: Vec<_> =
        request.binds.iter().map(|b| bind(&b.host, &b.inside, b.writable)).collect();
    if request.network {
        let resolved =
            NETWORK_FILES.iter().filter_map(|f| Some((f, fs_err::canonicalize(f).ok()?)));
        binds.extend(resolved.map(|(file, host)| bind(&host, Path::new(file), false)));
    }
    let variable =
        |(name, value): &(String, Vec<u8>)| [name.as_bytes(), b"=", value.as_slice()].concat();
    Order {
        program: request.program.clone(),
        args: request.args.clone(),
        env: request.env.iter().map(variable).collect(),
        cwd: bytes(&request.cwd),
        root: request.root.as_deref().map(bytes),
        binds,
        processors: request.vary.map_or(0, |vary| vary.processors as u32),
        numbers: request.vary.map_or(0, |vary| vary.processes),
        most_processes: request.limits.processes.unwrap_or(confine::PROCESSES),
    }
}

/// One run while it lasts.
struct Run {
    log: std::fs::File,
    status: OwnedFd,
    /// The first process; killing it ends all of the sandbox.
    pidfd: Option<OwnedFd>,
    /// The reason why clutch ended it.
    stopped: Option<SandboxError>,
    result: Option<Reply>,
}

impl Run {
    /// Until both the log and the status are closed at the other end.
    fn follow(
        &mut self,
        request: &Request,
        group: Option<&Group>,
        watch: &mut Watch<'_>,
    ) -> io::Result<()> {
        let (limits, start) = (request.limits, Instant::now());
        let (mut disk, mut usage) = (Disk::of(request), Usage::of(request));
        let (mut last_output, mut written) = (start, 0u64);
        let mut buffer = [0; 64 << 10];
        let (mut log_open, mut status_open) = (true, true);
        while log_open || status_open {
            let [log_ready, status_ready] =
                poll([(&self.log.as_fd(), log_open), (&self.status.as_fd(), status_open)], TICK)?;
            if log_ready {
                let n = self.log.read(&mut buffer)?;
                log_open = n > 0;
                written += n as u64;
                if n > 0 {
                    last_output = Instant::now();
                    if self.stopped.is_none() {
                        (watch.output)(&buffer[..n]);
                    }
                }
            }
            if status_ready {
                match wire::receive_reply(&self.status)? {
                    Some((Reply::Started, mut fds)) => {
                        self.pidfd = fds.pop();
                        if self.stopped.is_some() {
                            self.kill();
                        }
                    }
                    // the first failure causes the others
                    Some((reply, _)) => drop(self.result.get_or_insert(reply)),
                    None => status_open = false,
                }
            }
            if self.stopped.is_none() && self.result.is_none() {
                let now = Instant::now();
                let over = |limit: Option<Duration>, since: Instant| {
                    limit.filter(|&limit| now.duration_since(since) > limit)
                };
                self.stopped = if (watch.cancelled)() {
                    Some(SandboxError::Cancelled)
                } else if let Some(limit) = over(limits.wall, start) {
                    Some(SandboxError::Wall(limit))
                } else if let Some(limit) = over(limits.silence, last_output) {
                    Some(SandboxError::Silence(limit))
                } else if let Some(limit) = limits.log_bytes.filter(|&limit| written > limit) {
                    Some(SandboxError::LogSize(limit))
                } else {
                    disk.as_mut()
                        .and_then(|disk| disk.check(now))
                        .or_else(|| usage.as_mut().and_then(|usage| usage.check(now)))
                        .or_else(|| group?.out_of_memory().map(SandboxError::Memory))
                };
                if self.stopped.is_some() {
                    self.kill();
                }
            }
        }
        if self.stopped.is_none() {
            let failed = !matches!(self.result, Some(Reply::Exited(0)));
            self.stopped = group
                .and_then(Group::out_of_memory)
                .map(SandboxError::Memory)
                .or_else(|| {
                    group.filter(|_| failed)?.out_of_processes().map(SandboxError::Processes)
                })
                .or_else(|| usage.and_then(|usage| usage.count()))
                // it may have filled the disk between two checks, and failed because of it
                .or_else(|| disk.filter(|_| failed)?.look());
        }
        Ok(())
    }

    fn kill(&self) {
        if let Some(pidfd) = &self.pidfd {
            // It may have ended already.
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
    }
}

/// Waits until one of the descriptors can be read or its other end is gone.
fn poll(fds: [(&impl AsFd, bool); 2], timeout: Duration) -> io::Result<[bool; 2]> {
    let mut list = fds.map(|(fd, wanted)| libc::pollfd {
        fd: if wanted { fd.as_fd().as_raw_fd() } else { -1 },
        events: libc::POLLIN,
        revents: 0,
    });
    let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: `list` holds as many entries as is said.
    if unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, timeout) } < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        return Ok([false; 2]);
    }
    Ok(list.map(|entry| entry.revents != 0))
}

/// A socket whose other end is gone says that in several ways.
fn explain_io(error: io::Error) -> SandboxError {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    match error.kind() {
        BrokenPipe | ConnectionReset => SandboxError::HelperLost,
        _ => SandboxError::Helper(error),
    }
}
