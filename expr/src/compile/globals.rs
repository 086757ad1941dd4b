//! What every program sees: the builtins under their global names.

use rustc_hash::FxHashMap;

use crate::{
    symbol::Symbol,
    value::{Slot, Value, share},
};

/// The global names.
#[derive(Default)]
pub(crate) struct Globals<'a> {
    names: FxHashMap<Symbol, &'a Slot<'a>>,
}

impl<'a> Globals<'a> {
    /// Defines a name.
    pub(crate) fn define(&mut self, name: Symbol, slot: &'a Slot<'a>) {
        self.names.insert(name, slot);
    }

    /// What a name stands for: a value, or a reference to what is computed on demand.
    pub(crate) fn get(&self, name: Symbol) -> Option<Value<'a>> {
        self.names.get(&name).map(|slot| share(slot))
    }

    /// Every name, for completion.
    pub(crate) fn names(&self) -> impl Iterator<Item = Symbol> {
        self.names.keys().copied()
    }
}
