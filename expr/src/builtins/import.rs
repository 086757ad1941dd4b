//! `import`, `scopedImport`, and the search path.

use std::path::Path;

use super::{Builtin, context::is_store_path, store::realise};
use crate::{
    error::Result,
    eval::{Interpreter, as_path},
    library,
    source::Span,
    symbol::known,
    value::{AttrsBuilder, Context, Str, Value},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::silent("import", 1, import).computes(0),
    Builtin::silent("scopedImport", 2, scoped_import),
];

fn import<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let path = it.path(args[0])?;
    realise(it, path.context())?;
    if let Some(value) = derivation(it, path)? {
        return Ok(value);
    }
    it.import(as_path(path.bytes()))
}

fn scoped_import<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let scope = it.attrs(args[0])?;
    let path = it.path(args[1])?;
    realise(it, path.context())?;
    if let Some(value) = derivation(it, path)? {
        return Ok(value);
    }
    it.import_with(as_path(path.bytes()), scope)
}

/// What importing the path of a derivation gives: the set that `derivation` gave, without its arguments.
fn derivation<'a>(it: &mut Interpreter<'a>, path: &'a Str<'a>) -> Result<Option<Value<'a>>> {
    let text = path.lossy();
    if !text.ends_with(".drv") || !is_store_path(it, &text) {
        return Ok(None);
    }
    let result = it.host.imported(as_path(path.bytes()));
    let Some(imported) = it.from_host(result)? else { return Ok(None) };
    let drv = it.symbols.intern(path.bytes());
    let mut set = AttrsBuilder::with_capacity(3 + imported.outputs.len());
    set.push(known::drv_path, it.text_with(path.bytes(), &[Context::DrvDeep(drv)]));
    set.push(known::name, it.text(imported.name.as_bytes()));
    let mut names = Vec::with_capacity(imported.outputs.len());
    for (name, path) in &imported.outputs {
        let output = it.symbols.intern(name.as_bytes());
        set.push(output, it.text_with(path.as_bytes(), &[Context::Built { drv, output }]));
        names.push(Value::String(it.symbols.string(output)));
    }
    set.push(known::outputs, it.new_list(&names));
    let function = it.import(Path::new(library::IMPORTED))?;
    it.call(function, &[Value::Attrs(set.build(it.arena))], Span::NONE).map(Some)
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
