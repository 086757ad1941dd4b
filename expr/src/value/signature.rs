//! A builtin as a value: everything but the code that it runs.

/// Name and arguments of a builtin, and its number in the evaluator's table of what builtins run.
#[derive(Clone, Copy)]
pub struct Signature {
    name: &'static str,
    arity: u8,
    silent: bool,
    first: Option<u8>,
    number: u8,
}

impl Signature {
    /// The most arguments that a builtin takes.
    pub(crate) const MOST_ARGS: usize = 3;

    /// A builtin that is in no table yet. The name is as Nix registers it: with `__` in front, unless
    /// it is a global of its plain name.
    pub(crate) const fn new(name: &'static str, arity: u8) -> Self {
        assert!(arity as usize <= Self::MOST_ARGS);
        Self { name, arity, silent: false, first: None, number: 0 }
    }

    /// The same, without "while calling the builtin" in traces.
    pub(crate) const fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    /// The same, for a builtin that computes the argument of that number before it does anything
    /// else: no thunk is made for it.
    pub(crate) const fn computes(self, first: u8) -> Self {
        Self { first: Some(first), ..self }
    }

    /// The same, at a place in the table.
    pub(crate) const fn numbered(self, number: u8) -> Self {
        Self { number, ..self }
    }

    /// The place in the table.
    #[inline(always)]
    pub(crate) const fn number(&self) -> u8 {
        self.number
    }

    /// The argument that it computes before it does anything else.
    pub(crate) fn first(&self) -> Option<u32> {
        self.first.map(u32::from)
    }

    /// The global name.
    pub(crate) fn global(&self) -> &'static str {
        self.name
    }

    /// The name within `builtins`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name.strip_prefix("__").unwrap_or(self.name)
    }

    /// How many arguments it takes.
    pub(crate) fn arity(&self) -> usize {
        usize::from(self.arity)
    }

    /// True if Nix has it as a function written in the language.
    pub(crate) fn is_wrapper(&self) -> bool {
        self.name == "derivation"
    }

    /// True if traces do not mention it.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }
}
