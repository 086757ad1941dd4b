//! Files that somebody else may have made: only regular ones are opened, so that nothing waits for a named pipe or
//! touches a device, and none is read beyond a bound.

use std::{
    io::{self, Read as _},
    os::fd::AsFd,
    path::Path,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, openat},
    io::Errno,
};

/// The flags to open a file that may turn out to be anything.
pub(crate) const CAREFULLY: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The treatment of a path that is a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// It is followed.
    Follow,
    /// It is refused.
    Refuse,
}

/// Opens a regular file to read it.
///
/// # Errors
/// If there is none, or something else; names the path.
pub(crate) fn open(path: &Path, link: Link) -> io::Result<fs_err::File> {
    let nofollow = if link == Link::Refuse { OFlags::NOFOLLOW } else { OFlags::empty() };
    let opened = openat(CWD, path, CAREFULLY | nofollow, Mode::empty());
    let file = opened.map_err(|error| named(path, &other_kind(error, link)))?;
    check(&file).map_err(|error| named(path, &error))?;
    Ok(fs_err::File::from_parts(file.into(), path))
}

/// Opens a regular file and reads all of it.
///
/// # Errors
/// As [`open`], and if it has more than `most` bytes.
pub(crate) fn read(path: &Path, link: Link, most: u64) -> io::Result<Vec<u8>> {
    read_all(&open(path, link)?, most)
}

/// The same for a text.
///
/// # Errors
/// As [`read`], and if it is not UTF-8.
pub(crate) fn read_text(path: &Path, link: Link, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, link, most)?).map_err(|_| {
        let text = format!("'{}' is not UTF-8", path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

/// Reads all of a file that has been opened.
///
/// # Errors
/// If it has more than `most` bytes; names its path.
pub(crate) fn read_all(file: &fs_err::File, most: u64) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    let too_large = |size: u64| {
        let path = file.path().display();
        let text = format!("'{path}' has {size} bytes, expected {most} at most");
        io::Error::new(io::ErrorKind::FileTooLarge, text)
    };
    if size > most {
        return Err(too_large(size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // it may grow while it is read
    file.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        size if size > most => Err(too_large(size)),
        _ => Ok(bytes),
    }
}

/// True if two opened files have the same bytes, however many these are.
///
/// # Errors
/// If one cannot be read.
pub(crate) fn same(mut one: &fs_err::File, mut other: &fs_err::File) -> io::Result<bool> {
    let mut left = one.metadata()?.len();
    if other.metadata()?.len() != left {
        return Ok(false);
    }
    let (mut a, mut b) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    while left > 0 {
        let count = a.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        one.read_exact(&mut a[..count])?;
        other.read_exact(&mut b[..count])?;
        if a[..count] != b[..count] {
            return Ok(false);
        }
        left -= count as u64;
    }
    Ok(true)
}

/// Refuses an opened file that is not a regular one.
///
/// # Errors
/// Names its kind.
pub(crate) fn check(file: impl AsFd) -> io::Result<()> {
    match FileType::from_raw_mode(fstat(file)?.st_mode) {
        FileType::RegularFile => Ok(()),
        other => Err(not_regular(other)),
    }
}

/// The error about a file that is not a regular one.
#[must_use]
pub(crate) fn not_regular(kind: FileType) -> io::Error {
    let (what, kind) = match kind {
        FileType::Directory => ("a folder", io::ErrorKind::IsADirectory),
        FileType::Fifo => ("a named pipe", io::ErrorKind::InvalidInput),
        FileType::Socket => ("a socket", io::ErrorKind::InvalidInput),
        FileType::Symlink => ("a symbolic link", io::ErrorKind::InvalidInput),
        _ => ("a device", io::ErrorKind::InvalidInput),
    };
    io::Error::new(kind, format!("it is {what}, expected a regular file"))
}

/// The error about something that cannot be opened for reading, from the kernel's.
fn other_kind(error: Errno, link: Link) -> io::Error {
    match error {
        Errno::NXIO => not_regular(FileType::Socket),
        Errno::LOOP if link == Link::Refuse => not_regular(FileType::Symlink),
        other => other.into(),
    }
}

/// An error with the file that it is about.
pub(crate) fn named(path: impl AsRef<Path>, error: &io::Error) -> io::Error {
    let text = format!("cannot read '{}': {error}", path.as_ref().display());
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_are_read_and_none_without_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs_err::write(at("file"), "text").unwrap();
        assert_eq!(read(&at("file"), Link::Refuse, 4).unwrap(), b"text");
        let refused = |name: &str, link: Link, why: &str| {
            let error = read(&at(name), link, 3).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(name), "{error}");
        };
        refused("file", Link::Refuse, "has 4 bytes, expected 3 at most");
        fs_err::create_dir(at("folder")).unwrap();
        refused("folder", Link::Refuse, "it is a folder");
        rustix::fs::mkfifoat(CWD, at("pipe"), Mode::RWXU).unwrap();
        refused("pipe", Link::Refuse, "it is a named pipe");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        refused("socket", Link::Refuse, "it is a socket");
        symlink("/dev/zero", at("zero")).unwrap();
        refused("zero", Link::Refuse, "it is a symbolic link");
        refused("zero", Link::Follow, "it is a device");
        symlink("pipe", at("to-pipe")).unwrap();
        refused("to-pipe", Link::Follow, "it is a named pipe");
        symlink("file", at("to-file")).unwrap();
        assert_eq!(read(&at("to-file"), Link::Follow, 4).unwrap(), b"text");
        let missing = read(&at("missing"), Link::Follow, 4).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        // it claims no size and does not end
        refused_endless();
    }

    fn refused_endless() {
        let file = fs_err::File::open("/proc/self/maps").unwrap();
        let error = read_all(&file, 10).unwrap_err().to_string();
        assert!(error.contains("expected 10 at most"), "{error}");
    }
}
