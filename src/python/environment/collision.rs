//! A path that several distributions contain.

use std::fmt;

/// A path that several distributions have, with different content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collision {
    /// The path from the environment.
    pub path: String,
    /// The names of the distributions, sorted.
    pub owners: Vec<String>,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owners: Vec<_> = self.owners.iter().map(|o| format!("'{o}'")).collect();
        write!(f, "{} both have '{}' with different content", owners.join(" and "), self.path)
    }
}
