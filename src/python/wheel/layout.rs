//! The layout of an installed wheel: the place of each of its files, as text.

use super::{
    entry_points::{EntryPointsError, program_name},
    identity::Identity,
};
use crate::{
    net::simple::normalised,
    python::{excerpt::excerpt, target::Interpreter},
};

/// The files of a description that the installation writes itself, or that its own RECORD makes
/// meaningless.
pub(crate) const OWN: [&str; 6] =
    ["RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"];

/// An error about an entry that cannot be installed. Names are shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// `.data` of another distribution.
    #[error("'{0}.data' belongs to another distribution")]
    ForeignData(String),
    /// Not in one of the folders that `.data` may have.
    #[error("'{0}' is not one of the folders that a wheel's '.data' may have")]
    UnknownKey(String),
    /// A script in a folder below `bin`.
    #[error("scripts may not be in folders")]
    NestedScript,
    /// A program that cannot be in `bin`.
    #[error(transparent)]
    Program(#[from] EntryPointsError),
    /// A file of the environment itself.
    #[error("'{0}' belongs to the environment itself")]
    Reserved(String),
    /// A file in the description of another distribution.
    #[error("'{0}' describes another distribution")]
    ForeignDescription(String),
    /// A file that the installation writes.
    #[error("'{0}' is written by the installation itself")]
    Written(String),
}

/// The place of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// Its path from the prefix.
    pub path: String,
    /// True for a program, even if the archive does not mark it as one.
    pub program: bool,
}

/// The place of an entry; nothing if it is not installed, as byte code: the installation makes its own, and
/// foreign byte code would be run in place of the source without anybody seeing it.
///
/// # Errors
/// If the entry is in an unknown folder of `.data`, in another distribution's folder, or a file that
/// belongs to the environment itself.
pub(crate) fn place(
    entry: &str,
    identity: &Identity,
    interpreter: &Interpreter,
) -> Result<Option<Destination>, LayoutError> {
    if is_cache(entry) {
        return Ok(None);
    }
    let library = interpreter.site_packages();
    let plain = |path: String| Ok(Some(Destination { path, program: false }));
    let (top, rest) = entry.split_once('/').unwrap_or((entry, ""));
    if top == identity.dist_info() {
        return if OWN.contains(&rest) { Ok(None) } else { plain(format!("{library}/{entry}")) };
    }
    let Some(stem) = top.strip_suffix(".data") else {
        return plain(format!("{library}/{entry}"));
    };
    if stem != identity.stem {
        return Err(LayoutError::ForeignData(excerpt(stem)));
    }
    let Some((key, path)) = rest.split_once('/') else {
        return Err(LayoutError::UnknownKey(excerpt(rest)));
    };
    match key {
        "purelib" | "platlib" => plain(format!("{library}/{path}")),
        "headers" => plain(format!(
            "include/site/{}/{}/{path}",
            interpreter.name(),
            normalised(&identity.name)
        )),
        "scripts" if path.contains('/') => Err(LayoutError::NestedScript),
        "scripts" => {
            program_name(path)?;
            Ok(Some(Destination { path: format!("bin/{path}"), program: true }))
        }
        "data" => match path.strip_prefix("bin/") {
            Some(name) => {
                program_name(name)?;
                plain(path.to_owned())
            }
            None if path == "bin" || path == "pyvenv.cfg" => {
                Err(LayoutError::Reserved(path.to_owned()))
            }
            None => plain(path.to_owned()),
        },
        other => Err(LayoutError::UnknownKey(excerpt(other))),
    }
}

/// True if a path is in a folder of byte code, or is one (PEP 3147).
#[must_use]
pub(crate) fn is_cache(path: &str) -> bool {
    path.split('/').any(|part| part.eq_ignore_ascii_case("__pycache__"))
}

/// The source file beside which byte code of that path would lie (the layout of before PEP 3147): if it is there, the
/// byte code is not loaded.
#[must_use]
pub(crate) fn source_beside(path: &str) -> Option<String> {
    let (stem, ending) = path.split_at_checked(path.len().checked_sub(4)?)?;
    (ending.eq_ignore_ascii_case(".pyc") || ending.eq_ignore_ascii_case(".pyo"))
        .then(|| format!("{stem}.py"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(entry: &str) -> Result<Option<String>, LayoutError> {
        let identity = Identity {
            name: "A.b".into(),
            version: "1".into(),
            stem: "a_b-1".into(),
            warnings: Vec::new(),
        };
        let interpreter =
            Interpreter { making: None, logical: "/clutch/store/x".into(), minor: 11 };
        place(entry, &identity, &interpreter).map(|place| place.map(|p| p.path))
    }

    #[test]
    fn entries_have_places() {
        for (entry, path) in [
            ("a/x.py", "lib/python3.11/site-packages/a/x.py"),
            (
                "a_b-1.dist-info/licenses/L",
                "lib/python3.11/site-packages/a_b-1.dist-info/licenses/L",
            ),
            ("a_b-1.data/purelib/a/x.py", "lib/python3.11/site-packages/a/x.py"),
            ("a_b-1.data/platlib/x.so", "lib/python3.11/site-packages/x.so"),
            ("a_b-1.data/headers/x.h", "include/site/python3.11/a-b/x.h"),
            ("a_b-1.data/scripts/x", "bin/x"),
            ("a_b-1.data/data/share/x", "share/x"),
        ] {
            assert_eq!(at(entry), Ok(Some(path.into())), "{entry}");
        }
        for entry in [
            "a_b-1.dist-info/RECORD",
            "a/__pycache__/x.cpython-311.pyc",
            "a/__pycache__/x.cpython-311.opt-1.pyc",
            "a/__PyCache__/x.PYC",
            "a/__pycache__",
            "a/__pycache__/x.cpython-311.pyc/y",
            "__pycache__/x.py",
            "a_b-1.data/purelib/__pycache__/x.cpython-311.pyc",
            "a_b-1.data/platlib/a/__pycache__/x.cpython-311.pyc",
            "a_b-1.data/data/lib/python3.11/site-packages/a/__pycache__/x.cpython-311.pyc",
            "a_b-1.data/data/bin/__pycache__/x.cpython-311.pyc",
            "a_b-1.data/headers/__pycache__/x.cpython-311.pyc",
            "a_b-1.data/scripts/__pycache__",
            "a_b-1.dist-info/__pycache__/x.cpython-311.pyc",
        ] {
            assert_eq!(at(entry), Ok(None), "{entry}");
        }
        assert_eq!(source_beside("a/x.pyc").as_deref(), Some("a/x.py"));
        assert_eq!(source_beside("a/x.PYO").as_deref(), Some("a/x.py"));
        assert!(source_beside("a/x.py").is_none() && source_beside("x").is_none());
        assert!(source_beside("éa").is_none());
        assert_eq!(at("x.pyc"), Ok(Some("lib/python3.11/site-packages/x.pyc".into())));
    }

    #[test]
    fn what_has_no_place_is_refused() {
        for entry in [
            "a_b-1.data/other/x",
            "a_b-1.data/x",
            "c-1.data/purelib/x",
            "a_b-1.data/scripts/python3",
            "a_b-1.data/scripts/d/x",
            "a_b-1.data/data/bin/python",
            "a_b-1.data/data/pyvenv.cfg",
        ] {
            assert!(at(entry).is_err(), "{entry}");
        }
    }
}
