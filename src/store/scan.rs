//! The reference scan: finds the store paths that occur in a tree, by their digests in file contents, symlink
//! targets and names. A digest is 32 characters of base 32, so a run of bytes
//! that is shorter cannot hold one; most of a file is passed in steps of a digest's length.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use rustc_hash::FxHashMap;

use crate::store_path::{DIGEST_LEN, StorePath, is_nix32};

/// A search for some paths. Any thread may feed it.
pub(super) struct Scan<'a> {
    wanted: FxHashMap<[u8; DIGEST_LEN], usize>,
    paths: &'a [StorePath],
    found: Vec<AtomicBool>,
}

/// The end of what was fed before, since a digest may lie across two pieces of a file.
#[derive(Default)]
pub(super) struct Tail(Vec<u8>);

impl<'a> Scan<'a> {
    pub(super) fn new(paths: &'a [StorePath]) -> Self {
        let digest = |path: &StorePath| path.digest().as_bytes().try_into().unwrap_or_default();
        Self {
            wanted: paths.iter().enumerate().map(|(n, path)| (digest(path), n)).collect(),
            paths,
            found: paths.iter().map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Looks through bytes that stand alone.
    pub(super) fn whole(&self, bytes: &[u8]) {
        if !self.wanted.is_empty() {
            self.look(bytes);
        }
    }

    /// Looks through the next piece of a file.
    pub(super) fn piece(&self, tail: &mut Tail, bytes: &[u8]) {
        if self.wanted.is_empty() {
            return;
        }
        const KEEP: usize = DIGEST_LEN - 1;
        let Tail(tail) = tail;
        tail.extend_from_slice(&bytes[..bytes.len().min(KEEP)]);
        self.look(tail);
        if bytes.len() >= KEEP {
            self.look(bytes);
            tail.clear();
            tail.extend_from_slice(&bytes[bytes.len() - KEEP..]);
        } else {
            tail.drain(..tail.len().saturating_sub(KEEP));
        }
    }

    /// The paths found.
    pub(super) fn found(&self) -> BTreeSet<StorePath> {
        let found = |n: &usize| self.found[*n].load(Ordering::Relaxed);
        (0..self.paths.len()).filter(found).map(|n| self.paths[n].clone()).collect()
    }

    fn look(&self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(window) = bytes.get(at..at + DIGEST_LEN) {
            if let Some(other) = window.iter().rposition(|b| !is_nix32(*b)) {
                at += other + 1;
                continue;
            }
            // a run of at least a digest's length: every place in it may be one
            at = loop {
                let window = bytes[at..].first_chunk().and_then(|w| self.wanted.get(w));
                if let Some(n) = window {
                    self.found[*n].store(true, Ordering::Relaxed);
                }
                match bytes.get(at + DIGEST_LEN) {
                    Some(next) if is_nix32(*next) => at += 1,
                    _ => break at + DIGEST_LEN + 1,
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(n: u8) -> StorePath {
        StorePath::new(&[n.wrapping_mul(37); 20], "x").unwrap()
    }

    proptest! {
        #[test]
        fn a_digest_is_found_wherever_it_stands(
            before in "[a-z0-9/ ]{0,80}", after in "[a-z0-9/ ]{0,80}", cut in any::<prop::sample::Index>(),
            cut_again in any::<prop::sample::Index>(), n in 0u8..4,
        ) {
            let paths: Vec<StorePath> = (0..4).map(path).collect();
            let text = format!("{before}{}{after}", paths[usize::from(n)].digest());
            let scan = Scan::new(&paths);
            let mut cuts = [cut.index(text.len()), cut_again.index(text.len())];
            cuts.sort_unstable();
            let mut tail = Tail::default();
            scan.piece(&mut tail, &text.as_bytes()[..cuts[0]]);
            scan.piece(&mut tail, &text.as_bytes()[cuts[0]..cuts[1]]);
            scan.piece(&mut tail, &text.as_bytes()[cuts[1]..]);
            prop_assert_eq!(scan.found(), BTreeSet::from([paths[usize::from(n)].clone()]));
        }

        #[test]
        fn part_of_a_digest_is_none(missing in 0usize..32, n in 0u8..4) {
            let paths: Vec<StorePath> = (0..4).map(path).collect();
            let mut text = paths[usize::from(n)].digest().to_owned();
            text.replace_range(missing..=missing, "-");
            let scan = Scan::new(&paths);
            scan.whole(text.as_bytes());
            prop_assert_eq!(scan.found(), BTreeSet::new());
        }
    }
}
