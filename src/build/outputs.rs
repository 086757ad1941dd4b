//! Checks the result of a builder: all outputs are there and nothing else, fixed ones have their hash, and
//! references are allowed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use super::{
    BuildError,
    attributes::{Attributes, Checks},
    closures::Closures,
};
use crate::{
    derivation::{Derivation, Fixed},
    store::{Insertion, References},
    store_path::{STORE_DIR, StorePath},
    tree::{self, Bounds, Listing, NodeKind},
};

/// Checks that `dir`, the store dir of the sandbox, holds the outputs and nothing else except the places of
/// `inputs`.
///
/// # Errors
/// If an output is missing or something else was left; the error names it.
pub(super) fn check_present(
    derivation: &Derivation,
    inputs: &[StorePath],
    dir: &Path,
) -> Result<(), BuildError> {
    let outputs: BTreeSet<&str> = derivation.outputs.values().map(|o| o.path.base()).collect();
    // the first of them by name, and how many there are
    let (mut strays, mut count) = (BTreeSet::new(), 0);
    for entry in fs_err::read_dir(dir)? {
        let name = entry?.file_name();
        let known = name.to_str().is_some_and(|name| {
            outputs.contains(name) || inputs.binary_search_by(|p| p.base().cmp(name)).is_ok()
        });
        if !known {
            count += 1;
            strays.insert(format!("{STORE_DIR}/{}", name.display()));
            if strays.len() > STRAYS {
                strays.pop_last();
            }
        }
    }
    if count > 0 {
        let more = count - strays.len();
        return Err(BuildError::Strays { strays: strays.into_iter().collect(), more });
    }
    for (name, output) in &derivation.outputs {
        if dir.join(output.path.base()).symlink_metadata().is_err() {
            let (name, path) = (name.clone(), output.path.clone());
            return Err(BuildError::NoOutput { name, path });
        }
    }
    Ok(())
}

/// The number of strays in an error.
const STRAYS: usize = 10;

/// Folders that a builder may write to and that are not its outputs. Outside, the first is not there,
/// and in the others everybody may put something.
const PASSING: &[&str] = &["/build", "/tmp", "/var/tmp", "/dev/shm"];

/// Checks that no link in the outputs in `dir` leads to something that was made for the build alone.
/// Other links to paths of the host are as in Nix: allowed, and dangling during a build.
///
/// # Errors
/// If there is such a link, or a file type that is not allowed in the store.
pub(super) fn check_links(
    derivation: &Derivation,
    dir: &Path,
    bounds: Bounds<'_>,
) -> Result<(), BuildError> {
    for output in derivation.outputs.values() {
        let listing = Listing::read_within(&dir.join(output.path.base()), bounds)?;
        for node in listing.nodes().iter().filter(|node| node.kind == NodeKind::Symlink) {
            let link = Path::new(&output.path.to_string()).join(listing.relative(node));
            let target = fs_err::read_link(&node.path)?;
            let leads = resolve(&link, &target);
            // the folders that every machine has may be meant themselves, nothing in them
            let passes = |folder: &&str| {
                leads.starts_with(folder) && (*folder == "/build" || leads != Path::new(folder))
            };
            if PASSING.iter().any(passes) {
                let [link, target] = [&link, &target].map(|path| path.display().to_string());
                return Err(BuildError::Link { link, target });
            }
        }
    }
    Ok(())
}

/// The place a link's text leads to.
fn resolve(link: &Path, target: &Path) -> PathBuf {
    let mut path = link.parent().unwrap_or(link).to_owned();
    for part in target.components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            // an absolute one begins anew
            part => path.push(part),
        }
    }
    path
}

/// The outputs in `dir` as trees to be inserted, made by the derivation at `deriver`.
pub(super) fn insertions(
    derivation: &Derivation,
    deriver: &StorePath,
    inputs: &[StorePath],
    dir: &Path,
) -> Vec<Insertion> {
    let own = derivation.outputs.values().map(|output| output.path.clone());
    let candidates: Vec<StorePath> = inputs.iter().cloned().chain(own).collect();
    derivation
        .outputs
        .values()
        .map(|output| Insertion {
            path: output.path.clone(),
            source: dir.join(output.path.base()).into(),
            references: References::Scan(candidates.clone()),
            deriver: Some(deriver.clone()),
            expected: None,
            signatures: BTreeSet::new(),
        })
        .collect()
}

/// Checks the hash of every fixed output in `dir`.
///
/// # Errors
/// If a hash differs; the error has both.
pub(super) fn check_fixed(
    derivation: &Derivation,
    dir: &Path,
    bounds: Bounds<'_>,
) -> Result<(), BuildError> {
    for output in derivation.outputs.values() {
        let Some(Fixed { mode, hash }) = output.fixed else { continue };
        let place = dir.join(output.path.base());
        let actual = tree::fixed_hash(&place, mode, hash.algorithm(), bounds)?;
        let actual = actual.ok_or_else(|| BuildError::NotFlat(output.path.clone()))?;
        if actual != hash {
            let path = output.path.clone();
            return Err(BuildError::HashMismatch { path, expected: hash, actual });
        }
    }
    Ok(())
}

/// The references that outputs may have, by output; `None` if the derivation does not say.
///
/// # Errors
/// If the attributes are not what they should be.
pub(super) fn rules(derivation: &Derivation) -> Result<Option<Rules>, BuildError> {
    let attributes = Attributes::of(derivation)?;
    let mut rules = BTreeMap::new();
    for name in derivation.outputs.keys() {
        let checks = attributes.checks(name)?;
        if checks != Checks::default() {
            rules.insert(name.clone(), checks);
        }
    }
    // The identity of what depends on a fixed output does not know its inputs.
    let fixed = derivation.is_fixed();
    Ok((fixed || !rules.is_empty()).then_some(Rules { rules, fixed }))
}

/// The result of [`rules`].
pub(super) struct Rules {
    rules: BTreeMap<String, Checks>,
    fixed: bool,
}

impl Rules {
    /// Checks references that were found in the outputs, by path.
    ///
    /// # Errors
    /// If a reference is not allowed; the error names it and the attribute.
    pub(super) fn check(
        &self,
        derivation: &Derivation,
        found: &BTreeMap<StorePath, BTreeSet<StorePath>>,
        closures: &Closures<'_>,
    ) -> Result<(), BuildError> {
        for (name, output) in &derivation.outputs {
            let references = &found[&output.path];
            let refuse = |reference: &StorePath, attribute: &'static str| {
                let (path, reference) = (output.path.clone(), reference.clone());
                Err(BuildError::Reference { path, reference, attribute })
            };
            if self.fixed
                && let Some(reference) = references.first()
            {
                return refuse(reference, "outputHash");
            }
            let Some(checks) = self.rules.get(name) else { continue };
            let requisites = requisites(&output.path, found, closures)?;
            for (attribute, allowed, present) in [
                ("allowedReferences", &checks.allowed_references, references),
                ("allowedRequisites", &checks.allowed_requisites, &requisites),
            ] {
                let Some(allowed) = allowed else { continue };
                let allowed = paths(derivation, attribute, allowed)?;
                if let Some(reference) = present.difference(&allowed).next() {
                    return refuse(reference, attribute);
                }
            }
            for (attribute, forbidden, present) in [
                ("disallowedReferences", &checks.disallowed_references, references),
                ("disallowedRequisites", &checks.disallowed_requisites, &requisites),
            ] {
                let forbidden = paths(derivation, attribute, forbidden)?;
                if let Some(reference) = present.intersection(&forbidden).next() {
                    return refuse(reference, attribute);
                }
            }
        }
        Ok(())
    }
}

/// The closure of an output's references; of the output itself only if it refers to itself.
fn requisites(
    path: &StorePath,
    found: &BTreeMap<StorePath, BTreeSet<StorePath>>,
    closures: &Closures<'_>,
) -> Result<BTreeSet<StorePath>, BuildError> {
    let mut own = vec![path];
    let mut all = BTreeSet::new();
    let mut others = BTreeSet::new();
    while let Some(path) = own.pop() {
        for reference in &found[path] {
            if !all.insert(reference.clone()) {
                continue;
            }
            match found.get_key_value(reference) {
                Some((output, _)) => own.push(output),
                None => drop(others.insert(reference)),
            }
        }
    }
    let below = closures.of(others)?;
    all.extend(below);
    Ok(all)
}

/// The paths that a list of store paths and names of outputs stands for.
fn paths(
    derivation: &Derivation,
    attribute: &'static str,
    names: &[String],
) -> Result<BTreeSet<StorePath>, BuildError> {
    names
        .iter()
        .map(|name| match derivation.outputs.get(name) {
            Some(output) => Ok(output.path.clone()),
            None => StorePath::split(name)
                .map(|(path, _)| path)
                .map_err(|_| BuildError::NotAReference { attribute, name: name.clone() }),
        })
        .collect()
}

/// The place of each output in `dir`.
pub(super) fn places(derivation: &Derivation, dir: &Path) -> BTreeMap<String, PathBuf> {
    let place = |path: &StorePath| dir.join(path.base());
    derivation.outputs.iter().map(|(name, o)| (name.clone(), place(&o.path))).collect()
}
