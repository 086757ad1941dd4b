//! The attributes of a derivation that control the build, from the environment or, with `__structuredAttrs`,
//! from a JSON object.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::derivation::Derivation;

/// The attributes of one derivation.
pub(super) enum Attributes<'a> {
    Flat(&'a BTreeMap<String, Vec<u8>>),
    Structured(Map<String, Value>),
}

/// An error of an attribute.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// It has another type.
    #[error("attribute '{name}': expected {expected}")]
    Wrong {
        /// The attribute.
        name: String,
        /// The expected type.
        expected: &'static str,
    },
    /// It is supported by Nix and not by clutch, so the result would differ.
    #[error("attribute '{name}' is not supported: {reason}")]
    Unsupported {
        /// The attribute.
        name: &'static str,
        /// The reason and the remedy.
        reason: &'static str,
    },
    /// The machine lacks something.
    #[error(
        "its requiredSystemFeatures has '{feature}', which no build has here (there are {present}); \
         leave it out if the build does without"
    )]
    Feature {
        /// The feature.
        feature: String,
        /// The features that there are.
        present: String,
    },
}

fn wrong(name: &str, expected: &'static str) -> AttributeError {
    AttributeError::Wrong { name: name.to_owned(), expected }
}

/// Attributes that Nix supports and clutch does not.
const UNSUPPORTED: [(&str, &str); 2] = [
    ("__noChroot", "every build runs in the sandbox; add what it needs as an input"),
    (
        "unsafeDiscardReferences",
        "references are the paths that occur in an output; remove them from its files",
    ),
];

/// Members of `outputChecks` with the same reason.
const UNCHECKED: [&str; 3] = ["maxSize", "maxClosureSize", "ignoreSelfRefs"];

impl<'a> Attributes<'a> {
    pub(super) fn of(derivation: &'a Derivation) -> Result<Self, AttributeError> {
        match &derivation.structured {
            None => Ok(Self::Flat(&derivation.env)),
            Some(text) => serde_json::from_str(text)
                .map(Self::Structured)
                .map_err(|_| wrong("__json", "a JSON object")),
        }
    }

    /// Fails for unsupported attributes, instead of ignoring them.
    pub(super) fn check_supported(&self) -> Result<(), AttributeError> {
        let is_set = |name: &str| match self {
            Self::Flat(env) => env.get(name).is_some_and(|value| !value.is_empty()),
            Self::Structured(map) => match map.get(name) {
                None | Some(Value::Null | Value::Bool(false)) => false,
                Some(Value::Array(items)) => !items.is_empty(),
                Some(Value::Object(members)) => !members.is_empty(),
                Some(_) => true,
            },
        };
        if let Some(&(name, reason)) = UNSUPPORTED.iter().find(|(name, _)| is_set(name)) {
            return Err(AttributeError::Unsupported { name, reason });
        }
        let Self::Structured(map) = self else { return Ok(()) };
        let Some(Value::Object(outputs)) = map.get("outputChecks") else { return Ok(()) };
        let has = |name: &&str| {
            let mut checks = outputs.values().filter_map(Value::as_object);
            checks.any(|checks| checks.get(*name).is_some_and(|v| !v.is_null() && *v != false))
        };
        match UNCHECKED.into_iter().find(has) {
            Some(name) => Err(AttributeError::Unsupported {
                name,
                reason: "outputChecks only has rules about references here; check this in the build",
            }),
            None => Ok(()),
        }
    }

    /// A text; empty counts as not set.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, AttributeError> {
        let text = match self {
            Self::Flat(env) => match env.get(name) {
                None => None,
                Some(bytes) => {
                    Some(String::from_utf8(bytes.clone()).map_err(|_| wrong(name, "UTF-8 text"))?)
                }
            },
            Self::Structured(map) => match map.get(name) {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(text.clone()),
                Some(_) => return Err(wrong(name, "a string")),
            },
        };
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// A list of texts; flat, these are the words of a text.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<String>>, AttributeError> {
        match self {
            Self::Flat(env) => {
                let Some(bytes) = env.get(name) else { return Ok(None) };
                let text = std::str::from_utf8(bytes).map_err(|_| wrong(name, "UTF-8 text"))?;
                Ok(Some(text.split_ascii_whitespace().map(str::to_owned).collect()))
            }
            Self::Structured(map) => strings(name, map.get(name)),
        }
    }

    /// The rules of `outputChecks` for an output, or the same attributes for all outputs.
    pub(super) fn checks(&self, output: &str) -> Result<Checks, AttributeError> {
        let list = |name: &str| match self {
            Self::Flat(_) => self.list(name),
            Self::Structured(map) => {
                let all = match map.get("outputChecks") {
                    None | Some(Value::Null) => return Ok(None),
                    Some(Value::Object(all)) => all,
                    Some(_) => return Err(wrong("outputChecks", "a set")),
                };
                match all.get(output) {
                    None | Some(Value::Null) => Ok(None),
                    Some(Value::Object(checks)) => strings(name, checks.get(name)),
                    Some(_) => Err(wrong("outputChecks", "a set of sets")),
                }
            }
        };
        Ok(Checks {
            allowed_references: list("allowedReferences")?,
            allowed_requisites: list("allowedRequisites")?,
            disallowed_references: list("disallowedReferences")?.unwrap_or_default(),
            disallowed_requisites: list("disallowedRequisites")?.unwrap_or_default(),
        })
    }
}

fn strings(name: &str, value: Option<&Value>) -> Result<Option<Vec<String>>, AttributeError> {
    let expected = "a list of strings";
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong(name, expected)))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(wrong(name, expected)),
    }
}

/// A list of allowed or forbidden references: store paths, or names of outputs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checks {
    pub(super) allowed_references: Option<Vec<String>>,
    pub(super) allowed_requisites: Option<Vec<String>>,
    pub(super) disallowed_references: Vec<String>,
    pub(super) disallowed_requisites: Vec<String>,
}
