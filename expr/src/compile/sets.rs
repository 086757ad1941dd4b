//! Sets and `let`: the slot of each attribute, and the slots of the sources of `inherit (...)`, which are
//! computed once.

use super::{
    AttrsCode, Bind, ConstAttrs, Delay, DynamicAttr, Expr, Let,
    lower::{ALL_READY, Lowerer},
    scope::{Meaning, Variable},
};
use crate::{
    error::Result,
    source::Span,
    symbol::{Symbol, known},
    syntax::ast::{self, Bound, Entry, ExprId, SetId},
    value::{Key, Shape},
};

/// The set that `inherit (source)` takes from.
#[derive(Clone, Copy)]
enum Source {
    /// It is a variable.
    Variable(Variable, Span),
    /// It has a slot of its own, the number counted from the first such slot.
    Own(u32),
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

impl<'a> Lowerer<'_, 'a> {
    /// Which sources are variables, seen from here, and those that need a slot.
    fn sources(&self, set: &ast::Set, own_names: bool) -> (Vec<Source>, Vec<ExprId>) {
        let mut own = Vec::new();
        let sources = set
            .sources
            .iter()
            .map(|source| {
                if let ast::Expr::Var(name) = self.tree.expr(*source)
                    && let Meaning::Variable(variable) = self.scope.find(name)
                    && !(own_names && set.find(name).is_some())
                {
                    return Source::Variable(variable, self.tree.span(*source));
                }
                own.push(*source);
                Source::Own(count(&own) - 1)
            })
            .collect();
        (sources, own)
    }

    /// The value of an attribute. `outer` is what an inherited name means around the set, `first`
    /// the slot of the first source that has one.
    fn bound(
        &mut self,
        entry: &Entry,
        outer: Option<&Meaning>,
        sources: &[Source],
        first: Variable,
        ready: u32,
    ) -> Result<Delay<'a>> {
        match entry.value {
            Bound::Plain(value) => self.delay(value, Some(entry.name), ready),
            Bound::Inherited => {
                let here;
                let meaning = match outer {
                    Some(meaning) => meaning,
                    None => {
                        here = self.scope.find(entry.name);
                        &here
                    }
                };
                let code = self.meaning(meaning, entry.name, entry.span)?;
                Ok(self.suspend(code, ready))
            }
            Bound::InheritedFrom(at) => match sources[at as usize] {
                Source::Variable(variable, span) => {
                    self.quick_select(variable, entry.name, (span, entry.span), ready)
                }
                Source::Own(at) => {
                    let variable = Variable { slot: first.slot + at, ..first };
                    // sources start before what is selected from them
                    let spans = (entry.span, entry.span);
                    self.quick_select(variable, entry.name, spans, ALL_READY)
                }
            },
        }
    }

    /// The meanings of the inherited names before the set's own names are visible.
    fn outer_meanings(&self, entries: &[Entry]) -> Vec<Option<Meaning>> {
        let inherited = |entry: &Entry| matches!(entry.value, Bound::Inherited);
        entries.iter().map(|entry| inherited(entry).then(|| self.scope.find(entry.name))).collect()
    }

    /// `let`
    pub(super) fn bind(&mut self, id: SetId, body: ExprId, spine: bool) -> Result<Expr<'a>> {
        let tree = self.tree;
        let set = tree.set(id);
        let outer = self.outer_meanings(&set.entries);
        let (sources, own) = self.sources(set, true);
        let size = count(&own) + count(&set.entries);
        let hoisted = spine && self.scope.level().is_some();
        let start = if hoisted {
            self.scope.grow(size)
        } else {
            self.scope.open(size);
            0
        };
        let names = start + count(&own);
        let hidden = self.scope.show(set.entries.iter().map(|e| e.name).zip(names..));
        let first = Variable { level: self.scope.level().unwrap_or(0), slot: start };
        let mut values = Vec::with_capacity(size as usize);
        for (source, slot) in own.iter().zip(start..) {
            values.push(self.delay(*source, None, slot)?);
        }
        for ((entry, outer), slot) in set.entries.iter().zip(&outer).zip(names..) {
            values.push(self.bound(entry, outer.as_ref(), &sources, first, slot)?);
        }
        let body = self.expr(body, true, None)?;
        self.scope.hide(hidden);
        let values = self.alloc_slice(values);
        Ok(if hoisted {
            Expr::Bind(self.it.arena.alloc(Bind { start, values, body }))
        } else {
            let size = self.scope.close();
            Expr::Let(self.it.arena.alloc(Let { size, values, body }))
        })
    }

    /// A set.
    pub(super) fn set(&mut self, id: SetId, span: Span, spine: bool) -> Result<Expr<'a>> {
        let tree = self.tree;
        let set = tree.set(id);
        if set.recursive {
            return self.recursive_set(set, span);
        }
        let (sources, own) = self.sources(set, false);
        if own.is_empty() {
            let nowhere = Variable { level: 0, slot: 0 };
            return self.plain_set(set, span, &sources, nowhere);
        }
        // the sources are variables around the set
        let hoisted = spine && self.scope.level().is_some();
        let start = if hoisted {
            self.scope.grow(count(&own))
        } else {
            self.scope.open(count(&own));
            0
        };
        let first = Variable { level: self.scope.level().unwrap_or(0), slot: start };
        let mut values = Vec::with_capacity(own.len());
        for (source, slot) in own.iter().zip(start..) {
            values.push(self.delay(*source, None, slot)?);
        }
        let values = self.alloc_slice(values);
        let body = self.plain_set(set, span, &sources, first)?;
        Ok(if hoisted {
            Expr::Bind(self.it.arena.alloc(Bind { start, values, body }))
        } else {
            let size = self.scope.close();
            Expr::Let(self.it.arena.alloc(Let { size, values, body }))
        })
    }

    fn plain_set(
        &mut self,
        set: &ast::Set,
        span: Span,
        sources: &[Source],
        first: Variable,
    ) -> Result<Expr<'a>> {
        let entries = sorted(set);
        let mut values = Vec::with_capacity(entries.len());
        for entry in &entries {
            values.push(self.bound(entry, None, sources, first, ALL_READY)?);
        }
        let keys = self.keys(&entries);
        let dynamic = self.dynamic(set)?;
        if dynamic.is_empty()
            && let Some(slots) = self.constants(&values)
        {
            return Ok(Expr::ConstAttrs(self.it.arena.alloc(ConstAttrs { keys, slots })));
        }
        let values = self.alloc_slice(values);
        let code = AttrsCode {
            keys,
            values,
            recursive: false,
            hidden: &[],
            overrides: None,
            dynamic,
            span,
        };
        Ok(Expr::Attrs(self.it.arena.alloc(code)))
    }

    fn recursive_set(&mut self, set: &ast::Set, span: Span) -> Result<Expr<'a>> {
        let entries = sorted(set);
        let outer = self.outer_meanings(&entries);
        let (sources, own) = self.sources(set, true);
        let names = count(&entries);
        self.scope.open(names + count(&own));
        let hidden = self.scope.show(entries.iter().map(|entry| entry.name).zip(0..));
        let first = Variable { level: self.scope.level().unwrap_or(0), slot: names };
        let mut own_values = Vec::with_capacity(own.len());
        for source in &own {
            own_values.push(self.delay(*source, None, 0)?);
        }
        let overrides = entries.iter().position(|entry| entry.name == known::overrides);
        let mut values = Vec::with_capacity(entries.len());
        for ((entry, outer), slot) in entries.iter().zip(&outer).zip(0..) {
            // what may be overridden must not be read before it was
            let ready = if overrides.is_some() { 0 } else { slot };
            values.push(self.bound(entry, outer.as_ref(), &sources, first, ready)?);
        }
        let keys = self.keys(&entries);
        let dynamic = self.dynamic(set)?;
        self.scope.hide(hidden);
        self.scope.close();
        let code = AttrsCode {
            keys,
            values: self.alloc_slice(values),
            recursive: true,
            hidden: self.alloc_slice(own_values),
            overrides: overrides.map(|at| u32::try_from(at).unwrap_or(u32::MAX)),
            dynamic,
            span,
        };
        Ok(Expr::Attrs(self.it.arena.alloc(code)))
    }

    fn keys(&self, entries: &[Entry]) -> &'a Shape<'a> {
        let keys = entries.iter().map(|entry| Key { symbol: entry.name, at: entry.span.lo });
        self.it.arena.alloc(self.alloc_slice(keys.collect()))
    }

    fn dynamic(&mut self, set: &ast::Set) -> Result<&'a [DynamicAttr<'a>]> {
        let mut attrs = Vec::with_capacity(set.dynamic.len());
        for attr in &set.dynamic {
            let name = self.expr(attr.name, false, None)?;
            let value = self.delay(attr.value, None, ALL_READY)?;
            attrs.push(DynamicAttr { name, value, span: attr.span });
        }
        Ok(self.alloc_slice(attrs))
    }
}

/// The static attributes in the order of their symbols.
fn sorted(set: &ast::Set) -> Vec<Entry> {
    let mut entries = set.entries.clone();
    entries.sort_unstable_by_key(|entry: &Entry| -> Symbol { entry.name });
    entries
}
