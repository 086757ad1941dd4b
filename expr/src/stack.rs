//! The thread's stack. Every recursive walk over a program or a value checks it before it goes deeper,
//! so that nesting too deep is an ordinary error.

use crate::{
    error::{Error, ErrorKind, Result},
    source::Span,
};

/// The part of a thread's stack that walks may use.
#[derive(Clone, Copy)]
pub(crate) struct Stack {
    end: usize,
}

impl Stack {
    /// So many bytes, from here on.
    pub(crate) fn of(bytes: usize) -> Self {
        let mark = 0u8;
        Self { end: (&raw const mark).addr().saturating_sub(bytes) }
    }

    /// Checks that a walk may go deeper.
    ///
    /// # Errors
    /// The stack is nearly used up.
    #[inline(always)]
    pub(crate) fn deeper(&self) -> Result<()> {
        let mark = 0u8;
        if (&raw const mark).addr() < self.end { Err(too_deep()) } else { Ok(()) }
    }
}

#[cold]
#[inline(never)]
fn too_deep() -> Box<Error> {
    Error::new(ErrorKind::StackOverflow, Span::NONE, "stack overflow; the nesting is too deep")
}
