//! All built-in builders.

use crate::{build::builtin::Registry, builders, python};

/// The whole registry.
pub(super) const BUILTINS: Registry = Registry(&[builders::BUILTINS, python::BUILTINS]);
