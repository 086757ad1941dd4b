//! Builtins that no program can name: other builtins leave calls of them to be computed later.

/// They stand first in the evaluator's table, so that their numbers are known.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Hidden {
    CurrentTime,
    DerivationStrict,
    DerivationFor,
    DerivationAttr,
    AllOutputs,
    GitAttr,
    TreeAttr,
}
