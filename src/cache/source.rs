//! The file of an export, read member by member. A pipe is copied to a temporary file while its members
//! are checked.

use std::{
    io::{self, BufReader, Read, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use flate2::bufread::GzDecoder;
use fs_err::File;
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::{
    TransferError,
    export::entry_name,
    gzip,
    header::{self, Exported, Header},
};
use crate::{
    limits, regular,
    store::{Scratch, Store, StoreError},
    tree::{self, Announced, UnpackError},
};

/// The file of an export, with the place of each member.
pub(super) struct Source {
    name: String,
    file: File,
    /// The bytes of `file` that are there.
    length: u64,
    /// A pipe that is copied to `file` as it is read.
    stream: Option<File>,
    /// Start and end of the members: the header, the paths, the end.
    members: Vec<(u64, u64)>,
}

impl Source {
    /// Opens the export at `path`; `-` is standard input.
    pub(super) fn open(store: &Store, path: &Path) -> Result<Self, TransferError> {
        let is_input = path == Path::new("-");
        let name = if is_input { "standard input".to_owned() } else { path.display().to_string() };
        let file = if is_input {
            let input = rustix::io::dup(rustix::stdio::stdin()).map_err(io::Error::from)?;
            File::from_parts(input.into(), &name)
        } else {
            let opened = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            File::from_parts(opened.map_err(|e| regular::named(path, &e.into()))?.into(), path)
        };
        let found = file.metadata()?;
        // a descriptor that was read in part counts as a pipe: the export starts at its position
        let at_start = || rustix::fs::tell(&file).is_ok_and(|at| at == 0);
        if found.is_dir() {
            let problem = "a folder, expected a file written by `clutch export`";
            return Err(TransferError::NoExport { file: name, problem });
        }
        if found.is_file() && at_start() {
            return Ok(Self { name, file, length: found.len(), stream: None, members: Vec::new() });
        }
        let spool = match store.is_writable() {
            true => {
                let scratch = store.scratch()?;
                // it has a name only until the scratch folder goes
                tempfile::tempfile_in(scratch.path())?
            }
            false => tempfile::tempfile()?,
        };
        let spool = File::from_parts(spool, &name);
        Ok(Self { name, file: spool, length: 0, stream: Some(file), members: Vec::new() })
    }

    /// The error for a problem at a place in the file.
    pub(super) fn refuse(
        &self,
        place: impl Into<String>,
        problem: impl Into<String>,
    ) -> TransferError {
        let (place, problem) = (place.into(), problem.into());
        TransferError::Refused { file: self.name.clone(), place, problem }
    }

    /// The file's name in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Finds the next member, of at most `limit` bytes. Returns whether there is one.
    fn next(&mut self, limit: u64) -> Result<bool, TransferError> {
        let at = self.members.last().map_or(0, |(_, end)| *end);
        let place = || format!("byte {at}");
        let mut start = [0; gzip::HEADER as usize];
        let filled = match &mut self.stream {
            Some(stream) => fill(stream, &mut start)?,
            None => fill(&mut Range { file: self.file.file(), at, end: self.length }, &mut start)
                .map_err(|e| self.named("read", &e))?,
        };
        // report a file of another kind as such, however short it is
        let is_ours = gzip::is_start(&start[..filled]);
        if filled == 0 {
            return Ok(false);
        }
        if !is_ours {
            if at == 0 {
                let problem = "not a file written by `clutch export`";
                return Err(TransferError::NoExport { file: self.name.clone(), problem });
            }
            return Err(self.refuse(place(), "expected the start of a member"));
        }
        if filled < start.len() {
            return Err(self.refuse(place(), "the file ends in the header of a member"));
        }
        let own = gzip::member_length(&start).unwrap_or_default();
        let end = at.checked_add(own).filter(|_| own > gzip::HEADER + gzip::TRAILER);
        let Some(end) = end else {
            return Err(
                self.refuse(place(), format!("expected a member, found one of {own} bytes"))
            );
        };
        if own > limit {
            let problem = format!("a member of {own} bytes starts, at most {limit} are expected");
            return Err(self.refuse(place(), problem));
        }
        if let Some(stream) = &mut self.stream {
            self.file.write_all(&start)?;
            let rest = own - start.len() as u64;
            let copied = io::copy(&mut stream.take(rest), &mut self.file)?;
            self.length += start.len() as u64 + copied;
        }
        if end > self.length {
            let problem =
                format!("a member of {own} bytes starts, but the file has {}", self.length);
            return Err(self.refuse(place(), problem));
        }
        self.members.push((at, end));
        Ok(true)
    }

    /// Reads the header and checks that the file has exactly the members that it needs.
    pub(super) fn header(&mut self) -> Result<Header, TransferError> {
        self.next(deflated(limits::EXPORT_HEADER + 2048))?;
        let bytes = self.read(0, "the header", |from| {
            tree::unpack_bytes(from, header::ENTRY, limits::EXPORT_HEADER)
        })?;
        let header =
            Header::from_bytes(&bytes).map_err(|e| self.refuse("the header", e.to_string()))?;
        drop(bytes);
        let expected = header.paths.len() + 2;
        let lengths = header.paths.iter().map(|e| deflated(packed(e.announced)));
        for limit in lengths.chain([deflated(1024)]) {
            if !self.next(limit)? {
                let found = self.members.len();
                let problem =
                    format!("it has {found} members, expected {expected} from the header");
                return Err(self.refuse("the file", problem));
            }
        }
        if self.next(u64::MAX)? {
            let problem = format!("it has more than {expected} members, the number in the header");
            return Err(self.refuse("the file", problem));
        }
        self.read(expected - 1, "the end", |from| {
            let mut end = Vec::new();
            from.take(1025).read_to_end(&mut end)?;
            match end == [0; 1024] {
                true => Ok(()),
                false => Err(UnpackError::Whole("expected 1024 zeros".to_owned())),
            }
        })?;
        Ok(header)
    }

    /// Unpacks a path into scratch and returns its place.
    pub(super) fn unpack(
        &self,
        at: usize,
        exported: &Exported,
        scratch: &Scratch,
    ) -> Result<PathBuf, TransferError> {
        let target = scratch.path().join(exported.path.base());
        self.read(at + 1, exported.path.base(), |from| {
            tree::unpack(from, &entry_name(&exported.path), &target, exported.announced)
        })?;
        Ok(target)
    }

    /// Turns an error of the store into one of the file, if the file is at fault.
    pub(super) fn explain(&self, error: StoreError) -> TransferError {
        match error {
            StoreError::Hash { path, expected, found } => {
                let problem =
                    format!("its tree has hash {found}, expected {expected} from the header");
                self.refuse(path.to_string(), problem)
            }
            StoreError::Undeclared { path, reference } => {
                let problem = format!("it refers to '{reference}', which the header does not list");
                self.refuse(path.to_string(), problem)
            }
            StoreError::Unheld { path, reference } => {
                let problem =
                    format!("the header lists the reference '{reference}', which it does not have");
                self.refuse(path.to_string(), problem)
            }
            other => other.into(),
        }
    }

    /// An I/O error with the file's name in its text.
    fn named(&self, work: &str, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("failed to {work} '{}': {error}", self.name))
    }

    /// Inflates a member for `read`; the member has to end where it says, with its checksum.
    fn read<T>(
        &self,
        member: usize,
        place: &str,
        read: impl FnOnce(&mut dyn Read) -> Result<T, UnpackError>,
    ) -> Result<T, TransferError> {
        let Some((start, end)) = self.members.get(member).copied() else {
            return Err(self.refuse(place, "the file ends before it"));
        };
        let range = Range { file: self.file.file(), at: start, end };
        let mut inflated = GzDecoder::new(BufReader::with_capacity(128 << 10, range));
        let result = read(&mut inflated)
            .and_then(|result| match inflated.read(&mut [0])? {
                0 => Ok(result),
                _ => Err(UnpackError::Whole("bytes follow its end".to_owned())),
            })
            .map_err(|e| match e {
                // not the file's fault, such as a full disk
                UnpackError::Io(e) if !is_content(&e) => {
                    self.named(&format!("unpack '{place}' of"), &e).into()
                }
                e => self.refuse(place, e.to_string()),
            })?;
        let rest = inflated.into_inner();
        match rest.buffer().is_empty() && rest.get_ref().at == end {
            true => Ok(result),
            false => Err(self.refuse(place, "bytes follow its checksum")),
        }
    }
}

/// True if an error concerns the bytes read, not the place written to.
fn is_content(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidFilename, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidFilename | InvalidInput | UnexpectedEof)
}

/// The most bytes that a tree takes as tar entries.
fn packed(announced: Announced) -> u64 {
    // headers, names, targets and the padding of each
    const ENTRY: u64 = (limits::NAME + limits::LINK_TARGET + 8 * 512) as u64;
    announced.entries.saturating_mul(ENTRY).saturating_add(announced.size)
}

/// The most bytes that a member with this content takes.
fn deflated(bytes: u64) -> u64 {
    // incompressible data grow by some bytes in 16 KiB
    bytes.saturating_add(bytes / 1000).saturating_add(4096)
}

/// Reads until the buffer is full or the stream ends.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// A part of a file, read without moving the file's own position.
struct Range<'a> {
    file: &'a std::fs::File,
    at: u64,
    end: u64,
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
