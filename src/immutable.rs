//! Files that nobody may change or remove, not even root (`chattr +i`, `chattr +a`; ioctl_iflags(2)). The system's
//! error only says that something is not permitted.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx},
    io::Errno,
};

use crate::limits;

/// Why something cannot be changed or removed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{error}; '{0}' is {1}: as root `chattr -{flag} {0}`", .file.display(),
    if *.flag == 'i' { "immutable" } else { "append-only" }
)]
struct Immutable {
    error: String,
    file: PathBuf,
    flag: char,
}

/// True if [`explain`] has found the cause of an error.
pub(crate) fn is_cause(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<Immutable>())
}

/// The error. If it comes from an immutable file (the one at `path`, one in it, or its folder), it names that file
/// and what to do.
#[must_use]
pub(crate) fn explain(error: io::Error, path: &Path) -> io::Error {
    if !is_refusal(&error) {
        return error;
    }
    match find(path) {
        Some((file, flag)) => {
            io::Error::new(error.kind(), Immutable { error: error.to_string(), file, flag })
        }
        None => error,
    }
}

/// True if the system permits it to nobody, not only to this user.
fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
        && error.to_string().contains(&io::Error::from(Errno::PERM).to_string())
}

/// The first file with such a flag, and the flag.
fn find(path: &Path) -> Option<(PathBuf, char)> {
    let above = path.parent().map(Path::to_owned);
    let mut todo = vec![path.to_owned()];
    let mut seen = 0;
    while let Some(place) = todo.pop() {
        seen += 1;
        if seen > limits::ENTRIES {
            break;
        }
        if let Some(flag) = flag(&place) {
            return Some((place, flag));
        }
        // a folder that cannot be listed is skipped: this only explains
        if place.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            let entries = fs_err::read_dir(&place).into_iter().flatten().flatten();
            todo.extend(entries.map(|entry| entry.path()));
        }
    }
    above.and_then(|above| flag(&above).map(|flag| (above, flag)))
}

fn flag(path: &Path) -> Option<char> {
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()).ok()?;
    let has = |attribute| found.stx_attributes.contains(attribute);
    match (has(StatxAttributes::IMMUTABLE), has(StatxAttributes::APPEND)) {
        (true, _) => Some('i'),
        (_, true) => Some('a'),
        _ => None,
    }
}
