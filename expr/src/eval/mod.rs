//! The evaluator: a tree walk over the code in [`crate::compile`]. It recurses on the thread's
//! stack, which is large and committed lazily; every recursive walk asks [`Interpreter::deeper`]
//! first, so that nesting too deep is an ordinary error.

mod call;
mod coerce;
mod derivations;
mod doc;
mod equal;
mod files;
mod force;
mod form;
mod limit;
mod load;
pub mod path;
mod print;
mod profile;
mod run;
mod select;
mod session;

pub use coerce::Coercion;
pub use derivations::Found;
pub(crate) use files::as_path;
pub use limit::Limit;
pub(crate) use limit::{STEPS, interrupted};
pub use print::PrintOptions;
pub use select::did_you_mean;
pub use session::Line;

use std::{
    cell::Cell,
    panic::resume_unwind,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use bumpalo::Bump;
use rustc_hash::FxHashMap;

use self::profile::Step;
use crate::{
    compile::{Expr, Function, Globals},
    error::{Error, Kind, Result},
    host::Host,
    library::Library,
    source::{Sources, Span},
    symbol::Symbols,
    value::{Attrs, Env, Slot, Spare, Value},
};

/// What an evaluation may and may not do.
#[derive(Clone, Debug)]
pub struct Options {
    /// How deep calls may nest; Nix's default is 10,000.
    pub max_call_depth: u32,
    /// Whether `|>` and `<|` are part of the language.
    pub pipe_operators: bool,
    /// Whether what is cheap to compute is computed at once where it would be suspended: functions,
    /// sums of known numbers, attributes of known sets. It is not to be noticed, except that a
    /// value printed without computing it shows less `<CODE>` than Nix shows.
    pub eager: bool,
    /// Whether `builtins.traceVerbose` traces.
    pub trace_verbose: bool,
    /// Whether `builtins.warn` is an error (Nix's `abort-on-warn`).
    pub abort_on_warn: bool,
    /// Whether `fromTOML` takes dates and times.
    pub toml_timestamps: bool,
    /// The size of the evaluator's stack in bytes, at least [`MIN_STACK`]; the memory is used only when
    /// it is needed.
    pub stack_size: usize,
    /// How much memory the evaluation may take, and the way to stop it.
    pub limit: Limit,
}

/// The smallest stack; less would leave the walks between two questions no room.
pub const MIN_STACK: usize = 1 << 20;

/// What a stack may have under any limit on memory.
const LITTLE_STACK: usize = 16 << 20;

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
        }
    }
}

/// What was done, in numbers.
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

/// One evaluation.
pub struct Interpreter<'a> {
    /// Where all values are.
    pub arena: &'a Bump,
    /// The world.
    pub host: &'a dyn Host,
    /// The library that the host has handed in.
    pub(crate) library: &'static Library,
    /// What files of the library see besides the global names: `host`. Made when it is first needed.
    library_scope: Option<&'a Attrs<'a>>,
    /// The names.
    pub symbols: Symbols<'a>,
    /// The source texts.
    pub sources: Sources,
    /// What may be done.
    pub options: Options,
    /// What was done.
    pub stats: Stats,
    /// Where the builtin that runs was called; it is to be read before anything is evaluated.
    pub site: Span,
    /// The activation in which it was called, where that is known; to be read as early.
    pub(crate) caller: Option<&'a Env<'a>>,
    pub(crate) regexes: crate::ere::Cache,
    pub(crate) code: Vec<&'a Expr<'a>>,
    pub(crate) functions: Vec<&'a Function<'a>>,
    pub(crate) globals: Globals<'a>,
    pub(crate) root: &'a Env<'a>,
    /// Imported files by their resolved path.
    pub(crate) files: FxHashMap<PathBuf, &'a Slot<'a>>,
    /// What paths of `import` resolve to.
    pub(crate) resolved: FxHashMap<PathBuf, PathBuf>,
    /// Paths that were copied to the store already.
    pub(crate) copied: FxHashMap<PathBuf, &'a crate::value::Str<'a>>,
    #[expect(clippy::vec_box, reason = "an error is handed out in its box")]
    failures: Vec<Box<Error>>,
    spare: Spare<'a>,
    /// Bytes that are held outside of the arena; see [`Self::hold`].
    held: Cell<usize>,
    calls: u32,
    /// Turns of loops so far; see [`Self::step`].
    steps: u32,
    /// Deeper calls are looked at: [`Options::max_call_depth`] or, with a profile, zero.
    call_limit: u32,
    profile: Option<Box<profile::Profile>>,
    stack_end: usize,
}

/// Runs something with a new interpreter, on a thread of its own with a large stack. What `run`
/// returns must be owned: the values end with the evaluation.
///
/// Where the machine refuses the memory for the stack, a smaller one is tried.
///
/// # Errors
/// The thread cannot be started.
///
/// # Panics
/// With what `run` panics with.
pub fn with_interpreter<R: Send>(
    host: &dyn Host,
    options: Options,
    run: impl FnOnce(&mut Interpreter<'_>) -> R + Send,
) -> std::io::Result<R> {
    // who gives little memory gives little for the stack
    let most = (options.limit.bytes() / 4).max(LITTLE_STACK);
    let stack_size = options.stack_size.clamp(MIN_STACK, most);
    let mut options = Options { stack_size, ..options };
    let job = Mutex::new(Some(run));
    std::thread::scope(|scope| {
        loop {
            let (job, own, size) = (&job, options.clone(), options.stack_size);
            let thread = std::thread::Builder::new().name("evaluator".to_owned()).stack_size(size);
            let spawned = thread.spawn_scoped(scope, move || {
                let run = job.lock().unwrap_or_else(PoisonError::into_inner).take();
                let arena = Bump::new();
                let mut interpreter = Interpreter::new(&arena, host, own);
                run.expect("of the threads only one starts")(&mut interpreter)
            });
            match spawned {
                Ok(done) => return Ok(done.join().unwrap_or_else(|panic| resume_unwind(panic))),
                // address space is short: deep recursion is an error earlier
                Err(_) if size / 2 >= MIN_STACK => options.stack_size /= 2,
                Err(error) => return Err(error),
            }
        }
    })
}

impl<'a> Interpreter<'a> {
    fn new(arena: &'a Bump, host: &'a dyn Host, options: Options) -> Self {
        let symbols = Symbols::new(arena);
        let call_limit = options.max_call_depth;
        let mark = 0u8;
        // a part stays free for what recurses without asking, such as the host
        let usable = options.stack_size - options.stack_size / 16 - (64 << 10);
        let regexes = crate::ere::Cache::new(options.limit.clone());
        let mut interpreter = Self {
            arena,
            host,
            library: host.library(),
            library_scope: None,
            symbols,
            sources: Sources::default(),
            options,
            stats: Stats::default(),
            site: Span::NONE,
            caller: None,
            regexes,
            code: Vec::new(),
            functions: Vec::new(),
            globals: Globals::default(),
            root: arena.alloc(Env::new(None, &[])),
            files: FxHashMap::default(),
            resolved: FxHashMap::default(),
            copied: FxHashMap::default(),
            failures: Vec::new(),
            spare: Spare::default(),
            held: Cell::new(0),
            calls: 0,
            steps: 0,
            call_limit,
            profile: None,
            stack_end: (&raw const mark).addr().saturating_sub(usable),
        };
        crate::builtins::install(&mut interpreter);
        interpreter
    }

    /// What every recursive walk asks before it goes deeper.
    ///
    /// # Errors
    /// The stack is nearly used up.
    #[inline(always)]
    pub fn deeper(&self) -> Result<()> {
        let mark = 0u8;
        if (&raw const mark).addr() < self.stack_end { Err(too_deep()) } else { Ok(()) }
    }

    /// One step of a recursive walk over values, which counts as a call does.
    ///
    /// # Errors
    /// Nesting too deep; what the step fails with.
    pub fn nest<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.descend()?;
        let result = step(self);
        self.ascend();
        result
    }

    /// One step down in a walk; where there is no error, [`Self::ascend`] follows.
    ///
    /// # Errors
    /// Nesting too deep.
    pub(crate) fn descend(&mut self) -> Result<()> {
        self.deeper()?;
        self.step()?;
        self.calls += 1;
        if self.calls > self.call_limit
            && let Err(error) = self.beyond(Step::Nested, Span::NONE)
        {
            self.calls -= 1;
            return Err(error);
        }
        Ok(())
    }

    /// The step is done.
    pub(crate) fn ascend(&mut self) {
        self.calls -= 1;
        self.leave();
    }

    /// The numbers so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            arena_bytes: self.arena.allocated_bytes() as u64,
            symbols: self.symbols.len() as u64,
            ..self.stats
        }
    }

    /// A new slot that holds a value.
    pub fn slot(&self, value: Value<'a>) -> &'a Slot<'a> {
        self.arena.alloc(Cell::new(value))
    }
}

#[cold]
#[inline(never)]
pub(crate) fn too_deep() -> Box<Error> {
    Error::new(Kind::StackOverflow, Span::NONE, "stack overflow; the nesting is too deep")
}
