//! `--events`: progress for programs, one JSON object per line (docs/formats.md, "Events").

use std::{
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::{
    destination,
    failure::{Failure, Kind},
};
use crate::{
    build::{
        Event, Observer,
        plan::{BuildStep, Step},
    },
    net::address::without_credentials,
    session::BUILTINS,
    store_path::StorePath,
};

/// The version of the format. Readers ignore new kinds and fields; any other change needs a new version.
const VERSION: u32 = 1;

/// The interval between progress events of one step.
const PAUSE: Duration = Duration::from_millis(250);

/// The destination of events.
pub(super) struct Events {
    out: Mutex<Out>,
    /// True for standard error, which then has nothing else.
    pub(super) is_stderr: bool,
}

struct Out {
    to: Box<dyn Write + Send>,
    /// The reason that writing stopped: the reader has gone, or an error.
    broken: Option<io::Error>,
    /// The time of the last progress event of each running step.
    reported: FxHashMap<StorePath, Instant>,
}

impl Events {
    /// Opens the file, or standard error for `-`.
    pub(super) fn open(file: &Path) -> Result<Self, Failure> {
        let is_stderr = file == Path::new("-");
        let to: Box<dyn Write + Send> = if is_stderr {
            Box::new(io::stderr())
        } else {
            let file = destination::stream(file).map_err(|error| {
                Failure::new(Kind::Usage, format!("--events: {error}"))
                    .hint("give a file, /dev/fd/N for a descriptor, or `-` for standard error")
            })?;
            Box::new(file)
        };
        let out = Out { to, broken: None, reported: FxHashMap::default() };
        let events = Self { out: Mutex::new(out), is_stderr };
        events.write("begin", json!({ "clutch": env!("CARGO_PKG_VERSION") }));
        // fail before any work starts
        events.broken().map(|()| events)
    }

    /// The error of writing, if there is one. A closed pipe is not an error.
    fn broken(&self) -> Result<(), Failure> {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match &out.broken {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Kind::Failed, format!("--events: cannot write: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Writes a message of level `info` or `warning`.
    pub(super) fn message(&self, level: &str, text: &str) {
        let text = anstream::adapter::strip_str(text).to_string();
        self.write("message", json!({ "level": level, "text": text }));
    }

    /// Writes the failure of the command.
    pub(super) fn error(&self, failure: &Failure) {
        let message = anstream::adapter::strip_str(&failure.message).to_string();
        self.write("error", json!({ "message": message, "hints": failure.all_hints() }));
    }

    /// Writes the end of the command. There is none if clutch becomes another program (`run`, `shell`).
    ///
    /// # Errors
    /// This or an earlier event could not be written.
    pub(super) fn end(&self, exit: u8) -> Result<(), Failure> {
        self.write("end", json!({ "exit": exit }));
        self.broken()
    }

    /// Writes a whole line at once. Writes nothing after a failure.
    fn write(&self, kind: &str, mut value: Value) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        value["version"] = VERSION.into();
        value["kind"] = kind.into();
        value["time"] = (since.as_millis() as f64 / 1000.0).into();
        let line = format!("{value}\n");
        let line = without_credentials(&line);
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.broken.is_none() {
            let done = out.to.write_all(line.as_bytes()).and_then(|()| out.to.flush());
            out.broken = done.err();
        }
    }

    fn of_step(&self, kind: &str, step: &Step, mut value: Value) {
        let field = if step.build().is_some() { "derivation" } else { "path" };
        value[field] = step.path().to_string().into();
        value["name"] = step.name().into();
        self.write(kind, value);
    }

    /// True if the next progress event of a step is due.
    fn is_due(&self, step: &Step, is_last: bool) -> bool {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let early = |at: &Instant| now.duration_since(*at) < PAUSE;
        if !is_last && out.reported.get(step.path()).is_some_and(early) {
            return false;
        }
        out.reported.insert(step.path().clone(), now);
        true
    }
}

fn outputs(step: &Step) -> Value {
    let outputs = step.build().into_iter().flat_map(|build| &build.derivation.outputs);
    outputs.map(|(name, o)| (name.clone(), o.path.to_string())).collect()
}

impl Observer for Events {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Planned(plan) => {
                let fetches = plan.steps.iter().filter(|step| BUILTINS.is_fetch(step)).count();
                let substitutes = plan.substitutes().count();
                let builds = plan.builds().count() - fetches;
                self.write(
                    "plan",
                    json!({
                        "builds": builds,
                        "fetches": fetches,
                        "substitutes": substitutes,
                        "present": plan.present,
                    }),
                );
            }
            Event::Waiting(step) => self.of_step("waiting", step, json!({})),
            Event::Started(step) => {
                let builder =
                    step.build().and_then(BuildStep::builtin).map(|name| format!("builtin:{name}"));
                self.of_step(
                    "started",
                    step,
                    json!({ "builder": builder, "fetch": BUILTINS.is_fetch(step) }),
                );
            }
            Event::Line(step, text) => self.of_step("line", step, json!({ "text": text })),
            Event::Progress(step, done, of) => {
                if self.is_due(step, of == Some(done)) {
                    self.of_step("progress", step, json!({ "done": done, "of": of }));
                }
            }
            Event::Finished(step, took) => {
                let seconds = took.map(|took| took.as_secs_f64());
                let value = json!({ "seconds": seconds, "outputs": outputs(step) });
                self.of_step("finished", step, value);
            }
            Event::Failed(step, failure) => {
                let mut value = json!({
                    "error": failure.error.to_string(),
                    "cancelled": failure.error.is_cancelled(),
                });
                if let Some((specified, got)) = failure.error.hash_mismatch() {
                    value["mismatch"] =
                        json!({ "specified": specified.to_string(), "got": got.to_string() });
                }
                self.of_step("failed", step, value);
            }
            Event::Skipped(step, failed) => {
                self.of_step("skipped", step, json!({ "because": failed.path().to_string() }));
            }
        }
    }
}
