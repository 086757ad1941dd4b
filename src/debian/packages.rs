//! An archive's `Packages` file: every package of a suite, with what it needs and provides
//! (deb-control(5), "Debian Repository Format"). Borrows from the text, which is large.

use rustc_hash::FxHashMap;

use super::version;

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
    /// What it needs to be set up and to run, as written.
    pre_depends: &'a str,
    depends: &'a str,
    provides: &'a str,
}

/// A package that is needed, perhaps in some versions only.
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
    /// What it needs: for each need the alternatives, the preferred one first.
    pub fn needs(&self) -> impl Iterator<Item = Vec<Need<'a>>> + use<'a> {
        [self.pre_depends, self.depends]
            .into_iter()
            .flat_map(|field| field.split(','))
            .map(|need| need.split('|').filter_map(need_of).collect::<Vec<_>>())
            .filter(|alternatives| !alternatives.is_empty())
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
}

impl<'a> Packages<'a> {
    /// Reads the text of a `Packages` file; paragraphs without name, version, file name, size or
    /// SHA-256 are left out.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let packages: Vec<_> = text.split("\n\n").filter_map(paragraph).collect();
        let mut by_name: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
        let mut providers: FxHashMap<&str, Vec<(usize, Option<&str>)>> = FxHashMap::default();
        for (n, package) in packages.iter().enumerate() {
            by_name.entry(package.name).or_default().push(n);
            for provided in package.provides() {
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
        Self { packages, by_name, providers }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packages.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// Every package that fulfils a need: the real ones first (newest first), then those that
    /// provide it, by name. A need of some version is fulfilled by a provider of that version only.
    pub fn fulfilling(&self, need: Need<'a>) -> impl Iterator<Item = &Package<'a>> {
        let fits = move |version: Option<&str>| match need.version {
            None => true,
            Some((relation, other)) => {
                version.is_some_and(|version| version::satisfies(version, relation, other))
            }
        };
        let real = self.by_name.get(need.name).into_iter().flatten().map(|n| &self.packages[*n]);
        let provided = self.providers.get(need.name).into_iter().flatten();
        real.filter(move |package| fits(Some(package.version))).chain(
            provided.filter(move |(_, version)| fits(*version)).map(|(n, _)| &self.packages[*n]),
        )
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
        let packages = Packages::parse(&text);
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
        let packages = Packages::parse(&text);
        let versions: Vec<_> =
            packages.fulfilling(Need { name: "a", version: None }).map(|p| p.version).collect();
        assert_eq!((versions, packages.len()), (vec!["1.10", "1.9"], 2));
    }
}
