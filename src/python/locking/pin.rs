//! One package of a file of requirements, looked up in the index.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::metadata::{MetadataError, requires};
use crate::{
    net::{
        address::Address,
        http::HttpError,
        network::Network,
        simple::{File, SimpleError},
    },
    python::{
        excerpt::several,
        lock::{LockedFile, LockedPackage, Target},
        marker::Marker,
        requirements_file::Line,
        version::{Specifiers, Version},
        wheel_name::{WheelName, sdist_version},
    },
};

/// A requirement cannot be locked.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {}", problem.of(name, version))]
pub struct PinError {
    place: String,
    name: String,
    version: Version,
    problem: Box<Problem>,
}

/// The reason why a requirement cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The index's page of the project cannot be fetched.
    #[error(transparent)]
    Page(#[from] SimpleError),
    /// The size of a file cannot be fetched.
    #[error(transparent)]
    Size(#[from] HttpError),
    /// The index gives no hash for a file.
    #[error("the index gives no SHA-256 for {0}, so it cannot be pinned")]
    NoHash(String),
    /// Its lines have more markers than one marker can combine.
    #[error("has more markers than a lock can hold")]
    Markers,
    /// Another version is for the same target.
    #[error("and {other} ({place}) are both for {target}")]
    TwoVersions {
        /// The other version.
        other: Version,
        /// Its place in the file.
        place: String,
        /// The target.
        target: String,
    },
    /// No wheel has a hash of this line.
    #[error(
        "has {}, but none with a hash of this line ({}); write the hashes again, for instance with \
         `uv pip compile --generate-hashes`",
        count(files),
        several(files, 8, ", ")
    )]
    OtherHashes {
        /// The wheels in the index.
        files: Vec<String>,
    },
    /// The wheels with the hashes in the file are for other targets.
    #[error(
        "has {}, but none of those with a hash of this line fits {target} ({}); add the hash of one \
         that does",
        count(files),
        several(files, 8, ", ")
    )]
    NoHashFits {
        /// The wheels in the index.
        files: Vec<String>,
        /// The target.
        target: String,
    },
    /// All wheels are for other targets.
    #[error("has {}, but none fits {target} ({})", count(files), several(files, 8, ", "))]
    NoneFits {
        /// The wheels in the index.
        files: Vec<String>,
        /// The target.
        target: String,
    },
    /// There is no wheel, but a source distribution.
    #[error(
        "has no wheel, only the source distribution {0}; build a wheel of it and give the environment \
         that"
    )]
    OnlySource(String),
    /// The index does not have this version.
    #[error("{}", versions(newest))]
    NoVersion {
        /// Its newest versions.
        newest: Vec<Version>,
    },
}

impl Problem {
    /// The problem as a sentence about a package.
    fn of(&self, name: &str, version: &Version) -> String {
        match self {
            Self::Page(_) | Self::Size(_) | Self::NoHash(_) => self.to_string(),
            Self::NoVersion { .. } => {
                format!("the index has no version {version} of '{name}'; {self}")
            }
            _ => format!("{name} {version} {self}"),
        }
    }
}

fn count(files: &[String]) -> String {
    if files.len() == 1 { "1 wheel".to_owned() } else { format!("{} wheels", files.len()) }
}

fn versions(versions: &[Version]) -> String {
    let texts: Vec<String> = versions.iter().map(ToString::to_string).collect();
    match &texts[..] {
        [] => "it has no wheel in any version".to_owned(),
        [one] => format!("it has {one} only"),
        _ => format!("its newest are {}", texts.join(", ")),
    }
}

/// A package found in the index, with the requirements of its metadata.
pub(super) struct Pinned {
    pub(super) package: LockedPackage,
    pub(super) requires: Result<Vec<String>, MetadataError>,
}

/// One version of a package, with everything that the file says about it.
pub(super) struct Pin<'a> {
    name: &'a str,
    version: &'a Version,
    marker: Option<Marker>,
    /// The markers of its lines.
    markers: Vec<&'a Marker>,
    sha256: BTreeSet<&'a str>,
    targets: BTreeSet<&'a Target>,
    place: String,
}

/// Merges lines about the same version, drops those that fit no target, and refuses two versions for
/// one target.
pub(super) fn pins<'a>(
    lines: &'a [Line],
    targets: &'a [Target],
) -> Result<Vec<Pin<'a>>, Vec<PinError>> {
    let every: BTreeSet<_> = targets.iter().collect();
    let environments: Vec<_> = every.iter().map(|target| (*target, target.markers())).collect();
    let mut pins: BTreeMap<(&str, Reverse<&Version>), Pin<'_>> = BTreeMap::new();
    for line in lines {
        let requirement = &line.requirement;
        let Some(version) = requirement.pin() else { continue };
        let marker = requirement.marker.as_ref();
        let fitting: BTreeSet<_> = environments
            .iter()
            .filter(|(_, markers)| marker.is_none_or(|m| m.holds(markers, &BTreeSet::new())))
            .map(|(target, _)| *target)
            .collect();
        if fitting.is_empty() {
            continue;
        }
        let key = (&*requirement.name, Reverse(version));
        let pin = pins.entry(key).or_insert_with(|| Pin {
            name: &requirement.name,
            version,
            marker: None,
            markers: Vec::new(),
            sha256: BTreeSet::new(),
            targets: BTreeSet::new(),
            place: line.place(),
        });
        pin.sha256.extend(line.sha256.iter().map(String::as_str));
        pin.targets.extend(fitting);
        pin.markers.extend(marker);
    }
    let (mut all, mut failed) = (Vec::<Pin<'_>>::new(), Vec::new());
    for mut pin in pins.into_values() {
        if pin.targets.len() < every.len() {
            pin.markers.dedup();
            pin.marker = Marker::any(pin.markers.iter().copied().cloned().collect());
            if pin.marker.is_none() {
                failed.push(pin.error(Problem::Markers));
            }
        }
        // versions of one name follow each other
        let same = all.iter().rev().take_while(|other| other.name == pin.name);
        let both = |other: &&Pin<'_>| !pin.targets.is_disjoint(&other.targets);
        if let Some(other) = same.take(every.len() + 1).find(both) {
            let target = pin.targets.intersection(&other.targets).next();
            failed.push(pin.error(Problem::TwoVersions {
                other: other.version.clone(),
                place: other.place.clone(),
                target: target.map(ToString::to_string).unwrap_or_default(),
            }));
        }
        all.push(pin);
    }
    if failed.is_empty() { Ok(all) } else { Err(failed) }
}

impl Pin<'_> {
    fn error(&self, problem: Problem) -> PinError {
        let (place, name) = (self.place.clone(), self.name.to_owned());
        PinError { place, name, version: self.version.clone(), problem: problem.into() }
    }

    /// Looks the package up in the index at `base`.
    pub(super) fn lock(
        &self,
        network: &Network,
        base: &Address,
        warn: &(dyn Fn(&str) + Sync),
    ) -> Result<Pinned, PinError> {
        self.look_up(network, base, warn).map_err(|problem| self.error(problem))
    }

    fn look_up(
        &self,
        network: &Network,
        base: &Address,
        warn: &(dyn Fn(&str) + Sync),
    ) -> Result<Pinned, Problem> {
        let listed = network.project(base, self.name)?;
        let wheels: Vec<(&File, WheelName)> = listed
            .iter()
            .filter_map(|file| Some((file, file.name.parse::<WheelName>().ok()?)))
            .filter(|(_, wheel)| wheel.name == self.name && wheel.version == *self.version)
            .collect();
        let allowed = |file: &File| {
            let hash = file.sha256.as_deref();
            self.sha256.is_empty() || hash.is_some_and(|hash| self.sha256.contains(hash))
        };
        let mut chosen: BTreeMap<&str, (&File, &WheelName)> = BTreeMap::new();
        for target in &self.targets {
            let tags = target.tags();
            let fitting = wheels
                .iter()
                .filter(|(file, _)| allowed(file) && is_for_python(file, target))
                .filter_map(|(file, wheel)| Some((tags.rank(wheel)?, *file, wheel)));
            // the name decides between two that are otherwise equal
            match fitting.min_by(|a, b| (&a.0, &a.1.name).cmp(&(&b.0, &b.1.name))) {
                Some((_, file, wheel)) => chosen.insert(&file.name, (file, wheel)),
                None => return Err(self.nothing_fits(&listed, &wheels, target)),
            };
        }
        // files of one version almost always have the same requirements
        let first = chosen.values().find(|(file, _)| file.metadata).or(chosen.values().next());
        let requires = first.map_or_else(|| Ok(Vec::new()), |(file, _)| requires(network, file));
        let mut files = Vec::new();
        for (file, wheel) in chosen.into_values() {
            if let Some(reason) = &file.yanked {
                let why = if reason.is_empty() { "no reason given" } else { reason };
                warn(&format!("{}: {} was yanked from the index: {why}", self.place, file.name));
            }
            files.push(self.pin_file(network, file, wheel)?);
        }
        let (name, version) = (self.name.to_owned(), self.version.clone());
        let marker = self.marker.clone();
        Ok(Pinned { package: LockedPackage { name, version, marker, files, at: 0 }, requires })
    }

    fn pin_file(
        &self,
        network: &Network,
        file: &File,
        wheel: &WheelName,
    ) -> Result<LockedFile, Problem> {
        let sha256 = file.sha256.clone().ok_or_else(|| Problem::NoHash(file.name.clone()))?;
        let size = match file.size {
            Some(size) => size,
            None => network.http()?.size(&file.address)?,
        };
        Ok(LockedFile { name: file.name.clone(), wheel: wheel.clone(), size, sha256 })
    }

    /// The reason why no wheel fits a target.
    fn nothing_fits(
        &self,
        listed: &[File],
        wheels: &[(&File, WheelName)],
        target: &Target,
    ) -> Problem {
        if !wheels.is_empty() {
            let has_hash =
                |file: &File| file.sha256.as_deref().is_some_and(|hash| self.sha256.contains(hash));
            let files = wheels.iter().map(|(file, _)| file.name.clone()).collect();
            let target = target.to_string();
            return match self.sha256.is_empty() {
                true => Problem::NoneFits { files, target },
                false if wheels.iter().any(|(file, _)| has_hash(file)) => {
                    Problem::NoHashFits { files, target }
                }
                false => Problem::OtherHashes { files },
            };
        }
        let is_sdist =
            |file: &&File| sdist_version(&file.name, self.name).as_ref() == Some(self.version);
        if let Some(sdist) = listed.iter().find(is_sdist) {
            return Problem::OnlySource(sdist.name.clone());
        }
        let mut versions: Vec<Version> = listed
            .iter()
            .filter_map(|file| file.name.parse::<WheelName>().ok())
            .map(|wheel| wheel.version)
            .collect();
        versions.sort();
        versions.dedup();
        Problem::NoVersion { newest: versions.into_iter().rev().take(5).collect() }
    }
}

/// True if a file is for a version of Python. The last part of the version is not known, so any will do.
fn is_for_python(file: &File, target: &Target) -> bool {
    // a malformed specifier is ignored, as installers do
    let Some(Ok(asked)) = file.requires_python.as_ref().map(|text| text.parse::<Specifiers>())
    else {
        return true;
    };
    ["0", "999"].iter().any(|patch| {
        let version = format!("{}.{patch}", target.python()).parse();
        version.is_ok_and(|version| asked.contains(&version))
    })
}
