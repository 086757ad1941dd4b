//! Output files that the user names. A regular or new file is replaced in one step, also through a link.
//! Devices, pipes, sockets and open descriptors are written directly, and `-` is standard output.

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

/// The time to wait for the reader of a pipe.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes `content` to a file.
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

/// A file that is being written.
pub(super) struct Output<'f> {
    file: &'f mut std::fs::File,
    /// True if Ctrl-C makes the next write fail; otherwise it ends the process at once.
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

/// Fails once the user has interrupted the command.
fn go_on() -> io::Result<()> {
    match is_cancelled() {
        true => Err(io::Error::other("interrupted")),
        false => Ok(()),
    }
}

/// Writes the output of `fill`, which may seek, to a file. Anything but a regular file gets the output once
/// it is complete. Returns the number of bytes.
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

/// Opens a file to write piece by piece. Empties an existing file.
pub(super) fn stream(path: &Path) -> io::Result<File> {
    let opened = match find(path) {
        Ok(Place::Stream(stream)) => Ok(stream),
        Ok(Place::File(place, Some(_))) => truncated(&place),
        Ok(Place::File(place, None)) => File::create(place),
        Err(error) => Err(error),
    };
    opened.map_err(|error| named(path, &error))
}

/// True for `-`, standard output.
pub(super) fn is_output(path: &Path) -> bool {
    path == Path::new("-")
}

/// The target of a path.
enum Place {
    /// A regular file or a new one; not a link.
    File(PathBuf, Option<Metadata>),
    /// An open file to write directly.
    Stream(File),
}

/// The first place of the new content.
enum Beside {
    /// A file beside the target, which replaces it.
    New(NamedTempFile),
    /// The target itself if no file can be created beside it, for example if only this file is mounted.
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

/// Follows links one by one. The last may lead to a file that does not exist yet, and those in `/proc` to
/// files without a path.
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
            // without fs_err: the caller adds the path
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

/// Opens a device or a pipe. Waits a limited time for the reader of a pipe.
fn into(place: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let start = Instant::now();
    let file = loop {
        match rustix::fs::open(place, flags, Mode::empty()) {
            Err(Errno::NXIO) if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(Errno::NXIO) => {
                let text = "the pipe has no reader; start the reader first";
                return Err(io::Error::new(io::ErrorKind::NotConnected, text));
            }
            other => break other?,
        }
    };
    let own = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, own.difference(OFlags::NONBLOCK))?;
    Ok(File::from_parts(file.into(), place))
}

/// The opened target of a link in `/proc`; `None` for other links. A descriptor of this process keeps its
/// position.
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
            // older kernels, and containers without permission
            Err(_) => {}
        }
    }
    // a link such as /proc/self/cwd has a target with a path
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
    // from here on Ctrl-C removes the temporary file
    is_cancelled();
    match files::unfinished(place) {
        Ok(file) => Ok(Beside::New(file)),
        // the folder does not allow new files, but the file may be writable; /proc reports "not found"
        Err(error)
            if old.is_some()
                && matches!(error.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem) =>
        {
            truncated(place).map(Beside::Itself).map_err(|_| plain(error))
        }
        Err(error) => Err(plain(error)),
    }
}

/// Removes the name of the temporary file that `tempfile` adds to an error.
fn plain(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((text, _)) => io::Error::new(error.kind(), text),
        None => error,
    }
}

/// Opens and empties an existing file.
fn truncated(place: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(place, flags, Mode::empty())?;
    Ok(File::from_parts(file.into(), place))
}

/// Renames the temporary file to its target, with the target's mode and owner. Copies the content if the
/// target cannot be replaced.
fn finish(file: NamedTempFile, place: &Path, old: Option<&Metadata>) -> io::Result<()> {
    let mode = old.map_or(0o644, |old| old.permissions().mode() & 0o777);
    if let Some(old) = old
        && let Ok(own) = file.as_file().metadata()
        && (own.uid(), own.gid()) != (old.uid(), old.gid())
    {
        // only root can do this, and only root needs it
        let _ = std::os::unix::fs::fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
    }
    match files::finish(file, place, mode) {
        // the target is a mount point
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
