//! Build logs, one for each derivation. While a build runs, its log is plain text that anybody may read,
//! locked by its process. When the build ends, a large log is compressed. The log of a killed build stays
//! plain, and its lock is gone. Knows nothing of lines.
//!
//! A compressed log is synced before it gets its name, so it is always whole. A plain log is not synced: a
//! power cut may leave part of it or nothing.

use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::Mode;

use super::{
    Store, StoreError,
    lock::{hold, is_held},
};
use crate::{files, store_path::StorePath};

/// Up to this size in bytes, compressing saves nothing: a file has whole blocks.
const SMALL: u64 = 4096;

/// The mode of the empty log of a finished build. All others are writable.
const EMPTY: Mode = Mode::from_raw_mode(0o444);

/// The three names of a derivation's log: while it is made, plain, and compressed.
const ENDINGS: [&str; 3] = [".log.new", ".log", ".log.zst"];

fn place(folder: &Path, derivation: &StorePath, ending: &str) -> PathBuf {
    folder.join(format!("{}{ending}", derivation.base()))
}

/// A log that is being written. Dropped without [`LogWriter::finish`] it stays as it is.
#[derive(Debug)]
pub struct LogWriter {
    file: fs_err::File,
    folder: PathBuf,
    derivation: StorePath,
}

impl Store {
    /// Starts the log of a derivation, in place of an earlier one. The caller holds the lock of its outputs.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create_log(&self, derivation: &StorePath) -> io::Result<LogWriter> {
        let folder = self.layout.log();
        let [new, plain, compressed] = ENDINGS.map(|ending| place(&folder, derivation, ending));
        let file = create(&new)?;
        // it is locked before others can see it
        hold(&file, true)?;
        fs_err::rename(&new, plain)?;
        // of an earlier build
        files::remove_file(&compressed)?;
        Ok(LogWriter { file, folder, derivation: derivation.clone() })
    }

    /// Opens the log of the last build of a derivation in this store; `None` if there was none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn log(&self, derivation: &StorePath) -> io::Result<Option<LogReader>> {
        let folder = self.layout.log();
        let [_, plain, compressed] = ENDINGS.map(|ending| place(&folder, derivation, ending));
        let open = |path: &Path| match files::open_regular(path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        };
        // a plain log may be compressed in between
        for _ in 0..2 {
            if let Some(file) = open(&compressed)? {
                let decoder = zstd::Decoder::new(file.into_file())?;
                return Ok(Some(LogReader(Form::Compressed(Box::new(decoder)))));
            }
            if let Some(file) = open(&plain)? {
                return Ok(Some(LogReader(Form::Plain(file))));
            }
        }
        Ok(None)
    }

    /// Removes the logs of derivations that are no longer valid, unless a build writes them.
    pub(super) fn sweep_logs(&self) -> Result<(), StoreError> {
        let mut logs = Vec::new();
        for entry in fs_err::read_dir(self.layout.log())? {
            let entry = entry?;
            let name = entry.file_name();
            // other names are not clutch's
            let base = name
                .to_str()
                .and_then(|name| ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)));
            if let Some(Ok(derivation)) = base.map(StorePath::from_base) {
                logs.push((derivation, entry.path()));
            }
        }
        // in this order: a derivation is valid before it has a log
        let valid = self.glimpse_valid(logs.iter().map(|(derivation, _)| derivation))?;
        for (derivation, log) in logs {
            if !valid.contains(&derivation) && !is_locked(&log)? {
                files::remove_file(&log)?;
            }
        }
        Ok(())
    }
}

/// Makes a file in place of one that a killed process has left.
fn create(path: &Path) -> io::Result<fs_err::File> {
    files::remove_file(path)?;
    fs_err::OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// True if a file is there and locked.
fn is_locked(path: &Path) -> io::Result<bool> {
    match files::open_regular(path) {
        Ok(file) => is_held(&file),
        // nobody writes a log to something else than a file
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl LogWriter {
    /// Ends the log. If it cannot be compressed, it stays plain and readable.
    pub fn finish(mut self) {
        let _ = self.compress();
    }

    fn compress(&mut self) -> io::Result<()> {
        let [new, plain, compressed] =
            ENDINGS.map(|ending| place(&self.folder, &self.derivation, ending));
        let size = self.file.seek(SeekFrom::End(0))?;
        if size == 0 {
            // tells it from a log whose content was lost in a power cut
            return rustix::fs::fchmod(&self.file, EMPTY).map_err(Into::into);
        }
        if size <= SMALL {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(0))?;
        let mut target = create(&new)?;
        let done = zstd::stream::copy_encode(&mut self.file, &mut target, 0)
            .and_then(|()| target.sync_data())
            .and_then(|()| fs_err::rename(&new, &compressed))
            .and_then(|()| files::remove_file(&plain));
        done.inspect_err(|_| drop(fs_err::remove_file(&new)))
    }
}

/// A log, read from its start. Read again at its end to get more from a running build.
pub struct LogReader(Form);

enum Form {
    Plain(fs_err::File),
    Compressed(Box<zstd::Decoder<'static, io::BufReader<std::fs::File>>>),
}

impl LogReader {
    /// True if an empty log belongs to a finished build that printed nothing.
    ///
    /// # Errors
    /// If its metadata cannot be read.
    pub fn is_complete(&self) -> io::Result<bool> {
        match &self.0 {
            Form::Plain(file) => Ok(file.metadata()?.permissions().mode() & 0o777 == 0o444),
            Form::Compressed(_) => Ok(true),
        }
    }

    /// True if some process still runs the build.
    ///
    /// # Errors
    /// If the file system has no locks.
    pub fn is_running(&self) -> io::Result<bool> {
        match &self.0 {
            Form::Plain(file) => is_held(file),
            Form::Compressed(_) => Ok(false),
        }
    }
}

impl Read for LogReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Plain(file) => file.read(buffer),
            Form::Compressed(decoder) => decoder.read(buffer),
        }
    }
}
