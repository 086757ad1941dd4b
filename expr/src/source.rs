//! Source texts and the places in them. All texts of one evaluation share one number space: a
//! text occupies the numbers from its base on, so that a place is four bytes and knows its file.

use std::{cell::OnceCell, sync::Arc};

/// A stretch of source text, from `lo` up to, not including, `hi`. The default is nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte's number; 0 is nowhere.
    pub lo: u32,
    /// The number behind the last byte.
    pub hi: u32,
}

impl Span {
    /// No place: what is built in has it.
    pub const NONE: Self = Self { lo: 0, hi: 0 };

    /// The stretch between two numbers.
    #[must_use]
    pub fn new(lo: u32, hi: u32) -> Self {
        Self { lo, hi }
    }

    /// True if this is nowhere.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.lo == 0
    }

    /// The stretch from the start of this to the end of `other`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { lo: self.lo, hi: other.hi }
    }
}

/// The origin of a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A file, by its absolute path.
    File(Vec<u8>),
    /// An argument of the command line.
    Text,
    /// Standard input.
    Stdin,
}

/// One text.
#[derive(Debug)]
pub struct Source {
    /// The origin of the text.
    pub origin: Origin,
    /// Its bytes.
    pub text: Arc<[u8]>,
    /// The number of its first byte.
    pub base: u32,
    lines: OnceCell<Vec<u32>>,
}

/// A place for people: line and column from 1, the column in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The origin of the text.
    pub origin: Origin,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

/// The starts of the lines. A line ends with a line feed, a carriage return, or both.
pub(crate) fn line_starts(text: &[u8]) -> impl Iterator<Item = usize> {
    let ends = memchr::memchr2_iter(b'\n', b'\r', text)
        .filter(|&at| text[at] == b'\n' || text.get(at + 1) != Some(&b'\n'));
    std::iter::once(0).chain(ends.map(|at| at + 1))
}

impl Source {
    /// The bytes at which lines start.
    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| line_starts(&self.text).map(|at| at as u32).collect())
    }

    /// The bytes of the lines that a stretch touches, without the last line's end.
    pub(crate) fn whole_lines(&self, from: usize, to: usize) -> (usize, usize) {
        let lines = self.lines();
        let before = lines.partition_point(|&start| start as usize <= from) - 1;
        let ends = |byte: &u8| *byte == b'\n' || *byte == b'\r';
        let end = self.text[to..].iter().position(ends).map_or(self.text.len(), |at| to + at);
        (lines[before] as usize, end)
    }

    /// Line and column of a number within this text.
    #[must_use]
    pub fn place(&self, at: u32) -> Place {
        let offset = at.saturating_sub(self.base);
        let line = self.lines().partition_point(|&start| start <= offset);
        let column = offset - self.lines()[line - 1] + 1;
        Place { origin: self.origin.clone(), line: line as u32, column }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", String::from_utf8_lossy(path)),
            Self::Text => write!(out, "«string»"),
            Self::Stdin => write!(out, "«stdin»"),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}:{}", self.origin, self.line, self.column)
    }
}

/// All texts of an evaluation.
#[derive(Debug, Default)]
pub struct Sources {
    all: Vec<Source>,
}

impl Sources {
    /// Takes a text in and gives the number of its first byte, or `None` when the number space of
    /// 4 GiB is used up.
    pub fn add(&mut self, origin: Origin, text: Arc<[u8]>) -> Option<u32> {
        let base = self.all.last().map_or(1, |last| last.base + last.text.len() as u32 + 1);
        let size = u32::try_from(text.len()).ok()?;
        base.checked_add(size)?.checked_add(2)?;
        self.all.push(Source { origin, text, base, lines: OnceCell::new() });
        Some(base)
    }

    /// The text that a number is in.
    #[must_use]
    pub fn find(&self, at: u32) -> Option<&Source> {
        let index = self.all.partition_point(|source| source.base <= at);
        self.all[..index].last().filter(|_| at != 0)
    }

    /// Line and column of the start of a span.
    #[must_use]
    pub fn place(&self, span: Span) -> Option<Place> {
        self.find(span.lo).map(|source| source.place(span.lo))
    }

    /// The text of a span on one line, for messages: blanks are single ones, and a long text is cut.
    #[must_use]
    pub(crate) fn excerpt(&self, span: Span) -> String {
        const MOST: usize = 200;
        let text = self.text(span);
        let text = String::from_utf8_lossy(&text[..text.len().min(4 * MOST)]);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let end = line.floor_char_boundary(MOST);
        if end < line.len() { format!("{}...", &line[..end]) } else { line }
    }

    /// The bytes of a span.
    #[must_use]
    pub fn text(&self, span: Span) -> &[u8] {
        let Some(source) = self.find(span.lo) else { return &[] };
        let lo = (span.lo - source.base) as usize;
        let hi = (span.hi.saturating_sub(source.base) as usize).min(source.text.len());
        source.text.get(lo..hi).unwrap_or_default()
    }
}
