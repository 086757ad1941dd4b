//! Splits text into tokens. If several rules match, the longest match wins, as in Nix: `a/b` is a path and
//! `a:b` a URI. Strings, indented strings and paths are modes of their own.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_until, take_while, take_while1},
    character::complete::{char, digit0, digit1, one_of, satisfy},
    combinator::{opt, peek, recognize},
    multi::{many0_count, many1_count},
    sequence::{delimited, pair, preceded, terminated},
};

use super::token::{Token, TokenKind};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Default,
    String,
    Indented,
    /// In a path; true if it ends with a slash so far.
    Path(bool),
}

/// An error of the lexer: the message and the place.
pub(super) struct LexError {
    pub(super) message: &'static str,
    pub(super) at: u32,
}

type Scan<'t> = IResult<&'t [u8], &'t [u8]>;

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\'' | b'-')
}

fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+')
}

fn is_uri(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"%/?:@&=+$,-_.!~*'".contains(&byte)
}

fn path(text: &[u8]) -> Scan<'_> {
    recognize((
        take_while(is_path),
        many1_count(pair(char('/'), take_while1(is_path))),
        opt(char('/')),
    ))
    .parse(text)
}

/// The part of a path before its first interpolation, up to a slash.
fn path_before_interpolation(text: &[u8]) -> Scan<'_> {
    terminated(recognize(pair(take_while(is_path), char('/'))), peek(tag("${"))).parse(text)
}

fn home_path(text: &[u8]) -> Scan<'_> {
    let whole =
        recognize((char('~'), many1_count(pair(char('/'), take_while1(is_path))), opt(char('/'))));
    alt((whole, terminated(tag("~/"), peek(tag("${"))))).parse(text)
}

fn search_path(text: &[u8]) -> Scan<'_> {
    recognize(delimited(
        char('<'),
        pair(take_while1(is_path), many0_count(pair(char('/'), take_while1(is_path)))),
        char('>'),
    ))
    .parse(text)
}

fn uri(text: &[u8]) -> Scan<'_> {
    let scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    recognize((
        satisfy(|c| c.is_ascii_alphabetic()),
        take_while(scheme),
        char(':'),
        take_while1(is_uri),
    ))
    .parse(text)
}

fn float(text: &[u8]) -> Scan<'_> {
    recognize(pair(
        alt((
            recognize((satisfy(|c| matches!(c, '1'..='9')), digit0, char('.'), digit0)),
            recognize((opt(char('0')), char('.'), digit1)),
        )),
        opt((one_of("eE"), opt(one_of("+-")), digit1)),
    ))
    .parse(text)
}

fn long_comment(text: &[u8]) -> Scan<'_> {
    recognize(delimited(tag("/*"), take_until("*/"), tag("*/"))).parse(text)
}

fn line_comment(text: &[u8]) -> Scan<'_> {
    preceded(char('#'), take_while(|byte| byte != b'\n' && byte != b'\r')).parse(text)
}

fn blank(text: &[u8]) -> Scan<'_> {
    take_while1(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).parse(text)
}

/// The number of bytes that a rule matches at the start of the text.
fn length<'t>(rule: impl Fn(&'t [u8]) -> Scan<'t>, text: &'t [u8]) -> usize {
    rule(text).map_or(0, |(rest, _)| text.len() - rest.len())
}

fn keyword(word: &[u8]) -> TokenKind {
    match word {
        b"if" => TokenKind::If,
        b"then" => TokenKind::Then,
        b"else" => TokenKind::Else,
        b"assert" => TokenKind::Assert,
        b"with" => TokenKind::With,
        b"let" => TokenKind::Let,
        b"in" => TokenKind::In,
        b"rec" => TokenKind::Rec,
        b"inherit" => TokenKind::Inherit,
        b"or" => TokenKind::Or,
        _ => TokenKind::Identifier,
    }
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    modes: Vec<Mode>,
    tokens: Vec<Token>,
    /// The ends of the current runs of path characters and of URI scheme characters, found once for all
    /// words in a run.
    path_end: usize,
    scheme_end: usize,
    /// True if the end of a long comment follows.
    comments: bool,
}

/// The tokens of a text. The last is [`TokenKind::End`].
pub(super) fn lex(text: &[u8]) -> Result<Vec<Token>, LexError> {
    let tokens = Vec::with_capacity(text.len() / 3 + 1);
    let mut lexer = Lexer {
        text,
        at: 0,
        modes: Vec::new(),
        tokens,
        path_end: 0,
        scheme_end: 0,
        comments: true,
    };
    while lexer.at < text.len() {
        match lexer.modes.last().copied().unwrap_or(Mode::Default) {
            Mode::Default => lexer.default()?,
            Mode::String => lexer.string(),
            Mode::Indented => lexer.indented(),
            Mode::Path(slash) => lexer.path(slash)?,
        }
    }
    if let Some(Mode::Path(slash)) = lexer.modes.last() {
        lexer.end_path(*slash)?;
    }
    lexer.push(TokenKind::End, 0);
    Ok(lexer.tokens)
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t [u8] {
        &self.text[self.at..]
    }

    #[allow(clippy::cast_possible_truncation)]
    fn push(&mut self, kind: TokenKind, len: usize) {
        let lo = self.at as u32;
        self.at += len;
        self.tokens.push(Token { kind, lo, hi: self.at as u32 });
    }

    #[allow(clippy::cast_possible_truncation)]
    fn error(&self, message: &'static str) -> LexError {
        LexError { message, at: self.at as u32 }
    }

    fn default(&mut self) -> Result<(), LexError> {
        let text = self.rest();
        let next = text.get(1).copied().unwrap_or(0);
        match text[0] {
            b' ' | b'\t' | b'\r' | b'\n' => self.at += length(blank, text),
            b'#' => self.at += length(line_comment, text),
            b'/' if next == b'*' && self.comments => match length(long_comment, text) {
                0 => {
                    self.comments = false;
                    self.operator();
                }
                len => self.at += len,
            },
            byte if is_path(byte) || byte == b'/' => self.word(),
            b'~' => match length(home_path, text) {
                0 => self.push(TokenKind::Unknown, 1),
                len => self.start_path(TokenKind::HomePath, len),
            },
            b'<' => match length(search_path, text) {
                0 => self.operator(),
                len => self.push(TokenKind::SearchPath, len),
            },
            b'"' => {
                self.push(TokenKind::Quote, 1);
                self.modes.push(Mode::String);
            }
            b'\'' if next == b'\'' => {
                let blanks = text[2..].iter().take_while(|&&byte| byte == b' ').count();
                let line = text.get(2 + blanks) == Some(&b'\n');
                self.push(TokenKind::IndentedOpen, if line { 3 + blanks } else { 2 });
                self.modes.push(Mode::Indented);
            }
            b'$' if next == b'{' => {
                self.push(TokenKind::Interpolation, 2);
                self.modes.push(Mode::Default);
            }
            b'{' => {
                self.push(TokenKind::BraceOpen, 1);
                self.modes.push(Mode::Default);
            }
            b'}' => {
                self.push(TokenKind::BraceClose, 1);
                self.modes.pop();
            }
            _ => self.operator(),
        }
        Ok(())
    }

    /// Tokens that start with a character that can be part of a path: names, numbers, paths, URIs, and
    /// a few operators.
    fn word(&mut self) {
        let text = self.rest();
        let first = text[0];
        let plain = if first.is_ascii_alphabetic() || first == b'_' {
            let len = text.iter().take_while(|&&byte| is_identifier(byte)).count();
            (keyword(&text[..len]), len)
        } else if first.is_ascii_digit() || first == b'.' {
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let float = length(float, text);
            if float > digits { (TokenKind::Float, float) } else { (TokenKind::Integer, digits) }
        } else {
            (TokenKind::Unknown, 0)
        };
        // these characters continue a path or URI after the word
        let kind = match self.text.get(self.path_end()) {
            Some(b'/') => {
                let path = length(path, text).max(length(path_before_interpolation, text));
                if path > plain.1 {
                    return self.start_path(TokenKind::Path, path);
                }
                plain
            }
            Some(b':') if first.is_ascii_alphabetic() && self.has_scheme() => {
                match length(uri, text) {
                    len if len > plain.1 => (TokenKind::Uri, len),
                    _ => plain,
                }
            }
            _ => plain,
        };
        match kind {
            (_, 0) => self.operator(),
            (kind, len) => self.push(kind, len),
        }
    }

    /// The end of the path characters that start here.
    fn path_end(&mut self) -> usize {
        if self.path_end < self.at {
            self.path_end = self.at;
        }
        if self.path_end == self.at {
            self.path_end += self.rest().iter().take_while(|&&byte| is_path(byte)).count();
        }
        self.path_end
    }

    /// True if all path characters that start here can belong to the scheme of a URI.
    fn has_scheme(&mut self) -> bool {
        if self.scheme_end <= self.at {
            let scheme = |byte: &&u8| is_path(**byte) && **byte != b'_';
            self.scheme_end = self.at + self.rest().iter().take_while(scheme).count();
        }
        self.scheme_end == self.path_end
    }

    fn operator(&mut self) {
        let text = self.rest();
        let (kind, len) = match text {
            [b'.', b'.', b'.', ..] => (TokenKind::Ellipsis, 3),
            [b'=', b'=', ..] => (TokenKind::Equal, 2),
            [b'!', b'=', ..] => (TokenKind::NotEqual, 2),
            [b'<', b'=', ..] => (TokenKind::LessEqual, 2),
            [b'>', b'=', ..] => (TokenKind::GreaterEqual, 2),
            [b'&', b'&', ..] => (TokenKind::And, 2),
            [b'|', b'|', ..] => (TokenKind::OrOr, 2),
            [b'-', b'>', ..] => (TokenKind::Arrow, 2),
            [b'/', b'/', ..] => (TokenKind::Update, 2),
            [b'+', b'+', ..] => (TokenKind::Concat, 2),
            [b'<', b'|', ..] => (TokenKind::PipeFrom, 2),
            [b'|', b'>', ..] => (TokenKind::PipeInto, 2),
            [byte, ..] => (
                match byte {
                    b'<' => TokenKind::Less,
                    b'>' => TokenKind::Greater,
                    b'+' => TokenKind::Plus,
                    b'-' => TokenKind::Minus,
                    b'*' => TokenKind::Star,
                    b'/' => TokenKind::Slash,
                    b'!' => TokenKind::Not,
                    b'=' => TokenKind::Assign,
                    b'?' => TokenKind::Question,
                    b':' => TokenKind::Colon,
                    b';' => TokenKind::Semicolon,
                    b',' => TokenKind::Comma,
                    b'.' => TokenKind::Dot,
                    b'@' => TokenKind::At,
                    b'(' => TokenKind::ParenOpen,
                    b')' => TokenKind::ParenClose,
                    b'[' => TokenKind::BracketOpen,
                    b']' => TokenKind::BracketClose,
                    _ => TokenKind::Unknown,
                },
                1,
            ),
            [] => (TokenKind::End, 0),
        };
        self.push(kind, len);
    }

    fn start_path(&mut self, kind: TokenKind, len: usize) {
        let slash = self.text[self.at + len - 1] == b'/';
        self.push(kind, len);
        self.modes.push(Mode::Path(slash));
    }

    fn path(&mut self, slash: bool) -> Result<(), LexError> {
        let text = self.rest();
        if text.starts_with(b"${") {
            self.push(TokenKind::Interpolation, 2);
            self.modes.pop();
            self.modes.extend([Mode::Path(false), Mode::Default]);
            return Ok(());
        }
        let run = text.iter().take_while(|&&byte| is_path(byte)).count();
        let len = length(path, text).max(run + usize::from(text.get(run) == Some(&b'/')));
        if len == 0 {
            return self.end_path(slash);
        }
        self.push(TokenKind::PathPart, len);
        self.modes.pop();
        self.modes.push(Mode::Path(self.text[self.at - 1] == b'/'));
        Ok(())
    }

    fn end_path(&mut self, slash: bool) -> Result<(), LexError> {
        if slash {
            return Err(self.error("path has a trailing slash"));
        }
        self.push(TokenKind::PathEnd, 0);
        self.modes.pop();
        Ok(())
    }

    fn string(&mut self) {
        let text = self.rest();
        if text[0] == b'"' {
            self.push(TokenKind::Quote, 1);
            self.modes.pop();
            return;
        }
        if text.starts_with(b"${") {
            self.push(TokenKind::Interpolation, 2);
            self.modes.push(Mode::Default);
            return;
        }
        let mut len = 0;
        loop {
            len += memchr::memchr3(b'"', b'$', b'\\', &text[len..]).unwrap_or(text.len() - len);
            match text[len..] {
                [] | [b'"', ..] | [b'$', b'{', ..] => break,
                [b'$', b'"', ..] | [b'$'] => {
                    len += 1;
                    break;
                }
                [b'$', b'\\', ..] => len = (len + 3).min(text.len()),
                _ => len = (len + 2).min(text.len()),
            }
        }
        self.push(TokenKind::StringPart, len);
    }

    fn indented(&mut self) {
        let text = self.rest();
        let (kind, len) = match text {
            [b'\'', b'\'', b'$', ..] => (TokenKind::IndentedDollar, 3),
            [b'\'', b'\'', b'\'', ..] => (TokenKind::IndentedQuotes, 3),
            [b'\'', b'\'', b'\\', _, ..] => (TokenKind::IndentedEscape, 4),
            [b'\'', b'\'', ..] => {
                self.push(TokenKind::IndentedClose, 2);
                self.modes.pop();
                return;
            }
            [b'$', b'{', ..] => {
                self.push(TokenKind::Interpolation, 2);
                self.modes.push(Mode::Default);
                return;
            }
            [b'$', b'\'', ..] | [b'$'] => (TokenKind::IndentedDollar, 1),
            [b'\'', b'$', ..] | [b'\''] => (TokenKind::IndentedQuote, 1),
            _ => {
                let mut len = 0;
                loop {
                    len += memchr::memchr2(b'$', b'\'', &text[len..]).unwrap_or(text.len() - len);
                    match text[len..] {
                        []
                        | [b'$' | b'\'']
                        | [b'$', b'{' | b'\'', ..]
                        | [b'\'', b'\'' | b'$', ..] => break,
                        _ => len += 2,
                    }
                }
                (TokenKind::IndentedPart, len)
            }
        };
        self.push(kind, len);
    }
}

#[cfg(test)]
mod tests {
    use super::{TokenKind, lex};

    fn kinds(text: &str) -> Vec<(TokenKind, &str)> {
        let tokens = lex(text.as_bytes()).ok().expect("these texts have tokens");
        tokens.iter().map(|t| (t.kind, &text[t.lo as usize..t.hi as usize])).collect()
    }

    #[test]
    fn the_longest_rule_counts() {
        use TokenKind::{End, Float, Identifier, Integer, Minus, Path, PathEnd, Uri};
        for (text, expected) in [
            ("a/b", vec![(Path, "a/b"), (PathEnd, "")]),
            ("a / b", vec![(Identifier, "a"), (TokenKind::Slash, "/"), (Identifier, "b")]),
            ("x:y", vec![(Uri, "x:y")]),
            ("x: y", vec![(Identifier, "x"), (TokenKind::Colon, ":"), (Identifier, "y")]),
            ("1.5 .5 1e3", vec![(Float, "1.5"), (Float, ".5"), (Integer, "1"), (Identifier, "e3")]),
            ("1-a/b", vec![(Path, "1-a/b"), (PathEnd, "")]),
            ("1-a", vec![(Integer, "1"), (Minus, "-"), (Identifier, "a")]),
            ("a-b'", vec![(Identifier, "a-b'")]),
        ] {
            let mut expected = expected;
            expected.push((End, ""));
            assert_eq!(kinds(text), expected, "{text}");
        }
    }

    #[test]
    fn strings_end_where_they_should() {
        use TokenKind::{End, Interpolation, Quote, StringPart};
        assert_eq!(kinds(r#""a$""#)[1], (StringPart, "a$"));
        assert_eq!(kinds(r#""$${x}""#)[1], (StringPart, "$${x}"));
        assert_eq!(kinds(r#""\${x}${y}""#)[1..3], [(StringPart, r"\${x}"), (Interpolation, "${")]);
        assert_eq!(kinds("\"a"), [(Quote, "\""), (StringPart, "a"), (End, "")]);
        for hostile in ["\"\\", "\"$", "''$", "'''", "''''", "''\\", "\"$\\", "''a'", "''a$"] {
            assert_eq!(kinds(hostile).last().map(|t| t.0), Some(End), "{hostile}");
        }
    }
}
