//! Checks the limits of a running evaluation: its memory, and a stop by another thread. Both are checked
//! once in [`INTERVAL`] calls or thunks and once in [`STEPS`] steps of loops that call nothing. Code that
//! allocates much at once asks for [room](Interpreter::room) first.

use super::{Interpreter, profile::Step};
use crate::{
    error::{Error, ErrorKind, Result},
    limit::{STEPS, interrupted},
    source::Span,
    value::Slot,
};

/// The number of calls, or thunks, between two checks of the limits.
pub(super) const INTERVAL: u64 = 256;

impl Interpreter<'_> {
    /// Checks that the evaluation may continue.
    #[cold]
    #[inline(never)]
    pub(super) fn look(&self, span: Span) -> Result<()> {
        if self.options.limit.is_stopped() {
            return Err(interrupted().at(span));
        }
        self.room(0).map_err(|error| error.at(span))
    }

    /// Counts one turn of a long loop that calls nothing, or one value of a walk.
    ///
    /// # Errors
    /// If the evaluation was stopped, or takes too much memory.
    #[inline]
    pub fn step(&mut self) -> Result<()> {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(STEPS) { self.look(Span::NONE) } else { Ok(()) }
    }

    /// Handles a call beyond [`Interpreter::call_limit`]: it is too deep, or a profile set that limit to
    /// zero.
    #[cold]
    #[inline(never)]
    pub(super) fn beyond(&mut self, step: Step, span: Span) -> Result<()> {
        if self.calls > self.options.max_call_depth {
            return Err(self.too_many_calls(span));
        }
        if let Some(profile) = &mut self.profile {
            profile.note(step, span, self.calls);
        }
        Ok(())
    }

    /// Tells the profile that calls have ended.
    #[inline(always)]
    pub(super) fn leave(&mut self) {
        if let Some(profile) = &mut self.profile {
            profile.note(Step::Returned, Span::NONE, self.calls);
        }
    }

    /// Checks that this many more bytes are allowed. Call it before making anything whose size comes from
    /// data. Data made outside of the arena first and then copied there count twice.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`]
    #[inline]
    pub fn room(&self, bytes: usize) -> Result<()> {
        if self.most_taken().saturating_add(bytes) <= self.options.limit.bytes {
            return Ok(());
        }
        self.room_exactly(bytes)
    }

    #[cold]
    #[inline(never)]
    fn room_exactly(&self, bytes: usize) -> Result<()> {
        if self.taken().saturating_add(bytes) > self.options.limit.bytes {
            return Err(self.no_room(bytes));
        }
        Ok(())
    }

    /// Reserves room at the end of a vector outside of the arena. Ask for the room of its final copy
    /// separately. If the machine refuses to double the vector, it grows by what is needed.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`]
    #[inline]
    pub fn reserve<T>(&self, vector: &mut Vec<T>, more: usize) -> Result<()> {
        if vector.capacity() - vector.len() >= more { Ok(()) } else { self.grow(vector, more) }
    }

    #[cold]
    #[inline(never)]
    fn grow<T>(&self, vector: &mut Vec<T>, more: usize) -> Result<()> {
        let len = vector.len().saturating_add(more).saturating_mul(size_of::<T>());
        self.room(len.saturating_mul(2))?;
        let grown = vector.try_reserve(more).or_else(|_| vector.try_reserve_exact(more));
        grown.map_err(|_| self.no_room(len))
    }

    /// The same for a text in which some bytes become up to `longest` bytes: control characters and the
    /// special characters of JSON, XML and the language.
    pub(crate) fn reserve_escaped(
        &self,
        out: &mut Vec<u8>,
        text: &[u8],
        longest: usize,
    ) -> Result<()> {
        const SHORT: usize = 1024;
        let is_escaped = |byte: &&u8| **byte < 0x20 || b"\"\\<>&$".contains(*byte);
        let escaped =
            if text.len() < SHORT { text.len() } else { text.iter().filter(is_escaped).count() };
        // includes room for quotes and the like
        self.reserve(out, text.len() + escaped * (longest - 1) + 256)
    }

    /// The number of bytes that are still allowed.
    pub(crate) fn room_left(&self) -> usize {
        self.options.limit.bytes.saturating_sub(self.taken())
    }

    /// The same for a number of slots, or of parts of future lists and sets.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`]
    #[inline]
    pub fn room_for(&self, slots: usize) -> Result<()> {
        self.room(slots.saturating_mul(size_of::<Slot<'_>>()))
    }

    /// True if a check is due: a builtin can make much in few calls.
    #[inline]
    pub(super) fn may_be_full(&self) -> bool {
        self.most_taken() > self.options.limit.bytes
    }

    /// An upper bound of the evaluation's memory: the whole arena, and bytes held outside.
    #[inline]
    fn most_taken(&self) -> usize {
        self.arena.allocated_bytes() + self.held.get()
    }

    /// The same without the unused part of the arena.
    fn taken(&self) -> usize {
        self.most_taken() - self.arena.chunk_capacity()
    }

    /// The same for data that the host keeps under a store path, once for each path.
    pub(crate) fn hold_once(&self, path: &str, bytes: usize) {
        if self.symbols.find(path.as_bytes()).is_none() {
            self.hold(bytes);
        }
    }

    /// Counts bytes that are held outside of the arena until the evaluation ends.
    #[inline]
    pub fn hold(&self, bytes: usize) {
        self.held.set(self.held.get().saturating_add(bytes));
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn no_room(&self, bytes: usize) -> Box<Error> {
        let limit = size(self.options.limit.bytes);
        let mut message = format!("the evaluation needs more memory than its limit of {limit}");
        if bytes > self.options.limit.bytes {
            message += &format!(", {} of it at once", size(bytes));
        }
        Error::new(ErrorKind::OutOfMemory, Span::NONE, message).with_help(
            "raise the limit with --max-eval-memory; --stats shows what takes the memory",
        )
    }
}

/// A number of bytes in readable units.
fn size(bytes: usize) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    while whole >= 10 << 10 && unit + 1 < UNITS.len() {
        whole >>= 10;
        unit += 1;
    }
    format!("{whole} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_few_digits() {
        assert_eq!(size(9000), "9000 bytes");
        assert_eq!(size(64 << 20), "64 MiB");
        assert_eq!(size(usize::MAX), "16777215 TiB");
    }
}
