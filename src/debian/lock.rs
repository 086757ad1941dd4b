//! The lock of a closure of Debian packages (docs/formats.md, "clutch.lock", "Debian").

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use super::closure::Member;
use crate::lock_file::{Fields, HEAD, LockError, Source, VERSION, write_string, write_strings};

/// The value of the field `kind`.
pub const KIND: &str = "debian";

/// A closure of packages, pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebianLock {
    /// The name of the index that holds the files.
    pub index: String,
    /// The suite, such as `bookworm`.
    pub suite: String,
    /// The architecture, such as `amd64`.
    pub architecture: String,
    /// The requested packages.
    pub roots: BTreeSet<String>,
    /// The packages, sorted by name.
    pub packages: Vec<LockedDeb>,
}

/// One package file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedDeb {
    /// The package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The file's path below the index's base address.
    pub file: String,
    /// The file's size in bytes.
    pub size: u64,
    /// The file's SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// The packages of this lock that it needs.
    pub depends: BTreeSet<String>,
}

impl LockedDeb {
    /// A package of a closure.
    #[must_use]
    pub fn of(member: &Member<'_>) -> Self {
        let package = &member.package;
        Self {
            name: package.name.to_owned(),
            version: package.version.to_owned(),
            file: package.file.to_owned(),
            size: package.size,
            sha256: package.sha256.to_ascii_lowercase(),
            depends: member.depends.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn read(fields: &Fields<'_>) -> Result<Self, LockError> {
        fields.only(&["name", "version", "file", "size", "sha256", "depends"])?;
        let file = fields.string("file")?;
        let safe = |part: &str| !matches!(part, "" | "." | "..");
        if !file.split('/').all(safe) {
            return Err(fields.bad("file", "expected a relative path without '.' and '..'"));
        }
        Ok(Self {
            name: fields.string("name")?.to_owned(),
            version: fields.string("version")?.to_owned(),
            file: file.to_owned(),
            size: fields.integer("size")?,
            sha256: fields.sha256("sha256")?.to_owned(),
            depends: fields.strings("depends")?.into_iter().map(str::to_owned).collect(),
        })
    }
}

impl DebianLock {
    /// Reads the text of a lock; `file` is for messages.
    ///
    /// # Errors
    /// Names file, line, package and field, and what was expected.
    pub fn parse(file: &Path, text: &str) -> Result<Self, LockError> {
        let source = Source { file: file.to_owned(), text };
        let table = source.parse()?;
        let fields = source.fields(&table, KIND)?;
        fields.only(&["version", "kind", "index", "suite", "architecture", "roots", "package"])?;
        let tables = fields.tables("package", "package")?;
        let packages = tables.iter().map(LockedDeb::read).collect::<Result<Vec<_>, _>>()?;
        if packages.is_empty() {
            return Err(fields.bad("package", "expected at least one"));
        }
        let mut names = BTreeSet::new();
        for (package, table) in packages.iter().zip(&tables) {
            if !names.insert(&package.name) {
                return Err(table.bad("name", "it is in the lock twice"));
            }
        }
        for (package, table) in packages.iter().zip(&tables) {
            if let Some(name) = package.depends.iter().find(|name| !names.contains(name)) {
                let problem = format!("'{name}' is not a package of this lock");
                return Err(table.bad("depends", &problem));
            }
        }
        Ok(Self {
            index: fields.string("index")?.to_owned(),
            suite: fields.string("suite")?.to_owned(),
            architecture: fields.string("architecture")?.to_owned(),
            roots: fields.strings("roots")?.into_iter().map(str::to_owned).collect(),
            packages,
        })
    }
}

/// The text of the lock. Equal pins give equal texts.
impl std::fmt::Display for DebianLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = format!("{HEAD}version = {VERSION}\n");
        write_string(&mut out, "kind", KIND);
        write_string(&mut out, "index", &self.index);
        write_string(&mut out, "suite", &self.suite);
        write_string(&mut out, "architecture", &self.architecture);
        write_strings(&mut out, "roots", self.roots.iter().map(String::as_str));
        let mut packages: Vec<_> = self.packages.iter().collect();
        packages.sort_by_key(|package| &package.name);
        for package in packages {
            out.push_str("\n[[package]]\n");
            write_string(&mut out, "name", &package.name);
            write_string(&mut out, "version", &package.version);
            write_string(&mut out, "file", &package.file);
            let _ = writeln!(out, "size = {}", package.size);
            write_string(&mut out, "sha256", &package.sha256);
            write_strings(&mut out, "depends", package.depends.iter().map(String::as_str));
        }
        f.write_str(&out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> DebianLock {
        let deb = |name: &str, depends: &[&str]| LockedDeb {
            name: name.to_owned(),
            version: "1:2.0~rc1-1+b2".to_owned(),
            file: format!("pool/main/{name}_2.0.deb"),
            size: 12,
            sha256: "0a".repeat(32),
            depends: depends.iter().map(|d| (*d).to_owned()).collect(),
        };
        DebianLock {
            index: "debian".to_owned(),
            suite: "bookworm".to_owned(),
            architecture: "amd64".to_owned(),
            roots: ["b".to_owned()].into(),
            packages: vec![deb("a", &[]), deb("b", &["a"])],
        }
    }

    #[test]
    fn a_lock_reads_back() {
        let text = lock().to_string();
        assert_eq!(DebianLock::parse(Path::new("l"), &text), Ok(lock()));
        let mut turned = lock();
        turned.packages.reverse();
        assert_eq!(turned.to_string(), text);
    }

    #[test]
    fn errors_name_line_package_and_field() {
        let text = lock().to_string();
        let fail = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            DebianLock::parse(Path::new("my.lock"), &text.replacen(from, to, 1))
                .unwrap_err()
                .to_string()
        };
        for (from, to, expected) in [
            (
                "size = 12\n",
                "",
                "my.lock:9: package 'a': field 'size' is missing, expected a whole number",
            ),
            (
                "size = 12",
                "size = -1",
                "my.lock:13: package 'a': field 'size' is of type integer, expected a whole number",
            ),
            (
                "size = 12",
                "sizes = 12",
                "my.lock:13: package 'a': field 'sizes' is unknown, expected one of: name, version, file, size, sha256, depends",
            ),
            ("\"0a", "\"0A", "expected 64 lower-case hexadecimal digits"),
            (
                "version = 1\n",
                "version = 2\n",
                "my.lock:2: field 'version': expected version 1, found 2; use a newer clutch",
            ),
            (
                "\"debian\"",
                "\"python\"",
                "my.lock:3: field 'kind': expected 'debian', found 'python'",
            ),
            (
                "pool/main/a",
                "../a",
                "my.lock:12: package 'a': field 'file': expected a relative path",
            ),
            (
                "[\"a\"]",
                "[\"z\"]",
                "package 'b': field 'depends': 'z' is not a package of this lock",
            ),
            (
                "[\"b\"]",
                "[1]",
                "my.lock:7: field 'roots' is of type integer, expected a list of strings",
            ),
            ("name = \"b\"", "name = \"a\"", "package 'a': field 'name': it is in the lock twice"),
            ("[[package]]", "[[package", "my.lock:9: not TOML"),
        ] {
            let error = fail(from, to);
            assert!(error.contains(expected), "{error}\nexpected: {expected}");
        }
        assert!(DebianLock::parse(Path::new("l"), "").is_err());
    }
}
