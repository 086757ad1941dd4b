//! Whether the distributions of an environment have what they need: every `Requires-Dist` whose
//! marker holds, extras that others ask for included, and `Requires-Python`.

use std::collections::{BTreeMap, BTreeSet};

use super::distribution::Distribution;
use crate::python::{
    marker::MarkerEnvironment,
    requirement::Requirement,
    version::{Specifiers, Version},
};

/// What is missing or does not fit, a sentence each. A requirement that cannot be read is told to
/// `log` and has no effect: it stands in a published file that nobody can change any more.
pub fn unmet(
    distributions: &[Distribution],
    environment: &MarkerEnvironment,
    log: &dyn Fn(&str),
) -> Vec<String> {
    let by_name: BTreeMap<&str, &Distribution> =
        distributions.iter().map(|d| (d.name.as_str(), d)).collect();
    let needs: BTreeMap<&str, Vec<(Requirement, &str)>> =
        distributions.iter().map(|d| (d.name.as_str(), read(d, log))).collect();

    // Asking for an extra can make further requirements hold, which may ask for extras.
    let mut extras: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
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
                if extras.entry(&found.name).or_default().insert(extra) {
                    waiting.insert(&found.name);
                }
            }
        }
    }
    problems.extend(distributions.iter().filter_map(|d| wrong_python(d, environment)));
    problems.into_iter().collect()
}

/// A distribution's requirements, with their texts up to the marker.
fn read<'a>(distribution: &'a Distribution, log: &dyn Fn(&str)) -> Vec<(Requirement, &'a str)> {
    let mut found = Vec::new();
    for text in &distribution.requires {
        match text.parse() {
            Ok(requirement) => {
                found.push((requirement, text.split(';').next().unwrap_or(text).trim()));
            }
            Err(error) => log(&format!("'{}': not checked: {error}", distribution.name)),
        }
    }
    found
}

fn wrong_python(distribution: &Distribution, environment: &MarkerEnvironment) -> Option<String> {
    let wanted = distribution.requires_python.as_ref()?;
    let specifiers: Specifiers = wanted.parse().ok()?;
    let version: Version = environment.python_full_version.parse().ok()?;
    let problem = || format!("'{}' needs Python {wanted}, not {version}", distribution.name);
    (!specifiers.contains(&version)).then(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::testing::path;

    fn distribution(name: &str, version: &str, requires: &[&str]) -> Distribution {
        Distribution {
            name: name.into(),
            version: version.into(),
            path: path(1, name),
            real: "/nowhere".into(),
            dist_info: None,
            scripts: Vec::new(),
            requires: requires.iter().map(|r| (*r).into()).collect(),
            requires_python: None,
        }
    }

    fn check(distributions: &[Distribution]) -> Vec<String> {
        let environment = MarkerEnvironment {
            python_version: "3.11".into(),
            python_full_version: "3.11.2".into(),
            machine: "x86_64".into(),
        };
        unmet(distributions, &environment, &|_| {})
    }

    #[test]
    fn what_is_there_is_enough() {
        let a = distribution(
            "a",
            "1",
            &[
                "B-b >= 2, < 3",
                "c[fast]; python_version >= '3.8'",
                "old; python_version < '3'",
                "win; sys_platform == 'win32'",
                "dev; extra == 'dev'",
                "not a requirement",
            ],
        );
        let all = [a, distribution("b-b", "2.1", &[]), distribution("c", "1", &[])];
        assert_eq!(check(&all), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_named_with_who_needs_it() {
        let a = distribution("a", "1", &["b >= 2", "c[fast]", "d"]);
        let b = distribution("b", "1.9", &[]);
        let c = distribution("c", "1", &["e; extra == 'fast'", "f; extra == 'slow'"]);
        let mut d = distribution("d", "1", &[]);
        d.requires_python = Some(">=3.12".into());
        assert_eq!(
            check(&[a, b, c, d]),
            [
                "'a' needs 'b >= 2', not 1.9",
                "'c' needs 'e', which is missing",
                "'d' needs Python >=3.12, not 3.11.2",
            ]
        );
    }
}
