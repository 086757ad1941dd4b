//! One small entry of a zip archive on a server, without the rest: the directory is at the end, and the parts that
//! are needed are asked for by range (RFC 9110, section 14). The claims of the archive are not trusted: its directory
//! is read only if it is small, entry by entry (APPNOTE.TXT, section 4.3).

use std::io::{self, Read, Seek, SeekFrom};

use super::{
    address::Address,
    http::{Http, HttpError},
};
use crate::regular::{self, Link};

/// The size of a request, in bytes. In most wheels the last block holds the metadata, too.
const BLOCK: u64 = 128 << 10;

/// The most requests.
const MAX_REQUESTS: usize = 12;

/// The largest directory, in bytes: some 10,000 entries.
const DIRECTORY: u64 = 1 << 20;

/// The record at the end, with the longest comment.
const END: u64 = 22 + 0xffff;

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteZipError {
    /// The server does not answer as it should.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A part cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// No record of an archive at the end.
    #[error("expected a zip archive")]
    NotZip,
    /// More entries than are looked at, or one of the format's 64-bit forms.
    #[error("its directory is larger than {DIRECTORY} bytes")]
    LargeDirectory,
    /// The directory is not what the format says.
    #[error("its directory is damaged")]
    Damaged,
    /// No entry that is wanted, or several.
    #[error("expected one entry of that name, found {0}")]
    Entries(usize),
    /// The entry cannot be read.
    #[error("the entry is damaged or encrypted")]
    Entry,
    /// The entry is compressed in a way that wheels are not.
    #[error("the entry is compressed by method {0}, expected 0 or 8")]
    Method(u64),
    /// The entry is larger than it may be.
    #[error("the entry has more than {0} bytes")]
    Large(u64),
}

/// The content of the only entry whose name is wanted, of at most `limit` bytes. The archive has `size`
/// bytes.
///
/// # Errors
/// If the server does not send parts of files, the file is not an archive, or has no such entry or a longer one.
pub(crate) fn read(
    http: &Http,
    (address, size): (&Address, u64),
    wanted: &dyn Fn(&str) -> bool,
    limit: u64,
) -> Result<Vec<u8>, RemoteZipError> {
    if let Some(path) = address.local_path() {
        let file = regular::open(path.as_ref(), Link::Follow)?;
        let size = file.metadata()?.len();
        return entry(file, size, wanted, limit);
    }
    let remote = Remote { http, address, size, at: 0, start: 0, block: Vec::new(), requests: 0 };
    entry(remote, size, wanted, limit)
}

/// A record of the archive.
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn u16(&self, at: usize) -> u64 {
        u64::from(self.0[at]) | u64::from(self.0[at + 1]) << 8
    }

    fn u32(&self, at: usize) -> u64 {
        self.u16(at) | self.u16(at + 2) << 16
    }
}

fn entry(
    mut archive: impl Read + Seek,
    size: u64,
    wanted: &dyn Fn(&str) -> bool,
    limit: u64,
) -> Result<Vec<u8>, RemoteZipError> {
    let mut part = |at: u64, length: u64| {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        archive.seek(SeekFrom::Start(at))?;
        archive.read_exact(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let start = size.saturating_sub(END);
    let tail = part(start, size - start)?;
    let end = tail.windows(22).rposition(|at| at.starts_with(b"PK\x05\x06"));
    let end = end.ok_or(RemoteZipError::NotZip)?;
    let record = Record(&tail[end..]);
    let (count, length, offset) = (record.u16(10), record.u32(12), record.u32(16));
    if length > DIRECTORY || count == 0xffff || offset == 0xffff_ffff {
        return Err(RemoteZipError::LargeDirectory);
    }
    let directory = part(offset, length)?;
    let (mut rest, mut found) = (&directory[..], Vec::new());
    for _ in 0..count {
        if rest.len() < 46 || !rest.starts_with(b"PK\x01\x02") {
            return Err(RemoteZipError::Damaged);
        }
        let header = Record(rest);
        let name = 46 + header.u16(28) as usize;
        let next = name + header.u16(30) as usize + header.u16(32) as usize;
        let text = rest.get(46..name).ok_or(RemoteZipError::Damaged)?;
        if std::str::from_utf8(text).is_ok_and(wanted) {
            found.push((header.u16(8), header.u16(10), header.u32(20), header.u32(42)));
        }
        rest = rest.get(next..).ok_or(RemoteZipError::Damaged)?;
    }
    let [(flags, method, packed, offset)] = found[..] else {
        return Err(RemoteZipError::Entries(found.len()));
    };
    let local = part(offset, 30)?;
    let header = Record(&local);
    if !local.starts_with(b"PK\x03\x04") || flags & 1 != 0 {
        return Err(RemoteZipError::Entry);
    }
    let place = offset + 30 + header.u16(26) + header.u16(28);
    archive.seek(SeekFrom::Start(place))?;
    let packed = archive.take(packed);
    let mut content = Vec::new();
    match method {
        0 => packed.take(limit + 1).read_to_end(&mut content)?,
        8 => flate2::read::DeflateDecoder::new(packed).take(limit + 1).read_to_end(&mut content)?,
        other => return Err(RemoteZipError::Method(other)),
    };
    if content.len() as u64 > limit {
        return Err(RemoteZipError::Large(limit));
    }
    Ok(content)
}

/// A file on a server, of which one block is kept.
struct Remote<'a> {
    http: &'a Http,
    address: &'a Address,
    size: u64,
    at: u64,
    start: u64,
    block: Vec<u8>,
    requests: usize,
}

impl Remote<'_> {
    /// Fetches the block that holds the place; the last one is as long as the others.
    fn fetch(&mut self) -> io::Result<()> {
        self.requests += 1;
        if self.requests > MAX_REQUESTS {
            return Err(io::Error::other("its directory is spread over too many places"));
        }
        let start = self.at.min(self.size.saturating_sub(BLOCK));
        let end = (start + BLOCK).min(self.size);
        let range = format!("bytes={start}-{}", end - 1);
        let headers = [("accept-encoding", "identity"), ("range", range.as_str())];
        let mut answer = self.http.request(self.address, &headers).map_err(io::Error::other)?;
        let is_part = answer.status() == 206;
        if !is_part && start > 0 {
            return Err(io::Error::other("the server does not send parts of files"));
        }
        let mut block = Vec::new();
        Http::body(&mut answer).take(end - start).read_to_end(&mut block)?;
        if block.len() as u64 != end - start {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.start, self.block) = (start, block);
        Ok(())
    }
}

impl Read for Remote<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        if !(self.start..self.start + self.block.len() as u64).contains(&self.at) {
            self.fetch()?;
        }
        let rest = &self.block[(self.at - self.start) as usize..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Remote<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn archive(files: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
        let mut out = ZipWriter::new(Cursor::new(Vec::new()));
        out.set_comment("PK\x05\x06 is no end").unwrap();
        for (name, content, method) in files {
            let options = SimpleFileOptions::default().compression_method(*method);
            out.start_file(*name, options).unwrap();
            out.write_all(content).unwrap();
        }
        out.finish().unwrap().into_inner()
    }

    fn read_m(bytes: &[u8]) -> Result<Vec<u8>, RemoteZipError> {
        entry(Cursor::new(bytes), bytes.len() as u64, &|name| name.ends_with("/M"), 1000)
    }

    fn usual() -> Vec<u8> {
        let (stored, deflated) = (CompressionMethod::Stored, CompressionMethod::Deflated);
        archive(&[
            ("a/x", &[7; 70_000], stored),
            ("a/M", &[b'm'; 900], deflated),
            ("b", b"", stored),
        ])
    }

    #[test]
    fn one_entry_is_read() {
        assert_eq!(read_m(&usual()).unwrap(), [b'm'; 900]);
        let stored = archive(&[("a/M", b"text", CompressionMethod::Stored)]);
        assert_eq!(read_m(&stored).unwrap(), b"text");
        for (files, reason) in [
            (&[("a/M", &[0; 1001][..]), ("b", b"")][..], "more than 1000"),
            (&[("a/M", b""), ("b/M", b"")], "found 2"),
            (&[("b", b"")], "found 0"),
        ] {
            let files: Vec<_> =
                files.iter().map(|(n, c)| (*n, *c, CompressionMethod::Deflated)).collect();
            let error = read_m(&archive(&files)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(read_m(b"").is_err() && matches!(read_m(&[0; 100]), Err(RemoteZipError::NotZip)));
    }

    /// No memory is taken by the claims of an archive.
    #[test]
    fn claims_are_not_believed() {
        for (place, claim) in [(10, 2), (12, 4), (16, 4)] {
            let mut bytes = usual();
            let end = bytes.windows(4).position(|at| at == b"PK\x05\x06").unwrap();
            bytes[end + place..end + place + claim].fill(0xff);
            assert!(read_m(&bytes).is_err());
        }
        // nor what an index says of its size
        let error = entry(Cursor::new(usual()), u64::MAX, &|_| true, 10).unwrap_err().to_string();
        assert!(error.contains("fill whole buffer"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(at in 0usize..1500, value: u8) {
            let mut bytes = usual();
            let at = bytes.len() - 1 - at.min(bytes.len() - 1);
            bytes[at] = value;
            let _ = read_m(&bytes);
        }
    }
}
