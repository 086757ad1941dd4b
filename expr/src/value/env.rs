//! Variables at run time: an activation of a function, a `let` or a recursive set.

use std::cell::Cell;

use super::{Slot, Value};

/// The variables of one activation.
pub struct Env<'a> {
    up: Cell<Option<&'a Env<'a>>>,
    /// The variables.
    pub slots: &'a [Slot<'a>],
    kept: Cell<bool>,
    /// The place of the call whose activation this is: the number of its first byte, 0 for none. It
    /// fills what alignment would leave empty.
    site: Cell<u32>,
}

const _: () = assert!(size_of::<Env<'_>>() == 32);

impl<'a> Env<'a> {
    /// An activation within another.
    #[must_use]
    pub fn new(up: Option<&'a Env<'a>>, slots: &'a [Slot<'a>]) -> Self {
        Self { up: Cell::new(up), slots, kept: Cell::new(false), site: Cell::new(0) }
    }

    /// The variables around.
    #[inline(always)]
    #[must_use]
    pub fn up(&self) -> Option<&'a Env<'a>> {
        self.up.get()
    }

    /// Sets the place of the call whose activation this is.
    #[inline(always)]
    pub(crate) fn called_at(&self, site: u32) {
        self.site.set(site);
    }

    /// The places of the calls that made this activation and those around it, innermost first.
    pub(crate) fn sites(&self) -> impl Iterator<Item = u32> {
        let mut next = Some(self);
        let all = std::iter::from_fn(move || {
            let env = next?;
            next = env.up();
            Some(env.site.get())
        });
        all.filter(|site| *site != 0)
    }

    /// The slot of a variable, so many activations up.
    #[inline(always)]
    pub(crate) fn slot(&'a self, depth: u32, slot: u32) -> &'a Slot<'a> {
        let mut env = self;
        for _ in 0..depth {
            env = env.up().expect("the compiler counts the activations around a variable");
        }
        &env.slots[slot as usize]
    }

    /// Something now refers to this activation or one of its slots, so that it may live on when
    /// its function has returned.
    #[inline(always)]
    pub(crate) fn keep(&self) {
        if !self.kept.get() {
            self.keep_all();
        }
    }

    fn keep_all(&self) {
        self.kept.set(true);
        let mut next = self.up();
        while let Some(env) = next
            && !env.kept.get()
        {
            env.kept.set(true);
            next = env.up();
        }
    }

    /// As [`super::share`] for a variable.
    #[inline(always)]
    pub(crate) fn share(&'a self, depth: u32, slot: u32) -> Value<'a> {
        let slot = self.slot(depth, slot);
        let value = slot.get();
        if value.is_forced() || matches!(value, Value::Ref(_)) {
            return value;
        }
        self.keep();
        Value::Ref(slot)
    }
}

/// Activations of functions that returned and that nothing refers to, by their size. Most calls
/// leave such a one, and the next call takes it over.
#[derive(Default)]
pub(crate) struct Spare<'a> {
    by_size: [Vec<&'a Env<'a>>; 12],
}

impl<'a> Spare<'a> {
    /// An old activation of that size; its slots hold anything.
    #[inline(always)]
    pub(crate) fn take(&mut self, size: usize, up: &'a Env<'a>) -> Option<&'a Env<'a>> {
        let env = self.by_size.get_mut(size)?.pop()?;
        env.up.set(Some(up));
        Some(env)
    }

    /// Takes an activation whose function returned, unless something refers to it.
    #[inline(always)]
    pub(crate) fn give(&mut self, env: &'a Env<'a>) {
        if !env.kept.get()
            && let Some(spare) = self.by_size.get_mut(env.slots.len())
        {
            spare.push(env);
        }
    }
}
