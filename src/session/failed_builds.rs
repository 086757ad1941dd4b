//! Builds that failed, all in one error.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use serde_json::Value;

use crate::{
    build::{
        BuildError, BuildFailure,
        plan::{BuildStep, Plan},
        queue::Outcome,
        sandbox::SandboxError,
    },
    cache::TransferError,
    evaluate::like,
    hash::Hash,
    store_path::StorePath,
};

/// The number of unbuilt derivations that a message names.
const SHOWN: usize = 10;

/// The failed builds of one plan, and the builds that were not started because they depend on them.
#[derive(Debug)]
pub(crate) struct FailedBuilds {
    /// The failures other than wrong hashes.
    pub failures: Vec<BuildFailure>,
    /// The wrong hashes.
    pub mismatches: Vec<Mismatch>,
    /// The number of builds that were not started.
    pub skipped: usize,
    /// Their names.
    pub skipped_names: BTreeSet<String>,
}

/// A fixed output whose content does not match its hash.
#[derive(Clone, Debug)]
pub(crate) struct Mismatch {
    /// Its derivation.
    pub derivation: StorePath,
    /// The derivation's name.
    pub name: String,
    /// The hash as written in the expression.
    pub specified: String,
    /// The hash of its content.
    pub got: Hash,
    /// The file and the line that hold the wrong hash, if they are known.
    pub place: Option<(PathBuf, usize)>,
}

impl FailedBuilds {
    pub(super) fn new(plan: &Plan, outcome: Outcome<BuildFailure>) -> Self {
        let (mut failures, mut mismatches) = (Vec::new(), Vec::new());
        for (id, failure) in outcome.failed {
            match failure.error.hash_mismatch().zip(plan.step(id).build()) {
                Some(((specified, got), build)) => {
                    mismatches.push(Mismatch::new(build, &specified, got));
                }
                None if failure.error.is_cancelled() => {}
                None => failures.push(failure),
            }
        }
        let name = |id| plan.step(id).name().to_owned();
        let skipped_names = outcome.skipped.iter().map(|(id, _)| name(*id)).collect();
        Self { failures, mismatches, skipped: outcome.skipped.len(), skipped_names }
    }

    /// True if the machine does not allow the sandbox or a limit.
    #[must_use]
    pub(crate) fn is_refused(&self) -> bool {
        let refused = |failure: &BuildFailure| {
            use SandboxError::{Refused, Unlimited};
            matches!(&failure.error, BuildError::Sandbox(Refused(_) | Unlimited { .. }))
        };
        self.failures.iter().any(refused)
    }

    /// The failure to take a path from an export, if there is one.
    pub(crate) fn substitution(&self) -> Option<&TransferError> {
        self.failures.iter().find_map(|failure| match &failure.error {
            BuildError::Substitute(error) => Some(error),
            _ => None,
        })
    }

    /// True if wrong hashes are the only failures.
    #[must_use]
    pub(crate) fn has_only_mismatches(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Mismatch {
    /// A wrong hash, as the expression writes it.
    fn new(step: &BuildStep, specified: &Hash, got: Hash) -> Self {
        let derivation = &step.derivation;
        let flat = derivation.env.get("outputHash").and_then(|text| str::from_utf8(text).ok());
        let structured = || -> Option<String> {
            let json: Value = serde_json::from_str(derivation.structured.as_deref()?).ok()?;
            Some(json.get("outputHash")?.as_str()?.to_owned())
        };
        let written = flat.map(str::to_owned).or_else(structured);
        Self {
            derivation: step.path.clone(),
            name: derivation.name.clone(),
            specified: written.unwrap_or_else(|| specified.to_string()),
            got,
            place: None,
        }
    }
}

impl std::error::Error for FailedBuilds {}

/// Lists the failures, grouped by reason, then the wrong hashes with their replacements.
impl fmt::Display for FailedBuilds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut messages = Vec::new();
        // one reason can fail many builds, such as all files of an unknown index
        let mut same: BTreeMap<String, Vec<&BuildFailure>> = BTreeMap::new();
        for failure in &self.failures {
            match &failure.error {
                error @ BuildError::Builtin { .. } => {
                    same.entry(error.to_string()).or_default().push(failure);
                }
                _ => messages.push(failure.to_string()),
            }
        }
        messages.extend(same.into_iter().map(|(reason, failures)| match &failures[..] {
            [failure] => failure.to_string(),
            [first, others @ ..] => format!(
                "cannot build '{}' and {}, for the same reason: {reason}",
                first.path,
                match others.len() {
                    1 => "another".to_owned(),
                    more => format!("{more} others"),
                }
            ),
            [] => reason,
        }));
        if !self.mismatches.is_empty() {
            messages.push(table(&self.mismatches));
        }
        f.write_str(&messages.join("\n"))?;
        if self.skipped > 0 {
            let names: Vec<&str> =
                self.skipped_names.iter().map(String::as_str).take(SHOWN).collect();
            let more = if self.skipped > names.len() { ", ..." } else { "" };
            let names = names.join(", ");
            write!(f, "\nnot built because of failed dependencies: {names}{more}")?;
        }
        Ok(())
    }
}

/// A table of the wrong hashes.
fn table(mismatches: &[Mismatch]) -> String {
    let mut text = match mismatches.len() {
        1 => "hash mismatch: the content of a file does not match its hash:".to_owned(),
        n => format!("hash mismatch: the content of {n} files does not match their hashes:"),
    };
    let here = std::env::current_dir().unwrap_or_default();
    for Mismatch { derivation, name, specified, got, place } in mismatches {
        let place = place.as_ref().map_or_else(String::new, |(file, line)| {
            format!(" ({}:{line})", file.strip_prefix(&here).unwrap_or(file).display())
        });
        let got = like(specified, got);
        let specified = if specified.is_empty() { "\"\"" } else { specified };
        text += &format!(
            "\n  {name}{place}\n    specified {specified}\n    got       {got}\n    \
             log       clutch log {derivation}"
        );
    }
    text
}
