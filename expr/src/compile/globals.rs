//! The names that every program sees: the builtins under their global names.

use rustc_hash::FxHashMap;

use crate::{
    error::{Error, ErrorKind},
    interner::Interner,
    source::Span,
    suggest::nearest,
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

    /// The value of a name: a value, or a reference to what is computed on demand.
    pub(crate) fn get(&self, name: Symbol) -> Option<Value<'a>> {
        self.names.get(&name).map(|slot| share(slot))
    }

    /// Every name.
    pub(crate) fn names(&self) -> impl Iterator<Item = Symbol> {
        self.names.keys().copied()
    }

    /// The error for a variable that nothing defines; `names` are those that exist besides these.
    #[cold]
    pub(crate) fn undefined(
        &self,
        symbols: &Interner<'_>,
        name: Symbol,
        span: Span,
        names: impl Iterator<Item = Symbol>,
    ) -> Box<Error> {
        let name = symbols.show(name);
        let error = Error::new(ErrorKind::Undefined, span, format!("undefined variable '{name}'"));
        let known = names.chain(self.names()).map(|symbol| {
            let name = symbols.show(symbol);
            match name.strip_prefix("__") {
                // most builtins have no short name
                Some(short) if self.get(symbol).is_some() => {
                    (short.to_owned(), format!("builtins.{short}"))
                }
                _ => (name.clone(), name),
            }
        });
        match nearest(&name, known) {
            Some(help) => error.with_help(help),
            None => error,
        }
    }
}
