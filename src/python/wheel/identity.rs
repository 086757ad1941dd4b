//! What a wheel says it is: its file name, its `.dist-info` folder, `METADATA` and `WHEEL`, which
//! have to agree.

use std::borrow::Cow;

use super::headers::Headers;
use crate::{
    limits,
    net::simple::normalised,
    python::{
        excerpt::{excerpt, several},
        version::Version,
        wheel_name::{WheelName, WheelNameError},
    },
    unpack::zip_file::{Entry, Zip},
};

/// What is known of a wheel before it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The distribution's name as `METADATA` writes it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The name of the `.dist-info` folder without that ending: `name-version`.
    pub stem: String,
    /// What is wrong with the description and no reason to refuse it.
    pub warnings: Vec<String>,
}

/// The content of a file that describes a wheel.
///
/// # Errors
/// The reason: it is larger than any such file, or damaged.
pub fn description<'z>(zip: &'z Zip, entry: &Entry) -> Result<Cow<'z, [u8]>, String> {
    if entry.size > limits::METADATA {
        return Err(format!(
            "{}: it has {} bytes, more than the {} MiB that such a file may have",
            entry.name,
            entry.size,
            limits::METADATA >> 20
        ));
    }
    zip.read(entry).map_err(|e| e.to_string())
}

impl Identity {
    /// The folder of the distribution's own description.
    #[must_use]
    pub fn dist_info(&self) -> String {
        format!("{}.dist-info", self.stem)
    }

    /// Reads it out of an archive and checks that all places agree.
    ///
    /// # Errors
    /// The reason, and the file at fault.
    pub fn read(zip: &Zip, file: &str) -> Result<Self, String> {
        let named: WheelName = file.parse().map_err(|e: WheelNameError| e.to_string())?;
        let stem = dist_info(zip)?;
        let mut warnings = Vec::new();
        let mut file_in = |leaf: &str| {
            let path = format!("{stem}.dist-info/{leaf}");
            let entry = zip.find(&path).ok_or_else(|| format!("it has no '{path}'"))?;
            let headers = Headers::parse(&description(zip, entry)?);
            let headers = headers.map_err(|why| format!("{path}: {why}"))?;
            if headers.is_latin1() {
                warnings.push(not_utf8(&path));
            }
            Ok::<_, String>(headers)
        };
        let (metadata, wheel) = (file_in("METADATA")?, file_in("WHEEL")?);
        let identity = Self {
            name: metadata.one("name")?.to_owned(),
            version: metadata.one("version")?.to_owned(),
            stem: stem.to_owned(),
            warnings,
        };
        let claims = [("METADATA", (identity.name.as_str(), identity.version.as_str()))];
        let folder = stem.split_once('-').map(|pair| ("its .dist-info folder", pair));
        for (place, (other_name, other_version)) in claims.into_iter().chain(folder) {
            let version = other_version.replace('_', "-").parse::<Version>();
            if named.name != normalised(other_name) || version.as_ref() != Ok(&named.version) {
                return Err(format!(
                    "the file name says '{}' '{}', but {place} says '{}' '{}'",
                    named.name,
                    named.version,
                    excerpt(other_name),
                    excerpt(other_version)
                ));
            }
        }
        let format = wheel.one("wheel-version")?;
        if format.split('.').next() != Some("1") {
            return Err(format!("Wheel-Version {} is not supported, only 1.x", excerpt(format)));
        }
        // Both library folders are one on Linux; the header must still be well-formed.
        match wheel.one("root-is-purelib")?.to_ascii_lowercase().as_str() {
            "true" | "false" => Ok(identity),
            other => {
                Err(format!("Root-Is-Purelib is '{}', expected true or false", excerpt(other)))
            }
        }
    }
}

/// The stem of the only folder `<stem>.dist-info`.
fn dist_info(zip: &Zip) -> Result<&str, String> {
    let mut stems: Vec<_> = zip
        .entries()
        .iter()
        .filter_map(|entry| entry.name.split('/').next()?.strip_suffix(".dist-info"))
        .collect();
    stems.sort_unstable();
    stems.dedup();
    match stems.as_slice() {
        [stem] => Ok(stem),
        [] => Err("it has no .dist-info folder".to_owned()),
        all => Err(format!("it has several .dist-info folders: {}", several(all, 5, ", "))),
    }
}

/// The warning about a text that was read as Latin-1.
#[must_use]
pub fn not_utf8(path: &str) -> String {
    format!("{path}: it is not UTF-8 and was read as Latin-1")
}
