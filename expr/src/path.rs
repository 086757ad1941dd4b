//! Paths as text.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

/// A text of the language as a path of the system.
#[must_use]
pub(crate) fn as_path(text: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(text))
}

/// An absolute path without `.`, `..`, empty components and a slash at its end. What is not
/// absolute is taken from the root.
#[must_use]
pub fn canonical(text: &[u8]) -> Vec<u8> {
    let mut clean: Vec<u8> = Vec::with_capacity(text.len() + 1);
    for component in text.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => clean.truncate(clean.iter().rposition(|&byte| byte == b'/').unwrap_or(0)),
            name => {
                clean.push(b'/');
                clean.extend_from_slice(name);
            }
        }
    }
    if clean.is_empty() {
        clean.push(b'/');
    }
    clean
}

/// A path below a directory, canonical; an absolute one stays where it is.
#[must_use]
pub fn join(directory: &[u8], text: &[u8]) -> Vec<u8> {
    if text.first() == Some(&b'/') {
        return canonical(text);
    }
    canonical(&[directory, b"/", text].concat())
}

/// The directory of a file's path.
#[must_use]
pub fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) | None => b"/",
        Some(at) => &path[..at],
    }
}

/// The part of `name` that follows the search path entry `prefix`. An empty prefix fits every name.
pub(crate) fn below<'n>(prefix: &[u8], name: &'n [u8]) -> Option<&'n [u8]> {
    if prefix.is_empty() {
        return Some(name);
    }
    match name.strip_prefix(prefix)? {
        [] => Some(b""),
        [b'/', rest @ ..] => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{canonical, join, parent};

    #[test]
    fn paths_are_made_canonical() {
        for (given, clean) in [
            ("/", "/"),
            ("", "/"),
            ("/a//b/./c/", "/a/b/c"),
            ("/a/../..", "/"),
            ("/a/b/../c", "/a/c"),
        ] {
            assert_eq!(canonical(given.as_bytes()), clean.as_bytes(), "{given}");
        }
        assert_eq!(join(b"/a/b", b"../c"), b"/a/c");
        assert_eq!(join(b"/a/b", b"/c"), b"/c");
        assert_eq!(parent(b"/a/b"), b"/a");
        assert_eq!(parent(b"/a"), b"/");
    }
}
