//! Attribute sets: keys sorted by symbol, and a slot a key. The keys of a literal are compiled
//! once and shared by all sets that it makes. An update of a large set by a small one makes a
//! layer over the large one; the layers' sizes grow geometrically, so that a set that grows by
//! 20,000 updates costs n log n, and a walk over such a set makes it flat, once.

use std::cell::Cell;

use bumpalo::Bump;

use super::{Slot, Value, share};
use crate::symbol::Symbol;

/// An attribute's name, and the place of its definition: the number of the first byte, 0 for nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub symbol: Symbol,
    /// See [`crate::source::Span::lo`].
    pub at: u32,
}

/// The keys of a set, sorted by symbol; all sets that a literal makes have the same one.
pub(crate) type Shape<'a> = &'a [Key];

/// An attribute set.
pub struct Attrs<'a> {
    shape: Cell<&'a Shape<'a>>,
    slots: Cell<&'a [Slot<'a>]>,
    below: Cell<Option<&'a Below<'a>>>,
}

/// The layers below a layer.
struct Below<'a> {
    base: &'a Attrs<'a>,
    /// Of all layers together.
    len: u32,
    /// Look-ups that went below the top layer.
    deep: Cell<u32>,
}

const _: () = assert!(size_of::<Attrs<'_>>() == 32);

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
        Self::with_shape(arena, arena.alloc(keys), slots)
    }

    /// A set of a known shape.
    #[inline]
    pub(crate) fn with_shape(
        arena: &'a Bump,
        shape: &'a Shape<'a>,
        slots: &'a [Slot<'a>],
    ) -> &'a Self {
        debug_assert_eq!(shape.len(), slots.len());
        let (shape, slots) = (Cell::new(shape), Cell::new(slots));
        arena.alloc(Self { shape, slots, below: Cell::new(None) })
    }

    #[inline(always)]
    fn top(&self) -> Layer<'a> {
        Layer { keys: self.shape.get(), slots: self.slots.get() }
    }

    fn base(&self) -> Option<&'a Attrs<'a>> {
        self.below.get().map(|below| below.base)
    }

    /// How many attributes there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.below.get().map_or(self.slots.get().len(), |below| below.len as usize)
    }

    /// True if it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        let top = self.top();
        if let Some(at) = top.find(symbol) {
            return Some((top.keys[at], &top.slots[at]));
        }
        let below = self.below.get()?;
        below.deep.set(below.deep.get().saturating_add(1));
        below.base.entry_below(symbol)
    }

    fn entry_below(&self, symbol: Symbol) -> Option<(Key, &'a Slot<'a>)> {
        let mut layer = self.top();
        let mut next = self.base();
        loop {
            if let Some(at) = layer.find(symbol) {
                return Some((layer.keys[at], &layer.slots[at]));
            }
            let base = next?;
            layer = base.top();
            next = base.base();
        }
    }

    /// Keys and slots, flat, in the order of the symbols.
    #[must_use]
    pub fn flat(&self, arena: &'a Bump) -> (&'a [Key], &'a [Slot<'a>]) {
        let mut whole = self.top();
        let mut next = self.base();
        if next.is_some() {
            while let Some(base) = next {
                whole = merge(arena, base.top(), whole);
                next = base.base();
            }
            self.shape.set(arena.alloc(whole.keys));
            self.slots.set(whole.slots);
            self.below.set(None);
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
        let (keys, slots) = right.flat(arena);
        let mut top = Layer { keys, slots };
        if left.len() < Self::LARGE || left.len() / 4 < right.len() {
            let (keys, slots) = left.flat(arena);
            let merged = merge(arena, Layer { keys, slots }, top);
            return Self::new(arena, merged.keys, merged.slots);
        }
        if let Some(below) = left.below.get()
            && below.deep.get() as usize > left.len()
        {
            let _ = left.flat(arena);
        }
        let is_new = |key: &&Key| left.entry_below(key.symbol).is_none();
        let len = left.len() + top.keys.iter().filter(is_new).count();
        let mut base = left;
        while base.slots.get().len() <= 2 * top.keys.len() {
            top = merge(arena, base.top(), top);
            match base.base() {
                Some(lower) => base = lower,
                None => return Self::new(arena, top.keys, top.slots),
            }
        }
        #[allow(clippy::cast_possible_truncation, reason = "symbols are 32 bits")]
        let below = Below { base, len: len as u32, deep: Cell::new(0) };
        arena.alloc(Self {
            shape: Cell::new(arena.alloc(top.keys)),
            slots: Cell::new(top.slots),
            below: Cell::new(Some(arena.alloc(below))),
        })
    }
}

/// Two layers as one. If both have an attribute, the upper one's counts.
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

    /// True if there is an attribute of that name; it is searched for from the start.
    #[must_use]
    pub fn has(&self, symbol: Symbol) -> bool {
        self.entries.iter().any(|(key, _)| key.symbol == symbol)
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
