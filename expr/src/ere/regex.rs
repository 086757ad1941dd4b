//! A compiled pattern, and the choice between the two ways to match.

use std::cell::{Cell, OnceCell};

use regex_automata::{Anchored, Input, meta, util::captures::Captures};
use regex_syntax::hir::{Hir, Look};

use super::{
    program::Program,
    syntax::{self, EreError},
    walk::{Range, Walk},
};
use crate::limit::Limit;

/// A compiled pattern.
pub struct Regex {
    parsed: syntax::Pattern,
    program: OnceCell<Program>,
    whole: OnceCell<Option<meta::Regex>>,
    search: OnceCell<Option<meta::Regex>>,
    /// The number of whole texts matched so far. Building an automaton pays from the second on.
    uses: Cell<u32>,
    /// The limit that stops a walk.
    limit: Limit,
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If the pattern is malformed, or needs more than 100,000 states.
    pub fn new(pattern: &[u8]) -> Result<Self, EreError> {
        Ok(Self {
            parsed: syntax::parse(pattern)?,
            program: OnceCell::new(),
            whole: OnceCell::new(),
            search: OnceCell::new(),
            uses: Cell::new(0),
            limit: Limit::default(),
        })
    }

    /// The same regex, which stops matching when this limit stops evaluations.
    #[must_use]
    pub fn under(self, limit: Limit) -> Self {
        Self { limit, ..self }
    }

    /// The number of states of the pattern.
    pub(super) fn states(&self) -> usize {
        self.parsed.states
    }

    /// The number of groups in the pattern.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.parsed.groups
    }

    /// Matches the whole of `text`. If it matches, puts its groups into `groups`.
    ///
    /// # Errors
    /// If the match needs more memory than the limit, or was interrupted.
    pub fn matches_whole(
        &self,
        text: &[u8],
        groups: &mut Vec<Option<Range>>,
    ) -> Result<bool, EreError> {
        /// Up to this many steps, a walk costs less than building an automaton.
        const CHEAP: usize = 2000;
        self.uses.set(self.uses.get().saturating_add(1));
        let once = self.uses.get() <= 4 && text.len() * self.parsed.states <= CHEAP;
        if self.parsed.traits.whole_is_first
            && !once
            && let Some(regex) = self.whole.get_or_init(|| self.build(true))
        {
            let input = Input::new(text).anchored(Anchored::Yes);
            return Ok(self.run(regex, &input, groups).is_some());
        }
        let program = self.program();
        let mut walk = Walk::new(program, text, true, &self.limit);
        match walk.run(0, false)? {
            Some(_) => {
                walk.groups(0, self.parsed.groups, groups);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The matches in `text`, left to right, none inside another.
    #[must_use]
    pub fn find_all<'r, 't>(&'r self, text: &'t [u8]) -> Matches<'r, 't> {
        let walk = Walk::new(self.program(), text, false, &self.limit);
        Matches { regex: self, text, walk, last: None, captures: None }
    }

    fn program(&self) -> &Program {
        self.program.get_or_init(|| Program::new(&self.parsed.node))
    }

    /// The automaton, or `None` if it cannot be built (for example, if `{0}` removes a group).
    fn build(&self, whole: bool) -> Option<meta::Regex> {
        let hir = self.parsed.node.hir();
        let hir = if whole {
            Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)])
        } else {
            hir
        };
        let config = meta::Config::new().utf8_empty(false).hybrid_cache_capacity(1 << 20);
        let regex = meta::Builder::new().configure(config).build_from_hir(&hir).ok()?;
        (regex.captures_len() == self.parsed.groups + 1).then_some(regex)
    }

    fn run(
        &self,
        regex: &meta::Regex,
        input: &Input<'_>,
        groups: &mut Vec<Option<Range>>,
    ) -> Option<Range> {
        groups.clear();
        if self.parsed.groups == 0 {
            let found = regex.search(input)?;
            return Some((found.start(), found.end()));
        }
        let mut captures = regex.create_captures();
        regex.search_captures(input, &mut captures);
        take_groups(&captures, groups)
    }
}

fn take_groups(captures: &Captures, groups: &mut Vec<Option<Range>>) -> Option<Range> {
    groups.clear();
    let mut spans = captures.iter().map(|span| span.map(|span| (span.start, span.end)));
    let found = spans.next()??;
    groups.extend(spans);
    Some(found)
}

/// The matches of a pattern in a text; see [`Regex::find_all`].
pub struct Matches<'r, 't> {
    regex: &'r Regex,
    text: &'t [u8],
    walk: Walk<'r, 't>,
    last: Option<Range>,
    captures: Option<Captures>,
}

impl Matches<'_, '_> {
    /// The next match. Puts its groups into `groups`. An empty match is followed by a non-empty match at
    /// the same place if there is one, else by a match that starts later.
    ///
    /// # Errors
    /// If the match needs more memory than the limit, or was interrupted.
    pub fn next(&mut self, groups: &mut Vec<Option<Range>>) -> Result<Option<Range>, EreError> {
        let from = match self.last {
            None => 0,
            Some((start, end)) if start < end => end,
            Some((_, end)) if end == self.text.len() => return Ok(None),
            Some((_, end)) => {
                if let Some(found) = self.walk_from(end, true, groups)? {
                    return Ok(Some(found));
                }
                end + 1
            }
        };
        let Some(search) = self.regex.search.get_or_init(|| self.regex.build(false)) else {
            for start in from..=self.text.len() {
                if let Some(found) = self.walk_from(start, false, groups)? {
                    return Ok(Some(found));
                }
            }
            return Ok(None);
        };
        let input = Input::new(self.text).span(from..self.text.len());
        if !self.regex.parsed.traits.search_is_first {
            // the start of a match is the same under every rule of choice
            return match search.search(&input) {
                Some(found) => self.walk_from(found.start(), false, groups),
                None => Ok(None),
            };
        }
        self.last = if self.regex.parsed.groups == 0 {
            groups.clear();
            search.search(&input).map(|found| (found.start(), found.end()))
        } else {
            let captures = self.captures.get_or_insert_with(|| search.create_captures());
            search.search_captures(&input, captures);
            take_groups(captures, groups)
        };
        Ok(self.last)
    }

    fn walk_from(
        &mut self,
        start: usize,
        not_empty: bool,
        groups: &mut Vec<Option<Range>>,
    ) -> Result<Option<Range>, EreError> {
        let found = self.walk.run(start, not_empty)?.map(|end| (start, end));
        if found.is_some() {
            self.walk.groups(start, self.regex.parsed.groups, groups);
            self.last = found;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(pattern: &str, text: &str) -> Option<Vec<Option<String>>> {
        let regex = Regex::new(pattern.as_bytes()).unwrap();
        let mut groups = Vec::new();
        let matched = regex.matches_whole(text.as_bytes(), &mut groups).unwrap();
        matched.then(|| texts(text, &groups))
    }

    fn texts(text: &str, groups: &[Option<Range>]) -> Vec<Option<String>> {
        groups.iter().map(|span| span.map(|(a, b)| text[a..b].to_owned())).collect()
    }

    /// As `builtins.split` prints: the texts between, and the groups in brackets.
    fn split(pattern: &str, text: &str) -> String {
        let regex = Regex::new(pattern.as_bytes()).unwrap();
        let (mut matches, mut groups) = (regex.find_all(text.as_bytes()), Vec::new());
        let (mut out, mut end) = (String::new(), 0);
        while let Some((start, next)) = matches.next(&mut groups).unwrap() {
            let groups: Vec<_> = texts(text, &groups)
                .into_iter()
                .map(|group| group.unwrap_or_else(|| "null".to_owned()))
                .collect();
            out += &format!("{}[{}]", &text[end..start], groups.join(","));
            end = next;
        }
        out + &text[end..]
    }

    #[test]
    fn choices_are_those_of_nix() {
        // every line was checked against Nix 2.34
        assert_eq!(split("(a|ab)(c|bcd)(d*)", "abcd"), "[a,bcd,]");
        assert_eq!(split("a*(ab)?", "aab"), "[null][null]b[null]");
        assert_eq!(split("(b|)(bcd)?", "bcd"), "[,bcd][,null]");
        assert_eq!(split("(a)b", "abc"), "[a]c");
        assert_eq!(split("([ac])", "abc"), "[a]b[c]");
        assert_eq!(split("x*", "abc"), "[]a[]b[]c[]");
        assert_eq!(split("^a", "aaa"), "[]aa");
        assert_eq!(split("a$", "aaa"), "aa[]");
        let group = |text: &str| Some(text.to_owned());
        assert_eq!(whole("(a*)*", "aa"), Some(vec![group("")]));
        assert_eq!(whole("((a*)*)*b?", "aa"), Some(vec![group(""), group("")]));
        assert_eq!(whole("(|a)", "a"), Some(vec![group("a")]));
        assert_eq!(whole("((a)|b)*", "ab"), Some(vec![group("b"), group("a")]));
        assert_eq!(whole("(a){0}b", "b"), Some(vec![None]));
        assert_eq!(whole("a.c", "a\nc"), Some(vec![]));
        assert_eq!(whole("a", "ab"), None);
    }

    #[test]
    fn long_texts_cost_no_stack() {
        let text = "ab".repeat(200_000);
        assert!(whole("(a|b)*", &text).is_some());
        assert!(whole("((a|ab)*b?)*", &text[..20_000]).is_some());
        assert_eq!(whole("((a*)*)*b", &"a".repeat(5000)), None);
    }

    proptest! {
        /// If both ways are allowed, they agree.
        #[test]
        fn automaton_and_walk_agree(
            pattern in r"(\(?[ab.](\||[*+?]|\{1,2\})?\)?|[abc]|\[a-b\]){1,5}",
            text in "[abc]{0,8}",
        ) {
            let Ok(regex) = Regex::new(pattern.as_bytes()) else { return Ok(()) };
            let text = text.as_bytes();
            let mut fast = Vec::new();
            let mut slow = Vec::new();
            if regex.parsed.traits.whole_is_first && let Some(automaton) = regex.build(true) {
                let input = Input::new(text).anchored(Anchored::Yes);
                let matched = regex.run(&automaton, &input, &mut fast).is_some();
                let mut walk = Walk::new(regex.program(), text, true, &regex.limit);
                prop_assert_eq!(walk.run(0, false).unwrap().is_some(), matched);
                if matched {
                    walk.groups(0, regex.groups(), &mut slow);
                    prop_assert_eq!(&fast, &slow);
                }
            }
            if regex.parsed.traits.search_is_first && let Some(automaton) = regex.build(false) {
                let found = regex.run(&automaton, &Input::new(text), &mut fast);
                let mut walk = Walk::new(regex.program(), text, false, &regex.limit);
                let first = (0..=text.len())
                    .find_map(|at| walk.run(at, false).unwrap().map(|end| (at, end)));
                prop_assert_eq!(found, first);
                if let Some((start, _)) = first {
                    walk.groups(start, regex.groups(), &mut slow);
                    prop_assert_eq!(&fast, &slow);
                }
            }
        }

        #[test]
        fn no_pattern_panics(pattern in r"[ab()|*+?{}\[\]^$.,:=0-3\\-]{0,12}", text in "[ab]{0,6}") {
            if let Ok(regex) = Regex::new(pattern.as_bytes()) {
                let mut groups = Vec::new();
                let _ = regex.matches_whole(text.as_bytes(), &mut groups);
                let mut matches = regex.find_all(text.as_bytes());
                while let Ok(Some(_)) = matches.next(&mut groups) {}
            }
        }
    }
}
