//! Finds unmet requirements among distributions: every `Requires-Dist` whose marker holds, with the extras
//! that others request, and `Requires-Python`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    excerpt::{excerpt, several},
    marker::{Marker, MarkerEnvironment},
    requirement::Requirement,
    version::{Specifiers, Version},
};

/// The parts of a distribution that requirements are about.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    /// Its normalised name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// `Requires-Dist` of its metadata.
    pub requires: &'a [String],
    /// `Requires-Python` of its metadata.
    pub requires_python: Option<&'a str>,
}

/// An unmet requirement. Sorted by the distribution that has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmet {
    /// The distribution that has the requirement.
    by: String,
    /// The requirement, without its marker.
    need: String,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Missing,
    /// Another version is present.
    Version(String),
    /// The interpreter has another version.
    Python(String),
}

impl Unmet {
    /// The name of the distribution if it is not there in any version.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let end = self.need.find(|c| !is_name(c)).unwrap_or(self.need.len());
        (self.reason == Reason::Missing).then(|| &self.need[..end])
    }
}

/// The next thing to do about requirements that are not met: how to change the requirements file.
#[must_use]
pub fn advice<'a>(unmet: impl IntoIterator<Item = &'a Unmet>) -> String {
    let missing: BTreeSet<&str> = unmet.into_iter().filter_map(Unmet::missing).collect();
    match missing.into_iter().collect::<Vec<_>>()[..] {
        [] => {
            "change the versions in your requirements file (`uv pip compile` finds some that fit)"
                .to_owned()
        }
        ref names => format!(
            "add {} to your requirements file (`uv pip compile` writes dependencies, too)",
            several(names, 8, ", ")
        ),
    }
}

impl std::fmt::Display for Unmet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { by, need, reason } = self;
        match reason {
            Reason::Missing => write!(f, "'{by}' needs '{need}', which is missing"),
            Reason::Version(found) => write!(f, "'{by}' needs '{need}', not {found}"),
            Reason::Python(found) => write!(f, "'{by}' needs Python {need}, not {found}"),
        }
    }
}

/// The unmet requirements of `distributions`. `extras` are requested from outside, as a name and an extra. A
/// malformed requirement is logged and ignored, because nobody can change a published file. Once `cancelled`
/// is true, the requirements found so far are returned.
pub fn unmet<'a>(
    distributions: &[Needs<'a>],
    extras: &[(&'a str, &'a str)],
    environment: &MarkerEnvironment,
    log: &dyn Fn(&str),
    cancelled: &dyn Fn() -> bool,
) -> Vec<Unmet> {
    let by_name: BTreeMap<&str, &Needs<'_>> = distributions.iter().map(|d| (d.name, d)).collect();
    let wanted: BTreeMap<&str, Wanted> =
        distributions.iter().map(|d| (d.name, Wanted::read(d, log))).collect();

    // An extra can make more requirements hold, which may request more extras. Requirements that do not
    // depend on the new extras are not checked again.
    let mut asked: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut waiting: BTreeMap<&str, BTreeSet<&str>> =
        by_name.keys().map(|name| (*name, BTreeSet::new())).collect();
    for (name, extra) in extras {
        waiting.entry(name).or_default().insert(extra);
    }
    let mut problems = BTreeSet::new();
    while let Some((name, new)) = waiting.pop_first() {
        let Some(wanted) = wanted.get(name) else { continue };
        let (mut own, chosen) = match asked.remove(name) {
            None => (BTreeSet::new(), (0..wanted.all.len()).collect()),
            Some(own) => (own, wanted.depending_on(&new)),
        };
        own.extend(new);
        for number in chosen {
            if cancelled() {
                return problems.into_iter().collect();
            }
            let (need, text) = &wanted.all[number];
            if need.marker.as_ref().is_some_and(|marker| !marker.holds(environment, &own)) {
                continue;
            }
            let unmet = |reason| Unmet { by: name.to_owned(), need: text.clone(), reason };
            let Some(found) = by_name.get(need.name.as_str()) else {
                problems.insert(unmet(Reason::Missing));
                continue;
            };
            let version = found.version.parse::<Version>();
            if version.is_ok_and(|version| !need.versions.contains(&version)) {
                problems.insert(unmet(Reason::Version(found.version.to_owned())));
            }
            let known = if found.name == name { Some(&own) } else { asked.get(found.name) };
            let is_new = |extra: &&String| known.is_none_or(|known| !known.contains(&***extra));
            let more: Vec<&str> = need.extras.iter().filter(is_new).map(String::as_str).collect();
            if !more.is_empty() {
                waiting.entry(found.name).or_default().extend(more);
            }
        }
        asked.insert(name, own);
    }
    problems.extend(distributions.iter().filter_map(|d| wrong_python(d, environment)));
    problems.into_iter().collect()
}

/// The requirements of one distribution.
struct Wanted {
    /// Each with its text up to the marker.
    all: Vec<(Requirement, String)>,
    /// The indices of those whose markers name an extra.
    by_extra: BTreeMap<String, Vec<usize>>,
}

impl Wanted {
    fn read(distribution: &Needs<'_>, log: &dyn Fn(&str)) -> Self {
        let (mut all, mut by_extra) = (Vec::new(), BTreeMap::<String, Vec<usize>>::new());
        for text in distribution.requires {
            match text.parse::<Requirement>() {
                Ok(requirement) => {
                    for extra in requirement.marker.iter().flat_map(Marker::extras) {
                        by_extra.entry(extra).or_default().push(all.len());
                    }
                    all.push((requirement, excerpt(text.split(';').next().unwrap_or(text).trim())));
                }
                Err(error) => log(&format!("'{}': not checked: {error}", distribution.name)),
            }
        }
        Self { all, by_extra }
    }

    /// The indices of those that depend on one of these extras.
    fn depending_on(&self, extras: &BTreeSet<&str>) -> BTreeSet<usize> {
        extras.iter().filter_map(|extra| self.by_extra.get(*extra)).flatten().copied().collect()
    }
}

fn wrong_python(distribution: &Needs<'_>, environment: &MarkerEnvironment) -> Option<Unmet> {
    let wanted = distribution.requires_python?;
    let specifiers: Specifiers = wanted.parse().ok()?;
    let version: Version = environment.python_full_version.parse().ok()?;
    (!specifiers.contains(&version)).then(|| Unmet {
        by: distribution.name.to_owned(),
        need: excerpt(wanted),
        reason: Reason::Python(version.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, version, requirements and `Requires-Python`.
    type Given<'a> = (&'a str, &'a str, &'a [&'a str], Option<&'a str>);

    fn check(distributions: &[Given<'_>], extras: &[(&str, &str)]) -> Vec<String> {
        let environment = MarkerEnvironment {
            python_version: "3.11".into(),
            python_full_version: "3.11.2".into(),
            machine: "x86_64".into(),
        };
        let owned: Vec<Vec<String>> =
            distributions.iter().map(|d| d.2.iter().map(|r| (*r).into()).collect()).collect();
        let all: Vec<Needs<'_>> = distributions
            .iter()
            .zip(&owned)
            .map(|(&(name, version, _, requires_python), requires)| Needs {
                name,
                version,
                requires,
                requires_python,
            })
            .collect();
        let found = unmet(&all, extras, &environment, &|_| {}, &|| false);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_there_is_enough() {
        let needs: &[&str] = &[
            "B-b >= 2, < 3",
            "c[fast]; python_version >= '3.8'",
            "old; python_version < '3'",
            "win; sys_platform == 'win32'",
            "dev; extra == 'dev'",
            "not a requirement",
        ];
        let all: [Given<'_>; 3] =
            [("a", "1", needs, None), ("b-b", "2.1", &[], None), ("c", "1", &[], None)];
        assert_eq!(check(&all, &[]), [""; 0]);
        assert_eq!(check(&all, &[("a", "dev")]), ["'a' needs 'dev', which is missing"]);
    }

    #[test]
    fn what_is_missing_is_named_with_who_needs_it() {
        let all: [Given<'_>; 4] = [
            ("a", "1", &["b >= 2", "c[fast]", "d"], None),
            ("b", "1.9", &[], None),
            ("c", "1", &["e; extra == 'fast'", "f; extra == 'slow'"], None),
            ("d", "1", &[], Some(">=3.12")),
        ];
        assert_eq!(
            check(&all, &[]),
            [
                "'a' needs 'b >= 2', not 1.9",
                "'c' needs 'e', which is missing",
                "'d' needs Python >=3.12, not 3.11.2",
            ]
        );
    }

    /// Each extra asks for the next; looking at all requirements again each time takes hours.
    #[test]
    fn long_chains_of_extras_are_followed() {
        let chain: Vec<String> = (0..20_000)
            .map(|n| format!("a[e{}]; extra == 'e{n}'", n + 1))
            .chain(["a[e0]".to_owned(), "gone; extra == 'e20000'".to_owned()])
            .collect();
        let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
        let problems = check(&[("a", "1", &chain, None)], &[]);
        assert_eq!(problems, ["'a' needs 'gone', which is missing"]);
    }
}
