//! The Python wing: wheels and environments, and the built-in builders that make them.

pub(crate) mod bytecode;
pub(crate) mod distribution;
pub(crate) mod environment;
pub(crate) mod excerpt;
pub(crate) mod interpreter;
pub mod lock;
pub mod locking;
pub mod marker;
pub(crate) mod program_target;
pub mod requirement;
pub mod requirements;
pub mod requirements_file;
pub mod selection;
pub mod tags;
pub mod target;
pub mod version;
pub mod wheel;
pub mod wheel_name;

#[cfg(test)]
mod testing;

use crate::build::builtin::{Builtin, BuiltinKind};

/// The rows of this module in the registry of built-in builders.
pub const BUILTINS: &[Builtin] = &[
    Builtin {
        name: "distribution",
        build: distribution::build,
        kind: BuiltinKind::Build,
        verb: "building",
    },
    Builtin {
        name: "environment",
        build: environment::build,
        kind: BuiltinKind::Build,
        verb: "composing",
    },
    Builtin {
        name: "python",
        build: interpreter::build,
        kind: BuiltinKind::Build,
        verb: "building",
    },
    Builtin { name: "wheel", build: wheel::build, kind: BuiltinKind::Install, verb: "installing" },
];
