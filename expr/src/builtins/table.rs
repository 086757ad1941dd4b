//! All builtins.

use super::{
    Builtin, arithmetic, attributes, bits, constants, context, control, derivation, documents,
    fetch, files, flakes, hash, import, json, lists, regex, replace, sort, store, strings, types,
    versions, xml,
};

/// The tables of all files here.
const TABLES: &[&[Builtin]] = &[
    arithmetic::TABLE,
    bits::TABLE,
    context::TABLE,
    documents::TABLE,
    fetch::TABLE,
    files::TABLE,
    flakes::TABLE,
    hash::TABLE,
    json::TABLE,
    regex::TABLE,
    replace::TABLE,
    sort::TABLE,
    store::TABLE,
    versions::TABLE,
    xml::TABLE,
    attributes::TABLE,
    control::TABLE,
    derivation::TABLE,
    import::TABLE,
    lists::TABLE,
    strings::TABLE,
    types::TABLE,
];

/// In the order of [`Hidden`](super::hidden::Hidden).
pub(super) const HIDDEN: &[&Builtin] = &[
    &constants::CLOCK,
    &derivation::STRICT_LATER,
    &derivation::STRICT_FOR,
    &derivation::GET_LATER,
    &derivation::ALL_LATER,
    &fetch::GIT_LATER,
    &fetch::TREE_LATER,
];

const _: () = {
    let mut at = 0;
    while at < HIDDEN.len() {
        assert!(HIDDEN[at].signature.number() as usize == at);
        at += 1;
    }
};

/// Every builtin that a program can name.
pub(super) fn all() -> impl Iterator<Item = &'static Builtin> {
    TABLES.iter().flat_map(|table| table.iter())
}
