//! The names in git's index (gitformat-index(5)): tracked files are never ignored.

/// The paths of the files that a repository tracks, relative to its work tree and sorted; a submodule is
/// one of them.
#[derive(Debug, Default)]
pub(super) struct Tracked(Vec<Vec<u8>>);

impl Tracked {
    /// Reads an index. `digest` is the size of the repository's hashes: 20 or 32 bytes. `None` if the
    /// format is unknown.
    pub(super) fn parse(index: &[u8], digest: usize) -> Option<Self> {
        let number = |at: usize| {
            Some(u32::from_be_bytes(index.get(at..at + 4)?.try_into().expect("4 bytes")))
        };
        let version = number(4)?;
        if !index.starts_with(b"DIRC") || !(2..=4).contains(&version) {
            return None;
        }
        let mut at = 12;
        let mut names: Vec<Vec<u8>> = Vec::new();
        for _ in 0..number(8)? {
            let start = at;
            let flags = start + 40 + digest;
            let extended = index.get(flags)? & 0x40 != 0;
            at = flags + if extended { 4 } else { 2 };
            let mut name = Vec::new();
            if version == 4 {
                let (dropped, behind) = variable(index, at)?;
                at = behind;
                let before = names.last().map_or(&[][..], Vec::as_slice);
                name.extend_from_slice(&before[..before.len().checked_sub(dropped)?]);
            }
            let length = memchr::memchr(0, index.get(at..)?)?;
            name.extend_from_slice(&index[at..at + length]);
            at += length + 1;
            if version < 4 {
                // entries are padded to a multiple of eight bytes
                at = start + (at - start).next_multiple_of(8);
            }
            names.push(name);
        }
        names.sort_unstable();
        Some(Self(names))
    }

    /// True if the path is tracked.
    pub(super) fn holds(&self, path: &[u8]) -> bool {
        self.0.binary_search_by(|name| name.as_slice().cmp(path)).is_ok()
    }

    /// True if a file below the folder is tracked.
    pub(super) fn holds_below(&self, folder: &[u8]) -> bool {
        let prefix = [folder, b"/"].concat();
        let at = self.0.partition_point(|name| name.as_slice() < prefix.as_slice());
        self.0.get(at).is_some_and(|name| name.starts_with(&prefix))
    }
}

/// A variable-length number, as in the offsets of packs, and the position after it.
fn variable(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let mut at = start;
    let mut byte = *bytes.get(at)?;
    let mut number = usize::from(byte & 127);
    while byte & 128 != 0 {
        at += 1;
        byte = *bytes.get(at)?;
        number = number.checked_add(1)?.checked_mul(128)? | usize::from(byte & 127);
    }
    Some((number, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(version: u32, names: &[&str]) -> Vec<u8> {
        let mut bytes = [b"DIRC", &version.to_be_bytes()[..]].concat();
        bytes.extend(u32::try_from(names.len()).unwrap().to_be_bytes());
        let mut before = "";
        for name in names {
            let start = bytes.len();
            bytes.extend([0; 62]);
            if version == 4 {
                let shared = name.bytes().zip(before.bytes()).take_while(|(a, b)| a == b).count();
                bytes.push(u8::try_from(before.len() - shared).unwrap());
                bytes.extend(name[shared..].bytes().chain([0]));
            } else {
                bytes.extend(name.bytes().chain([0]));
                bytes.resize(start + (bytes.len() - start).next_multiple_of(8), 0);
            }
            before = name;
        }
        bytes
    }

    #[test]
    fn tracked_names_are_found() {
        for version in [2, 3, 4] {
            let names = ["a", "dir/file", "dir/other", "dir.txt", "sub"];
            let tracked = Tracked::parse(&index(version, &names), 20).unwrap();
            assert!(names.iter().all(|name| tracked.holds(name.as_bytes())));
            assert!(tracked.holds_below(b"dir") && !tracked.holds(b"dir"));
            assert!(!tracked.holds_below(b"di") && !tracked.holds_below(b"a"));
        }
        let whole = index(2, &["a", "b"]);
        for cut in 0..whole.len() - 8 {
            assert!(Tracked::parse(&whole[..cut], 20).is_none(), "{cut}");
        }
        assert!(Tracked::parse(&index(5, &[]), 20).is_none());
    }
}
