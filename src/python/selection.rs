//! Chooses the wheels of a lock for an interpreter: the packages by markers, the wheel of each by tags.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    excerpt::several,
    lock::{LockedFile, LockedPackage, PythonLock, Target, TargetError},
    marker::MarkerEnvironment,
    tags::{Platform, Tags},
    version::Version,
};

/// An interpreter, as markers and tags describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    minor: u32,
    /// The full version, such as `3.13.0`.
    version: String,
    platform: Platform,
}

impl Runtime {
    /// CPython of that full version.
    ///
    /// # Errors
    /// If it is not a version of CPython 3.
    pub fn new(version: &str, platform: Platform) -> Result<Self, TargetError> {
        let parsed = version.parse::<Version>().ok();
        let minor = parsed.and_then(|parsed| match parsed.release() {
            [3, minor, ..] => u32::try_from(*minor).ok().filter(|minor| (2..100).contains(minor)),
            _ => None,
        });
        let minor = minor.ok_or_else(|| TargetError::Python(version.to_owned()))?;
        Ok(Self { minor, version: version.to_owned(), platform })
    }

    /// The options with which `clutch lock` locks for it.
    fn options(&self) -> String {
        let python = format!("3.{}", self.minor);
        let platform = self.platform.to_string();
        let usual = Target::usual(&python, self.platform.machine());
        match usual.is_ok_and(|usual| Target::new(&python, &platform).is_ok_and(|own| own == usual))
        {
            true => format!("--python {python}"),
            false => format!("--python {python} --platform {platform}"),
        }
    }

    /// The environment of markers.
    #[must_use]
    pub fn markers(&self) -> MarkerEnvironment {
        MarkerEnvironment {
            python_version: format!("3.{}", self.minor),
            python_full_version: self.version.clone(),
            machine: self.platform.machine().to_owned(),
        }
    }
}

impl std::fmt::Display for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Python 3.{} on {}", self.minor, self.platform)
    }
}

/// Requested packages that are not in the lock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not in the lock: {}", several(names, 8, ", "))]
pub struct NotLocked {
    names: Vec<String>,
}

/// An error while choosing a wheel for a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// Markers do not tell its versions apart.
    #[error("package '{name}' has several versions for {runtime}: {}", several(versions, 8, ", "))]
    Several {
        /// The offset in bytes at which the second of them begins in the lock.
        at: usize,
        /// Its name.
        name: String,
        /// Its versions.
        versions: Vec<String>,
        /// The interpreter.
        runtime: String,
    },
    /// None of its wheels fits.
    #[error(
        "package '{name}' {version} has no wheel for {runtime}, only {}; run 'clutch lock {} \
         requirements.txt', or set 'interpreter' in python.environment to one that a wheel fits",
        several(files, 8, ", "),
        runtime.options()
    )]
    NoWheel {
        /// The offset in bytes at which the package begins in the lock.
        at: usize,
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// The wheels that it has.
        files: Vec<String>,
        /// The interpreter.
        runtime: Box<Runtime>,
    },
}

impl ChoiceError {
    /// The offset in bytes at which the package begins in the lock.
    #[must_use]
    pub fn at(&self) -> usize {
        match self {
            Self::Several { at, .. } | Self::NoWheel { at, .. } => *at,
        }
    }
}

/// A package, with the wheel that an interpreter prefers or an error.
pub type Choice<'l> = Result<(&'l LockedPackage, &'l LockedFile), ChoiceError>;

/// The packages of a lock for an interpreter, by name. `wanted` are the normalised names of the packages to
/// choose; `None` chooses all.
///
/// # Errors
/// If a requested package is not in the lock, or not for this interpreter.
pub fn select<'l>(
    lock: &'l PythonLock,
    runtime: &Runtime,
    wanted: Option<&BTreeSet<String>>,
) -> Result<BTreeMap<&'l str, Choice<'l>>, NotLocked> {
    let (markers, tags) = (runtime.markers(), Tags::cpython(runtime.minor, &runtime.platform));
    let no_extras = BTreeSet::new();
    let mut by_name: BTreeMap<&str, Vec<&LockedPackage>> = BTreeMap::new();
    for package in &lock.packages {
        let is_meant = wanted.is_none_or(|wanted| wanted.contains(&package.name))
            && package.marker.as_ref().is_none_or(|marker| marker.holds(&markers, &no_extras));
        if is_meant {
            by_name.entry(&package.name).or_default().push(package);
        }
    }
    let missing = |name: &&String| !by_name.contains_key(name.as_str());
    let names: Vec<String> = wanted.into_iter().flatten().filter(missing).cloned().collect();
    if !names.is_empty() {
        return Err(NotLocked { names });
    }
    let choose = |(name, packages): (&'l str, Vec<&'l LockedPackage>)| {
        (name, choose(&packages, runtime, &tags))
    };
    Ok(by_name.into_iter().map(choose).collect())
}

fn choose<'l>(packages: &[&'l LockedPackage], runtime: &Runtime, tags: &Tags) -> Choice<'l> {
    let package = packages[0];
    if let Some(second) = packages.get(1) {
        return Err(ChoiceError::Several {
            at: second.at,
            name: package.name.clone(),
            versions: packages.iter().map(|package| package.version.to_string()).collect(),
            runtime: runtime.to_string(),
        });
    }
    // the name decides between two that are otherwise equal
    let rank = |file: &'l LockedFile| Some((tags.rank(&file.wheel)?, &file.name, file));
    match package.files.iter().filter_map(rank).min_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1))) {
        Some((_, _, file)) => Ok((package, file)),
        None => Err(ChoiceError::NoWheel {
            at: package.at,
            name: package.name.clone(),
            version: package.version.to_string(),
            files: package.files.iter().map(|file| file.name.clone()).collect(),
            runtime: Box::new(runtime.clone()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn lock(packages: &[(&str, &str, &str, &[&str])]) -> PythonLock {
        let mut text = "version = 1\nkind = \"python\"\nindex = \"pypi\"\n[[target]]\npython = \
                        \"3.11\"\nplatform = \"manylinux_2_36_x86_64\"\n"
            .to_owned();
        for (name, version, marker, tags) in packages {
            text += &format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
            if !marker.is_empty() {
                text += &format!("marker = \"{marker}\"\n");
            }
            for tag in *tags {
                let (file, sha256) = (format!("{name}-{version}-{tag}.whl"), "0a".repeat(32));
                text += &format!(
                    "[[package.file]]\nname = \"{file}\"\nsize = 1\nsha256 = \"{sha256}\"\n"
                );
            }
        }
        PythonLock::parse(Path::new("l"), &text).unwrap()
    }

    fn runtime(version: &str, platform: &str) -> Runtime {
        Runtime::new(version, platform.parse().unwrap()).unwrap()
    }

    #[test]
    fn markers_choose_packages_and_tags_choose_wheels() {
        let any: &[&str] = &["py3-none-any"];
        let native = ["cp313-cp313-manylinux_2_17_x86_64", "cp313-cp313-musllinux_1_2_x86_64"];
        let lock = lock(&[
            ("a", "1", "python_full_version < '3.13.0rc1'", any),
            ("a", "2", "python_full_version >= '3.13.0.dev0'", any),
            ("b", "1", "sys_platform < 'linux2'", any),
            ("c", "1", "", &native),
        ]);
        let chosen = |version, platform| -> Vec<String> {
            let runtime = runtime(version, platform);
            let chosen = select(&lock, &runtime, None).unwrap().into_values();
            chosen.map(|choice| choice.unwrap().1.name.clone()).collect()
        };
        let glibc = ["a-2-py3-none-any.whl", "c-1-cp313-cp313-manylinux_2_17_x86_64.whl"];
        assert_eq!(chosen("3.13.0", "manylinux_2_41_x86_64"), glibc);
        let musl = ["a-2-py3-none-any.whl", "c-1-cp313-cp313-musllinux_1_2_x86_64.whl"];
        assert_eq!(chosen("3.13.0", "musllinux_1_2_x86_64"), musl);
    }

    #[test]
    fn what_cannot_be_chosen_is_an_error_of_its_package_alone() {
        let lock = lock(&[
            ("a", "1", "", &["cp39-cp39-win_amd64"]),
            ("b", "1", "os_name == 'posix'", &["py3-none-any"]),
            ("b", "2", "", &["py3-none-any"]),
            ("c", "1", "", &["1-py3-none-any", "12x-py3-none-any", "py3-none-any"]),
        ]);
        let runtime = runtime("3.11.2", "manylinux_2_36_x86_64");
        let chosen = select(&lock, &runtime, None).unwrap();
        let error = |name| chosen[name].as_ref().unwrap_err().to_string();
        let expected = "package 'a' 1 has no wheel for Python 3.11 on manylinux_2_36_x86_64, only \
                        a-1-cp39-cp39-win_amd64.whl; run 'clutch lock --python 3.11 requirements.txt', or \
                        set 'interpreter' in python.environment to one that a wheel fits";
        assert_eq!(error("a"), expected);
        assert!(error("b").contains("has several versions for Python 3.11 on"), "{}", error("b"));
        assert_eq!(chosen["c"].as_ref().unwrap().1.name, "c-1-12x-py3-none-any.whl");
        let wanted = ["c", "d", "e"].map(str::to_owned).into();
        let error = select(&lock, &runtime, Some(&wanted)).unwrap_err();
        assert_eq!(error.to_string(), "not in the lock: d, e");
    }

    #[test]
    fn interpreters_are_of_python_3() {
        let new = |version| Runtime::new(version, "manylinux_2_36_x86_64".parse().unwrap());
        assert!(new("3.13.0rc1").is_ok() && new("3.14").is_ok());
        for version in ["2.7.18", "3", "x", "3.99999999999", ""] {
            assert!(new(version).is_err(), "{version}");
        }
    }
}
