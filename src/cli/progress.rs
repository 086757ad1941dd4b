//! What a person sees while builds run: on a terminal a line for each running step and one for the
//! whole, elsewhere a line when a step starts.

use std::{
    io::IsTerminal as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustc_hash::FxHashMap;

use super::context::Context;
use crate::{
    build::{Event, Observer, plan::Step},
    store_path::StorePath,
};

/// Takes the events of builds.
pub(super) struct Progress {
    shown: Shown,
    verbose: bool,
    done: AtomicUsize,
}

enum Shown {
    Nothing,
    Lines,
    Terminal(Box<Terminal>),
}

struct Terminal {
    all: MultiProgress,
    total: ProgressBar,
    running: Mutex<FxHashMap<StorePath, ProgressBar>>,
}

impl Progress {
    pub(super) fn new(context: &Context) -> Self {
        let shown = if context.global.quiet || context.global.json {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(15));
            let total = all.add(ProgressBar::new(0));
            total.set_style(style("{prefix:.bold} {pos}/{len} {msg:.dim} {elapsed:.dim}"));
            Shown::Terminal(Box::new(Terminal { all, total, running: Mutex::default() }))
        } else {
            Shown::Lines
        };
        Self { shown, verbose: context.global.verbose > 0, done: AtomicUsize::new(0) }
    }

    /// Removes what is drawn.
    pub(super) fn finish(&self) {
        if let Shown::Terminal(terminal) = &self.shown {
            for (_, bar) in terminal.running().drain() {
                bar.finish_and_clear();
            }
            terminal.total.finish_and_clear();
            let _ = terminal.all.clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Lines => anstream::eprintln!("{text}"),
            Shown::Terminal(terminal) => {
                let _ = terminal.all.println(text);
            }
        }
    }
}

/// A style out of a template of this file.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

/// What is being done, and to what.
fn words(step: &Step) -> (&'static str, &str) {
    let verb = match step.builtin() {
        Some("fetch") => "fetching",
        Some("unpack") => "unpacking",
        Some("wheel") => "installing",
        Some("environment") => "composing",
        _ => "building",
    };
    (verb, &step.derivation.name)
}

impl Terminal {
    fn running(&self) -> std::sync::MutexGuard<'_, FxHashMap<StorePath, ProgressBar>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, step: &Step, what: &str) {
        let bar = self.all.insert_before(&self.total, ProgressBar::new_spinner());
        bar.set_style(style("  {spinner} {msg} {elapsed:.dim}"));
        let name = words(step).1;
        bar.set_message(format!("{what} {name}"));
        bar.enable_steady_tick(Duration::from_millis(120));
        if let Some(old) = self.running().insert(step.path.clone(), bar) {
            old.finish_and_clear();
            self.all.remove(&old);
        }
    }

    fn end(&self, step: &Step) {
        if let Some(bar) = self.running().remove(&step.path) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        self.total.inc(1);
    }

    fn progress(&self, step: &Step, done: u64, of: Option<u64>) {
        let running = self.running();
        let Some(bar) = running.get(&step.path) else { return };
        if let Some(of) = of
            && bar.length() != Some(of)
        {
            bar.set_length(of);
            bar.set_style(style(
                "  {spinner} {msg} {bar:24} {bytes}/{total_bytes} {bytes_per_sec:.dim}",
            ));
        }
        bar.set_position(done);
    }
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Planned(plan) => {
                if let Shown::Terminal(terminal) = &self.shown {
                    terminal.total.set_length(plan.steps.len() as u64);
                    terminal.total.set_prefix("steps");
                    terminal.total.enable_steady_tick(Duration::from_millis(200));
                }
            }
            Event::Waiting(step) => match &self.shown {
                Shown::Terminal(terminal) => terminal.start(step, "waiting for another clutch:"),
                _ => self.line(&format!("waiting for another clutch: {}", words(step).1)),
            },
            Event::Started(step) => {
                let (verb, name) = words(step);
                match &self.shown {
                    Shown::Terminal(terminal) => terminal.start(step, verb),
                    _ => self.line(&format!("{verb} {name}")),
                }
            }
            Event::Line(step, text) => {
                if self.verbose {
                    self.line(&format!("{}> {text}", words(step).1));
                }
            }
            Event::Progress(step, done, of) => {
                if let Shown::Terminal(terminal) = &self.shown {
                    terminal.progress(step, done, of);
                }
            }
            Event::Finished(step, _) => {
                self.done.fetch_add(1, Ordering::Relaxed);
                if let Shown::Terminal(terminal) = &self.shown {
                    terminal.end(step);
                }
            }
            Event::Failed(step, failure) => {
                if let Shown::Terminal(terminal) = &self.shown {
                    terminal.end(step);
                }
                if !failure.error.is_cancelled() {
                    self.line(&format!("failed: {}", words(step).1));
                }
            }
            Event::Skipped(step, _) => {
                if let Shown::Terminal(terminal) = &self.shown {
                    terminal.end(step);
                }
            }
        }
    }
}
