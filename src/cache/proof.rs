//! Checks if the content of an exported path proves its name. The names of sources,
//! texts, derivations and fixed outputs follow from their content, so these are computed again. The name of
//! any other output follows from the inputs of its build, and proves nothing about the result.

use std::{collections::BTreeMap, path::Path};

use super::header::Exported;
use crate::{
    derivation::{Derivation, Fixed, HashMode, fixed_path},
    hash::{Algorithm, Hash},
    store::{Maker, Store, StoreError},
    store_path::StorePath,
    tree::{self, Listing, NodeKind},
};

/// The proof that a path needs, known before its content is read.
pub(super) enum Claim {
    /// The name follows from the tree.
    Source,
    /// The name follows from the record, which is checked separately.
    Derivation,
    /// This derivation gives the hash of the content.
    Fixed(StorePath, Fixed),
    /// This derivation uses it as a source, and no derivation makes it: its name follows from its content.
    Used(StorePath),
    /// A derivation makes it and gives no hash.
    Built,
    /// No derivation that makes it is known: a text, a fixed output, or built elsewhere.
    Unknown,
}

/// The known derivations: the paths that they make and the sources that they use.
#[derive(Default)]
pub(super) struct Makers {
    makers: BTreeMap<StorePath, Vec<Maker>>,
    users: BTreeMap<StorePath, StorePath>,
}

impl Makers {
    /// Collects the makers of these paths from the derivations just read and from the store.
    pub(super) fn find<'e>(
        store: &Store,
        read: &[(StorePath, Derivation)],
        paths: impl Iterator<Item = &'e StorePath>,
    ) -> Result<Self, StoreError> {
        let mut makers = Self::default();
        for (derivation, record) in read {
            for output in record.outputs.values() {
                let (path, fixed) = (output.path.clone(), output.fixed);
                makers.add(Maker { derivation: derivation.clone(), path, fixed });
            }
            let users = record.input_sources.iter().map(|path| (path.clone(), derivation.clone()));
            makers.users.extend(users);
        }
        for maker in store.makers(paths)? {
            makers.add(maker);
        }
        Ok(makers)
    }

    fn add(&mut self, maker: Maker) {
        self.makers.entry(maker.path.clone()).or_default().push(maker);
    }

    /// The proof that a path needs, and its deriver if that makes the path.
    ///
    /// # Errors
    /// If the header contradicts a derivation. `knows` is true for derivations that can be read.
    pub(super) fn judge(
        &self,
        exported: &Exported,
        knows: impl Fn(&StorePath) -> bool,
    ) -> Result<(Claim, Option<StorePath>), String> {
        if exported.path.is_derivation() {
            return Ok((Claim::Derivation, None));
        }
        if exported.is_source() {
            return Ok((Claim::Source, None));
        }
        let makers = self.makers.get(&exported.path).map_or(&[][..], Vec::as_slice);
        let deriver = match &exported.deriver {
            Some(deriver) if makers.iter().any(|maker| maker.derivation == *deriver) => {
                Some(deriver.clone())
            }
            Some(deriver) if knows(deriver) => {
                return Err(format!("its deriver '{deriver}' does not make it"));
            }
            // a deriver that cannot be read is dropped
            _ => None,
        };
        let fixed = makers.iter().find_map(|m| Some((m.derivation.clone(), m.fixed?)));
        Ok(match fixed {
            Some((derivation, _)) if !exported.references.is_empty() => {
                return Err(format!(
                    "it has references, but '{derivation}' makes it with a fixed hash; such an output has none"
                ));
            }
            Some((derivation, fixed)) => (Claim::Fixed(derivation, fixed), deriver),
            None if makers.is_empty() => match self.users.get(&exported.path) {
                Some(user) if exported.deriver.is_none() => (Claim::Used(user.clone()), None),
                _ => (Claim::Unknown, deriver),
            },
            None => (Claim::Built, deriver),
        })
    }
}

impl Claim {
    /// True if no content can prove the name of the path.
    pub(super) fn is_hopeless(&self, exported: &Exported) -> bool {
        match self {
            Self::Built => true,
            // a text is one file, and a fixed output refers to nothing
            Self::Unknown => exported.announced.entries > 1 && !exported.references.is_empty(),
            Self::Source | Self::Derivation | Self::Fixed(..) | Self::Used(_) => false,
        }
    }

    /// True if the tree at `place`, which has the hash in the header, proves the name of the path.
    /// Unless `thorough`, rare hash algorithms are not tried.
    ///
    /// # Errors
    /// If the content contradicts a derivation or cannot be read.
    pub(super) fn is_proved(
        &self,
        exported: &Exported,
        place: &Path,
        thorough: bool,
    ) -> Result<bool, String> {
        match self {
            Self::Source | Self::Derivation => Ok(true),
            Self::Built => Ok(false),
            Self::Fixed(derivation, Fixed { mode, hash: right }) => {
                match fixed_hash(place, *mode, right.algorithm())? {
                    Some(found) if found == *right => Ok(true),
                    Some(found) => {
                        Err(format!("its hash is {found}, but '{derivation}' says {right}"))
                    }
                    None => Err(format!(
                        "'{derivation}' gives the hash of a plain file, but it is something else"
                    )),
                }
            }
            Self::Used(user) => match is_text(exported, place)? || is_fixed(exported, place, true)?
            {
                true => Ok(true),
                false => Err(format!(
                    "'{user}' uses it as a source, but its name does not follow from its content"
                )),
            },
            Self::Unknown => {
                // a path with a deriver is most likely a build output
                let tries = thorough || exported.deriver.is_none();
                Ok(is_text(exported, place)? || (tries && is_fixed(exported, place, thorough)?))
            }
        }
    }
}

/// The hash of the tree at `place`, computed as for a fixed output.
fn fixed_hash(place: &Path, mode: HashMode, algorithm: Algorithm) -> Result<Option<Hash>, String> {
    tree::fixed_hash(place, mode, algorithm, tree::Bounds::NONE).map_err(|error| error.to_string())
}

/// True if a fixed output with the tree at `place` has this path.
fn is_fixed(exported: &Exported, place: &Path, thorough: bool) -> Result<bool, String> {
    let Exported { path, references, .. } = exported;
    if !references.is_empty() {
        return Ok(false);
    }
    let algorithms: &[Algorithm] = if thorough { &Algorithm::ALL } else { &[Algorithm::Sha256] };
    for &algorithm in algorithms {
        for mode in [HashMode::Recursive, HashMode::Flat] {
            let fixed = fixed_hash(place, mode, algorithm)?.map(|hash| Fixed { mode, hash });
            let own = fixed.map(|fixed| fixed_path(path.name(), &fixed));
            if own.is_some_and(|own| own.is_ok_and(|own| own == *path)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// True if the text at `place` has this path.
fn is_text(exported: &Exported, place: &Path) -> Result<bool, String> {
    if exported.announced.entries > 1 {
        return Ok(false);
    }
    let listing = Listing::read(place).map_err(|error| error.to_string())?;
    let node = &listing.nodes()[0];
    let leaf = tree::leaf(node, &mut Vec::new()).map_err(|error| error.to_string())?;
    let Some(leaf) = leaf.filter(|leaf| node.kind == NodeKind::File && !leaf.executable) else {
        return Ok(false);
    };
    let Exported { path, references, .. } = exported;
    let own = StorePath::of_text_digest(&leaf.digest, references, path.name());
    Ok(own.as_ref() == Ok(path))
}
