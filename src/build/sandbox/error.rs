//! Why the sandbox cannot be made, or has ended a program.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    Refusal, memory, noexec_mount,
    wire::{Failure, Step},
};

/// Why a program did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The machine does not allow sandboxes.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The program is missing or cannot be executed.
    #[error("cannot execute '{program}': {source}{}", advice(source))]
    Execute {
        /// The program.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Nothing on that disk can be executed.
    #[error(
        "cannot execute '{program}': '{0}', which holds the store, is mounted 'noexec'; as root \
         `mount -o remount,exec {0}`, or give another folder with --store", .mount.display()
    )]
    NoExec {
        /// The program.
        program: String,
        /// The mount that the store is on.
        mount: PathBuf,
    },
    /// Something that was to be bound in is not there, or cannot be bound.
    #[error("cannot {step} '{on}' in the sandbox: {source}")]
    Setup {
        /// What was being done.
        step: &'static str,
        /// To what.
        on: String,
        /// The system's answer.
        source: io::Error,
    },
    /// It took too long.
    #[error("ran for longer than {} s, the limit set by --timeout", .0.as_secs())]
    Wall(Duration),
    /// It was silent for too long.
    #[error("was silent for longer than {} s, the limit set by --max-silent-time", .0.as_secs())]
    Silence(Duration),
    /// It wrote too much.
    #[error("wrote more than {0} bytes to its log, the limit set by --max-log-size")]
    LogSize(u64),
    /// It filled the disk.
    #[error(
        "left only {free} bytes free on the disk of '{}', the least is {least}; free some space",
        .place.display()
    )]
    DiskFull {
        /// A folder on that disk.
        place: PathBuf,
        /// What was left.
        free: u64,
        /// What has to stay.
        least: u64,
    },
    /// It used up the files of the disk.
    #[error(
        "left only {free} files that can be made on the disk of '{}'; remove some",
        .place.display()
    )]
    NoFilesLeft {
        /// A folder on that disk.
        place: PathBuf,
        /// What was left.
        free: u64,
    },
    /// It wrote too much.
    #[error(
        "wrote more than {0} bytes to its outputs and working directory, the limit set by --max-disk"
    )]
    Disk(u64),
    /// It made too many files.
    #[error(
        "made more than {0} files and folders in its outputs and working directory, the limit set by \
         --max-files"
    )]
    Files(u64),
    /// It used too much memory.
    #[error(
        "used more than {0} bytes of memory (what it writes to /tmp and /dev/shm counts), the limit \
         set by --max-memory"
    )]
    Memory(u64),
    /// It wanted too many processes.
    #[error(
        "failed, and wanted more than {0} processes and threads, the limit set by --max-processes"
    )]
    Processes(u64),
    /// A limit cannot be set here.
    #[error(
        "cannot limit its {what}: {reason}; run clutch as 'systemd-run --user --scope -p \
         Delegate=yes clutch ...', or without that limit ('clutch doctor' says more)"
    )]
    Unlimited {
        /// What was to be limited.
        what: &'static str,
        /// Why it cannot be.
        reason: GroupError,
    },
    /// The caller asked for it.
    #[error("cancelled")]
    Cancelled,
    /// The helper process was killed.
    #[error(
        "the sandbox's helper process ended unexpectedly{}",
        memory::words(" (was it killed?)")
    )]
    HelperLost,
    /// Talking to the helper failed.
    #[error("cannot talk to the sandbox's helper process: {0}")]
    Helper(#[from] io::Error),
}

impl SandboxError {
    /// Why the program cannot be executed, if nothing can be in that folder of the store.
    #[must_use]
    pub fn no_exec(place: &Path, program: &str) -> Option<Self> {
        noexec_mount(place).map(|mount| Self::NoExec { program: program.to_owned(), mount })
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => {
            " (the program, or the interpreter that it names, must be an input)"
        }
        io::ErrorKind::PermissionDenied => " (it is not executable)",
        _ => "",
    }
}

/// What a step of the helper that failed means.
pub(super) fn explain(failure: Failure) -> SandboxError {
    let source = io::Error::from_raw_os_error(failure.errno);
    let Failure { step, on, .. } = failure;
    match step {
        Step::Exec => SandboxError::Execute { program: on, source },
        Step::OpenSource | Step::Bind | Step::File | Step::Directory | Step::ReadOrder => {
            SandboxError::Setup { step: step.text(), on, source }
        }
        _ => SandboxError::Refused(Box::new(Refusal::new(step, on, source))),
    }
}

/// Why no group can be made. The text is the end of a sentence.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GroupError {
    /// A file that says which groups there are cannot be read; the text names it.
    #[error("{0}")]
    Unreadable(Arc<io::Error>),
    /// Groups have no such bound here.
    #[error("no controller '{0}' is given to the group of this process")]
    NoController(&'static str),
    /// This user may not change the group of this process.
    #[error("the group of this process, '{}', belongs to somebody else", .0.display())]
    NotOwn(PathBuf),
    /// A group of version 2 that holds processes has no groups below it.
    #[error("other processes are in the group of this one, '{}'", .0.display())]
    NotAlone(PathBuf),
    /// The kernel refused to make it or to set its bound.
    #[error("{error} (control groups: {parent})")]
    Refused {
        /// The kernel's answer.
        error: Arc<io::Error>,
        /// Where it was to be made.
        parent: String,
    },
}
