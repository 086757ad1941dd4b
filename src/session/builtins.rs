//! All built-in builders.

use crate::{build::builtin::Registry, builders, python};

/// The registry of every command.
pub(crate) const BUILTINS: Registry = Registry(&[builders::BUILTINS, python::BUILTINS]);
