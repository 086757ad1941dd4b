//! An archive's `Packages` file: every package of a suite, with its dependencies (deb-control(5),
//! "Debian Repository Format"). Borrows from the text, which is large.

use std::cell::Cell;

use rustc_hash::FxHashMap;

use super::version;
use crate::limits;

/// One package of the index.
#[derive(Debug, Clone, Default)]
pub struct Package<'a> {
    /// The name.
    pub name: &'a str,
    /// The version.
    pub version: &'a str,
    /// The path of the file below the archive's base address.
    pub file: &'a str,
    /// The file's size in bytes.
    pub size: u64,
    /// The file's SHA-256 in hexadecimal.
    pub sha256: &'a str,
    /// `Pre-Depends`, `Depends` and `Provides`, as written.
    pre_depends: &'a str,
    depends: &'a str,
    provides: &'a str,
}

/// An error in an index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackagesError {
    /// More packages than an archive can have.
    #[error("it has more than {} packages", limits::PACKAGE_COUNT)]
    Packages,
    /// More names in `Provides` than an archive can have.
    #[error("it provides more than {} names", limits::PROVIDED)]
    Provided,
    /// A field that a lock cannot hold.
    #[error("package '{package}': {field} '{value}', expected {expected}")]
    Field {
        /// The package.
        package: String,
        /// The field's name.
        field: &'static str,
        /// The beginning of its value.
        value: String,
        /// The expected form.
        expected: &'static str,
    },
}

/// A dependency on a package, perhaps in some versions only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need<'a> {
    /// The package, real or virtual.
    pub name: &'a str,
    /// Relation and version.
    pub version: Option<(&'a str, &'a str)>,
}

impl std::fmt::Display for Need<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.version {
            Some((relation, version)) => write!(f, "{} ({relation} {version})", self.name),
            None => f.write_str(self.name),
        }
    }
}

impl<'a> Package<'a> {
    /// Its dependencies, each as a list of alternatives with the preferred one first.
    pub fn needs(&self) -> impl Iterator<Item = Vec<Need<'a>>> + use<'a> {
        [self.pre_depends, self.depends]
            .into_iter()
            .flat_map(|field| field.split(','))
            .map(|need| need.split('|').filter_map(need_of).collect::<Vec<_>>())
            .filter(|alternatives| !alternatives.is_empty())
    }

    /// Checks that a lock can hold it.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn check(&self) -> Result<(), PackagesError> {
        let bad = |field, value: &str, expected| {
            let start = |text: &str| text.chars().take(100).collect();
            let (package, value) = (start(self.name), start(value));
            Err(PackagesError::Field { package, field, value, expected })
        };
        let word = |text: &str, also: &[u8]| {
            text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
        };
        if !word(self.name, b"+-.") {
            return bad("Package", self.name, "a name of letters, digits, '+', '-' and '.'");
        }
        if !word(self.version, b".+-~:") {
            return bad("Version", self.version, "letters, digits, '.', '+', '-', '~' and ':'");
        }
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return bad("SHA256", self.sha256, "64 hexadecimal digits");
        }
        if self.file.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return bad("Filename", self.file, "a relative path without '.' and '..'");
        }
        Ok(())
    }

    fn provides(&self) -> impl Iterator<Item = Need<'a>> + use<'a> {
        self.provides.split(',').filter_map(need_of)
    }
}

/// `name`, `name:any`, `name (>= 1.2)`.
fn need_of(text: &str) -> Option<Need<'_>> {
    let text = text.trim();
    let (name, rest) = text.split_at(text.find(['(', ' ', '[']).unwrap_or(text.len()));
    let name = name.split(':').next()?.trim();
    if name.is_empty() {
        return None;
    }
    let version = rest.split_once('(').and_then(|(_, rest)| {
        let inner = rest.split_once(')')?.0.trim();
        let digits = inner.find(|c| !matches!(c, '<' | '=' | '>'))?;
        if inner.len() > limits::PACKAGE_VERSION {
            return None;
        }
        Some((&inner[..digits], inner[digits..].trim()))
    });
    Some(Need { name, version })
}

/// The packages of a suite.
pub struct Packages<'a> {
    packages: Vec<Package<'a>>,
    /// By name, the newest version first.
    by_name: FxHashMap<&'a str, Vec<usize>>,
    providers: FxHashMap<&'a str, Vec<(usize, Option<&'a str>)>>,
    /// The number of packages examined so far.
    looks: Cell<u64>,
}

impl<'a> Packages<'a> {
    /// Reads the text of a `Packages` file; paragraphs without name, version, file name, size or
    /// SHA-256 are left out.
    ///
    /// # Errors
    /// If it has more packages or provides more names than an archive can have.
    pub fn parse(text: &'a str) -> Result<Self, PackagesError> {
        let mut packages = Vec::new();
        for package in text.split("\n\n").filter_map(paragraph) {
            if packages.len() == limits::PACKAGE_COUNT {
                return Err(PackagesError::Packages);
            }
            packages.push(package);
        }
        let mut provided_names = 0;
        let mut by_name: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
        let mut providers: FxHashMap<&str, Vec<(usize, Option<&str>)>> = FxHashMap::default();
        for (n, package) in packages.iter().enumerate() {
            by_name.entry(package.name).or_default().push(n);
            for provided in package.provides() {
                provided_names += 1;
                if provided_names > limits::PROVIDED {
                    return Err(PackagesError::Provided);
                }
                let version = provided.version.map(|(_, version)| version);
                providers.entry(provided.name).or_default().push((n, version));
            }
        }
        for versions in by_name.values_mut() {
            versions.sort_by(|a, b| version::compare(packages[*b].version, packages[*a].version));
        }
        for found in providers.values_mut() {
            found.sort_by_key(|(n, _)| packages[*n].name);
        }
        Ok(Self { packages, by_name, providers, looks: Cell::new(0) })
    }

    /// True once more packages were examined than any real archive needs. From then on, nothing is found.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.looks.get() > limits::PACKAGE_LOOKS
    }

    /// Every package that satisfies a dependency: real ones first (newest first), then providers, by name. A
    /// dependency on a version accepts only a provider of that version.
    pub fn fulfilling(&self, need: Need<'a>) -> impl Iterator<Item = &Package<'a>> {
        let fits = move |version: Option<&str>| match need.version {
            None => true,
            Some((relation, other)) => {
                version.is_some_and(|version| version::satisfies(version, relation, other))
            }
        };
        let real = self.by_name.get(need.name).into_iter().flatten().map(|n| &self.packages[*n]);
        let provided = self.providers.get(need.name).into_iter().flatten();
        let real = real.map(|package| (package, Some(package.version)));
        let provided = provided.map(|(n, version)| (&self.packages[*n], *version));
        let look = |_: &(&Package<'a>, Option<&str>)| {
            self.looks.set(self.looks.get() + 1);
            !self.is_exhausted()
        };
        let all = real.chain(provided).take_while(look);
        all.filter(move |(_, version)| fits(*version)).map(|(package, _)| package)
    }
}

fn paragraph(text: &str) -> Option<Package<'_>> {
    let mut package = Package::default();
    let mut size = None;
    for line in text.lines() {
        // the long fields (Description, Tag) are passed over by their first byte
        if !line.starts_with(|c: char| c.is_ascii_uppercase()) {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name {
            "Package" => package.name = value,
            "Version" => package.version = value,
            "Filename" => package.file = value,
            "Size" => size = value.parse().ok(),
            "SHA256" => package.sha256 = value,
            "Pre-Depends" => package.pre_depends = value,
            "Depends" => package.depends = value,
            "Provides" => package.provides = value,
            _ => {}
        }
    }
    package.size = size?;
    let whole = [package.name, package.version, package.file, package.sha256];
    if package.version.len() > limits::PACKAGE_VERSION {
        return None;
    }
    whole.iter().all(|field| !field.is_empty()).then_some(package)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A `Packages` file of these packages: name, version, other fields.
    pub(in crate::debian) fn index(packages: &[(&str, &str, &str)]) -> String {
        let paragraph = |(name, version, fields): &(&str, &str, &str)| {
            format!(
                "Package: {name}\nVersion: {version}\nDescription: x\n Package: no\nSize: 1\n\
                 Filename: pool/{name}.deb\nSHA256: {}\n{fields}\n",
                "0".repeat(64)
            )
        };
        packages.iter().map(paragraph).collect()
    }

    #[test]
    fn needs_are_read() {
        let text = index(&[(
            "a",
            "1",
            "Pre-Depends: libc6 (>= 2.36)\nDepends: x:any | y (<< 2~), z\nProvides: v (= 3), w\n",
        )]);
        let packages = Packages::parse(&text).unwrap();
        let a = packages.fulfilling(Need { name: "a", version: None }).next().unwrap();
        let needs: Vec<Vec<String>> =
            a.needs().map(|all| all.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(needs, [vec!["libc6 (>= 2.36)"], vec!["x", "y (<< 2~)"], vec!["z"]]);
        let count = |name, version| packages.fulfilling(Need { name, version }).count();
        assert_eq!(count("v", Some((">=", "2"))), 1);
        assert_eq!(count("w", Some((">=", "2"))), 0);
        assert_eq!(count("w", None), 1);
    }

    #[test]
    fn the_newest_comes_first() {
        let text = index(&[("a", "1.9", ""), ("a", "1.10", ""), ("b", "", "")]);
        let packages = Packages::parse(&text).unwrap();
        let versions: Vec<_> =
            packages.fulfilling(Need { name: "a", version: None }).map(|p| p.version).collect();
        assert_eq!((versions, packages.packages.len()), (vec!["1.10", "1.9"], 2));
    }

    #[test]
    fn what_cannot_stand_in_a_lock_is_told() {
        let text = index(&[("a", "1", "")]);
        let check = |from: &str, to: &str| {
            let text = text.replace(from, to);
            let packages = Packages::parse(&text).unwrap();
            packages.packages[0].check()
        };
        assert_eq!(check("", ""), Ok(()));
        for (from, to, reason) in [
            ("SHA256: 00", "SHA256: 0", "64 hexadecimal digits"),
            ("SHA256: 00", "SHA256: x0", "64 hexadecimal digits"),
            ("pool/a", "pool/../a", "relative path"),
            ("pool/a", "/pool/a", "relative path"),
            ("Version: 1", "Version: 1\"", "'Version'"),
            ("Package: a", "Package: a b", "'Package'"),
        ] {
            let error = check(from, to).unwrap_err().to_string();
            assert!(error.contains(&reason.replace('\'', "")), "{error}");
        }
        assert_eq!(
            Packages::parse(&text.replace("Version: 1", &format!("Version: {}", "1".repeat(2000))))
                .unwrap()
                .packages
                .len(),
            0
        );
    }

    #[test]
    fn an_index_beyond_all_archives_is_refused() {
        let provides = "v,".repeat(limits::PROVIDED + 1);
        let text = index(&[("a", "1", &format!("Provides: {provides}\n"))]);
        assert_eq!(Packages::parse(&text).err(), Some(PackagesError::Provided));
        let text = "Package: a\nVersion: 1\nFilename: a\nSize: 1\nSHA256: 0\n\n"
            .repeat(limits::PACKAGE_COUNT + 1);
        assert_eq!(Packages::parse(&text).err(), Some(PackagesError::Packages));
    }
}
