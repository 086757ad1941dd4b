//! The arguments of a fetch function.

use clutch_expr::host::{FetchRequest, FetchValue, HostError, HostResult};

use crate::{
    evaluate::{hash_positions::Given, host::parse},
    hash::{Algorithm, Hash},
};

/// The arguments of a call.
pub(super) struct Arguments<'r> {
    pub(super) request: &'r FetchRequest,
}

impl Arguments<'_> {
    pub(super) fn refuse(&self, text: impl std::fmt::Display) -> HostError {
        HostError::new(format!("builtins.{}: {text}", self.request.builtin))
    }

    pub(super) fn is_git(&self) -> bool {
        let kind = self.text("type");
        self.request.builtin == "fetchGit" || kind.as_deref() == Some("git")
    }

    pub(super) fn find(&self, name: &str) -> Option<&FetchValue> {
        self.request.args.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.find(name) {
            Some(FetchValue::String(text)) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.find(name) {
            Some(FetchValue::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// An optional boolean.
    pub(super) fn flag(&self, name: &str) -> HostResult<Option<bool>> {
        match self.find(name) {
            None => Ok(None),
            Some(FetchValue::Bool(truth)) => Ok(Some(*truth)),
            Some(_) => Err(self.refuse(format!("`{name}` must be true or false"))),
        }
    }

    pub(super) fn required(&self, name: &str) -> HostResult<String> {
        self.text(name).ok_or_else(|| {
            self.refuse(format!("the attribute '{name}' is missing or not a string"))
        })
    }

    /// A hash, and its text.
    pub(super) fn hash(&self, name: &str, place: &str) -> HostResult<(Hash, Given)> {
        let text = self.text(name).ok_or_else(|| {
            self.refuse(format!(
                "'{place}' has no hash: give `{name}`, since every fetch needs one; with \
                 `{name} = \"\"` the error shows the right one"
            ))
        })?;
        let hash = parse(&text, Some(Algorithm::Sha256)).map_err(|e| self.refuse(e))?;
        if hash.algorithm() != Algorithm::Sha256 {
            return Err(self.refuse(format!("`{name}` must be a SHA-256 hash, not '{text}'")));
        }
        let places = self.request.hash_place.iter().cloned().collect();
        Ok((hash, Given { text, places }))
    }
}
