//! The state of the repl, and how an evaluation in it ends.

use std::path::PathBuf;

use super::quiet::Quiet;
use crate::cli::{context::Context, failure::Failure};

/// The end of one evaluation.
pub(super) enum End {
    /// The input ended.
    Quit,
    /// `:r` was typed.
    Reload,
}

/// The state that outlives an evaluation.
pub(super) struct Repl<'c> {
    pub(super) context: &'c Context,
    pub(super) realiser: &'c Quiet<'c>,
    /// The files of `:l`, to load again.
    pub(super) loaded: Vec<PathBuf>,
    /// True if a line failed.
    pub(super) failed: bool,
    /// The failure of printing, if any.
    pub(super) mute: Option<Failure>,
}
