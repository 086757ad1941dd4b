//! The header of an export: a table of contents in the order of the paths that follow.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};

use crate::{
    closure,
    codec::{self, CodecError, RecordKind},
    hash::TreeHash,
    limits,
    store::{PathInfo, PathInfoError, Signature},
    store_path::{StorePath, StorePathError},
    tree::Announced,
};

/// The name of its entry in an export.
pub(super) const ENTRY: &str = "export";

const KIND: RecordKind =
    RecordKind { magic: *b"clutchex", version: 2, what: "the header of an export" };

/// The previous version, which is still read.
const KIND_1: RecordKind = RecordKind { version: 1, ..KIND };

/// The contents of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The paths that the user named.
    pub(super) roots: BTreeSet<StorePath>,
    /// Every path, each after its references.
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
    pub(super) signatures: BTreeSet<Signature>,
}

/// A problem of a header.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Path(#[from] StorePathError),
    #[error("the text of a path cannot be read: {0}")]
    Info(#[from] PathInfoError),
    #[error("'{0}' is listed twice")]
    Twice(StorePath),
    #[error("'{0}' refers to '{1}', which must come before it")]
    Order(StorePath, StorePath),
    #[error("'{0}' was exported by name, but is not in the export")]
    Root(StorePath),
    #[error("the sizes of the paths add up to more than a number holds")]
    Size,
    #[error("'{0}' has no entries")]
    Empty(StorePath),
    #[error("no exported path needs '{0}'")]
    Needless(StorePath),
    #[error("'{path}' is a {kind}, which {rule}")]
    Rule { path: StorePath, kind: &'static str, rule: &'static str },
    #[error("the deriver of '{0}' is '{1}', expected a derivation")]
    Deriver(StorePath, StorePath),
    #[error("its lists or paths are not in the canonical order")]
    Form,
}

#[derive(Encode, Decode)]
struct Record<P> {
    roots: Vec<String>,
    paths: Vec<P>,
}

#[derive(Encode, Decode)]
struct PathRecord {
    /// The text of its [`PathInfo`].
    info: String,
    entries: u64,
}

/// The same in version 1.
#[derive(Encode, Decode)]
struct PathRecord1 {
    base: String,
    tree: [u8; 32],
    entries: u64,
    size: u64,
    references: Vec<String>,
    deriver: Option<String>,
}

impl Header {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        let record = |exported: &Exported| PathRecord {
            info: exported.info().to_string(),
            entries: exported.announced.entries,
        };
        self.encode(KIND, record)
    }

    fn to_bytes_1(&self) -> Result<Vec<u8>, CodecError> {
        let record = |exported: &Exported| PathRecord1 {
            base: text(&exported.path),
            tree: exported.tree.0,
            entries: exported.announced.entries,
            size: exported.announced.size,
            references: exported.references.iter().map(text).collect(),
            deriver: exported.deriver.as_ref().map(text),
        };
        self.encode(KIND_1, record)
    }

    fn encode<P: Encode>(
        &self,
        kind: RecordKind,
        record: impl Fn(&Exported) -> P,
    ) -> Result<Vec<u8>, CodecError> {
        let roots = self.roots.iter().map(text).collect();
        let record = Record { roots, paths: self.paths.iter().map(record).collect() };
        match codec::encode(kind, &record)? {
            bytes if bytes.len() as u64 > limits::EXPORT_HEADER => {
                Err(CodecError::TooLarge(kind.what))
            }
            bytes => Ok(bytes),
        }
    }

    /// Reads a header and checks all that can be checked without a store.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, HeaderError> {
        let is_earlier = bytes.starts_with(&[&KIND_1.magic[..], &[1, 0]].concat());
        let header = match is_earlier {
            true => Self::decode(KIND_1, bytes, PathRecord1::read)?,
            false => Self::decode(KIND, bytes, PathRecord::read)?,
        };
        header.check()?;
        let own = if is_earlier { header.to_bytes_1() } else { header.to_bytes() };
        match own? == bytes && header.is_ordered() {
            true => Ok(header),
            false => Err(HeaderError::Form),
        }
    }

    fn decode<P: Decode<()>>(
        kind: RecordKind,
        bytes: &[u8],
        read: impl Fn(P) -> Result<Exported, HeaderError>,
    ) -> Result<Self, HeaderError> {
        let record: Record<P> = codec::decode(kind, bytes)?;
        let paths = record.paths.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { roots: parse(&record.roots)?, paths })
    }

    /// True if the paths are in the canonical order.
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
        // backwards, so that the users of a path are seen before it
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

impl PathRecord {
    fn read(self) -> Result<Exported, HeaderError> {
        let info: PathInfo = self.info.parse()?;
        Ok(Exported::of(info, self.entries))
    }
}

impl PathRecord1 {
    fn read(self) -> Result<Exported, HeaderError> {
        Ok(Exported {
            path: StorePath::from_base(&self.base)?,
            tree: TreeHash(self.tree),
            announced: Announced { entries: self.entries, size: self.size },
            references: parse(&self.references)?,
            deriver: self.deriver.as_deref().map(StorePath::from_base).transpose()?,
            signatures: BTreeSet::new(),
        })
    }
}

fn parse(texts: &[String]) -> Result<BTreeSet<StorePath>, StorePathError> {
    texts.iter().map(|text| StorePath::from_base(text)).collect()
}

impl Exported {
    /// A path with this number of entries. Its NAR hash is left out: it follows from the tree.
    pub(super) fn of(info: PathInfo, entries: u64) -> Self {
        let PathInfo { path, tree, size, references, deriver, signatures, .. } = info;
        let announced = Announced { entries, size };
        Self { path, tree, announced, references, deriver, signatures }
    }

    /// The path's info.
    pub(super) fn info(&self) -> PathInfo {
        PathInfo {
            path: self.path.clone(),
            tree: self.tree,
            size: self.announced.size,
            references: self.references.clone(),
            deriver: self.deriver.clone(),
            nar: None,
            signatures: self.signatures.clone(),
            registered: 0,
        }
    }

    /// True if a source with this tree has this path.
    pub(super) fn is_source(&self) -> bool {
        StorePath::of_source(&self.tree, self.path.name()).as_ref() == Ok(&self.path)
    }

    /// Checks the rules that need only the path and its tree.
    fn check(&self) -> Result<(), HeaderError> {
        let Self { path, announced, references, deriver, .. } = self;
        let rule = |kind, rule| Err(HeaderError::Rule { path: path.clone(), kind, rule });
        if path.is_derivation() && announced.entries != 1 {
            return rule("derivation", "is one file");
        }
        if path.is_derivation() && announced.size > limits::DERIVATION {
            return rule("derivation", "is larger than the limit for derivations");
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
