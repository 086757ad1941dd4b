//! The header of an export: what is in it, in the order in which it follows.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};

use crate::{
    archive::Announced,
    codec::{self, CodecError, Kind},
    hash::TreeHash,
    store_path::{StorePath, StorePathError},
};

const KIND: Kind = Kind { magic: *b"clutchex", version: 1, what: "the header of an export" };

/// The largest header that is read: about 250,000 paths.
pub(super) const LIMIT: u64 = 64 << 20;

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// What was asked for.
    pub(super) roots: BTreeSet<StorePath>,
    /// Every path, after what it refers to.
    pub(super) paths: Vec<Exported>,
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exported {
    pub(super) path: StorePath,
    pub(super) tree: TreeHash,
    pub(super) announced: Announced,
    pub(super) references: BTreeSet<StorePath>,
    pub(super) deriver: Option<StorePath>,
}

/// Why a header is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Path(#[from] StorePathError),
    #[error("'{0}' stands in it twice")]
    Twice(StorePath),
    #[error("'{0}' refers to '{1}', which only follows later")]
    Order(StorePath, StorePath),
    #[error("it names '{0}' as what was asked for, but does not hold it")]
    Root(StorePath),
    #[error("its paths are too large together")]
    Size,
}

#[derive(Encode, Decode)]
struct Record {
    roots: Vec<String>,
    paths: Vec<PathRecord>,
}

#[derive(Encode, Decode)]
struct PathRecord {
    base: String,
    tree: [u8; 32],
    entries: u64,
    size: u64,
    references: Vec<String>,
    deriver: Option<String>,
}

impl Header {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        let texts = |paths: &BTreeSet<StorePath>| paths.iter().map(text).collect();
        let paths = self.paths.iter().map(|exported| PathRecord {
            base: text(&exported.path),
            tree: exported.tree.0,
            entries: exported.announced.entries,
            size: exported.announced.size,
            references: texts(&exported.references),
            deriver: exported.deriver.as_ref().map(text),
        });
        let record = Record { roots: texts(&self.roots), paths: paths.collect() };
        match codec::encode(KIND, &record)? {
            bytes if bytes.len() as u64 > LIMIT => Err(CodecError::TooLarge(KIND.what)),
            bytes => Ok(bytes),
        }
    }

    /// Reads a header and checks all that can be checked without a store.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, HeaderError> {
        let record: Record = codec::decode(KIND, bytes)?;
        let parse = |texts: &[String]| -> Result<BTreeSet<StorePath>, StorePathError> {
            texts.iter().map(|text| StorePath::from_base(text)).collect()
        };
        let paths = record.paths.iter().map(|path| {
            Ok(Exported {
                path: StorePath::from_base(&path.base)?,
                tree: TreeHash(path.tree),
                announced: Announced { entries: path.entries, size: path.size },
                references: parse(&path.references)?,
                deriver: path.deriver.as_deref().map(StorePath::from_base).transpose()?,
            })
        });
        let paths = paths.collect::<Result<Vec<_>, StorePathError>>()?;
        let header = Self { roots: parse(&record.roots)?, paths };
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), HeaderError> {
        let all: BTreeSet<&StorePath> = self.paths.iter().map(|exported| &exported.path).collect();
        let mut before: BTreeSet<&StorePath> = BTreeSet::new();
        let mut size = 0u64;
        for Exported { path, references, announced, .. } in &self.paths {
            if !before.insert(path) {
                return Err(HeaderError::Twice(path.clone()));
            }
            let late = |r: &&StorePath| all.contains(r) && !before.contains(r);
            if let Some(late) = references.iter().find(late) {
                return Err(HeaderError::Order(path.clone(), late.clone()));
            }
            size = size.checked_add(announced.size).ok_or(HeaderError::Size)?;
        }
        match self.roots.iter().find(|root| !all.contains(root)) {
            Some(root) => Err(HeaderError::Root(root.clone())),
            None => Ok(()),
        }
    }
}

fn text(path: &StorePath) -> String {
    path.base().to_owned()
}
