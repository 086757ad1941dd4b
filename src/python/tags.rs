//! The tags of the wheels that an interpreter accepts, in its order of preference (PEP 425, 600, 656):
//! CPython on Linux.

use std::{fmt, str::FromStr};

use rustc_hash::FxHashMap;

use super::wheel_name::WheelName;

/// A platform, by the newest tag that it accepts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    libc: Libc,
    /// The version of the C library.
    major: u32,
    minor: u32,
    /// Such as `x86_64`.
    arch: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Libc {
    Glibc,
    Musl,
}

/// A text that is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a platform, expected 'manylinux_<major>_<minor>_<arch>' or 'musllinux_<major>_<minor>_<arch>' with the version of glibc or musl"
)]
pub struct PlatformError(String);

impl Platform {
    /// Linux with that version of glibc, such as `2.36`.
    ///
    /// # Errors
    /// If the version or the machine is malformed.
    pub fn glibc(version: &str, machine: &str) -> Result<Self, PlatformError> {
        Self::of("manylinux", version, machine)
    }

    /// Linux with that version of musl, such as `1.2`.
    ///
    /// # Errors
    /// If the version or the machine is malformed.
    pub fn musl(version: &str, machine: &str) -> Result<Self, PlatformError> {
        Self::of("musllinux", version, machine)
    }

    /// Uses the first two parts of a version.
    fn of(name: &str, version: &str, machine: &str) -> Result<Self, PlatformError> {
        let end = version.match_indices('.').nth(1).map_or(version.len(), |(at, _)| at);
        format!("{name}_{}_{machine}", version[..end].replace('.', "_")).parse()
    }

    /// The machine, as `platform.machine()` says it.
    #[must_use]
    pub fn machine(&self) -> &str {
        &self.arch
    }

    /// Every platform tag that is accepted, the most specific first.
    fn tags(&self) -> Vec<String> {
        let arch = &self.arch;
        let (name, oldest) = match self.libc {
            // glibc 2.5 is the oldest for the two old architectures, 2.17 for all others
            Libc::Glibc if matches!(&**arch, "x86_64" | "i686") => ("manylinux", 5),
            Libc::Glibc => ("manylinux", 17),
            Libc::Musl => ("musllinux", 0),
        };
        let mut tags = Vec::new();
        for minor in (oldest..=self.minor).rev() {
            tags.push(format!("{name}_{}_{minor}_{arch}", self.major));
            let old_name = match (self.libc, minor) {
                (Libc::Glibc, 17) => "manylinux2014",
                (Libc::Glibc, 12) => "manylinux2010",
                (Libc::Glibc, 5) => "manylinux1",
                _ => continue,
            };
            tags.push(format!("{old_name}_{arch}"));
        }
        tags.push(format!("linux_{arch}"));
        tags
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.libc {
            Libc::Glibc => "manylinux",
            Libc::Musl => "musllinux",
        };
        write!(f, "{name}_{}_{}_{}", self.major, self.minor, self.arch)
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parse = || {
            let (name, rest) = text.split_once('_')?;
            let libc = match name {
                "manylinux" => Libc::Glibc,
                "musllinux" => Libc::Musl,
                _ => return None,
            };
            let (major, rest) = rest.split_once('_')?;
            let (minor, arch) = rest.split_once('_')?;
            let known =
                arch.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            // a minor version beyond this is a mistake, and would make a very long list
            let minor = minor.parse().ok().filter(|minor| *minor < 200)?;
            let platform = Self { libc, major: major.parse().ok()?, minor, arch: arch.to_owned() };
            (known && !arch.is_empty()).then_some(platform)
        };
        parse().ok_or_else(|| PlatformError(text.to_owned()))
    }
}

/// The tags of one interpreter with their rank: the smaller, the better.
pub struct Tags {
    /// Python and ABI tags of wheels for a platform, the best first.
    native: Vec<(String, String)>,
    /// Python tags of wheels for any platform, the best first; their ABI is `none`.
    pure: Vec<String>,
    /// The platforms with their rank.
    platforms: FxHashMap<String, usize>,
}

impl Tags {
    /// The tags of CPython 3.`minor` on that platform, in the order in which installers prefer
    /// them.
    #[must_use]
    pub fn cpython(minor: u32, platform: &Platform) -> Self {
        let own = format!("cp3{minor}");
        let older = (0..minor).rev().map(|minor| format!("py3{minor}"));
        let generic: Vec<String> =
            [format!("py3{minor}"), "py3".to_owned()].into_iter().chain(older).collect();
        let own_abis = [&*own, "abi3", "none"].map(|abi| (own.clone(), abi.to_owned()));
        let older = (2..minor).rev().map(|older| (format!("cp3{older}"), "abi3".to_owned()));
        let generic_native = generic.iter().map(|python| (python.clone(), "none".to_owned()));
        let native = own_abis.into_iter().chain(older).chain(generic_native).collect();
        let pure = [own].into_iter().chain(generic).collect();
        let platforms = platform.tags().into_iter().enumerate().map(|(rank, tag)| (tag, rank));
        Self { native, pure, platforms: platforms.collect() }
    }

    /// The rank of a wheel for the interpreter: the smaller, the better. `None` if it does not fit. Of two
    /// equal wheels, the higher build number wins.
    #[must_use]
    pub fn rank(&self, wheel: &WheelName) -> Option<(usize, std::cmp::Reverse<(u64, String)>)> {
        let platforms = wheel.platform.iter().filter_map(|platform| match &**platform {
            "any" => Some(None),
            other => Some(Some(*self.platforms.get(other)?)),
        });
        let ranks = platforms.flat_map(|platform| {
            let pythons = wheel.python.iter();
            pythons.flat_map(move |python| {
                wheel.abi.iter().filter_map(move |abi| self.rank_of(python, abi, platform))
            })
        });
        Some((ranks.min()?, std::cmp::Reverse(wheel.build.clone())))
    }

    /// The rank of one tag, whose platform has that rank, or none if it is for any.
    fn rank_of(&self, python: &str, abi: &str, platform: Option<usize>) -> Option<usize> {
        let native = |(p, a): &(String, String)| p == python && a == abi;
        match platform {
            Some(platform) => {
                let place = self.native.iter().position(native)?;
                Some(place * self.platforms.len() + platform)
            }
            None if abi == "none" => {
                let place = self.pure.iter().position(|p| p == python)?;
                Some(self.native.len() * self.platforms.len() + place)
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'a>(tags: &Tags, names: &[&'a str]) -> Option<&'a str> {
        let rank = |name: &&str| tags.rank(&name.parse().unwrap());
        names.iter().copied().filter(|name| rank(name).is_some()).min_by_key(rank)
    }

    #[test]
    fn the_most_specific_wheel_is_preferred() {
        let tags = Tags::cpython(11, &"manylinux_2_36_x86_64".parse().unwrap());
        let ordered = [
            "a-1-cp311-cp311-manylinux_2_28_x86_64.whl",
            "a-1-2-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            "a-1-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            "a-1-cp311-cp311-manylinux2014_x86_64.whl",
            "a-1-cp311-cp311-manylinux1_x86_64.whl",
            "a-1-cp311-cp311-linux_x86_64.whl",
            "a-1-cp311-abi3-manylinux_2_17_x86_64.whl",
            "a-1-cp311-none-manylinux_2_17_x86_64.whl",
            "a-1-cp38-abi3-manylinux_2_17_x86_64.whl",
            "a-1-py3-none-manylinux_2_17_x86_64.whl",
            "a-1-py2.py3-none-linux_x86_64.whl",
            "a-1-cp311-none-any.whl",
            "a-1-py311-none-any.whl",
            "a-1-py2.py3-none-any.whl",
            "a-1-py37-none-any.whl",
        ];
        for n in 0..ordered.len() {
            let mut rest = ordered[n..].to_vec();
            rest.reverse();
            assert_eq!(best(&tags, &rest), Some(ordered[n]));
        }
    }

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let tags = Tags::cpython(11, &"manylinux_2_28_x86_64".parse().unwrap());
        for name in [
            "a-1-cp310-cp310-manylinux_2_17_x86_64.whl",
            "a-1-cp312-abi3-manylinux_2_17_x86_64.whl",
            "a-1-cp311-cp311-manylinux_2_29_x86_64.whl",
            "a-1-cp311-cp311-manylinux_2_17_aarch64.whl",
            "a-1-cp311-cp311-musllinux_1_1_x86_64.whl",
            "a-1-cp311-cp311-win_amd64.whl",
            "a-1-cp311-cp311t-manylinux_2_17_x86_64.whl",
            "a-1-py2-none-any.whl",
            "a-1-cp31-abi3-manylinux_2_17_x86_64.whl",
        ] {
            assert_eq!(best(&tags, &[name]), None, "{name}");
        }
        let musl = Tags::cpython(13, &"musllinux_1_2_aarch64".parse().unwrap());
        assert!(best(&musl, &["a-1-cp313-cp313-musllinux_1_1_aarch64.whl"]).is_some());
        assert!(best(&musl, &["a-1-cp313-cp313-manylinux_2_17_aarch64.whl"]).is_none());
        let arm = Tags::cpython(13, &"manylinux_2_36_aarch64".parse().unwrap());
        assert!(best(&arm, &["a-1-cp313-cp313-manylinux_2_12_aarch64.whl"]).is_none());
    }

    #[test]
    fn a_c_library_is_a_platform() {
        let shown = |platform: Result<Platform, _>| platform.map(|p| p.to_string());
        assert_eq!(shown(Platform::glibc("2.36", "x86_64")), Ok("manylinux_2_36_x86_64".into()));
        assert_eq!(shown(Platform::musl("1.2", "aarch64")), Ok("musllinux_1_2_aarch64".into()));
        assert_eq!(shown(Platform::musl("1.2.5", "x86_64")), Ok("musllinux_1_2_x86_64".into()));
        for version in ["2", "", "2.x", ".36"] {
            assert!(Platform::glibc(version, "x86_64").is_err(), "{version}");
        }
    }

    #[test]
    fn platforms_read_back() {
        for text in ["manylinux_2_36_x86_64", "musllinux_1_2_aarch64"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "linux_x86_64",
            "manylinux_2_x86_64",
            "manylinux_2_36_",
            "manylinux_2_36_X",
            "manylinux_2_999_x86_64",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
