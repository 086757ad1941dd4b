//! The built-in builders (`builtin:NAME`) as a table. Modules with builders contribute rows; a row has
//! all that the rest of clutch knows of a builder.

use super::{
    plan::{BuildStep, Step, Work},
    task::{Task, TaskError},
};
use crate::{derivation::Derivation, net::network::Network};

/// A built-in builder.
pub struct Builtin {
    /// The name after `builtin:`.
    pub name: &'static str,
    /// The work. It reads declared inputs only and writes the task's outputs only; the caller hashes,
    /// scans and registers.
    pub build: fn(&Task<'_>) -> Result<(), TaskError>,
    /// The kind of work.
    pub kind: BuiltinKind,
    /// The verb of its line of progress, such as "unpacking".
    pub verb: &'static str,
}

/// Kinds of work of built-in builders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinKind {
    /// It waits for the network, not for the processor.
    Fetch,
    /// It lays out one download, so a collection that keeps downloads keeps its output, too.
    Install,
    /// Everything else.
    Build,
}

/// All built-in builders.
#[derive(Clone, Copy)]
pub struct Registry(pub &'static [&'static [Builtin]]);

/// The verb of a derivation that a program builds.
const BUILDING: &str = "building";

/// The verb of a path that a substituter has.
const TAKING: &str = "taking";

impl Registry {
    /// The built-in builder of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static Builtin> {
        self.0.iter().copied().flatten().find(|builtin| builtin.name == name)
    }

    /// The built-in builder of a derivation, if it has one that exists.
    #[must_use]
    pub fn of(&self, derivation: &Derivation) -> Option<&'static Builtin> {
        self.get(derivation.builtin()?)
    }

    /// True if a step waits for the network rather than for the processor.
    #[must_use]
    pub fn is_fetch(&self, step: &Step) -> bool {
        let kind = |build: &BuildStep| self.of(&build.derivation).map(|builtin| builtin.kind);
        step.build().and_then(kind) == Some(BuiltinKind::Fetch)
    }

    /// The verb for a step's line of progress.
    #[must_use]
    pub fn verb(&self, step: &Step) -> &'static str {
        match &step.work {
            Work::Build(build) => {
                self.of(&build.derivation).map_or(BUILDING, |builtin| builtin.verb)
            }
            Work::Substitute(_) => TAKING,
        }
    }
}

/// The built-in builders, and the network for those that fetch.
#[derive(Clone, Copy)]
pub struct Builtins<'a> {
    /// The builders.
    pub registry: Registry,
    /// The network.
    pub network: &'a Network,
}
