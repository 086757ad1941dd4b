//! Compiled patterns, kept so that a pattern used in a loop is compiled once.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::{EreError, Regex};
use crate::limit::Limit;

/// The greatest number of kept patterns, and of their states (about half a KiB each). The cache is emptied
/// when it exceeds either.
const CAPACITY: usize = 512;
const STATES: usize = 100_000;

/// Compiled patterns by their text.
#[derive(Default)]
pub(crate) struct Cache {
    /// The limit that stops matching.
    limit: Limit,
    known: FxHashMap<Box<[u8]>, Rc<Regex>>,
    states: usize,
}

impl Cache {
    /// An empty cache. Its patterns stop matching when this limit stops evaluations.
    pub(crate) fn new(limit: Limit) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The compiled form of `pattern`.
    ///
    /// # Errors
    /// As [`Regex::new`].
    pub(crate) fn get(&mut self, pattern: &[u8]) -> Result<Rc<Regex>, EreError> {
        if let Some(regex) = self.known.get(pattern) {
            return Ok(Rc::clone(regex));
        }
        let regex = Rc::new(Regex::new(pattern)?.under(self.limit.clone()));
        self.states += regex.states();
        if self.known.len() >= CAPACITY || self.states > STATES {
            self.known.clear();
            self.states = regex.states();
        }
        self.known.insert(pattern.into(), Rc::clone(&regex));
        Ok(regex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pattern_is_compiled_once_and_the_size_is_bounded() {
        let mut cache = Cache::default();
        let first = cache.get(b"a").unwrap();
        assert!(Rc::ptr_eq(&first, &cache.get(b"a").unwrap()));
        for n in 0..3 * CAPACITY {
            cache.get(format!("a{n}").as_bytes()).unwrap();
        }
        assert!(cache.known.len() <= CAPACITY);
        for n in 0..20 {
            cache.get(format!("(a|b){{2500}}{n}").as_bytes()).unwrap();
        }
        let states = cache.known.values().map(|regex| regex.states()).sum::<usize>();
        assert_eq!(cache.states, states);
        assert!(states <= STATES, "{states}");
    }
}
