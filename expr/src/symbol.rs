//! Names as numbers: every attribute and variable name is stored once, and compared by its number.

use bumpalo::Bump;
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;

use crate::value::Str;

/// A name. The order of symbols is the order in which they were first seen, not the alphabet's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub u32);

macro_rules! well_known {
    ($($name:ident = $text:literal;)*) => {
        /// The symbols that the evaluator itself asks for.
        #[allow(non_upper_case_globals, missing_docs)]
        pub mod known {
            use super::Symbol;
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Index { $($name),* }
            $(pub const $name: Symbol = Symbol(Index::$name as u32);)*
            pub(super) const TEXTS: &[&str] = &[$($text),*];
        }
    };
}

well_known! {
    empty = "";
    sub = "__sub";
    mul = "__mul";
    div = "__div";
    less_than = "__lessThan";
    find_file = "__findFile";
    nix_path = "__nixPath";
    or = "or";
    body = "body";
    cur_pos = "__curPos";
    overrides = "__overrides";
    functor = "__functor";
    to_string = "__toString";
    out_path = "outPath";
    drv_path = "drvPath";
    type_ = "type";
    name = "name";
    value = "value";
    right = "right";
    wrong = "wrong";
    success = "success";
    file = "file";
    line = "line";
    column = "column";
    path = "path";
    prefix = "prefix";
    key = "key";
    operator = "operator";
    start_set = "startSet";
    system = "system";
    builder = "builder";
    args = "args";
    outputs = "outputs";
    output_name = "outputName";
    all = "all";
    drv_attrs = "drvAttrs";
    output_hash = "outputHash";
    output_hash_algo = "outputHashAlgo";
    output_hash_mode = "outputHashMode";
    ignore_nulls = "__ignoreNulls";
    hash_position = "__hashPosition";
    structured_attrs = "__structuredAttrs";
    content_addressed = "__contentAddressed";
    impure = "__impure";
    recurse_for_derivations = "recurseForDerivations";
    out = "out";
    meta = "meta";
    url = "url";
    sha256 = "sha256";
    filter = "filter";
    host = "host";
    recursive = "recursive";
    builtins = "builtins";
    derivation = "derivation";
    true_ = "true";
    false_ = "false";
    null = "null";
    version = "version";
    all_outputs = "allOutputs";
}

/// The table of all names.
pub struct Symbols<'a> {
    arena: &'a Bump,
    table: HashTable<u32>,
    names: Vec<&'a Str<'a>>,
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    hasher.finish()
}

impl<'a> Symbols<'a> {
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
    pub fn intern_string(&mut self, text: &'a Str<'a>) -> Symbol {
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
        if let Some(&at) = self.table.find(hashed, |&at| names[at as usize].flat() == text) {
            return Symbol(at);
        }
        let at = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(new(self.arena));
        let names = &self.names;
        self.table.insert_unique(hashed, at, |&at| hash(names[at as usize].flat()));
        Symbol(at)
    }

    /// The symbol of a name that was seen before: without one, no set has such an attribute.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<Symbol> {
        let names = &self.names;
        self.table.find(hash(text), |&at| names[at as usize].flat() == text).map(|&at| Symbol(at))
    }

    /// The bytes of a name.
    #[must_use]
    pub fn bytes(&self, symbol: Symbol) -> &'a [u8] {
        self.names[symbol.0 as usize].flat()
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
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none; never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
