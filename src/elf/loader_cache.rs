//! `ld.so.cache`: the file in which the dynamic linker of glibc finds the paths of libraries, so that a prefix needs
//! neither search paths in its files nor a variable in the environment. The bytes are described in `docs/formats.md`.

use std::{cmp::Ordering, collections::BTreeMap};

/// The format's name and version, not ended by NUL.
const MAGIC: &[u8; 20] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// A library for glibc 2 on x86-64 with 64 bits.
const FLAGS: u32 = 0x0303;
/// The header's mark for little-endian numbers.
const LITTLE_ENDIAN: u8 = 2;

/// The cache of the path of each library: name (`libz.so.1`) to path.
#[must_use]
pub(crate) fn write(libraries: &BTreeMap<String, String>) -> Vec<u8> {
    let mut sorted: Vec<_> = libraries.iter().collect();
    // the linker searches by halving, in an order that falls
    sorted.sort_by(|a, b| compare(b.0.as_bytes(), a.0.as_bytes()));

    let strings_at = HEADER + ENTRY * sorted.len();
    let (mut entries, mut strings) = (Vec::new(), Vec::new());
    for (name, path) in sorted {
        let mut add = |text: &str| {
            let at = strings_at + strings.len();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            at as u32
        };
        let (key, value) = (add(name), add(path));
        for word in [FLAGS, key, value, 0, 0, 0] {
            entries.extend_from_slice(&word.to_le_bytes());
        }
    }
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&(libraries.len() as u32).to_le_bytes());
    out.extend_from_slice(&(strings.len() as u32).to_le_bytes());
    out.push(LITTLE_ENDIAN);
    out.resize(HEADER, 0);
    out.extend(entries);
    out.extend(strings);
    out
}

/// The order of the names: byte by byte, but digits as one number, and digits after all else. Equal
/// only for names that are the same to the linker.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(x), _) if x.is_ascii_digit() => {
                if !b.first().is_some_and(u8::is_ascii_digit) {
                    return Ordering::Greater;
                }
                let (left, right) = (number(&mut a), number(&mut b));
                if left != right {
                    return left.cmp(&right);
                }
            }
            (Some(_), Some(y)) if y.is_ascii_digit() => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x != y => return x.cmp(y),
            _ => (a, b) = (&a[1..], &b[1..]),
        }
    }
}

/// Takes the digits in front. The linker's own number has 32 bits; no library has such a version.
fn number(text: &mut &[u8]) -> u64 {
    let digits = text.iter().take_while(|c| c.is_ascii_digit()).count();
    let (front, rest) = text.split_at(digits);
    *text = rest;
    front.iter().fold(0, |n, c| n.wrapping_mul(10).wrapping_add(u64::from(c - b'0')))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn sample() -> BTreeMap<String, String> {
        let names = ["libz.so.1", "libc.so.6", "libstdc++.so.6", "libdb-5.3.so", "libdb-18.1.so"];
        let more = ["ld-linux-x86-64.so.2", "libm.so.6", "libmvec.so.1", "libA.so.10", "libA.so.9"];
        names.iter().chain(&more).map(|n| ((*n).into(), format!("/store/x/lib/{n}"))).collect()
    }

    #[test]
    fn it_is_found_again_by_halving() {
        let (libraries, cache) = (sample(), write(&sample()));
        let u32_at = |at: usize| u32::from_le_bytes(cache[at..at + 4].try_into().unwrap()) as usize;
        let text = |at: usize| cache[at..].split(|b| *b == 0).next().unwrap();
        assert_eq!(u32_at(20), libraries.len());
        assert_eq!(HEADER + ENTRY * libraries.len() + u32_at(24), cache.len());
        for (name, path) in &libraries {
            let (mut low, mut high) = (0, libraries.len());
            let found = loop {
                assert!(low < high, "{name} is not found");
                let middle = usize::midpoint(low, high);
                let entry = HEADER + ENTRY * middle;
                match compare(name.as_bytes(), text(u32_at(entry + 4))) {
                    Ordering::Equal => break text(u32_at(entry + 8)),
                    Ordering::Less => low = middle + 1,
                    Ordering::Greater => high = middle,
                }
            };
            assert_eq!(found, path.as_bytes());
        }
    }

    #[test]
    fn names_are_ordered_as_the_linker_does() {
        for (less, more) in [
            ("libA.so.9", "libA.so.10"),
            ("liba", "liba.so"),
            ("lib-", "lib1"),
            ("libdb-5.3.so", "libdb-18.1.so"),
            ("libz", "lib0"),
            ("libA", "liba"),
        ] {
            assert_eq!(compare(less.as_bytes(), more.as_bytes()), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more.as_bytes(), less.as_bytes()), Ordering::Greater);
        }
        assert_eq!(compare(b"libx.so.01", b"libx.so.1"), Ordering::Equal);
    }

    #[test]
    fn the_system_s_ldconfig_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cache");
        fs_err::write(&file, write(&sample())).unwrap();
        let Ok(output) = Command::new("/sbin/ldconfig").arg("-p").arg("-C").arg(&file).output()
        else {
            eprintln!("SKIPPED: no ldconfig");
            return;
        };
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("10 libs found"), "{text}");
        for (name, path) in sample() {
            assert!(text.contains(&format!("{name} (libc6,x86-64) => {path}")), "{text}");
        }
    }
}
