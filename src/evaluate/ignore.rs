//! The patterns of a `.gitignore` file (gitignore(5)), with git's exact meaning. Matching takes at most
//! time proportional to the length of the pattern times that of the text. Knows nothing of files.

/// The patterns of one file, in order.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<Pattern>);

#[derive(Debug)]
struct Pattern {
    /// Includes again what an earlier pattern ignores.
    negative: bool,
    /// Matches only folders.
    folder: bool,
    /// Matches the last name of a path instead of the whole path below the file's folder.
    name: bool,
    /// The literal prefix.
    literal: Vec<u8>,
    /// The tokens after it; `None` for a pattern that matches no text.
    rest: Option<Vec<Token>>,
}

/// A part of a pattern.
#[derive(Debug)]
enum Token {
    /// This byte.
    Byte(u8),
    /// A byte of this set.
    Class([u64; 4]),
    /// Any bytes but slashes.
    Star,
    /// Any bytes.
    Everything,
    /// Skips either nothing or the next two tokens, since `**/` may match nothing.
    Skip,
}

impl Patterns {
    /// Parses a file.
    pub(super) fn parse(text: &[u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n');
        Self(
            lines
                .filter_map(|line| Pattern::parse(line.strip_suffix(b"\r").unwrap_or(line)))
                .collect(),
        )
    }

    /// True without patterns.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Decides if a path, relative to the file's folder, is ignored; `None` if no pattern matches.
    pub(super) fn decide(&self, path: &[u8], is_folder: bool) -> Option<bool> {
        let name = &path[memchr::memrchr(b'/', path).map_or(0, |at| at + 1)..];
        let matches = |pattern: &&Pattern| {
            (is_folder || !pattern.folder)
                && pattern.matches(if pattern.name { name } else { path })
        };
        self.0.iter().rev().find(matches).map(|pattern| !pattern.negative)
    }
}

impl Pattern {
    fn parse(line: &[u8]) -> Option<Self> {
        let line = trimmed(line);
        if line.is_empty() || line[0] == b'#' {
            return None;
        }
        let negative = line[0] == b'!';
        let line = &line[usize::from(negative)..];
        let folder = line.last() == Some(&b'/');
        let line = &line[..line.len() - usize::from(folder)];
        let name = !line.contains(&b'/');
        let line = if name { line } else { line.strip_prefix(b"/").unwrap_or(line) };
        let special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
        let literal = line.iter().position(special).unwrap_or(line.len());
        let (literal, rest) = line.split_at(literal);
        (!line.is_empty()).then(|| Self {
            negative,
            folder,
            name,
            literal: literal.to_vec(),
            rest: tokens(rest, !name),
        })
    }

    fn matches(&self, text: &[u8]) -> bool {
        let Some(text) = text.strip_prefix(&self.literal[..]) else { return false };
        match self.rest.as_deref() {
            None => false,
            Some([]) => text.is_empty(),
            Some(tokens) => matches(tokens, text),
        }
    }
}

/// Removes spaces at the end, except after a backslash.
fn trimmed(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b' ' => at += 1,
            byte => {
                at = (at + if byte == b'\\' { 2 } else { 1 }).min(line.len());
                end = at;
            }
        }
    }
    &line[..end]
}

/// The tokens of a pattern; `None` if it can match no text. Without `path`, a slash is an ordinary
/// character.
fn tokens(pattern: &[u8], path: bool) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < pattern.len() {
        match pattern[at] {
            b'*' => {
                let start = at;
                while pattern.get(at) == Some(&b'*') {
                    at += 1;
                }
                let bounded = at > start + 1
                    && (start == 0 || pattern[start - 1] == b'/')
                    && (matches!(pattern[at..], [] | [b'/', ..] | [b'\\', b'/', ..]));
                if path && bounded && pattern.get(at) == Some(&b'/') {
                    tokens.push(Token::Skip);
                }
                tokens.push(if path && !bounded { Token::Star } else { Token::Everything });
            }
            b'?' => {
                tokens.push(Token::Class(if path { except(b"/") } else { except(b"") }));
                at += 1;
            }
            b'[' => {
                let (mut set, end) = class(&pattern[at + 1..])?;
                if path {
                    set[0] &= !(1 << b'/');
                }
                tokens.push(Token::Class(set));
                at += 1 + end;
            }
            b'\\' => {
                tokens.push(Token::Byte(*pattern.get(at + 1)?));
                at += 2;
            }
            byte => {
                tokens.push(Token::Byte(byte));
                at += 1;
            }
        }
    }
    Some(tokens)
}

/// All bytes but these.
fn except(bytes: &[u8]) -> [u64; 4] {
    let mut set = [u64::MAX; 4];
    for byte in bytes {
        set[usize::from(byte >> 6)] &= !(1 << (byte & 63));
    }
    set
}

fn add(set: &mut [u64; 4], byte: u8) {
    set[usize::from(byte >> 6)] |= 1 << (byte & 63);
}

/// The set of a bracket expression after its `[`, and its length with the `]`; `None` if it is not closed.
fn class(text: &[u8]) -> Option<([u64; 4], usize)> {
    let mut at = 0;
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    at += usize::from(negated);
    let mut set = [0; 4];
    let mut before = 0;
    loop {
        let byte = *text.get(at)?;
        match byte {
            b'\\' => {
                at += 1;
                before = *text.get(at)?;
                add(&mut set, before);
            }
            b'-' if before != 0 && text.get(at + 1).is_some_and(|next| *next != b']') => {
                at += 1;
                if text[at] == b'\\' {
                    at += 1;
                }
                for byte in before..=*text.get(at)? {
                    add(&mut set, byte);
                }
                before = 0;
            }
            b'[' if text.get(at + 1) == Some(&b':') => {
                let end = at + 2 + memchr::memchr(b']', &text[at + 2..])?;
                if end > at + 2 && text[end - 1] == b':' {
                    let is_of = named(&text[at + 2..end - 1])?;
                    (0..=u8::MAX).filter(is_of).for_each(|byte| add(&mut set, byte));
                    at = end;
                    before = 0;
                } else {
                    add(&mut set, b'[');
                    before = b'[';
                }
            }
            byte => {
                add(&mut set, byte);
                before = byte;
            }
        }
        at += 1;
        if *text.get(at)? == b']' {
            break;
        }
    }
    if negated {
        set = set.map(|bits| !bits);
    }
    Some((set, at + 1))
}

/// The bytes of a named class.
fn named(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

/// True if the tokens match the whole text. Tracks all reachable positions in the tokens, byte by byte.
fn matches(tokens: &[Token], text: &[u8]) -> bool {
    let end = tokens.len();
    let mut here = vec![false; end + 1];
    let mut next = vec![false; end + 1];
    reach(tokens, &mut here, 0);
    for byte in text {
        next.fill(false);
        let mut any = false;
        for (at, token) in tokens.iter().enumerate().filter(|(at, _)| here[*at]) {
            let goes_on = match token {
                Token::Byte(wanted) => (byte == wanted).then_some(at + 1),
                Token::Class(set) => {
                    (set[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1).then_some(at + 1)
                }
                Token::Star => (*byte != b'/').then_some(at),
                Token::Everything => Some(at),
                Token::Skip => None,
            };
            if let Some(to) = goes_on {
                any = true;
                reach(tokens, &mut next, to);
            }
        }
        if !any {
            return false;
        }
        std::mem::swap(&mut here, &mut next);
    }
    here[end]
}

/// Marks a position and those reachable from it without a byte.
fn reach(tokens: &[Token], places: &mut [bool], at: usize) {
    let mut at = at;
    loop {
        if std::mem::replace(&mut places[at], true) {
            return;
        }
        match tokens.get(at) {
            Some(Token::Star | Token::Everything) => at += 1,
            Some(Token::Skip) => {
                reach(tokens, places, at + 3);
                at += 1;
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(patterns: &str, path: &str, is_folder: bool) -> Option<bool> {
        Patterns::parse(patterns.as_bytes()).decide(path.as_bytes(), is_folder)
    }

    #[test]
    fn patterns_match_as_in_git() {
        let yes: &[(&str, &str)] = &[
            ("a", "a"),
            ("a", "x/y/a"),
            ("/a", "a"),
            ("x/a", "x/a"),
            ("*.o", "x/y.o"),
            ("x/*.o", "x/y.o"),
            ("**/a", "a"),
            ("**/a", "x/y/a"),
            ("x/**", "x/y/z"),
            ("x/**/a", "x/a"),
            ("x/**/a", "x/y/z/a"),
            ("[a-c]x", "bx"),
            ("[!a-c]x", "dx"),
            ("[]]", "]"),
            ("[[:digit:]]", "7"),
            ("\\#a", "#a"),
            ("\\!a", "!a"),
            ("a\\ ", "a "),
            ("a  ", "a"),
            ("a?c", "abc"),
            ("a\r", "a"),
            ("\u{feff}a", "a"),
        ];
        for (pattern, path) in yes {
            assert_eq!(decide(pattern, path, false), Some(true), "{pattern} {path}");
        }
        let no: &[(&str, &str)] = &[
            ("/a", "x/a"),
            ("x/a", "y/x/a"),
            ("x/*", "x/y/z"),
            ("**/bar", "xbar"),
            ("x/**", "x"),
            ("a?c", "a/c"),
            ("x/[!a]", "x//"),
            ("#a", "#a"),
            ("a/", "a"),
            ("[a", "[a"),
            ("a\\", "a"),
            ("", "a"),
            ("/", "a"),
        ];
        for (pattern, path) in no {
            assert_eq!(decide(pattern, path, false), None, "{pattern} {path}");
        }
        assert_eq!(decide("a/", "x/a", true), Some(true));
        assert_eq!(decide("*\n!keep", "keep", false), Some(false));
        assert_eq!(decide("!keep\n*", "keep", false), Some(true));
    }

    #[test]
    fn matching_is_never_slow() {
        let pattern = "*a".repeat(500) + "b";
        let text = "a".repeat(4000);
        assert_eq!(decide(&pattern, &text, false), None);
        let deep = "**/a/".repeat(300) + "b";
        assert_eq!(decide(&deep, &"a/".repeat(2000), false), None);
    }
}
