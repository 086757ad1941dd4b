//! A line for a terminal: pieces of text with a tone, cut to a width. Control characters and escape
//! sequences are removed from the output of programs, so that nothing moves the cursor.

use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::UnicodeWidthChar as _;

/// The tone of a piece.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Bold,
    Dim,
}

/// A sequence of pieces.
#[derive(Default)]
pub(super) struct Line(Vec<(Tone, String)>);

impl Line {
    /// A line of one piece.
    pub(super) fn plain(text: &str) -> Self {
        Self::default().and(Tone::Plain, text.to_owned())
    }

    /// The line with one more piece.
    pub(super) fn and(mut self, tone: Tone, text: String) -> Self {
        let text = if text.chars().any(char::is_control) { clean(&text) } else { text };
        self.0.push((tone, text));
        self
    }

    /// The width in columns.
    pub(super) fn width(&self) -> usize {
        self.0.iter().flat_map(|(_, text)| text.chars()).map(columns).sum()
    }

    /// Cuts the line to this many columns; a mark shows the cut.
    pub(super) fn fit(mut self, width: usize) -> Self {
        if self.width() <= width {
            return self;
        }
        let Some(mut left) = width.checked_sub(1) else { return Self::default() };
        let mut pieces = Vec::new();
        for (tone, text) in std::mem::take(&mut self.0) {
            let mut end = 0;
            for (at, c) in text.char_indices() {
                let Some(less) = left.checked_sub(columns(c)) else {
                    pieces.push((tone, format!("{}…", &text[..end])));
                    return Self(pieces);
                };
                (left, end) = (less, at + c.len_utf8());
            }
            pieces.push((tone, text));
        }
        Self(pieces)
    }

    /// The text alone.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The text with its tones.
    pub(super) fn styled(&self) -> String {
        let mut out = String::new();
        for (tone, text) in &self.0 {
            let style = match tone {
                Tone::Plain => Style::new(),
                Tone::Bold => Style::new().bold(),
                Tone::Dim => Style::new().dimmed(),
            };
            let _ = write!(out, "{style}{text}{style:#}");
        }
        out
    }
}

fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// A program's line without control sequences; after carriage returns, only the last text.
fn clean(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    let last = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    last.replace('\t', "    ").chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_programs_line_moves_the_cursor() {
        for (said, shown) in [
            ("10%\r50%\r100%\r", "100%"),
            ("\u{1b}[1mbold\u{1b}[0m\u{1b}[2K", "bold"),
            ("a\tb\u{8}\u{7}", "a    b"),
            ("\u{1b}]0;title\u{7}x", "x"),
        ] {
            assert_eq!(Line::plain(said).text(), shown, "{said:?}");
        }
    }

    #[test]
    fn wide_characters_count_twice() {
        let line = Line::plain("ab").and(Tone::Bold, "日本語".to_owned());
        assert_eq!(line.width(), 8);
        assert_eq!(line.fit(6).text(), "ab日…");
        assert_eq!(Line::plain("abc").fit(3).text(), "abc");
        assert_eq!(Line::plain("abc").fit(0).text(), "");
    }
}
