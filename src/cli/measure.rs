//! Limits and statistics of an evaluation: `--max-eval-memory`, `--stats`, `--eval-profile`.

use std::{path::PathBuf, time::Duration};

use serde_json::json;

use super::{
    context::Context,
    destination,
    failure::Failure,
    output,
    quantity::{bytes, size},
};
use crate::session::Measured;

/// Options for the limits and statistics of an evaluation.
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
    /// `ulimit -v` counts reserved address space, too: if it is set, an evaluation gets a third of it.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(super) max_eval_memory: Option<u64>,
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

impl Measure {
    /// Prints the requested statistics.
    pub(super) fn tell(&self, context: &Context, measured: &Measured) -> Result<(), Failure> {
        if let Some(file) = &self.eval_profile {
            destination::write(file, &measured.profile)?;
        }
        match self.form(context) {
            Some(Form::Json) => output::say(&Report(measured).json().to_string()),
            Some(_) => output::say(Report(measured).text().trim_end()),
            None => {}
        }
        Ok(())
    }

    /// Prints that the evaluation came from the cache.
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

/// The format of the statistics.
struct Report<'m>(&'m Measured);

impl Report<'_> {
    /// The time spent in evaluation alone, without reading and compiling sources.
    fn evaluate(&self) -> Duration {
        self.0.total.saturating_sub(self.parse()).saturating_sub(self.compile())
    }

    fn parse(&self) -> Duration {
        Duration::from_nanos(self.0.stats.parse_nanos)
    }

    fn compile(&self) -> Duration {
        Duration::from_nanos(self.0.stats.compile_nanos)
    }

    fn json(&self) -> serde_json::Value {
        let stats = &self.0.stats;
        json!({
            "cached": false,
            "seconds": {
                "parse": self.parse().as_secs_f64(),
                "compile": self.compile().as_secs_f64(),
                "evaluate": self.evaluate().as_secs_f64(),
                "total": self.0.total.as_secs_f64(),
                "cpu": self.0.cpu.as_secs_f64(),
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
        let stats = &self.0.stats;
        let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        let rows = [
            ("time", millis(self.0.total), format!("{} of processor time", millis(self.0.cpu))),
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

/// The peak memory of this process, in bytes.
fn peak() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
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
