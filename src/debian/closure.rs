//! The closure of packages over Pre-Depends and Depends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::packages::{Need, Package, Packages};

/// The limits of a closure.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Leave out all dependencies.
    pub no_dependencies: bool,
    /// Packages to leave out, with the packages that only they need.
    pub stop: BTreeSet<String>,
}

/// A package of the closure and the packages of the closure that it needs.
#[derive(Debug)]
pub struct Member<'a> {
    /// The package.
    pub package: Package<'a>,
    /// Names.
    pub depends: BTreeSet<&'a str>,
}

/// An error while computing a closure.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ClosureError {
    /// The suite does not have a package.
    #[error("the suite has no package '{0}'")]
    NoPackage(String),
    /// A virtual package was requested.
    #[error("'{name}' is a virtual package; name one that provides it: {providers}")]
    Virtual {
        /// The requested name.
        name: String,
        /// The packages that provide it.
        providers: String,
    },
    /// There are too many dependencies.
    #[error("too many dependencies: gave up after {} packages", crate::limits::PACKAGE_LOOKS)]
    TooMuch,
    /// No package of the suite fulfils a dependency.
    #[error(
        "'{package}' needs {need}, which no package in the suite provides (needed through {chain})"
    )]
    Unfulfilled {
        /// The package that needs it.
        package: String,
        /// The missing package.
        need: String,
        /// The chain from a requested package to this one.
        chain: String,
    },
}

/// The closure of `roots`, by name. Of several alternatives, takes the first that is already in the
/// closure, else the first that exists. Of several providers, takes the first by name.
///
/// # Errors
/// If a package is not in the suite.
pub fn closure<'a>(
    packages: &Packages<'a>,
    roots: &'a [String],
    scope: &Scope,
) -> Result<BTreeMap<&'a str, Member<'a>>, ClosureError> {
    let mut members: BTreeMap<&str, Member<'_>> = BTreeMap::new();
    let mut because: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::new();
    let sorted: BTreeSet<&String> = roots.iter().collect();
    for root in sorted {
        let need = Need { name: root, version: None };
        let mut found = packages.fulfilling(need);
        match packages.fulfilling(need).find(|package| package.name == root) {
            Some(package) => {
                members.insert(
                    package.name,
                    Member { package: package.clone(), depends: BTreeSet::new() },
                );
                queue.push_back(package.name);
            }
            None if found.next().is_some() => {
                let providers: BTreeSet<_> = packages.fulfilling(need).map(|p| p.name).collect();
                let providers = providers.into_iter().collect::<Vec<_>>().join(", ");
                return Err(ClosureError::Virtual { name: root.clone(), providers });
            }
            None => return Err(ClosureError::NoPackage(root.clone())),
        }
    }
    while let Some(name) = queue.pop_front() {
        let package = members[name].package.clone();
        for alternatives in package.needs() {
            if alternatives.iter().any(|need| scope.stop.contains(need.name)) {
                continue;
            }
            let candidates = || alternatives.iter().flat_map(|need| packages.fulfilling(*need));
            let known = candidates().find(|p| {
                members.get(p.name).is_some_and(|member| member.package.version == p.version)
            });
            let found = known.or_else(|| candidates().next());
            if packages.is_exhausted() {
                return Err(ClosureError::TooMuch);
            }
            let Some(chosen) = found else {
                if scope.no_dependencies {
                    continue;
                }
                let need: Vec<_> = alternatives.iter().map(ToString::to_string).collect();
                return Err(ClosureError::Unfulfilled {
                    package: name.to_owned(),
                    need: need.join(" or "),
                    chain: chain(&because, name),
                });
            };
            let chosen_name = chosen.name;
            if scope.stop.contains(chosen_name) {
                continue;
            }
            if !members.contains_key(chosen_name) {
                if scope.no_dependencies {
                    continue;
                }
                because.insert(chosen_name, name);
                queue.push_back(chosen_name);
                let member = Member { package: chosen.clone(), depends: BTreeSet::new() };
                members.insert(chosen_name, member);
            }
            if let Some(member) = members.get_mut(name)
                && chosen_name != name
            {
                member.depends.insert(chosen_name);
            }
        }
    }
    Ok(members)
}

fn chain<'a>(because: &BTreeMap<&'a str, &'a str>, mut name: &'a str) -> String {
    let mut names = vec![name];
    while let Some(above) = because.get(name) {
        name = above;
        names.push(name);
    }
    names.reverse();
    names.join(" -> ")
}

#[cfg(test)]
mod tests {
    use super::{super::packages::tests::index, *};

    fn names(
        list: &[(&str, &str, &str)],
        roots: &[&str],
        scope: &Scope,
    ) -> Result<Vec<String>, String> {
        let text = index(list);
        let roots: Vec<String> = roots.iter().map(|r| (*r).to_owned()).collect();
        let members =
            closure(&Packages::parse(&text).unwrap(), &roots, scope).map_err(|e| e.to_string())?;
        let show = |(name, member): (&&str, &Member<'_>)| {
            format!("{name}:{}", member.depends.iter().copied().collect::<Vec<_>>().join(","))
        };
        Ok(members.iter().map(show).collect())
    }

    const SUITE: &[(&str, &str, &str)] = &[
        ("a", "1", "Depends: b (>= 2), v | c, nothing | d\n"),
        ("b", "2", "Depends: a\n"),
        ("c", "1", ""),
        ("d", "1", "Pre-Depends: c\n"),
        ("p", "1", "Provides: v\n"),
        ("o", "1", "Provides: v\n"),
        ("broken", "1", "Depends: mid\n"),
        ("mid", "1", "Depends: b (>= 3) | none\n"),
    ];

    #[test]
    fn alternatives_and_virtual_packages_are_resolved() {
        let all = names(SUITE, &["a"], &Scope::default()).unwrap();
        assert_eq!(all, ["a:b,d,o", "b:a", "c:", "d:c", "o:"]);
        let known = names(SUITE, &["a", "p"], &Scope::default()).unwrap();
        assert_eq!(known, ["a:b,d,p", "b:a", "c:", "d:c", "p:"]);
    }

    #[test]
    fn the_scope_ends_where_asked() {
        let scope = Scope { stop: ["d".to_owned(), "v".to_owned()].into(), ..Scope::default() };
        assert_eq!(names(SUITE, &["a"], &scope).unwrap(), ["a:b", "b:a"]);
        let scope = Scope { no_dependencies: true, ..Scope::default() };
        assert_eq!(names(SUITE, &["broken", "d", "c"], &scope).unwrap(), ["broken:", "c:", "d:c"]);
    }

    #[test]
    fn needs_that_take_for_ever_are_refused() {
        // many providers of one name, asked for in a version that none has, many times
        let many: Vec<(String, &str, &str)> =
            (0..20_000).map(|n| (format!("p{n}"), "1", "Provides: v\n")).collect();
        let needs = format!("Depends: {}\n", "v (>= 9)|".repeat(5_000));
        let mut all: Vec<(&str, &str, &str)> =
            many.iter().map(|(name, version, fields)| (&**name, *version, *fields)).collect();
        all.push(("root", "1", &needs));
        let error = names(&all, &["root"], &Scope::default()).unwrap_err();
        assert!(error.contains("too many dependencies"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let fail = |root| names(SUITE, &[root], &Scope::default()).unwrap_err();
        assert_eq!(fail("z"), "the suite has no package 'z'");
        assert!(fail("v").contains("o, p"));
        let error = fail("broken");
        assert!(error.contains("'mid' needs b (>= 3) or none"), "{error}");
        assert!(error.contains("broken -> mid"), "{error}");
    }
}
