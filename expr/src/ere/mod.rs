//! POSIX extended regular expressions, with the syntax and the choices of `builtins.match` and
//! `builtins.split`.
//!
//! **The match.** The leftmost start wins. From there, choices are made from left to right. A repetition
//! takes as many turns as let the rest match. Both branches of an alternation are tried; the one whose
//! whole match ends later wins, the first on a tie. Nix on Linux does the same (by the matcher of its
//! library). It is POSIX's longest match, unless a longer whole needs fewer turns of a repetition.
//! Groups hold their last turn.
//!
//! **The algorithm.** Most patterns match the same under the "first branch wins" rule of
//! `regex-automata` (see `syntax::Traits`), which then runs them. `walk` runs the others by the rules
//! above. It remembers every decision, so time and memory are bounded by pattern times text.
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
