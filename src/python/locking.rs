//! `clutch lock FILE`: from pinned requirements to a lock, by asking the index once which files it
//! has. Nothing is resolved: what is not in the file is not in the lock. But what the wheels say that
//! they require is looked at, and a warning tells what is missing.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use rayon::prelude::*;

use super::{
    excerpt::several,
    lock::{LockedFile, LockedPackage, PythonLock, Target},
    marker::Marker,
    requirements::{Needs, unmet},
    requirements_file::{Line, Requirements},
    version::{Specifiers, Version},
    wheel::headers::Headers,
    wheel_name::{WheelName, sdist_version},
};
use crate::{
    limits,
    net::network::Network,
    net::{
        address::Address,
        http::HttpError,
        index::IndexError,
        remote_zip,
        simple::{File, SimpleError},
    },
};

/// How many requests are made at once.
const REQUESTS: usize = 16;

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockingError {
    /// The index's address is not known.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The threads for the requests could not be started.
    #[error("cannot start threads: {0}")]
    Threads(String),
    /// Some requirements cannot be locked: each with its place and the reason.
    #[error("{}", .0.join("\n"))]
    Requirements(Vec<String>),
}

/// Locks requirements for some targets. `warn` takes what the user should know though it is no
/// error. Which files the lock was made of is not written down in it: that depends on where it goes.
///
/// # Errors
/// All requirements that cannot be locked, each with its place in the file.
pub fn lock(
    network: &Network,
    index: &str,
    requirements: &Requirements,
    targets: &[Target],
    warn: &(dyn Fn(&str) + Sync),
) -> Result<PythonLock, LockingError> {
    requirements.warnings.iter().for_each(|line| warn(line));
    let pins = pins(&requirements.lines, targets)?;
    let base = network.indexes().find(index)?.address;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(REQUESTS).build();
    let threads = threads.map_err(|e| LockingError::Threads(e.to_string()))?;
    let (mut packages, mut failed) = (Vec::new(), Vec::new());
    let (mut requires, mut unread) = (BTreeMap::new(), Vec::new());
    let results: Vec<_> =
        threads.install(|| pins.par_iter().map(|pin| pin.lock(network, &base, warn)).collect());
    for (pin, result) in pins.iter().zip(results) {
        match result {
            Ok((package, needs)) => {
                match needs {
                    Ok(needs) => {
                        let key = (package.name.clone(), package.version.to_string());
                        requires.insert(key, needs);
                    }
                    Err(reason) => unread.push(reason),
                }
                packages.push(package);
            }
            Err(reason) => failed.push(format!("{}: {reason}", pin.place)),
        }
    }
    if failed.is_empty() {
        if let Some(first) = unread.first() {
            let number = unread.len();
            warn(&format!("not known what {number} of the wheels require, such as {first}"));
        }
        let problems = missing(requirements, targets, &packages, &requires);
        problems.iter().for_each(|problem| warn(problem));
        if problems.iter().any(|problem| problem.ends_with("missing")) {
            warn("add what is missing to the file: `uv pip compile` and `pip freeze` write all");
        }
        let (index, targets) = (index.to_owned(), targets.to_vec());
        Ok(PythonLock { index, requirements: Vec::new(), targets, packages })
    } else {
        Err(LockingError::Requirements(failed))
    }
}

/// The requirements of each package, by name and version; nothing where they are not known.
type Requires = BTreeMap<(String, String), Vec<String>>;

/// What the packages need on some target and the lock does not hold.
fn missing(
    requirements: &Requirements,
    targets: &[Target],
    packages: &[LockedPackage],
    requires: &Requires,
) -> BTreeSet<String> {
    let mut problems = BTreeSet::new();
    for target in targets {
        let markers = target.markers();
        let holds = |marker: &Option<Marker>| {
            marker.as_ref().is_none_or(|marker| marker.holds(&markers, &BTreeSet::new()))
        };
        let there: Vec<(&LockedPackage, String)> = packages
            .iter()
            .filter(|package| holds(&package.marker))
            .map(|package| (package, package.version.to_string()))
            .collect();
        let needs: Vec<Needs<'_>> = there
            .iter()
            .map(|(package, version)| Needs {
                name: &package.name,
                version,
                requires: requires
                    .get(&(package.name.clone(), version.clone()))
                    .map_or(&[], Vec::as_slice),
                requires_python: None,
            })
            .collect();
        let lines = requirements.lines.iter().map(|line| &line.requirement);
        let extras: Vec<(&str, &str)> = lines
            .filter(|requirement| holds(&requirement.marker))
            .flat_map(|r| r.extras.iter().map(|extra| (r.name.as_str(), extra.as_str())))
            .collect();
        // what cannot be read is told of when the environment is made
        problems.extend(unmet(&needs, &extras, &markers, &|_| (), &|| false));
    }
    problems
}

/// A package in one version, with all that the file says about it.
struct Pin<'a> {
    name: &'a str,
    version: &'a Version,
    marker: Option<Marker>,
    /// The markers of its lines.
    markers: Vec<&'a Marker>,
    sha256: BTreeSet<&'a str>,
    targets: BTreeSet<&'a Target>,
    place: String,
}

/// Brings lines about the same version together, drops those for no target, and refuses two versions
/// for one target.
fn pins<'a>(lines: &'a [Line], targets: &'a [Target]) -> Result<Vec<Pin<'a>>, LockingError> {
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
                let what = format!("{} {}", pin.name, pin.version);
                failed.push(format!("{}: {what} has more markers than a lock holds", pin.place));
            }
        }
        // versions of one name follow each other
        let same = all.iter().rev().take_while(|other| other.name == pin.name);
        let both = |other: &&Pin<'_>| !pin.targets.is_disjoint(&other.targets);
        if let Some(other) = same.take(every.len() + 1).find(both) {
            let target = pin.targets.intersection(&other.targets).next();
            failed.push(format!(
                "{}: {} {} and {} ({}) are both for {}",
                pin.place,
                pin.name,
                pin.version,
                other.version,
                other.place,
                target.map(ToString::to_string).unwrap_or_default()
            ));
        }
        all.push(pin);
    }
    if failed.is_empty() { Ok(all) } else { Err(LockingError::Requirements(failed)) }
}

impl Pin<'_> {
    fn lock(
        &self,
        network: &Network,
        base: &Address,
        warn: &(dyn Fn(&str) + Sync),
    ) -> Result<(LockedPackage, Result<Vec<String>, String>), String> {
        let listed = network.project(base, self.name).map_err(|e: SimpleError| e.to_string())?;
        let wheels: Vec<(&File, WheelName)> = listed
            .iter()
            .filter_map(|file| Some((file, file.name.parse::<WheelName>().ok()?)))
            .filter(|(_, wheel)| wheel.name == self.name && wheel.version == *self.version)
            .collect();
        let allowed = |file: &File| {
            let hash = file.sha256.as_deref();
            self.sha256.is_empty() || hash.is_some_and(|hash| self.sha256.contains(hash))
        };
        let mut chosen: BTreeMap<&str, &File> = BTreeMap::new();
        for target in &self.targets {
            let tags = target.tags();
            let fitting = wheels
                .iter()
                .filter(|(file, _)| allowed(file) && is_for_python(file, target))
                .filter_map(|(file, wheel)| Some((tags.rank(wheel)?, *file)));
            // the name decides between two that are otherwise equal
            match fitting.min_by(|a, b| (&a.0, &a.1.name).cmp(&(&b.0, &b.1.name))) {
                Some((_, file)) => chosen.insert(&file.name, file),
                None => return Err(self.nothing_fits(&listed, &wheels, target)),
            };
        }
        // those of one version have the same requirements, but for the odd one
        let first = chosen.values().find(|file| file.metadata).or(chosen.values().next());
        let needs = first.map_or_else(|| Ok(Vec::new()), |file| requires(network, file));
        let mut files = Vec::new();
        for file in chosen.into_values() {
            if let Some(reason) = &file.yanked {
                let why = if reason.is_empty() { "no reason given" } else { reason };
                warn(&format!("{}: {} was yanked from the index: {why}", self.place, file.name));
            }
            files.push(self.pin_file(network, file)?);
        }
        let (name, version) = (self.name.to_owned(), self.version.clone());
        Ok((LockedPackage { name, version, marker: self.marker.clone(), files }, needs))
    }

    fn pin_file(&self, network: &Network, file: &File) -> Result<LockedFile, String> {
        let sha256 = file.sha256.clone().ok_or_else(|| {
            format!(
                "the index gives no SHA-256 (64 hexadecimal digits) for {}, so that it cannot be \
                 pinned",
                file.name
            )
        })?;
        let size = match file.size {
            Some(size) => size,
            None => {
                let size = network.http().and_then(|http| http.size(&file.address));
                size.map_err(|e: HttpError| e.to_string())?
            }
        };
        Ok(LockedFile { name: file.name.clone(), size, sha256 })
    }

    /// Why no wheel was found for a target.
    fn nothing_fits(
        &self,
        listed: &[File],
        wheels: &[(&File, WheelName)],
        target: &Target,
    ) -> String {
        let what = format!("{} {}", self.name, self.version);
        if !wheels.is_empty() {
            let with_hash = wheels.iter().filter(|(file, _)| {
                file.sha256.as_deref().is_some_and(|hash| self.sha256.contains(hash))
            });
            let names: Vec<_> = wheels.iter().map(|(file, _)| &file.name).collect();
            let names = several(&names, 8, ", ");
            let number = match wheels.len() {
                1 => "1 wheel".to_owned(),
                more => format!("{more} wheels"),
            };
            return match (self.sha256.is_empty(), with_hash.count()) {
                (false, 0) => format!(
                    "{what} has {number}, but none with a hash of this line ({names}); write the \
                     hashes again, for instance with `uv pip compile --generate-hashes`"
                ),
                (false, _) => format!(
                    "{what} has {number}, but none of those with a hash of this line fits {target} \
                     ({names}); add the hash of one that does"
                ),
                (true, _) => format!("{what} has {number}, but none fits {target} ({names})"),
            };
        }
        let is_sdist =
            |file: &&File| sdist_version(&file.name, self.name).as_ref() == Some(self.version);
        if let Some(sdist) = listed.iter().find(is_sdist) {
            return format!(
                "{what} has no wheel, only the source distribution {}; build a wheel of it and give \
                 the environment that",
                sdist.name
            );
        }
        let mut versions: Vec<Version> = listed
            .iter()
            .filter_map(|file| file.name.parse::<WheelName>().ok())
            .map(|wheel| wheel.version)
            .collect();
        versions.sort();
        versions.dedup();
        let newest: Vec<_> = versions.iter().rev().take(5).map(ToString::to_string).collect();
        format!("the index has no {what}; its newest versions are: {}", newest.join(", "))
    }
}

/// What the metadata of a wheel says that it needs: beside it where the index has it there (PEP 658),
/// else in it.
fn requires(network: &Network, file: &File) -> Result<Vec<String>, String> {
    let read = || -> Result<Vec<String>, String> {
        let http = network.http().map_err(|e| e.to_string())?;
        let metadata = if file.metadata {
            let name = format!("{}.metadata", file.name);
            let address = file.address.join(&name).map_err(|e| e.to_string())?;
            http.page(&address, "*/*", limits::METADATA).map_err(|e| e.to_string())?.body
        } else {
            let size = match file.size {
                Some(size) => size,
                None => http.size(&file.address).map_err(|e| e.to_string())?,
            };
            let is_metadata = |name: &str| {
                let parts = name.split_once('/');
                parts.is_some_and(|(f, n)| f.ends_with(".dist-info") && n == "METADATA")
            };
            remote_zip::read(http, (&file.address, size), &is_metadata, limits::METADATA)
                .map_err(|e| e.to_string())?
        };
        let headers = Headers::parse(&metadata).map_err(|e| e.to_string())?;
        Ok(headers.all("requires-dist").map(str::to_owned).collect())
    };
    read().map_err(|reason| format!("{}: {reason}", file.name))
}

/// Whether a file is for a version of Python. The last part of the version is not known, so that it
/// is if it is for any.
fn is_for_python(file: &File, target: &Target) -> bool {
    // what is no specifier is passed over, as installers do
    let Some(Ok(asked)) = file.requires_python.as_ref().map(|text| text.parse::<Specifiers>())
    else {
        return true;
    };
    ["0", "999"].iter().any(|patch| {
        let version = format!("{}.{patch}", target.python()).parse();
        version.is_ok_and(|version| asked.contains(&version))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        net::network::NetworkSettings,
        net::{host::HostEnvironment, http::HttpSettings, test_index::Index},
        python::requirements_file,
    };

    const X86: &str = "manylinux_2_36_x86_64";

    fn targets(pythons: &[&str]) -> Vec<Target> {
        pythons.iter().map(|python| Target::new(python, X86).unwrap()).collect()
    }

    fn lock_text(index: &Index, text: &str, pythons: &[&str]) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("requirements.txt");
        fs_err::write(&file, text).unwrap();
        let requirements = requirements_file::read(&file).map_err(|e| e.to_string())?;
        let environment = HostEnvironment { variables: BTreeMap::new(), root: "/nowhere".into() };
        let network = Network::new(NetworkSettings {
            indexes: [("pypi".to_owned(), index.simple())].into(),
            environment,
            http: HttpSettings::default(),
            partial: None,
        });
        let warned = std::sync::Mutex::new(String::new());
        // most files of these tests are no wheels
        let warn = |line: &str| {
            if !line.contains("odd") && line.starts_with("not known what") {
                return;
            }
            warned.lock().unwrap().push_str(line);
        };
        let lock = lock(&network, "pypi", &requirements, &targets(pythons), &warn)
            .map_err(|e| e.to_string().replace(&*dir.path().to_string_lossy(), ""))?;
        let read = PythonLock::parse("l".as_ref(), &lock.to_string());
        assert_eq!(read.unwrap().to_string(), lock.to_string());
        let names = lock.packages.iter().flat_map(|p| {
            let marker = p.marker.as_ref().map(|m| format!("[{m}]"));
            marker.into_iter().chain(p.files.iter().map(|f| f.name.clone()))
        });
        Ok(format!("{}{}", names.collect::<Vec<_>>().join(" "), warned.lock().unwrap()))
    }

    fn index() -> Index {
        let index = Index::new();
        for file in [
            "a_b-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
            "a_b-1.0-cp313-cp313-manylinux_2_17_x86_64.whl",
            "a_b-1.0-cp311-cp311-manylinux_2_17_aarch64.whl",
            "a_b-1.0-cp311-cp311-win_amd64.whl",
            "a_b-1.0.tar.gz",
            "a_b-0.9-py3-none-any.whl",
        ] {
            index.release("a-b", file, file, Value::Null);
        }
        index.release("pure", "pure-1-py3-none-any.whl", "1", json!({"yanked": "broken"}));
        index.release("pure", "pure-2-py3-none-any.whl", "2", json!({"requires-python": ">=3.12"}));
        index.release("new", "new-2-py3-none-any.whl", "2", json!({"requires-python": ">=3.12"}));
        index.release("source", "source-1.0.tar.gz", "s", Value::Null);
        index
    }

    #[test]
    fn the_best_wheel_of_each_target_is_locked() {
        let index = index();
        let one = lock_text(&index, "A.B==1", &["3.11"]).unwrap();
        assert_eq!(one, "a_b-1.0-cp311-cp311-manylinux_2_17_x86_64.whl");
        let two = lock_text(&index, "a-b==1.0", &["3.13", "3.11"]).unwrap();
        assert_eq!(two.split(' ').count(), 2);
        let pure = lock_text(&index, "pure==1", &["3.11", "3.12"]).unwrap();
        assert!(pure.contains("pure-1-py3") && pure.contains("yanked from the index: broken"));
        index.only_html();
        assert_eq!(lock_text(&index, "a-b==1.0", &["3.11"]).unwrap(), one);
    }

    #[test]
    fn markers_are_evaluated_and_kept_where_they_differ() {
        let index = index();
        let text = "pure==1 ; python_version < '3.12'\npure==2 ; python_version >= '3.12'\n\
                    source==1.0 ; sys_platform == 'win32'\n";
        assert_eq!(lock_text(&index, text, &["3.13"]).unwrap(), "pure-2-py3-none-any.whl");
        let both = lock_text(&index, text, &["3.11", "3.13"]).unwrap();
        assert!(both.contains("[python_version < \"3.12\"] pure-1-"), "{both}");
        assert!(both.contains("[python_version >= \"3.12\"] pure-2-"), "{both}");
        let error = lock_text(&index, "pure==1\npure==2 ; python_version > '3'", &["3.13"]);
        let error = error.unwrap_err();
        assert!(error.contains("are both for Python 3.13 on manylinux_2_36_x86_64"), "{error}");
        assert!(error.contains("txt:1") && error.contains("txt:2"), "{error}");
    }

    #[test]
    fn many_lines_about_one_version_are_one_pin_or_refused() {
        let index = index();
        let text = "pure==1 ; python_version < '3.12'\npure==1 ; python_version >= '3.12'\n";
        let both = lock_text(&index, text, &["3.11", "3.12"]).unwrap();
        assert!(both.starts_with("pure-1-py3-none-any.whl"), "{both}");
        let twice = lock_text(&index, "pure==1\n", &["3.11", "3.11"]).unwrap();
        assert!(twice.starts_with("pure-1-py3-none-any.whl"), "{twice}");
        let many: String = (0..20_000)
            .map(|n| format!("pure==1 ; python_version < '3.12' and os_name != '{n}'\n"))
            .collect();
        let error = lock_text(&index, &many, &["3.11", "3.12"]).unwrap_err();
        assert!(error.contains("txt:1: pure 1 has more markers than a lock holds"), "{error}");
        let many: String = (0..20_000).map(|n| format!("pure==1.{n}\n")).collect();
        let error = lock_text(&index, &many, &["3.11"]).unwrap_err();
        assert_eq!(error.lines().count(), 19_999);
    }

    #[test]
    fn hashes_limit_the_choice() {
        let index = index();
        let sha256 = |file: &str| crate::net::test_index::sha256(file.as_bytes());
        let file = "a_b-1.0-cp311-cp311-manylinux_2_17_x86_64.whl";
        let text = format!("a-b==1.0 --hash=sha256:{}", sha256(file));
        assert_eq!(lock_text(&index, &text, &["3.11"]).unwrap(), file);
        let fails = lock_text(&index, &text, &["3.13"]).unwrap_err();
        assert!(
            fails.contains("none of those with a hash of this line fits Python 3.13 on"),
            "{fails}"
        );
        let text = format!("a-b==1.0 --hash=sha256:{}", sha256("x"));
        let fails = lock_text(&index, &text, &["3.11"]).unwrap_err();
        assert!(
            fails.contains("a-b 1.0 has 4 wheels, but none with a hash of this line ("),
            "{fails}"
        );
    }

    /// A wheel with half a megabyte of code, and that metadata.
    fn wheel(name: &str, metadata: &str) -> Vec<u8> {
        use std::io::Write as _;
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        zip.start_file(format!("{name}/code.py"), stored).unwrap();
        zip.write_all(&[b'#'; 600_000]).unwrap();
        zip.start_file(format!("{name}-1.dist-info/METADATA"), stored).unwrap();
        zip.write_all(metadata.as_bytes()).unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn what_the_lock_misses_is_a_warning() {
        let index = index();
        // beside the file, and in it
        let app = "Pure>=2\nRequires-Dist: a-b[x]\nRequires-Dist: gone; extra=='x'";
        let text = |name: &str, needs: &str| {
            format!("Name: {name}\nRequires-Dist: {needs}\n\nA description: so.\n")
        };
        index.release("app", "app-1-py3-none-any.whl", "app", json!({"core-metadata": true}));
        index.file("files/app-1-py3-none-any.whl.metadata", text("app", app));
        let tool = wheel("tool", &text("tool", "app[x]"));
        index.release("tool", "tool-1-py3-none-any.whl", tool, Value::Null);
        let lock = |text: &str| lock_text(&index, text, &["3.11"]).unwrap();
        let warned = lock("app==1\npure==1\n");
        assert!(warned.contains("'app' needs 'Pure>=2', not 1"), "{warned}");
        assert!(warned.contains("'app' needs 'a-b[x]', which is missing"), "{warned}");
        assert!(!warned.contains("gone"), "{warned}");
        for text in ["app[x]==1\n", "app==1\ntool==1\n"] {
            assert!(lock(text).contains("'app' needs 'gone', which is missing"), "{text}");
        }
        // metadata that cannot be had is no reason to have no lock
        index.release("odd", "odd-1-py3-none-any.whl", "odd", json!({"core-metadata": true}));
        let warned = lock("odd==1\n");
        let expected = "not known what 1 of the wheels require, such as odd-1-py3-none-any.whl: ";
        assert!(warned.contains(expected), "{warned}");
        // of a large wheel, only the end is asked for
        let seen = index.seen("files/tool-1-py3-none-any.whl");
        let range = seen[0].headers["range"].split_once('-').unwrap().0;
        let start: u64 = range["bytes=".len()..].parse().unwrap();
        assert!(start > 400_000 && seen.len() == 1, "{seen:?}");
    }

    #[test]
    fn only_a_hash_is_pinned() {
        let index = Index::new();
        for (n, hash) in ["", "../../x", "\u{0}", &"x".repeat(64), "0a"].iter().enumerate() {
            let name = format!("p{n}");
            let file = format!("{name}-1-py3-none-any.whl");
            index.release(&name, &file, "x", json!({"hashes": {"sha256": hash}}));
            let error = lock_text(&index, &format!("{name}==1"), &["3.11"]).unwrap_err();
            assert!(error.contains("no SHA-256 (64 hexadecimal digits)"), "{error}");
        }
        let upper = json!({"hashes": {"sha256": "AB".repeat(32)}});
        index.release("upper", "upper-1-py3-none-any.whl", "x", upper);
        let locked = lock_text(&index, "upper==1", &["3.11"]).unwrap();
        assert!(locked.starts_with("upper-1-py3-none-any.whl"), "{locked}");
    }

    #[test]
    fn every_line_that_fails_is_named() {
        let text = "a-b==1.0\nsource==1.0\npure==7\nnone==1\nnew==2 ; os_name == 'posix'\n";
        let error = lock_text(&index(), text, &["3.10"]).unwrap_err();
        for expected in [
            "txt:1: a-b 1.0 has 4 wheels, but none fits Python 3.10 on manylinux_2_36_x86_64",
            "txt:2: source 1.0 has no wheel, only the source distribution source-1.0.tar.gz",
            "txt:3: the index has no pure 7; its newest versions are: 2, 1",
            "has no project 'none'",
            "txt:5: new 2 has 1 wheel, but none fits",
        ] {
            assert!(error.contains(expected), "{error}\nexpected: {expected}");
        }
    }
}
