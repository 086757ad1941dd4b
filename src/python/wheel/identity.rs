//! What a wheel says it is: its file name, its `.dist-info` folder, `METADATA` and `WHEEL`, which
//! have to agree.

use super::headers::Headers;
use crate::builders::zip_file::Zip;

/// What is known of a wheel before it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The distribution's name as `METADATA` writes it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The name of the `.dist-info` folder without that ending: `name-version`.
    pub stem: String,
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
        let (name, version) = file_name(file)?;
        let stem = dist_info(zip)?;
        let file_in = |leaf: &str| {
            let path = format!("{stem}.dist-info/{leaf}");
            let entry = zip.find(&path).ok_or_else(|| format!("it has no '{path}'"))?;
            let content = zip.read(entry).map_err(|e| e.to_string())?;
            Headers::parse(&content).map_err(|why| format!("{path}: {why}"))
        };
        let (metadata, wheel) = (file_in("METADATA")?, file_in("WHEEL")?);
        let identity = Self {
            name: metadata.one("name")?.to_owned(),
            version: metadata.one("version")?.to_owned(),
            stem: stem.to_owned(),
        };
        let claims = [("METADATA", (identity.name.as_str(), identity.version.as_str()))];
        let folder = stem.split_once('-').map(|pair| ("its .dist-info folder", pair));
        for (place, (other_name, other_version)) in claims.into_iter().chain(folder) {
            if normalised(name) != normalised(other_name) || !same_version(version, other_version) {
                return Err(format!(
                    "the file name says '{name}' '{version}', but {place} says '{other_name}' \
                     '{other_version}'"
                ));
            }
        }
        let format = wheel.one("wheel-version")?;
        if format.split('.').next() != Some("1") {
            return Err(format!("Wheel-Version {format} is not supported, only 1.x"));
        }
        // Both library folders are one on Linux; the header must still be well-formed.
        match wheel.one("root-is-purelib")?.to_ascii_lowercase().as_str() {
            "true" | "false" => Ok(identity),
            other => Err(format!("Root-Is-Purelib is '{other}', expected true or false")),
        }
    }
}

/// The name and version in `name-version[-build]-python-abi-platform.whl`.
fn file_name(file: &str) -> Result<(&str, &str), String> {
    let wrong = || format!("'{file}' is not a wheel's file name");
    let parts: Vec<_> = file.strip_suffix(".whl").ok_or_else(wrong)?.split('-').collect();
    if !matches!(parts.len(), 5 | 6) || parts.iter().any(|part| part.is_empty()) {
        return Err(wrong());
    }
    Ok((parts[0], parts[1]))
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
        several => Err(format!("it has several .dist-info folders: {}", several.join(", "))),
    }
}

/// A distribution's name as it is compared (PEP 503).
#[must_use]
pub fn normalised(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push('-');
        }
        out.push_str(&part.to_ascii_lowercase());
    }
    out
}

/// Whether two versions are the same, written alike up to case and separators.
fn same_version(a: &str, b: &str) -> bool {
    let plain = |v: &str| v.to_ascii_lowercase().replace(['-', '_'], ".");
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare() {
        assert_eq!(normalised("Foo.__-bar"), "foo-bar");
        assert!(same_version("1.0+A_b", "1.0+a.b") && !same_version("1.0", "1.1"));
    }

    #[test]
    fn file_names_have_five_or_six_parts() {
        assert_eq!(file_name("a_b-1.0-py3-none-any.whl"), Ok(("a_b", "1.0")));
        assert_eq!(file_name("a-1.0-1x-py3-none-any.whl"), Ok(("a", "1.0")));
        for bad in
            ["a-1.0.whl", "a-1.0-py3-none-any.zip", "a--py3-none-any.whl", "a-1-2-3-4-5-6.whl"]
        {
            assert!(file_name(bad).is_err(), "{bad}");
        }
    }
}
