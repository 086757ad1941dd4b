//! Whether distributions have what they need among themselves: every `Requires-Dist` whose marker
//! holds, extras that others ask for included, and `Requires-Python`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    marker::MarkerEnvironment,
    requirement::Requirement,
    version::{Specifiers, Version},
};

/// A distribution, as far as others need it and it needs others.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    /// Its normalised name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// What its metadata says in `Requires-Dist`.
    pub requires: &'a [String],
    /// What its metadata says in `Requires-Python`.
    pub requires_python: Option<&'a str>,
}

/// What is missing or does not fit, a sentence each. A requirement that cannot be read is told to
/// `log` and has no effect: it stands in a published file that nobody can change any more.
/// `extras` are those that are asked for from outside: a name and an extra.
pub fn unmet<'a>(
    distributions: &[Needs<'a>],
    extras: &[(&'a str, &'a str)],
    environment: &MarkerEnvironment,
    log: &dyn Fn(&str),
) -> Vec<String> {
    let by_name: BTreeMap<&str, &Needs<'_>> = distributions.iter().map(|d| (d.name, d)).collect();
    let needs: BTreeMap<&str, Vec<(Requirement, &str)>> =
        distributions.iter().map(|d| (d.name, read(d, log))).collect();
    let asked_for = extras;

    // Asking for an extra can make further requirements hold, which may ask for extras.
    let mut extras: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, extra) in asked_for {
        extras.entry(name).or_default().insert(extra);
    }
    let mut problems = BTreeSet::new();
    let mut waiting: BTreeSet<&str> = by_name.keys().copied().collect();
    while let Some(name) = waiting.pop_first() {
        let asked: Vec<&str> = extras.get(name).into_iter().flatten().copied().collect();
        for (need, text) in &needs[name] {
            if need.marker.as_ref().is_some_and(|marker| !marker.holds(environment, &asked)) {
                continue;
            }
            let Some(found) = by_name.get(need.name.as_str()) else {
                problems.insert(format!("'{name}' needs '{text}', which is missing"));
                continue;
            };
            let version = found.version.parse::<Version>();
            if version.is_ok_and(|version| !need.versions.contains(&version)) {
                let problem = format!("'{name}' needs '{text}', not {}", found.version);
                problems.insert(problem);
            }
            for extra in &need.extras {
                if extras.entry(found.name).or_default().insert(extra) {
                    waiting.insert(found.name);
                }
            }
        }
    }
    problems.extend(distributions.iter().filter_map(|d| wrong_python(d, environment)));
    problems.into_iter().collect()
}

/// A distribution's requirements, with their texts up to the marker.
fn read<'a>(distribution: &Needs<'a>, log: &dyn Fn(&str)) -> Vec<(Requirement, &'a str)> {
    let mut found = Vec::new();
    for text in distribution.requires {
        match text.parse() {
            Ok(requirement) => {
                found.push((requirement, text.split(';').next().unwrap_or(text).trim()));
            }
            Err(error) => log(&format!("'{}': not checked: {error}", distribution.name)),
        }
    }
    found
}

fn wrong_python(distribution: &Needs<'_>, environment: &MarkerEnvironment) -> Option<String> {
    let wanted = distribution.requires_python?;
    let specifiers: Specifiers = wanted.parse().ok()?;
    let version: Version = environment.python_full_version.parse().ok()?;
    let problem = || format!("'{}' needs Python {wanted}, not {version}", distribution.name);
    (!specifiers.contains(&version)).then(problem)
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
        unmet(&all, extras, &environment, &|_| {})
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
}
