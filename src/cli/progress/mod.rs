//! Progress of builds. On a terminal: a tree of running and waiting steps, drawn ten times per second
//! (`board`, `screen`). Elsewhere: a line when a step starts, and one after every ten seconds of silence.

mod board;
mod line;
mod screen;
mod suspend;
mod transfer;

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub(super) use self::transfer::Transfer;
use self::{board::Board, line::Line, screen::Screen};
use super::{context::Context, output};
use crate::{
    build::{Event, Observer, plan::Step},
    session::BUILTINS,
};

/// The interval between two drawings.
const FRAME: Duration = Duration::from_millis(100);

/// The length of silence before a log gets a line.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A log gets a line at the end of builds that took this long.
const LONG: Duration = Duration::from_secs(10);

/// Receives the events of builds. Dropping it removes the drawing.
pub(super) struct Progress {
    shared: Arc<Shared>,
    form: Form,
    verbose: bool,
    ticker: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Nothing,
    Lines,
    Terminal,
}

struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    board: Board,
    screen: Screen,
    /// The time of the last line.
    said: Instant,
    ended: bool,
    /// The user interrupted, a message was printed, and drawing has stopped.
    stopped: bool,
}

/// The width of the terminal, if standard error is one.
pub(super) fn columns() -> Option<usize> {
    Screen::is_there().then(|| Screen::size().0)
}

impl Progress {
    /// Shows progress as the options allow. `cancelled` returns true once the user has interrupted.
    pub(super) fn new(context: &Context, cancelled: fn() -> bool) -> Self {
        let form = if !context.shows_progress() {
            Form::Nothing
        } else if Screen::is_there() {
            Form::Terminal
        } else {
            Form::Lines
        };
        let state = State {
            board: Board::default(),
            screen: Screen::default(),
            said: Instant::now(),
            ended: false,
            stopped: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), ended: Condvar::new() });
        let ticker = (form != Form::Nothing).then(|| {
            let shared = shared.clone();
            std::thread::spawn(move || shared.tick(form, cancelled))
        });
        Self { shared, form, verbose: context.global.verbose > 0, ticker }
    }

    /// Prints the summary.
    pub(super) fn summary(&self) {
        let mut state = self.shared.lock();
        let summary = state.board.summary(Instant::now());
        state.say(self.form, &summary);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.ended.notify_all();
        if let Some(ticker) = self.ticker.take() {
            // the thread only draws, and its panic was printed
            let _ = ticker.join();
        }
        self.shared.lock().screen.clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws, or prints a line after silence, until the end.
    fn tick(&self, form: Form, cancelled: fn() -> bool) {
        let mut state = self.lock();
        while !state.ended {
            let now = Instant::now();
            if cancelled() && !state.stopped {
                // print this once and stop drawing, since the next Ctrl-C ends the process at once
                state.stopped = true;
                state.say(form, "stopping; press Ctrl-C again to stop at once");
            } else if !state.stopped {
                state.tick(form, now);
            }
            let wait = match form {
                Form::Terminal => FRAME,
                _ => Duration::from_millis(500),
            };
            state = self
                .ended
                .wait_timeout(state, wait)
                .map_or_else(|e| e.into_inner().0, |(state, _)| state);
        }
    }
}

impl State {
    fn tick(&mut self, form: Form, now: Instant) {
        match form {
            Form::Terminal => {
                let (columns, rows) = Screen::size();
                // leave the last column free: some terminals wrap there
                let lines = self.board.draw(now, columns - 1, rows.saturating_sub(1).clamp(1, 20));
                self.screen.draw(&lines);
            }
            _ if now.duration_since(self.said) >= HEARTBEAT => {
                if let Some(line) = self.board.heartbeat(now) {
                    self.say(form, &line);
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, form: Form, text: &str) {
        self.said = Instant::now();
        match form {
            Form::Nothing => {}
            Form::Lines => output::say(text),
            Form::Terminal => self.screen.print(text),
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        let form = self.form;
        if form == Form::Nothing {
            return;
        }
        let lines = form == Form::Lines;
        let now = Instant::now();
        let title = |verb: &str, step: &Step| format!("{verb} {}", step.name());
        let mut state = self.shared.lock();
        match event {
            Event::Planned(plan) => state.board.plan(plan, now),
            Event::Waiting(step) => {
                state.board.elsewhere(step, now);
                if lines {
                    state.say(form, &title("waiting for another clutch:", step));
                }
            }
            Event::Started(step) => {
                state.board.started(step, now);
                if lines {
                    state.say(form, &title(BUILTINS.verb(step), step));
                }
            }
            Event::Line(step, text) => {
                state.board.line(step, text);
                if self.verbose {
                    let text = Line::plain(text).text();
                    state.say(form, &format!("{}> {text}", step.name()));
                }
            }
            Event::Progress(step, done, of) => state.board.progress(step, done, of, now),
            Event::Finished(step, _) => {
                let age = state.board.age(step, now).filter(|age| lines && *age >= LONG);
                state.board.finished(step);
                if let Some(age) = age {
                    let text = format!("done: {} in {}", step.name(), board::duration(age));
                    state.say(form, &text);
                }
            }
            Event::Failed(step, failure) => {
                state.board.failed(step);
                if !failure.error.is_cancelled() {
                    state.say(form, &title("failed:", step));
                }
            }
            Event::Skipped(..) => {}
        }
    }
}
