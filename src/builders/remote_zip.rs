//! One small entry of a zip archive on a server, without the rest: the directory stands at the end, and
//! what is needed is asked for by range (RFC 9110, section 14). Nothing is believed that is read here.

use std::io::{self, Read, Seek, SeekFrom};

use super::{address::Address, http::Http};
use crate::regular::{self, Link};

/// How much is asked for at a time, in bytes. In most wheels the end holds the metadata, too.
const BLOCK: u64 = 128 << 10;

/// How many times.
const MAX_REQUESTS: usize = 12;

/// The content of the only entry whose name is wanted, of at most `limit` bytes. The archive has `size`
/// bytes.
///
/// # Errors
/// The reason: no ranges, no archive, no such entry, or a longer one.
pub fn read(
    http: &Http,
    (address, size): (&Address, u64),
    wanted: &dyn Fn(&str) -> bool,
    limit: u64,
) -> Result<Vec<u8>, String> {
    if let Some(path) = address.local_path() {
        let file = regular::open(path.as_ref(), Link::Follow).map_err(|e| e.to_string())?;
        return entry(Few { file, left: (MAX_REQUESTS as u64) * BLOCK }, wanted, limit);
    }
    let remote = Remote { http, address, size, at: 0, start: 0, block: Vec::new(), requests: 0 };
    entry(remote, wanted, limit)
}

fn entry(
    archive: impl Read + Seek,
    wanted: &dyn Fn(&str) -> bool,
    limit: u64,
) -> Result<Vec<u8>, String> {
    let mut archive = zip::ZipArchive::new(archive).map_err(|e| e.to_string())?;
    let mut names = Vec::new();
    for name in archive.file_names() {
        let name = name.map_err(|e| e.to_string())?;
        if wanted(&name) {
            names.push(name.into_owned());
        }
    }
    let [name] = &names[..] else {
        return Err(format!("it has {} such entries, expected one", names.len()));
    };
    let entry = archive.by_name(name).map_err(|e| e.to_string())?;
    let mut content = Vec::new();
    entry.take(limit + 1).read_to_end(&mut content).map_err(|e| e.to_string())?;
    if content.len() as u64 > limit {
        return Err(format!("{name} has more than {limit} bytes"));
    }
    Ok(content)
}

/// A file of which no more is read than would be of one on a server.
struct Few {
    file: fs_err::File,
    left: u64,
}

impl Read for Few {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let left = self.left.checked_sub(count as u64);
        self.left = left.ok_or_else(|| io::Error::other("its directory is too large"))?;
        Ok(count)
    }
}

impl Seek for Few {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
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
            return Err(io::Error::other("the server gives no parts of files"));
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
