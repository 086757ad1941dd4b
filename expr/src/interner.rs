//! The table of names: each is stored once and has a number, its [`Symbol`].

use bumpalo::Bump;
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;

use crate::{
    string::Str,
    symbol::{Symbol, known},
};

/// The table of all names.
pub struct Interner<'a> {
    arena: &'a Bump,
    table: HashTable<u32>,
    names: Vec<&'a Str<'a>>,
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    hasher.finish()
}

impl<'a> Interner<'a> {
    /// A table that knows the names in [`known`].
    #[must_use]
    pub fn new(arena: &'a Bump) -> Self {
        let mut symbols = Self { arena, table: HashTable::new(), names: Vec::new() };
        for text in known::TEXTS {
            symbols.intern(text.as_bytes());
        }
        symbols
    }

    /// The symbol of a name.
    pub fn intern(&mut self, text: &[u8]) -> Symbol {
        self.find_or_add(hash(text), text, |arena| {
            arena.alloc(Str::plain(arena.alloc_slice_copy(text)))
        })
    }

    /// The symbol of a string; a name that is new is not copied.
    pub(crate) fn intern_string(&mut self, text: &'a Str<'a>) -> Symbol {
        let hashed = hash(text.bytes());
        self.find_or_add(hashed, text.bytes(), |arena| {
            if text.context().is_empty() { text } else { arena.alloc(Str::plain(text.bytes())) }
        })
    }

    fn find_or_add(
        &mut self,
        hashed: u64,
        text: &[u8],
        new: impl FnOnce(&'a Bump) -> &'a Str<'a>,
    ) -> Symbol {
        let names = &self.names;
        if let Some(&at) = self.table.find(hashed, |&at| names[at as usize].bytes() == text) {
            return Symbol(at);
        }
        let at = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(new(self.arena));
        let names = &self.names;
        self.table.insert_unique(hashed, at, |&at| hash(names[at as usize].bytes()));
        Symbol(at)
    }

    /// The symbol of a name that was seen before: without one, no set has such an attribute.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<Symbol> {
        let names = &self.names;
        self.table.find(hash(text), |&at| names[at as usize].bytes() == text).map(|&at| Symbol(at))
    }

    /// The bytes of a name.
    #[must_use]
    pub fn bytes(&self, symbol: Symbol) -> &'a [u8] {
        self.names[symbol.0 as usize].bytes()
    }

    /// A name as a string of the language; every call gives the same one.
    #[must_use]
    pub fn string(&self, symbol: Symbol) -> &'a Str<'a> {
        self.names[symbol.0 as usize]
    }

    /// A name for messages.
    #[must_use]
    pub fn show(&self, symbol: Symbol) -> String {
        String::from_utf8_lossy(self.bytes(symbol)).into_owned()
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}
