//! Attribute sets: keys sorted by symbol, and a slot a key. The keys of a literal are compiled
//! once and shared by all sets that it makes. An update of a large set by a small one makes a
//! layer over the large one; the layers' sizes grow geometrically, so that a set that grows by
//! 20,000 updates costs n log n, and whoever walks such a set makes it flat, once.

use std::cell::Cell;

use bumpalo::Bump;

use super::{Slot, Value, share};
use crate::symbol::Symbol;

/// An attribute's name, and where it was defined: the number of the first byte, 0 for nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub symbol: Symbol,
    /// See [`crate::source::Span::lo`].
    pub at: u32,
}

/// An attribute set.
pub struct Attrs<'a> {
    top: Cell<Layer<'a>>,
    base: Cell<Option<&'a Attrs<'a>>>,
    len: u32,
    /// Look-ups that went below the top layer.
    deep: Cell<u32>,
}

#[derive(Clone, Copy)]
struct Layer<'a> {
    keys: &'a [Key],
    slots: &'a [Slot<'a>],
}

impl<'a> Layer<'a> {
    #[inline]
    fn find(&self, symbol: Symbol) -> Option<usize> {
        if self.keys.len() <= 8 {
            return self.keys.iter().position(|key| key.symbol == symbol);
        }
        self.keys.binary_search_by_key(&symbol, |key| key.symbol).ok()
    }
}

impl<'a> Attrs<'a> {
    /// From this size on a set takes layers.
    const LARGE: usize = 32;

    /// A set of keys, sorted by symbol, and as many slots.
    pub fn new(arena: &'a Bump, keys: &'a [Key], slots: &'a [Slot<'a>]) -> &'a Self {
        debug_assert_eq!(keys.len(), slots.len());
        arena.alloc(Self {
            top: Cell::new(Layer { keys, slots }),
            base: Cell::new(None),
            len: keys.len() as u32,
            deep: Cell::new(0),
        })
    }

    /// How many attributes there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slot of an attribute.
    #[inline]
    #[must_use]
    pub fn get(&self, symbol: Symbol) -> Option<&'a Slot<'a>> {
        self.entry(symbol).map(|(_, slot)| slot)
    }

    /// The key and the slot of an attribute.
    #[inline]
    #[must_use]
    pub fn entry(&self, symbol: Symbol) -> Option<(Key, &'a Slot<'a>)> {
        let top = self.top.get();
        if let Some(at) = top.find(symbol) {
            return Some((top.keys[at], &top.slots[at]));
        }
        let mut below = self.base.get()?;
        self.deep.set(self.deep.get() + 1);
        loop {
            let layer = below.top.get();
            if let Some(at) = layer.find(symbol) {
                return Some((layer.keys[at], &layer.slots[at]));
            }
            below = below.base.get()?;
        }
    }

    /// Keys and slots, flat, in the order of the symbols.
    #[must_use]
    pub fn flat(&self, arena: &'a Bump) -> (&'a [Key], &'a [Slot<'a>]) {
        while let Some(base) = self.base.get() {
            let (keys, slots) = if base.base.get().is_some() {
                base.flat_parts(arena)
            } else {
                let layer = base.top.get();
                (layer.keys, layer.slots)
            };
            let merged = merge(arena, Layer { keys, slots }, self.top.get());
            self.top.set(merged);
            self.base.set(None);
        }
        let top = self.top.get();
        (top.keys, top.slots)
    }

    /// All layers of this set as one, without changing the set.
    fn flat_parts(&self, arena: &'a Bump) -> (&'a [Key], &'a [Slot<'a>]) {
        let mut layers = Vec::new();
        let mut next = Some((self.top.get(), self.base.get()));
        while let Some((layer, base)) = next {
            layers.push(layer);
            next = base.map(|base| (base.top.get(), base.base.get()));
        }
        let mut whole = layers[0];
        for lower in &layers[1..] {
            whole = merge(arena, *lower, whole);
        }
        (whole.keys, whole.slots)
    }

    /// Every attribute, in the order of the symbols.
    pub fn iter(&self, arena: &'a Bump) -> impl ExactSizeIterator<Item = (Key, &'a Slot<'a>)> + 'a {
        let (keys, slots) = self.flat(arena);
        keys.iter().copied().zip(slots)
    }

    /// `left // right`.
    pub fn update(arena: &'a Bump, left: &'a Self, right: &'a Self) -> &'a Self {
        if right.is_empty() {
            return left;
        }
        if left.is_empty() {
            return right;
        }
        let mut top = {
            let (keys, slots) = right.flat(arena);
            Layer { keys, slots }
        };
        if left.len() < Self::LARGE || left.len() / 4 < right.len() {
            let (keys, slots) = left.flat(arena);
            let merged = merge(arena, Layer { keys, slots }, top);
            return Self::new(arena, merged.keys, merged.slots);
        }
        if left.base.get().is_some() && left.deep.get() as usize > left.len() {
            let _ = left.flat(arena);
        }
        let new = top.keys.iter().filter(|key| left.get_quiet(key.symbol).is_none()).count();
        let len = left.len + new as u32;
        let mut base = left;
        while base.top.get().keys.len() <= 2 * top.keys.len() {
            top = merge(arena, base.top.get(), top);
            match base.base.get() {
                Some(lower) => base = lower,
                None => return Self::new(arena, top.keys, top.slots),
            }
        }
        arena.alloc(Self {
            top: Cell::new(top),
            base: Cell::new(Some(base)),
            len,
            deep: Cell::new(0),
        })
    }

    fn get_quiet(&self, symbol: Symbol) -> Option<&'a Slot<'a>> {
        let mut layer = self.top.get();
        let mut base = self.base.get();
        loop {
            if let Some(at) = layer.find(symbol) {
                return Some(&layer.slots[at]);
            }
            let below = base?;
            layer = below.top.get();
            base = below.base.get();
        }
    }
}

/// Two layers as one; where both have an attribute, the upper one's counts.
fn merge<'a>(arena: &'a Bump, lower: Layer<'a>, upper: Layer<'a>) -> Layer<'a> {
    let room = lower.keys.len() + upper.keys.len();
    let mut keys = bumpalo::collections::Vec::with_capacity_in(room, arena);
    let mut slots = bumpalo::collections::Vec::with_capacity_in(room, arena);
    let (mut i, mut j) = (0, 0);
    while i < lower.keys.len() && j < upper.keys.len() {
        let (left, right) = (lower.keys[i], upper.keys[j]);
        if left.symbol < right.symbol {
            keys.push(left);
            slots.push(Cell::new(share(&lower.slots[i])));
            i += 1;
        } else {
            keys.push(right);
            slots.push(Cell::new(share(&upper.slots[j])));
            i += usize::from(left.symbol == right.symbol);
            j += 1;
        }
    }
    for at in i..lower.keys.len() {
        keys.push(lower.keys[at]);
        slots.push(Cell::new(share(&lower.slots[at])));
    }
    for at in j..upper.keys.len() {
        keys.push(upper.keys[at]);
        slots.push(Cell::new(share(&upper.slots[at])));
    }
    Layer { keys: keys.into_bump_slice(), slots: slots.into_bump_slice() }
}

/// Collects attributes in any order.
#[derive(Default)]
pub struct AttrsBuilder<'a> {
    entries: Vec<(Key, Value<'a>)>,
}

impl<'a> AttrsBuilder<'a> {
    /// An empty one with room for so many.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity) }
    }

    /// Adds an attribute; of several with one name, the first counts. The value must be computed
    /// or shared ([`share`]), or be at home nowhere else.
    pub fn push(&mut self, symbol: Symbol, value: Value<'a>) {
        self.push_at(symbol, 0, value);
    }

    /// The same with the place of its definition.
    pub fn push_at(&mut self, symbol: Symbol, at: u32, value: Value<'a>) {
        self.entries.push((Key { symbol, at }, value));
    }

    /// The set.
    pub fn build(mut self, arena: &'a Bump) -> &'a Attrs<'a> {
        let sorted = self.entries.is_sorted_by(|a, b| a.0.symbol < b.0.symbol);
        if !sorted {
            self.entries.sort_by_key(|(key, _)| key.symbol);
            self.entries.dedup_by_key(|(key, _)| key.symbol);
        }
        let keys = arena.alloc_slice_fill_iter(self.entries.iter().map(|(key, _)| *key));
        let slots =
            arena.alloc_slice_fill_iter(self.entries.iter().map(|(_, value)| Cell::new(*value)));
        Attrs::new(arena, keys, slots)
    }
}
