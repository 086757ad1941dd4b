//! A gzip file of many members that are written and read in parallel. Each member has its length in an extra
//! field of its header (RFC 1952, 2.3.1.1; the identifier is `CL`), so that a reader
//! finds the next one without inflating it; ordinary tools skip the field.

use std::io::{self, Seek, SeekFrom, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use rayon::prelude::*;

/// A member's header up to the length: magic, deflate, extra field, no time, no flags, unknown
/// system, twelve bytes of extra field: `CL`, eight bytes.
const START: [u8; 16] = *b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x0c\0CL\x08\0";

/// The header with the length.
pub(super) const HEADER: u64 = START.len() as u64 + 8;

/// The checksum and the size behind the data.
pub(super) const TRAILER: u64 = 8;

/// The size of a piece, which is compressed alone. Pieces of one member make one deflate stream.
const PIECE: usize = 1 << 20;

/// The most bytes that wait before all threads compress them.
const BATCH: usize = 16 << 20;

/// The compression level: beyond this, trees of programs and libraries shrink little more.
const LEVEL: u32 = 6;

/// Writes members: bytes by [`Write`], then [`Members::end`] after each member.
pub(super) struct Members<W: Write + Seek> {
    out: W,
    /// Bytes written to `out`, which was empty.
    written: u64,
    piece: Vec<u8>,
    batch: Vec<Piece>,
    waiting: usize,
    /// The member that is not complete on `out`.
    open: Option<Open>,
}

struct Piece {
    bytes: Vec<u8>,
    last: bool,
}

struct Open {
    start: u64,
    /// True if the length in the header must be rewritten.
    patch: bool,
    crc: Crc,
}

struct Deflated {
    bytes: Vec<u8>,
    crc: Crc,
    last: bool,
}

impl<W: Write + Seek> Members<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, written: 0, piece: Vec::new(), batch: Vec::new(), waiting: 0, open: None }
    }

    /// Ends a member.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.queue(true)
    }

    /// Writes all that is waiting.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.compress()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn queue(&mut self, last: bool) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.piece);
        // a small member costs set-up, too
        self.waiting += bytes.len().max(PIECE / 64);
        self.batch.push(Piece { bytes, last });
        if self.waiting >= BATCH { self.compress() } else { Ok(()) }
    }

    fn compress(&mut self) -> io::Result<()> {
        self.waiting = 0;
        let pieces = std::mem::take(&mut self.batch);
        let deflater = || Compress::new(Compression::new(LEVEL), false);
        let deflated: Vec<Deflated> =
            pieces.into_par_iter().map_init(deflater, deflate).collect::<io::Result<_>>()?;
        for (at, piece) in deflated.iter().enumerate() {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.start(&deflated[at..])?,
            };
            self.put(&piece.bytes)?;
            open.crc.combine(&piece.crc);
            if piece.last {
                self.complete(&open)?;
            } else {
                self.open = Some(open);
            }
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Writes the header of the member whose pieces come first in `ahead`.
    fn start(&mut self, ahead: &[Deflated]) -> io::Result<Open> {
        let start = self.written;
        let end = ahead.iter().position(|piece| piece.last);
        let length = end.map_or(0, |end| {
            let data: u64 = ahead[..=end].iter().map(|piece| piece.bytes.len() as u64).sum();
            HEADER + data + TRAILER
        });
        self.put(&START)?;
        self.put(&length.to_le_bytes())?;
        Ok(Open { start, patch: end.is_none(), crc: Crc::new() })
    }

    fn complete(&mut self, open: &Open) -> io::Result<()> {
        self.put(&open.crc.sum().to_le_bytes())?;
        self.put(&open.crc.amount().to_le_bytes())?;
        if open.patch {
            let end = self.written;
            self.out.seek(SeekFrom::Start(open.start + START.len() as u64))?;
            self.out.write_all(&(end - open.start).to_le_bytes())?;
            self.out.seek(SeekFrom::Start(end))?;
        }
        Ok(())
    }
}

impl<W: Write + Seek> Write for Members<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.queue(false)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compresses a piece so that the next one can follow it in the same stream.
fn deflate(deflater: &mut Compress, piece: Piece) -> io::Result<Deflated> {
    let Piece { bytes, last } = piece;
    deflater.reset();
    let mut crc = Crc::new();
    crc.update(&bytes);
    let flush = if last { FlushCompress::Finish } else { FlushCompress::Full };
    let mut out = Vec::with_capacity(bytes.len() / 2 + 1024);
    loop {
        let rest = &bytes[deflater.total_in() as usize..];
        let status = deflater.compress_vec(rest, &mut out, flush).map_err(io::Error::other)?;
        let complete = match last {
            true => status == Status::StreamEnd,
            // the buffer has room left, so nothing was held back
            false => deflater.total_in() as usize == bytes.len() && out.len() < out.capacity(),
        };
        if complete {
            return Ok(Deflated { bytes: out, crc, last });
        }
        out.reserve(out.capacity().max(1024));
    }
}

/// True if a clutch member may begin with these bytes, which may be fewer than a header.
pub(super) fn is_start(bytes: &[u8]) -> bool {
    bytes.iter().zip(&START).all(|(found, own)| found == own)
}

/// The length of the member that starts with these bytes; `None` if clutch did not write it.
pub(super) fn member_length(header: &[u8; HEADER as usize]) -> Option<u64> {
    let (start, length) = header.split_last_chunk::<8>()?;
    (start == START).then_some(u64::from_le_bytes(*length))
}
