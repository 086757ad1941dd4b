//! The names of archive entries, and the targets of links, before anything is written. Knows names
//! only, no files.

use crate::limits;

/// As [`clean_bytes`], of archives whose names are text.
///
/// # Errors
/// As [`clean_bytes`], and bytes that are not UTF-8.
pub(crate) fn clean(name: &[u8]) -> Result<String, &'static str> {
    String::from_utf8(clean_bytes(name)?).map_err(|_| "the name is not UTF-8")
}

/// Checks an entry's name and brings it into the form `a/b/c`: `./` in front and empty or `.`
/// parts are dropped. The root itself gives the empty name.
///
/// # Errors
/// If the name is absolute, has a `..` part, a NUL byte, more bytes or parts than a name may have
/// ([`limits`]).
pub(crate) fn clean_bytes(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    if name.len() > limits::NAME {
        return Err("the name is longer than 64 KiB");
    }
    if name.is_empty() {
        return Err("the name is empty");
    }
    if name.contains(&0) {
        return Err("the name has a NUL byte");
    }
    if name.starts_with(b"/") {
        return Err("the name is absolute");
    }
    let mut out = Vec::with_capacity(name.len());
    let mut parts = 0;
    for part in parts_of(name) {
        match part {
            b"" | b"." => continue,
            b".." => return Err("the name has a '..' part"),
            part if part.len() > 255 => return Err("a part of the name is longer than 255 bytes"),
            _ => {}
        }
        parts += 1;
        if parts > limits::DEPTH {
            return Err("the name has more than 1000 parts");
        }
        if !out.is_empty() {
            out.push(b'/');
        }
        out.extend_from_slice(part);
    }
    Ok(out)
}

/// True if a relative link at `name` (clean) leads to a place inside the root. A `..` may only stand in front and
/// must not climb above the root: behind a name, which may be another link, its target cannot be known from the text.
#[must_use]
pub(crate) fn link_stays_inside(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> bool {
    let (name, target) = (name.as_ref(), target.as_ref());
    let depth = parts_of(name).count() - 1;
    let mut parts = parts_of(target).filter(|part| !matches!(*part, b"" | b".")).peekable();
    let mut up = 0;
    while parts.next_if(|part| *part == b"..").is_some() {
        up += 1;
    }
    !target.starts_with(b"/") && up <= depth && parts.all(|part| part != b"..")
}

fn parts_of(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.split(|byte| *byte == b'/')
}

/// Drops the first `count` parts of a clean name; nothing if no part is left.
#[must_use]
pub(crate) fn strip(name: &str, count: usize) -> Option<&str> {
    let mut rest = name;
    for _ in 0..count {
        rest = rest.split_once('/')?.1;
    }
    (!rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_brought_into_one_form() {
        assert_eq!(clean(b"./usr//lib/./x"), Ok("usr/lib/x".into()));
        assert_eq!(clean(b"./"), Ok(String::new()));
        assert_eq!(clean(b"a\\b"), Ok("a\\b".into()));
    }

    #[test]
    fn unsafe_names_are_refused() {
        for name in [&b""[..], b"/etc/passwd", b"a/../b", b"..", b"a/..", b"a\0b", b"\xff", b"//a"]
        {
            assert!(clean(name).is_err(), "{name:?}");
        }
        assert!(clean(&[b'x'; 256]).is_err());
        // names that a recursion over their parts does not survive
        assert!(clean("a/".repeat(limits::DEPTH).as_bytes()).is_ok());
        assert!(clean("a/".repeat(limits::DEPTH + 1).as_bytes()).unwrap_err().contains("1000"));
        assert!(clean(&vec![b'/'; limits::NAME + 1]).unwrap_err().contains("longer"));
    }

    #[test]
    fn names_that_are_no_text_keep_the_other_rules() {
        assert_eq!(clean_bytes(b"./a\xe9//b"), Ok(b"a\xe9/b".to_vec()));
        assert_eq!(clean(b"a\xe9"), Err("the name is not UTF-8"));
        for name in [&b"/\xe9"[..], b"\xe9/..", b"../\xe9", b"\xe9\0"] {
            assert!(clean_bytes(name).is_err(), "{name:?}");
        }
        assert!(clean_bytes(&[0xe9; 256]).is_err());
        assert!(link_stays_inside(b"\xe9/b", b"../\xe9"));
        assert!(!link_stays_inside(b"\xe9", b"\xe9/../../c"));
    }

    #[test]
    fn links_do_not_leave() {
        assert!(link_stays_inside("a/b", "../c"));
        assert!(link_stays_inside("a/b/c", "./..//../d"));
        assert!(!link_stays_inside("a", "b/../c"));
        assert!(!link_stays_inside("a", "../c"));
        assert!(!link_stays_inside("a/b", "../../c"));
        assert!(!link_stays_inside("a/b", "x/../../../c"));
        assert!(!link_stays_inside("a", "/c"));
    }

    #[test]
    fn stripping_counts_parts() {
        assert_eq!(strip("a/b/c", 1), Some("b/c"));
        assert_eq!(strip("a", 1), None);
        assert_eq!(strip("a", 0), Some("a"));
    }
}
