//! A revision of a git repository, and the record of it once it was fetched, which no later fetch
//! can change (docs/formats.md, "Revisions").

use std::{borrow::Cow, io, path::PathBuf};

use bincode::{Decode, Encode};

use crate::{
    codec::{self, RecordKind},
    files,
    hash::{Algorithm, Hash, Purpose, encode_nix32},
    store::Store,
};

const KIND: RecordKind =
    RecordKind { magic: *b"clutchrv", version: 1, what: "what is known of a revision" };

/// A revision to fetch.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The repository's address, as git takes it.
    pub url: String,
    /// The id of the commit: 40 or 64 hexadecimal digits in lower case. It determines the tree.
    pub rev: String,
    /// A branch or tag that has it, for servers that do not give commits by their ids.
    pub name: Option<String>,
    /// Look for it in every branch and tag.
    pub all_refs: bool,
    /// Fetch its submodules, too.
    pub submodules: bool,
    /// Leave out entries with the attribute `export-ignore`.
    pub export_ignore: bool,
}

/// An address for messages: without the user and password that a URL may have.
#[must_use]
pub(crate) fn shown_address(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]).into(),
        None => url.into(),
    }
}

/// The properties of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The time of the commit, in seconds since 1970.
    pub time: i64,
}

/// The result of fetching a revision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct RevisionRecord {
    nar_hash: [u8; 32],
    pub(crate) time: i64,
    pub(crate) count: Option<i64>,
}

impl RevisionRecord {
    pub(crate) fn new(nar_hash: &Hash, commit: Commit) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(nar_hash.bytes());
        Self { nar_hash: bytes, time: commit.time, count: None }
    }

    /// The same, with the number of commits.
    pub(crate) fn with_count(self, count: i64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// The SHA-256 of its tree.
    pub(crate) fn nar_hash(&self) -> Hash {
        Hash::from_slice(Algorithm::Sha256, &self.nar_hash)
    }

    /// The record of a revision; nothing if there is none or it cannot be read.
    pub(crate) fn find(store: &Store, revision: &Revision) -> Option<Self> {
        codec::unseal(KIND, &files::read_regular(&file(store, revision)).ok()?)
    }

    /// Keeps it for [`RevisionRecord::find`].
    pub(crate) fn save(&self, store: &Store, revision: &Revision) -> io::Result<()> {
        let bytes = codec::seal(KIND, self).map_err(io::Error::other)?;
        fs_err::create_dir_all(store.revisions())?;
        files::replace(&file(store, revision), &bytes)
    }
}

/// Its file. It does not depend on the address.
fn file(store: &Store, revision: &Revision) -> PathBuf {
    let mut hasher = Purpose::Revision.hasher();
    hasher.update(&[u8::from(revision.submodules), u8::from(revision.export_ignore)]);
    hasher.update(revision.rev.as_bytes());
    store.revisions().join(encode_nix32(&hasher.finalize().as_bytes()[..20]))
}

/// True if a branch or tag may have that name (git-check-ref-format(1)).
#[must_use]
pub(crate) fn is_ref_name(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let refused = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    !name.starts_with('-')
        && name != "@"
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(refused)
        && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use crate::git::{is_ref_name, shown_address};

    #[test]
    fn addresses_are_shown_without_secrets() {
        for (url, shown) in [
            ("https://user:pass@host/x@y", "https://host/x@y"),
            ("https://token@host", "https://host"),
            ("https://a@b:c@host:1/x", "https://host:1/x"),
            ("ssh://git@host/x", "ssh://host/x"),
            ("https://host/a@b", "https://host/a@b"),
            ("git@host:x", "git@host:x"),
            ("/a@b", "/a@b"),
        ] {
            assert_eq!(shown_address(url), shown);
        }
    }

    #[test]
    fn names_of_refs_are_checked() {
        for name in ["main", "refs/heads/x", "v1.0", "a@b", "HEAD", "é"] {
            assert!(is_ref_name(name), "{name}");
        }
        for name in [
            "",
            "-x",
            "--upload-pack=x",
            "a..b",
            "a b",
            "a:b",
            "a/",
            "/a",
            "a//b",
            ".a",
            "a.lock",
            "@",
            "a@{1}",
            "a\\b",
            "x.",
            "*",
            "a~1",
            "a^",
            "a\u{7f}",
        ] {
            assert!(!is_ref_name(name), "{name}");
        }
    }
}
