//! What an evaluation may take, and what it took: `--max-eval-memory`, `--stats`, `--eval-profile`.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clutch_expr::{
    eval::{Interpreter, Stats},
    limit::Limit,
};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};
use serde_json::json;

use super::{
    context::Context, destination, failure::Failure, output, quantity::bytes, quantity::size,
};

/// The options about what an evaluation takes.
#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = "Evaluation options")]
#[group(skip)]
pub(super) struct Measure {
    /// Print evaluation statistics (times, calls, values, memory) to standard error.
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true,
        default_missing_value = "auto")]
    stats: Option<Form>,
    /// Stop the evaluation if it needs more memory than SIZE, such as 500M or 2G (default: three
    /// quarters of the memory of this machine or control group).
    ///
    /// If `ulimit -v` is set, the evaluation can use at most a third of that limit.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_eval_memory: Option<u64>,
    /// Profile the evaluation and write folded stacks, for flame graphs, to FILE; `-` is standard
    /// output.
    ///
    /// Always evaluates, even if a cached result is still valid.
    #[arg(long, value_name = "FILE")]
    pub(super) eval_profile: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// JSON with --json, otherwise text.
    Auto,
    /// Plain text.
    Text,
    /// A JSON object.
    Json,
}

/// What one evaluation took.
pub(super) struct Measured {
    stats: Stats,
    total: Duration,
    cpu: Duration,
    profile: Vec<u8>,
}

impl Measure {
    /// How much memory the evaluation may take.
    pub(super) fn limit(&self) -> Limit {
        let bytes = self.max_eval_memory.or_else(|| Some(memory()? / 4 * 3));
        // address space is more than memory, and where it ends the allocator fails: stay away from that
        let space = getrlimit(Resource::As).current.map(|space| space / 3);
        let bytes = bytes.into_iter().chain(space).min();
        let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
        bytes.map_or_else(Limit::default, Limit::new)
    }

    /// To be called before anything is evaluated.
    pub(super) fn start(&self, it: &mut Interpreter<'_>) -> Instant {
        if self.eval_profile.is_some() {
            it.start_profile();
        }
        Instant::now()
    }

    /// To be called by the evaluator's own thread when it is done.
    pub(super) fn finish(&self, it: &Interpreter<'_>, started: Instant) -> Measured {
        let mut profile = Vec::new();
        if self.eval_profile.is_some() {
            // a vector takes everything
            let _ = it.write_profile(&mut profile);
        }
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let cpu = Duration::try_from(cpu).unwrap_or_default();
        Measured { stats: it.stats(), total: started.elapsed(), cpu, profile }
    }

    /// Tells what was taken, as far as that was asked for.
    pub(super) fn tell(&self, context: &Context, measured: &Measured) -> Result<(), Failure> {
        if let Some(file) = &self.eval_profile {
            destination::write(file, &measured.profile)?;
        }
        match self.form(context) {
            Some(Form::Json) => output::say(&measured.json().to_string()),
            Some(_) => output::say(measured.text().trim_end()),
            None => {}
        }
        Ok(())
    }

    /// Tells that nothing was evaluated.
    pub(super) fn tell_known(&self, context: &Context) {
        match self.form(context) {
            Some(Form::Json) => output::say(&json!({ "cached": true }).to_string()),
            Some(_) => output::say("evaluation: cached"),
            None => {}
        }
    }

    fn form(&self, context: &Context) -> Option<Form> {
        self.stats.map(|form| match form {
            Form::Auto if context.global.json => Form::Json,
            form => form,
        })
    }
}

impl Measured {
    /// The time that was spent neither in reading sources nor in compiling them.
    fn evaluate(&self) -> Duration {
        self.total.saturating_sub(self.parse()).saturating_sub(self.compile())
    }

    fn parse(&self) -> Duration {
        Duration::from_nanos(self.stats.parse_nanos)
    }

    fn compile(&self) -> Duration {
        Duration::from_nanos(self.stats.compile_nanos)
    }

    fn json(&self) -> serde_json::Value {
        let stats = &self.stats;
        json!({
            "cached": false,
            "seconds": {
                "parse": self.parse().as_secs_f64(),
                "compile": self.compile().as_secs_f64(),
                "evaluate": self.evaluate().as_secs_f64(),
                "total": self.total.as_secs_f64(),
                "cpu": self.cpu.as_secs_f64(),
            },
            "files": stats.files,
            "sourceBytes": stats.source_bytes,
            "thunks": stats.thunks,
            "calls": stats.calls,
            "builtinCalls": stats.builtin_calls,
            "sets": stats.sets,
            "updates": stats.updates,
            "lists": stats.lists,
            "lookups": stats.lookups,
            "symbols": stats.symbols,
            "arenaBytes": stats.arena_bytes,
            "peakBytes": peak(),
        })
    }

    fn text(&self) -> String {
        let stats = &self.stats;
        let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        let rows = [
            ("time", millis(self.total), format!("{} of processor time", millis(self.cpu))),
            ("  parse", millis(self.parse()), {
                let noun = if stats.files == 1 { "file" } else { "files" };
                format!("{} {noun}, {}", grouped(stats.files), bytes(stats.source_bytes))
            }),
            ("  compile", millis(self.compile()), String::new()),
            ("  evaluate", millis(self.evaluate()), String::new()),
            (
                "memory",
                bytes(stats.arena_bytes),
                match peak() {
                    Some(peak) => format!("of values; {} for the process at its peak", bytes(peak)),
                    None => "of values".to_owned(),
                },
            ),
            ("thunks", grouped(stats.thunks), "values computed on demand".to_owned()),
            ("calls", grouped(stats.calls), "of functions".to_owned()),
            ("", grouped(stats.builtin_calls), "of builtins".to_owned()),
            ("sets", grouped(stats.sets), "from literals".to_owned()),
            ("", grouped(stats.updates), "made with //".to_owned()),
            ("", grouped(stats.lookups), "attributes selected".to_owned()),
            ("lists", grouped(stats.lists), "from literals".to_owned()),
            ("names", grouped(stats.symbols), String::new()),
        ];
        let mut text = "evaluation\n".to_owned();
        for (what, number, remark) in rows {
            text += format!("  {what:<11}{number:>13}  {remark}").trim_end();
            text.push('\n');
        }
        text
    }
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The most memory that this process had so far, in bytes.
fn peak() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// The memory of this machine, or of the control group that this process is in, in bytes.
fn memory() -> Option<u64> {
    let machine = rustix::system::sysinfo();
    #[allow(clippy::useless_conversion, reason = "the width depends on the platform")]
    let machine = u64::from(machine.totalram).checked_mul(u64::from(machine.mem_unit));
    let groups = fs_err::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let most = Path::new(group).ancestors().filter_map(|group| {
        let file = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        fs_err::read_to_string(file).ok()?.trim().parse().ok()
    });
    machine.into_iter().chain(most).min()
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_grouped() {
        let numbers = [0, 999, 1000, 12_345, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
