//! The info of a valid path, and its one text form, which is shown, signed and exported (docs/formats.md,
//! "Path information"). Knows nothing of keys.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{
    hash::{Algorithm, Format, Hash, TreeHash, decode_base16, decode_base64, encode_base64},
    store_path::{StorePath, StorePathError, check_name},
};

/// The first line of the text. It keeps a signature of this text from being one of any other.
const FIRST: &str = "clutch path info 1";

/// The info of a valid path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// The path.
    pub path: StorePath,
    /// The hash of its tree.
    pub tree: TreeHash,
    /// Bytes in its files and symlink targets.
    pub size: u64,
    /// The paths that it refers to, maybe itself.
    pub references: BTreeSet<StorePath>,
    /// The derivation that made it.
    pub deriver: Option<StorePath>,
    /// Its tree in Nix's archive format, computed on request ([`super::Store::nar`]) and then kept.
    pub nar: Option<Nar>,
    /// The signatures of the lines before these.
    pub signatures: BTreeSet<Signature>,
    /// The time when it became valid here, in seconds since 1970; 0 if it is not of this store.
    pub registered: u64,
}

/// The size and hash of a tree in Nix's archive format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nar {
    /// Its SHA-256.
    pub hash: Hash,
    /// Bytes.
    pub size: u64,
}

/// A signature, of Ed25519 (RFC 8032).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// The name of the key.
    pub key: String,
    /// The signature itself.
    pub bytes: [u8; 64],
}

/// An error of reading the text of a path.
#[derive(Debug, thiserror::Error)]
pub enum PathInfoError {
    /// The first line is another.
    #[error("it begins with {0:?}, expected \"{FIRST}\"")]
    First(String),
    /// A line is missing.
    #[error("expected a line '{0}: ...'")]
    Missing(&'static str),
    /// A line does not belong there.
    #[error("line {0:?} is unknown, repeated or out of order")]
    Line(String),
    /// A value is not one.
    #[error("line {0:?}: expected {1}")]
    Value(String, &'static str),
    /// A path is not one.
    #[error(transparent)]
    Path(#[from] StorePathError),
}

impl PathInfo {
    /// The signed part of the text: it never changes while the path is valid. The tree hash covers every byte, so
    /// neither signing nor copying needs the NAR hash.
    #[must_use]
    pub fn statement(&self) -> String {
        let Self { path, tree, size, references, deriver, .. } = self;
        let mut text = format!("{FIRST}\npath: {path}\ntree: {tree}\nsize: {size}\n");
        for reference in references {
            text += &format!("reference: {reference}\n");
        }
        if let Some(deriver) = deriver {
            text += &format!("deriver: {deriver}\n");
        }
        text
    }
}

impl fmt::Display for PathInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.statement())?;
        if let Some(Nar { hash, size }) = &self.nar {
            writeln!(f, "nar: {} {size}", hash.format(Format::Sri))?;
        }
        self.signatures.iter().try_for_each(|signature| writeln!(f, "signature: {signature}"))
    }
}

impl FromStr for PathInfo {
    type Err = PathInfoError;

    /// Reads exactly what `Display` writes.
    fn from_str(text: &str) -> Result<Self, PathInfoError> {
        let mut lines = Lines(text);
        match lines.next() {
            Some(FIRST) => {}
            first => return Err(PathInfoError::First(first.unwrap_or_default().to_owned())),
        }
        let path = StorePath::parse(lines.field("path")?)?;
        let tree = lines.value("tree", "a hash of 64 digits", |text| {
            Some(TreeHash(decode_base16(text)?.try_into().ok()?))
        })?;
        let size = lines.value("size", "a number", |text| text.parse().ok())?;
        let mut references = BTreeSet::new();
        while let Some(reference) = lines.optional("reference") {
            references.insert(StorePath::parse(reference)?);
        }
        let deriver = lines.optional("deriver").map(StorePath::parse).transpose()?;
        let nar = lines.optional("nar").map(|text| {
            let nar = || {
                let (hash, size) = text.split_once(' ')?;
                let hash = Hash::parse(hash, Some(Algorithm::Sha256)).ok()?;
                Some(Nar { hash, size: size.parse().ok()? })
            };
            nar().ok_or_else(|| PathInfoError::Value(text.to_owned(), "a SHA-256 and a size"))
        });
        let nar = nar.transpose()?;
        let mut signatures = BTreeSet::new();
        while let Some(signature) = lines.optional("signature") {
            signatures.insert(signature.parse()?);
        }
        let info = Self { path, tree, size, references, deriver, nar, signatures, registered: 0 };
        // rejects other forms: unsorted lists, leading zeros, capitals in hashes
        let own = info.to_string();
        let other = own.lines().zip(text.lines()).find(|(own, found)| own != found);
        match other.map(|(_, found)| found).or(lines.next()) {
            None if own == text => Ok(info),
            odd => Err(PathInfoError::Line(odd.unwrap_or_default().to_owned())),
        }
    }
}

/// The lines that are still to be read.
struct Lines<'a>(&'a str);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (line, rest) = self.0.split_once('\n').unwrap_or((self.0, ""));
        (!self.0.is_empty()).then(|| {
            self.0 = rest;
            line
        })
    }

    /// The value of the next line, if that is one of this name.
    fn optional(&mut self, name: &str) -> Option<&'a str> {
        let value = self.0.strip_prefix(name)?.strip_prefix(": ")?;
        let (value, rest) = value.split_once('\n').unwrap_or((value, ""));
        self.0 = rest;
        Some(value)
    }

    fn field(&mut self, name: &'static str) -> Result<&'a str, PathInfoError> {
        self.optional(name).ok_or(PathInfoError::Missing(name))
    }

    fn value<T>(
        &mut self,
        name: &'static str,
        what: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, PathInfoError> {
        let text = self.field(name)?;
        read(text).ok_or_else(|| PathInfoError::Value(text.to_owned(), what))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key, encode_base64(&self.bytes))
    }
}

impl FromStr for Signature {
    type Err = PathInfoError;

    fn from_str(text: &str) -> Result<Self, PathInfoError> {
        let wrong =
            || PathInfoError::Value(text.to_owned(), "a key's name and 64 bytes in base 64");
        let (key, bytes) = text.split_once(':').ok_or_else(wrong)?;
        check_name(key)?;
        let bytes = decode_base64(bytes).and_then(|bytes| bytes.try_into().ok());
        Ok(Self { key: key.to_owned(), bytes: bytes.ok_or_else(wrong)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(n: u8, name: &str) -> StorePath {
        StorePath::new(&[n; 20], name).unwrap()
    }

    fn info() -> PathInfo {
        let signature = |key: &str, n| Signature { key: key.to_owned(), bytes: [n; 64] };
        PathInfo {
            path: path(3, "app"),
            tree: TreeHash([0xab; 32]),
            size: 12,
            references: [path(1, "lib"), path(3, "app")].into(),
            deriver: Some(path(2, "app.drv")),
            nar: Some(Nar { hash: Algorithm::Sha256.digest(b"nar"), size: 136 }),
            signatures: [signature("ci-1", 7), signature("release", 8)].into(),
            registered: 0,
        }
    }

    #[test]
    fn the_text_is_the_documented_one() {
        let (lib, app, drv) = (path(1, "lib"), path(3, "app"), path(2, "app.drv"));
        let tree = "ab".repeat(32);
        let statement = format!(
            "clutch path info 1\npath: {app}\ntree: {tree}\nsize: 12\nreference: {lib}\n\
             reference: {app}\nderiver: {drv}\n"
        );
        assert_eq!(info().statement(), statement);
        let text = info().to_string();
        let rest = text.strip_prefix(&info().statement()).unwrap();
        let [seven, eight] = [7, 8].map(|n| encode_base64(&[n; 64]));
        assert_eq!(
            rest,
            format!(
                "nar: sha256-{} 136\nsignature: ci-1:{seven}\nsignature: release:{eight}\n",
                encode_base64(Algorithm::Sha256.digest(b"nar").bytes())
            )
        );
        let plain = PathInfo {
            references: BTreeSet::new(),
            deriver: None,
            nar: None,
            signatures: BTreeSet::new(),
            ..info()
        };
        for info in [info(), plain] {
            assert_eq!(info.to_string().parse::<PathInfo>().unwrap(), info);
        }
    }

    #[test]
    fn every_other_text_is_refused() {
        let text = info().to_string();
        assert!(text.parse::<PathInfo>().is_ok());
        for (old, new) in [
            ("info 1", "info 2"),
            ("size: 12", "size: 012"),
            ("size: 12", "size: +12"),
            ("size: 12\n", ""),
            ("size: 12\n", "size: 12\nsize: 12\n"),
            ("size: 12\n", "size: 12\r\n"),
            ("abab", "ABAB"),
            ("abab", ""),
            ("path: /clutch", "path: /nix"),
            ("deriver", "maker"),
            (" 136", " 0136"),
            (" 136", ""),
            ("nar: sha256-", "nar: sha256:"),
            ("ci-1:", "ci 1:"),
            ("ci-1:", "zz:"),
            ("ci-1:", ""),
            ("signature: release", "\nsignature: release"),
        ] {
            let other = text.replacen(old, new, 1);
            assert_ne!(other, text);
            assert!(other.parse::<PathInfo>().is_err(), "{old:?} as {new:?}");
        }
        for end in 0..text.len() {
            // what ends after a signature or before them is a whole text, too
            let cut = &text[..end];
            assert!(
                cut.parse::<PathInfo>().is_ok_and(|info| info.to_string() == cut)
                    || cut.parse::<PathInfo>().is_err()
            );
        }
        assert!(format!("{text}\n").parse::<PathInfo>().is_err());
        let references: Vec<&str> = text.lines().filter(|l| l.starts_with("reference")).collect();
        let swapped = text.replacen(
            &references.join("\n"),
            &format!("{}\n{}", references[1], references[0]),
            1,
        );
        assert!(swapped.parse::<PathInfo>().is_err());
    }
}
