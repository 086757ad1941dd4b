//! Options of an evaluation, and its counters.

use super::library::Library;
use crate::limit::Limit;

/// Options of an evaluation.
#[derive(Clone, Debug)]
pub struct Options {
    /// How deep calls may nest; Nix's default is 10,000.
    pub max_call_depth: u32,
    /// True if `|>` and `<|` are part of the language.
    pub pipe_operators: bool,
    /// True if what is cheap to compute is computed at once and not suspended: functions,
    /// sums of known numbers, attributes of known sets. It is not to be noticed, except that a
    /// value printed without computing it shows less `<CODE>` than Nix shows.
    pub eager: bool,
    /// True if `builtins.traceVerbose` traces.
    pub trace_verbose: bool,
    /// True if `builtins.warn` is an error (Nix's `abort-on-warn`).
    pub abort_on_warn: bool,
    /// True if `fromTOML` takes dates and times.
    pub toml_timestamps: bool,
    /// The size of the evaluator's stack in bytes, at least [`MIN_STACK`]; the memory is used only when
    /// it is needed.
    pub stack_size: usize,
    /// How much memory the evaluation may take, and the way to stop it.
    pub limit: Limit,
    /// The library that programs can import.
    pub library: &'static Library,
}

/// The smallest stack; less would leave the walks between two questions no room.
pub(crate) const MIN_STACK: usize = 1 << 20;

/// The stack that an evaluation may have under any limit on memory.
pub(crate) const LITTLE_STACK: usize = 16 << 20;

impl Default for Options {
    /// As Nix's defaults, with a stack of 1 GiB and at most 4 GiB of memory.
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
    /// Sets that were written out in the program and evaluated.
    pub sets: u64,
    /// Lists, in the same way.
    pub lists: u64,
    /// Attributes that were selected by name with `.`.
    pub lookups: u64,
    /// Files that were parsed.
    pub files: u64,
    /// Bytes of source that were parsed.
    pub source_bytes: u64,
    /// Bytes that the arena took.
    pub arena_bytes: u64,
    /// Names.
    pub symbols: u64,
    /// Nanoseconds spent in lexer and parser.
    pub parse_nanos: u64,
    /// Nanoseconds spent in turning syntax trees into code.
    pub compile_nanos: u64,
}
