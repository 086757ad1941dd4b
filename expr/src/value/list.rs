//! Lists, and the suspended elements that builtins fill lists and sets with.

use std::cell::Cell;

use bumpalo::Bump;

use super::{Slot, Value, share};

/// A list. Two lists are the same, for printing, when they are the same object.
///
/// A list that was made by `++` may have room behind it: appending to it again then fills the room
/// and copies nothing, so that a list that grows element by element costs no more than its length.
pub struct List<'a> {
    /// The elements.
    pub items: &'a [Slot<'a>],
    room: Option<&'a Room<'a>>,
}

/// The slots that lists grow into.
struct Room<'a> {
    slots: &'a [Slot<'a>],
    used: Cell<usize>,
}

impl<'a> List<'a> {
    /// A list of slots.
    #[must_use]
    pub fn new(items: &'a [Slot<'a>]) -> Self {
        Self { items, room: None }
    }

    /// The same elements as another object.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { items: self.items, room: self.room }
    }

    /// `left ++ right`
    pub fn concat(arena: &'a Bump, left: &'a Self, right: &'a Self) -> &'a Self {
        if left.is_empty() {
            return right;
        }
        if right.is_empty() {
            return left;
        }
        let (cut, len) = (left.len(), left.len() + right.len());
        if let Some(room) = left.room
            && room.used.get() == cut
            && len <= room.slots.len()
        {
            for (slot, item) in room.slots[cut..len].iter().zip(right.items) {
                slot.set(share(item));
            }
            room.used.set(len);
            return arena.alloc(Self { items: &room.slots[..len], room: Some(room) });
        }
        // a list that is appended to twice will be appended to again
        let size = if left.room.is_some() { 2 * len } else { len };
        let slots = arena.alloc_slice_fill_with(size, |at| {
            Cell::new(if at < cut {
                share(&left.items[at])
            } else {
                right.items.get(at - cut).map_or(Value::Null, |item| share(item))
            })
        });
        let room = arena.alloc(Room { slots, used: Cell::new(len) });
        arena.alloc(Self { items: &room.slots[..len], room: Some(room) })
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// The part that the suspended elements of a list or set have in common. An element is its index.
pub enum Items<'a> {
    /// `map`: the function, and what it is called with.
    Map(Value<'a>, &'a [Slot<'a>]),
    /// `genList`: the function, called with the index.
    Generate(Value<'a>),
    /// `mapAttrs`: the function, called with name and value.
    MapAttrs(Value<'a>, &'a [super::Key], &'a [Slot<'a>]),
}
