//! Environment markers (PEP 508 and the "Dependency specifiers" specification): conditions under which
//! a requirement applies.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{
    excerpt::excerpt,
    version::{Operator, Specifier, Version},
};
use crate::{limits, net::simple::normalised};

/// The deepest nesting of parentheses.
const MAX_DEPTH: usize = 64;

/// The most comparisons in one marker.
const MAX_COMPARISONS: usize = 1000;

/// A condition on the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Both hold.
    And(Box<Marker>, Box<Marker>),
    /// One holds, or both.
    Or(Box<Marker>, Box<Marker>),
    /// One comparison.
    Compare(Operand, Comparison, Operand),
}

/// A side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A variable of the environment.
    Variable(Variable),
    /// A text in quotes.
    Text(String),
}

/// The comparison of two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// As versions if the variable holds one, else for equality as texts.
    By(Operator),
    /// The left text is part of the right one.
    In,
    /// The left text is not part of the right one.
    NotIn,
}

/// The variables that a marker may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// `python_version`: `3.11`.
    PythonVersion,
    /// `python_full_version`: `3.11.2`.
    PythonFullVersion,
    /// `os_name`: `posix`.
    OsName,
    /// `sys_platform`: `linux`.
    SysPlatform,
    /// `platform_machine`: `x86_64`.
    PlatformMachine,
    /// `platform_system`: `Linux`.
    PlatformSystem,
    /// `platform_release`: of the kernel; not known beforehand.
    PlatformRelease,
    /// `platform_version`: of the kernel; not known beforehand.
    PlatformVersion,
    /// `platform_python_implementation`: `CPython`.
    PlatformPythonImplementation,
    /// `implementation_name`: `cpython`.
    ImplementationName,
    /// `implementation_version`: `3.11.2`.
    ImplementationVersion,
    /// `extra`: a requested extra.
    Extra,
}

impl Variable {
    const ALL: [(&'static str, Self); 18] = [
        ("python_version", Self::PythonVersion),
        ("python_full_version", Self::PythonFullVersion),
        ("os_name", Self::OsName),
        ("sys_platform", Self::SysPlatform),
        ("platform_machine", Self::PlatformMachine),
        ("platform_system", Self::PlatformSystem),
        ("platform_release", Self::PlatformRelease),
        ("platform_version", Self::PlatformVersion),
        ("platform_python_implementation", Self::PlatformPythonImplementation),
        ("implementation_name", Self::ImplementationName),
        ("implementation_version", Self::ImplementationVersion),
        ("extra", Self::Extra),
        // spellings older than PEP 508
        ("os.name", Self::OsName),
        ("sys.platform", Self::SysPlatform),
        ("platform.version", Self::PlatformVersion),
        ("platform.machine", Self::PlatformMachine),
        ("platform.python_implementation", Self::PlatformPythonImplementation),
        ("python_implementation", Self::PlatformPythonImplementation),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, v)| *v == self).map_or("", |(name, _)| name)
    }

    fn is_version(self) -> bool {
        matches!(
            self,
            Self::PythonVersion
                | Self::PythonFullVersion
                | Self::ImplementationVersion
                | Self::PlatformRelease
        )
    }
}

/// The environment that markers are evaluated in: CPython on Linux.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerEnvironment {
    /// `3.11`.
    pub python_version: String,
    /// `3.11.2`.
    pub python_full_version: String,
    /// `x86_64`.
    pub machine: String,
}

impl MarkerEnvironment {
    fn value(&self, variable: Variable) -> &str {
        match variable {
            Variable::PythonVersion => &self.python_version,
            Variable::PythonFullVersion | Variable::ImplementationVersion => {
                &self.python_full_version
            }
            Variable::OsName => "posix",
            Variable::SysPlatform => "linux",
            Variable::PlatformMachine => &self.machine,
            Variable::PlatformSystem => "Linux",
            Variable::PlatformPythonImplementation => "CPython",
            Variable::ImplementationName => "cpython",
            Variable::PlatformRelease | Variable::PlatformVersion | Variable::Extra => "",
        }
    }
}

/// A text that is not a marker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not an environment marker (PEP 508): {reason}", excerpt(text))]
pub struct MarkerError {
    text: String,
    reason: String,
}

impl Marker {
    /// True if it holds when these extras (normalised names) are requested.
    #[must_use]
    pub fn holds(&self, environment: &MarkerEnvironment, extras: &BTreeSet<&str>) -> bool {
        match self {
            Self::And(a, b) => a.holds(environment, extras) && b.holds(environment, extras),
            Self::Or(a, b) => a.holds(environment, extras) || b.holds(environment, extras),
            Self::Compare(left, comparison, right) => {
                compare(left, *comparison, right, environment, extras)
            }
        }
    }

    /// The marker that holds if any of several does. `None` if there are none, or if together they have more
    /// comparisons than a marker may have.
    #[must_use]
    pub fn any(markers: Vec<Self>) -> Option<Self> {
        let comparisons: usize = markers.iter().map(|marker| marker.comparisons().len()).sum();
        if comparisons > MAX_COMPARISONS {
            return None;
        }
        markers.into_iter().reduce(|a, b| Self::Or(Box::new(a), Box::new(b)))
    }

    /// The extras (normalised names) that it names.
    #[must_use]
    pub fn extras(&self) -> BTreeSet<String> {
        let extra = |(left, right): (&Operand, &Operand)| match (left, right) {
            (Operand::Variable(Variable::Extra), Operand::Text(text))
            | (Operand::Text(text), Operand::Variable(Variable::Extra)) => Some(normalised(text)),
            _ => None,
        };
        self.comparisons().into_iter().filter_map(extra).collect()
    }

    /// Both sides of each comparison.
    fn comparisons(&self) -> Vec<(&Operand, &Operand)> {
        let (mut found, mut waiting) = (Vec::new(), vec![self]);
        while let Some(marker) = waiting.pop() {
            match marker {
                Self::And(a, b) | Self::Or(a, b) => waiting.extend([&**b, &**a]),
                Self::Compare(left, _, right) => found.push((left, right)),
            }
        }
        found
    }
}

fn compare(
    left: &Operand,
    comparison: Comparison,
    right: &Operand,
    environment: &MarkerEnvironment,
    extras: &BTreeSet<&str>,
) -> bool {
    let variable = match (left, right) {
        (Operand::Variable(variable), _) | (_, Operand::Variable(variable)) => Some(*variable),
        _ => None,
    };
    let is_extra = variable == Some(Variable::Extra);
    let value = |operand: &Operand| match operand {
        Operand::Variable(variable) => environment.value(*variable).to_owned(),
        Operand::Text(text) if is_extra => normalised(text),
        Operand::Text(text) => text.clone(),
    };
    let (left, right) = (value(left), value(right));
    // without a requested extra, the variable is the empty text
    if is_extra && !extras.is_empty() {
        let text = if left.is_empty() { &right } else { &left };
        let asked = extras.contains(text.as_str());
        return match comparison {
            Comparison::By(Operator::NotEqual) | Comparison::NotIn => !asked,
            Comparison::By(Operator::Below | Operator::Above | Operator::Compatible) => false,
            _ => asked,
        };
    }
    let operator = match comparison {
        Comparison::In => return right.contains(&left),
        Comparison::NotIn => return !right.contains(&left),
        Comparison::By(operator) => operator,
    };
    if variable.is_some_and(Variable::is_version)
        && let Ok(specifier) = Specifier::new(operator, &right)
    {
        return left.parse::<Version>().is_ok_and(|version| specifier.contains(&version));
    }
    match operator {
        Operator::NotEqual => left != right,
        // texts have no order: only equality is left of these operators
        Operator::Equal | Operator::Same | Operator::AtMost | Operator::AtLeast => left == right,
        Operator::Below | Operator::Above | Operator::Compatible => false,
    }
}

/// The normal form: one blank between words, double quotes, parentheses only where they are needed.
impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(a, b) => {
                for (n, side) in [a, b].into_iter().enumerate() {
                    f.write_str(if n == 0 { "" } else { " and " })?;
                    match &**side {
                        Self::Or(..) => write!(f, "({side})")?,
                        _ => write!(f, "{side}")?,
                    }
                }
                Ok(())
            }
            Self::Or(a, b) => write!(f, "{a} or {b}"),
            Self::Compare(left, comparison, right) => {
                let operator = match comparison {
                    Comparison::In => "in",
                    Comparison::NotIn => "not in",
                    Comparison::By(operator) => Operator::ALL
                        .iter()
                        .find(|(_, o)| o == operator)
                        .map_or("", |(name, _)| name),
                };
                write!(f, "{left} {operator} {right}")
            }
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(variable) => f.write_str(variable.name()),
            Self::Text(text) if text.contains('"') => write!(f, "'{text}'"),
            Self::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

impl FromStr for Marker {
    type Err = MarkerError;

    fn from_str(text: &str) -> Result<Self, MarkerError> {
        let mut parser = Parser { rest: text, comparisons: 0 };
        let fail = |reason: String| MarkerError { text: text.trim().to_owned(), reason };
        if text.len() > limits::REQUIREMENT {
            return Err(fail(format!("it is longer than {} bytes", limits::REQUIREMENT)));
        }
        let marker = parser.or(0).map_err(fail)?;
        match parser.rest.trim() {
            "" => Ok(marker),
            rest => Err(fail(format!("unexpected '{}'", excerpt(rest)))),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    comparisons: usize,
}

impl<'a> Parser<'a> {
    fn or(&mut self, depth: usize) -> Result<Marker, String> {
        let mut marker = self.and(depth)?;
        while self.word("or") {
            marker = Marker::Or(Box::new(marker), Box::new(self.and(depth)?));
        }
        Ok(marker)
    }

    fn and(&mut self, depth: usize) -> Result<Marker, String> {
        let mut marker = self.one(depth)?;
        while self.word("and") {
            marker = Marker::And(Box::new(marker), Box::new(self.one(depth)?));
        }
        Ok(marker)
    }

    fn one(&mut self, depth: usize) -> Result<Marker, String> {
        if depth > MAX_DEPTH {
            return Err(format!("parentheses are nested deeper than {MAX_DEPTH}"));
        }
        if self.eat("(") {
            let marker = self.or(depth + 1)?;
            return if self.eat(")") { Ok(marker) } else { Err(self.expected("')'")) };
        }
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return Err(format!("more than {MAX_COMPARISONS} comparisons"));
        }
        let left = self.operand()?;
        let comparison = self.comparison()?;
        let right = self.operand()?;
        if matches!((&left, &right), (Operand::Text(_), Operand::Text(_))) {
            return Err("expected a variable on one side of a comparison".to_owned());
        }
        Ok(Marker::Compare(left, comparison, right))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.rest = self.rest.trim_start();
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let (text, rest) = self.rest[1..]
                .split_once(quote)
                .ok_or_else(|| format!("the quote {quote} is not closed"))?;
            self.rest = rest;
            return Ok(Operand::Text(text.to_owned()));
        }
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._".contains(c)));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let variable = Variable::ALL.iter().find(|(known, _)| *known == name);
        let (_, variable) =
            variable.ok_or_else(|| self.expected("a variable or a text in quotes"))?;
        self.rest = rest;
        Ok(Operand::Variable(*variable))
    }

    fn comparison(&mut self) -> Result<Comparison, String> {
        if let Some((_, operator)) = Operator::ALL.iter().find(|(name, _)| self.eat(name)) {
            return Ok(Comparison::By(*operator));
        }
        if self.word("in") {
            return Ok(Comparison::In);
        }
        if self.word("not") && self.word("in") {
            return Ok(Comparison::NotIn);
        }
        Err(self.expected("a comparison"))
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A word of letters that ends here.
    fn word(&mut self, text: &str) -> bool {
        let rest: Option<&'a str> = self.rest.trim_start().strip_prefix(text);
        let whole =
            |rest: &&str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        match rest.filter(whole) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expected(&self, what: &str) -> String {
        match self.rest.trim() {
            "" => format!("expected {what} at its end"),
            rest => format!("expected {what} at '{}'", excerpt(rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> MarkerEnvironment {
        MarkerEnvironment {
            python_version: "3.11".to_owned(),
            python_full_version: "3.11.2".to_owned(),
            machine: "x86_64".to_owned(),
        }
    }

    fn holds(text: &str) -> bool {
        text.parse::<Marker>().unwrap().holds(&environment(), &["test-all"].into())
    }

    #[test]
    fn markers_hold_or_not() {
        for text in [
            "python_version >= '3.9'",
            "python_version<'3.12'and(os_name=='posix')",
            "'3.9' <= python_version",
            "python_version == '3.11.*'",
            "python_version ~= '3.8'",
            "python_full_version > '3.11.1'",
            "python_version in '3.10, 3.11'",
            "python_version not in '3.8 3.9'",
            "sys.platform == 'linux' and os.name != 'nt'",
            "platform_machine == 'x86_64' and platform_system == 'Linux'",
            "platform_python_implementation == 'CPython'",
            "python_implementation == 'CPython' and implementation_name == 'cpython'",
            "implementation_version >= '3.11'",
            "extra == 'Test_All'",
            "extra != 'other'",
            "os_name == 'nt' and os_name == 'x' or os_name == 'posix'",
            "'lin' in sys_platform",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in [
            "python_version < '3.9'",
            "python_version == '3.1'",
            "python_version >= '3.12' or sys_platform == 'win32'",
            "sys_platform ~= 'linux'",
            "extra == 'other'",
            "os_name == 'posix' and (os_name == 'nt' or os_name == 'x')",
            "platform_release >= '5'",
            "platform_machine in 'arm64 aarch64'",
            "os_name > 'a' or os_name < 'z'",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    /// The order of versions is that of PEP 440, and texts have no order.
    #[test]
    fn pre_releases_and_texts_are_compared_as_the_specification_says() {
        let of = |version: &str| MarkerEnvironment {
            python_version: "3.13".to_owned(),
            python_full_version: version.to_owned(),
            machine: "x86_64".to_owned(),
        };
        for (version, text, expected) in [
            ("3.13.0", "python_full_version < '3.13.0rc1'", false),
            ("3.13.0", "python_full_version >= '3.13.0.dev0'", true),
            ("3.13.0", "python_full_version > '3.13.0b4'", true),
            ("3.13.0rc2", "python_full_version < '3.13.0'", false),
            ("3.13.0rc2", "python_full_version < '3.13.0rc3'", true),
            ("3.13.0", "python_full_version == '3.13'", true),
            ("3.13.0", "sys_platform < 'linux2'", false),
            ("3.13.0", "sys_platform > 'a'", false),
            ("3.13.0", "sys_platform >= 'linux'", true),
            ("3.13.0", "platform_release < '99'", false),
        ] {
            let marker: Marker = text.parse().unwrap();
            assert_eq!(marker.holds(&of(version), &BTreeSet::new()), expected, "{version}: {text}");
        }
    }

    /// Several extras are a set; none is the empty text, as in `packaging`.
    #[test]
    fn extras_are_asked_for_or_not() {
        for (text, none, some) in [
            ("extra == 'test'", false, true),
            ("extra != 'test'", true, false),
            ("'Te.st' == extra", false, false),
            ("extra == ''", true, false),
            ("extra != ''", false, true),
            ("extra in 'test'", true, true),
        ] {
            let marker: Marker = text.parse().unwrap();
            let holds =
                |extras: &[&str]| marker.holds(&environment(), &extras.iter().copied().collect());
            assert_eq!((holds(&[]), holds(&["test", "x"])), (none, some), "{text}");
        }
    }

    #[test]
    fn the_normal_form_reads_back() {
        for (text, normal) in [
            ("os.name=='posix'", "os_name == \"posix\""),
            ("( ( os_name > 'a' ) )", "os_name > \"a\""),
            (
                "os_name == 'a' and (os_name == 'b' or 'c' not  in os_name)",
                "os_name == \"a\" and (os_name == \"b\" or \"c\" not in os_name)",
            ),
            (
                "(extra == 'a' and extra == 'b') or extra == 'x\"y'",
                "extra == \"a\" and extra == \"b\" or extra == 'x\"y'",
            ),
        ] {
            let marker: Marker = text.parse().unwrap();
            assert_eq!(marker.to_string(), normal);
            assert_eq!(normal.parse::<Marker>().unwrap(), marker);
        }
    }

    #[test]
    fn several_markers_become_one() {
        let marker = |text: &str| text.parse::<Marker>().unwrap();
        let (a, b) = (marker("extra == 'A_b' and os_name == 'x'"), marker("'c' == extra"));
        let both = Marker::any(vec![a, b.clone()]).unwrap();
        assert_eq!(both.extras(), ["a-b".to_owned(), "c".to_owned()].into());
        assert!(Marker::any(vec![]).is_none());
        assert!(Marker::any(vec![b; MAX_COMPARISONS + 1]).is_none());
    }

    #[test]
    fn what_is_no_marker_is_refused() {
        for (text, reason) in [
            ("", "expected a variable"),
            ("os_name", "expected a comparison"),
            ("os_name = 'x'", "expected a comparison"),
            ("os_name == ", "at its end"),
            ("os_name == 'x", "not closed"),
            ("(os_name == 'x'", "expected ')'"),
            ("os_name == 'x' extra == 'y'", "unexpected"),
            ("os == 'x'", "expected a variable"),
            ("'a' == 'a'", "expected a variable on one side"),
            ("os_name == 'x' and", "at its end"),
            ("os_name not 'x'", "expected a comparison"),
        ] {
            let error = text.parse::<Marker>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let wide = format!("os_name == '{}'", "x".repeat(1 << 20));
        assert!(wide.parse::<Marker>().unwrap_err().to_string().len() < 300);
        let deep = format!("{}os_name == 'x'{}", "(".repeat(9999), ")".repeat(9999));
        assert!(deep.parse::<Marker>().unwrap_err().to_string().contains("parentheses"));
        let long = vec!["os_name=='x'"; 1001].join(" or ");
        assert!(long.parse::<Marker>().unwrap_err().to_string().contains("comparisons"));
    }
}
