//! The limits of an evaluation, checked while it runs: its memory, and whether another thread stopped
//! it. Both are checked once in [`INTERVAL`] calls or thunks and once in [`STEPS`] steps of loops that
//! call nothing. Code that allocates much at once asks for [room](Interpreter::room) first.

use super::{Interpreter, profile::Step};
use crate::{
    error::{Error, ErrorKind, Result},
    limit::{STEPS, interrupted},
    source::Span,
    value::Slot,
};

/// How many calls, or thunks, pass between two looks at the limits.
pub(super) const INTERVAL: u64 = 256;

impl Interpreter<'_> {
    /// Looks whether the evaluation may go on.
    #[cold]
    #[inline(never)]
    pub(super) fn look(&self, span: Span) -> Result<()> {
        if self.options.limit.is_stopped() {
            return Err(interrupted().at(span));
        }
        self.room(0).map_err(|error| error.at(span))
    }

    /// One turn of a loop that may be long and calls nothing, or one value of a walk.
    ///
    /// # Errors
    /// The evaluation was stopped, or takes too much.
    #[inline]
    pub fn step(&mut self) -> Result<()> {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(STEPS) { self.look(Span::NONE) } else { Ok(()) }
    }

    /// A call began beyond [`Interpreter::call_limit`]: it is one too many, or there is a profile, for
    /// which that limit is zero.
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

    /// The profile learns that calls have ended.
    #[inline(always)]
    pub(super) fn leave(&mut self) {
        if let Some(profile) = &mut self.profile {
            profile.note(Step::Returned, Span::NONE, self.calls);
        }
    }

    /// Asked before anything is made whose size comes from the data: whether so many bytes more are
    /// allowed. What is made outside of the arena first and then copied there counts twice.
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

    /// Room at the end of a vector, which grows outside of the arena; room for the copy that is made of
    /// it there in the end is to be asked for then. Where the machine refuses to double it, it grows by
    /// what is needed.
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

    /// The same for a text some of whose bytes are written as `longest` bytes at most: control
    /// characters and the marks of JSON, XML and the language.
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
        // what stands around a text finds room too
        self.reserve(out, text.len() + escaped * (longest - 1) + 256)
    }

    /// How many bytes more are allowed.
    pub(crate) fn room_left(&self) -> usize {
        self.options.limit.bytes.saturating_sub(self.taken())
    }

    /// The same for so many slots, or parts of lists and sets on their way there.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`]
    #[inline]
    pub fn room_for(&self, slots: usize) -> Result<()> {
        self.room(slots.saturating_mul(size_of::<Slot<'_>>()))
    }

    /// True if it is time to look: a builtin can make much in few calls.
    #[inline]
    pub(super) fn may_be_full(&self) -> bool {
        self.most_taken() > self.options.limit.bytes
    }

    /// The most memory that the evaluation takes: all of the arena, and what is held besides.
    #[inline]
    fn most_taken(&self) -> usize {
        self.arena.allocated_bytes() + self.held.get()
    }

    /// The same without the part of the arena that is not used yet.
    fn taken(&self) -> usize {
        self.most_taken() - self.arena.chunk_capacity()
    }

    /// The same for what the host keeps under a store path, unless the path is known already.
    pub(crate) fn hold_once(&self, path: &str, bytes: usize) {
        if self.symbols.find(path.as_bytes()).is_none() {
            self.hold(bytes);
        }
    }

    /// From now on so many bytes are held outside of the arena, until the evaluation ends.
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

/// A number of bytes for people.
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
