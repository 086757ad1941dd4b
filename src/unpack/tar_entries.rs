//! Tar archives as a stream of entries: the headers of ustar, GNU and PAX (POSIX `pax`, the manual of GNU tar, "Tar
//! Internals"), one member after the other. The size of a header is checked before it is read. Knows nothing of
//! files.

use std::io::{self, Read};

use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

use super::{
    error::invalid,
    sparse::{self, Segment},
};
use crate::limits;

const BLOCK: usize = 512;

/// One member of an archive, its extension headers taken into account.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name as it is written.
    pub name: Vec<u8>,
    /// Its kind.
    pub kind: EntryType,
    /// The target of a symbolic or hard link.
    pub target: Option<Vec<u8>>,
    /// The permission bits.
    pub mode: u32,
    /// The size of the file in bytes, holes included.
    pub size: u64,
}

/// The entries of a stream that is not compressed.
pub(crate) struct Entries<R> {
    inner: R,
    /// Bytes of the current member in the stream that were not read yet, and how many follow to the end
    /// of the last block.
    left: u64,
    padding: u64,
    /// The parts of the current file that are in the stream; between them are zeros.
    segments: Vec<Segment>,
    /// The position in the current file, in bytes and in parts.
    at: u64,
    segment: usize,
    size: u64,
    /// True once anything was read: an archive of no entries still has an end.
    begun: bool,
}

/// The extension headers of the next member.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    pax: Option<Pax>,
}

/// The records of a PAX header that matter here.
#[derive(Default)]
struct Pax {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: sparse::Keys,
}

fn cut_off(place: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("it ends in {place}"))
}

impl<R: Read> Entries<R> {
    /// The entries of this stream.
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            left: 0,
            padding: 0,
            segments: Vec::new(),
            at: 0,
            segment: 0,
            size: 0,
            begun: false,
        }
    }

    /// The next entry. The unread rest of the one before is skipped.
    ///
    /// # Errors
    /// If the archive is cut off or damaged, or a header is larger than one may be.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let rest = self.left.saturating_add(self.padding);
        skip(&mut self.inner, rest)?;
        (self.left, self.padding, self.size, self.at) = (0, 0, 0, 0);
        self.segments.clear();
        let mut extensions = Extensions::default();
        loop {
            let Some(block) = self.block()? else {
                if extensions.is_any() {
                    return Err(cut_off("a header that belongs to a member"));
                }
                return Ok(None);
            };
            let header = Header::from_byte_slice(&block);
            match header.entry_type() {
                EntryType::GNULongName => {
                    let name = self.text(header, limits::NAME, "name")?;
                    set(&mut extensions.name, name, "long names")?;
                }
                EntryType::GNULongLink => {
                    let target = self.text(header, limits::LINK_TARGET, "link's target")?;
                    set(&mut extensions.target, target, "long link targets")?;
                }
                EntryType::XHeader => {
                    let pax = self.pax(header)?;
                    set(&mut extensions.pax, pax, "PAX headers")?;
                }
                EntryType::XGlobalHeader => self.pax(header)?.expect_nothing()?,
                _ => return self.entry(header, extensions).map(Some),
            }
        }
    }

    /// The next block that is not the end. Its checksum is right.
    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.inner.read(&mut block[filled..])? {
                0 if filled > 0 => return Err(cut_off("the middle of a header")),
                0 if !self.begun => {
                    return Err(invalid("it is empty; a tar of no files has an end"));
                }
                0 => return Ok(None),
                count => filled += count,
            }
        }
        self.begun = true;
        if block == [0; BLOCK] {
            return Ok(None);
        }
        let sum =
            block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>();
        // the sum's own place counts as blanks
        if Header::from_byte_slice(&block).cksum()? != sum + 8 * u32::from(b' ') {
            return Err(invalid("the checksum of a header is wrong"));
        }
        Ok(Some(block))
    }

    /// The content of an extension header.
    fn extension(&mut self, header: &Header, most: usize, what: &str) -> io::Result<Vec<u8>> {
        let size = header.entry_size()?;
        if size > most as u64 {
            return Err(invalid(format!(
                "the {what} of an entry has {size} bytes, expected {most} at most"
            )));
        }
        let mut bytes = Vec::new();
        (&mut self.inner).take(size).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != size {
            return Err(cut_off("an extended header"));
        }
        skip(&mut self.inner, padding(size))?;
        Ok(bytes)
    }

    /// A name or target in a member of its own (GNU), ended by a NUL byte.
    fn text(&mut self, header: &Header, most: usize, what: &str) -> io::Result<Vec<u8>> {
        let mut bytes = self.extension(header, most + 1, what)?;
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        Ok(bytes)
    }

    fn pax(&mut self, header: &Header) -> io::Result<Pax> {
        Pax::parse(&self.extension(header, limits::PAX, "PAX header")?)
    }

    fn entry(&mut self, header: &Header, extensions: Extensions) -> io::Result<Entry> {
        let pax = extensions.pax.unwrap_or_default();
        let mut kind = header.entry_type();
        let stored = match pax.size {
            Some(size) => size,
            None => header.entry_size()?,
        };
        (self.left, self.padding) = (stored, padding(stored));
        let whole = |size| vec![Segment { offset: 0, length: size }];
        (self.size, self.segments) = match kind {
            EntryType::GNUSparse => {
                kind = EntryType::Regular;
                self.gnu_sparse(header)?
            }
            EntryType::Regular if pax.sparse.is_any() => {
                let map = &mut self.inner;
                let found = pax.sparse.map(map, &mut self.left)?;
                (found.size, found.segments)
            }
            _ => (stored, whole(stored)),
        };
        sparse::check(&self.segments, self.size, self.left)?;
        self.segment = 0;
        let name = pax.sparse.name.or(pax.path).or(extensions.name);
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        // before there was a kind for folders
        if kind == EntryType::Regular && name.ends_with(b"/") && stored == 0 {
            kind = EntryType::Directory;
        }
        let target = pax.target.or(extensions.target);
        let target = target.or_else(|| Some(header.link_name_bytes()?.into_owned()));
        // some tools write none for links
        let mode = match kind {
            EntryType::Regular => header.mode()?,
            _ => header.mode().unwrap_or_default(),
        };
        Ok(Entry { name, kind, target, mode, size: self.size })
    }

    /// The map of an old GNU sparse file: in the header, and in the blocks that follow it.
    fn gnu_sparse(&mut self, header: &Header) -> io::Result<(u64, Vec<Segment>)> {
        let gnu = header.as_gnu().ok_or_else(|| invalid("a sparse file without a GNU header"))?;
        let mut segments = Vec::new();
        add_segments(&gnu.sparse, &mut segments)?;
        let mut more = gnu.is_extended();
        while more {
            let mut block = GnuExtSparseHeader::new();
            self.inner.read_exact(block.as_mut_bytes())?;
            add_segments(&block.sparse, &mut segments)?;
            more = block.is_extended();
        }
        Ok((gnu.real_size()?, segments))
    }

    /// The stream, to read what follows the end of the archive.
    pub(crate) fn into_inner(self) -> R {
        self.inner
    }
}

/// The content of the current entry, its holes as zeros.
impl<R: Read> Read for Entries<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let segment = loop {
            match self.segments.get(self.segment) {
                Some(segment) if self.at >= segment.end() => self.segment += 1,
                other => break other,
            }
        };
        let at = self.at;
        let until = |end: u64| usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let count = match segment {
            Some(segment) if at >= segment.offset => {
                let most = until(segment.end());
                let count = self.inner.read(&mut buffer[..most])?;
                if count == 0 && most > 0 {
                    return Err(cut_off("the content of a file"));
                }
                self.left -= count as u64;
                count
            }
            hole => {
                let count = until(hole.map_or(self.size, |next| next.offset));
                buffer[..count].fill(0);
                count
            }
        };
        self.at += count as u64;
        Ok(count)
    }
}

impl Extensions {
    fn is_any(&self) -> bool {
        self.name.is_some() || self.target.is_some() || self.pax.is_some()
    }
}

fn set<T>(place: &mut Option<T>, value: T, what: &str) -> io::Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid(format!("an entry has two {what}"))),
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

fn skip(stream: &mut impl Read, mut count: u64) -> io::Result<()> {
    let mut buffer = [0; 32 << 10];
    while count > 0 {
        let most = buffer.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        match stream.read(&mut buffer[..most])? {
            0 => return Err(cut_off("the content of an entry")),
            read => count -= read as u64,
        }
    }
    Ok(())
}

fn add_segments(headers: &[GnuSparseHeader], segments: &mut Vec<Segment>) -> io::Result<()> {
    for header in headers.iter().filter(|header| !header.is_empty()) {
        sparse::add(segments, Segment { offset: header.offset()?, length: header.length()? })?;
    }
    Ok(())
}

impl Pax {
    /// Reads the records, each `LENGTH KEY=VALUE` and a line feed.
    fn parse(mut bytes: &[u8]) -> io::Result<Self> {
        let mut pax = Self::default();
        let damaged = || invalid("a PAX header is damaged");
        while !bytes.is_empty() {
            let space = bytes.iter().take(20).position(|b| *b == b' ').ok_or_else(damaged)?;
            let length = std::str::from_utf8(&bytes[..space]).ok().and_then(|n| n.parse().ok());
            let (record, rest) =
                length.and_then(|n| bytes.split_at_checked(n)).ok_or_else(damaged)?;
            let record = record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or_else(damaged)?;
            let equals = record.iter().position(|b| *b == b'=').ok_or_else(damaged)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            pax.record(key, value)?;
            bytes = rest;
        }
        Ok(pax)
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let bounded = |most: usize, what: &str| match value.len() {
            0 => Ok(None),
            size if size > most => Err(invalid(format!(
                "the {what} of an entry has {size} bytes, expected {most} at most"
            ))),
            _ => Ok(Some(value.to_vec())),
        };
        match key {
            b"path" => self.path = bounded(limits::NAME, "name")?,
            b"linkpath" => self.target = bounded(limits::LINK_TARGET, "link's target")?,
            b"size" => self.size = Some(sparse::number(value)?),
            b"GNU.sparse.name" => self.sparse.name = bounded(limits::NAME, "name")?,
            b"SCHILY.realsize" => {
                return Err(invalid(
                    "a sparse file as star writes it is not supported; use GNU tar",
                ));
            }
            key => {
                if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.record(key, value)?;
                }
            }
        }
        Ok(())
    }

    /// Refuses a global header that has one of these.
    fn expect_nothing(self) -> io::Result<()> {
        let any = self.path.is_some() || self.target.is_some() || self.size.is_some();
        match any || self.sparse.is_any() {
            true => {
                Err(invalid("a global PAX header gives a name or size, which is not supported"))
            }
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, kind: EntryType, size: u64) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    fn member(name: &str, kind: EntryType, content: &[u8]) -> Vec<u8> {
        let mut bytes = header(name, kind, content.len() as u64);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn pax(records: &[(&str, &str)]) -> Vec<u8> {
        let mut text = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest..).find(|n| n.to_string().len() + rest == *n).unwrap();
            text.push_str(&format!("{length} {key}={value}\n"));
        }
        member("pax", EntryType::XHeader, text.as_bytes())
    }

    /// Names, kinds and contents; the error if there is one.
    fn read(parts: &[&[u8]]) -> Result<Vec<(String, String)>, String> {
        let bytes = parts.concat();
        let mut entries = Entries::new(&bytes[..]);
        let mut found = Vec::new();
        let mut all = || -> io::Result<()> {
            while let Some(entry) = entries.next_entry()? {
                let mut content = Vec::new();
                entries.read_to_end(&mut content)?;
                assert_eq!(content.len() as u64, entry.size);
                let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
                found.push((text(entry.name), text(content)));
            }
            Ok(())
        };
        all().map(|()| found).map_err(|e| e.to_string())
    }

    const END: &[u8] = &[0; 1024];

    #[test]
    fn names_come_from_where_they_are_longest() {
        let file = member("short", EntryType::Regular, b"1");
        let long = member("././@LongLink", EntryType::GNULongName, b"a/long/name\0");
        let named = |name: &str| Ok(vec![(name.to_owned(), "1".to_owned())]);
        assert_eq!(read(&[&file, END]), named("short"));
        assert_eq!(read(&[&long, &file, END]), named("a/long/name"));
        let path = pax(&[("mtime", "1"), ("path", "by/pax"), ("comment", "a=b\nc")]);
        assert_eq!(read(&[&path, &file, END]), named("by/pax"));
        assert_eq!(read(&[&long, &path, &file]), named("by/pax"));
        let size = [pax(&[("size", "3")]), header("x", EntryType::Regular, 0), b"abc".to_vec()];
        let size = [size.concat(), vec![0; BLOCK - 3]].concat();
        assert_eq!(read(&[&size, END]), Ok(vec![("x".into(), "abc".into())]));
        let empty = pax(&[("path", "")]);
        assert_eq!(read(&[&empty, &file, END]), named("short"));
    }

    #[test]
    fn what_a_header_makes_one_keep_is_bounded() {
        for (kind, size, reason) in [
            (EntryType::GNULongName, 3 << 30, "name of an entry has 3221225472 bytes"),
            (EntryType::GNULongLink, 900 << 20, "target of an entry has"),
            (EntryType::XHeader, 3 << 30, "PAX header of an entry has"),
            (EntryType::XGlobalHeader, 3 << 30, "PAX header of an entry has"),
        ] {
            // the header alone is enough to be refused: nothing of the rest is asked for
            let error = read(&[&header("x", kind, size)]).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let long = "x".repeat(limits::LINK_TARGET + 1);
        let error = read(&[&pax(&[("linkpath", &long)])]).unwrap_err();
        assert!(error.contains("target of an entry has 4097 bytes"), "{error}");
        let error = read(&[&pax(&[("path", &"x".repeat(limits::NAME + 1))])]).unwrap_err();
        assert!(error.contains("name of an entry has 65537 bytes"), "{error}");
    }

    #[test]
    fn what_is_no_archive_is_told_from_one_of_no_entries() {
        assert_eq!(read(&[END]), Ok(Vec::new()));
        assert!(read(&[]).unwrap_err().contains("it is empty"));
        let file = member("x", EntryType::Regular, b"text");
        for (cut, reason) in
            [(100, "the middle of a header"), (514, "the content of"), (600, "the content of")]
        {
            assert!(read(&[&file[..cut]]).unwrap_err().contains(reason), "{cut}");
        }
        let long = member("x", EntryType::GNULongName, b"name");
        assert!(read(&[&long]).unwrap_err().contains("belongs to a member"));
        assert!(read(&[&long, &long, &file]).unwrap_err().contains("two long names"));
        let mut sum = file.clone();
        sum[0] ^= 1;
        assert!(read(&[&sum]).unwrap_err().contains("checksum"));
        for text in ["", "x", "5 a=b\n", "99 a=b\n", "6 a=bc", "4 a\n", "-1 a=b\n", "0 "] {
            let bytes = [text.as_bytes(), b"  "].concat();
            let header = member("p", EntryType::XHeader, &bytes);
            assert!(read(&[&header, &file]).unwrap_err().contains("damaged"), "{text}");
        }
        let mut global = pax(&[("path", "x")]);
        global[156] = b'g';
        let mut header = Header::from_byte_slice(&global[..BLOCK]).clone();
        header.set_cksum();
        global[..BLOCK].copy_from_slice(header.as_bytes());
        assert!(read(&[&global, &file]).unwrap_err().contains("global"));
    }

    #[test]
    fn every_form_of_a_sparse_file_reads_as_it_was() {
        let whole: String = ["\0".repeat(600), "ab".into(), "\0".repeat(500), "c".into()].concat();
        let whole = whole + &"\0".repeat(97);
        let expected = Ok(vec![("s".to_owned(), whole)]);
        let data = member("s", EntryType::Regular, b"abc");
        let zero = pax(&[
            ("GNU.sparse.size", "1200"),
            ("GNU.sparse.numblocks", "2"),
            ("GNU.sparse.offset", "600"),
            ("GNU.sparse.numbytes", "2"),
            ("GNU.sparse.offset", "1102"),
            ("GNU.sparse.numbytes", "1"),
        ]);
        assert_eq!(read(&[&zero, &data, END]), expected, "0.0");
        let hidden = member("GNUSparseFile.1/s", EntryType::Regular, b"abc");
        let one = pax(&[
            ("GNU.sparse.size", "1200"),
            ("GNU.sparse.name", "s"),
            ("GNU.sparse.map", "600,2,1102,1,1200,0"),
        ]);
        assert_eq!(read(&[&one, &hidden, END]), expected, "0.1");
        let mut map = b"3\n600\n2\n1102\n1\n1200\n0\n".to_vec();
        map.resize(BLOCK, 0);
        map.extend(b"abc");
        let hidden = member("GNUSparseFile.1/s", EntryType::Regular, &map);
        let current = pax(&[
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.name", "s"),
            ("GNU.sparse.realsize", "1200"),
        ]);
        assert_eq!(read(&[&current, &hidden, END]), expected, "1.0");
        // the old form, its map partly in a block of its own
        let mut old = Header::from_byte_slice(&header("s", EntryType::GNUSparse, 3)).clone();
        let field = |at: u64| format!("{at:011o}\0").into_bytes();
        let gnu = old.as_gnu_mut().unwrap();
        gnu.sparse[0].offset.copy_from_slice(&field(600));
        gnu.sparse[0].numbytes.copy_from_slice(&field(2));
        gnu.isextended[0] = 1;
        gnu.set_real_size(1200);
        old.set_cksum();
        let mut more = GnuExtSparseHeader::new();
        more.sparse[0].offset.copy_from_slice(&field(1102));
        more.sparse[0].numbytes.copy_from_slice(&field(1));
        let content = &data[BLOCK..];
        assert_eq!(read(&[old.as_bytes(), more.as_bytes(), content, END]), expected, "old");
        // left unread, what follows is still found
        let after = member("after", EntryType::Regular, b"x");
        for parts in [[&current[..], &hidden], [&one, &member("x", EntryType::Regular, b"abc")]] {
            let bytes = [parts[0], parts[1], &after, END].concat();
            let mut entries = Entries::new(&bytes[..]);
            entries.next_entry().unwrap().unwrap();
            assert_eq!(entries.next_entry().unwrap().unwrap().name, b"after");
        }
    }

    #[test]
    fn a_map_that_does_not_fit_is_refused() {
        let data = member("s", EntryType::Regular, b"abc");
        for (size, map) in [
            ("1200", "600,2"),
            ("1200", "600,2,601,1"),
            ("1200", "600,2,100,1"),
            ("1200", "600,2,1200,1"),
            ("1200", "600,4"),
            ("1200", "600,2,1102"),
            ("1200", "600,2,x,1"),
            ("1200", "18446744073709551615,3"),
            ("", "0,3"),
            ("-1", "0,3"),
        ] {
            let header = pax(&[("GNU.sparse.size", size), ("GNU.sparse.map", map)]);
            assert!(read(&[&header, &data, END]).is_err(), "{size} {map}");
        }
        let missing = pax(&[("GNU.sparse.size", "3")]);
        assert!(read(&[&missing, &data]).unwrap_err().contains("no map"));
        let major = pax(&[("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")]);
        assert!(read(&[&major, &data]).unwrap_err().contains("2.0 is not supported"));
        let current = |size| {
            pax(&[
                ("GNU.sparse.major", "1"),
                ("GNU.sparse.minor", "0"),
                ("GNU.sparse.realsize", size),
            ])
        };
        for map in ["", "1", "9\n1\n1\n", "x\n", "99999999999999999999\n", "4294967296\n"] {
            let data = member("s", EntryType::Regular, map.as_bytes());
            assert!(read(&[&current("1200"), &data]).is_err(), "{map}");
        }
    }
}
