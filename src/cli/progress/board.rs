//! The state of a running plan, and its lines on the screen: a tree of running and waiting steps, and a
//! summary line. Gets the time as an argument, and knows nothing of terminals.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;

use super::line::{Line, Tone};
use crate::{
    build::plan::{Plan, Step},
    cli::quantity::bytes,
    session::BUILTINS,
    store_path::StorePath,
};

/// The time window of a rate.
const WINDOW: Duration = Duration::from_secs(4);

/// The state of all steps.
#[derive(Default)]
pub(super) struct Board {
    steps: Vec<Row>,
    places: FxHashMap<StorePath, usize>,
    start: Option<Instant>,
    /// Fetched bytes.
    received: u64,
    rate: Rate,
}

/// One step.
struct Row {
    name: String,
    verb: &'static str,
    kind: Kind,
    needs: Vec<usize>,
    /// The step that waits for this one, with the longest path to the end.
    parent: Option<usize>,
    state: State,
    done: u64,
    of: Option<u64>,
    rate: Rate,
    /// The last line of its log.
    line: String,
}

/// The state of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Build,
    Fetch,
    Substitute,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// Another process runs it.
    Elsewhere(Instant),
    Running(Instant),
    Done,
    Failed,
}

/// Bytes per second over the last few seconds.
#[derive(Default)]
struct Rate(std::collections::VecDeque<(Instant, u64)>);

impl Rate {
    fn add(&mut self, now: Instant, total: u64) {
        match self.0.back_mut() {
            // one sample per tenth of the window is enough
            Some((at, last)) if now.duration_since(*at) < WINDOW / 10 => *last = total,
            _ => self.0.push_back((now, total)),
        }
        while self.0.len() > 2 && now.duration_since(self.0[1].0) > WINDOW {
            self.0.pop_front();
        }
    }

    fn bytes_a_second(&self, now: Instant, total: u64) -> Option<u64> {
        let old = |sample: &&(Instant, u64)| now.duration_since(sample.0) >= WINDOW;
        let (first, before) = self.0.iter().rev().find(old).or(self.0.front())?;
        let seconds = now.duration_since(*first).as_secs_f64();
        (seconds > 0.2).then(|| (total.saturating_sub(*before) as f64 / seconds) as u64)
    }
}

/// A duration for people: `7s`, `1m05s`, `2h03m`.
pub(super) fn duration(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        s => format!("{}h{:02}m", s / 3600, s / 60 % 60),
    }
}

impl Board {
    pub(super) fn plan(&mut self, plan: &Plan, now: Instant) {
        let row = |step: &Step| Row {
            name: step.name().to_owned(),
            verb: BUILTINS.verb(step),
            kind: match step.build() {
                None => Kind::Substitute,
                Some(_) if BUILTINS.is_fetch(step) => Kind::Fetch,
                Some(_) => Kind::Build,
            },
            needs: step.needs.iter().map(|id| id.index()).collect(),
            parent: step.needed_by.iter().max_by_key(|id| plan.step(**id).chain).map(|i| i.index()),
            state: State::Waiting,
            done: 0,
            of: None,
            rate: Rate::default(),
            line: String::new(),
        };
        let places = plan.steps.iter().enumerate().map(|(at, step)| (step.path().clone(), at));
        *self = Self {
            steps: plan.steps.iter().map(row).collect(),
            places: places.collect(),
            start: Some(now),
            ..Self::default()
        };
    }

    fn row(&mut self, step: &Step) -> Option<&mut Row> {
        self.places.get(step.path()).map(|&at| &mut self.steps[at])
    }

    pub(super) fn started(&mut self, step: &Step, now: Instant) {
        if let Some(row) = self.row(step) {
            row.state = State::Running(now);
        }
    }

    pub(super) fn elsewhere(&mut self, step: &Step, now: Instant) {
        if let Some(row) = self.row(step) {
            row.state = State::Elsewhere(now);
        }
    }

    pub(super) fn line(&mut self, step: &Step, text: &str) {
        if !text.trim().is_empty()
            && let Some(row) = self.row(step)
        {
            text.clone_into(&mut row.line);
        }
    }

    pub(super) fn progress(&mut self, step: &Step, done: u64, of: Option<u64>, now: Instant) {
        let Some(row) = self.row(step) else { return };
        let more = done.saturating_sub(row.done);
        (row.done, row.of) = (done, of);
        row.rate.add(now, done);
        if row.kind == Kind::Fetch {
            self.received += more;
            self.rate.add(now, self.received);
        }
    }

    pub(super) fn finished(&mut self, step: &Step) {
        if let Some(row) = self.row(step) {
            row.state = State::Done;
        }
    }

    pub(super) fn failed(&mut self, step: &Step) {
        if let Some(row) = self.row(step) {
            row.state = State::Failed;
        }
    }

    /// The running steps, in the order in which they started.
    fn running(&self) -> Vec<usize> {
        let since = |at: &usize| match self.steps[*at].state {
            State::Running(since) | State::Elsewhere(since) => Some(since),
            _ => None,
        };
        let mut running: Vec<usize> =
            (0..self.steps.len()).filter(|at| since(at).is_some()).collect();
        running.sort_by_key(|at| (since(at), *at));
        running
    }

    fn count(&self, kind: Kind) -> (usize, usize) {
        let all = self.steps.iter().filter(|row| row.kind == kind);
        (all.clone().filter(|row| row.state == State::Done).count(), all.count())
    }

    /// The counts: `3 of 12 built, 30 of 44 fetched (122 MiB, 5.6 MiB/s)`.
    fn counts(&self, now: Option<Instant>) -> String {
        let mut parts = Vec::new();
        for (kind, what) in
            [(Kind::Substitute, "taken"), (Kind::Build, "built"), (Kind::Fetch, "fetched")]
        {
            let (done, all) = self.count(kind);
            let mut part = match (all, now) {
                (0, _) => continue,
                (_, Some(_)) => format!("{done} of {all} {what}"),
                // at the end, the total
                (_, None) => format!("{done} {what}"),
            };
            if kind == Kind::Fetch && self.received > 0 {
                let rate = now.and_then(|now| self.rate.bytes_a_second(now, self.received));
                let rate = rate.filter(|rate| *rate > 0);
                let rate = rate.map_or(String::new(), |rate| format!(", {}/s", bytes(rate)));
                part += &format!(" ({}{rate})", bytes(self.received));
            }
            parts.push(part);
        }
        let failed = self.steps.iter().filter(|row| row.state == State::Failed).count();
        if failed > 0 {
            parts.push(format!("{failed} failed"));
        }
        parts.join(", ")
    }

    /// The summary at the end.
    pub(super) fn summary(&self, now: Instant) -> String {
        let took = self.start.map_or(Duration::ZERO, |start| now.duration_since(start));
        format!("{} in {}", self.counts(None), duration(took))
    }

    /// The running time of a step.
    pub(super) fn age(&self, step: &Step, now: Instant) -> Option<Duration> {
        match self.steps[*self.places.get(step.path())?].state {
            State::Running(since) => Some(now.duration_since(since)),
            _ => None,
        }
    }

    /// One line for a log: the step that has run longest, and the counts. `None` if nothing runs.
    pub(super) fn heartbeat(&self, now: Instant) -> Option<String> {
        let running = self.running();
        let row = &self.steps[*running.first()?];
        let mut line = format!("{}, {}", row.title(), row.state(now));
        if !row.line.is_empty() && row.kind != Kind::Fetch {
            line += &format!(", last line: {}", Line::plain(&row.line).fit(100).text());
        }
        if running.len() > 1 {
            line += &format!("; {} more", running.len() - 1);
        }
        Some(format!("{line} ({})", self.counts(Some(now))))
    }

    /// The lines to draw: at most `height` of at most `width` columns.
    pub(super) fn draw(&self, now: Instant, width: usize, height: usize) -> Vec<Line> {
        let running = self.running();
        let room = height.saturating_sub(1);
        let mut lines = self.tree(&running, now, width);
        if lines.len() > room {
            // running steps matter more than waiting ones
            let draw = |at: &usize| self.steps[*at].draw(Line::plain("  "), now, width);
            lines = running.iter().map(draw).collect();
        }
        if lines.len() > room {
            let more = lines.len() - room.saturating_sub(1);
            lines.truncate(room.saturating_sub(1));
            lines.push(Line::plain("  ").and(Tone::Dim, format!("and {more} more")));
        }
        let took = self.start.map_or(Duration::ZERO, |start| now.duration_since(start));
        lines.push(
            Line::default()
                .and(Tone::Bold, self.counts(Some(now)))
                .and(Tone::Dim, format!("  {}", duration(took))),
        );
        lines.into_iter().map(|line| line.fit(width)).collect()
    }

    fn tree(&self, running: &[usize], now: Instant, width: usize) -> Vec<Line> {
        // the children of each shown step, without steps that only wait for one other
        let mut below: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        let mut known = vec![false; self.steps.len()];
        for &at in running {
            let mut at = at;
            while !std::mem::replace(&mut known[at], true) {
                let parent = self.steps[at].parent;
                below.entry(parent).or_default().push(at);
                let Some(parent) = parent else { break };
                at = parent;
            }
        }
        let mut lines = Vec::new();
        for &root in below.get(&None).into_iter().flatten() {
            self.branch(root, &Shown { below: &below, now, width }, ("", ""), &mut lines);
        }
        lines
    }

    fn branch(
        &self,
        mut at: usize,
        shown: &Shown<'_>,
        (first, rest): (&str, &str),
        lines: &mut Vec<Line>,
    ) {
        let children = |at: usize| shown.below.get(&Some(at)).map_or(&[][..], Vec::as_slice);
        let is_root = first.is_empty();
        while !is_root && self.steps[at].state == State::Waiting && children(at).len() == 1 {
            at = children(at)[0];
        }
        let row = &self.steps[at];
        let line =
            row.draw(Line::default().and(Tone::Dim, first.to_owned()), shown.now, shown.width);
        lines.push(match row.state {
            State::Waiting => {
                let open = row.needs.iter().filter(|&&n| self.steps[n].state != State::Done);
                let text = format!("  waits for {} of {}", open.count(), row.needs.len());
                line.and(Tone::Dim, text)
            }
            _ => line,
        });
        let mut left = children(at).len();
        for &child in children(at) {
            left -= 1;
            let (first, more) = if left == 0 { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let prefixes = (format!("{rest}{first}"), format!("{rest}{more}"));
            self.branch(child, shown, (&prefixes.0, &prefixes.1), lines);
        }
    }
}

/// The data for drawing a tree.
struct Shown<'a> {
    /// The children of each step that is shown.
    below: &'a BTreeMap<Option<usize>, Vec<usize>>,
    now: Instant,
    width: usize,
}

impl Row {
    fn title(&self) -> String {
        match self.state {
            State::Elsewhere(_) => format!("waiting for another clutch: {}", self.name),
            _ => format!("{} {}", self.verb, self.name),
        }
    }

    /// The duration, size and speed.
    fn state(&self, now: Instant) -> String {
        let (State::Running(since) | State::Elsewhere(since)) = self.state else {
            return String::new();
        };
        let mut text = duration(now.duration_since(since));
        match self.of {
            Some(of) => text += &format!(", {} of {}", bytes(self.done), bytes(of)),
            None if self.done > 0 => text += &format!(", {}", bytes(self.done)),
            None => {}
        }
        if let Some(rate) = self.rate.bytes_a_second(now, self.done).filter(|rate| *rate > 0) {
            text += &format!(", {}/s", bytes(rate));
        }
        text
    }

    /// Adds the step to a line. A long name is cut to leave room for its state.
    fn draw(&self, line: Line, now: Instant, width: usize) -> Line {
        if self.state == State::Waiting {
            return line.and(Tone::Plain, self.name.clone());
        }
        let line = match self.state {
            State::Elsewhere(_) => line.and(Tone::Dim, "waiting for another clutch: ".to_owned()),
            _ => line.and(Tone::Dim, format!("{} ", self.verb)),
        };
        let state = format!("  {}", self.state(now));
        let room = width.saturating_sub(line.width() + state.len()).max(16);
        let line = line.and(Tone::Bold, Line::plain(&self.name).fit(room).text());
        let line = line.and(Tone::Dim, state);
        match self.line.is_empty() || self.kind == Kind::Fetch {
            true => line,
            false => line.and(Tone::Dim, "  > ".to_owned()).and(Tone::Plain, self.line.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::plan::{Work, tests::plan_of};

    /// A program that needs an environment of two wheels, each fetched and installed.
    fn plan() -> Plan {
        let mut plan = plan_of(&[
            ("one.whl", &[]),
            ("two.whl", &[]),
            ("one", &["one.whl"]),
            ("two", &["two.whl"]),
            ("environment", &["one", "two"]),
            ("program", &["environment"]),
        ]);
        for step in &mut plan.steps {
            let Work::Build(step) = &mut step.work else { continue };
            if step.derivation.name.ends_with(".whl") {
                step.derivation.builder = b"builtin:fetch".to_vec();
            }
        }
        plan
    }

    fn step<'a>(plan: &'a Plan, name: &str) -> &'a Step {
        plan.steps.iter().find(|step| step.name() == name).unwrap()
    }

    fn text(lines: &[Line]) -> String {
        lines.iter().map(|line| line.text() + "\n").collect()
    }

    #[test]
    fn running_steps_are_below_those_that_wait() {
        let (plan, start) = (plan(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut board = Board::default();
        board.plan(&plan, start);
        board.started(step(&plan, "one.whl"), at(0));
        board.finished(step(&plan, "one.whl"));
        board.started(step(&plan, "two.whl"), at(0));
        board.progress(step(&plan, "two.whl"), 0, Some(3 << 20), at(1));
        board.progress(step(&plan, "two.whl"), 1 << 20, Some(3 << 20), at(2));
        board.started(step(&plan, "one"), at(1));
        board.line(step(&plan, "one"), "\u{1b}[31mcompiling\u{1b}[0m  a.c\r");
        // `two` only waits for its file, which is shown instead
        let expected = "program  waits for 1 of 1\n\
                        └─ environment  waits for 2 of 2\n\
                        \u{20}  ├─ fetching two.whl  3s, 1.00 MiB of 3.00 MiB, 512 KiB/s\n\
                        \u{20}  └─ building one  2s  > compiling  a.c\n\
                        0 of 4 built, 1 of 2 fetched (1.00 MiB, 512 KiB/s)  3s\n";
        assert_eq!(text(&board.draw(at(3), 80, 20)), expected);
        // without room for the tree, only the running steps are shown
        let drawn = text(&board.draw(at(3), 30, 3));
        assert!(drawn.starts_with("  fetching two.whl  3s, 1.00 …\n  building one  2s"), "{drawn}");
        let drawn = text(&board.draw(at(3), 30, 2));
        assert!(drawn.starts_with("  and 2 more\n0 of 4 built"), "{drawn}");
        for width in 0..100 {
            for line in board.draw(at(3), width, 10) {
                assert!(line.width() <= width, "{width}: {}", line.text());
            }
        }
    }

    #[test]
    fn a_heartbeat_shows_the_longest_step_and_the_summary() {
        let (plan, start) = (plan(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut board = Board::default();
        board.plan(&plan, start);
        assert_eq!(board.heartbeat(at(9)), None);
        for name in ["one.whl", "two.whl"] {
            board.started(step(&plan, name), at(0));
            board.progress(step(&plan, name), 1 << 20, Some(1 << 20), at(1));
            board.finished(step(&plan, name));
        }
        board.started(step(&plan, "one"), at(2));
        board.elsewhere(step(&plan, "two"), at(5));
        board.line(step(&plan, "one"), "hello");
        board.line(step(&plan, "one"), "");
        assert_eq!(
            board.heartbeat(at(72)).unwrap(),
            "building one, 1m10s, last line: hello; 1 more (0 of 4 built, 2 of 2 fetched (2.00 MiB))"
        );
        board.failed(step(&plan, "one"));
        board.finished(step(&plan, "two"));
        let summary = "1 built, 2 fetched (2.00 MiB), 1 failed in 1h02m";
        assert_eq!(board.summary(at(3725)), summary);
    }
}
