//! The identity of a wheel: its file name, its `.dist-info` folder, `METADATA` and `WHEEL`, which
//! have to agree.

use std::borrow::Cow;

use super::headers::{Headers, HeadersError};
use crate::{
    limits,
    net::simple::normalised,
    python::{
        excerpt::{excerpt, several},
        version::Version,
        wheel_name::{WheelName, WheelNameError},
    },
    unpack::{
        ArchiveError,
        zip_file::{Entry, Zip},
    },
};

/// An error about an archive that is not a wheel, or not the one that its file name says.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file name.
    #[error(transparent)]
    FileName(#[from] WheelNameError),
    /// No folder that describes it.
    #[error("expected a '.dist-info' folder, found none")]
    NoDistInfo,
    /// Several folders that describe something.
    #[error("expected one '.dist-info' folder, found several: {0}")]
    SeveralDistInfo(String),
    /// A file of its description is missing.
    #[error("'{0}' is missing")]
    Missing(String),
    /// A file of its description is larger than any such file.
    #[error("'{path}' has {size} bytes, at most {} MiB are allowed", limits::METADATA >> 20)]
    Large {
        /// The file.
        path: String,
        /// Its bytes.
        size: u64,
    },
    /// A file of its description is damaged.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file of its description cannot be read.
    #[error("'{path}': {reason}")]
    Headers {
        /// The file.
        path: String,
        /// The problem.
        reason: HeadersError,
    },
    /// Two places give different names or versions.
    #[error("the file name says '{}' '{}', but {place} says '{}' '{}'", own.0, own.1, other.0, other.1)]
    Disagreement {
        /// Name and version in the file name.
        own: (String, String),
        /// The other place.
        place: &'static str,
        /// Name and version there.
        other: (String, String),
    },
    /// A version of the format that is not known.
    #[error("Wheel-Version {0} is not supported, only 1.x")]
    Format(String),
    /// `Root-Is-Purelib` is neither true nor false.
    #[error("Root-Is-Purelib is '{0}', expected true or false")]
    Purelib(String),
}

/// Name and version of a wheel, read before it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The distribution's name as `METADATA` writes it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The name of the `.dist-info` folder without that ending: `name-version`.
    pub stem: String,
    /// Warnings about its description.
    pub warnings: Vec<String>,
}

/// The content of a file that describes a wheel.
///
/// # Errors
/// If it is larger than any such file, or damaged.
pub(crate) fn description<'z>(zip: &'z Zip, entry: &Entry) -> Result<Cow<'z, [u8]>, IdentityError> {
    if entry.size > limits::METADATA {
        return Err(IdentityError::Large { path: excerpt(&entry.name), size: entry.size });
    }
    Ok(zip.read(entry)?)
}

impl Identity {
    /// The folder of the distribution's own description.
    #[must_use]
    pub(crate) fn dist_info(&self) -> String {
        format!("{}.dist-info", self.stem)
    }

    /// Reads it out of an archive and checks that all places agree.
    ///
    /// # Errors
    /// Names the file at fault.
    pub(crate) fn read(zip: &Zip, file: &str) -> Result<Self, IdentityError> {
        let named: WheelName = file.parse()?;
        let stem = dist_info(zip)?;
        let mut warnings = Vec::new();
        let mut file_in = |leaf: &str| {
            let path = format!("{stem}.dist-info/{leaf}");
            let entry = zip.find(&path).ok_or_else(|| IdentityError::Missing(path.clone()))?;
            let headers = Headers::parse(&description(zip, entry)?)
                .map_err(|reason| IdentityError::Headers { path: path.clone(), reason })?;
            if headers.is_latin1() {
                warnings.push(not_utf8(&path));
            }
            Ok::<_, IdentityError>(headers)
        };
        let (metadata, wheel) = (file_in("METADATA")?, file_in("WHEEL")?);
        let of = |headers: &Headers, leaf: &str, name: &str| -> Result<String, IdentityError> {
            let path = || format!("{stem}.dist-info/{leaf}");
            let value = headers.one(name).map(str::to_owned);
            value.map_err(|reason| IdentityError::Headers { path: path(), reason })
        };
        let identity = Self {
            name: of(&metadata, "METADATA", "name")?,
            version: of(&metadata, "METADATA", "version")?,
            stem: stem.to_owned(),
            warnings,
        };
        let claims = [("METADATA", (identity.name.as_str(), identity.version.as_str()))];
        let folder = stem.split_once('-').map(|pair| ("its .dist-info folder", pair));
        for (place, (other_name, other_version)) in claims.into_iter().chain(folder) {
            let version = other_version.replace('_', "-").parse::<Version>();
            if named.name != normalised(other_name) || version.as_ref() != Ok(&named.version) {
                return Err(IdentityError::Disagreement {
                    own: (named.name, named.version.to_string()),
                    place,
                    other: (excerpt(other_name), excerpt(other_version)),
                });
            }
        }
        let format = of(&wheel, "WHEEL", "wheel-version")?;
        if format.split('.').next() != Some("1") {
            return Err(IdentityError::Format(excerpt(&format)));
        }
        // both library folders are one on Linux; the header must still be well-formed
        match of(&wheel, "WHEEL", "root-is-purelib")?.to_ascii_lowercase().as_str() {
            "true" | "false" => Ok(identity),
            other => Err(IdentityError::Purelib(excerpt(other))),
        }
    }
}

/// The stem of the only folder `<stem>.dist-info`.
fn dist_info(zip: &Zip) -> Result<&str, IdentityError> {
    let mut stems: Vec<_> = zip
        .entries()
        .iter()
        .filter_map(|entry| entry.name.split('/').next()?.strip_suffix(".dist-info"))
        .collect();
    stems.sort_unstable();
    stems.dedup();
    match stems.as_slice() {
        [stem] => Ok(stem),
        [] => Err(IdentityError::NoDistInfo),
        all => Err(IdentityError::SeveralDistInfo(several(all, 5, ", "))),
    }
}

/// The warning about a text that was read as Latin-1.
#[must_use]
pub(crate) fn not_utf8(path: &str) -> String {
    format!("'{path}' is not UTF-8 and was read as Latin-1")
}
