//! requirements.txt as pip reads it ("Requirements File Format"): pinned requirements, with or without
//! hashes. Anything that a lock cannot hold is an error.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use fs_err as fs;

use super::{excerpt::excerpt, requirement::Requirement, wheel::record::sha256};
use crate::{
    git::shown_address,
    hash::encode_base16,
    limits,
    regular::{self, Link},
};

/// The deepest nesting of `-r`.
const MAX_DEPTH: usize = 16;

/// The greatest number of wrong lines in an error.
const MAX_WRONG: usize = 100;

/// A requirement with its place.
#[derive(Clone, Debug)]
pub struct Line {
    /// The requirement.
    pub requirement: Requirement,
    /// The SHA-256 hashes of allowed files; empty if the line has no `--hash`.
    pub sha256: Vec<String>,
    /// The file.
    pub file: PathBuf,
    /// The number of the line, from 1.
    pub number: usize,
}

impl Line {
    /// `FILE:LINE`
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.number)
    }
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFile {
    /// Its path, as it was given or included.
    pub path: PathBuf,
    /// The SHA-256 of its content in lower-case hexadecimal.
    pub sha256: String,
}

/// A file and those that it includes.
#[derive(Debug, Default)]
pub struct Requirements {
    /// The file itself, then those that it includes, each once.
    pub files: Vec<ReadFile>,
    /// Every requirement, in order.
    pub lines: Vec<Line>,
    /// Warnings about ignored options.
    pub warnings: Vec<String>,
}

/// An error in a requirements file.
#[derive(Debug, thiserror::Error)]
pub enum RequirementsError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A line is malformed, or asks for something that a lock cannot hold.
    #[error("{}:{line}: {reason}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The problem, and what to do.
        reason: String,
    },
    /// Several lines are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<RequirementsError>),
}

/// Options for the address of an index or the search of pip. A lock has neither.
const WITHOUT_EFFECT: &[&str] = &[
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--trusted-host",
    "--no-index",
    "--require-hashes",
    "--prefer-binary",
    "--only-binary",
    "--use-feature",
    "--pre",
];

/// Options that a lock cannot follow, with advice.
const REFUSED: &[(&str, &str)] = &[
    ("-e", "an editable project cannot be locked; make it a source of the environment instead"),
    (
        "--editable",
        "an editable project cannot be locked; make it a source of the environment instead",
    ),
    ("-c", "constraints are not read; put the pins into the requirements"),
    ("--constraint", "constraints are not read; put the pins into the requirements"),
    ("--no-binary", "only wheels can be locked; remove the option"),
];

/// Reads a file and those that it includes by `-r`.
///
/// # Errors
/// Names file and line of every wrong line.
pub fn read(file: &Path) -> Result<Requirements, RequirementsError> {
    let mut reading = Reading::default();
    read_into(file, &mut reading)?;
    let Reading { all, mut wrong, .. } = reading;
    match wrong.len() {
        0 => Ok(all),
        1 => Err(wrong.remove(0)),
        _ => Err(RequirementsError::Several(wrong)),
    }
}

/// The lines read so far.
#[derive(Default)]
struct Reading {
    all: Requirements,
    wrong: Vec<RequirementsError>,
    /// The number of lines.
    lines: usize,
    /// The files read so far, by their real paths. A file is read once.
    read: BTreeSet<PathBuf>,
    /// The files being read, from the outermost to the included one.
    open: Vec<PathBuf>,
}

fn read_into(file: &Path, reading: &mut Reading) -> Result<(), RequirementsError> {
    let place = real(file);
    if !reading.read.insert(place.clone()) {
        return Ok(());
    }
    reading.open.push(place);
    let bytes = regular::read(file, Link::Follow, limits::REQUIREMENTS)?;
    let sha256 = encode_base16(&sha256(&bytes));
    reading.all.files.push(ReadFile { path: file.to_owned(), sha256 });
    let text = String::from_utf8(bytes).map_err(|_| RequirementsError::Line {
        file: file.to_owned(),
        line: 1,
        reason: "the file is not UTF-8".to_owned(),
    })?;
    for (number, text) in joined(text.strip_prefix('\u{feff}').unwrap_or(&text)) {
        reading.lines += 1;
        if reading.lines > limits::REQUIREMENT_LINES {
            let reason = format!("more than {} requirements", limits::REQUIREMENT_LINES);
            return Err(RequirementsError::Line { file: file.to_owned(), line: number, reason });
        }
        if reading.wrong.len() == MAX_WRONG {
            let reason = format!("stopped here, after {MAX_WRONG} wrong lines");
            let file = file.to_owned();
            reading.wrong.push(RequirementsError::Line { file, line: number, reason });
        }
        if reading.wrong.len() > MAX_WRONG {
            break;
        }
        if let Some(name) = option(&text, &["-r", "--requirement"]) {
            let other = file.parent().unwrap_or(Path::new("")).join(name);
            if reading.open.len() > MAX_DEPTH || reading.open.contains(&real(&other)) {
                // the rest of such a file is not worth an error
                let reason = "the files include each other".to_owned();
                let file = file.to_owned();
                return Err(RequirementsError::Line { file, line: number, reason });
            }
            read_into(&other, reading)?;
            continue;
        }
        if text.starts_with('-') {
            let word = text.split([' ', '\t', '=']).next().unwrap_or_default();
            let word = word.get(..40).unwrap_or(word);
            if let Some((_, reason)) = REFUSED.iter().find(|(name, _)| *name == word) {
                let reason = format!("option '{word}': {reason}");
                let file = file.to_owned();
                reading.wrong.push(RequirementsError::Line { file, line: number, reason });
                continue;
            }
            if !WITHOUT_EFFECT.contains(&word) {
                let (file, reason) =
                    (file.to_owned(), format!("option '{}' is unknown", excerpt(word)));
                reading.wrong.push(RequirementsError::Line { file, line: number, reason });
                continue;
            }
            reading.all.warnings.push(format!(
                "{}:{number}: option '{word}' has no effect on a lock{}",
                file.display(),
                if word.contains("index") || word == "-i" {
                    "; name an index with --index"
                } else {
                    ""
                }
            ));
            continue;
        }
        match line(&text, file, number) {
            Ok(line) => reading.all.lines.push(line),
            Err(error) => reading.wrong.push(error),
        }
    }
    reading.open.pop();
    Ok(())
}

/// The real path of a file, or the given path if it cannot be resolved.
fn real(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())
}

fn line(text: &str, file: &Path, number: usize) -> Result<Line, RequirementsError> {
    let fail =
        |reason: String| RequirementsError::Line { file: file.to_owned(), line: number, reason };
    let (spec, options) = match text.find(" --") {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let spec = spec.trim();
    let scheme = spec.split_once("://").map_or("", |(scheme, _)| scheme);
    let is_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let is_address = !scheme.is_empty() && scheme.bytes().all(is_scheme);
    if is_address || spec.starts_with(['.', '/']) {
        return Err(fail(format!(
            "'{}' is an address or a path; a lock pins names and versions",
            excerpt(&shown_address(spec))
        )));
    }
    let mut words = options.split_whitespace();
    let (mut sha256, mut others) = (Vec::new(), 0);
    while let Some(word) = words.next() {
        let hash = match word.split_once('=') {
            Some(("--hash", hash)) => hash,
            None if word == "--hash" => words.next().unwrap_or_default(),
            _ => {
                return Err(fail(format!(
                    "option '{}' of a requirement is unknown",
                    excerpt(word)
                )));
            }
        };
        match hash.split_once(':') {
            Some(("sha256", hex))
                if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) =>
            {
                sha256.push(hex.to_ascii_lowercase());
            }
            Some(("sha384" | "sha512", _)) => others += 1,
            _ => {
                let hash = excerpt(hash);
                return Err(fail(format!(
                    "'{hash}' is not a hash, expected 'sha256:' and 64 digits"
                )));
            }
        }
    }
    if sha256.is_empty() && others > 0 {
        return Err(fail("expected a SHA-256 hash; a lock holds no others".to_owned()));
    }
    let requirement: Requirement = spec.parse().map_err(|e| fail(format!("{e}")))?;
    if requirement.url.is_some() {
        return Err(fail(format!(
            "'{}' is given by an address; a lock pins names and versions",
            requirement.name
        )));
    }
    if requirement.pin().is_none() {
        return Err(fail(format!(
            "'{}' is not pinned; write '{}==VERSION', or let `uv pip compile` or `pip freeze` write \
             all pins",
            excerpt(spec),
            requirement.name
        )));
    }
    Ok(Line { requirement, sha256, file: file.to_owned(), number })
}

/// The value of an option: `-r x`, `-rx`, `--requirement x`, `--requirement=x`.
fn option<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| {
        let rest = text.strip_prefix(name)?;
        let glued = name.len() == 2 || rest.starts_with(['=', ' ', '\t']);
        glued.then(|| rest.trim_start_matches(['=', ' ', '\t']).trim())
    })
}

/// The lines without comments and empty lines, each with its number. A line that ends in a backslash is
/// joined with the next.
fn joined(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut lines = text.lines().enumerate();
    let whole = move || {
        let (mut first, mut whole) = (None, String::new());
        for (n, line) in lines.by_ref() {
            first.get_or_insert(n + 1);
            let is_comment = line.trim_start().starts_with('#');
            match line.strip_suffix('\\').filter(|_| !is_comment) {
                Some(part) => whole.push_str(part),
                None => {
                    // a comment ends a continued line
                    whole.push_str(if is_comment { "" } else { line });
                    break;
                }
            }
        }
        Some((first?, whole))
    };
    let bare = |(number, line): (usize, String)| {
        let comment = line.match_indices('#').map(|(at, _)| at);
        let mut comment =
            comment.filter(|at| *at == 0 || line[..*at].ends_with(char::is_whitespace));
        let line = line[..comment.next().unwrap_or(line.len())].trim().to_owned();
        (!line.is_empty()).then_some((number, line))
    };
    std::iter::from_fn(whole).filter_map(bare)
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    fn read_text(text: &str) -> Result<Requirements, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("requirements.txt");
        fs::write(&file, text).unwrap();
        fs::write(dir.path().join("more.txt"), "more==1\n-r requirements.txt\n").unwrap();
        fs::write(dir.path().join("one.txt"), "one==1 # x\n").unwrap();
        read(&file).map_err(|e| e.to_string())
    }

    #[test]
    fn lines_are_read_as_pip_does() {
        let hash = "AB".repeat(32);
        let text = format!(
            "\u{feff}# head\n\nFoo.Bar[x]==1.0 ; python_version > '3' \\\n    --hash=sha256:{hash} \\\n    --hash sha256:{hash}\n\
             # via nothing\nb == 2#1\nc==3 # why\n-r one.txt\n--index-url https://example.test/\n--pre\nd==4 \\\n# e==5\n"
        );
        let err = read_text(&text).unwrap_err();
        assert!(err.contains("txt:7: 'b == 2#1'"), "{err}");
        let all = read_text(&text.replace("b == 2#1", "b == 2")).unwrap();
        let shown: Vec<_> = all
            .lines
            .iter()
            .map(|l| (l.number, l.requirement.name.as_str(), l.sha256.len()))
            .collect();
        assert_eq!(
            shown,
            [(3, "foo-bar", 2), (7, "b", 0), (8, "c", 0), (1, "one", 0), (12, "d", 0)]
        );
        assert_eq!(all.lines[0].sha256[0], hash.to_ascii_lowercase());
        assert_eq!(all.warnings.len(), 2);
        assert!(all.warnings[0].contains("'--index-url' has no effect"), "{:?}", all.warnings);
    }

    /// Each file includes the next three times; reading them as often takes years.
    #[test]
    fn a_file_is_read_once_however_often_it_is_included() {
        let dir = tempfile::tempdir().unwrap();
        let at = |n: usize| dir.path().join(format!("{n}.txt"));
        for n in 0..15 {
            let next = format!("-r {0}.txt\n-r ./{0}.txt\n-r {0}.txt\n", n + 1);
            fs::write(at(n), format!("a{n}==1\n{}", if n < 14 { &next } else { "" })).unwrap();
        }
        let all = read(&at(0)).unwrap();
        assert_eq!((all.lines.len(), all.files.len()), (15, 15));
        assert_eq!(all.files[0].path, at(0));
    }

    #[test]
    fn files_beyond_all_measure_are_refused() {
        let start = std::time::Instant::now();
        let fail = |text: &str| read_text(text).unwrap_err();
        assert!(fail(&"a==1\n".repeat(limits::REQUIREMENT_LINES + 1)).contains("requirements"));
        assert_eq!(fail(&"a\n".repeat(5000)).lines().count(), MAX_WRONG + 1);
        let error = fail(&format!("a=={}", "1.".repeat(1 << 20)));
        assert!(error.len() < 1000, "{}", error.len());
        let error = fail(&format!("-{}", "x".repeat(1 << 20)));
        assert!(error.len() < 1000, "{}", error.len());
        // many short lines, and one that has many parts
        assert!(read_text(&"\n".repeat(1 << 20)).unwrap().lines.is_empty());
        assert!(read_text(&"\\\n".repeat(1 << 20)).unwrap().lines.is_empty());
        assert!(read_text(&" #".repeat(1 << 20)).unwrap().lines.is_empty());
        assert!(start.elapsed() < std::time::Duration::from_secs(60));
        assert!(!fail("http://me:s3cret@h/a.whl").contains("s3cret"));
        assert!(!fail("a @ http://me:s3cret@h/a.whl").contains("s3cret"));
    }

    #[test]
    fn what_cannot_be_locked_says_why() {
        for (text, reason) in [
            (
                "a==1\nnumpy>=1.2",
                "requirements.txt:2: 'numpy>=1.2' is not pinned; write 'numpy==VERSION'",
            ),
            ("a==1.*", "is not pinned"),
            ("a", "is not pinned"),
            ("a==1,>2", "is not pinned"),
            ("-e .", "editable"),
            ("-c x.txt", "constraints are not read"),
            ("--no-binary :all:", "only wheels"),
            ("--frobnicate", "unknown"),
            ("a==1 --frobnicate", "unknown"),
            ("./dist/a.whl", "a path"),
            ("https://example.test/a.whl", "an address"),
            ("a @ https://example.test/a.whl", "an address"),
            ("a==1 --hash=md5:00", "is not a hash"),
            ("a==1 --hash=sha256:00", "is not a hash"),
            ("a==1 --hash=sha512:00", "expected a SHA-256 hash"),
            ("a=1", "not a requirement"),
            ("-r missing.txt", "missing.txt"),
            ("-r more.txt", "include each other"),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
