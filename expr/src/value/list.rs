//! Lists, and the suspended elements that builtins fill lists and sets with.

use super::{Slot, Value};

/// A list. Two lists are the same, for printing, when they are the same object.
pub struct List<'a> {
    /// The elements.
    pub items: &'a [Slot<'a>],
}

impl<'a> List<'a> {
    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// What the suspended elements of one list or set have in common; an element is its index.
pub enum Items<'a> {
    /// `map`: the function, and what it is called with.
    Map(Value<'a>, &'a [Slot<'a>]),
    /// `genList`: the function, called with the index.
    Generate(Value<'a>),
    /// `mapAttrs`: the function, called with name and value.
    MapAttrs(Value<'a>, &'a [super::Key], &'a [Slot<'a>]),
}
