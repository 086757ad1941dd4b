//! Zip archives, wheels above all: everything about the entries is checked before the first byte is
//! inflated; then each entry is inflated in one shot from the mapped file, on as many threads as
//! the caller likes.

use std::{
    borrow::Cow,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
};

use fs_err as fs;
use memmap2::Mmap;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use zip::{CompressionMethod, ZipArchive};

use super::{
    ArchiveError, entry_name, shown,
    writer::{Limits, Refused, Tree},
};
use crate::limits;

/// Deflate cannot make more than this out of one byte.
const MAX_RATIO: u64 = 1032;

/// Entries larger than this are inflated in pieces of this size.
const PIECE: usize = 16 << 20;

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A file.
    File {
        /// True if an executable bit is set in the external attributes.
        executable: bool,
    },
    /// A symbolic link; its content is the target.
    Link,
}

/// One entry, checked against its local header.
#[derive(Debug)]
pub struct Entry {
    /// The clean name: relative, without `.` and `..`, no slash at the end.
    pub name: String,
    /// Its kind.
    pub kind: EntryKind,
    /// The size of the content in bytes.
    pub size: u64,
    crc: u32,
    deflated: bool,
    /// The range of the compressed content in the file; inside it, as was checked.
    start: usize,
    end: usize,
}

/// An opened archive.
#[derive(Debug)]
pub struct Zip {
    path: PathBuf,
    map: Mmap,
    entries: Vec<Entry>,
}

impl Zip {
    /// Reads the outline of an opened archive and checks names, headers, sizes and that no two entries
    /// share bytes.
    ///
    /// # Errors
    /// Names the archive, the entry and what is wrong with it.
    pub fn open(file: &fs::File) -> Result<Self, ArchiveError> {
        let path = file.path();
        // SAFETY: the file is an input in the store or scratch of this process; nobody writes it
        // while it is mapped.
        let map = unsafe { Mmap::map(file) }?;
        let entries = outline(path, &map)?;
        Ok(Self { path: path.to_owned(), map, entries })
    }

    /// The same for a wheel: an archive that, beyond [`Zip::open`], has no links and no two names that are
    /// the same on a file system that ignores case.
    ///
    /// # Errors
    /// As [`Zip::open`].
    pub fn open_wheel(file: &fs::File) -> Result<Self, ArchiveError> {
        let zip = Self::open(file)?;
        let path = file.path();
        let mut folded: FxHashMap<String, &str> = FxHashMap::default();
        for entry in &zip.entries {
            let fail = |reason: String| Err(ArchiveError::entry(path, &entry.name, reason));
            if entry.kind == EntryKind::Link {
                return fail("it is a link, which a wheel must not have".to_owned());
            }
            if let Some(other) = folded.insert(entry.name.to_lowercase(), &entry.name) {
                return fail(format!("it differs from '{other}' in case only"));
            }
        }
        Ok(zip)
    }

    /// Every entry, in the order of the central directory.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of that clean name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The whole content of an entry, its size and CRC checked.
    ///
    /// # Errors
    /// If the content is not what the headers say.
    pub fn read(&self, entry: &Entry) -> Result<Cow<'_, [u8]>, ArchiveError> {
        let source = &self.map[entry.start..entry.end];
        let content = if entry.deflated {
            let inflated = inflate(source, entry.size);
            Cow::Owned(inflated.map_err(|error| self.bad_content(entry, &error.to_string()))?)
        } else {
            Cow::Borrowed(source)
        };
        let mut crc = flate2::Crc::new();
        crc.update(&content);
        if crc.sum() != entry.crc {
            return Err(self.bad_content(entry, "it does not match its CRC"));
        }
        Ok(content)
    }

    /// Gives the content of an entry to `sink`: in one piece, or in several if it is very large.
    /// After an error the pieces are worthless: the content may not be the one that the headers
    /// describe.
    ///
    /// # Errors
    /// If the content is not what the headers say, or `sink` fails.
    pub fn pieces(
        &self,
        entry: &Entry,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), ArchiveError> {
        if !entry.deflated || entry.size <= PIECE as u64 {
            return Ok(sink(&self.read(entry)?)?);
        }
        let source = &self.map[entry.start..entry.end];
        let mut stream = flate2::CrcReader::new(flate2::bufread::DeflateDecoder::new(source));
        let mut buffer = vec![0; PIECE];
        let mut made = 0;
        loop {
            let count = stream
                .read(&mut buffer)
                .map_err(|e| self.bad_content(entry, &format!("it cannot be inflated: {e}")))?;
            if count == 0 {
                break;
            }
            made += count as u64;
            if made > entry.size {
                return Err(self.bad_content(entry, "it is longer than its header says"));
            }
            sink(&buffer[..count])?;
        }
        if made != entry.size || stream.get_ref().total_in() != source.len() as u64 {
            return Err(self.bad_content(entry, "its size is not what its header says"));
        }
        if stream.crc().sum() != entry.crc {
            return Err(self.bad_content(entry, "it does not match its CRC"));
        }
        Ok(())
    }

    fn bad_content(&self, entry: &Entry, reason: &str) -> ArchiveError {
        ArchiveError::entry(&self.path, &entry.name, format!("its content is damaged: {reason}"))
    }

    /// Unpacks every entry that `select` gives a place in the tree, in parallel.
    ///
    /// # Errors
    /// Names the archive, the entry and what is wrong with it.
    pub fn unpack_into(
        &self,
        tree: &Tree<'_>,
        select: &(dyn Fn(&str) -> Option<String> + Sync),
    ) -> Result<(), ArchiveError> {
        self.entries.par_iter().try_for_each(|entry| {
            let Some(place) = select(&entry.name) else { return Ok(()) };
            let refused = |refused| match refused {
                Refused::Reason(reason) => ArchiveError::entry(&self.path, &entry.name, reason),
                Refused::Io(error) => error.into(),
                Refused::Cancelled => ArchiveError::Cancelled,
            };
            match entry.kind {
                EntryKind::Directory => tree.directory(&place).map_err(refused),
                EntryKind::File { executable } if entry.size > PIECE as u64 && entry.deflated => {
                    // inflated in a stream, so that memory stays bounded
                    let source = &self.map[entry.start..entry.end];
                    let mut stream =
                        flate2::CrcReader::new(flate2::bufread::DeflateDecoder::new(source));
                    tree.file(&place, executable, entry.size, &mut stream).map_err(refused)?;
                    if stream.read(&mut [0])? != 0 || stream.crc().sum() != entry.crc {
                        return Err(self.bad_content(entry, "size and CRC are not as declared"));
                    }
                    Ok(())
                }
                EntryKind::File { executable } => {
                    let content = self.read(entry)?;
                    tree.file(&place, executable, entry.size, &mut &content[..]).map_err(refused)
                }
                EntryKind::Link => {
                    let target = self.read(entry)?;
                    let target = std::str::from_utf8(&target)
                        .map_err(|_| self.bad_content(entry, "the link's target is not UTF-8"))?;
                    tree.link(&place, target).map_err(refused)
                }
            }
        })
    }
}

/// Why an entry's stream is not one of the size that its header says.
#[derive(Debug, thiserror::Error)]
enum InflateError {
    #[error("it cannot be inflated: {0}")]
    Damaged(#[from] flate2::DecompressError),
    #[error("it is longer than its header says")]
    Long,
    #[error("it is shorter than its header says")]
    Short,
    #[error("it is cut off")]
    CutOff,
    #[error("something follows its end")]
    Trailing,
}

/// Inflates in one call.
///
/// # Errors
/// If the stream does not have exactly `size` bytes.
fn inflate(source: &[u8], size: u64) -> Result<Vec<u8>, InflateError> {
    use flate2::{Decompress, FlushDecompress, Status};
    let size = usize::try_from(size).map_err(|_| InflateError::Short)?;
    // one byte more than needed, so that the end of the stream is seen in the same call
    let mut content = Vec::with_capacity(size + 1);
    let mut decoder = Decompress::new(false);
    let status = decoder.decompress_vec(source, &mut content, FlushDecompress::Finish)?;
    if content.len() > size {
        return Err(InflateError::Long);
    }
    if status != Status::StreamEnd {
        return Err(InflateError::CutOff);
    }
    if content.len() < size {
        return Err(InflateError::Short);
    }
    if decoder.total_in() != source.len() as u64 {
        return Err(InflateError::Trailing);
    }
    Ok(content)
}

/// The first name that the central directory at `start` has twice. The library only says that there
/// is one.
fn first_double(map: &[u8], start: u64) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut rest = map.get(usize::try_from(start).ok()?..)?;
    while rest.starts_with(b"PK\x01\x02") {
        let length =
            |at: usize| Some(usize::from(*rest.get(at)?) | usize::from(*rest.get(at + 1)?) << 8);
        let name = rest.get(46..46 + length(28)?)?;
        if !seen.insert(name) {
            return Some(String::from_utf8_lossy(name).into_owned());
        }
        rest = rest.get(46 + length(28)? + length(30)? + length(32)?..)?;
    }
    None
}

/// True if there are headers for more entries than `most`. Most archives are too small for that.
fn has_more_entries(map: &[u8], most: usize) -> bool {
    // local and central header
    map.len() / (30 + 46) > most
        && memchr::memmem::find_iter(map, b"PK\x01\x02").nth(most).is_some()
}

/// Reads the central directory and checks all that can be known without inflating.
fn outline(path: &Path, map: &[u8]) -> Result<Vec<Entry>, ArchiveError> {
    let broken = |e: &dyn std::fmt::Display| {
        ArchiveError::archive(path, format!("not a whole zip archive: {e}"))
    };
    let limits = Limits::for_archive(map.len() as u64);
    // the reader keeps all entries in memory
    if has_more_entries(map, limits.entries) {
        let reason = format!("it has more than {} entries", limits.entries);
        return Err(ArchiveError::archive(path, reason));
    }
    let mut zip = ZipArchive::new(Cursor::new(map)).map_err(|e| broken(&e))?;
    if zip.has_duplicate_names() {
        let name = first_double(map, zip.central_directory_start()).unwrap_or_default();
        return Err(ArchiveError::archive(
            path,
            format!("two entries have the same name '{name}'"),
        ));
    }
    // local headers against central ones, entries that overlap, entries that are not listed
    zip.validate_header_consistency().map_err(|e| broken(&e))?;
    let metadata = zip.metadata();
    let mut entries = Vec::with_capacity(metadata.len());
    let mut names: FxHashSet<String> = FxHashSet::default();
    let mut total = 0u64;
    for index in 0..metadata.len() {
        let raw = metadata.entry(index).map_err(|e| broken(&e))?;
        let entry = entry(path, map, &raw)?;
        let fail = |reason: String| Err(ArchiveError::entry(path, raw.name_raw(), reason));
        total = total.saturating_add(entry.size);
        if total > limits.bytes || index >= limits.entries {
            return fail(format!(
                "the archive unpacks to more than {} bytes or {} entries, which is out of \
                 proportion to its size",
                limits.bytes, limits.entries
            ));
        }
        if !names.insert(entry.name.clone()) && entry.kind != EntryKind::Directory {
            return fail("two entries have that name".to_owned());
        }
        entries.push(entry);
    }
    folders_are_folders(path, &entries)?;
    Ok(entries)
}

/// Refuses an entry below one that is not a folder.
fn folders_are_folders(path: &Path, entries: &[Entry]) -> Result<(), ArchiveError> {
    // ordered so that what is below a name follows it at once
    let key = |entry: &Entry| {
        let bytes = entry.name.bytes();
        bytes.map(|byte| if byte == b'/' { 0 } else { byte }).collect::<Vec<_>>()
    };
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.par_sort_by_cached_key(|entry| key(entry));
    for pair in sorted.windows(2) {
        let below = pair[1].name.strip_prefix(&*pair[0].name);
        if pair[0].kind != EntryKind::Directory && below.is_some_and(|rest| rest.starts_with('/')) {
            let above = shown(pair[0].name.as_bytes());
            let reason = format!("'{above}' above it is not a folder");
            return Err(ArchiveError::entry(path, &pair[1].name, reason));
        }
    }
    Ok(())
}

fn entry(path: &Path, map: &[u8], raw: &zip::read::ZipFileEntry) -> Result<Entry, ArchiveError> {
    let fail = |reason: &str| ArchiveError::entry(path, raw.name_raw(), reason);
    let name = entry_name::clean(raw.name_raw()).map_err(fail)?;
    if name.contains('\\') {
        return Err(fail("the name has a backslash"));
    }
    if name.is_empty() {
        return Err(fail("the name is the root"));
    }
    let mode = raw.unix_mode().unwrap_or(0);
    let kind = match (mode & 0o170_000, raw.name_raw().ends_with(b"/")) {
        (0o040_000 | 0, true) => EntryKind::Directory,
        (0o100_000 | 0, false) => EntryKind::File { executable: mode & 0o111 != 0 },
        (0o120_000, false) => EntryKind::Link,
        _ => return Err(fail("its kind and its name disagree, or it is a device or pipe")),
    };
    if raw.flags().is_encrypted() {
        return Err(fail("it is encrypted"));
    }
    let deflated = match raw.compression() {
        CompressionMethod::Stored => false,
        CompressionMethod::Deflated => true,
        other => return Err(fail(&format!("its compression ({other}) is not supported"))),
    };
    let (size, packed) = (raw.size(), raw.compressed_size());
    if !deflated && size != packed {
        return Err(fail("it is stored, but its two sizes differ"));
    }
    if kind == EntryKind::Link && size > limits::LINK_TARGET as u64 {
        let most = limits::LINK_TARGET;
        return Err(fail(&format!("the link's target has {size} bytes, expected {most} at most")));
    }
    if deflated && size > packed.saturating_mul(MAX_RATIO).saturating_add(MAX_RATIO) {
        return Err(fail("its size is more than its compressed content can hold"));
    }
    if kind == EntryKind::Directory && size != 0 {
        return Err(fail("it is a folder with content"));
    }
    // APPNOTE.TXT 4.3.7: 30 bytes, then the name and the extra field
    let span = || {
        let head = usize::try_from(raw.header_start()).ok()?;
        let length = |at: usize| {
            let bytes = map.get(head.checked_add(at)?..head.checked_add(at + 2)?)?;
            Some(usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
        };
        let start = head.checked_add(30 + length(26)? + length(28)?)?;
        let end = start.checked_add(usize::try_from(packed).ok()?)?;
        (end <= map.len()).then_some((start, end))
    };
    let (start, end) = span().ok_or_else(|| fail("its content lies outside the archive"))?;
    Ok(Entry { name, kind, size, crc: raw.crc32(), deflated, start, end })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::unpack::writer::Links;

    fn zip(files: &[(&str, &str, u32)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content, mode) in files {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
            zip.start_file(*name, options).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// The same archive with every occurrence of one text replaced by another of its length.
    fn patched(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        while let Some(at) = memchr::memmem::find(&bytes, from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        bytes
    }

    fn unpack(bytes: &[u8]) -> Result<tempfile::TempDir, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.whl");
        fs::write(&path, bytes).unwrap();
        let zip = Zip::open_wheel(&fs::File::open(path).unwrap()).map_err(|e| e.to_string())?;
        let limits = Limits::for_archive(bytes.len() as u64);
        let tree = Tree::create(&dir.path().join("out"), Links::Inside, limits, &|| false).unwrap();
        zip.unpack_into(&tree, &|name| Some(name.to_owned())).map_err(|e| e.to_string())?;
        for entry in zip.entries() {
            let mut all = Vec::new();
            zip.pieces(entry, &mut |piece| {
                all.extend_from_slice(piece);
                Ok(())
            })
            .map_err(|e| e.to_string())?;
            assert_eq!(all, *zip.read(entry).unwrap());
        }
        Ok(dir)
    }

    fn refused(bytes: &[u8], reason: &str) {
        let error = unpack(bytes).err().unwrap_or_else(|| panic!("expected: {reason}"));
        assert!(error.contains(reason) && error.contains("x.whl"), "{error}");
    }

    #[test]
    fn files_come_out_as_they_went_in() {
        use std::os::unix::fs::PermissionsExt;
        let big = "0123456789".repeat(PIECE / 5);
        let out = unpack(&zip(&[("a/b.py", "hello", 0o644), ("bin/x", &big, 0o4755)])).unwrap();
        let at = |name: &str| out.path().join("out").join(name);
        assert_eq!(fs::read_to_string(at("a/b.py")).unwrap(), "hello");
        assert_eq!(fs::read_to_string(at("bin/x")).unwrap(), big);
        let mode = |name| fs::metadata(at(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("a/b.py") & 0o111, mode("bin/x") & 0o7111), (0, 0o111));
    }

    #[test]
    fn unsafe_names_are_refused() {
        let named = |name| zip(&[(name, "1", 0o644)]);
        refused(&patched(named("xx/a"), "xx/a", "../a"), "'..'");
        refused(&patched(named("xa"), "xa", "/a"), "absolute");
        refused(&patched(named("xyz"), "xyz", "x\0z"), "NUL");
        refused(&patched(named("x~z"), "x~z", "x\\z"), "backslash");
        let mut bytes = named("xyz");
        while let Some(at) = memchr::memmem::find(&bytes, b"xyz") {
            bytes[at + 1] = 0xff;
        }
        refused(&bytes, "UTF-8");
        let two = zip(&[("aa/x", "1", 0o644), ("aa/y", "2", 0o644)]);
        refused(&patched(two.clone(), "aa/y", "aa/x"), "same name");
        refused(&patched(two.clone(), "aa/y", "Aa/x"), "case only");
        refused(&patched(two.clone(), "aa/y", "aa//"), "aa");
        let nested = zip(&[("aaa", "1", 0o644), ("aab/c", "2", 0o644)]);
        refused(&patched(nested, "aab/c", "aaa/c"), "not a folder");
    }

    #[test]
    fn links_are_refused_in_wheels() {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("l", "/etc", zip::write::SimpleFileOptions::default()).unwrap();
        refused(&zip.finish().unwrap().into_inner(), "a link");
    }

    #[test]
    fn headers_that_disagree_are_refused() {
        let good = zip(&[("abc", "some text some text some text", 0o644)]);
        let local = memchr::memmem::find(&good, b"PK\x03\x04").unwrap();
        let central = memchr::memmem::find(&good, b"PK\x01\x02").unwrap();
        for (at, what) in [(local + 30, "local name"), (local + 14, "local CRC")] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert!(unpack(&bytes).is_err(), "{what}");
        }
        let mut crc = good.clone();
        crc[local + 14] ^= 1;
        crc[central + 16] ^= 1;
        refused(&crc, "CRC");
        let mut size = good.clone();
        size[local + 22] ^= 1;
        size[central + 24] ^= 1;
        refused(&size, "than its header says");
        let mut data = good.clone();
        data[local + 33] ^= 0xff;
        refused(&data, "damaged");
        let mut huge = good.clone();
        huge[local + 25] = 0x40;
        huge[central + 27] = 0x40;
        refused(&huge, "more than its compressed content can hold");
        refused(&good[..good.len() - 10], "not a whole zip");
        refused(b"", "not a whole zip");
    }

    #[test]
    fn entries_that_share_bytes_are_refused() {
        let bytes = zip(&[("a", "one text", 0o644), ("b", "one text", 0o644)]);
        let mut central = memchr::memmem::find_iter(&bytes, b"PK\x01\x02");
        let (first, second) = (central.next().unwrap(), central.next().unwrap());
        let mut shared = bytes.clone();
        let offset = shared[first + 42..first + 46].to_vec();
        shared[second + 42..second + 46].copy_from_slice(&offset);
        shared[second + 46] = b'a' ^ 3;
        assert!(unpack(&shared).is_err());
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(at in 0usize..400, value: u8) {
            let mut bytes = zip(&[("abc/d", "some text some text", 0o644), ("e", "x", 0o755)]);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = unpack(&bytes);
        }
    }
}
