//! One requirement (PEP 508): a name, extras, versions or an address, a marker.

use std::str::FromStr;

use super::{
    excerpt::excerpt,
    marker::Marker,
    version::{Specifiers, Version},
};
use crate::{limits, net::simple::normalised};

/// A requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The normalised name of the distribution.
    pub name: String,
    /// Extras, normalised, in the order of the text.
    pub extras: Vec<String>,
    /// The accepted versions.
    pub versions: Specifiers,
    /// The address after `@`, which replaces versions.
    pub url: Option<String>,
    /// The condition on the environment.
    pub marker: Option<Marker>,
}

/// A text that is not a requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a requirement (PEP 508): {reason}", excerpt(text))]
pub struct RequirementError {
    text: String,
    reason: String,
}

impl Requirement {
    /// The pinned version, if it allows only one.
    #[must_use]
    pub fn pin(&self) -> Option<&Version> {
        let mut pins = self.versions.0.iter().filter_map(|clause| clause.pin());
        pins.next().filter(|version| self.versions.contains(version))
    }
}

/// True for a distribution name: letters, digits and, not at the ends, `-_.`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let ends = [text.bytes().next(), text.bytes().next_back()];
    text.bytes().all(inner) && ends.iter().all(|b| b.is_some_and(|b| b.is_ascii_alphanumeric()))
}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        let text = text.trim();
        let fail = |reason: String| RequirementError { text: text.to_owned(), reason };
        if text.len() > limits::REQUIREMENT {
            return Err(fail(format!("it is longer than {} bytes", limits::REQUIREMENT)));
        }
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        if !is_name(name) {
            return Err(fail("expected a name of letters, digits, '-', '_' and '.'".to_owned()));
        }
        let mut rest = rest.trim_start();
        let mut extras = Vec::new();
        if let Some(inner) = rest.strip_prefix('[') {
            let (list, after) =
                inner.split_once(']').ok_or_else(|| fail("'[' is not closed".to_owned()))?;
            for extra in list.split(',').map(str::trim) {
                if !is_name(extra) && !list.trim().is_empty() {
                    return Err(fail(format!("'{}' is not a name of an extra", excerpt(extra))));
                }
                if !extra.is_empty() {
                    extras.push(normalised(extra));
                }
            }
            rest = after.trim_start();
        }
        let (versions, url, marker) = if let Some(address) = rest.strip_prefix('@') {
            // a marker behind an address needs a blank before its semicolon
            let (url, marker) = match address.split_once(" ;") {
                Some((url, marker)) => (url, Some(marker)),
                None => (address, None),
            };
            (Specifiers::default(), Some(url.trim().to_owned()), marker)
        } else {
            let (versions, marker) = match rest.split_once(';') {
                Some((versions, marker)) => (versions, Some(marker)),
                None => (rest, None),
            };
            let versions = versions.trim();
            let inner = versions.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
            let versions = inner.unwrap_or(versions).parse();
            (
                versions.map_err(|e: super::version::SpecifierError| fail(e.to_string()))?,
                None,
                marker,
            )
        };
        let marker = marker.map(str::parse).transpose();
        Ok(Self {
            name: normalised(name),
            extras,
            versions,
            url,
            marker: marker.map_err(|e: super::marker::MarkerError| fail(e.to_string()))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn r(text: &str) -> Requirement {
        text.parse().unwrap()
    }

    #[test]
    fn requirements_are_read() {
        let all = r(" Foo.Bar [a, B_c] >=1.0, <2 ; python_version > '3' ");
        assert_eq!((&*all.name, &all.extras[..]), ("foo-bar", &["a".to_owned(), "b-c".into()][..]));
        assert_eq!(all.versions.0.len(), 2);
        assert_eq!(all.marker.unwrap().to_string(), "python_version > \"3\"");
        assert_eq!(r("a").versions.0.len(), 0);
        assert_eq!(r("a[]").extras.len(), 0);
        assert_eq!(r("a(==1)").pin().unwrap().to_string(), "1");
        assert_eq!(r("a===1.0").pin().unwrap().to_string(), "1.0");
        assert_eq!(r("a==1,>=2").pin(), None);
        assert_eq!(r("a>=1").pin(), None);
        let url = r("a[x] @ https://example.test/a;b.whl ; os_name == 'x'");
        assert_eq!(url.url.as_deref(), Some("https://example.test/a;b.whl"));
        assert!(url.marker.is_some());
    }

    #[test]
    fn what_is_no_requirement_is_refused() {
        for (text, reason) in [
            ("", "expected a name"),
            ("-a", "expected a name"),
            ("a-", "expected a name"),
            ("./a", "expected a name"),
            ("a[x", "not closed"),
            ("a[x y]", "not a name of an extra"),
            ("a 1.0", "'1.0' is not a version specifier"),
            ("a=1", "'=1' is not a version specifier"),
            ("a==1 ; x", "not an environment marker"),
            ("é==1", "expected a name"),
        ] {
            let error = text.parse::<Requirement>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
