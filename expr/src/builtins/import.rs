//! `import`, `scopedImport`, and the search path.

use super::{Builtin, context::is_store_path, store::realise};
use crate::{
    error::Result,
    eval::Interpreter,
    path::as_path,
    string::{ContextElement, Str},
    symbol::known,
    value::{Attrs, AttrsBuilder, Value},
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

/// The value of importing the path of a derivation: the set that `derivation` gave, without its arguments.
fn derivation<'a>(it: &mut Interpreter<'a>, path: &'a Str<'a>) -> Result<Option<Value<'a>>> {
    let text = path.lossy();
    if !text.ends_with(".drv") || !is_store_path(it, &text) {
        return Ok(None);
    }
    let result = it.host.imported(as_path(path.bytes()));
    let Some(imported) = it.from_host(result)? else { return Ok(None) };
    let drv = it.symbols.intern(path.bytes());
    // every output has the attributes of all, among them every output: the slots are filled at the end
    let outputs = imported.outputs.iter();
    let outputs: Vec<_> = outputs
        .map(|(name, path)| (it.symbols.intern(name.as_bytes()), path, it.slot(Value::Null)))
        .collect();
    let slots: Vec<Value<'a>> = outputs.iter().map(|(_, _, slot)| Value::Ref(slot)).collect();
    let mut common = AttrsBuilder::with_capacity(4 + outputs.len());
    common.push(known::all, it.new_list(&slots));
    common.push(known::drv_path, it.text_with(path.bytes(), &[ContextElement::DrvDeep(drv)]));
    common.push(known::name, it.text(imported.name.as_bytes()));
    common.push(known::type_, it.text(b"derivation"));
    outputs.iter().zip(&slots).for_each(|((name, ..), slot)| common.push(*name, *slot));
    let common = common.build(it.arena);
    for (output, path, slot) in outputs {
        let mut own = AttrsBuilder::with_capacity(2);
        let context = [ContextElement::Built { drv, output }];
        own.push(known::out_path, it.text_with(path.as_bytes(), &context));
        own.push(known::output_name, Value::String(it.symbols.string(output)));
        slot.set(Value::Attrs(Attrs::update(it.arena, common, own.build(it.arena))));
    }
    slots.first().map(|slot| it.value(*slot)).transpose()
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
    it.program.globals.define(known::nix_path, slot);
}
