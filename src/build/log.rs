//! The log of one build: every byte into a file, every line to the observer, the last lines kept
//! for the failure report.

use std::{
    collections::VecDeque,
    io::{self, Write},
};

use crate::store::LogWriter;

/// The number of lines in a failure report.
const TAIL: usize = 25;

/// The longest piece of a line that is kept in memory, in bytes; the file has all of it.
const LONGEST: usize = 4096;

/// A log that is being written.
pub(super) struct Log<'a> {
    file: LogWriter,
    line: Vec<u8>,
    tail: VecDeque<String>,
    observe: &'a (dyn Fn(&str) + Sync),
    /// A write error does not end the build; the first one is kept for the report.
    error: Option<io::Error>,
}

impl<'a> Log<'a> {
    /// A log that is still empty.
    pub(super) fn new(file: LogWriter, observe: &'a (dyn Fn(&str) + Sync)) -> Self {
        Self { file, line: Vec::new(), tail: VecDeque::new(), observe, error: None }
    }

    /// Takes a piece of output.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.file.write_all(bytes) {
            self.error.get_or_insert(error);
        }
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.part(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.part(rest);
    }

    /// Takes a whole line.
    pub(super) fn line(&mut self, line: &str) {
        self.bytes(line.as_bytes());
        self.bytes(b"\n");
    }

    fn part(&mut self, bytes: &[u8]) {
        let room = LONGEST.saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim_end_matches('\r');
        (self.observe)(line);
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        self.line.clear();
    }

    /// Ends the log: its last lines, and the first write error.
    pub(super) fn finish(mut self) -> (Vec<String>, Option<io::Error>) {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.file.finish();
        (self.tail.into(), self.error)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, sync::Mutex};

    use super::*;
    use crate::{store::Store, store_path::StorePath};

    #[test]
    fn lines_come_out_of_pieces_and_the_last_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("root")).unwrap();
        let derivation = StorePath::new(&[1; 20], "x.drv").unwrap();
        let seen = Mutex::new(Vec::new());
        let observe = |line: &str| seen.lock().unwrap().push(line.to_owned());
        let mut log = Log::new(store.create_log(&derivation).unwrap(), &observe);
        for piece in ["on", "e\ntw", "o\r\n", "\u{e9}\n"] {
            log.bytes(piece.as_bytes());
        }
        log.bytes(b"\xff\n");
        for n in 0..30 {
            log.line(&n.to_string());
        }
        log.bytes(b"no end");
        let (tail, error) = log.finish();
        assert!(error.is_none());
        assert_eq!((tail.len(), tail[0].as_str(), tail[24].as_str()), (25, "6", "no end"));
        let seen = seen.into_inner().unwrap();
        assert_eq!(seen[..4], ["one", "two", "\u{e9}", "\u{fffd}"]);
        let mut kept = Vec::new();
        store.log(&derivation).unwrap().unwrap().read_to_end(&mut kept).unwrap();
        assert!(kept.ends_with(b"29\nno end"));
    }
}
