//! The state of one evaluation, and its limit on depth.

use std::{cell::Cell, io, path::PathBuf};

use bumpalo::Bump;
use rustc_hash::FxHashMap;

use super::{
    builtin::{Builtin, Run},
    options::{Options, Stats},
    profile::{Callee, Profile, Step},
};
use crate::{
    compile::Program,
    ere::Cache,
    error::{Error, Result},
    host::Host,
    interner::Interner,
    source::{Sources, Span},
    stack::Stack,
    string::Str,
    value::{Attrs, Env, Signature, Slot, Spare, Value},
};

/// One evaluation.
pub struct Interpreter<'a> {
    /// The memory of all values.
    pub arena: &'a Bump,
    /// The world.
    pub host: &'a dyn Host,
    /// The names that only files of the library see: `host`. Made on first use.
    pub(super) library_scope: Option<&'a Attrs<'a>>,
    /// The names.
    pub symbols: Interner<'a>,
    /// The source texts.
    pub sources: Sources,
    /// Its options.
    pub options: Options,
    /// Its counters.
    pub stats: Stats,
    /// The place of the call of the builtin that runs. Read it before anything is evaluated.
    pub site: Span,
    /// The activation that called it, if known. Read it as early.
    pub(crate) caller: Option<&'a Env<'a>>,
    pub(crate) regexes: Cache,
    /// The code so far.
    pub(crate) program: Program<'a>,
    /// The functions of the builtins, by the number in their signature. The table covers every number, so a
    /// call needs no check.
    builtins: [Run; 256],
    builtin_count: usize,
    pub(crate) root: &'a Env<'a>,
    /// Imported files by their resolved path.
    pub(crate) files: FxHashMap<PathBuf, &'a Slot<'a>>,
    /// The files that paths of `import` resolve to.
    pub(crate) resolved: FxHashMap<PathBuf, PathBuf>,
    /// Paths that were copied to the store already.
    pub(crate) copied: FxHashMap<PathBuf, &'a Str<'a>>,
    #[expect(clippy::vec_box, reason = "an error is handed out in its box")]
    pub(super) failures: Vec<Box<Error>>,
    pub(super) spare: Spare<'a>,
    /// Bytes held outside of the arena; see [`Self::hold`].
    pub(super) held: Cell<usize>,
    pub(super) calls: u32,
    /// The number of loop turns so far; see [`Self::step`].
    pub(super) steps: u32,
    /// Calls deeper than this are checked: [`Options::max_call_depth`] or, with a profile, zero.
    pub(super) call_limit: u32,
    pub(super) profile: Option<Box<Profile>>,
    pub(super) stack: Stack,
}

impl<'a> Interpreter<'a> {
    /// An evaluation without names.
    pub(crate) fn new(arena: &'a Bump, host: &'a dyn Host, options: Options) -> Self {
        let call_limit = options.max_call_depth;
        // some room stays free for code that recurses without a check, such as the host
        let usable = options.stack_size - options.stack_size / 16 - (64 << 10);
        let regexes = Cache::new(options.limit.clone());
        Self {
            arena,
            host,
            library_scope: None,
            symbols: Interner::new(arena),
            sources: Sources::default(),
            options,
            stats: Stats::default(),
            site: Span::NONE,
            caller: None,
            regexes,
            program: Program::default(),
            builtins: [no_such_builtin; 256],
            builtin_count: 0,
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
            stack: Stack::of(usable),
        }
    }

    /// Adds a builtin to the table and returns it as a value.
    pub(crate) fn add_builtin(&mut self, builtin: &Builtin) -> Value<'a> {
        let number = u8::try_from(self.builtin_count).expect("the table has room for 256 builtins");
        self.builtins[usize::from(number)] = builtin.run;
        self.builtin_count += 1;
        Value::Builtin(self.arena.alloc(builtin.signature.numbered(number)))
    }

    /// The function of a builtin.
    #[inline(always)]
    pub(super) fn run_of(&self, builtin: &Signature) -> Run {
        self.builtins[usize::from(builtin.number())]
    }

    /// Checks that a walk may go deeper. Every recursive walk calls it first.
    ///
    /// # Errors
    /// If the stack is nearly used up.
    #[inline(always)]
    pub fn deeper(&self) -> Result<()> {
        self.stack.deeper()
    }

    /// One step of a recursive walk over values. It counts as a call.
    ///
    /// # Errors
    /// If the nesting is too deep, or the step fails.
    pub fn nest<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.descend()?;
        let result = step(self);
        self.ascend();
        result
    }

    /// One step down in a walk. If it succeeds, call [`Self::ascend`] afterwards.
    ///
    /// # Errors
    /// If the nesting is too deep.
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

    /// One step up in a walk.
    pub(crate) fn ascend(&mut self) {
        self.calls -= 1;
        self.leave();
    }

    /// The counters so far.
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

    /// Starts a profile.
    pub fn start_profile(&mut self) {
        self.call_limit = 0;
        self.profile = Some(Box::new(Profile::new()));
    }

    /// Writes the profile so far as folded stacks, for flame-graph tools: one line for each stack of calls,
    /// outermost first and separated by semicolons, then a blank and the microseconds spent in the
    /// innermost call itself. A frame is the place of the call and the name of the function, as in Nix's
    /// `flamegraph` profiler.
    ///
    /// # Errors
    /// If writing to `out` fails.
    pub fn write_profile(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let Some(profile) = &self.profile else { return Ok(()) };
        profile.write(out, |callee, mut span| {
            let name = match callee {
                Callee::Program => String::new(),
                Callee::Builtin(name) => format!("primop {name}"),
                Callee::Function(id) => {
                    let code = self.program.functions[id.0 as usize];
                    if span.is_none() {
                        span = code.span;
                    }
                    code.name.map_or_else(|| "anonymous".to_owned(), |name| self.symbols.show(name))
                }
            };
            match self.sources.place(span) {
                Some(place) => format!("{place}:{name}"),
                None => name,
            }
        })
    }
}

fn no_such_builtin<'a>(_: &mut Interpreter<'a>, _: &[Value<'a>]) -> Result<Value<'a>> {
    unreachable!("every signature that becomes a value has been added to the table")
}
