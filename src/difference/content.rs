//! The difference of two files. If both can be taken apart, their parts are compared one by one.

use std::{
    io::{self, Read},
    path::Path,
};

use rustc_hash::FxHashMap;

use super::{Change, Difference, MOST, Window, container::Container, formats};
use crate::tree::{Bounds, TreeError};

/// Files larger than this are not taken apart. A compressed one becomes no more than this, one in it half of that,
/// and so on: so archives in archives have a bound together. Less in tests, in which some files are larger.
const LARGEST: usize = if cfg!(test) { 1 << 20 } else { 256 << 20 };

/// How many archives may be in one another.
const DEEPEST: usize = 8;

/// Bytes that are shown before the first difference, and in all.
const BEFORE: usize = 16;
const SHOWN: usize = 48;

/// The file that is being compared.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) members: Vec<String>,
}

impl Place {
    pub(super) fn differs(&self, change: Change) -> Difference {
        Difference { path: self.path.clone(), members: self.members.clone(), change }
    }

    fn member(&self, name: &str) -> Self {
        let mut place = self.clone();
        place.members.push(name.to_owned());
        place
    }

    /// The name that tells what kind of file this is.
    fn name(&self) -> &str {
        self.members.last().unwrap_or(&self.path)
    }
}

/// Compares two files.
pub(super) fn files(
    place: &Place,
    old: &Path,
    new: &Path,
    found: &mut Vec<Difference>,
    bounds: Bounds<'_>,
) -> Result<(), TreeError> {
    let sizes = (fs_err::metadata(old)?.len(), fs_err::metadata(new)?.len());
    if is_small(sizes.0) && is_small(sizes.1) {
        bytes(place, &fs_err::read(old)?, &fs_err::read(new)?, found);
        return Ok(());
    }
    let [mut old, mut new] = [fs_err::File::open(old)?, fs_err::File::open(new)?];
    let mut at = 0;
    loop {
        bounds.check()?;
        let [old, new] = [block(&mut old)?, block(&mut new)?];
        if let Some(window) = window(&old, &new) {
            let (offset, start) = (window.offset + at, window.start + at);
            found.push(place.differs(Change::Bytes(Window { offset, start, sizes, ..window })));
            return Ok(());
        }
        if old.is_empty() {
            return Ok(());
        }
        at += old.len() as u64;
    }
}

fn is_small(size: u64) -> bool {
    size <= LARGEST as u64
}

fn block(file: &mut fs_err::File) -> io::Result<Vec<u8>> {
    let mut block = Vec::new();
    file.take(1 << 20).read_to_end(&mut block)?;
    Ok(block)
}

/// Compares two contents in memory.
fn bytes(place: &Place, old: &[u8], new: &[u8], found: &mut Vec<Difference>) {
    if old == new || found.len() >= MOST {
        return;
    }
    let before = found.len();
    let depth = place.members.len();
    let most = LARGEST >> depth;
    if depth < DEEPEST
        && let Some(first) = formats::open(place.name(), old, most)
        && let Some(second) = formats::open(place.name(), new, most)
    {
        containers(place, &first, &second, found);
    }
    // the parts are equal, but not what holds them: how they were compressed, what stands between them
    if found.len() == before
        && let Some(window) = window(old, new)
    {
        found.push(place.differs(Change::Bytes(window)));
    }
}

fn containers(
    place: &Place,
    old: &Container<'_>,
    new: &Container<'_>,
    found: &mut Vec<Difference>,
) {
    fields(place, &old.fields, &new.fields, found);
    // an archive may hold a name twice: the second is compared with the second
    let (old_at, new_at) = (numbered(old), numbered(new));
    let mut last = None;
    let mut is_ordered = true;
    for (at, member) in old.members.iter().enumerate() {
        if found.len() >= MOST {
            return;
        }
        let place = place.member(&member.name);
        let Some(&other) = new_at.0.get(&old_at.1[at]) else {
            found.push(place.differs(Change::Missing));
            continue;
        };
        is_ordered &= last < Some(other);
        last = Some(other);
        let other = &new.members[other];
        fields(&place, &member.fields, &other.fields, found);
        bytes(&place, &member.content, &other.content, found);
    }
    for (at, member) in new.members.iter().enumerate() {
        if found.len() >= MOST {
            return;
        }
        if !old_at.0.contains_key(&new_at.1[at]) {
            found.push(place.member(&member.name).differs(Change::Added));
        }
    }
    if !is_ordered {
        found.push(place.differs(Change::Order));
    }
}

/// The index of each member, by its name and its number among those of that name; and these keys in order.
type Numbered<'a> = (FxHashMap<(&'a str, usize), usize>, Vec<(&'a str, usize)>);

fn numbered<'a>(container: &'a Container<'_>) -> Numbered<'a> {
    let mut seen: FxHashMap<&str, usize> = FxHashMap::default();
    let keys: Vec<_> = container
        .members
        .iter()
        .map(|member| {
            let count = seen.entry(&member.name).or_default();
            *count += 1;
            (&*member.name, *count)
        })
        .collect();
    (keys.iter().enumerate().map(|(at, key)| (*key, at)).collect(), keys)
}

fn fields(
    place: &Place,
    old: &[(&'static str, String)],
    new: &[(&'static str, String)],
    found: &mut Vec<Difference>,
) {
    for ((name, old), (_, new)) in old.iter().zip(new) {
        if old != new {
            found.push(place.differs(Change::Field(name, old.clone(), new.clone())));
        }
    }
}

/// The first difference and what is around it; nothing if there is none.
fn window(old: &[u8], new: &[u8]) -> Option<Window> {
    let common = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    if common == old.len() && common == new.len() {
        return None;
    }
    let start = common.saturating_sub(BEFORE);
    let part = |all: &[u8]| all[start..all.len().min(start + SHOWN)].to_vec();
    Some(Window {
        offset: common as u64,
        sizes: (old.len() as u64, new.len() as u64),
        start: start as u64,
        first: part(old),
        second: part(new),
    })
}
