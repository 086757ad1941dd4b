//! Explains system errors by the state of the process: a removed working folder, low limits, a missing
//! `/proc`. The messages of the system do not name these.

use std::{path::Path, sync::Arc};

use rustix::process::{Resource, getrlimit};

use super::{
    failure::{Failure, Kind},
    report, shorten,
};
use crate::limits;

/// Some commands need more open files than this.
const FILES: u64 = 256;

/// Reports a thread that cannot be started as an error. Libraries that start threads, including the
/// standard library, only panic.
pub(super) fn watch_threads(json: bool) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        let is_thread = ["failed to spawn thread", "ThreadPoolBuildError"];
        if !is_thread.iter().any(|words| text.contains(words)) {
            return default(panic);
        }
        let system = std::io::Error::from_raw_os_error(libc::EAGAIN);
        let failure = Failure::new(Kind::Failed, format!("cannot start a thread: {system}"));
        report::report(&explain(failure), json);
        // a later clutch cleans up the leftovers of this process
        std::process::exit(Kind::Failed.code().into());
    }));
}

/// Makes a write beyond the shell's file size limit fail. Without a handler, the signal ends the program
/// without a message. Programs that clutch starts get the default handler.
pub(super) fn watch_file_sizes() {
    if limit(Resource::Fsize).is_some() {
        // on an error, the signal ends the process
        let _ = signal_hook::flag::register(libc::SIGXFSZ, Arc::default());
    }
}

/// Adds an explanation to a failure, as a hint.
pub(super) fn explain(mut failure: Failure) -> Failure {
    let errno = errno(&failure.message);
    let is_long = shorten::longest(&failure.message) > limits::PATH;
    if failure.evaluation.is_none() {
        failure.message = shorten::shortened(&failure.message).into_owned();
        for hint in &mut failure.hints {
            *hint = shorten::shortened(hint).into_owned();
        }
    }
    let hint = match errno {
        Some(libc::ENOENT) if std::env::current_dir().is_err() => {
            if failure.message == std::io::Error::from_raw_os_error(libc::ENOENT).to_string() {
                "the working folder does not exist any more".clone_into(&mut failure.message);
            }
            Some("the working folder was removed; cd to another one".to_owned())
        }
        Some(libc::ENOENT | libc::ENOTDIR) if !Path::new("/proc/self").exists() => {
            Some("/proc is not mounted; as root: mount -t proc proc /proc".to_owned())
        }
        None if is_long => Some(too_long()),
        Some(libc::ENAMETOOLONG) => Some(too_long()),
        Some(libc::EMFILE) => limit(Resource::Nofile).map(files),
        // SQLite gives no details for a file that cannot be opened
        None if failure.message.contains("Error code 14") => {
            limit(Resource::Nofile).filter(|most| *most < FILES).map(files)
        }
        Some(libc::EFBIG) => limit(Resource::Fsize).map(file_size),
        // or that cannot be written
        None if ["disk I/O error", "no space is left"]
            .iter()
            .any(|it| failure.message.contains(it)) =>
        {
            limit(Resource::Fsize).map(file_size)
        }
        Some(libc::EAGAIN | libc::ENOMEM) => {
            let memory = limit(Resource::As).map(|bytes| {
                format!("the memory limit of this shell is low: `ulimit -v` is {}", bytes / 1024)
            });
            let processes = || {
                let most = limit(Resource::Nproc).filter(|_| errno == Some(libc::EAGAIN))?;
                Some(format!(
                    "no further process or thread could be started: `ulimit -u` is {most}, for all \
                     processes of this user together"
                ))
            };
            memory.or_else(processes).or_else(|| {
                (errno == Some(libc::ENOMEM)).then(|| "the machine is out of memory".to_owned())
            })
        }
        _ => None,
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn too_long() -> String {
    let (path, name) = (limits::PATH, limits::FILE_NAME);
    format!("a path can have at most {path} bytes, and each name in it {name}")
}

fn files(most: u64) -> String {
    format!("the limit on open files is low: `ulimit -n` is {most}; raise it, for example to 1024")
}

fn file_size(most: u64) -> String {
    format!("the file size limit of this shell is low: `ulimit -f` is {}", most / 1024)
}

/// A limit of this process, if there is one.
fn limit(resource: Resource) -> Option<u64> {
    getrlimit(resource).current
}

/// The number of the system error in a message.
fn errno(message: &str) -> Option<i32> {
    let (_, rest) = message.rsplit_once("(os error ")?;
    rest.split_once(')')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_are_found() {
        assert_eq!(errno("cannot talk: Too many open files (os error 24)"), Some(24));
        assert_eq!(errno("(os error 2) (the program must be an input)"), Some(2));
        assert_eq!(errno("(os error x)"), None);
        let failure = Failure::new(Kind::Failed, "Too many open files (os error 24)");
        assert!(explain(failure).hints[0].contains("ulimit -n"));
    }
}
