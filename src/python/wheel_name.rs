//! The file names of wheels and source distributions ("Binary distribution format", "File name
//! convention"; PEP 625).

use std::str::FromStr;

use super::{excerpt::excerpt, version::Version};
use crate::{limits, net::simple::normalised};

/// `name-version[-build]-python-abi-platform.whl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WheelName {
    /// The normalised name of the distribution.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// The build number and the text after it; 0 and empty without one.
    pub build: (u64, String),
    /// Python tags.
    pub python: Vec<String>,
    /// ABI tags.
    pub abi: Vec<String>,
    /// Platform tags.
    pub platform: Vec<String>,
}

/// A text that is not the file name of a wheel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a wheel's file name: {reason}", excerpt(text))]
pub struct WheelNameError {
    text: String,
    reason: &'static str,
}

impl FromStr for WheelName {
    type Err = WheelNameError;

    fn from_str(text: &str) -> Result<Self, WheelNameError> {
        let fail = |reason| WheelNameError { text: text.to_owned(), reason };
        if text.len() > limits::FILE_NAME {
            return Err(fail("it is longer than 255 bytes"));
        }
        let stem = text.strip_suffix(".whl").ok_or_else(|| fail("expected '.whl' at its end"))?;
        let parts: Vec<_> = stem.split('-').collect();
        let (name, version, build, tags) = match parts[..] {
            [name, version, python, abi, platform] => (name, version, "", [python, abi, platform]),
            [name, version, build, python, abi, platform] if !build.is_empty() => {
                (name, version, build, [python, abi, platform])
            }
            _ => {
                let reason = "expected 'name-version[-build]-python-abi-platform'";
                return Err(fail(reason));
            }
        };
        let word = |b: u8| b.is_ascii_alphanumeric() || b"._".contains(&b);
        if normalised(name).is_empty() || !name.bytes().all(word) {
            return Err(fail("the name is malformed"));
        }
        let version =
            version.replace('_', "-").parse().map_err(|_| fail("the version is malformed"))?;
        let digits = build.find(|c: char| !c.is_ascii_digit()).unwrap_or(build.len());
        let build = match build {
            "" => (0, String::new()),
            _ => {
                let number = build[..digits].parse();
                let number = number.map_err(|_| fail("the build does not start with a number"))?;
                (number, build[digits..].to_owned())
            }
        };
        let [python, abi, platform] = tags
            .map(|set| set.to_ascii_lowercase().split('.').map(str::to_owned).collect::<Vec<_>>());
        if [&python, &abi, &platform].into_iter().flatten().any(String::is_empty) {
            return Err(fail("a tag is empty"));
        }
        if ![&python, &abi, &platform].into_iter().flatten().all(|tag| tag.bytes().all(word)) {
            return Err(fail("a tag contains characters other than letters, digits and '_'"));
        }
        // each combination is a tag
        if python.len() * abi.len() * platform.len() > limits::WHEEL_TAGS {
            return Err(fail("it stands for more than 1000 tags"));
        }
        Ok(Self { name: normalised(name), version, build, python, abi, platform })
    }
}

/// The version in the file name of a source distribution of `project`; `None` for any other file.
#[must_use]
pub fn sdist_version(file: &str, project: &str) -> Option<Version> {
    if file.len() > limits::FILE_NAME {
        return None;
    }
    let stem = [".tar.gz", ".zip", ".tar.bz2"].iter().find_map(|end| file.strip_suffix(end))?;
    // old names have dashes in the name of the distribution
    stem.match_indices('-').find_map(|(at, _)| {
        (normalised(&stem[..at]) == project).then(|| stem[at + 1..].parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let name: WheelName =
            "Foo_Bar.baz-1.0rc1-2b-cp311.py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl"
                .parse()
                .unwrap();
        assert_eq!((&*name.name, &*name.version.to_string()), ("foo-bar-baz", "1.0rc1"));
        assert_eq!(name.build, (2, "b".to_owned()));
        assert_eq!((name.python.len(), name.abi.len(), name.platform.len()), (2, 1, 2));
        let local: WheelName = "a-1.0+cu_1-py3-none-any.whl".parse().unwrap();
        assert_eq!(local.version.to_string(), "1.0+cu.1");
        for bad in [
            "a-1.tar.gz",
            "a-1-py3-none.whl",
            "a-1-x-py3-none-any.whl",
            "-1-py3-none-any.whl",
            "a--py3-none-any.whl",
            "a-x-py3-none-any.whl",
            "a-1-1-2-py3-none-any.whl",
            "a-1-py3--any.whl",
            "a-1-py3.-none-any.whl",
            "a-1--py3-none-any.whl",
            "../a-1-py3-none-any.whl",
            "a-1-py3-none-any/x.whl",
            "a-1-py3-none-any/../../x.whl",
            &format!("a-1-{}py3-none-any.whl", "a.".repeat(10_000)),
            &format!("a-1-{0}py3-{0}none-{0}any.whl", "a.".repeat(30)),
        ] {
            let error = bad.parse::<WheelName>().unwrap_err().to_string();
            assert!(error.len() < 300, "{error}");
        }
    }

    #[test]
    fn source_distributions_are_told() {
        let version = |file| sdist_version(file, "foo-bar").map(|v| v.to_string());
        assert_eq!(version("foo_bar-1.0.tar.gz").as_deref(), Some("1.0"));
        assert_eq!(version("foo-bar-1.0.zip").as_deref(), Some("1.0"));
        assert_eq!(version("foo-1.0.tar.gz"), None);
        assert_eq!(version("foo_bar-1.0-py3-none-any.whl"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z0-9._é-]{0,20}(\\.whl)?") {
            let _ = text.parse::<WheelName>();
            let _ = sdist_version(&text, "a");
        }
    }
}
