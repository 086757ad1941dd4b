//! Attribute sets.

use std::cell::Cell;

use super::Builtin;
use crate::{
    error::Result,
    eval::Interpreter,
    symbol::{Symbol, known},
    value::{Attrs, AttrsBuilder, Items, Key, Value, position, share},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("__attrNames", 1, attr_names).computes(0),
    Builtin::new("__attrValues", 1, attr_values).computes(0),
    Builtin::new("__getAttr", 2, get_attr).computes(0),
    Builtin::new("__hasAttr", 2, has_attr).computes(0),
    Builtin::new("__unsafeGetAttrPos", 2, attr_pos),
    Builtin::new("removeAttrs", 2, remove_attrs).computes(0),
    Builtin::new("__intersectAttrs", 2, intersect_attrs).computes(0),
    Builtin::new("__listToAttrs", 1, list_to_attrs).computes(0),
    Builtin::new("__mapAttrs", 2, map_attrs).computes(1),
    Builtin::new("__zipAttrsWith", 2, zip_attrs_with),
    Builtin::new("__catAttrs", 2, cat_attrs).computes(0),
];

fn attr_names<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let attrs = it.attrs(args[0])?;
    it.room_for(5 * attrs.len())?;
    let sorted = it.sorted_attrs(attrs);
    let names: Vec<Value<'a>> =
        sorted.iter().map(|(key, _)| Value::String(it.symbols.string(key.symbol))).collect();
    Ok(it.new_list(&names))
}

fn attr_values<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let attrs = it.attrs(args[0])?;
    it.room_for(5 * attrs.len())?;
    let values: Vec<Value<'a>> =
        it.sorted_attrs(attrs).into_iter().map(|(_, slot)| share(slot)).collect();
    Ok(it.new_list(&values))
}

fn get_attr<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let name = it.plain_string(args[0])?;
    let attrs = it.attrs(args[1])?;
    let name = it.symbols.intern_string(name);
    let value = it.attr(attrs, name)?;
    it.value(value)
}

fn has_attr<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let name = it.plain_string(args[0])?;
    let attrs = it.attrs(args[1])?;
    let found = it.symbols.find(name.bytes()).and_then(|name| attrs.get(name));
    Ok(Value::Bool(found.is_some()))
}

fn attr_pos<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let name = it.plain_string(args[0])?;
    let attrs = it.attrs(args[1])?;
    let entry = it.symbols.find(name.bytes()).and_then(|name| attrs.entry(name));
    Ok(entry.map_or(Value::Null, |(key, _)| position(it.arena, &it.sources, key.at)))
}

fn remove_attrs<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let attrs = it.attrs(args[0])?;
    let list = it.list(args[1])?;
    it.room_for(list.len() + 4 * attrs.len())?;
    let mut names: Vec<Symbol> = Vec::with_capacity(list.len());
    for slot in list.items {
        let name = it.plain_string(share(slot))?;
        names.extend(it.symbols.find(name.bytes()));
    }
    names.sort_unstable();
    if names.iter().all(|name| attrs.get(*name).is_none()) {
        // another set with the same attributes: printing tells the two apart
        let (keys, slots) = attrs.flat(it.arena);
        return Ok(Value::Attrs(Attrs::new(it.arena, keys, slots)));
    }
    let mut kept = AttrsBuilder::with_capacity(attrs.len());
    for (key, slot) in attrs.iter(it.arena) {
        if names.binary_search(&key.symbol).is_err() {
            kept.push_at(key.symbol, key.at, share(slot));
        }
    }
    Ok(Value::Attrs(kept.build(it.arena)))
}

fn intersect_attrs<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let left = it.attrs(args[0])?;
    let right = it.attrs(args[1])?;
    it.room_for(4 * left.len().min(right.len()))?;
    let mut both = AttrsBuilder::with_capacity(left.len().min(right.len()));
    if left.len() < right.len() {
        for (key, _) in left.iter(it.arena) {
            if let Some((key, slot)) = right.entry(key.symbol) {
                both.push_at(key.symbol, key.at, share(slot));
            }
        }
    } else {
        for (key, slot) in right.iter(it.arena) {
            if left.get(key.symbol).is_some() {
                both.push_at(key.symbol, key.at, share(slot));
            }
        }
    }
    Ok(Value::Attrs(both.build(it.arena)))
}

fn list_to_attrs<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let list = it.list(args[0])?;
    it.room_for(4 * list.len())?;
    let mut all = AttrsBuilder::with_capacity(list.len());
    for slot in list.items {
        let pair = it.attrs(share(slot))?;
        let name = it.attr(pair, known::name)?;
        let name = it.plain_string(name)?;
        let name = it.symbols.intern_string(name);
        match pair.entry(known::value) {
            Some((key, slot)) => all.push_at(name, key.at, share(slot)),
            // of several with one name only the first is asked for its value
            None if all.has(name) => {}
            None => return Err(it.missing(pair, known::value)),
        }
    }
    Ok(Value::Attrs(all.build(it.arena)))
}

fn map_attrs<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let attrs = it.attrs(args[1])?;
    it.room_for(2 * attrs.len())?;
    let (keys, slots) = attrs.flat(it.arena);
    // the new attributes are defined nowhere; the module system relies on it
    let keys = &*it.arena.alloc_slice_fill_iter(keys.iter().map(|key| Key { at: 0, ..*key }));
    let items = it.arena.alloc(Items::MapAttrs(args[0], keys, slots));
    #[allow(clippy::cast_possible_truncation)]
    let slots =
        it.arena.alloc_slice_fill_with(slots.len(), |at| Cell::new(Value::Item(at as u32, items)));
    Ok(Value::Attrs(Attrs::new(it.arena, keys, slots)))
}

fn zip_attrs_with<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let function = it.function(args[0])?;
    let list = it.list(args[1])?;
    let mut groups: rustc_hash::FxHashMap<Symbol, Vec<Value<'a>>> =
        rustc_hash::FxHashMap::default();
    let mut values = 0_usize;
    for slot in list.items {
        let attrs = it.attrs(share(slot))?;
        values = values.saturating_add(attrs.len());
        it.room_for(values.saturating_mul(2).saturating_add(6 * groups.len()))?;
        for (key, slot) in attrs.iter(it.arena) {
            groups.entry(key.symbol).or_default().push(share(slot));
        }
    }
    let mut all = AttrsBuilder::with_capacity(groups.len());
    for (name, values) in groups {
        let values = it.new_list(&values);
        let text = Value::String(it.symbols.string(name));
        let value = it.shared_apply(function, &[text, values]);
        all.push(name, value);
    }
    Ok(Value::Attrs(all.build(it.arena)))
}

fn cat_attrs<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let name = it.plain_string(args[0])?;
    let name = it.symbols.intern_string(name);
    let list = it.list(args[1])?;
    it.room_for(2 * list.len())?;
    let mut values = Vec::with_capacity(list.len());
    for slot in list.items {
        let attrs = it.attrs(share(slot))?;
        values.extend(attrs.get(name).map(|slot| share(slot)));
    }
    Ok(it.new_list(&values))
}
