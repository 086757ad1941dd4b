//! Lines at the bottom of a terminal that are drawn again and again. The cursor rests below them, at
//! the start of a line, so that whatever else is printed there (`^C`, say) is drawn over.

use std::io::{IsTerminal as _, Write as _};

use super::{line::Line, suspend};

/// What is drawn.
#[derive(Default)]
pub(super) struct Screen {
    /// The width of each line that stands there.
    drawn: Vec<usize>,
    /// Whether Ctrl-Z waits for this.
    holds: bool,
}

impl Screen {
    /// Whether standard error is a terminal that can be drawn on.
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

    /// Puts these lines in place of what stands there.
    pub(super) fn draw(&mut self, lines: &[Line]) {
        if !std::mem::replace(&mut self.holds, true) {
            suspend::hold();
        }
        if suspend::asked() {
            self.erase();
            suspend::stop();
        }
        let mut text = self.start();
        // without colours the cursor still moves
        let plain =
            anstream::AutoStream::choice(&std::io::stderr()) == anstream::ColorChoice::Never;
        for line in lines {
            text += &if plain { line.text() } else { line.styled() };
            // the rest of the line is old
            text += "\x1b[K\n";
        }
        text += "\x1b[J";
        self.drawn = lines.iter().map(Line::width).collect();
        write(&text);
    }

    /// Prints something for good, above what is drawn the next time.
    pub(super) fn print(&mut self, text: &str) {
        let start = self.start();
        write(&format!("{start}\x1b[J{text}\n"));
        self.drawn.clear();
        self.release();
    }

    /// Removes what is drawn.
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

    /// Moves to where the first line starts, also where the terminal has become narrower since.
    fn start(&self) -> String {
        let (columns, _) = Self::size();
        let rows: usize = self.drawn.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        match rows {
            0 => "\r".to_owned(),
            rows => format!("\r\x1b[{rows}A"),
        }
    }
}

/// In one piece, so that a terminal shows it at once. A terminal that is gone is no error.
fn write(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
