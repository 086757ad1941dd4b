//! POSIX extended regular expressions, with the syntax and the choices of `builtins.match` and
//! `builtins.split`.
//!
//! **Which match.** The leftmost start. From there the choices are made in order, left to right:
//! a repetition takes as many turns as let the rest match, and of an alternation both branches are
//! tried and the one whose whole match ends later wins, the first on a tie. That is what Nix does
//! on Linux (its library's matcher), and it is POSIX's longest match, unless a repetition
//! would have to take fewer turns for a longer whole. Groups hold their last turn.
//!
//! **How.** Most patterns mean the same under the "first branch wins" rule of `regex-automata`
//! (see `syntax::Traits`): those run there. The rest runs in `walk`, which makes the choices
//! as said, with every decision remembered, so that time and memory are bounded by pattern times
//! text, whatever the pattern.
//!
//! Text and pattern are bytes; a class like `[[:alpha:]]` is ASCII; `.` is any byte but NUL.

mod cache;
mod program;
mod regex;
mod syntax;
mod walk;

pub(crate) use cache::Cache;
pub use regex::{Matches, Regex};
pub use syntax::EreError;
pub use walk::Range;
