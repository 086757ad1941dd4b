//! Names as numbers: attribute and variable names are compared by number. [`crate::interner`] has the
//! text of each.

/// A name. Symbols are in the order in which they were first seen, not in alphabetical order.
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
            pub(crate) const TEXTS: &[&str] = &[$($text),*];
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
