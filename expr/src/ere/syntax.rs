//! Parses a pattern into a tree, by POSIX's rules: a backslash only before one of `.[\()*+?{|^$`, and
//! none inside brackets; a repetition sign only after something.

use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};

/// An error in a pattern, or while matching.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EreError {
    /// The pattern is malformed: the reason, and the byte where reading stopped.
    #[error("{0} (at byte {1})")]
    Invalid(&'static str, usize),
    /// The pattern, or matching with it, needs too much memory.
    #[error("the memory limit is exceeded")]
    TooLarge,
    /// The evaluation was stopped while the pattern was matched.
    #[error("it was interrupted")]
    Stopped,
}

/// The greatest number of states of a pattern.
const MAX_STATES: usize = 100_000;
/// The deepest nesting of groups and repetitions.
const MAX_DEPTH: usize = 250;

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn union(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, more)| *word |= more);
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }
}

/// A pattern's tree.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Set(ByteSet),
    Start,
    End,
    /// The group's number from 0.
    Group(usize, Box<Node>),
    Concat(Vec<Node>),
    Either(Vec<Node>),
    /// The least and the greatest number of turns.
    Repeat(Box<Node>, u32, Option<u32>),
}

/// Traits of a pattern: true if taking the first branch that leads to a match gives the same result as the
/// rules of the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traits {
    /// In a match of the whole text, all solutions end at the same place, so the first wins. Only an
    /// unbounded repetition of something that can be empty differs, in its last, empty turn.
    pub(super) whole_is_first: bool,
    /// In a search, the next byte must also decide every alternation.
    pub(super) search_is_first: bool,
}

/// A parsed pattern.
pub(super) struct Pattern {
    pub(super) node: Node,
    pub(super) groups: usize,
    pub(super) states: usize,
    pub(super) traits: Traits,
}

pub(super) fn parse(pattern: &[u8]) -> Result<Pattern, EreError> {
    let mut parser = Parser::new(pattern);
    let node = parser.either()?;
    if parser.at < pattern.len() {
        return Err(parser.invalid(match pattern[parser.at] {
            b')' => "a closing parenthesis without an opening one",
            _ => "a repetition of nothing",
        }));
    }
    let states = node.states() + 3;
    if states > MAX_STATES {
        return Err(EreError::TooLarge);
    }
    let whole_is_first = !node.repeats_empty();
    let search_is_first = whole_is_first && node.is_decided_by_next_byte();
    let traits = Traits { whole_is_first, search_is_first };
    Ok(Pattern { node, groups: parser.groups, states, traits })
}

impl Node {
    /// The number of states that the tree needs, with repetitions written out.
    fn states(&self) -> usize {
        let sum = |nodes: &[Self]| {
            nodes.iter().fold(1, |sum: usize, node| sum.saturating_add(node.states()))
        };
        match self {
            Self::Set(_) | Self::Start | Self::End => 1,
            Self::Group(_, inner) => inner.states().saturating_add(2),
            Self::Concat(nodes) => sum(nodes),
            Self::Either(nodes) => sum(nodes).saturating_add(2 * nodes.len()),
            Self::Repeat(inner, min, max) => {
                let turns = max.unwrap_or(min + 1).max(1) as usize;
                inner.states().saturating_add(1).saturating_mul(turns)
            }
        }
    }

    /// True if the empty text matches, assertions aside.
    pub(super) fn can_be_empty(&self) -> bool {
        match self {
            Self::Set(_) => false,
            Self::Start | Self::End => true,
            Self::Group(_, inner) => inner.can_be_empty(),
            Self::Concat(nodes) => nodes.iter().all(Self::can_be_empty),
            Self::Either(nodes) => nodes.iter().any(Self::can_be_empty),
            Self::Repeat(inner, min, _) => *min == 0 || inner.can_be_empty(),
        }
    }

    fn repeats_empty(&self) -> bool {
        match self {
            Self::Set(_) | Self::Start | Self::End => false,
            Self::Group(_, inner) => inner.repeats_empty(),
            Self::Concat(nodes) | Self::Either(nodes) => nodes.iter().any(Self::repeats_empty),
            Self::Repeat(inner, _, max) => {
                inner.repeats_empty() || (max.is_none() && inner.can_be_empty())
            }
        }
    }

    fn is_decided_by_next_byte(&self) -> bool {
        match self {
            Self::Set(_) | Self::Start | Self::End => true,
            Self::Group(_, inner) | Self::Repeat(inner, ..) => inner.is_decided_by_next_byte(),
            Self::Concat(nodes) => nodes.iter().all(Self::is_decided_by_next_byte),
            Self::Either(nodes) => {
                let mut seen = ByteSet::default();
                nodes.iter().all(|node| {
                    let first = node.first_bytes();
                    let apart = !node.can_be_empty() && !seen.meets(&first);
                    seen.union(first);
                    apart && node.is_decided_by_next_byte()
                })
            }
        }
    }

    fn first_bytes(&self) -> ByteSet {
        let mut first = ByteSet::default();
        match self {
            Self::Set(set) => first = *set,
            Self::Start | Self::End => {}
            Self::Group(_, inner) | Self::Repeat(inner, ..) => first = inner.first_bytes(),
            Self::Concat(nodes) => {
                for node in nodes {
                    first.union(node.first_bytes());
                    if !node.can_be_empty() {
                        break;
                    }
                }
            }
            Self::Either(nodes) => nodes.iter().for_each(|node| first.union(node.first_bytes())),
        }
        first
    }

    /// The same pattern for `regex-automata`.
    pub(super) fn hir(&self) -> Hir {
        match self {
            Self::Set(set) => Hir::class(Class::Bytes(ClassBytes::new(
                (0..=u8::MAX).filter(|b| set.contains(*b)).map(|b| ClassBytesRange::new(b, b)),
            ))),
            Self::Start => Hir::look(Look::Start),
            Self::End => Hir::look(Look::End),
            Self::Group(number, inner) => Hir::capture(Capture {
                index: *number as u32 + 1,
                name: None,
                sub: Box::new(inner.hir()),
            }),
            Self::Concat(nodes) => Hir::concat(nodes.iter().map(Self::hir).collect()),
            Self::Either(nodes) => Hir::alternation(nodes.iter().map(Self::hir).collect()),
            Self::Repeat(inner, min, max) => Hir::repetition(Repetition {
                min: *min,
                max: *max,
                greedy: true,
                sub: Box::new(inner.hir()),
            }),
        }
    }
}

struct Parser<'p> {
    text: &'p [u8],
    at: usize,
    groups: usize,
    depth: usize,
    /// The number of atoms, anchors and branches so far.
    parts: usize,
}

impl<'p> Parser<'p> {
    fn new(text: &'p [u8]) -> Self {
        Self { text, at: 0, groups: 0, depth: 0, parts: 0 }
    }

    fn invalid(&self, reason: &'static str) -> EreError {
        EreError::Invalid(reason, self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn either(&mut self) -> Result<Node, EreError> {
        let mut branches = vec![self.concat()?];
        while self.take(b'|') {
            branches.push(self.concat()?);
        }
        match branches.pop() {
            Some(only) if branches.is_empty() => Ok(only),
            last => {
                branches.extend(last);
                Ok(Node::Either(branches))
            }
        }
    }

    fn concat(&mut self) -> Result<Node, EreError> {
        let mut nodes = Vec::new();
        loop {
            // each needs at least one state
            self.parts += 1;
            if self.parts > MAX_STATES {
                return Err(EreError::TooLarge);
            }
            let atom = match self.peek() {
                None | Some(b'|' | b')' | b'*' | b'+' | b'?' | b'{') => {
                    return Ok(Node::Concat(nodes));
                }
                Some(b'^') => {
                    self.at += 1;
                    nodes.push(Node::Start);
                    continue;
                }
                Some(b'$') => {
                    self.at += 1;
                    nodes.push(Node::End);
                    continue;
                }
                Some(b'(') => self.group()?,
                Some(b'[') => {
                    self.at += 1;
                    Node::Set(self.bracket()?)
                }
                Some(b'.') => {
                    self.at += 1;
                    Node::Set(single(0).complement())
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(byte) if b".[\\()*+?{|^$".contains(&byte) => {
                            self.at += 1;
                            Node::Set(single(byte))
                        }
                        _ => return Err(self.invalid("a backslash before an ordinary character")),
                    }
                }
                Some(byte) => {
                    self.at += 1;
                    Node::Set(single(byte))
                }
            };
            nodes.push(self.repetitions(atom)?);
        }
    }

    fn group(&mut self) -> Result<Node, EreError> {
        self.at += 1;
        let number = self.groups;
        self.groups += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(EreError::TooLarge);
        }
        let inner = self.either()?;
        self.depth -= 1;
        if !self.take(b')') {
            return Err(self.invalid("expected a closing parenthesis"));
        }
        Ok(Node::Group(number, Box::new(inner)))
    }

    fn repetitions(&mut self, atom: Node) -> Result<Node, EreError> {
        let mut node = atom;
        for turn in 0.. {
            let (min, max) = match self.peek() {
                Some(b'*') => (0, None),
                Some(b'+') => (1, None),
                Some(b'?') => (0, Some(1)),
                Some(b'{') => {
                    self.at += 1;
                    let min = self.count()?;
                    let max = if !self.take(b',') {
                        Some(min)
                    } else if self.peek().is_some_and(|b| b.is_ascii_digit()) {
                        Some(self.count()?)
                    } else {
                        None
                    };
                    if self.peek() != Some(b'}') {
                        return Err(self.invalid("expected '}' after the counts"));
                    }
                    if max.is_some_and(|max| max < min) {
                        return Err(self.invalid("the second count is less than the first"));
                    }
                    (min, max)
                }
                _ => break,
            };
            self.at += 1;
            if turn + self.depth > MAX_DEPTH {
                return Err(EreError::TooLarge);
            }
            node = Node::Repeat(Box::new(node), min, max);
        }
        Ok(node)
    }

    fn count(&mut self) -> Result<u32, EreError> {
        let digits = self.text[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return Err(self.invalid("expected a count"));
        }
        let text = &self.text[self.at..self.at + digits];
        self.at += digits;
        let count = text
            .iter()
            .fold(0usize, |n, d| n.saturating_mul(10).saturating_add(usize::from(d - b'0')));
        if count > MAX_STATES {
            return Err(EreError::TooLarge);
        }
        Ok(count as u32)
    }

    /// The set between brackets, after the opening one.
    fn bracket(&mut self) -> Result<ByteSet, EreError> {
        /// The previous element: a range may only start with a single character.
        enum Before {
            Nothing,
            Char(u8),
            Class,
        }
        let mut set = ByteSet::default();
        let negated = self.take(b'^');
        let mut before = Before::Nothing;
        let begin = self.at;
        loop {
            let first = self.at == begin;
            let Some(byte) = self.peek() else {
                return Err(self.invalid("expected ']' at the end of the set"));
            };
            self.at += 1;
            match byte {
                b']' if !first => break,
                b'-' if !first => {
                    if self.take(b']') {
                        set.insert(b'-');
                        break;
                    }
                    let Before::Char(low) = before else {
                        return Err(self.invalid("'-' must stand first, last or in a range"));
                    };
                    let high = match self.peek() {
                        Some(b'[')
                            if matches!(self.text.get(self.at + 1), Some(b'.' | b':' | b'=')) =>
                        {
                            None
                        }
                        Some(b']') | None => None,
                        high => high,
                    };
                    let Some(high) = high else {
                        return Err(self.invalid("a range must end with a character"));
                    };
                    self.at += 1;
                    // bytes are compared as C's char is on most machines: signed
                    if (low as i8) > (high as i8) {
                        return Err(self.invalid("the range ends before it begins"));
                    }
                    (low as i8..=high as i8).for_each(|b| set.insert(b as u8));
                    before = Before::Nothing;
                }
                b'[' if matches!(self.peek(), Some(b'.' | b':' | b'=')) => {
                    before = match self.class(&mut set)? {
                        Some(character) => Before::Char(character),
                        None => Before::Class,
                    };
                }
                _ => {
                    set.insert(byte);
                    before = Before::Char(byte);
                }
            }
        }
        Ok(if negated { set.complement() } else { set })
    }

    /// Adds `[:name:]`, `[=x=]` or `[.x.]`, after its first bracket. The last is a single character, which
    /// is returned.
    fn class(&mut self, set: &mut ByteSet) -> Result<Option<u8>, EreError> {
        let kind = self.text[self.at];
        self.at += 1;
        let name = &self.text[self.at..];
        let Some(length) = name.iter().position(|b| *b == kind) else {
            return Err(self.invalid("a class in brackets does not end"));
        };
        let name = &name[..length];
        self.at += length + 1;
        if !self.take(b']') {
            return Err(self.invalid("expected ']' at the end of the class"));
        }
        if kind == b':' {
            let name = name.to_ascii_lowercase();
            let Some(test) = class_test(&name) else {
                return Err(self.invalid("unknown character class"));
            };
            (0..128).filter(test).for_each(|b| set.insert(b));
            return Ok(None);
        }
        let Some(character) = collating_element(name) else {
            return Err(self.invalid("unknown collating element"));
        };
        set.insert(character);
        if kind == b'.' {
            return Ok(Some(character));
        }
        set.insert(character.to_ascii_lowercase());
        set.insert(character.to_ascii_uppercase());
        Ok(None)
    }
}

fn single(byte: u8) -> ByteSet {
    let mut set = ByteSet::default();
    set.insert(byte);
    set
}

fn class_test(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |b| matches!(b, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"d" | b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |b| matches!(b, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"s" | b"space" => |b| matches!(b, b'\t'..=b'\r' | b' '),
        b"upper" => u8::is_ascii_uppercase,
        b"w" => |b| b.is_ascii_alphanumeric() || *b == b'_',
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

/// POSIX's names for the characters that are not letters, in the order of their codes.
const BEFORE_UPPER: [&str; 65] = [
    "NUL",
    "SOH",
    "STX",
    "ETX",
    "EOT",
    "ENQ",
    "ACK",
    "alert",
    "backspace",
    "tab",
    "newline",
    "vertical-tab",
    "form-feed",
    "carriage-return",
    "SO",
    "SI",
    "DLE",
    "DC1",
    "DC2",
    "DC3",
    "DC4",
    "NAK",
    "SYN",
    "ETB",
    "CAN",
    "EM",
    "SUB",
    "ESC",
    "IS4",
    "IS3",
    "IS2",
    "IS1",
    "space",
    "exclamation-mark",
    "quotation-mark",
    "number-sign",
    "dollar-sign",
    "percent-sign",
    "ampersand",
    "apostrophe",
    "left-parenthesis",
    "right-parenthesis",
    "asterisk",
    "plus-sign",
    "comma",
    "hyphen",
    "period",
    "slash",
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "colon",
    "semicolon",
    "less-than-sign",
    "equals-sign",
    "greater-than-sign",
    "question-mark",
    "commercial-at",
];
const BEFORE_LOWER: [&str; 6] = [
    "left-square-bracket",
    "backslash",
    "right-square-bracket",
    "circumflex",
    "underscore",
    "grave-accent",
];
const AFTER_LOWER: [&str; 5] =
    ["left-curly-bracket", "vertical-line", "right-curly-bracket", "tilde", "DEL"];

fn collating_element(name: &[u8]) -> Option<u8> {
    if let [letter] = name
        && letter.is_ascii_alphabetic()
    {
        return Some(*letter);
    }
    [(0, &BEFORE_UPPER[..]), (b'[', &BEFORE_LOWER), (b'{', &AFTER_LOWER)].iter().find_map(
        |(first, names)| {
            let at = names.iter().position(|known| known.as_bytes() == name)?;
            Some(first + at as u8)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pattern: &str) -> ByteSet {
        match parse(pattern.as_bytes()).unwrap().node {
            Node::Concat(nodes) => match nodes[..] {
                [Node::Set(set)] => set,
                _ => panic!("{pattern}"),
            },
            _ => panic!("{pattern}"),
        }
    }

    fn members(pattern: &str) -> String {
        let set = set(pattern);
        (0..128).filter(|b| set.contains(*b)).map(char::from).collect()
    }

    #[test]
    fn brackets_hold_what_posix_says() {
        assert_eq!(members("[]abc]"), "]abc");
        assert_eq!(members(r"[\w]"), r"\w");
        assert_eq!(members("[a-]"), "-a");
        assert_eq!(members("[-a]"), "-a");
        assert_eq!(members("[--0]"), "-./0");
        assert_eq!(members("[+--]"), "+,-");
        assert_eq!(members("[[a]"), "[a");
        assert_eq!(members("[[:digit:]x]"), "0123456789x");
        assert_eq!(members("[[.hyphen.][.a.]-c]"), "-abc");
        assert_eq!(members("[[=a=]]"), "Aa");
        assert_eq!(members("[[:BLANK:]]"), "\t ");
        assert!(!set("[^]]").contains(b']') && set("[^]]").contains(b'a'));
        assert!(set("[^a]").contains(0xff) && set("[^a]").contains(b'\n'));
        assert!(!set(".").contains(0) && set(".").contains(b'\n'));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in [
            "*a",
            "a|*b",
            "(*a)",
            "(",
            ")",
            "a)",
            "(a",
            "{",
            "a{",
            "a{,3}",
            "a{1",
            "a{2,1}",
            "a{x}",
            r"\d",
            r"\w",
            r"\1",
            r"(a)\1",
            r"\}",
            r"\]",
            r"\",
            "(?i)a",
            "(?:a)",
            "^*",
            "+",
            "?",
            "[",
            "[]",
            "[^]",
            "[a",
            "[z-a]",
            "[a-c-e]",
            "[[:alpha:]-z]",
            "[a-[:alpha:]]",
            "[[:nosuch:]]",
            "[[.nosuch.]]",
            "[[=nosuch=]]",
            "[[:alpha:]",
            "[a--z-]x[",
        ] {
            assert!(matches!(parse(pattern.as_bytes()), Err(EreError::Invalid(..))), "{pattern}");
        }
    }

    #[test]
    fn size_is_bounded() {
        for pattern in ["a{100001}", "(a{400}){400}", "((a{99}){99}){99}"] {
            assert_eq!(parse(pattern.as_bytes()).err(), Some(EreError::TooLarge), "{pattern}");
        }
        // before all of it is kept
        for part in ["a", "^", "()", "|", "a|", ".", "(a|b)", "a*", "[a-z]"] {
            let pattern = part.repeat(100_001);
            let mut parser = Parser::new(pattern.as_bytes());
            assert_eq!(parser.either().err(), Some(EreError::TooLarge), "{part}");
        }
        assert!(parse(format!("[{}]", "a".repeat(1_000_000)).as_bytes()).is_ok());
        assert!(parse("(".repeat(100_000).as_bytes()).is_err());
        assert!(parse(format!("a{}", "*".repeat(100_000)).as_bytes()).is_err());
    }

    #[test]
    fn simple_patterns_take_the_fast_way() {
        let traits = |pattern: &str| parse(pattern.as_bytes()).unwrap().traits;
        for pattern in ["a*b", "(a|b)+", "([^:]*):(.*)", "x?", "(foo|bar)", "(a*)?"] {
            assert!(traits(pattern).search_is_first, "{pattern}");
        }
        for pattern in ["(a|ab)", "(a|)", "(|a)"] {
            assert!(traits(pattern).whole_is_first, "{pattern}");
            assert!(!traits(pattern).search_is_first, "{pattern}");
        }
        assert!(!traits("(a*)*").whole_is_first);
        assert!(!traits("(a?){2,}").whole_is_first);
    }
}
