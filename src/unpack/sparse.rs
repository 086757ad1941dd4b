//! Sparse files in tar archives: which parts of a file are in the archive, in the four forms that GNU tar
//! has written ("Storing Sparse Files" in its manual). All else in the file is zeros.

use std::io::{self, Read};

use super::error::invalid;
use crate::limits;

/// A part of a file that is in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its offset in the file.
    pub(super) offset: u64,
    /// Its size in bytes.
    pub(super) length: u64,
}

impl Segment {
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// The records `GNU.sparse.*` of a PAX header.
#[derive(Default)]
pub(super) struct Keys {
    /// The file's name: the member itself has another.
    pub(super) name: Option<Vec<u8>>,
    version: (Option<u64>, Option<u64>),
    size: Option<u64>,
    /// The parts, of forms that have them in the header.
    segments: Option<Vec<Segment>>,
    /// The offset of the next part, until its length is known.
    offset: Option<u64>,
}

/// A file's size and its parts.
pub(super) struct Map {
    pub(super) size: u64,
    pub(super) segments: Vec<Segment>,
}

impl Keys {
    pub(super) fn is_any(&self) -> bool {
        let version = self.version.0.is_some() || self.version.1.is_some();
        version || self.size.is_some() || self.segments.is_some() || self.name.is_some()
    }

    /// Takes a record; the key comes without `GNU.sparse.`.
    pub(super) fn record(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        match key {
            b"major" => self.version.0 = Some(number(value)?),
            b"minor" => self.version.1 = Some(number(value)?),
            // form 0, form 1.0
            b"size" | b"realsize" => self.size = Some(number(value)?),
            // form 0.0: one record after the other
            b"offset" => self.offset = Some(number(value)?),
            b"numbytes" => {
                let offset = self.offset.take();
                let offset =
                    offset.ok_or_else(|| invalid("a sparse file has a part without a place"))?;
                let segments = self.segments.get_or_insert_default();
                add(segments, Segment { offset, length: number(value)? })?;
            }
            // form 0.1: all in one record
            b"map" => {
                let mut segments = Vec::new();
                let mut numbers = value.split(|byte| *byte == b',');
                while let Some(offset) = numbers.next() {
                    let length = numbers.next();
                    let length =
                        length.ok_or_else(|| invalid("the map of a sparse file is cut off"))?;
                    let segment = Segment { offset: number(offset)?, length: number(length)? };
                    add(&mut segments, segment)?;
                }
                self.segments = Some(segments);
            }
            b"numblocks" => {}
            other => {
                let key = String::from_utf8_lossy(other);
                return Err(invalid(format!("the record 'GNU.sparse.{key}' is not known")));
            }
        }
        Ok(())
    }

    /// The map. In form 1.0 it stands in front of the content in `stream`, of which `left` bytes belong
    /// to the member; those that are read are taken off.
    pub(super) fn map(&self, stream: &mut impl Read, left: &mut u64) -> io::Result<Map> {
        let segments = match self.version {
            (Some(1), Some(0)) => in_front(stream, left)?,
            (None, None) | (Some(0), Some(0 | 1)) => {
                self.segments.clone().ok_or_else(|| invalid("a sparse file has no map"))?
            }
            (major, minor) => {
                let (major, minor) = (major.unwrap_or_default(), minor.unwrap_or_default());
                let text = format!("the form of sparse files {major}.{minor} is not supported");
                return Err(invalid(text));
            }
        };
        let size = self.size.ok_or_else(|| invalid("a sparse file has no size"))?;
        Ok(Map { size, segments })
    }
}

/// Adds a part, as long as there are not too many.
pub(super) fn add(segments: &mut Vec<Segment>, segment: Segment) -> io::Result<()> {
    if segments.len() >= limits::SPARSE_PARTS {
        return Err(invalid(format!("a sparse file has more than {} parts", limits::SPARSE_PARTS)));
    }
    segments.push(segment);
    Ok(())
}

/// Checks that the parts follow each other, lie in the file, and are all that the archive has of it.
pub(super) fn check(segments: &[Segment], size: u64, stored: u64) -> io::Result<()> {
    let (mut end, mut total) = (0, 0u64);
    for segment in segments {
        let after = segment.offset.checked_add(segment.length);
        match after {
            Some(after) if segment.offset >= end && after <= size => end = after,
            _ => return Err(invalid("the parts of a sparse file overlap, or lie outside of it")),
        }
        total = total.saturating_add(segment.length);
    }
    match total == stored {
        true => Ok(()),
        false => {
            Err(invalid(format!("a sparse file has {stored} bytes, but its map says {total}")))
        }
    }
}

/// A decimal number.
pub(super) fn number(text: &[u8]) -> io::Result<u64> {
    let digits = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let text: String = String::from_utf8_lossy(text).chars().take(40).collect();
        invalid(format!("'{text}' in a PAX header is not a number"))
    })
}

/// The map of form 1.0: lines of numbers, how many parts and then place and length of each, filled up to
/// a whole block.
fn in_front(stream: &mut impl Read, left: &mut u64) -> io::Result<Vec<Segment>> {
    let mut lines = Lines { stream, left, block: [0; 512], at: 512 };
    let count = lines.number()?;
    if count > limits::SPARSE_PARTS as u64 {
        return Err(invalid(format!("a sparse file has more than {} parts", limits::SPARSE_PARTS)));
    }
    let mut segments = Vec::new();
    for _ in 0..count {
        segments.push(Segment { offset: lines.number()?, length: lines.number()? });
    }
    Ok(segments)
}

struct Lines<'a, R> {
    stream: &'a mut R,
    left: &'a mut u64,
    block: [u8; 512],
    at: usize,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> io::Result<u64> {
        let mut digits = Vec::new();
        loop {
            if self.at == self.block.len() {
                let cut = || invalid("the map of a sparse file is cut off");
                *self.left = self.left.checked_sub(self.block.len() as u64).ok_or_else(cut)?;
                self.stream.read_exact(&mut self.block)?;
                self.at = 0;
            }
            let byte = self.block[self.at];
            self.at += 1;
            match byte {
                b'\n' if !digits.is_empty() => return number(&digits),
                byte if byte.is_ascii_digit() && digits.len() < 20 => digits.push(byte),
                _ => {
                    return Err(invalid(
                        "the map of a sparse file has something other than a number",
                    ));
                }
            }
        }
    }
}
