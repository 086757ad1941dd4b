//! A place in the text, and what every parser of a part does with it.

use crate::sink::STOPPED;

/// A byte offset and what is wrong there.
pub(super) struct Failure(pub(super) usize, pub(super) String);

pub(super) type Parsed<T> = Result<T, Failure>;

pub(super) fn fail<T>(at: usize, message: impl Into<String>) -> Parsed<T> {
    Err(Failure(at, message.into()))
}

/// A place in the text. The parsers of scalars move it.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) timestamps: bool,
    /// About how many bytes the tree takes so far.
    taken: usize,
    /// Tells whether the tree may take so many bytes.
    room: &'t dyn Fn(usize) -> bool,
}

impl<'t> Reader<'t> {
    /// The start of a text.
    pub(super) fn new(text: &'t str, timestamps: bool, room: &'t dyn Fn(usize) -> bool) -> Self {
        Self { text, at: 0, timestamps, taken: 0, room }
    }

    /// Counts what the tree takes.
    pub(super) fn take_room(&mut self, bytes: usize) -> Parsed<()> {
        self.taken += bytes;
        if (self.room)(self.taken) { Ok(()) } else { fail(self.at, STOPPED) }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// The text from here on.
    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn unexpected(&self, expected: &str) -> Failure {
        let found = match self.rest().chars().next() {
            None => "the text ends here".to_owned(),
            Some(c) => format!("unexpected {c:?}"),
        };
        Failure(self.at, format!("{found}, expected {expected}"))
    }

    pub(super) fn blank(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn newline(&mut self) -> bool {
        if self.rest().starts_with("\r\n") {
            self.at += 2;
            return true;
        }
        self.take(b'\n')
    }

    /// Blanks, a comment, and the end of the line or text.
    pub(super) fn line_end(&mut self) -> Parsed<()> {
        self.blank();
        self.comment()?;
        if self.newline() || self.at == self.text.len() {
            return Ok(());
        }
        Err(self.unexpected("the end of the line"))
    }

    fn comment(&mut self) -> Parsed<()> {
        if !self.take(b'#') {
            return Ok(());
        }
        let text = self.rest().as_bytes();
        let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
        let end = if end > 0 && text[end - 1] == b'\r' && end < text.len() { end - 1 } else { end };
        if let Some(bad) = text[..end].iter().position(|b| is_control(*b)) {
            return fail(self.at + bad, "a control character in a comment");
        }
        self.at += end;
        Ok(())
    }

    /// Blanks, newlines and comments, as they may stand inside an array.
    pub(super) fn filler(&mut self) -> Parsed<()> {
        loop {
            self.blank();
            self.comment()?;
            if !self.newline() {
                return Ok(());
            }
        }
    }

    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }
}

/// Control characters, which may not stand in the text; a tab may.
pub(super) fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}
