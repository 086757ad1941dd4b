//! String contexts: `hasContext`, `getContext`, `appendContext` and those that discard.

use rustc_hash::FxHashMap;

use super::Builtin;
use crate::{
    error::{Error, ErrorKind, Result},
    eval::{Coercion, Interpreter},
    source::Span,
    string::{ContextBuilder, ContextElement, Str},
    symbol::{Symbol, known},
    value::{Attrs, AttrsBuilder, Value, share},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("__hasContext", 1, has_context),
    Builtin::new("__getContext", 1, get_context),
    Builtin::new("__appendContext", 2, append_context),
    Builtin::new("__unsafeDiscardStringContext", 1, discard_all),
    Builtin::new("__unsafeDiscardOutputDependency", 1, discard_deep),
    Builtin::new("__addDrvOutputDependencies", 1, add_deep),
];

fn has_context<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    Ok(Value::Bool(!it.string(args[0])?.context().is_empty()))
}

/// The parts of a context about one path.
#[derive(Default)]
struct Entry {
    path: bool,
    all_outputs: bool,
    outputs: Vec<Symbol>,
}

fn get_context<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.string(args[0])?;
    let mut entries: Vec<(Symbol, Entry)> = Vec::new();
    let mut places: FxHashMap<Symbol, usize> = FxHashMap::default();
    it.room_for(12 * text.context().len())?;
    for element in text.context() {
        let (ContextElement::Opaque(path)
        | ContextElement::DrvDeep(path)
        | ContextElement::Built { drv: path, .. }) = *element;
        let at = *places.entry(path).or_insert_with(|| {
            entries.push((path, Entry::default()));
            entries.len() - 1
        });
        let entry = &mut entries[at].1;
        match *element {
            ContextElement::Opaque(_) => entry.path = true,
            ContextElement::DrvDeep(_) => entry.all_outputs = true,
            ContextElement::Built { output, .. } => entry.outputs.push(output),
        }
    }
    let mut attrs = AttrsBuilder::with_capacity(entries.len());
    for (path, mut entry) in entries {
        let mut info = AttrsBuilder::with_capacity(3);
        if entry.path {
            info.push(known::path, Value::Bool(true));
        }
        if entry.all_outputs {
            info.push(known::all_outputs, Value::Bool(true));
        }
        if !entry.outputs.is_empty() {
            entry.outputs.sort_by_key(|output| it.symbols.bytes(*output));
            let outputs: Vec<_> = entry
                .outputs
                .iter()
                .map(|output| Value::String(it.symbols.string(*output)))
                .collect();
            info.push(known::outputs, it.new_list(&outputs));
        }
        attrs.push(path, Value::Attrs(info.build(it.arena)));
    }
    Ok(Value::Attrs(attrs.build(it.arena)))
}

fn append_context<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.string(args[0])?;
    let attrs = it.attrs(args[1])?;
    let mut context = text.context().to_vec();
    for (key, slot) in it.sorted_attrs(attrs) {
        let at = Span::new(key.at, key.at);
        let name = it.symbols.show(key.symbol);
        if !is_store_path(it, &name) {
            let message = format!("context key '{name}' is not a store path");
            return Err(Error::new(ErrorKind::Eval, at, message));
        }
        let info = it.force(slot)?;
        let info = it.as_attrs(info).map_err(|error| error.at(at))?;
        append_entry(it, key.symbol, &name, info, &mut context).map_err(|error| error.at(at))?;
    }
    Ok(with_context(it, text, &context))
}

fn append_entry<'a>(
    it: &mut Interpreter<'a>,
    path: Symbol,
    name: &str,
    info: &'a Attrs<'a>,
    context: &mut Vec<ContextElement>,
) -> Result<()> {
    let is_derivation = name.ends_with(".drv");
    let refuse = |what: &str| {
        let message = format!(
            "tried to add {what} context of {name}, which is not a derivation, to a string"
        );
        Err(Error::new(ErrorKind::Eval, Span::NONE, message))
    };
    if let Some(slot) = info.get(known::path)
        && it.bool(share(slot))?
    {
        context.push(ContextElement::Opaque(path));
    }
    if let Some(slot) = info.get(known::all_outputs)
        && it.bool(share(slot))?
    {
        if !is_derivation {
            return refuse("all-outputs");
        }
        context.push(ContextElement::DrvDeep(path));
    }
    if let Some(slot) = info.get(known::outputs) {
        let outputs = it.list(share(slot))?;
        if !outputs.is_empty() && !is_derivation {
            return refuse("derivation output");
        }
        for slot in outputs.items {
            let output = it.plain_string(share(slot))?;
            let output = it.symbols.intern(output.bytes());
            context.push(ContextElement::Built { drv: path, output });
        }
    }
    Ok(())
}

/// True if a text is the path of a store object itself: the store, 32 characters, a name.
pub(super) fn is_store_path(it: &Interpreter<'_>, text: &str) -> bool {
    let Some(base) = text.strip_prefix(it.host.store_dir()).and_then(|rest| rest.strip_prefix('/'))
    else {
        return false;
    };
    let is_name = |name: &[u8]| {
        (1..=211).contains(&name.len())
            && name.iter().all(|b| b.is_ascii_alphanumeric() || b"+-._?=".contains(b))
    };
    match base.as_bytes().split_at_checked(32) {
        Some((digest, [b'-', name @ ..])) => {
            digest.iter().all(|b| crate::hash::NIX32.contains(b)) && is_name(name)
        }
        _ => false,
    }
}

/// The same bytes with another context, in any order.
fn with_context<'a>(it: &Interpreter<'a>, text: &Str<'a>, context: &[ContextElement]) -> Value<'a> {
    let mut all = ContextBuilder::default();
    all.add(context);
    let context = it.arena.alloc_slice_copy(&all.finish());
    Value::String(Str::with_context(it.arena, text.bytes(), context))
}

fn discard_all<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.coerce(args[0], Coercion::INTERPOLATION)?;
    Ok(with_context(it, text, &[]))
}

fn discard_deep<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.coerce(args[0], Coercion::INTERPOLATION)?;
    let context: Vec<_> = text
        .context()
        .iter()
        .map(|element| match *element {
            ContextElement::DrvDeep(path) => ContextElement::Opaque(path),
            other => other,
        })
        .collect();
    Ok(with_context(it, text, &context))
}

fn add_deep<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.coerce(args[0], Coercion::INTERPOLATION)?;
    let [element] = text.context() else {
        let message = format!(
            "context of string '{}' must have exactly one element, but has {}",
            text.lossy(),
            text.context().len()
        );
        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
    };
    let deep = match *element {
        ContextElement::Opaque(path) if it.symbols.bytes(path).ends_with(b".drv") => {
            ContextElement::DrvDeep(path)
        }
        ContextElement::DrvDeep(path) => ContextElement::DrvDeep(path),
        ContextElement::Opaque(path) => {
            let message = format!("path '{}' is not a derivation", it.symbols.show(path));
            return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
        }
        ContextElement::Built { output, .. } => {
            let message = format!(
                "`addDrvOutputDependencies` can only act on derivations, not on a derivation output such as '{}'",
                it.symbols.show(output)
            );
            return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
        }
    };
    Ok(with_context(it, text, &[deep]))
}
