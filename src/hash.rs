//! The hashes of the pipeline: hashes as expressions write them (re-exported from the language),
//! BLAKE3 tree hashes, and the digests of store paths, with one `derive_key` context a purpose.

use std::sync::LazyLock;

pub use clutch_expr::hash::{
    Algorithm, Format, Hash, Hasher, NIX32, ParseHashError, decode_base16, decode_base64,
    decode_nix32, encode_base16, encode_base64, encode_base64_url, encode_nix32,
};

/// The purpose of a digest. Each has a BLAKE3 `derive_key` context of its
/// own, so that bytes hashed for one purpose never collide with another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A derivation's canonical encoding.
    Derivation,
    /// A derivation modulo its fixed inputs: the input of its outputs' paths.
    Identity,
    /// An output named by the identity of its derivation.
    Output,
    /// A tree taken from outside.
    Source,
    /// An output named by the hash of its content.
    FixedOutput,
    /// A text made by the evaluator.
    Text,
    /// The stand-in that `builtins.placeholder` gives for an output of the derivation being made.
    Placeholder,
    /// The list of a directory's entries, in a tree hash.
    Directory,
    /// A whole tree: the kind and the hash of its root.
    Tree,
    /// The arguments of an evaluation, in the evaluation cache.
    Evaluation,
    /// A revision of a git repository, in the records of those that were fetched.
    Revision,
}

impl Purpose {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Derivation, "clutch 2026 store path: derivation"),
        (Self::Identity, "clutch 2026 derivation identity"),
        (Self::Output, "clutch 2026 store path: output"),
        (Self::Source, "clutch 2026 store path: source"),
        (Self::FixedOutput, "clutch 2026 store path: fixed output"),
        (Self::Text, "clutch 2026 store path: text"),
        (Self::Placeholder, "clutch 2026 store path: placeholder"),
        (Self::Directory, "clutch 2026 tree hash: directory"),
        (Self::Tree, "clutch 2026 tree hash: tree"),
        (Self::Evaluation, "clutch 2026 evaluation cache"),
        (Self::Revision, "clutch 2026 git revision"),
    ];

    /// A hasher keyed for this purpose.
    #[must_use]
    pub fn hasher(self) -> blake3::Hasher {
        // a key costs as much as hashing a small record, so each is derived once
        static KEYED: LazyLock<[blake3::Hasher; Purpose::ALL.len()]> =
            LazyLock::new(|| Purpose::ALL.map(|(_, text)| blake3::Hasher::new_derive_key(text)));
        KEYED[self as usize].clone()
    }
}

/// The BLAKE3 Merkle hash of a directory tree (docs/formats.md, "Tree hash").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeHash(pub [u8; 32]);

impl std::fmt::Display for TreeHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&encode_base16(&self.0))
    }
}

impl std::fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_its_own_key() {
        for (at, (purpose, text)) in Purpose::ALL.into_iter().enumerate() {
            assert_eq!(purpose as usize, at);
            assert_eq!(
                purpose.hasher().finalize(),
                blake3::Hasher::new_derive_key(text).finalize()
            );
        }
    }
}
