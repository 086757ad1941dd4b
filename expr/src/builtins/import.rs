//! `import`, `scopedImport`, and the search path.

use super::{Builtin, store::realise};
use crate::{
    error::Result,
    eval::{Interpreter, as_path},
    symbol::known,
    value::{AttrsBuilder, Value},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::silent("import", 1, import).computes(0),
    Builtin::silent("scopedImport", 2, scoped_import),
];

fn import<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let path = it.path(args[0])?;
    realise(it, path.context())?;
    it.import(as_path(path.bytes()))
}

fn scoped_import<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let scope = it.attrs(args[0])?;
    let path = it.path(args[1])?;
    realise(it, path.context())?;
    it.import_with(as_path(path.bytes()), scope)
}

/// `builtins.nixPath`
pub(super) fn install_search_path<'a>(it: &mut Interpreter<'a>, set: &mut AttrsBuilder<'a>) {
    let entries: Vec<Value<'a>> = it
        .host
        .search_path()
        .into_iter()
        .map(|(prefix, path)| {
            let mut entry = AttrsBuilder::with_capacity(2);
            entry.push(known::path, it.text(path.as_bytes()));
            entry.push(known::prefix, it.text(prefix.as_bytes()));
            Value::Attrs(entry.build(it.arena))
        })
        .collect();
    let list = it.new_list(&entries);
    let name = it.symbols.intern(b"nixPath");
    set.push(name, list);
    let slot = it.slot(list);
    it.globals.define(known::nix_path, slot);
}
