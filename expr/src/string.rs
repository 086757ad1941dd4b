//! Strings: bytes and a context. A string that was joined from large parts stays a tree until
//! it is read, so that building one piece by piece costs no more than its length.

use std::cell::Cell;

use bumpalo::Bump;

use crate::symbol::Symbol;

/// One thing of the store that a string refers to. Paths are symbols of their text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContextElement {
    /// A store path that no derivation has to make.
    Opaque(Symbol),
    /// A derivation with all that it needs, as `drvPath` has it.
    DrvDeep(Symbol),
    /// An output of a derivation.
    Built {
        /// The derivation's path.
        drv: Symbol,
        /// The output's name.
        output: Symbol,
    },
}

/// A context under way. Of what several strings refer to it keeps one, so that it is never much
/// longer than what is in it.
#[derive(Default)]
pub struct ContextBuilder {
    all: Vec<ContextElement>,
    /// How many there were when they were last sorted.
    settled: usize,
    /// The slice that was added last: often the next is the same.
    last: usize,
}

impl ContextBuilder {
    /// Adds what a string refers to.
    pub fn add(&mut self, context: &[ContextElement]) {
        if context.is_empty() || self.last == context.as_ptr().addr() {
            return;
        }
        self.last = context.as_ptr().addr();
        self.all.extend_from_slice(context);
        if self.all.len() > 2 * self.settled + 1024 {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.all.sort_unstable();
        self.all.dedup();
        self.settled = self.all.len();
    }

    /// All of it, sorted and once each.
    #[must_use]
    pub fn finish(mut self) -> Vec<ContextElement> {
        self.settle();
        self.all
    }
}

/// A string.
pub struct Str<'a> {
    text: Cell<Text<'a>>,
    context: Option<&'a &'a [ContextElement]>,
}

#[derive(Clone, Copy)]
enum Text<'a> {
    Flat(&'a [u8]),
    Joined(&'a Join<'a>),
}

struct Join<'a> {
    arena: &'a Bump,
    len: usize,
    left: &'a Str<'a>,
    right: &'a Str<'a>,
}

const _: () = assert!(size_of::<Str<'_>>() == 24);

impl<'a> Str<'a> {
    /// From this length on, appending makes a tree.
    const LONG: usize = 512;

    /// Bytes without a context.
    #[must_use]
    pub fn plain(text: &'a [u8]) -> Self {
        Self { text: Cell::new(Text::Flat(text)), context: None }
    }

    /// Bytes with a context, which must be sorted and without duplicates.
    pub fn with_context(
        arena: &'a Bump,
        text: &'a [u8],
        context: &'a [ContextElement],
    ) -> &'a Self {
        let context = if context.is_empty() { None } else { Some(&*arena.alloc(context)) };
        arena.alloc(Self { text: Cell::new(Text::Flat(text)), context })
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        match self.text.get() {
            Text::Flat(text) => text,
            Text::Joined(join) => {
                let text = join.flatten();
                self.text.set(Text::Flat(text));
                text
            }
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.text.get() {
            Text::Flat(text) => text.len(),
            Text::Joined(join) => join.len,
        }
    }

    /// True if it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The references of the string, sorted.
    #[inline]
    #[must_use]
    pub fn context(&self) -> &'a [ContextElement] {
        self.context.map_or(&[], |context| *context)
    }

    /// For messages.
    #[must_use]
    pub fn lossy(&self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.bytes())
    }

    /// `left + right`.
    pub fn join(arena: &'a Bump, left: &'a Self, right: &'a Self) -> &'a Self {
        let context = if right.context.is_none() {
            left.context
        } else if left.context.is_none() {
            right.context
        } else {
            Some(&*arena.alloc(merge(arena, left.context(), right.context())))
        };
        let len = left.len() + right.len();
        let text = if len >= Self::LONG && left.len() >= right.len() {
            Text::Joined(arena.alloc(Join { arena, len, left, right }))
        } else {
            let (left, right) = (left.bytes(), right.bytes());
            let mut text = bumpalo::collections::Vec::with_capacity_in(len, arena);
            text.extend_from_slice_copy(left);
            text.extend_from_slice_copy(right);
            Text::Flat(text.into_bump_slice())
        };
        arena.alloc(Self { text: Cell::new(text), context })
    }
}

impl<'a> Join<'a> {
    /// Copies the leaves together, from the right end: a string that grew by appending is a list
    /// that leans to the left.
    fn flatten(&self) -> &'a [u8] {
        let text = self.arena.alloc_slice_fill_copy(self.len, 0u8);
        let mut end = self.len;
        let mut open = vec![self.left, self.right];
        while let Some(next) = open.pop() {
            match next.text.get() {
                Text::Flat(leaf) => {
                    text[end - leaf.len()..end].copy_from_slice(leaf);
                    end -= leaf.len();
                }
                Text::Joined(join) => open.extend([join.left, join.right]),
            }
        }
        text
    }
}

/// The union of two sorted contexts.
fn merge<'a>(
    arena: &'a Bump,
    left: &'a [ContextElement],
    right: &'a [ContextElement],
) -> &'a [ContextElement] {
    if right.is_empty() || left == right {
        return left;
    }
    if left.is_empty() {
        return right;
    }
    let mut all: Vec<ContextElement> = left.iter().chain(right).copied().collect();
    all.sort_unstable();
    all.dedup();
    if all.len() == left.len() { left } else { arena.alloc_slice_copy(&all) }
}
