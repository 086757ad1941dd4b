//! Which variable a name means: the activations around an expression, and what each defines.

use rustc_hash::FxHashMap;

use crate::symbol::Symbol;

/// A variable: its activation, counted from the outermost, and the slot there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) level: u32,
    pub(super) slot: u32,
}

/// The meaning of a name.
pub(super) enum Meaning {
    /// A variable.
    Variable(Variable),
    /// An attribute of one of the sets of `with`.
    With,
    /// Nothing in the program.
    Unknown,
}

/// The names that are visible at one place of the program.
#[derive(Default)]
pub(super) struct Scope {
    names: FxHashMap<Symbol, Variable>,
    /// The sizes of the open activations.
    frames: Vec<u32>,
    /// The sets of the open `with`s, outermost first.
    withs: Vec<Variable>,
}

/// The meanings to restore when a group of names goes out of sight.
pub(super) struct Hidden(Vec<(Symbol, Option<Variable>)>);

impl Scope {
    /// Opens an activation with so many slots.
    pub(super) fn open(&mut self, size: u32) {
        self.frames.push(size);
    }

    /// Closes the innermost activation and gives its final size.
    pub(super) fn close(&mut self) -> u32 {
        self.frames.pop().unwrap_or(0)
    }

    /// The innermost activation's number, if there is one.
    pub(super) fn level(&self) -> Option<u32> {
        (self.frames.len() as u32).checked_sub(1)
    }

    /// Adds slots to the innermost activation and gives the first.
    pub(super) fn grow(&mut self, count: u32) -> u32 {
        match self.frames.last_mut() {
            Some(size) => {
                let start = *size;
                *size += count;
                start
            }
            None => 0,
        }
    }

    /// Makes names visible as slots of the innermost activation.
    pub(super) fn show(&mut self, names: impl Iterator<Item = (Symbol, u32)>) -> Hidden {
        let level = self.level().unwrap_or(0);
        Hidden(
            names
                .map(|(name, slot)| (name, self.names.insert(name, Variable { level, slot })))
                .collect(),
        )
    }

    /// Undoes [`Self::show`].
    pub(super) fn hide(&mut self, hidden: Hidden) {
        for (name, before) in hidden.0.into_iter().rev() {
            match before {
                Some(before) => self.names.insert(name, before),
                None => self.names.remove(&name),
            };
        }
    }

    /// Enters a `with` whose set is in a slot of the innermost activation.
    pub(super) fn push_with(&mut self, slot: u32) {
        let level = self.level().unwrap_or(0);
        self.withs.push(Variable { level, slot });
    }

    /// Leaves it.
    pub(super) fn pop_with(&mut self) {
        self.withs.pop();
    }

    /// The meaning of a name here.
    pub(super) fn find(&self, name: Symbol) -> Meaning {
        match self.names.get(&name) {
            Some(&variable) => Meaning::Variable(variable),
            None if self.withs.is_empty() => Meaning::Unknown,
            None => Meaning::With,
        }
    }

    /// Every visible name.
    pub(super) fn names(&self) -> impl Iterator<Item = Symbol> {
        self.names.keys().copied()
    }

    /// The sets of the `with`s around, innermost first, as (depth, slot).
    pub(super) fn withs(&self) -> impl Iterator<Item = (u32, u32)> {
        self.withs.iter().rev().map(|set| (self.depth(*set), set.slot))
    }

    /// How many activations up a variable is.
    pub(super) fn depth(&self, variable: Variable) -> u32 {
        self.level().unwrap_or(0) - variable.level
    }

    /// True if a variable is in the innermost activation.
    pub(super) fn is_innermost(&self, variable: Variable) -> bool {
        self.level() == Some(variable.level)
    }
}
