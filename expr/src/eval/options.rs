//! Options of an evaluation, and its counters.

use super::library::Library;
use crate::limit::Limit;

/// Options of an evaluation.
#[derive(Clone, Debug)]
pub struct Options {
    /// The deepest nesting of calls. Nix's default is 10,000.
    pub max_call_depth: u32,
    /// True to allow `|>` and `<|`.
    pub pipe_operators: bool,
    /// True to compute cheap values at once instead of suspending them: functions, sums of known numbers,
    /// attributes of known sets. The only visible effect: a value printed without computing it shows
    /// `<CODE>` less often than in Nix.
    pub eager: bool,
    /// True to print the messages of `builtins.traceVerbose`.
    pub trace_verbose: bool,
    /// True to make `builtins.warn` an error (Nix's `abort-on-warn`).
    pub abort_on_warn: bool,
    /// True to accept dates and times in `fromTOML`.
    pub toml_timestamps: bool,
    /// The size of the evaluator's stack in bytes, at least [`MIN_STACK`]. Memory is committed when it is
    /// used.
    pub stack_size: usize,
    /// The limit on memory, and the way to stop the evaluation.
    pub limit: Limit,
    /// The library that programs can import.
    pub library: &'static Library,
}

/// The smallest stack. Less would not suffice between two checks.
pub(crate) const MIN_STACK: usize = 1 << 20;

/// The size of stack that any limit on memory allows.
pub(crate) const LITTLE_STACK: usize = 16 << 20;

impl Default for Options {
    /// Nix's defaults, with a stack of 1 GiB and at most 4 GiB of memory.
    fn default() -> Self {
        Self {
            max_call_depth: 10_000,
            pipe_operators: false,
            eager: true,
            trace_verbose: false,
            abort_on_warn: false,
            toml_timestamps: false,
            stack_size: 1 << 30,
            limit: Limit::default(),
            library: &Library::NONE,
        }
    }
}

/// Counters of an evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Suspended values that were computed.
    pub thunks: u64,
    /// Calls of functions of the program.
    pub calls: u64,
    /// Calls of builtins.
    pub builtin_calls: u64,
    /// Uses of `//`.
    pub updates: u64,
    /// Evaluated set literals.
    pub sets: u64,
    /// Evaluated list literals.
    pub lists: u64,
    /// Selections by name (`.`).
    pub lookups: u64,
    /// Files that were parsed.
    pub files: u64,
    /// Bytes of source that were parsed.
    pub source_bytes: u64,
    /// Bytes that the arena took.
    pub arena_bytes: u64,
    /// Names.
    pub symbols: u64,
    /// Nanoseconds spent in the lexer and parser.
    pub parse_nanos: u64,
    /// Nanoseconds spent in turning syntax trees into code.
    pub compile_nanos: u64,
}
