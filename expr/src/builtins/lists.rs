//! Lists.

use std::cell::Cell;

use rustc_hash::FxHashMap;

use super::Builtin;
use crate::{
    error::{Error, ErrorKind, Result},
    eval::Interpreter,
    source::Span,
    symbol::known,
    value::{AttrsBuilder, Items, List, Slot, Value, share},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("map", 2, map).computes(1),
    Builtin::new("__filter", 2, filter).computes(1),
    Builtin::new("__foldl'", 3, foldl),
    Builtin::new("__genList", 2, gen_list).computes(1),
    Builtin::new("__length", 1, |it, args| Ok(Value::Int(it.list(args[0])?.len() as i64)))
        .computes(0),
    Builtin::new("__elemAt", 2, elem_at).computes(1),
    Builtin::new("__elem", 2, elem).computes(1),
    Builtin::new("__head", 1, head).computes(0),
    Builtin::new("__tail", 1, tail).computes(0),
    Builtin::new("__all", 2, |it, args| any_or_all(it, args, false)),
    Builtin::new("__any", 2, |it, args| any_or_all(it, args, true)),
    Builtin::new("__concatLists", 1, concat_lists).computes(0),
    Builtin::new("__concatMap", 2, concat_map),
    Builtin::new("__partition", 2, partition),
    Builtin::new("__groupBy", 2, group_by),
    Builtin::new("__genericClosure", 1, generic_closure).computes(0),
];

impl<'a> Interpreter<'a> {
    /// A list of values, each computed or shared.
    pub fn new_list(&self, values: &[Value<'a>]) -> Value<'a> {
        let items = self.arena.alloc_slice_fill_with(values.len(), |at| Cell::new(values[at]));
        Value::List(self.arena.alloc(List::new(items)))
    }

    /// A call to be made when its value is asked for, with a slot of its own.
    pub fn shared_apply(&self, function: Value<'a>, args: &[Value<'a>]) -> Value<'a> {
        let args = self.arena.alloc_slice_copy(args);
        let apply = self.arena.alloc(crate::value::Apply { function, args });
        Value::Ref(self.slot(Value::Apply(apply)))
    }

    /// A list of elements that are computed when they are asked for.
    fn suspended_list(&self, len: usize, items: Items<'a>) -> Result<Value<'a>> {
        self.room_for(len)?;
        let shared = self.arena.alloc(items);
        #[allow(clippy::cast_possible_truncation)]
        let items =
            self.arena.alloc_slice_fill_with(len, |at| Cell::new(Value::Item(at as u32, shared)));
        Ok(Value::List(self.arena.alloc(List::new(items))))
    }

    /// Calls a predicate.
    fn test(&mut self, predicate: Value<'a>, arg: Value<'a>) -> Result<bool> {
        let truth = self.call(predicate, &[arg], Span::NONE)?;
        self.as_bool(truth)
    }
}

fn map<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let list = it.list(args[1])?;
    if list.is_empty() {
        return Ok(Value::List(list));
    }
    let function = it.function(args[0])?;
    it.suspended_list(list.len(), Items::Map(function, list.items))
}

fn filter<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let list = it.list(args[1])?;
    if list.is_empty() {
        return Ok(Value::List(list));
    }
    let predicate = it.function(args[0])?;
    it.room_for(2 * list.len())?;
    let mut kept = Vec::with_capacity(list.len());
    for slot in list.items {
        if it.test(predicate, share(slot))? {
            kept.push(share(slot));
        }
    }
    if kept.len() == list.len() {
        return Ok(Value::List(list));
    }
    Ok(it.new_list(&kept))
}

fn foldl<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let function = it.function(args[0])?;
    let list = it.list(args[2])?;
    if list.is_empty() {
        return it.value(args[1]);
    }
    let mut result = args[1];
    for slot in list.items {
        result = it.call(function, &[result, share(slot)], Span::NONE)?;
    }
    Ok(result)
}

fn gen_list<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let count = it.int(args[1])?;
    let Some(len) = usize::try_from(count).ok().filter(|len| *len <= u32::MAX as usize) else {
        let message = format!("cannot create list of size {count}");
        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
    };
    // as Nix does, so that an error in the function shows first
    let function = it.function(args[0])?;
    it.suspended_list(len, Items::Generate(function))
}

fn elem_at<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let at = it.int(args[1])?;
    let list = it.list(args[0])?;
    match usize::try_from(at).ok().and_then(|at| list.items.get(at)) {
        Some(slot) => it.force(slot),
        None => {
            let message = format!(
                "'builtins.elemAt' called with index {at} on a list of size {}",
                list.len()
            );
            Err(Error::new(ErrorKind::Eval, Span::NONE, message))
        }
    }
}

fn elem<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let list = it.list(args[1])?;
    let wanted = it.slot(args[0]);
    for slot in list.items {
        if it.equal_slots(wanted, slot)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn empty(name: &str) -> Box<Error> {
    Error::new(ErrorKind::Eval, Span::NONE, format!("'builtins.{name}' called on an empty list"))
}

fn head<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    match it.list(args[0])?.items.first() {
        Some(slot) => it.force(slot),
        None => Err(empty("head")),
    }
}

fn tail<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let list = it.list(args[0])?;
    match list.items.split_first() {
        // the slots stay the same ones: a tail costs nothing
        Some((_, items)) => Ok(Value::List(it.arena.alloc(List::new(items)))),
        None => Err(empty("tail")),
    }
}

fn any_or_all<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>], stop: bool) -> Result<Value<'a>> {
    let predicate = it.function(args[0])?;
    let list = it.list(args[1])?;
    for slot in list.items {
        if it.test(predicate, share(slot))? == stop {
            return Ok(Value::Bool(stop));
        }
    }
    Ok(Value::Bool(!stop))
}

/// Lists one after the other.
fn concat<'a>(it: &mut Interpreter<'a>, lists: &[&'a List<'a>]) -> Result<Value<'a>> {
    let mut full = lists.iter().filter(|list| !list.is_empty());
    if let (Some(only), None) = (full.next(), full.next()) {
        return Ok(Value::List(only));
    }
    let len = lists.iter().fold(0_usize, |len, list| len.saturating_add(list.len()));
    it.room_for(len.saturating_mul(2))?;
    let slots: Vec<&'a Slot<'a>> = lists.iter().flat_map(|list| list.items).collect();
    let items = it.arena.alloc_slice_fill_with(slots.len(), |at| Cell::new(share(slots[at])));
    Ok(Value::List(it.arena.alloc(List::new(items))))
}

fn concat_lists<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let list = it.list(args[0])?;
    it.room_for(list.len())?;
    let mut lists = Vec::with_capacity(list.len());
    for slot in list.items {
        lists.push(it.list(share(slot))?);
    }
    concat(it, &lists)
}

fn concat_map<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let function = it.function(args[0])?;
    let list = it.list(args[1])?;
    it.room_for(list.len())?;
    let mut lists = Vec::with_capacity(list.len());
    for slot in list.items {
        let part = it.call(function, &[share(slot)], Span::NONE)?;
        lists.push(it.as_list(part)?);
    }
    concat(it, &lists)
}

fn partition<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let predicate = it.function(args[0])?;
    let list = it.list(args[1])?;
    it.room_for(3 * list.len())?;
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for slot in list.items {
        it.force(slot)?;
        let side = if it.test(predicate, share(slot))? { &mut right } else { &mut wrong };
        side.push(share(slot));
    }
    let mut result = AttrsBuilder::with_capacity(2);
    result.push(known::right, it.new_list(&right));
    result.push(known::wrong, it.new_list(&wrong));
    Ok(Value::Attrs(result.build(it.arena)))
}

fn group_by<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let function = it.function(args[0])?;
    let list = it.list(args[1])?;
    // a group of one takes as much as four
    it.room_for(6 * list.len())?;
    let mut groups: FxHashMap<crate::symbol::Symbol, Vec<Value<'a>>> = FxHashMap::default();
    for slot in list.items {
        let name = it.call(function, &[share(slot)], Span::NONE)?;
        let name = it.as_plain_string(name)?;
        let name = it.symbols.intern_string(name);
        groups.entry(name).or_default().push(share(slot));
    }
    let mut result = AttrsBuilder::with_capacity(groups.len());
    for (name, members) in groups {
        let members = it.new_list(&members);
        result.push(name, members);
    }
    Ok(Value::Attrs(result.build(it.arena)))
}

fn generic_closure<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let arguments = it.attrs(args[0])?;
    let start = it.attr(arguments, known::start_set)?;
    let start = it.list(start)?;
    if start.is_empty() {
        return Ok(Value::List(start));
    }
    let operator = it.attr(arguments, known::operator)?;
    let operator = it.function(operator)?;
    let mut open: std::collections::VecDeque<&'a Slot<'a>> = start.items.iter().collect();
    let mut keys = Keys::default();
    let mut done = Vec::new();
    while let Some(slot) = open.pop_front() {
        it.step()?;
        it.room_for(open.len() + 4 * done.len())?;
        let item = it.force(slot)?;
        let attrs = it.as_attrs(item)?;
        let key = it.attr(attrs, known::key)?;
        let key = it.value(key)?;
        if !keys.insert(it, key)? {
            continue;
        }
        done.push(share(slot));
        let more = it.call(operator, &[share(slot)], Span::NONE)?;
        let more = it.as_list(more)?;
        it.room_for(open.len() + more.len())?;
        open.try_reserve(more.len()).map_err(|_| it.no_room(more.len()))?;
        open.extend(more.items);
    }
    Ok(it.new_list(&done))
}

/// A set of values in their order: numbers and strings by hash, the rest, lists and paths, by
/// binary search with the language's own comparison.
#[derive(Default)]
struct Keys<'a> {
    ints: rustc_hash::FxHashSet<i64>,
    strings: rustc_hash::FxHashSet<&'a [u8]>,
    others: Vec<Value<'a>>,
    first: Option<Value<'a>>,
}

impl<'a> Keys<'a> {
    /// True if the value was not in the set before.
    fn insert(&mut self, it: &mut Interpreter<'a>, key: Value<'a>) -> Result<bool> {
        // keys of different types cannot be compared, which is an error
        match self.first {
            Some(first) => {
                it.less(key, first)?;
            }
            None => self.first = Some(key),
        }
        let mixed = !self.others.is_empty();
        match key {
            Value::Int(number) if !mixed => Ok(self.ints.insert(number)),
            Value::String(text) => Ok(self.strings.insert(text.bytes())),
            key => {
                if matches!(key, Value::Float(_)) {
                    let mut ints: Vec<i64> = self.ints.drain().collect();
                    ints.sort_unstable();
                    self.others.extend(ints.into_iter().map(Value::Int));
                }
                let (mut low, mut high) = (0, self.others.len());
                while low < high {
                    let middle = usize::midpoint(low, high);
                    if it.less(self.others[middle], key)? {
                        low = middle + 1;
                    } else {
                        high = middle;
                    }
                }
                if low < self.others.len() && !it.less(key, self.others[low])? {
                    return Ok(false);
                }
                self.others.insert(low, key);
                Ok(true)
            }
        }
    }
}
