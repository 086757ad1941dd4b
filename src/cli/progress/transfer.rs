//! Progress of reading or writing one file: a line on a terminal, nothing elsewhere.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{FRAME, Line, Screen, board::duration};
use crate::cli::{context::Context, quantity::bytes};

/// Shows the progress. Dropping it removes the line.
pub(crate) struct Transfer {
    what: &'static str,
    start: Instant,
    /// `None` if nothing is shown.
    drawn: Option<Mutex<(Screen, Duration)>>,
}

impl Transfer {
    /// Shows progress as the options allow.
    pub(crate) fn new(context: &Context, what: &'static str) -> Self {
        let shown = context.shows_progress() && Screen::is_there();
        let drawn = shown.then(|| Mutex::new((Screen::default(), Duration::ZERO)));
        Self { what, start: Instant::now(), drawn }
    }

    /// Updates the number of bytes done and the total.
    pub(crate) fn show(&self, done: u64, all: u64) {
        let Some(drawn) = &self.drawn else { return };
        let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let took = self.start.elapsed();
        if took.saturating_sub(drawn.1) < FRAME {
            return;
        }
        drawn.1 = took;
        let rate = (done as f64 / took.as_secs_f64()) as u64;
        let (done, all, rate) = (bytes(done), bytes(all), bytes(rate));
        let text = format!("{} {done} of {all}, {rate}/s, {}", self.what, duration(took));
        let (columns, _) = Screen::size();
        drawn.0.draw(&[Line::plain(&text).fit(columns - 1)]);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(drawn) = &self.drawn {
            drawn.lock().unwrap_or_else(PoisonError::into_inner).0.clear();
        }
    }
}
