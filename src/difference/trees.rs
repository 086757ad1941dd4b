//! Two trees, entry by entry.

use std::{
    cmp::Ordering,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use super::{
    Change, Difference, MOST,
    content::{self, Place},
};
use crate::tree::{Bounds, Listing, Node, NodeKind, TreeError};

/// The differences between the trees at `first` and `second`, as far as a tree hash sees them, ordered
/// by path. At most [`MOST`] differences are given.
///
/// # Errors
/// If a tree cannot be read, and if `bounds` say so.
pub(crate) fn trees(
    first: &Path,
    second: &Path,
    bounds: Bounds<'_>,
) -> Result<Vec<Difference>, TreeError> {
    let first = Listing::read_within(first, bounds)?;
    let second = Listing::read_within(second, bounds)?;
    let mut found = Vec::new();
    let (mut a, mut b) = (ordered(&first).peekable(), ordered(&second).peekable());
    while found.len() < MOST {
        let order = match (a.peek(), b.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let (path, change) = match order {
            Ordering::Less => (a.next(), Change::Missing),
            Ordering::Greater => (b.next(), Change::Added),
            Ordering::Equal => {
                let ((path, old), (_, new)) =
                    (a.next().expect("peeked"), b.next().expect("peeked"));
                bounds.check()?;
                entries(&text(path), old, new, &mut found, bounds)?;
                continue;
            }
        };
        let (path, _) = path.expect("peeked");
        // the entries of a folder that one tree lacks add nothing to the folder
        if !is_below_last(path, &change, &found) {
            found.push(Difference { path: text(path), members: Vec::new(), change });
        }
    }
    found.truncate(MOST);
    Ok(found)
}

/// The entries with their paths from the root on, in an order that both trees have.
fn ordered(listing: &Listing) -> impl Iterator<Item = (&Path, &Node)> {
    let mut nodes: Vec<_> = listing.nodes().iter().map(|n| (listing.relative(n), n)).collect();
    nodes.sort_unstable_by_key(|(path, _)| *path);
    nodes.into_iter()
}

fn is_below_last(path: &Path, change: &Change, found: &[Difference]) -> bool {
    found.last().is_some_and(|last| last.change == *change && path.starts_with(&last.path))
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned()
}

fn entries(
    path: &str,
    old: &Node,
    new: &Node,
    found: &mut Vec<Difference>,
    bounds: Bounds<'_>,
) -> Result<(), TreeError> {
    let place = Place { path: path.to_owned(), members: Vec::new() };
    if old.kind != new.kind {
        found.push(place.differs(Change::Kind(old.kind, new.kind)));
        return Ok(());
    }
    match old.kind {
        NodeKind::Directory => {}
        NodeKind::Symlink => {
            let [old, new] = [fs_err::read_link(&old.path)?, fs_err::read_link(&new.path)?];
            if old != new {
                found.push(place.differs(Change::Target(text(&old), text(&new))));
            }
        }
        NodeKind::File => {
            let executable = |node: &Node| -> std::io::Result<bool> {
                Ok(fs_err::metadata(&node.path)?.permissions().mode() & 0o100 != 0)
            };
            let [is_old, is_new] = [executable(old)?, executable(new)?];
            if is_old != is_new {
                found.push(place.differs(Change::Executable(is_old, is_new)));
            }
            content::files(&place, &old.path, &new.path, found, bounds)?;
        }
    }
    Ok(())
}
