//! Power cuts: what may be on disk when a recorded run (`Space::recorded`) loses its power at some
//! moment. Only what was synced is certain; all else may be there or not.
//!
//! The model is that of a file system with a journal, and of POSIX if that promises less. An operation on names is
//! there as a whole or not at all. Syncing a folder makes all earlier operations on its names certain; syncing a file
//! makes its content, mode and time certain, but not its name. A symlink cannot be synced: it is certain with its
//! name. Without a sync, later operations may be there before earlier ones; of the bytes of a write any sectors may
//! be there.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt, path::Path};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

/// The size of what a disk writes as a whole, in bytes.
const SECTOR: usize = 512;

/// A recorded run.
pub struct Record {
    /// How many inodes and operations at the start were there before.
    start: usize,
    operations: Vec<Operation>,
    /// The folder that everything is in.
    root: u64,
}

/// The part of the unsynced changes that survives.
#[derive(Clone, Copy, Debug)]
pub enum Luck {
    /// Nothing.
    None,
    /// All names, modes and times, but none of the bytes: files have their old content or are empty.
    Names,
    /// As `Names`, and files have their size, with zeros for bytes.
    Zeros,
    /// All that was done before some moment, nothing after it.
    Until(u64),
    /// Anything: each operation or not, each sector or not, by this seed.
    Any(u64),
}

#[derive(Clone, Debug)]
enum Operation {
    /// The end of the operations before the run.
    Start,
    Inode {
        inode: u64,
        kind: char,
        mode: u32,
        time: i64,
        content: Vec<u8>,
    },
    /// (folder, name, inode or 0), together.
    Names(Vec<(u64, Vec<u8>, u64)>),
    Data {
        inode: u64,
        at: usize,
        bytes: Vec<u8>,
    },
    Size {
        inode: u64,
        size: usize,
    },
    Mode {
        inode: u64,
        mode: u32,
        time: i64,
    },
    /// An inode, or everything, with all that was recorded before a number.
    Sync {
        before: usize,
        inode: Option<u64>,
    },
}

struct Inode<'a> {
    kind: char,
    mode: u32,
    time: i64,
    content: Vec<u8>,
    names: BTreeMap<&'a [u8], u64>,
}

impl Record {
    /// Reads what `fault.c` has written.
    ///
    /// # Panics
    /// If it is something else.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let mut operations = Vec::new();
        while let Some(end) = find(b'\n', rest) {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            let mut content = |length: usize| {
                let content = rest[..length].to_vec();
                rest = &rest[length + 1..];
                content
            };
            // a name may hold spaces: it is the last field
            let fields: Vec<&[u8]> =
                line.splitn(5 + usize::from(b"IR".contains(&line[0])), |b| *b == b' ').collect();
            let text = |n: usize| std::str::from_utf8(fields[n]).unwrap();
            let number =
                |n: usize| text(n).parse::<u64>().unwrap_or_else(|_| panic!("{}", text(n)));
            let size = |n: usize| usize::try_from(number(n)).unwrap();
            let octal = |n: usize| u32::from_str_radix(text(n), 8).unwrap();
            operations.push(match line[0] {
                b'B' => Operation::Start,
                b'I' => Operation::Inode {
                    inode: number(1),
                    kind: char::from(fields[2][0]),
                    mode: octal(3),
                    time: text(4).parse().unwrap(),
                    content: content(size(5)),
                },
                b'N' => {
                    let name = line.splitn(4, |b| *b == b' ').nth(3).unwrap();
                    Operation::Names(vec![(number(1), name.to_vec(), number(2))])
                }
                b'R' => {
                    let slash = find(b'/', fields[5]).unwrap();
                    let (from, to) = (fields[5][..slash].to_vec(), fields[5][slash + 1..].to_vec());
                    Operation::Names(vec![(number(1), from, number(4)), (number(2), to, number(3))])
                }
                b'D' => Operation::Data { inode: number(1), at: size(2), bytes: content(size(3)) },
                b'T' => Operation::Size { inode: number(1), size: size(2) },
                b'A' => Operation::Mode {
                    inode: number(1),
                    mode: octal(2),
                    time: text(3).parse().unwrap(),
                },
                b'S' => Operation::Sync { before: size(1), inode: Some(number(2)) },
                b'Y' => Operation::Sync { before: size(1), inode: None },
                _ => panic!("'{}'", String::from_utf8_lossy(line)),
            });
        }
        let is_start = |operation: &Operation| matches!(operation, Operation::Start);
        let start = operations.iter().position(is_start).expect("a start");
        let Some(Operation::Inode { inode: root, .. }) = operations.first() else {
            panic!("no root")
        };
        Self { start, root: *root, operations }
    }

    /// The moments at which the power may fail: a number of operations each.
    #[must_use]
    pub fn moments(&self) -> std::ops::RangeInclusive<usize> {
        self.start + 1..=self.operations.len()
    }

    /// The operation before a moment, for messages.
    #[must_use]
    pub fn last(&self, moment: usize) -> String {
        let mut text = format!("{:?}", self.operations[moment - 1]);
        text.truncate(120);
        text
    }

    /// Makes in `folder`, which is empty, what is there after the power has failed at a moment. Only the
    /// top-level entries that are named are made.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn make(&self, moment: usize, luck: Luck, folder: &Path, wanted: &[&str]) {
        let certain = self.certain(moment);
        let mut inodes: BTreeMap<u64, Inode<'_>> = BTreeMap::new();
        let mut random = Random(match luck {
            Luck::Any(seed) | Luck::Until(seed) => seed ^ ((moment as u64) << 32),
            _ => 0,
        });
        let until = match luck {
            Luck::Until(_) => random.below(moment + 1),
            _ => 0,
        };
        for (n, operation) in self.operations[..moment].iter().enumerate() {
            let is_there = match luck {
                _ if certain[n] => true,
                Luck::None => false,
                Luck::Names | Luck::Zeros => true,
                Luck::Until(_) => n < until,
                Luck::Any(_) => random.below(2) == 0,
            };
            match operation {
                // an inode that has no name is nowhere
                Operation::Inode { inode, kind, mode, time, content } => {
                    let content = match (luck, kind) {
                        _ if certain[n] || *kind == 'l' => content.clone(),
                        (Luck::Zeros, _) => vec![0; content.len()],
                        (Luck::Until(_) | Luck::Any(_), _) if is_there => content.clone(),
                        (Luck::Any(_), _) => content[..random.below(content.len() + 1)].to_vec(),
                        _ => Vec::new(),
                    };
                    let names = BTreeMap::new();
                    inodes.insert(
                        *inode,
                        Inode { kind: *kind, mode: *mode, time: *time, content, names },
                    );
                }
                Operation::Names(names) if is_there => {
                    for (folder, name, inode) in names {
                        let Some(folder) = inodes.get_mut(folder) else { continue };
                        match inode {
                            0 => folder.names.remove(&name[..]),
                            inode => folder.names.insert(name, *inode),
                        };
                    }
                }
                Operation::Data { inode, at, bytes } => {
                    let Some(file) = inodes.get_mut(inode) else { continue };
                    let end = at + bytes.len();
                    let torn = matches!(luck, Luck::Any(_)) && !certain[n];
                    if is_there && !matches!(luck, Luck::Names) || torn || certain[n] {
                        if file.content.len() < end {
                            file.content.resize(end, 0);
                        }
                        let zeros = matches!(luck, Luck::Zeros) && !certain[n];
                        for (piece, bytes) in bytes.chunks(SECTOR).enumerate() {
                            let from = at + piece * SECTOR;
                            if zeros || torn && random.below(2) == 0 {
                                continue;
                            }
                            file.content[from..from + bytes.len()].copy_from_slice(bytes);
                        }
                    }
                }
                Operation::Size { inode, size } if is_there => {
                    if let Some(file) = inodes.get_mut(inode) {
                        file.content.resize(*size, 0);
                    }
                }
                Operation::Mode { inode, mode, time } if is_there => {
                    if let Some(file) = inodes.get_mut(inode) {
                        (file.mode, file.time) = (*mode, *time);
                    }
                }
                _ => {}
            }
        }
        let mut made = BTreeMap::new();
        let root = &inodes[&self.root];
        for (name, inode) in &root.names {
            if wanted.iter().any(|wanted| wanted.as_bytes() == *name) {
                put(&inodes, *inode, &folder.join(text(name)), &mut made);
            }
        }
    }

    /// Which operations are on disk for certain when the power fails at a moment.
    fn certain(&self, moment: usize) -> Vec<bool> {
        let mut all = self.start;
        // by inode, the number before which everything about it is certain
        let mut synced: BTreeMap<u64, usize> = BTreeMap::new();
        for operation in &self.operations[self.start..moment] {
            match operation {
                Operation::Sync { before, inode: None } => all = all.max(*before),
                Operation::Sync { before, inode: Some(inode) } => {
                    let known = synced.entry(*inode).or_default();
                    *known = (*known).max(*before);
                }
                _ => {}
            }
        }
        // the folders of symlinks
        let mut symlinks: BTreeMap<u64, u64> = BTreeMap::new();
        for operation in &self.operations[..moment] {
            match operation {
                Operation::Inode { inode, kind: 'l', .. } => drop(symlinks.insert(*inode, 0)),
                Operation::Names(names) => {
                    for (folder, _, inode) in names {
                        symlinks.entry(*inode).and_modify(|known| *known = *folder);
                    }
                }
                _ => {}
            }
        }
        let is_synced = |n: usize, inode: &u64| {
            let inode = symlinks.get(inode).unwrap_or(inode);
            synced.get(inode).is_some_and(|before| n < *before)
        };
        let operations = self.operations[..moment].iter().enumerate();
        operations
            .map(|(n, operation)| {
                n < all
                    || match operation {
                        Operation::Inode { inode, .. }
                        | Operation::Data { inode, .. }
                        | Operation::Size { inode, .. }
                        | Operation::Mode { inode, .. } => is_synced(n, inode),
                        Operation::Names(names) => {
                            names.iter().any(|(folder, ..)| is_synced(n, folder))
                        }
                        Operation::Start | Operation::Sync { .. } => true,
                    }
            })
            .collect()
    }
}

/// Puts an inode to a place, with what is below it.
fn put<'a>(
    inodes: &BTreeMap<u64, Inode<'a>>,
    inode: u64,
    place: &Path,
    made: &mut BTreeMap<u64, std::path::PathBuf>,
) {
    let Some(found) = inodes.get(&inode) else { return };
    match found.kind {
        'l' => std::os::unix::fs::symlink(text(&found.content), place).unwrap(),
        'd' => {
            fs_err::create_dir(place).unwrap();
            for (name, inode) in &found.names {
                put(inodes, *inode, &place.join(text(name)), made);
            }
        }
        _ => {
            if let Some(other) = made.get(&inode) {
                return fs_err::hard_link(other, place).unwrap();
            }
            fs_err::write(place, &found.content).unwrap();
            made.insert(inode, place.to_owned());
        }
    }
    if found.kind != 'l' {
        fs_err::set_permissions(place, std::fs::Permissions::from_mode(found.mode)).unwrap();
    }
    let time = Timespec { tv_sec: found.time, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn find(wanted: u8, bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == wanted)
}

fn text(bytes: &[u8]) -> &Path {
    Path::new(std::str::from_utf8(bytes).unwrap())
}

/// A small generator of numbers that are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }
}
