//! All built-in builders.

use crate::{build::builtin::Registry, builders, python};

/// The whole registry.
pub(crate) const BUILTINS: Registry = Registry(&[builders::BUILTINS, python::BUILTINS]);
