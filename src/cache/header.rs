//! The header of an export: what is in it, in the order in which it follows.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};

use crate::{
    closure,
    codec::{self, CodecError, RecordKind},
    hash::TreeHash,
    limits,
    store::PathInfo,
    store_path::{StorePath, StorePathError},
    tree::Announced,
};

const KIND: RecordKind =
    RecordKind { magic: *b"clutchex", version: 1, what: "the header of an export" };

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
    #[error("'{0}' has no entries")]
    Empty(StorePath),
    #[error("'{0}' is needed by nothing that was asked for")]
    Needless(StorePath),
    #[error("'{path}' is a {kind}, which {rule}")]
    Rule { path: StorePath, kind: &'static str, rule: &'static str },
    #[error("the deriver of '{0}' is given as '{1}', which is no derivation")]
    Deriver(StorePath, StorePath),
    #[error(
        "it is not written as an export's header is: a list is not sorted, or paths are in another order"
    )]
    Form,
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
            bytes if bytes.len() as u64 > limits::EXPORT_HEADER => {
                Err(CodecError::TooLarge(KIND.what))
            }
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
        match header.to_bytes()? == bytes && header.is_ordered() {
            true => Ok(header),
            false => Err(HeaderError::Form),
        }
    }

    /// Whether the paths stand in the order in which an export has them.
    fn is_ordered(&self) -> bool {
        let mut sorted: Vec<_> = self.paths.iter().map(|e| (&e.path, &e.references)).collect();
        sorted.sort_unstable();
        let order = closure::order(&sorted);
        order.iter().zip(&self.paths).all(|(at, exported)| *sorted[*at].0 == exported.path)
    }

    fn check(&self) -> Result<(), HeaderError> {
        let all: BTreeSet<&StorePath> = self.paths.iter().map(|exported| &exported.path).collect();
        let mut before: BTreeSet<&StorePath> = BTreeSet::new();
        let mut size = 0u64;
        for exported in &self.paths {
            let Exported { path, references, announced, .. } = exported;
            if !before.insert(path) {
                return Err(HeaderError::Twice(path.clone()));
            }
            let late = |r: &&StorePath| all.contains(r) && !before.contains(r);
            if let Some(late) = references.iter().find(late) {
                return Err(HeaderError::Order(path.clone(), late.clone()));
            }
            if announced.entries == 0 {
                return Err(HeaderError::Empty(path.clone()));
            }
            size = size.checked_add(announced.size).ok_or(HeaderError::Size)?;
            exported.check()?;
        }
        if let Some(root) = self.roots.iter().find(|root| !all.contains(root)) {
            return Err(HeaderError::Root(root.clone()));
        }
        // from behind, what needs a path was seen before it
        let mut needed: BTreeSet<&StorePath> = self.roots.iter().collect();
        for Exported { path, references, .. } in self.paths.iter().rev() {
            if !needed.contains(path) {
                return Err(HeaderError::Needless(path.clone()));
            }
            needed.extend(references);
        }
        Ok(())
    }
}

impl Exported {
    /// What it says of the path.
    pub(super) fn info(&self) -> PathInfo {
        PathInfo {
            path: self.path.clone(),
            tree: self.tree,
            size: self.announced.size,
            references: self.references.clone(),
            deriver: self.deriver.clone(),
            nar: None,
            signatures: BTreeSet::new(),
            registered: 0,
        }
    }

    /// Whether the path is that of a source with this tree.
    pub(super) fn is_source(&self) -> bool {
        StorePath::of_source(&self.tree, self.path.name()).as_ref() == Ok(&self.path)
    }

    /// Checks what follows from the path and its tree alone.
    fn check(&self) -> Result<(), HeaderError> {
        let Self { path, announced, references, deriver, .. } = self;
        let rule = |kind, rule| Err(HeaderError::Rule { path: path.clone(), kind, rule });
        if path.is_derivation() && announced.entries != 1 {
            return rule("derivation", "is one file");
        }
        if path.is_derivation() && announced.size > limits::DERIVATION {
            return rule("derivation", "is larger than any that is read");
        }
        let is_source = self.is_source();
        let kind = if is_source { "source" } else { "derivation" };
        if is_source && !references.is_empty() {
            return rule(kind, "refers to nothing");
        }
        if (is_source || path.is_derivation()) && deriver.is_some() {
            return rule(kind, "no derivation makes");
        }
        match deriver {
            Some(deriver) if !deriver.is_derivation() => {
                Err(HeaderError::Deriver(path.clone(), deriver.clone()))
            }
            _ => Ok(()),
        }
    }
}

fn text(path: &StorePath) -> String {
    path.base().to_owned()
}
