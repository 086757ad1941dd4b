//! The names of a derivation: the paths of its outputs, the path of its record, and its identity, from which
//! those follow. The identity is taken modulo fixed outputs: a derivation whose output is
//! fixed by a hash is the same wherever that output comes from.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::{Derivation, Draft, DraftOutputs, Fixed, Output, encoding};
use crate::{
    hash::{Purpose, encode_nix32},
    store_path::{self, StorePath, StorePathError, check_name},
};

/// One hash of everything that the outputs of a derivation depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 32]);

/// The identities that are known, by the path of the derivation. Each is computed once.
#[derive(Default)]
pub struct Identities {
    known: FxHashMap<StorePath, Identity>,
}

/// An error of computing an identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The name, or that of an output, is not valid.
    #[error("derivation '{name}': {source}")]
    Name {
        /// The derivation's name.
        name: String,
        /// The broken rule.
        source: StorePathError,
    },
    /// A rule for names that only derivations have.
    #[error("derivation '{name}': {problem}")]
    Rule {
        /// The derivation's name.
        name: String,
        /// The broken rule.
        problem: String,
    },
    /// An input was not resolved before.
    #[error("derivation '{name}' uses '{input}', which is not known")]
    Unknown {
        /// The derivation's name.
        name: String,
        /// The input.
        input: StorePath,
    },
    /// An output's path is not the one that follows from the derivation.
    #[error("derivation '{name}': output '{output}' has path '{found}', expected '{expected}'")]
    Output {
        /// The derivation's name.
        name: String,
        /// The output's name.
        output: String,
        /// The path that it gives.
        found: StorePath,
        /// The path that it should have.
        expected: StorePath,
    },
}

impl Identities {
    /// Starts empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a draft its output paths and the path of its record. Its input derivations must have
    /// been resolved or learned before.
    ///
    /// # Errors
    /// If a name is not valid, there is no output, or an input is not known.
    pub fn resolve(&mut self, draft: Draft) -> Result<(StorePath, Derivation), IdentityError> {
        check(&draft.name, &encoding::output_names(&draft.outputs))?;
        let identity = match &draft.outputs {
            DraftOutputs::Fixed(fixed) => fixed_identity(&draft.name, fixed),
            DraftOutputs::Named(_) => modulo_identity(
                &encoding::Body::of_draft(&draft),
                &encoding::output_names(&draft.outputs),
                &self.inputs(&draft.name, &draft.input_derivations)?,
            ),
        };
        let outputs = match draft.outputs {
            DraftOutputs::Fixed(fixed) => {
                let path = fixed_path(&draft.name, &fixed)?;
                BTreeMap::from([("out".to_owned(), Output { path, fixed: Some(fixed) })])
            }
            DraftOutputs::Named(names) => names
                .into_iter()
                .map(|output| {
                    let path = output_path(&identity, &draft.name, &output)?;
                    Ok((output, Output { path, fixed: None }))
                })
                .collect::<Result<_, IdentityError>>()?,
        };
        let mut env = draft.env;
        env.extend(outputs.iter().map(|(name, o)| (name.clone(), o.path.to_string().into_bytes())));
        let derivation = Derivation {
            name: draft.name,
            system: draft.system,
            builder: draft.builder,
            args: draft.args,
            env,
            structured: draft.structured,
            outputs,
            input_derivations: draft.input_derivations,
            input_sources: draft.input_sources,
        };
        let path = derivation.path()?;
        self.known.insert(path.clone(), identity);
        Ok((path, derivation))
    }

    /// Learns a derivation that was made elsewhere (read from a store, say) after its inputs, and
    /// gives the path of its record.
    ///
    /// # Errors
    /// If an input is not known, or an output's path is not the one that follows from the
    /// derivation.
    pub fn learn(&mut self, derivation: &Derivation) -> Result<StorePath, IdentityError> {
        let names: BTreeSet<&str> = derivation.outputs.keys().map(String::as_str).collect();
        check(&derivation.name, &names)?;
        let fixed = derivation.outputs.values().find_map(|o| o.fixed);
        let identity = match fixed {
            Some(_) if derivation.outputs.len() > 1 || !names.contains("out") => {
                return Err(IdentityError::Rule {
                    name: derivation.name.clone(),
                    problem: "a derivation with a fixed output has the one output 'out'".into(),
                });
            }
            Some(fixed) => fixed_identity(&derivation.name, &fixed),
            None => modulo_identity(
                &encoding::Body::of(derivation),
                &names,
                &self.inputs(&derivation.name, &derivation.input_derivations)?,
            ),
        };
        for (output, found) in &derivation.outputs {
            let expected = match &fixed {
                Some(fixed) => fixed_path(&derivation.name, fixed)?,
                None => output_path(&identity, &derivation.name, output)?,
            };
            if expected != found.path {
                return Err(IdentityError::Output {
                    name: derivation.name.clone(),
                    output: output.clone(),
                    found: found.path.clone(),
                    expected,
                });
            }
            // the identity leaves these entries out, so check them here
            let told = derivation.env.get(output).map(Vec::as_slice);
            if told != Some(expected.to_string().as_bytes()) {
                return Err(IdentityError::Rule {
                    name: derivation.name.clone(),
                    problem: format!("its environment has another path for output '{output}'"),
                });
            }
        }
        let path = derivation.path()?;
        self.known.insert(path.clone(), identity);
        Ok(path)
    }

    /// True if the derivation of that path was resolved or learned.
    #[must_use]
    pub fn knows(&self, path: &StorePath) -> bool {
        self.known.contains_key(path)
    }

    /// The input derivations by identity, without duplicates.
    fn inputs(
        &self,
        name: &str,
        inputs: &BTreeMap<StorePath, BTreeSet<String>>,
    ) -> Result<BTreeMap<Identity, BTreeSet<String>>, IdentityError> {
        let mut out: BTreeMap<Identity, BTreeSet<String>> = BTreeMap::new();
        for (path, outputs) in inputs {
            let identity = self.known.get(path).ok_or_else(|| IdentityError::Unknown {
                name: name.to_owned(),
                input: path.clone(),
            })?;
            out.entry(*identity).or_default().extend(outputs.iter().cloned());
        }
        Ok(out)
    }
}

impl Derivation {
    /// Checks the rules that need no other derivation.
    pub(super) fn check(&self) -> Result<(), IdentityError> {
        check(&self.name, &self.outputs.keys().map(String::as_str).collect())
    }

    /// The path of this derivation's record: it depends on everything in it.
    ///
    /// # Errors
    /// If the name is not valid.
    pub fn path(&self) -> Result<StorePath, IdentityError> {
        let mut hasher = Purpose::Derivation.hasher();
        hasher.update(&encoding::whole(self));
        named(&self.name, &hasher, &format!("{}.drv", self.name))
    }
}

/// The path of a fixed output: the same wherever its content comes from.
///
/// # Errors
/// If the name is not valid.
pub fn fixed_path(name: &str, fixed: &Fixed) -> Result<StorePath, IdentityError> {
    let mut hasher = Purpose::FixedOutput.hasher();
    hasher.update(&encoding::fixed(name, fixed));
    named(name, &hasher, name)
}

/// The placeholder of an output's path inside the derivation that makes it (`builtins.placeholder`). The path
/// replaces it when the derivation is built.
#[must_use]
pub fn placeholder(output: &str) -> String {
    let mut hasher = Purpose::Placeholder.hasher();
    hasher.update(output.as_bytes());
    format!("/{}", encode_nix32(hasher.finalize().as_bytes()))
}

fn fixed_identity(name: &str, fixed: &Fixed) -> Identity {
    let mut hasher = Purpose::Identity.hasher();
    Identity(*hasher.update(&encoding::fixed(name, fixed)).finalize().as_bytes())
}

fn modulo_identity(
    body: &encoding::Body<'_>,
    outputs: &BTreeSet<&str>,
    inputs: &BTreeMap<Identity, BTreeSet<String>>,
) -> Identity {
    let inputs = inputs.iter().map(|(identity, names)| (&identity.0, names));
    let mut hasher = Purpose::Identity.hasher();
    Identity(*hasher.update(&encoding::modulo(body, outputs, inputs)).finalize().as_bytes())
}

fn output_path(identity: &Identity, name: &str, output: &str) -> Result<StorePath, IdentityError> {
    let mut hasher = Purpose::Output.hasher();
    hasher.update(&identity.0).update(output.as_bytes());
    match output {
        "out" => named(name, &hasher, name),
        _ => named(name, &hasher, &format!("{name}-{output}")),
    }
}

fn named(name: &str, hasher: &blake3::Hasher, full: &str) -> Result<StorePath, IdentityError> {
    StorePath::new(&store_path::digest(hasher), full)
        .map_err(|source| IdentityError::Name { name: name.to_owned(), source })
}

fn check(name: &str, outputs: &BTreeSet<&str>) -> Result<(), IdentityError> {
    let rule = |problem: &str| {
        Err(IdentityError::Rule { name: name.to_owned(), problem: problem.to_owned() })
    };
    if name.ends_with(".drv") {
        return rule("a derivation's name must not end in '.drv'");
    }
    if outputs.is_empty() {
        return rule("it has no outputs, expected at least one");
    }
    if outputs.contains("drvPath") {
        return rule("an output must not be called 'drvPath'");
    }
    // its path would look like a derivation's
    if outputs.iter().any(|output| output.ends_with(".drv")) {
        return rule("an output's name must not end in '.drv'");
    }
    std::iter::once(&name).chain(outputs).try_for_each(|text| {
        check_name(text).map_err(|source| IdentityError::Name { name: name.to_owned(), source })
    })
}
