//! The lock of Python packages (docs/formats.md, "clutch.lock", "Python").

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use super::{
    marker::{Marker, MarkerEnvironment},
    tags::{Platform, Tags},
    version::Version,
    wheel_name::WheelName,
};
use crate::{
    lock_file::{Fields, HEAD, LockError, Source, VERSION, write_string},
    net::simple::normalised,
};

/// The value of the field `kind`.
pub const KIND: &str = "python";

/// Pinned packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonLock {
    /// The name of the index that holds the files.
    pub index: String,
    /// The requirements files that it was made from, in the order in which they were read; empty if
    /// they are not known.
    pub requirements: Vec<LockedRequirements>,
    /// The targets.
    pub targets: Vec<Target>,
    /// The packages.
    pub packages: Vec<LockedPackage>,
}

/// A requirements file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedRequirements {
    /// Its path, relative to the lock's folder. It is in or below that folder.
    pub file: String,
    /// The SHA-256 of its content in lower-case hexadecimal.
    pub sha256: String,
}

/// An interpreter on a platform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The second part of the version: 11 for CPython 3.11.
    pub minor: u32,
    /// The platform.
    pub platform: Platform,
}

/// One pinned package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its normalised name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its marker, unless that holds for every target.
    pub marker: Option<Marker>,
    /// Its wheels.
    pub files: Vec<LockedFile>,
    /// The offset in bytes at which it begins in the text; 0 if the lock was not read from a text.
    pub at: usize,
}

/// One wheel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedFile {
    /// The file's name.
    pub name: String,
    /// The parts of the name.
    pub wheel: WheelName,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// A malformed version or platform of a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The version.
    #[error("'{0}' is not a known version of Python, expected '3.<minor>' such as '3.11'")]
    Python(String),
    /// The platform.
    #[error(transparent)]
    Platform(#[from] super::tags::PlatformError),
}

impl Target {
    /// The target of a version such as `3.11` and a platform such as `manylinux_2_36_x86_64`.
    ///
    /// # Errors
    /// Says which of the two is malformed, and what was expected.
    pub fn new(python: &str, platform: &str) -> Result<Self, TargetError> {
        let minor = python.strip_prefix("3.").and_then(|minor| minor.parse().ok());
        let minor = minor.filter(|minor| (2..100).contains(minor));
        let minor = minor.ok_or_else(|| TargetError::Python(python.to_owned()))?;
        Ok(Self { minor, platform: platform.parse()? })
    }

    /// The target of a version of Python on the platform of the interpreters that the library builds
    /// from Debian packages: 3.13 and later are those of trixie (glibc 2.41), earlier ones those of
    /// bookworm (glibc 2.36).
    ///
    /// # Errors
    /// It is not a version of Python.
    pub fn usual(python: &str, arch: &str) -> Result<Self, TargetError> {
        let oldest = Self::new(python, &format!("manylinux_2_36_{arch}"))?;
        if oldest.minor < 13 {
            return Ok(oldest);
        }
        Self::new(python, &format!("manylinux_2_41_{arch}"))
    }

    /// `3.11`
    #[must_use]
    pub fn python(&self) -> String {
        format!("3.{}", self.minor)
    }

    /// The tags of the wheels that it accepts.
    #[must_use]
    pub fn tags(&self) -> Tags {
        Tags::cpython(self.minor, &self.platform)
    }

    /// The environment for markers. The patch version is not known, so it is 0.
    #[must_use]
    pub fn markers(&self) -> MarkerEnvironment {
        MarkerEnvironment {
            python_version: self.python(),
            python_full_version: format!("{}.0", self.python()),
            machine: self.platform.machine().to_owned(),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Python {} on {}", self.python(), self.platform)
    }
}

impl LockedPackage {
    fn read(fields: &Fields<'_>) -> Result<Self, LockError> {
        fields.only(&["name", "version", "marker", "file"])?;
        let name = fields.string("name")?;
        if normalised(name) != name || name.is_empty() {
            return Err(fields.bad("name", "expected a name normalised as PEP 503 says"));
        }
        let version = fields.string("version")?;
        let version: Version =
            version.parse().map_err(|e| fields.bad("version", &format!("{e}")))?;
        let marker = fields.optional("marker")?.map(str::parse::<Marker>).transpose();
        let marker = marker.map_err(|e| fields.bad("marker", &e.to_string()))?;
        let mut files = Vec::new();
        for fields in fields.tables("file", "file")? {
            fields.only(&["name", "size", "sha256"])?;
            let file = fields.string("name")?;
            let wheel: WheelName = file.parse().map_err(|e| fields.bad("name", &format!("{e}")))?;
            if wheel.name != name || wheel.version != version {
                let problem = format!("'{file}' is not a wheel of {name} {version}");
                return Err(fields.bad("name", &problem));
            }
            files.push(LockedFile {
                name: file.to_owned(),
                wheel,
                size: fields.integer("size")?,
                sha256: fields.sha256("sha256")?.to_owned(),
            });
        }
        if files.is_empty() {
            return Err(fields.bad("file", "expected at least one"));
        }
        Ok(Self { name: name.to_owned(), version, marker, files, at: fields.at() })
    }

    /// The key that packages are sorted by.
    fn key(&self) -> (&str, &Version, Option<String>) {
        (&self.name, &self.version, self.marker.as_ref().map(ToString::to_string))
    }
}

impl PythonLock {
    /// Reads the text of a lock; `file` is for messages.
    ///
    /// # Errors
    /// Names file, line, package and field, and what was expected.
    pub fn parse(file: &Path, text: &str) -> Result<Self, LockError> {
        let source = Source { file: file.to_owned(), text };
        let table = source.parse()?;
        let fields = source.fields(&table, KIND)?;
        fields.only(&["version", "kind", "index", "requirements", "target", "package"])?;
        let mut requirements = Vec::new();
        for fields in fields.tables("requirements", "requirements")? {
            fields.only(&["file", "sha256"])?;
            let file = fields.string("file")?;
            if file.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(fields.bad("file", "expected a path below the lock's folder"));
            }
            let sha256 = fields.sha256("sha256")?.to_owned();
            requirements.push(LockedRequirements { file: file.to_owned(), sha256 });
        }
        let mut targets = Vec::new();
        for fields in fields.tables("target", "target")? {
            fields.only(&["python", "platform"])?;
            let target = Target::new(fields.string("python")?, fields.string("platform")?);
            targets.push(target.map_err(|e| {
                let field = if matches!(e, TargetError::Python(_)) { "python" } else { "platform" };
                fields.bad(field, &e.to_string())
            })?);
        }
        if targets.is_empty() {
            return Err(fields.bad("target", "expected at least one"));
        }
        let tables = fields.tables("package", "package")?;
        let packages = tables.iter().map(LockedPackage::read).collect::<Result<Vec<_>, _>>()?;
        let mut seen = BTreeSet::new();
        for (package, table) in packages.iter().zip(&tables) {
            if !seen.insert(package.key()) {
                return Err(table.bad("name", "it is in the lock twice"));
            }
        }
        let index = fields.string("index")?.to_owned();
        Ok(Self { index, requirements, targets, packages })
    }
}

/// The text of the lock. Equal pins give equal texts.
impl std::fmt::Display for PythonLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = format!("{HEAD}version = {VERSION}\n");
        write_string(&mut out, "kind", KIND);
        write_string(&mut out, "index", &self.index);
        for made_of in &self.requirements {
            out.push_str("\n[[requirements]]\n");
            write_string(&mut out, "file", &made_of.file);
            write_string(&mut out, "sha256", &made_of.sha256);
        }
        let targets: BTreeSet<_> = self.targets.iter().collect();
        for target in targets {
            out.push_str("\n[[target]]\n");
            write_string(&mut out, "python", &target.python());
            write_string(&mut out, "platform", &target.platform.to_string());
        }
        let mut packages: Vec<_> = self.packages.iter().collect();
        packages.sort_by_key(|package| package.key());
        for package in packages {
            out.push_str("\n[[package]]\n");
            write_string(&mut out, "name", &package.name);
            write_string(&mut out, "version", &package.version.to_string());
            if let Some(marker) = &package.marker {
                write_string(&mut out, "marker", &marker.to_string());
            }
            let mut files: Vec<_> = package.files.iter().collect();
            files.sort_by_key(|file| &file.name);
            for file in files {
                out.push_str("[[package.file]]\n");
                write_string(&mut out, "name", &file.name);
                let _ = writeln!(out, "size = {}", file.size);
                write_string(&mut out, "sha256", &file.sha256);
            }
        }
        f.write_str(&out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> LockedFile {
        let (name, wheel) = (name.to_owned(), name.parse().unwrap());
        LockedFile { name, wheel, size: 12, sha256: "0a".repeat(32) }
    }

    /// A lock that was read, as if it had not been.
    fn parse(text: &str) -> Result<PythonLock, LockError> {
        let mut lock = PythonLock::parse(Path::new("l"), text)?;
        for package in &mut lock.packages {
            assert!(text[package.at..].starts_with("[[package]]"), "{}", package.at);
            package.at = 0;
        }
        Ok(lock)
    }

    fn lock() -> PythonLock {
        let package = |name: &str, version: &str, marker: Option<&str>| LockedPackage {
            name: name.to_owned(),
            version: version.parse().unwrap(),
            marker: marker.map(|m| m.parse().unwrap()),
            files: vec![file(&format!("{}-{version}-py3-none-any.whl", name.replace('-', "_")))],
            at: 0,
        };
        PythonLock {
            index: "pypi".to_owned(),
            requirements: vec![LockedRequirements {
                file: "sub/requirements.txt".to_owned(),
                sha256: "ee".repeat(32),
            }],
            targets: vec![
                Target::new("3.9", "manylinux_2_36_x86_64").unwrap(),
                Target::new("3.11", "musllinux_1_2_aarch64").unwrap(),
            ],
            packages: vec![
                package("a-b", "1.0", Some("python_version < '3.10'")),
                package("a-b", "2.0", Some("python_version >= '3.10'")),
                package("c", "1", None),
            ],
        }
    }

    #[test]
    fn a_lock_reads_back() {
        let text = lock().to_string();
        assert_eq!(parse(&text), Ok(lock()));
        let mut turned = lock();
        turned.packages.reverse();
        turned.targets.reverse();
        assert_eq!(turned.to_string(), text);
        assert!(
            text.contains("\nmarker = 'python_version < \"3.10\"'\n[[package.file]]\n"),
            "{text}"
        );
    }

    #[test]
    fn usual_targets_are_those_of_the_library() {
        let usual = |python| Target::usual(python, "x86_64").unwrap().to_string();
        assert_eq!(usual("3.11"), "Python 3.11 on manylinux_2_36_x86_64");
        assert_eq!(usual("3.13"), "Python 3.13 on manylinux_2_41_x86_64");
        assert!(Target::usual("3", "x86_64").is_err());
    }

    #[test]
    fn the_examples_have_locks_in_normal_form() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let folders = fs_err::read_dir(examples).unwrap().map(|entry| entry.unwrap().path());
        let locks: Vec<_> = folders.map(|f| f.join("clutch.lock")).filter(|f| f.exists()).collect();
        assert!(!locks.is_empty());
        for file in locks {
            let text = fs_err::read_to_string(&file).unwrap();
            assert_eq!(PythonLock::parse(&file, &text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn errors_name_line_package_and_field() {
        let text = lock().to_string();
        let fail = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            PythonLock::parse(Path::new("my.lock"), &text.replacen(from, to, 1))
                .unwrap_err()
                .to_string()
        };
        for (from, to, expected) in [
            ("index = \"pypi\"\n", "", "my.lock:1: field 'index' is missing, expected a string"),
            (
                "python = \"3.9\"",
                "python = \"2.7\"",
                "my.lock:11: target: field 'python': '2.7' is not a known version",
            ),
            (
                "\"manylinux_2_36_x86_64\"",
                "\"linux\"",
                "field 'platform': 'linux' is not a platform",
            ),
            (
                "size = 12\n",
                "",
                "package 'a-b': file 'a_b-1.0-py3-none-any.whl': field 'size' is missing",
            ),
            (
                "a_b-1.0-",
                "a_b-1.1-",
                "field 'name': 'a_b-1.1-py3-none-any.whl' is not a wheel of a-b 1.0",
            ),
            ("a_b-1.0-py3-none-any.whl", "a_b-1.0.tar.gz", "not a wheel's file name"),
            (
                "name = \"c\"",
                "name = \"C\"",
                "package 'C': field 'name': expected a name normalised",
            ),
            (
                "version = \"1\"",
                "version = \"x\"",
                "package 'c': field 'version': 'x' is not a version",
            ),
            ("'python_version < ", "'python_versio < ", "not an environment marker"),
            ("sha256 = \"0", "sha256 = \"G", "expected 64 lower-case hexadecimal digits"),
            ("marker", "markers", "field 'markers' is unknown"),
        ] {
            let error = fail(from, to);
            assert!(error.contains(expected), "{error}\nexpected: {expected}");
        }
        for file in ["../requirements.txt", "/requirements.txt", ".", ""] {
            let error = fail("sub/requirements.txt", file);
            assert!(error.contains("field 'file': expected a path below"), "{error}");
        }
        let without = text.replacen("\n[[requirements]]\nfile = \"sub/requirements.txt\"\n", "", 1);
        let without = without.replacen(&format!("sha256 = \"{}\"\n", "ee".repeat(32)), "", 1);
        let read = parse(&without).unwrap();
        assert_eq!(read, PythonLock { requirements: Vec::new(), ..lock() });
        let twice = text.replace("2.0", "1.0").replace(">=", "<");
        assert!(
            PythonLock::parse(Path::new("l"), &twice).unwrap_err().to_string().contains("twice")
        );
    }
}
