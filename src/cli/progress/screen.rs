//! Lines at the bottom of a terminal that are redrawn. The cursor stays below them, at the start of a line,
//! so that other output there (such as `^C`) is overwritten.

use std::io::{IsTerminal as _, Write as _};

use super::{line::Line, suspend};

/// The drawn lines.
#[derive(Default)]
pub(super) struct Screen {
    /// The width of each drawn line.
    drawn: Vec<usize>,
    /// True if Ctrl-Z waits for this.
    holds: bool,
}

impl Screen {
    /// True if standard error is a terminal that supports drawing.
    pub(super) fn is_there() -> bool {
        std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
    }

    /// Columns and rows of the terminal.
    pub(super) fn size() -> (usize, usize) {
        let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
        let (columns, rows) = size.map_or((0, 0), |s| (s.ws_col, s.ws_row));
        let or = |n: u16, default| if n == 0 { default } else { usize::from(n) };
        (or(columns, 80), or(rows, 24))
    }

    /// Replaces the drawn lines.
    pub(super) fn draw(&mut self, lines: &[Line]) {
        if !std::mem::replace(&mut self.holds, true) {
            suspend::hold();
        }
        if suspend::asked() {
            self.erase();
            suspend::stop();
        }
        let mut text = self.start();
        // moving the cursor works without colours, too
        let plain =
            anstream::AutoStream::choice(&std::io::stderr()) == anstream::ColorChoice::Never;
        for line in lines {
            text += &if plain { line.text() } else { line.styled() };
            // clear the rest of the old line
            text += "\x1b[K\n";
        }
        text += "\x1b[J";
        self.drawn = lines.iter().map(Line::width).collect();
        write(&text);
    }

    /// Prints permanent text above the drawn lines.
    pub(super) fn print(&mut self, text: &str) {
        let start = self.start();
        write(&format!("{start}\x1b[J{text}\n"));
        self.drawn.clear();
        self.release();
    }

    /// Removes the drawn lines.
    pub(super) fn clear(&mut self) {
        self.erase();
        self.release();
    }

    fn erase(&mut self) {
        if !self.drawn.is_empty() {
            write(&format!("{}\x1b[J", self.start()));
            self.drawn.clear();
        }
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.holds) {
            suspend::release();
        }
    }

    /// Moves to the start of the first line, even if the terminal has become narrower.
    fn start(&self) -> String {
        let (columns, _) = Self::size();
        let rows: usize = self.drawn.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        match rows {
            0 => "\r".to_owned(),
            rows => format!("\r\x1b[{rows}A"),
        }
    }
}

/// Writes everything at once, to avoid flicker. Ignores a terminal that has gone.
fn write(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
