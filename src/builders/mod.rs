//! The general built-in builders: frequent trusted work without a process. They read declared inputs
//! only and write their outputs only; whoever runs them hashes, scans and registers.

pub mod attributes;
mod fetch;
pub mod prefix;
mod text;
pub mod unpack;

use crate::build::builtin::{Builtin, BuiltinKind};

/// The rows of this module in the registry.
pub const BUILTINS: &[Builtin] = &[
    Builtin { name: "fetch", build: fetch::build, kind: BuiltinKind::Fetch, verb: "fetching" },
    Builtin { name: "prefix", build: prefix::build, kind: BuiltinKind::Build, verb: "building" },
    Builtin { name: "text", build: text::build, kind: BuiltinKind::Build, verb: "building" },
    Builtin { name: "unpack", build: unpack::build, kind: BuiltinKind::Build, verb: "unpacking" },
];
