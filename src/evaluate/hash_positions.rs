//! Finds the places of fixed-output hashes in the sources of an evaluation, to replace wrong ones. A hash
//! is at the place that the evaluation recorded, or else at the only place in the read files with its exact
//! text. If there are several such places, none is chosen.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
};

use clutch_expr::{
    source::{Origin, Place},
    syntax::{Bound, bound},
};
use rustc_hash::FxHashMap;

use crate::{
    hash::{Algorithm, Format, Hash},
    store_path::StorePath,
};

/// The files that an evaluation read and the origins of its hashes.
#[derive(Clone, Debug, Default)]
pub struct HashPositions {
    /// The files, by their real paths.
    pub(super) files: BTreeSet<PathBuf>,
    /// The hash of each fixed-output derivation.
    pub(super) hashes: FxHashMap<StorePath, Given>,
}

/// A hash in an expression.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) text: String,
    /// The places that may define it, the likeliest first.
    pub(super) places: Vec<Place>,
}

/// The replacement of a hash in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// The file.
    pub file: PathBuf,
    /// The byte range to replace.
    pub range: (usize, usize),
    /// The new text.
    pub text: String,
}

/// A hash that must be replaced by hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("replace {wrong} by {right} yourself: {problem}")]
pub struct NoPlace {
    /// The right hash.
    pub right: String,
    /// The wrong hash.
    pub wrong: String,
    /// The reason.
    pub problem: String,
}

impl HashPositions {
    /// The edit that corrects the hash of a derivation of this evaluation. Searches only files below
    /// `project`, a folder with its links followed.
    ///
    /// # Errors
    /// The place of the hash is not certain.
    pub fn edit(
        &self,
        derivation: &StorePath,
        right: &Hash,
        project: &Path,
    ) -> Result<Edit, NoPlace> {
        let given = self.hashes.get(derivation);
        let wrong = given.map_or("", |given| given.text.as_str());
        let text = like(wrong, right);
        let fail = |problem: String| NoPlace {
            right: text.clone(),
            wrong: if wrong.is_empty() { "\"\"".to_owned() } else { wrong.to_owned() },
            problem,
        };
        let given = given.ok_or_else(|| fail("it was not evaluated".to_owned()))?;
        let texts = self.texts(project);
        let (mut inside, mut outside) = (None, None);
        for place in &given.places {
            let Origin::File(file) = &place.origin else {
                outside.get_or_insert("it is not in a file".to_owned());
                continue;
            };
            let file = String::from_utf8_lossy(file).into_owned();
            // the library's files are part of the program
            let Ok(real) = fs_err::canonicalize(file) else { continue };
            let Some(source) = texts.get(&real) else {
                outside.get_or_insert(format!("it is defined at {place}, outside the project"));
                continue;
            };
            if let Some(range) = defined(source, place, wrong) {
                return Ok(Edit { file: real, range, text: format!("\"{text}\"") });
            }
            inside.get_or_insert(place);
        }
        if is_placeholder(wrong) {
            // do not search for the text of a placeholder: other hashes may use the same one
            return Err(fail(match (inside, outside) {
                (Some(place), _) => format!("{place} has no text that can be replaced"),
                (None, Some(outside)) => outside,
                (None, None) => "its place is unknown".to_owned(),
            }));
        }
        let found: Vec<(&PathBuf, Range<usize>)> =
            texts.iter().flat_map(|(file, source)| tokens(file, source, wrong)).collect();
        match &found[..] {
            [(file, range)] => {
                Ok(Edit { file: (*file).clone(), range: (range.start, range.end), text })
            }
            [] => {
                Err(fail(outside.filter(|_| inside.is_none()).unwrap_or_else(|| {
                    "no file that was read in the project contains it".to_owned()
                })))
            }
            several => {
                let places: Vec<String> = several
                    .iter()
                    .map(|(file, range)| {
                        format!("{}:{}", file.display(), line(&texts[*file], range))
                    })
                    .collect();
                Err(fail(format!("it is in several places: {}", places.join(", "))))
            }
        }
    }

    /// The file and the line that hold the hash of that derivation, as far as that is certain.
    #[must_use]
    pub fn place(
        &self,
        derivation: &StorePath,
        right: &Hash,
        project: &Path,
    ) -> Option<(PathBuf, usize)> {
        let Edit { file, range: (start, end), .. } = self.edit(derivation, right, project).ok()?;
        let text = fs_err::read(&file).ok()?;
        (start <= text.len()).then(|| (file, line(&text, &(start..end))))
    }

    /// True if no hash of a fixed output is known, as after an evaluation from the cache.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The files in the project that were read.
    fn texts(&self, project: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let real = self.files.iter().filter_map(|file| fs_err::canonicalize(file).ok());
        real.filter(|file| file.starts_with(project))
            .filter_map(|file| fs_err::read(&file).ok().map(|text| (file, text)))
            .collect()
    }
}

fn line(text: &[u8], range: &Range<usize>) -> usize {
    memchr::memchr_iter(b'\n', &text[..range.start]).count() + 1
}

/// True for a placeholder: an empty text, or only zeros.
fn is_placeholder(text: &str) -> bool {
    let zeros = |algorithm: Algorithm| {
        Hash::parse(text, Some(algorithm)).is_ok_and(|hash| hash.bytes().iter().all(|b| *b == 0))
    };
    text.is_empty() || Algorithm::ALL.into_iter().any(zeros)
}

/// The right hash in the format of the wrong one, such as base 16, or as SRI if the wrong text is not a
/// hash.
#[must_use]
pub fn like(wrong: &str, right: &Hash) -> String {
    let algorithm = right.algorithm();
    let (prefix, digits) = match wrong.split_once(':') {
        Some((name, digits)) => (format!("{name}:"), digits),
        None => (String::new(), wrong),
    };
    let form = [Format::Base16, Format::Nix32, Format::Base64]
        .into_iter()
        .find(|form| right.format(*form).len() == digits.len());
    match form {
        Some(form) if Hash::parse(wrong, Some(algorithm)).is_ok() && !wrong.contains('-') => {
            format!("{prefix}{}", right.format(form))
        }
        _ => right.format(Format::Sri),
    }
}

/// The range of the attribute's literal at that place, if it is that hash or a name for a placeholder.
fn defined(source: &[u8], place: &Place, wrong: &str) -> Option<(usize, usize)> {
    let bound = bound(source, place.line, place.column)?;
    let range = bound.range();
    let text = std::str::from_utf8(&source[range.clone()]).ok()?;
    let is_it = match bound {
        Bound::Text(_) => text.trim_matches(['"', '\'']) == wrong,
        Bound::Name(_) => {
            let last = text.rsplit('.').next().unwrap_or_default().trim();
            matches!(last, "fakeHash" | "fakeSha256" | "fakeSha512") && is_placeholder(wrong)
        }
    };
    is_it.then_some((range.start, range.end))
}

/// The places of the text as a string of its own, in quotes.
fn tokens<'a>(
    file: &'a PathBuf,
    source: &'a [u8],
    text: &'a str,
) -> impl Iterator<Item = (&'a PathBuf, Range<usize>)> + 'a {
    let quoted = move |start: usize| {
        let before = start.checked_sub(1).map(|at| source[at]);
        let behind = source.get(start + text.len()).copied();
        before == behind && matches!(before, Some(b'"' | b'\''))
    };
    memchr::memmem::find_iter(source, text.as_bytes())
        .map(move |start| (file, start..start + text.len()))
        .filter(move |(_, range)| quoted(range.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: &str = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn hash(text: &str) -> Hash {
        Algorithm::Sha256.digest(text.as_bytes())
    }

    fn derivation() -> StorePath {
        StorePath::new(&[1; 20], "x.drv").unwrap()
    }

    /// Writes project files, reads them all, and edits a hash with these places.
    fn edit(
        files: &[(&str, &str)],
        given: &str,
        places: &[(&str, u32, u32)],
    ) -> Result<(String, String), String> {
        let dir = tempfile::tempdir().unwrap();
        let root = fs_err::canonicalize(dir.path()).unwrap();
        let project = root.join("project");
        fs_err::create_dir(&project).unwrap();
        fs_err::write(root.join("other.nix"), format!("{{ hash = \"{given}\"; }}")).unwrap();
        let mut positions = HashPositions::default();
        for (name, text) in files {
            fs_err::write(project.join(name), text).unwrap();
            positions.files.insert(project.join(name));
        }
        let place = |&(file, line, column): &(&str, u32, u32)| Place {
            origin: Origin::File(project.join(file).as_os_str().as_encoded_bytes().to_vec()),
            line,
            column,
        };
        let places = places.iter().map(place).collect();
        positions.hashes.insert(derivation(), Given { text: given.to_owned(), places });
        let edit = positions
            .edit(&derivation(), &hash("right"), &project)
            .map_err(|e| e.to_string().replace(root.to_str().unwrap(), ""))?;
        let mut text = fs_err::read_to_string(&edit.file).unwrap();
        text.replace_range(edit.range.0..edit.range.1, &edit.text);
        Ok((edit.file.file_name().unwrap().to_str().unwrap().to_owned(), text))
    }

    #[test]
    fn a_hash_keeps_its_form() {
        let (wrong, right) = (hash("wrong"), hash("right"));
        for form in [Format::Base16, Format::Nix32, Format::Base64, Format::Sri] {
            assert_eq!(like(&wrong.format(form), &right), right.format(form));
        }
        let prefixed = |h: &Hash| format!("sha256:{}", h.format(Format::Nix32));
        assert_eq!(like(&prefixed(&wrong), &right), prefixed(&right));
        for none in ["", "nonsense"] {
            assert_eq!(like(none, &right), right.to_string());
        }
        assert!(is_placeholder("") && is_placeholder(ZERO) && is_placeholder(&"0".repeat(64)));
        assert!(!is_placeholder(&wrong.to_string()) && !is_placeholder("0"));
    }

    #[test]
    fn the_attribute_that_was_evaluated_is_the_one_that_changes() {
        let (wrong, right) = (hash("wrong").to_string(), hash("right").to_string());
        let twice = format!("[\n{{ hash = \"{wrong}\"; }}\n{{ hash = \"{wrong}\"; }}\n]");
        let (_, text) = edit(&[("a.nix", &twice)], &wrong, &[("a.nix", 3, 3)]).unwrap();
        assert_eq!(text, format!("[\n{{ hash = \"{wrong}\"; }}\n{{ hash = \"{right}\"; }}\n]"));
        for placeholder in ["\"\"", "lib.fakeHash", "''''"] {
            let given = if placeholder.contains("fake") { ZERO } else { "" };
            let source = format!("{{ hash = {placeholder}; }}");
            let (_, text) = edit(&[("a.nix", &source)], given, &[("a.nix", 1, 3)]).unwrap();
            assert_eq!(text, format!("{{ hash = \"{right}\"; }}"));
        }
    }

    #[test]
    fn a_hash_in_one_place_is_found() {
        let (wrong, right) = (hash("wrong"), hash("right"));
        let hex = |h: &Hash| h.format(Format::Base16);
        let lock = format!("sha256 = \"{}\"\n# {}\n", hex(&wrong), hex(&wrong));
        let files = [("clutch.lock", lock.as_str()), ("default.nix", "{ lock = ./clutch.lock; }")];
        let (file, text) = edit(&files, &hex(&wrong), &[("default.nix", 1, 3)]).unwrap();
        assert_eq!(file, "clutch.lock");
        assert_eq!(text, lock.replacen(&hex(&wrong), &hex(&right), 1));
    }

    #[test]
    fn an_ambiguous_hash_is_not_changed() {
        let wrong = hash("wrong").to_string();
        let right = hash("right").to_string();
        let let_bound = format!("let a = \"{wrong}\"; b = \"{wrong}\"; in {{ hash = a; }}");
        let error = edit(&[("a.nix", &let_bound)], &wrong, &[("a.nix", 1, 200)]).unwrap_err();
        assert!(error.contains("several places: /project/a.nix:1, /project/a.nix:1"), "{error}");
        assert!(error.starts_with(&format!("replace {wrong} by {right}")), "{error}");
        // no search for the text of a placeholder
        let error = edit(&[("a.nix", "{ hash = f \"\"; }")], "", &[("a.nix", 1, 3)]).unwrap_err();
        assert!(error.contains("a.nix:1:3 has no text"), "{error}");
        // files outside the project are never changed
        let error = edit(&[], &wrong, &[("../other.nix", 1, 3)]).unwrap_err();
        assert!(error.contains("outside the project"), "{error}");
        // the file has changed since
        let error = edit(&[("a.nix", "{ hash = \"x\"; }")], &wrong, &[("a.nix", 1, 3)]);
        assert!(error.unwrap_err().contains("no file that was read"));
    }
}
