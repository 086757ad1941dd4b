//! The locales of a prefix as the one file in which glibc looks them up, `locale-archive`. The C
//! library's path of the folder of locales cannot be changed, that of the archive can. The bytes are
//! described in `docs/formats.md`.

use std::{collections::BTreeMap, io, path::Path};

use fs_err as fs;

use crate::{
    limits,
    regular::{self, Link},
};

/// The place of locales in packages, from the prefix: one folder each.
const FOLDER: &str = "lib/locale";

const MAGIC: u32 = 0xde02_0109;
/// The files of a locale in the order of the categories' numbers; `LC_ALL` has none.
pub(super) const CATEGORIES: [Option<&str>; 13] = [
    Some("LC_CTYPE"),
    Some("LC_NUMERIC"),
    Some("LC_TIME"),
    Some("LC_COLLATE"),
    Some("LC_MONETARY"),
    Some("LC_MESSAGES/SYS_LC_MESSAGES"),
    None,
    Some("LC_PAPER"),
    Some("LC_NAME"),
    Some("LC_ADDRESS"),
    Some("LC_TELEPHONE"),
    Some("LC_MEASUREMENT"),
    Some("LC_IDENTIFICATION"),
];
const HEADER: usize = 14 * 4;
const SLOT: usize = 3 * 4;
const RECORD: usize = 4 + 8 * CATEGORIES.len();

/// A locale: its name and the content of each category.
type Locale = (String, Vec<Vec<u8>>);

/// Replaces the folders of locales by an archive.
pub(super) fn archive(prefix: &Path) -> io::Result<()> {
    let folder = prefix.join(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    let mut locales: Vec<Locale> = Vec::new();
    let mut size = 0;
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let read = |category: &Option<&str>| match category {
            Some(file) => {
                regular::read(&entry.path().join(file), Link::Follow, limits::PROGRAM - size)
            }
            None => Ok(Vec::new()),
        };
        let categories: Vec<Vec<u8>> = CATEGORIES.iter().map(read).collect::<io::Result<_>>()?;
        let read: usize = categories.iter().map(Vec::len).sum();
        // places in the archive have 32 bits
        size = limits::PROGRAM.min(size + read as u64);
        locales.push((entry.file_name().to_string_lossy().into_owned(), categories));
    }
    locales.sort();
    crate::files::remove_tree(&folder)?;
    fs::create_dir(&folder)?;
    fs::write(folder.join("locale-archive"), write(&locales))
}

fn write(locales: &[Locale]) -> Vec<u8> {
    let slots = (2 * locales.len() as u32 + 3..).find(|n| is_prime(*n)).unwrap_or(5);
    let names_at = HEADER + SLOT * slots as usize;
    let names_size: usize = locales.iter().map(|(name, _)| name.len() + 1).sum();
    let records_at = (names_at + names_size).next_multiple_of(4);
    let records_end = records_at + RECORD * locales.len();

    let (mut table, mut names) = (vec![[0u32; 3]; slots as usize], Vec::new());
    let (mut records, mut content) = (Vec::new(), Vec::new());
    // locales share many categories
    let mut places: BTreeMap<&[u8], u32> = BTreeMap::new();
    for (n, (name, categories)) in locales.iter().enumerate() {
        let name_at = (names_at + names.len()) as u32;
        names.extend_from_slice(name.as_bytes());
        names.push(0);
        let hash = hash(name);
        let (mut slot, step) = (hash % slots, 1 + hash % (slots - 2));
        while table[slot as usize][2] != 0 {
            slot = (slot + step) % slots;
        }
        table[slot as usize] = [hash, name_at, (records_at + RECORD * n) as u32];

        records.push(1);
        for category in categories {
            let place = *places.entry(category).or_insert_with(|| {
                let at = (records_end + content.len()).next_multiple_of(16);
                content.resize(at - records_end, 0);
                content.extend_from_slice(category);
                at as u32
            });
            records.extend([place, category.len() as u32]);
        }
    }
    let count = locales.len() as u32;
    let head = [
        MAGIC,
        // a number that grows with each change of an archive
        1,
        HEADER as u32,
        count,
        slots,
        names_at as u32,
        names_size as u32,
        names_size as u32,
        records_at as u32,
        count,
        count,
        // a table for those who add locales, which nobody does here
        records_end as u32,
        0,
        0,
    ];
    let mut out = Vec::with_capacity(records_end + content.len());
    let words = |out: &mut Vec<u8>, words: &mut dyn Iterator<Item = u32>| {
        words.for_each(|word| out.extend(word.to_le_bytes()));
    };
    words(&mut out, &mut head.into_iter());
    words(&mut out, &mut table.into_iter().flatten());
    out.extend(names);
    out.resize(records_at, 0);
    words(&mut out, &mut records.into_iter());
    out.extend(content);
    out
}

/// The hash of a name, never 0.
fn hash(name: &str) -> u32 {
    let mix = |hash: u32, byte: u8| hash.rotate_left(9).wrapping_add(u32::from(byte));
    match name.bytes().fold(name.len() as u32, mix) {
        0 => u32::MAX,
        hash => hash,
    }
}

fn is_prime(n: u32) -> bool {
    (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_locale_is_found_as_the_c_library_looks() {
        let names = ["C.utf8", "de_DE.utf8", "en_US.utf8", "ja_JP.utf8", "x"];
        let content = |name: &str, n: usize| format!("{}{n}", if n == 3 { "same" } else { name });
        let locales: Vec<Locale> = names
            .iter()
            .map(|name| ((*name).into(), (0..13).map(|n| content(name, n).into()).collect()))
            .collect();
        let archive = write(&locales);
        let word = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap());
        let (table, slots) = (word(8) as usize, word(16));
        for name in names {
            let hash = hash(name);
            let (mut slot, step) = (hash % slots, 1 + hash % (slots - 2));
            let record = loop {
                let at = table + SLOT * slot as usize;
                assert_ne!(word(at + 8), 0, "{name} is not found");
                let text = &archive[word(at + 4) as usize..];
                if word(at) == hash && text.starts_with(format!("{name}\0").as_bytes()) {
                    break word(at + 8) as usize;
                }
                slot = (slot + step) % slots;
            };
            for n in 0..13 {
                let (at, length) = (word(record + 4 + 8 * n) as usize, word(record + 8 + 8 * n));
                let found = &archive[at..at + length as usize];
                assert_eq!(found, content(name, n).as_bytes());
                assert_eq!(at % 16, 0);
            }
        }
    }
}
