//! Undoes Debian's changes to CPython's own files: the folders for modules (`dist-packages`,
//! `/usr/local`) and paths of the host. Every replaced text must be there exactly once, so that a changed
//! package is noticed.

use std::path::Path;

use fs_err as fs;

use crate::{
    build::task::TaskError,
    elf::{ElfError, Image},
    limits,
    regular::{self, Link},
};

/// The supported releases (3.x).
pub(super) const KNOWN: [u32; 2] = [11, 13];

/// One change of a text file, in its folder of the standard library.
struct Edit {
    /// The file; for these releases.
    file: &'static str,
    releases: &'static [u32],
    change: Change,
}

enum Change {
    /// A text becomes another.
    Replace(&'static str, &'static str),
    /// All from the first text up to the second, which stays, becomes the third.
    Cut(&'static str, &'static str, &'static str),
}
use Change::{Cut, Replace};

const BOTH: &[u32] = &[11, 13];

/// Instead of asking `ldconfig`: the shortest name of a library is that of its ABI.
const PREFIX_LIBRARY: &str = r"        def _findSoname_ldconfig(name):
            import sys
            files = os.listdir(os.path.join(sys.base_prefix, 'lib'))
            found = sorted(file for file in files if file.startswith(f'lib{name}.so.'))
            return min(found, key=len, default=None)

";

const EDITS: &[Edit] = &[
    // site: the folders that Debian's packages and administrators use
    Edit {
        file: "site.py",
        releases: BOTH,
        change: Replace(
            "lib/python3/dist-packages.\nOn other",
            "lib/python<version>/site-packages.\nOn other",
        ),
    },
    Edit {
        file: "site.py",
        releases: BOTH,
        change: Cut("For Debian and derivatives", "If a file named \"pyvenv.cfg\"", ""),
    },
    Edit {
        file: "site.py",
        releases: BOTH,
        change: Cut("    is_virtual_environment = ", "    for prefix in prefixes:", ""),
    },
    Edit {
        file: "site.py",
        releases: BOTH,
        change: Cut(
            "            if is_virtual_environment:",
            "            for libdir in libdirs:\n                path = os.path.join(",
            "",
        ),
    },
    Edit {
        file: "site.py",
        releases: BOTH,
        change: Replace("\"dist-packages\"", "\"site-packages\""),
    },
    // the folder of a virtual environment is looked at once, so that its .pth files run once
    Edit {
        file: "site.py",
        releases: BOTH,
        change: Replace(
            "        # addsitepackages will process site_prefix again if its in PREFIXES,\n        # but that's ok; known_paths will prevent anything being added twice\n",
            "",
        ),
    },
    Edit {
        file: "site.py",
        releases: BOTH,
        change: Replace(
            "    known_paths = addsitepackages(known_paths)\n",
            "    # venv() has added those of a virtual environment\n    added = [sys.prefix] if sys.prefix != sys.base_prefix else []\n    known_paths = addsitepackages(known_paths, [p for p in PREFIXES if p not in added])\n",
        ),
    },
    // sysconfig: one installation scheme
    Edit {
        file: "sysconfig.py",
        releases: &[11],
        change: Cut("    'deb_system': {", "    'posix_home': {", ""),
    },
    Edit {
        file: "sysconfig.py",
        releases: &[11],
        change: Cut(
            "    if sys.base_prefix != sys.prefix or hasattr(sys, \"real_prefix\"):\n        # virtual",
            "    return {\n        'prefix': prefix_scheme",
            "",
        ),
    },
    Edit {
        file: "sysconfig.py",
        releases: &[11],
        change: Replace("'prefix': prefix_scheme,", "'prefix': 'posix_prefix',"),
    },
    Edit {
        file: "sysconfig.py",
        releases: &[11],
        change: Replace(", 'posix_local', 'deb_system'):", "):"),
    },
    Edit {
        file: "sysconfig/__init__.py",
        releases: &[13],
        change: Cut("    'deb_system': {", "    'posix_home': {", ""),
    },
    Edit {
        file: "sysconfig/__init__.py",
        releases: &[13],
        change: Cut(
            "    if sys.base_prefix != sys.prefix or hasattr(sys, \"real_prefix\"):\n        # virtual",
            "    return {\n        'prefix': prefix_scheme",
            "",
        ),
    },
    Edit {
        file: "sysconfig/__init__.py",
        releases: &[13],
        change: Replace("'prefix': prefix_scheme,", "'prefix': 'posix_prefix',"),
    },
    Edit {
        file: "sysconfig/__init__.py",
        releases: &[13],
        change: Replace(", 'posix_local', 'deb_system'):", "):"),
    },
    // distutils, which 3.12 removed
    Edit {
        file: "distutils/sysconfig.py",
        releases: &[11],
        change: Replace(
            "is_default_prefix = not prefix or os.path.normpath(prefix) in ('/usr', '/usr/local')",
            "is_default_prefix = False",
        ),
    },
    Edit {
        file: "distutils/command/install.py",
        releases: &[11],
        change: Replace("or is_virtual_environment()):", "or True):"),
    },
    // pip comes with the standard library, as it does from python.org
    Edit {
        file: "ensurepip/__init__.py",
        releases: BOTH,
        change: Cut("def _ensurepip_is_disabled_in_debian_for_system", "__all__ = [", ""),
    },
    Edit {
        file: "ensurepip/__init__.py",
        releases: BOTH,
        change: Cut(
            "    # Ensure that we are only running this inside of a virtual environment",
            "    if altinstall and default_pip:",
            "",
        ),
    },
    // the prefix's own libraries, shell and translations, not the host's
    Edit {
        file: "ctypes/util.py",
        releases: BOTH,
        change: Cut(
            "        def _findSoname_ldconfig(name):",
            "        def _findLib_ld(name):",
            PREFIX_LIBRARY,
        ),
    },
    Edit {
        file: "ctypes/util.py",
        releases: BOTH,
        change: Replace(
            "            return _findSoname_ldconfig(name) or \\\n                   \
             _get_soname(_findLib_gcc(name)) or _get_soname(_findLib_ld(name))\n",
            "            return _findSoname_ldconfig(name)\n",
        ),
    },
    Edit {
        file: "subprocess.py",
        releases: BOTH,
        change: Replace("else '/bin/sh')", "else sys.base_prefix + '/bin/sh')"),
    },
    Edit {
        file: "gettext.py",
        releases: BOTH,
        change: Replace(
            "os.path.join(\"/usr/share/locale-langpack\", lang,",
            "os.path.join(sys.base_prefix, 'share/locale-langpack', lang,",
        ),
    },
];

/// The module `site` is also frozen into the executable, as Debian changed it. It is between these in the list of
/// frozen modules. Without its name there, it is loaded from its file like others.
const FROZEN: [&str; 3] = ["os", "site", "stat"];

/// Variables that the frozen module `getpath` asks for, by which CPython finds its environment. On macOS they tell it
/// to take another program's; it heeds them everywhere, `-I` or not, and a process that was started by such a Python
/// leaves them behind. In the program and in the module they become names of the same length that no variable can
/// have.
const VARIABLES: [(&[u8], &[u8]); 4] = [
    (b"\0ENV_PYTHONEXECUTABLE\0", b"\0ENV_=YTHONEXECUTABLE\0"),
    (b"\xda\x14ENV_PYTHONEXECUTABLE", b"\xda\x14ENV_=YTHONEXECUTABLE"),
    (b"\0ENV___PYVENV_LAUNCHER__\0", b"\0ENV_=_PYVENV_LAUNCHER__\0"),
    (b"\xda\x17ENV___PYVENV_LAUNCHER__", b"\xda\x17ENV_=_PYVENV_LAUNCHER__"),
];

/// Changes the standard library in `prefix` and the module frozen into the executable.
pub(super) fn undo_distribution(prefix: &Path, minor: u32) -> Result<(), TaskError> {
    let library = prefix.join(format!("lib/python3.{minor}"));
    for edit in EDITS.iter().filter(|edit| edit.releases.contains(&minor)) {
        let path = library.join(edit.file);
        let text = regular::read_text(&path, Link::Follow, limits::METADATA)?;
        let text = apply(&edit.change, &text).map_err(|problem| {
            TaskError::Failed(format!(
                "{}: {problem}; use packages of a Debian suite that this version of clutch supports",
                path.display()
            ))
        })?;
        fs::write(path, text)?;
    }
    let program = prefix.join(format!("bin/python3.{minor}"));
    let failed = |e: ElfError| TaskError::Failed(format!("{}: {e}", program.display()));
    let mut image =
        Image::parse(regular::read(&program, Link::Follow, limits::PROGRAM)?).map_err(failed)?;
    image.unname(FROZEN).map_err(failed)?;
    for (old, new) in VARIABLES {
        image.overwrite(old, new).map_err(failed)?;
    }
    Ok(fs::write(&program, image.into_bytes())?)
}

/// An error while changing a text that is not the expected one.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    /// A required part is missing.
    #[error("expected the text {0:?}, found none")]
    Missing(&'static str),
    /// A part occurs more than once.
    #[error("expected the text {0:?} once, found it more than once")]
    Twice(&'static str),
}

fn apply(change: &Change, text: &str) -> Result<String, ChangeError> {
    match change {
        Replace(old, new) => {
            once(text, old)?;
            Ok(text.replace(old, new))
        }
        Cut(from, until, new) => {
            let start = once(text, from)?;
            let length = text[start..].find(until).ok_or(ChangeError::Missing(until))?;
            Ok([&text[..start], new, &text[start + length..]].concat())
        }
    }
}

/// The offset of the only occurrence.
fn once(text: &str, part: &'static str) -> Result<usize, ChangeError> {
    let mut found = text.match_indices(part);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) => Err(ChangeError::Missing(part)),
        (Some(_), Some(_)) => Err(ChangeError::Twice(part)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_fits_exactly_or_not_at_all() {
        let apply = |change: Change, text| apply(&change, text);
        assert_eq!(apply(Replace("b", "c"), "abd").unwrap(), "acd");
        assert_eq!(apply(Cut("b", "d", "-"), "abcd").unwrap(), "a-d");
        assert!(matches!(apply(Replace("x", "c"), "abd"), Err(ChangeError::Missing("x"))));
        assert!(matches!(apply(Replace("b", "c"), "bb"), Err(ChangeError::Twice("b"))));
        assert!(apply(Cut("b", "x", ""), "abcd").is_err());
        assert!(apply(Cut("d", "b", ""), "abcd").is_err(), "the end must follow the start");
    }

    #[test]
    fn a_file_that_differs_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("lib/python3.11")).unwrap();
        fs::write(dir.path().join("lib/python3.11/site.py"), "import sys\n").unwrap();
        let error = undo_distribution(dir.path(), 11).unwrap_err().to_string();
        assert!(error.contains("lib/python3.11/site.py: expected the text"), "{error}");
    }
}
