//! Resolves an argument once: to something in the store, or to an expression.

use std::path::{Path, PathBuf};

use super::{Session, SessionError, Source};
use crate::store_path::{STORE_DIR, StorePath, check_name};

/// The meaning of an argument.
pub(crate) enum Named {
    /// A store path, or a file in one.
    Stored(StorePath),
    /// An expression.
    Expression(Source),
}

/// A store path that was found.
struct Found {
    path: StorePath,
    /// The store path itself.
    whole: bool,
}

impl Named {
    /// Resolves a path: a store path by its logical or real name, a link to one, a profile or pin if no
    /// file has that name, or else an expression.
    ///
    /// # Errors
    /// Nothing has that name, or the file is not an expression.
    pub(crate) fn find(session: &Session, path: &Path) -> Result<Self, SessionError> {
        if let Some(logical) = by_path(session, path) {
            return Ok(Self::Stored(stored(session, &logical)?));
        }
        if let Some(text) = path.to_str() {
            let text = without_slash(text);
            let is_other = |found: std::fs::Metadata| !found.is_symlink();
            if !Path::new(text).symlink_metadata().is_ok_and(is_other)
                && let Some(Found { path, whole: true }) = locate(session, text)?
            {
                return Ok(Self::Stored(path));
            }
        }
        Self::expression(path)
    }

    /// The same, but a file in a store path stands for that store path.
    ///
    /// # Errors
    /// As [`Named::find`].
    pub(crate) fn within(session: &Session, path: &Path) -> Result<Self, SessionError> {
        if let Some(logical) = by_path(session, path) {
            return Ok(Self::Stored(stored(session, &logical)?));
        }
        match path.to_str().map(|text| locate(session, text)).transpose()?.flatten() {
            Some(found) => Ok(Self::Stored(found.path)),
            None => Self::expression(path),
        }
    }

    /// The same without links, profiles and pins: a link may lead to an expression in the store.
    ///
    /// # Errors
    /// As [`Named::find`].
    pub(crate) fn without_links(session: &Session, path: &Path) -> Result<Self, SessionError> {
        match by_path(session, path) {
            Some(logical) => Ok(Self::Stored(stored(session, &logical)?)),
            None => Ok(Self::Expression(Source::file(path)?)),
        }
    }

    fn expression(path: &Path) -> Result<Self, SessionError> {
        match Source::file(path) {
            Err(SessionError::Missing(_)) => Err(SessionError::Unknown(path.to_owned())),
            other => other.map(Self::Expression),
        }
    }
}

/// The store path for an argument: the path itself, a path below it (`.../bin/python`), its real path on
/// this machine, a link to it (`./result`), a profile or a pin.
///
/// # Errors
/// The text does not lead into this store.
pub(crate) fn stored(session: &Session, text: &str) -> Result<StorePath, SessionError> {
    if let Some(found) = locate(session, text)? {
        return Ok(found.path);
    }
    if text.starts_with(STORE_DIR)
        && let Err(error) = StorePath::split(text)
    {
        return Err(error.into());
    }
    Err(SessionError::NotStored(text.to_owned()))
}

/// The logical path for a store path, or for its real path on this machine as `readlink -f result` prints
/// it.
fn by_path(session: &Session, path: &Path) -> Option<String> {
    if let Some(text) = path.to_str().filter(|text| text.starts_with(STORE_DIR)) {
        return Some(text.to_owned());
    }
    let folder = session.store_root().ok()?.join("store");
    let path = std::path::absolute(path).ok()?;
    let inside = match path.strip_prefix(&folder) {
        Ok(inside) => inside,
        Err(_) => path.strip_prefix(std::fs::canonicalize(&folder).ok()?).ok()?,
    };
    inside.iter().next()?;
    Some(format!("{STORE_DIR}/{}", inside.to_str()?))
}

fn locate(session: &Session, text: &str) -> Result<Option<Found>, SessionError> {
    let text = without_slash(text);
    let mut place = PathBuf::from(text);
    if !text.contains('/') && place.symlink_metadata().is_err() {
        // skip texts that cannot be the name of a profile or pin
        if check_name(text).is_err() {
            return Ok(None);
        }
        match session.profile(text) {
            Ok(profile) if profile.link().is_symlink() => place = profile.link(),
            _ => {
                let pinned = session.store()?.pinned(text)?;
                return Ok(pinned.map(|path| Found { path, whole: true }));
            }
        }
    }
    for _ in 0..crate::limits::LINKS {
        if let Some(found) = inside(session, &place)? {
            return Ok(Some(found));
        }
        match std::fs::read_link(&place) {
            Ok(target) => place = place.parent().map(|p| p.join(&target)).unwrap_or(target),
            // not a link, but perhaps below one: `result/bin/python`
            Err(_) => match std::fs::canonicalize(&place) {
                Ok(real) => {
                    let found = inside(session, &real)?;
                    return match found.is_none().then(|| of_another_store(&real)).flatten() {
                        None => Ok(found),
                        Some(root) => {
                            Err(SessionError::OtherStore { named: text.to_owned(), root })
                        }
                    };
                }
                Err(_) => break,
            },
        }
    }
    Ok(None)
}

/// The store path that contains a path, by its text alone.
fn inside(session: &Session, place: &Path) -> Result<Option<Found>, SessionError> {
    if let Some(Ok((path, rest))) = place.to_str().map(StorePath::split) {
        return Ok(Some(Found { path, whole: rest.is_empty() }));
    }
    let place = std::path::absolute(place).unwrap_or_default();
    let Ok(inside) = place.strip_prefix(session.store()?.dir()) else { return Ok(None) };
    let base = inside.iter().next().and_then(|name| name.to_str());
    let path = base.and_then(|base| StorePath::from_base(base).ok());
    Ok(path.map(|path| Found { path, whole: inside.iter().count() == 1 }))
}

/// The root of the store that contains a path, if there is one.
fn of_another_store(real: &Path) -> Option<PathBuf> {
    let is_path = |place: &&Path| {
        let name = place.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| StorePath::from_base(name).is_ok())
    };
    let folder = real.ancestors().find(is_path)?.parent()?;
    let root = folder.parent()?;
    let is_store = folder.file_name()? == "store" && root.join("var/version").exists();
    is_store.then(|| root.to_owned())
}

/// Removes the slash that a shell's completion adds to a link to a folder.
fn without_slash(text: &str) -> &str {
    let trimmed = text.trim_end_matches('/');
    if trimmed.is_empty() { text } else { trimmed }
}
