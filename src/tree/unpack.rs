//! Reads the entries that `pack` writes. It accepts exactly their bytes (the compression may differ). An error
//! names the entry and the reason. So a tree has one form, and an entry needs no more memory than its name.

use std::{
    ffi::OsStr,
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
};

use fs_err::os::unix::fs::OpenOptionsExt;
use tar::{EntryType, Header};

use super::pack::{LONG, SHORT, header};
use crate::limits;

/// Entries are made of blocks of this size.
const BLOCK: usize = 512;

/// An error of reading an archive.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The stream ends too early or does not inflate; or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An entry differs from the one that `pack` writes.
    #[error("entry '{entry}': {problem}")]
    Entry {
        /// Its name.
        entry: String,
        /// The problem.
        problem: String,
    },
    /// The archive does not match the announced entries.
    #[error("{0}")]
    Whole(String),
}

/// The bounds of a tree: the numbers that the archive announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Entries: files, folders and symlinks.
    pub entries: u64,
    /// Bytes in files and symlink targets.
    pub size: u64,
}

/// Reads the entries of one tree, whose names start with `name`, and makes the tree at `target`,
/// which does not exist yet.
///
/// # Errors
/// If the entries are not those of such a tree; what was made so far is left.
pub fn unpack(
    from: &mut dyn Read,
    name: &str,
    target: &Path,
    announced: Announced,
) -> Result<(), UnpackError> {
    let mut last: Option<Place> = None;
    let (mut entries, mut size) = (0, 0);
    while let Some(entry) = read(from)? {
        let refuse = |problem: &str| Err(entry.refuse(problem));
        entries += 1;
        if entries > announced.entries {
            return refuse(&format!("more than the {} entries announced", announced.entries));
        }
        let below = match place(&entry.name, name) {
            Ok(below) => below.to_owned(),
            Err(problem) => return refuse(&problem),
        };
        let place = Place { below, is_folder: entry.kind == EntryType::Directory };
        if let Err(problem) = place.follows(last.as_ref()) {
            return refuse(problem);
        }
        let path = match &place.below[..] {
            [] => target.to_owned(),
            below => target.join(OsStr::from_bytes(below)),
        };
        size += match make(&entry, from, &path, announced.size - size) {
            Ok(size) => size,
            Err(Refusal::Problem(problem)) => return refuse(&problem),
            Err(Refusal::Io(e)) => return Err(e.into()),
        };
        last = Some(place);
    }
    if (entries, size) != (announced.entries, announced.size) {
        let Announced { entries: all, size: bytes } = announced;
        return Err(UnpackError::Whole(format!(
            "{entries} entries with {size} bytes, but {all} with {bytes} were announced"
        )));
    }
    Ok(())
}

/// Reads an archive's one file of that name and at most `limit` bytes.
///
/// # Errors
/// If it is not exactly that.
pub fn unpack_bytes(from: &mut dyn Read, name: &str, limit: u64) -> Result<Vec<u8>, UnpackError> {
    let other = || UnpackError::Whole(format!("expected one file '{name}' and nothing else"));
    let entry =
        read(from)?.ok_or_else(|| UnpackError::Whole(format!("there is no file '{name}'")))?;
    let is_it = entry.kind == EntryType::Regular && entry.mode == 0o444;
    if !is_it || entry.name != name.as_bytes() || entry.size > limit {
        return Err(other());
    }
    let mut content = Vec::new();
    Read::take(&mut *from, entry.size).read_to_end(&mut content)?;
    if content.len() as u64 != entry.size {
        return Err(entry.refuse(&format!(
            "it ends after {} of {} bytes",
            content.len(),
            entry.size
        )));
    }
    padding(from, entry.size).map_err(|problem| entry.refused(problem))?;
    match read(from)? {
        None => Ok(content),
        Some(_) => Err(other()),
    }
}

/// An entry up to its content.
struct Entry {
    name: Vec<u8>,
    target: Vec<u8>,
    kind: EntryType,
    mode: u32,
    size: u64,
}

impl Entry {
    fn refuse(&self, problem: &str) -> UnpackError {
        refuse(&self.name, problem)
    }

    fn refused(&self, refusal: Refusal) -> UnpackError {
        match refusal {
            Refusal::Problem(problem) => self.refuse(&problem),
            Refusal::Io(error) => error.into(),
        }
    }
}

/// The bytes of a name that a message shows.
const SHOWN: usize = 200;

fn refuse(name: &[u8], problem: &str) -> UnpackError {
    let more = if name.len() > SHOWN { "..." } else { "" };
    let shown = String::from_utf8_lossy(&name[..name.len().min(SHOWN)]);
    let entry = format!("{}{more}", shown.escape_debug());
    UnpackError::Entry { entry, problem: problem.to_owned() }
}

/// The place of an entry in its tree.
struct Place {
    /// Names with slashes between them; empty for the root.
    below: Vec<u8>,
    is_folder: bool,
}

impl Place {
    /// True if this entry may follow that one: its folder was made by an earlier entry,
    /// so that no link is ever followed, and each tree has one order.
    fn follows(&self, last: Option<&Self>) -> Result<(), &'static str> {
        let Some(last) = last else {
            return match self.below.is_empty() {
                true => Ok(()),
                false => Err("its folder must come before it"),
            };
        };
        if self.below.is_empty() {
            return Err("the archive has a second tree");
        }
        let folder =
            self.below.iter().rposition(|b| *b == b'/').map_or(&[][..], |at| &self.below[..at]);
        // what the last entry is in are folders; it may be one itself
        let is_made = match last.below.strip_prefix(folder) {
            Some([]) => last.is_folder,
            Some([b'/', ..]) => true,
            Some(_) => folder.is_empty(),
            None => false,
        };
        if !is_made {
            return Err("its folder must come before it");
        }
        let is_later = || names(&last.below).lt(names(&self.below));
        match last.below.is_empty() || is_later() {
            true => Ok(()),
            false if last.below == self.below => Err("the name occurs twice"),
            false => Err("it is out of order, expected names sorted by their bytes"),
        }
    }
}

fn names(below: &[u8]) -> impl Iterator<Item = &[u8]> {
    below.split(|byte| *byte == b'/')
}

enum Refusal {
    Problem(String),
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

fn problem<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Problem(text.into()))
}

/// The next entry; `None` if the stream ends.
fn read(from: &mut dyn Read) -> Result<Option<Entry>, UnpackError> {
    let (mut target, mut name) = (None, None);
    loop {
        let mut block = [0; BLOCK];
        match fill(from, &mut block)? {
            0 if target.is_none() && name.is_none() => return Ok(None),
            BLOCK => {}
            _ => {
                return Err(UnpackError::Whole(
                    "the archive ends in the header of an entry".to_owned(),
                ));
            }
        }
        if block == [0; BLOCK] {
            return Err(UnpackError::Whole("bytes follow the last entry".to_owned()));
        }
        let found = Header::from_byte_slice(&block);
        let kind = found.entry_type();
        let own = found.as_old().name;
        let own = own.split(|b| *b == 0).next().unwrap_or_default();
        let (long, limit) = match kind {
            // the target comes before the name
            EntryType::GNULongLink if target.is_none() && name.is_none() => {
                (&mut target, limits::LINK_TARGET)
            }
            EntryType::GNULongName if name.is_none() => (&mut name, limits::NAME),
            _ => return entry(found, name.as_deref().unwrap_or(own), target).map(Some),
        };
        let what = if kind == EntryType::GNULongLink { "target" } else { "name" };
        let refuse = |problem: String| refuse(own, &problem);
        let size = found.entry_size().map_err(|e| refuse(e.to_string()))?;
        if size > limit as u64 + 1 {
            return Err(refuse(format!(
                "a {what} of {size} bytes follows, at most {limit} are allowed"
            )));
        }
        if size <= SHORT as u64 + 1 || header(kind, LONG, b"", 0, size).as_bytes() != &block {
            return Err(refuse(format!("the long {what} is not in the canonical form")));
        }
        let mut text = vec![0; size as usize];
        from.read_exact(&mut text)?;
        padding(from, size).map_err(|e| match e {
            Refusal::Problem(problem) => refuse(problem),
            Refusal::Io(e) => e.into(),
        })?;
        if text.pop() != Some(0) || text.contains(&0) {
            return Err(refuse(format!("the long {what} must end with its only zero byte")));
        }
        *long = Some(text);
    }
}

/// Reads the entry of a header, which must be the one that `pack` writes.
fn entry(found: &Header, name: &[u8], target: Option<Vec<u8>>) -> Result<Entry, UnpackError> {
    let refuse = |problem: String| refuse(name, &problem);
    let kind = found.entry_type();
    match kind {
        EntryType::Regular | EntryType::Directory | EntryType::Symlink => {}
        EntryType::Link => return Err(refuse("hard links are not allowed".to_owned())),
        EntryType::XHeader | EntryType::XGlobalHeader => {
            return Err(refuse("extended headers (PAX) are not allowed".to_owned()));
        }
        _ => return Err(refuse("only files, folders and symlinks are allowed".to_owned())),
    }
    let number = |what: &str, value: io::Result<u64>| {
        value.map_err(|e| refuse(format!("its {what} cannot be read: {e}")))
    };
    let mode = number("mode", found.mode().map(u64::from))? as u32;
    let size = number("size", found.entry_size())?;
    let own = found.as_old().linkname;
    let target =
        target.unwrap_or_else(|| own.split(|b| *b == 0).next().unwrap_or_default().to_vec());
    let (time, user, group) = (
        number("time", found.mtime())?,
        number("owner", found.uid())?,
        number("group", found.gid())?,
    );
    if time != 1 {
        return Err(refuse(format!("modification time {time}, expected 1")));
    }
    if (user, group) != (0, 0) {
        return Err(refuse(format!("owner {user} and group {group}, expected 0")));
    }
    // names of owners, versions of the format, other ways to write a number, bytes behind a name
    if header(kind, name, &target, mode, size).as_bytes() != found.as_bytes() {
        return Err(refuse("its header is not in the canonical form".to_owned()));
    }
    Ok(Entry { name: name.to_owned(), target, kind, mode, size })
}

/// The place of an entry in its tree; empty for the root.
fn place<'n>(full: &'n [u8], name: &str) -> Result<&'n [u8], String> {
    let below = match full.strip_prefix(name.as_bytes()) {
        Some([]) => return Ok(&[]),
        Some([b'/', below @ ..]) => below,
        _ => return Err(format!("it is not in '{name}'")),
    };
    let bad = |part: &[u8]| matches!(part, b"" | b"." | b"..") || part.contains(&0);
    if names(below).any(bad) {
        return Err("its name has an empty part, '.', '..' or a zero byte".to_owned());
    }
    let depth = names(below).count();
    if depth > limits::DEPTH {
        return Err(format!("it is {depth} folders deep, at most {} are allowed", limits::DEPTH));
    }
    Ok(below)
}

/// Makes the entry and returns its size.
fn make(entry: &Entry, from: &mut dyn Read, path: &Path, limit: u64) -> Result<u64, Refusal> {
    let Entry { target, kind, mode, size, .. } = entry;
    let (mode, size) = (*mode, *size);
    let too_large = || problem("it is larger than announced");
    match kind {
        EntryType::Directory if size == 0 && mode == 0o555 && target.is_empty() => {
            fs_err::create_dir(path)?;
            Ok(0)
        }
        EntryType::Symlink if size == 0 && mode == 0o777 => {
            if target.is_empty() {
                return problem("it has no target");
            }
            if target.len() as u64 > limit {
                return too_large();
            }
            symlink(OsStr::from_bytes(target), path)?;
            Ok(target.len() as u64)
        }
        EntryType::Regular if matches!(mode, 0o444 | 0o555) && target.is_empty() => {
            if size > limit {
                return too_large();
            }
            let mut options = fs_err::OpenOptions::new();
            options.write(true).create_new(true).mode(mode);
            let mut file = options.open(path)?;
            let copied = io::copy(&mut Read::take(&mut *from, size), &mut file)?;
            if copied != size {
                return problem(format!("it ends after {copied} of {size} bytes"));
            }
            padding(from, size)?;
            Ok(size)
        }
        _ => problem(format!("mode {mode:o}, size or target is not allowed in a store path")),
    }
}

/// Reads the padding after a content.
fn padding(from: &mut dyn Read, size: u64) -> Result<(), Refusal> {
    let mut rest = [0; BLOCK];
    let rest = &mut rest[..(size.wrapping_neg() % BLOCK as u64) as usize];
    from.read_exact(rest)?;
    match rest.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => problem("the padding after its content is not zero"),
    }
}

/// Reads until the block is full or the stream ends.
fn fill(from: &mut dyn Read, block: &mut [u8; BLOCK]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < BLOCK {
        match from.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
