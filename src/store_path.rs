//! A store path: `/clutch/store/<digest>-<name>`, the same text on every machine, wherever the
//! store is kept.

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::hash::{NIX32, Purpose, TreeHash, encode_nix32};

/// The logical store dir, in every hash and inside every build.
pub const STORE_DIR: &str = "/clutch/store";

/// The length of the digest part, in characters.
pub const DIGEST_LEN: usize = 32;

/// The longest name, as in Nix: a base name then has at most 244 characters, with room for a
/// suffix such as `.lock`.
const NAME_LEN: usize = 211;

/// A path directly below the logical store dir. Ordered as its text is; a clone is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath {
    /// `<digest>-<name>`; checked when made.
    base: Arc<str>,
}

/// Why a text is not a store path or not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorePathError {
    /// Not below the logical store dir.
    #[error("'{0}' is not in the store dir '{STORE_DIR}'")]
    Outside(String),
    /// It does not begin with a digest of 32 base-32 characters and a dash.
    #[error("'{0}' is not a store path: expected '<digest of 32 base-32 characters>-<name>'")]
    Digest(String),
    /// The name breaks a rule.
    #[error("name '{name}' is not valid: {reason}")]
    Name {
        /// The name as given.
        name: String,
        /// The rule that it breaks.
        reason: String,
    },
}

/// Checks a name by Nix's rules: 1 to 211 characters out of letters, digits and `+-._?=`, and not
/// `.`, `..` or these followed by `-`.
///
/// # Errors
/// Names the rule that `name` breaks.
pub fn check_name(name: &str) -> Result<(), StorePathError> {
    let fail = |reason: String| Err(StorePathError::Name { name: name.to_owned(), reason });
    if name.is_empty() {
        return fail("it is empty".into());
    }
    if name.len() > NAME_LEN {
        return fail(format!("it has {} characters, at most {NAME_LEN} are allowed", name.len()));
    }
    if matches!(name, "." | "..") || name.starts_with(".-") || name.starts_with("..-") {
        return fail("it must not be '.' or '..' nor start with '.-' or '..-'".into());
    }
    let good = |c: &u8| c.is_ascii_alphanumeric() || b"+-._?=".contains(c);
    if !name.as_bytes().iter().all(good)
        && let Some(c) = name.chars().find(|c| !u8::try_from(*c).is_ok_and(|c| good(&c)))
    {
        return fail(format!("{c:?} is not allowed, only letters, digits and '+-._?='"));
    }
    Ok(())
}

impl StorePath {
    /// The path of that digest and name.
    ///
    /// # Errors
    /// If the name is not valid.
    pub fn new(digest: &[u8; 20], name: &str) -> Result<Self, StorePathError> {
        check_name(name)?;
        Ok(Self { base: format!("{}-{name}", encode_nix32(digest)).into() })
    }

    /// The path of a tree taken from outside: it depends on the tree and the name only.
    ///
    /// # Errors
    /// If the name is not valid.
    pub fn of_source(tree: &TreeHash, name: &str) -> Result<Self, StorePathError> {
        let mut hasher = Purpose::Source.hasher();
        hasher.update(&tree.0).update(name.as_bytes());
        Self::new(&digest(&hasher), name)
    }

    /// The path of a text made by the evaluator, with the store paths that it refers to.
    ///
    /// # Errors
    /// If the name is not valid.
    pub fn of_text(
        text: &[u8],
        references: &BTreeSet<Self>,
        name: &str,
    ) -> Result<Self, StorePathError> {
        Self::of_text_digest(blake3::hash(text).as_bytes(), references, name)
    }

    /// As [`StorePath::of_text`], for a text with this BLAKE3 hash.
    ///
    /// # Errors
    /// If the name is not valid.
    pub fn of_text_digest(
        text: &[u8; 32],
        references: &BTreeSet<Self>,
        name: &str,
    ) -> Result<Self, StorePathError> {
        let mut hasher = Purpose::Text.hasher();
        hasher.update(text);
        hasher.update(&(references.len() as u64).to_le_bytes());
        for reference in references {
            hasher.update(&(reference.base.len() as u64).to_le_bytes());
            hasher.update(reference.base.as_bytes());
        }
        hasher.update(name.as_bytes());
        Self::new(&digest(&hasher), name)
    }

    /// Reads `<digest>-<name>`.
    ///
    /// # Errors
    /// If the digest or the name is not valid.
    pub fn from_base(base: &str) -> Result<Self, StorePathError> {
        let bad = || StorePathError::Digest(base.to_owned());
        let (digest, name) = base.split_at_checked(DIGEST_LEN).ok_or_else(bad)?;
        // 32 digits of five bits are 160 bits, so any of the alphabet will do
        if !digest.bytes().all(is_nix32) {
            return Err(bad());
        }
        check_name(name.strip_prefix('-').ok_or_else(bad)?)?;
        Ok(Self { base: base.into() })
    }

    /// Reads a whole path, `/clutch/store/<digest>-<name>`.
    ///
    /// # Errors
    /// If the text is not directly below the store dir, or its base name is not valid.
    pub fn parse(path: &str) -> Result<Self, StorePathError> {
        match path.strip_prefix(STORE_DIR).and_then(|p| p.strip_prefix('/')) {
            Some(base) => Self::from_base(base),
            None => Err(StorePathError::Outside(path.to_owned())),
        }
    }

    /// Reads a path in the store or below a store path: the store path, and what follows it
    /// (empty, or starting with a slash).
    ///
    /// # Errors
    /// As [`StorePath::parse`].
    pub fn split(path: &str) -> Result<(Self, &str), StorePathError> {
        let outside = || StorePathError::Outside(path.to_owned());
        let inside =
            path.strip_prefix(STORE_DIR).and_then(|p| p.strip_prefix('/')).ok_or_else(outside)?;
        let end = inside.find('/').unwrap_or(inside.len());
        Ok((Self::from_base(&inside[..end])?, &inside[end..]))
    }

    /// `<digest>-<name>`: the file name below the store dir.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The digest as its 32 characters: the text that a reference scan looks for.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.base[..DIGEST_LEN]
    }

    /// The name behind the digest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.base[DIGEST_LEN + 1..]
    }

    /// True for the path of a derivation's record.
    #[must_use]
    pub fn is_derivation(&self) -> bool {
        self.base.ends_with(".drv")
    }
}

/// True for a byte of the alphabet in which digests are written.
#[must_use]
pub fn is_nix32(byte: u8) -> bool {
    const ALPHABET: [bool; 256] = {
        let mut table = [false; 256];
        let mut at = 0;
        while at < NIX32.len() {
            table[NIX32[at] as usize] = true;
            at += 1;
        }
        table
    };
    ALPHABET[usize::from(byte)]
}

/// The first 160 bits of the hash.
pub(crate) fn digest(hasher: &blake3::Hasher) -> [u8; 20] {
    let mut out = [0; 20];
    hasher.finalize_xof().fill(&mut out);
    out
}

/// The whole logical path.
impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE_DIR}/{}", self.base)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back() {
        let path = StorePath::new(&[7; 20], "python-3.11.2").unwrap();
        assert_eq!(StorePath::parse(&path.to_string()), Ok(path.clone()));
        assert_eq!(path.name(), "python-3.11.2");
        let below = format!("{path}/bin/python3");
        assert_eq!(StorePath::split(&below), Ok((path, "/bin/python3")));
    }

    #[test]
    fn what_is_no_store_path_is_refused() {
        for text in [
            "",
            "/clutch/store",
            "/clutch/store/",
            "/nix/store/00000000000000000000000000000000-x",
            "/clutch/store/0000000000000000000000000000000-x",
            "/clutch/store/0000000000000000000000000000000e-x",
            "/clutch/store/00000000000000000000000000000000",
            "/clutch/store/00000000000000000000000000000000-",
            "/clutch/store/00000000000000000000000000000000-..",
            "/clutch/store/00000000000000000000000000000000-a b",
            "/clutch/store/00000000000000000000000000000000-a/b",
            "/clutch/store/0000000000000000000000000000000é-x",
        ] {
            assert!(StorePath::parse(text).is_err(), "{text}");
        }
        assert!(check_name(&"x".repeat(211)).is_ok());
        assert!(check_name(&"x".repeat(212)).is_err());
    }
}
