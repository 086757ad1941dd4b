//! `compareVersions`, `splitVersion`, `parseDrvName`.

use std::cmp::Ordering;

use super::Builtin;
use crate::{
    error::Result,
    eval::Interpreter,
    string::Str,
    symbol::known,
    value::{AttrsBuilder, Value},
    versions,
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("__compareVersions", 2, compare_versions),
    Builtin::new("__splitVersion", 1, split_version),
    Builtin::new("__parseDrvName", 1, parse_drv_name),
];

fn compare_versions<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let left = it.plain_string(args[0])?;
    let right = it.plain_string(args[1])?;
    Ok(Value::Int(match versions::compare(left.bytes(), right.bytes()) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }))
}

fn split_version<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let version = it.plain_string(args[0])?;
    let mut parts = Vec::new();
    for part in versions::components(version.bytes()) {
        it.step()?;
        it.reserve(&mut parts, 1)?;
        parts.push(Value::String(it.arena.alloc(Str::plain(part))));
    }
    it.room_for(2 * parts.len())?;
    Ok(it.new_list(&parts))
}

fn parse_drv_name<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let whole = it.plain_string(args[0])?;
    let (name, version) = versions::split_name(whole.bytes());
    let mut attrs = AttrsBuilder::with_capacity(2);
    attrs.push(known::name, it.text(name));
    attrs.push(known::version, it.text(version));
    Ok(Value::Attrs(attrs.build(it.arena)))
}
