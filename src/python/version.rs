//! Versions of distributions and sets of them (PEP 440).

use std::{cmp::Ordering, fmt, str::FromStr};

use super::excerpt::excerpt;
use crate::limits;

/// A version, in normal form. Zeros at the end of the release make no difference: 1.0 equals 1.
#[derive(Clone, Debug)]
pub struct Version {
    epoch: u64,
    release: Vec<u64>,
    pre: Option<(Pre, u64)>,
    post: Option<u64>,
    dev: Option<u64>,
    local: Vec<Local>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Pre {
    Alpha,
    Beta,
    Candidate,
}

/// Texts sort before numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Local {
    Text(String),
    Number(u64),
}

/// A text that is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a version (PEP 440)", excerpt(.0))]
pub struct VersionError(String);

impl Version {
    /// The numbers between the dots.
    #[must_use]
    pub fn release(&self) -> &[u64] {
        &self.release
    }

    /// True for an alpha, beta, candidate or development release.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        self.pre.is_some() || self.dev.is_some()
    }

    /// Without the local part (after `+`).
    #[must_use]
    pub fn public(&self) -> Self {
        Self { local: Vec::new(), ..self.clone() }
    }

    /// Epoch and release only.
    fn base(&self) -> Self {
        Self { pre: None, post: None, dev: None, local: Vec::new(), ..self.clone() }
    }

    /// The release without the zeros at its end, which do not count.
    fn significant(&self) -> &[u64] {
        let end = self.release.iter().rposition(|n| *n != 0).map_or(0, |at| at + 1);
        &self.release[..end]
    }

    fn starts_with(&self, prefix: &Self) -> bool {
        self.epoch == prefix.epoch
            && (0..prefix.release.len())
                .all(|n| self.release.get(n).copied().unwrap_or(0) == prefix.release[n])
    }
}

/// The order of PEP 440, "Summary of permitted suffixes and relative ordering".
impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // a development release of the final release sorts before its alphas
        let pre = |v: &Self| match v.pre {
            Some((kind, n)) => (1, Some(kind), n),
            None if v.post.is_none() && v.dev.is_some() => (0, None, 0),
            None => (2, None, 0),
        };
        let dev = |v: &Self| (v.dev.is_none(), v.dev);
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| self.significant().cmp(other.significant()))
            .then_with(|| pre(self).cmp(&pre(other)))
            .then_with(|| self.post.cmp(&other.post))
            .then_with(|| dev(self).cmp(&dev(other)))
            .then_with(|| self.local.cmp(&other.local))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The normal form.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch != 0 {
            write!(f, "{}!", self.epoch)?;
        }
        for (n, number) in self.release.iter().enumerate() {
            write!(f, "{}{number}", if n == 0 { "" } else { "." })?;
        }
        if let Some((kind, n)) = self.pre {
            let kind = match kind {
                Pre::Alpha => "a",
                Pre::Beta => "b",
                Pre::Candidate => "rc",
            };
            write!(f, "{kind}{n}")?;
        }
        if let Some(n) = self.post {
            write!(f, ".post{n}")?;
        }
        if let Some(n) = self.dev {
            write!(f, ".dev{n}")?;
        }
        for (n, part) in self.local.iter().enumerate() {
            f.write_str(if n == 0 { "+" } else { "." })?;
            match part {
                Local::Text(text) => f.write_str(text)?,
                Local::Number(number) => write!(f, "{number}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        if text.len() > limits::VERSION {
            return Err(VersionError(text.to_owned()));
        }
        let lower = text.trim().to_ascii_lowercase();
        let mut rest = Rest(lower.strip_prefix('v').unwrap_or(&lower));
        rest.version().filter(|_| rest.0.is_empty()).ok_or_else(|| VersionError(text.to_owned()))
    }
}

/// The text that is left to read.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn version(&mut self) -> Option<Version> {
        let mut version = Version {
            epoch: 0,
            release: vec![self.number()?],
            pre: None,
            post: None,
            dev: None,
            local: Vec::new(),
        };
        if self.eat("!") {
            version.epoch = version.release[0];
            version.release = vec![self.number()?];
        }
        while let Some(rest) = self.0.strip_prefix('.').filter(|r| r.starts_with(is_digit)) {
            self.0 = rest;
            version.release.push(self.number()?);
        }
        // longer spellings first
        const PRE: [(&str, Pre); 8] = [
            ("alpha", Pre::Alpha),
            ("beta", Pre::Beta),
            ("preview", Pre::Candidate),
            ("pre", Pre::Candidate),
            ("rc", Pre::Candidate),
            ("a", Pre::Alpha),
            ("b", Pre::Beta),
            ("c", Pre::Candidate),
        ];
        version.pre = PRE.iter().find_map(|(word, kind)| Some((*kind, self.suffix(word)??)));
        let implicit = self.0.strip_prefix('-').filter(|rest| rest.starts_with(is_digit));
        if let Some(rest) = implicit {
            self.0 = rest;
            version.post = Some(self.number()?);
        } else {
            version.post = ["post", "rev", "r"].iter().find_map(|word| self.suffix(word)?);
        }
        version.dev = self.suffix("dev")?;
        if self.eat("+") {
            loop {
                let end = self.0.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.0.len());
                let (part, rest) = self.0.split_at(end);
                version.local.push(match part {
                    "" => return None,
                    _ if part.bytes().all(|b| b.is_ascii_digit()) => {
                        Local::Number(part.parse().ok()?)
                    }
                    _ => Local::Text(part.to_owned()),
                });
                self.0 = rest;
                if !(self.eat(".") || self.eat("-") || self.eat("_")) {
                    break;
                }
            }
        }
        Some(version)
    }

    /// A word with an optional number (default 0), separated or not. `Some(None)` if the word is not here,
    /// `None` if the number is too large.
    fn suffix(&mut self, word: &str) -> Option<Option<u64>> {
        let separator = |text: &'_ str| text.starts_with(['.', '-', '_']);
        let start = if separator(self.0) { &self.0[1..] } else { self.0 };
        let Some(rest) = start.strip_prefix(word) else { return Some(None) };
        // a separator may stand here even if no number follows
        let number = if separator(rest) { &rest[1..] } else { rest };
        let end = number.find(|c| !is_digit(c)).unwrap_or(number.len());
        let (digits, rest) = number.split_at(end);
        let value = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        self.0 = &self.0[self.0.len() - rest.len()..];
        Some(Some(value))
    }

    fn number(&mut self) -> Option<u64> {
        let end = self.0.find(|c| !is_digit(c)).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        digits.parse().ok()
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// The comparison of a specifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `~=`
    Compatible,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<=`
    AtMost,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `>`
    Above,
    /// `===`
    Same,
}

impl Operator {
    /// Every operator with its text, longer ones first.
    pub const ALL: [(&'static str, Self); 8] = [
        ("===", Self::Same),
        ("~=", Self::Compatible),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("<", Self::Below),
        (">", Self::Above),
    ];
}

/// One clause, such as `>=1.2` or `==1.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specifier {
    operator: Operator,
    version: Version,
    /// `.*` stands behind the version.
    prefix: bool,
    /// The text after `===`, which need not be a version.
    text: String,
}

/// A text that is not a specifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a version specifier (PEP 440)", excerpt(.0))]
pub struct SpecifierError(String);

impl Specifier {
    /// The clause of an operator and the text behind it.
    ///
    /// # Errors
    /// If the text does not fit the operator.
    pub fn new(operator: Operator, text: &str) -> Result<Self, SpecifierError> {
        let text = text.trim();
        let fail = || SpecifierError(text.to_owned());
        let (number, prefix) = match text.strip_suffix(".*") {
            Some(number)
                if matches!(operator, Operator::Equal | Operator::NotEqual)
                    && !number.ends_with(char::is_whitespace) =>
            {
                (number, true)
            }
            _ => (text, false),
        };
        let version: Result<Version, _> = number.parse();
        let version = match operator {
            Operator::Same => version.unwrap_or_else(|_| zero()),
            _ => version.map_err(|_| fail())?,
        };
        let local = !version.local.is_empty();
        let bad = match operator {
            Operator::Equal | Operator::NotEqual => {
                prefix && version.to_string() != version.base().to_string()
            }
            Operator::Same => text.is_empty() || text.contains(char::is_whitespace),
            Operator::Compatible => local || version.release.len() < 2,
            _ => local,
        };
        if bad {
            Err(fail())
        } else {
            Ok(Self { operator, version, prefix, text: text.to_owned() })
        }
    }

    /// True if a version fulfils the clause. Pre-releases are treated like others.
    #[must_use]
    pub fn contains(&self, version: &Version) -> bool {
        let (own, public) = (&self.version, version.public());
        match self.operator {
            Operator::Same => version.to_string() == self.text.to_ascii_lowercase(),
            Operator::Equal if self.prefix => version.starts_with(own),
            Operator::Equal if own.local.is_empty() => public.cmp(own).is_eq(),
            Operator::Equal => version.cmp(own).is_eq(),
            Operator::NotEqual => {
                !Self { operator: Operator::Equal, ..self.clone() }.contains(version)
            }
            Operator::AtMost => public <= *own,
            Operator::AtLeast => public >= *own,
            Operator::Compatible => {
                let kept = own.release.len() - 1;
                let series = Version { release: own.release[..kept].to_vec(), ..own.base() };
                public >= *own && version.starts_with(&series)
            }
            // pre-releases of the excluded version are excluded too
            Operator::Below if own.is_prerelease() => version < own,
            Operator::Below => *version < Version { dev: Some(0), ..own.clone() },
            // and so are its local versions and, unless it is one itself, its post-releases
            Operator::Above => match (own.dev, own.post) {
                (Some(n), _) => *version >= Version { dev: n.checked_add(1), ..own.clone() },
                (None, Some(n)) => {
                    *version >= Version { post: n.checked_add(1), dev: Some(0), ..own.clone() }
                }
                (None, None) => {
                    let same = Version { post: None, dev: None, ..public } == *own;
                    version > own && !same
                }
            },
        }
    }

    /// The version that is pinned: `==` without `.*`, or `===`.
    #[must_use]
    pub fn pin(&self) -> Option<&Version> {
        match self.operator {
            Operator::Equal if !self.prefix => Some(&self.version),
            Operator::Same if self.text.parse::<Version>().is_ok() => Some(&self.version),
            _ => None,
        }
    }
}

fn zero() -> Version {
    Version { epoch: 0, release: vec![0], pre: None, post: None, dev: None, local: Vec::new() }
}

/// Clauses separated by commas, which must all hold. Without clauses, every version fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Specifiers(pub Vec<Specifier>);

impl Specifiers {
    /// True if a version fulfils all.
    #[must_use]
    pub fn contains(&self, version: &Version) -> bool {
        self.0.iter().all(|clause| clause.contains(version))
    }
}

impl FromStr for Specifiers {
    type Err = SpecifierError;

    fn from_str(text: &str) -> Result<Self, SpecifierError> {
        if text.len() > limits::REQUIREMENT {
            return Err(SpecifierError(text.to_owned()));
        }
        let clauses = text.split(',').map(str::trim).filter(|clause| !clause.is_empty());
        let clause = |clause: &str| {
            let (text, operator) = Operator::ALL
                .iter()
                .find_map(|(name, operator)| Some((clause.strip_prefix(name)?, *operator)))
                .ok_or_else(|| SpecifierError(clause.to_owned()))?;
            Specifier::new(operator, text).map_err(|_| SpecifierError(clause.to_owned()))
        };
        clauses.map(clause).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn spellings_have_one_normal_form() {
        for (text, normal) in [
            ("1.0", "1.0"),
            (" v1.0 ", "1.0"),
            ("01.002", "1.2"),
            ("1!2", "1!2"),
            ("0!1", "1"),
            ("1.0alpha", "1.0a0"),
            ("1.0-ALPHA.1", "1.0a1"),
            ("1.0_beta2", "1.0b2"),
            ("1.0c1", "1.0rc1"),
            ("1.0.preview-3", "1.0rc3"),
            ("1.0pre", "1.0rc0"),
            ("1.0-1", "1.0.post1"),
            ("1.0r2", "1.0.post2"),
            ("1.0.rev", "1.0.post0"),
            ("1.0-post_2", "1.0.post2"),
            ("1.0dev", "1.0.dev0"),
            ("1.0a1-dev2", "1.0a1.dev2"),
            ("1.0preview-.post1", "1.0rc0.post1"),
            ("1.0+Ubuntu_1-2.01", "1.0+ubuntu.1.2.1"),
            ("1a1.post2.dev3+x", "1a1.post2.dev3+x"),
            ("20240101123456", "20240101123456"),
        ] {
            assert_eq!(v(text).to_string(), normal, "{text}");
        }
        for text in [
            "",
            "a",
            "1.",
            ".1",
            "1..2",
            "1.0+",
            "1.0+a..b",
            "1.0+é",
            "1!",
            "1!2!3",
            "1.0a1b1",
            "1.0 2",
            "1.0-",
            "1.0dev1a1",
            "french toast",
            "99999999999999999999",
            "1.0--1",
            "1.a99999999999999999999",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_pep() {
        let ascending = [
            "1.dev0",
            "1.0.dev456",
            "1.0a1.dev1",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1.10",
            "2",
            "1!0.1",
        ];
        for (n, left) in ascending.iter().enumerate() {
            for (m, right) in ascending.iter().enumerate() {
                assert_eq!(v(left).cmp(&v(right)), n.cmp(&m), "{left} {right}");
            }
        }
        assert!(v("1.0").cmp(&v("1.0.0")).is_eq());
    }

    #[test]
    fn specifiers_say_what_fits() {
        for (specifier, fits, does_not) in [
            ("==1.0", "1 1.0.0 1.0+local", "1.0.1 1.0a1 1.0.post1"),
            ("==1.0+a", "1.0+a", "1.0 1.0+b"),
            ("==1.1.*", "1.1 1.1.5 1.1a1 1.1.post1 1.1+x", "1.10 1.2 1!1.1"),
            ("!=1.1.*", "1.2 1", "1.1 1.1.2"),
            ("~=1.4.2", "1.4.2 1.4.9", "1.5 1.4.1 2"),
            ("~=1.4", "1.4 1.99", "2.0 1.3"),
            ("~=2.2.post3", "2.2.post3 2.3", "2.2 3"),
            (">=1.0", "1.0 1.0+x 2", "1.0rc1"),
            ("<=1.0", "1.0 1.0+x 1.0rc1", "1.0.post1"),
            (">1.7", "1.7.1 1.8", "1.7 1.7.0.post1 1.7+x"),
            (">1.7.post1", "1.7.post2", "1.7.post1 1.7.post1+x"),
            (">1.7a1", "1.7a2 1.7", "1.7a1 1.7a1.post1"),
            (">1.7.dev1", "1.7.dev2 1.7", "1.7.dev1+x"),
            ("<1.7.post1", "1.7 1.7a1 1.7.post0.dev2", "1.7.post1.dev0"),
            ("<3.1", "3.0", "3.1.dev0 3.1rc1 3.1"),
            ("<3.1rc2", "3.1rc1 3.1.dev0", "3.1rc2"),
            ("===1.0", "1.0", "1.0.0 1"),
            (">=3.8, <4, !=3.9", "3.8 3.10", "3.9 4 3.7"),
            ("", "1 2a1", ""),
        ] {
            let set: Specifiers = specifier.parse().unwrap();
            for version in fits.split_whitespace() {
                assert!(set.contains(&v(version)), "{version} {specifier}");
            }
            for version in does_not.split_whitespace() {
                assert!(!set.contains(&v(version)), "{version} not {specifier}");
            }
        }
        for bad in ["1.0", "=1.0", "~=1", ">=1.*", ">=1+x", "==1.0a1.*", "=== ", "==", "==1.*.1"] {
            assert!(bad.parse::<Specifiers>().is_err(), "{bad}");
        }
        let pin = |text: &str| {
            let set: Specifiers = text.parse().unwrap();
            set.0[0].pin().map(ToString::to_string)
        };
        assert_eq!(pin("==01.0"), Some("1.0".to_owned()));
        assert_eq!(pin("===1.0"), Some("1.0".to_owned()));
        assert_eq!((pin("==1.*"), pin(">=1"), pin("===x")), (None, None, None));
    }

    fn any_version() -> impl Strategy<Value = String> {
        "(1!)?[0-2](\\.[0-2]){0,2}((a|b|rc)[0-2])?(\\.post[0-2])?(\\.dev[0-2])?(\\+[a-b0-2](\\.[a0-2])?)?"
    }

    proptest! {
        #[test]
        fn normal_forms_read_back(text in any_version()) {
            let version = v(&text);
            prop_assert_eq!(v(&version.to_string()), version);
        }

        #[test]
        fn it_is_a_total_order(a in any_version(), b in any_version(), c in any_version()) {
            let (a, b, c) = (v(&a), v(&b), v(&c));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn clauses_complement_each_other(a in any_version(), b in any_version()) {
            let (version, own) = (v(&a), v(&b).public());
            let contains = |operator| {
                Specifier::new(operator, &own.to_string()).unwrap().contains(&version)
            };
            prop_assert_ne!(contains(Operator::Equal), contains(Operator::NotEqual));
            prop_assert!(!contains(Operator::Below) || contains(Operator::AtMost));
            prop_assert!(!contains(Operator::Above) || contains(Operator::AtLeast));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-z.!+_ é*<>=~-]{0,12}") {
            let _ = text.parse::<Version>();
            let _ = text.parse::<Specifiers>();
        }
    }
}
