//! Files of the user that a command writes. What is a file, or will be one, is replaced in one step, also
//! where a link leads to it; devices, pipes, sockets and open descriptors are written into, and `-` is
//! standard output.

use std::{
    fs::Metadata,
    io::{self, Seek, SeekFrom, Write},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::UnixStream,
        },
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fs_err::File;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};
use tempfile::NamedTempFile;

use super::{
    failure::{Failure, Kind, OrFail as _},
    interruption::{is_cancelled, is_interrupted},
    output,
};
use crate::{files, limits, store::Store};

/// How long the reader of a pipe is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes all of `content` to that place.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    if is_output(path) {
        return output::print(content);
    }
    let work = || match find(path)? {
        Place::Stream(mut stream) => stream.write_all(content),
        Place::File(place, old) => match unfinished(&place, old.as_ref())? {
            Beside::New(mut file) => {
                file.as_file_mut().write_all(content)?;
                go_on()?;
                finish(file, &place, old.as_ref())
            }
            Beside::Itself(mut file) => file.write_all(content),
        },
    };
    work().map_err(|error| failed(path, &error))
}

/// A file that is being filled.
pub(super) struct Output<'f> {
    file: &'f mut std::fs::File,
    /// Whether Ctrl-C is an error of the next write; otherwise it ends the process at once.
    stops: bool,
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stops {
            go_on()?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Output<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// An error once the user has stopped the command.
fn go_on() -> io::Result<()> {
    match is_cancelled() {
        true => Err(io::Error::other("interrupted")),
        false => Ok(()),
    }
}

/// Writes what `fill` writes, which may go back and forth, to that place. What is no file, and standard
/// output, gets it when it is whole. Gives how many bytes that are.
pub(super) fn write_with(
    path: &Path,
    store: &Store,
    fill: impl FnOnce(&mut Output<'_>) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let failed = |error: io::Error| failed(path, &error);
    let place = match is_output(path) {
        true => None,
        false => Some(find(path).map_err(failed)?),
    };
    if let Some(Place::File(place, old)) = &place
        && let Beside::New(mut file) = unfinished(place, old.as_ref()).map_err(failed)?
    {
        fill(&mut Output { file: file.as_file_mut(), stops: true })?;
        let size = file.as_file().metadata().map_err(failed)?.len();
        go_on().map_err(failed)?;
        finish(file, place, old.as_ref()).map_err(failed)?;
        return Ok(size);
    }
    let mut spool = match store.is_writable() {
        true => tempfile::tempfile_in(store.scratch()?.path()),
        false => tempfile::tempfile(),
    }
    .or_fail(Kind::Failed)?;
    let stops = matches!(place, Some(Place::File(..)));
    fill(&mut Output { file: &mut spool, stops })?;
    spool.rewind().or_fail(Kind::Failed)?;
    match place {
        None => output::copy(&mut spool),
        Some(Place::Stream(mut stream)) => io::copy(&mut spool, &mut stream).map_err(failed),
        Some(Place::File(place, _)) => {
            let mut file = truncated(&place).map_err(failed)?;
            io::copy(&mut spool, &mut file).map_err(failed)
        }
    }
}

/// Opens that place to be written bit by bit. A file that is there is emptied.
pub(super) fn stream(path: &Path) -> io::Result<File> {
    let opened = match find(path) {
        Ok(Place::Stream(stream)) => Ok(stream),
        Ok(Place::File(place, Some(_))) => truncated(&place),
        Ok(Place::File(place, None)) => File::create(place),
        Err(error) => Err(error),
    };
    opened.map_err(|error| named(path, &error))
}

/// Whether that stands for standard output.
pub(super) fn is_output(path: &Path) -> bool {
    path == Path::new("-")
}

/// Where a path leads.
enum Place {
    /// A file, or nothing yet; no link.
    File(PathBuf, Option<Metadata>),
    /// What is written into as it is.
    Stream(File),
}

/// What a file is written to first.
enum Beside {
    /// One beside it, which takes its place.
    New(NamedTempFile),
    /// Itself, where nothing can be put beside it, as where a single file is mounted.
    Itself(File),
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write '{}': {error}", path.display()))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    if is_interrupted() {
        return Failure::new(Kind::Interrupted, "interrupted");
    }
    let kind = match error.kind() {
        io::ErrorKind::BrokenPipe => Kind::Closed,
        _ => Kind::Failed,
    };
    Failure::new(kind, named(path, error))
}

/// Follows links, one after the other: the last may lead to nothing yet, and those of `/proc` lead to
/// what has no path.
fn find(path: &Path) -> io::Result<Place> {
    let mut place = path.to_owned();
    for _ in 0..limits::LINKS {
        let found = match place.symlink_metadata() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Place::File(place, None));
            }
            Err(error) => return Err(error),
        };
        let kind = found.file_type();
        if kind.is_symlink() {
            if let Some(stream) = descriptor(&place)? {
                return Ok(Place::Stream(stream));
            }
            // not fs_err's: the errors are named at the end
            let target = std::fs::read_link(&place)?;
            place = files::folder_of(&place).join(target);
        } else if kind.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        } else if kind.is_file() {
            return Ok(Place::File(place, Some(found)));
        } else if kind.is_socket() {
            let socket = OwnedFd::from(UnixStream::connect(&place)?);
            return Ok(Place::Stream(File::from_parts(socket.into(), place)));
        } else {
            return into(&place).map(Place::Stream);
        }
    }
    Err(Errno::LOOP.into())
}

/// Opens a device or a pipe. A pipe that nobody reads is waited for, but not for ever.
fn into(place: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let start = Instant::now();
    let file = loop {
        match rustix::fs::open(place, flags, Mode::empty()) {
            Err(Errno::NXIO) if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(Errno::NXIO) => {
                let text = "nobody reads it; start its reader first";
                return Err(io::Error::new(io::ErrorKind::NotConnected, text));
            }
            other => break other?,
        }
    };
    let own = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, own.difference(OFlags::NONBLOCK))?;
    Ok(File::from_parts(file.into(), place))
}

/// What a link of `/proc` leads to, opened; nothing for other links. A descriptor of this process is
/// taken as it is open, with its position.
fn descriptor(link: &Path) -> io::Result<Option<File>> {
    let folder = files::folder_of(link);
    if rustix::fs::statfs(folder)?.f_type != rustix::fs::PROC_SUPER_MAGIC {
        return Ok(None);
    }
    let is_own = || {
        let folder = std::fs::canonicalize(folder).ok()?;
        let own = Path::new("/proc").join(getpid().as_raw_nonzero().to_string());
        let number = link.file_name()?.to_str()?.parse().ok()?;
        (folder.starts_with(own) && folder.ends_with("fd")).then_some(number)
    };
    if let Some(number) = is_own() {
        let own = pidfd_open(getpid(), PidfdFlags::empty())
            .and_then(|own| pidfd_getfd(own, number, PidfdGetfdFlags::empty()));
        match own {
            Ok(file) => return Ok(Some(File::from_parts(file.into(), link))),
            Err(Errno::BADF) => return Err(Errno::BADF.into()),
            // older kernels, and containers that forbid it
            Err(_) => {}
        }
    }
    // one such as /proc/self/cwd leads to what can be found by its path
    let target = std::fs::metadata(link);
    match target {
        Ok(target) if target.is_dir() => Ok(None),
        Ok(target) if target.is_file() => {
            rustix::fs::open(link, OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC, Mode::empty())
                .map(|file| Some(File::from_parts(file.into(), link)))
                .map_err(Into::into)
        }
        _ => into(link).map(Some),
    }
}

fn unfinished(place: &Path, old: Option<&Metadata>) -> io::Result<Beside> {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    // from here on Ctrl-C does not leave the file behind
    is_cancelled();
    match files::unfinished(place) {
        Ok(file) => Ok(Beside::New(file)),
        // the folder takes no file, which says nothing of this one; /proc calls that not found
        Err(error)
            if old.is_some()
                && matches!(error.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem) =>
        {
            truncated(place).map(Beside::Itself).map_err(|_| plain(error))
        }
        Err(error) => Err(plain(error)),
    }
}

/// The error without the name of the file beside, which `tempfile` puts behind it and which says nothing
/// to anybody.
fn plain(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((text, _)) => io::Error::new(error.kind(), text),
        None => error,
    }
}

/// A file that is there, empty now.
fn truncated(place: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(place, flags, Mode::empty())?;
    Ok(File::from_parts(file.into(), place))
}

/// Gives a file its name, with the mode and the owner of what had it, and where that cannot be replaced,
/// its content.
fn finish(file: NamedTempFile, place: &Path, old: Option<&Metadata>) -> io::Result<()> {
    let mode = old.map_or(0o644, |old| old.permissions().mode() & 0o777);
    if let Some(old) = old
        && let Ok(own) = file.as_file().metadata()
        && (own.uid(), own.gid()) != (old.uid(), old.gid())
    {
        // only root can, and only root has to
        let _ = std::os::unix::fs::fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
    }
    match files::finish(file, place, mode) {
        // something is mounted there
        Err((error, Some(mut file)))
            if old.is_some() && error.kind() == io::ErrorKind::ResourceBusy =>
        {
            let mut target = truncated(place).map_err(|_| error)?;
            file.as_file_mut().rewind()?;
            io::copy(file.as_file_mut(), &mut target)?;
            target.sync_all()
        }
        other => other.map_err(|(error, _)| error),
    }
}
