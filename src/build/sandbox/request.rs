//! A request: the program to run, and everything that it may see and use.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The program to run, and everything that it may see. All else is absent.
#[derive(Clone, Debug)]
pub struct Request {
    /// The program: an absolute path inside the sandbox.
    pub program: Vec<u8>,
    /// Its arguments (without the program).
    pub args: Vec<Vec<u8>>,
    /// Its whole environment.
    pub env: Vec<(String, Vec<u8>)>,
    /// The working directory inside.
    pub cwd: PathBuf,
    /// A folder of the host that shows read-only as `/`, with `/build`, `/tmp`, `/proc`, `/dev` and
    /// the binds on top; without one the root is empty.
    pub root: Option<PathBuf>,
    /// The binds, in this order: a later one may lie inside an earlier one.
    pub binds: Vec<Bind>,
    /// True if the network of the host is reachable, with its name resolution and certificates:
    /// only for what is checked by hash afterwards.
    pub network: bool,
    /// The limits.
    pub limits: Limits,
    /// The variation of this run.
    pub vary: Option<Variation>,
}

/// A file or folder of the host that shows inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Its place on the host.
    pub host: PathBuf,
    /// The absolute path where it shows; made (and its parents) if it is missing.
    pub inside: PathBuf,
    /// True if it may be written to.
    pub writable: bool,
}

/// Properties of a run that must not influence outputs, so that comparisons vary them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variation {
    /// The number of processors, at most those of the machine.
    pub processors: usize,
    /// The number of process numbers used before it.
    pub processes: u32,
}

/// The limits at which a run is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest time from start to end.
    pub wall: Option<Duration>,
    /// The longest time without a byte of output.
    pub silence: Option<Duration>,
    /// The most bytes of output.
    pub log_bytes: Option<u64>,
    /// The bytes that stay free on the file system that it writes to (and 1,000 files).
    pub keep_free: Option<u64>,
    /// The most bytes on disk in all places that it may write to together.
    pub disk: Option<u64>,
    /// The most files and folders there.
    pub files: Option<u64>,
    /// The most bytes of memory that all its processes use together, what they write to `/tmp` and
    /// `/dev/shm` included. Needs control groups.
    pub memory: Option<u64>,
    /// The most processes and threads. For root this needs control groups.
    pub processes: Option<u64>,
}

/// Only what keeps the machine usable.
impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: None,
            silence: None,
            log_bytes: Some(512 << 20),
            keep_free: Some(64 << 20),
            disk: None,
            files: None,
            memory: None,
            processes: None,
        }
    }
}

impl Request {
    /// Runs `program` in `/build` with an empty environment; it sees nothing yet.
    #[must_use]
    pub fn new(program: impl Into<Vec<u8>>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: PathBuf::from("/build"),
            root: None,
            binds: Vec::new(),
            network: false,
            limits: Limits::default(),
            vary: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<Vec<u8>>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Shows a file or folder of the host, not to be written to.
    #[must_use]
    pub fn read_only(self, host: impl AsRef<Path>, inside: impl AsRef<Path>) -> Self {
        self.bind(host.as_ref(), inside.as_ref(), false)
    }

    /// Shows a file or folder of the host that may be written to.
    #[must_use]
    pub fn writable(self, host: impl AsRef<Path>, inside: impl AsRef<Path>) -> Self {
        self.bind(host.as_ref(), inside.as_ref(), true)
    }

    fn bind(mut self, host: &Path, inside: &Path, writable: bool) -> Self {
        self.binds.push(Bind { host: host.into(), inside: inside.into(), writable });
        self
    }
}
