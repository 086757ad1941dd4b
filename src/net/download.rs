//! One file from one address to the disk, hashed while it arrives. A broken transfer goes on where it stopped: the
//! bytes so far stay in a partial file, also from one run to the next. A file with the wrong hash is not kept. If it
//! came in parts, these may be of two versions of the file; it is fetched once more from its beginning, so that no
//! error shows a hash that no file has.

use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use fs_err as fs;
use ureq::{
    Body,
    http::{Response, header},
};

use super::{
    address::Address,
    http::{Http, HttpError},
};
use crate::{
    hash::{Algorithm, Hash, Hasher},
    regular::{self, Link},
};

/// So many new bytes make a try a success, after which there may be as many tries again as before.
const PROGRESS: u64 = 64 << 10;

/// A file to fetch.
pub(crate) struct Download<'a> {
    /// Its address.
    pub address: &'a Address,
    /// The hash that it must have; nothing if something else is checked, such as the tree that is made of it. The
    /// partial file must be new then, since nothing can tell if an old one fits.
    pub hash: Option<Hash>,
    /// Its size in bytes, if that is known.
    pub size: Option<u64>,
    /// The partial file. Only this download uses it.
    pub partial: &'a Path,
    /// Takes the bytes that are there, and the bytes that there will be.
    pub progress: &'a (dyn Fn(u64, Option<u64>) + Sync),
    /// Says if the download is to stop.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Takes a line for the log.
    pub log: &'a (dyn Fn(&str) + Sync),
}

/// A file with another hash.
#[derive(Debug, thiserror::Error)]
#[error("{address}: hash mismatch: specified {expected}, got {actual}")]
pub(crate) struct Mismatch {
    /// The address that it came from.
    pub address: Address,
    /// The hash that was expected.
    pub expected: Hash,
    /// The hash that it has.
    pub actual: Hash,
}

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// Requests failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It is another file.
    #[error(transparent)]
    Hash(Box<Mismatch>),
    /// It has another size than is known.
    #[error("{address}: expected {expected} bytes, got {actual}")]
    Size {
        /// The address that it came from.
        address: Address,
        /// The size that is known.
        expected: u64,
        /// The size that the server announces or sends, at least.
        actual: u64,
    },
    /// The parts did not fit together, twice.
    #[error(
        "{address}: the parts of the file do not fit together: it changes while it is fetched, or the \
         server does not give the parts that it is asked for; try again later"
    )]
    Changing {
        /// The address that it came from.
        address: Address,
    },
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The partial file with the hash of what it holds.
struct Partial {
    file: fs::File,
    hasher: Hasher,
    length: u64,
    /// How many answers its bytes come from.
    parts: usize,
    /// The version of the file that they belong to, if this run has asked for it.
    version: Option<Version>,
}

/// The headers that tell one version of a server's file from another (RFC 9110, section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Version {
    tag: Option<String>,
    modified: Option<String>,
    length: Option<u64>,
}

impl Version {
    fn of(answer: &Response<Body>, length: Option<u64>) -> Self {
        let text = |name| Some(answer.headers().get(name)?.to_str().ok()?.trim().to_owned());
        Self { tag: text(header::ETAG), modified: text(header::LAST_MODIFIED), length }
    }

    /// The header that a server compares before it gives a part (RFC 9110, section 13.1.5).
    fn validator(&self) -> Option<&str> {
        let strong = self.tag.as_deref().filter(|tag| !tag.starts_with("W/"));
        strong.or(self.modified.as_deref())
    }

    /// True if both may be the same version.
    fn fits(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        same(self.tag.as_ref(), other.tag.as_ref())
            && same(self.modified.as_ref(), other.modified.as_ref())
            && same(self.length.as_ref(), other.length.as_ref())
    }
}

impl Download<'_> {
    /// Fetches into the partial file; afterwards that is the whole file with the right hash.
    ///
    /// # Errors
    /// If it cannot be fetched, or has another hash or size. The partial file stays after a broken
    /// transfer only.
    pub(crate) fn run(&self, http: &Http) -> Result<(), DownloadError> {
        let mut partial = self.open()?;
        let misfit =
            |e: &DownloadError| matches!(e, DownloadError::Hash(_) | DownloadError::Size { .. });
        // the rest of an earlier run may be damaged, or of another file
        let mut in_parts = partial.length > 0;
        let result = self.attempt(http, &mut partial);
        in_parts |= partial.parts > 1;
        match result {
            Err(error) if misfit(&error) && in_parts => {}
            result => return result,
        }
        (self.log)("the parts that were fetched do not fit together, starting over");
        partial.restart(self.algorithm())?;
        match self.attempt(http, &mut partial) {
            Err(error) if misfit(&error) && partial.parts > 1 => {
                Err(DownloadError::Changing { address: self.address.clone() })
            }
            result => result,
        }
    }

    fn attempt(&self, http: &Http, partial: &mut Partial) -> Result<(), DownloadError> {
        let result = self.fetch(http, partial).and_then(|()| self.check(partial));
        if let Err(DownloadError::Hash(_) | DownloadError::Size { .. }) = &result {
            partial.file.set_len(0)?;
        }
        result
    }

    fn open(&self) -> io::Result<Partial> {
        let mut options = fs::OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(self.partial)?;
        let mut hasher = Hasher::new(self.algorithm());
        let length = io::copy(&mut file, &mut hasher)?;
        Ok(Partial { file, hasher, length, parts: 0, version: None })
    }

    fn check(&self, partial: &mut Partial) -> Result<(), DownloadError> {
        let hasher = std::mem::replace(&mut partial.hasher, Hasher::new(self.algorithm()));
        let actual = hasher.finish();
        if self.size.is_some_and(|size| size != partial.length) {
            return Err(self.wrong_size(partial.length));
        }
        if let Some(expected) = self.hash
            && expected != actual
        {
            let address = self.address.clone();
            let mismatch = Mismatch { address, expected, actual };
            return Err(DownloadError::Hash(Box::new(mismatch)));
        }
        Ok(())
    }

    fn algorithm(&self) -> Algorithm {
        self.hash.map_or(Algorithm::Sha256, |hash| hash.algorithm())
    }

    fn wrong_size(&self, actual: u64) -> DownloadError {
        let expected = self.size.unwrap_or_default();
        DownloadError::Size { address: self.address.clone(), expected, actual }
    }

    fn fetch(&self, http: &Http, partial: &mut Partial) -> Result<(), DownloadError> {
        if let Some(path) = self.address.local_path() {
            partial.restart(self.algorithm())?;
            let mut source = regular::open(Path::new(&path), Link::Follow)?;
            let size = source.metadata()?.len();
            return self.copy(&mut source, partial, Some(size), &|e| DownloadError::Io(e));
        }
        let mut lasting = None;
        let mut progressed_to = partial.length;
        // as long as tries bring new bytes, there may be any number of them
        loop {
            let result = http.retrying(&mut |attempt| {
                if attempt > 0 {
                    (self.log)(&format!("trying {} again", self.address));
                }
                match self.once(http, partial) {
                    Ok(()) => Ok(true),
                    Err(DownloadError::Http(error)) => {
                        let more = error.is_passing()
                            && partial.length >= progressed_to.saturating_add(PROGRESS);
                        if more { Ok(false) } else { Err(error) }
                    }
                    Err(other) => {
                        lasting = Some(other);
                        Ok(true)
                    }
                }
            });
            match (result, lasting.take()) {
                (_, Some(other)) => return Err(other),
                (Ok(true), None) => return Ok(()),
                (Ok(false), None) => {
                    (self.log)(&format!(
                        "the transfer broke off after {} bytes, going on",
                        partial.length
                    ));
                    progressed_to = partial.length;
                }
                (Err(error), None) => return Err(error.into()),
            }
        }
    }

    /// One request, for the bytes that are missing.
    fn once(&self, http: &Http, partial: &mut Partial) -> Result<(), DownloadError> {
        if self.size.is_some_and(|size| size == partial.length) {
            return Ok(());
        }
        let range = format!("bytes={}-", partial.length);
        let version = partial.version.clone().unwrap_or_default();
        // not compressed on the way: ranges and hashes are those of the file
        let mut headers = vec![("accept-encoding", "identity")];
        if partial.length > 0 {
            headers.push(("range", &range));
            headers.extend(version.validator().map(|validator| ("if-range", validator)));
        }
        let mut answer = http.request(self.address, &headers)?;
        match (answer.status().as_u16(), content_range(&answer)) {
            (206, Some((start, total)))
                if start == partial.length && version.fits(&Version::of(&answer, total)) => {}
            (416 | 206, _) => {
                // the server's file is another one, or its ranges are no use
                partial.restart(self.algorithm())?;
                answer = http.request(self.address, &headers[..1])?;
            }
            _ => partial.restart(self.algorithm())?,
        }
        let start = content_range(&answer).map(|(start, _)| start);
        if answer.status() == 206 && start != Some(partial.length) {
            let reason = "the server sent another part than the one asked for".to_owned();
            let address = self.address.clone();
            return Err(HttpError::Connection { address, reason, passing: false }.into());
        }
        if answer.status() == 416 {
            let (address, advice) = (self.address.clone(), String::new());
            return Err(HttpError::Status { address, code: 416, retry_after: None, advice }.into());
        }
        // of a part, the whole counts
        let total = match (answer.status().as_u16(), content_range(&answer)) {
            (206, Some((_, Some(total)))) => Some(total),
            _ => answer.body().content_length().and_then(|n| n.checked_add(partial.length)),
        };
        partial.version = Some(Version::of(&answer, total));
        if let (Some(total), Some(size)) = (total, self.size)
            && total != size
        {
            return Err(self.wrong_size(total));
        }
        let before = partial.length;
        let mut reader = Http::body(&mut answer);
        let broken = |e| http.interrupted(self.address, &e).into();
        let copied = self.copy(&mut reader, partial, total, &broken);
        partial.parts += usize::from(partial.length > before);
        copied?;
        if total.is_some_and(|total| partial.length < total) {
            let early = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(broken(early));
        }
        Ok(())
    }

    fn copy(
        &self,
        source: &mut dyn Read,
        partial: &mut Partial,
        total: Option<u64>,
        broken: &dyn Fn(io::Error) -> DownloadError,
    ) -> Result<(), DownloadError> {
        // how much it will be is known before the first byte is there
        (self.progress)(partial.length, self.size.or(total));
        let mut buffer = vec![0; 1 << 17];
        loop {
            if (self.cancelled)() {
                return Err(HttpError::Cancelled.into());
            }
            let count = match source.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(broken(e)),
            };
            partial.file.write_all(&buffer[..count])?;
            partial.hasher.update(&buffer[..count]);
            partial.length += count as u64;
            (self.progress)(partial.length, self.size.or(total));
            if self.size.is_some_and(|size| partial.length > size) {
                return Err(self.wrong_size(partial.length));
            }
        }
    }
}

impl Partial {
    fn restart(&mut self, algorithm: Algorithm) -> io::Result<()> {
        if self.length > 0 {
            self.file.set_len(0)?;
        }
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher = Hasher::new(algorithm);
        (self.length, self.parts, self.version) = (0, 0, None);
        Ok(())
    }
}

/// First byte and total of `Content-Range: bytes 5-9/10` (RFC 9110, section 14.4).
fn content_range(answer: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let text = answer.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}
