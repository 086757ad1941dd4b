//! Tokens.

/// The kind of a token. Inside strings and paths the lexer is in other modes, which have their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Identifier,
    Integer,
    Float,
    Path,
    HomePath,
    SearchPath,
    Uri,
    /// The end of a path that may go on with interpolations; it has no text.
    PathEnd,
    /// A piece of a path behind an interpolation.
    PathPart,

    /// `"`
    Quote,
    /// A piece of a string, with its escapes.
    StringPart,
    /// `''` and the rest of the line if it is blank.
    IndentedOpen,
    IndentedClose,
    /// A piece of an indented string whose indentation counts.
    IndentedPart,
    /// `$` or `''$`
    IndentedDollar,
    /// `'''`
    IndentedQuotes,
    /// `'`
    IndentedQuote,
    /// `''\` and a character.
    IndentedEscape,
    /// `${`
    Interpolation,

    If,
    Then,
    Else,
    Assert,
    With,
    Let,
    In,
    Rec,
    Inherit,
    Or,

    Ellipsis,
    Equal,
    NotEqual,
    LessEqual,
    GreaterEqual,
    And,
    OrOr,
    Arrow,
    Update,
    Concat,
    PipeFrom,
    PipeInto,
    Less,
    Greater,
    Plus,
    Minus,
    Star,
    Slash,
    Not,
    Assign,
    Question,
    Colon,
    Semicolon,
    Comma,
    Dot,
    At,
    BraceOpen,
    BraceClose,
    ParenOpen,
    ParenClose,
    BracketOpen,
    BracketClose,

    /// A byte that starts no token.
    Unknown,
    /// The end of the text.
    End,
}

impl TokenKind {
    /// For messages.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Identifier => "identifier",
            Self::Integer => "integer",
            Self::Float => "floating-point literal",
            Self::Path => "path",
            Self::HomePath => "'~/…' path",
            Self::SearchPath => "'<…>' path",
            Self::Uri => "URI",
            Self::PathEnd => "end of path",
            Self::PathPart | Self::StringPart => "string",
            Self::Quote => "'\"'",
            Self::IndentedOpen => "start of an indented string",
            Self::IndentedClose => "end of an indented string",
            Self::IndentedPart
            | Self::IndentedDollar
            | Self::IndentedQuotes
            | Self::IndentedQuote
            | Self::IndentedEscape => "indented string",
            Self::Interpolation => "'${'",
            Self::If => "'if'",
            Self::Then => "'then'",
            Self::Else => "'else'",
            Self::Assert => "'assert'",
            Self::With => "'with'",
            Self::Let => "'let'",
            Self::In => "'in'",
            Self::Rec => "'rec'",
            Self::Inherit => "'inherit'",
            Self::Or => "'or'",
            Self::Ellipsis => "'...'",
            Self::Equal => "'=='",
            Self::NotEqual => "'!='",
            Self::LessEqual => "'<='",
            Self::GreaterEqual => "'>='",
            Self::And => "'&&'",
            Self::OrOr => "'||'",
            Self::Arrow => "'->'",
            Self::Update => "'//'",
            Self::Concat => "'++'",
            Self::PipeFrom => "'<|'",
            Self::PipeInto => "'|>'",
            Self::Less => "'<'",
            Self::Greater => "'>'",
            Self::Plus => "'+'",
            Self::Minus => "'-'",
            Self::Star => "'*'",
            Self::Slash => "'/'",
            Self::Not => "'!'",
            Self::Assign => "'='",
            Self::Question => "'?'",
            Self::Colon => "':'",
            Self::Semicolon => "';'",
            Self::Comma => "','",
            Self::Dot => "'.'",
            Self::At => "'@'",
            Self::BraceOpen => "'{'",
            Self::BraceClose => "'}'",
            Self::ParenOpen => "'('",
            Self::ParenClose => "')'",
            Self::BracketOpen => "'['",
            Self::BracketClose => "']'",
            Self::Unknown => "invalid token",
            Self::End => "end of file",
        }
    }
}

/// A token: its kind and the bytes it stands on, counted within the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) lo: u32,
    pub(super) hi: u32,
}
