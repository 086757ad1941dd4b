//! The reader of what `pack` writes. It takes exactly that: whatever else an archive holds is
//! refused, with the entry and the reason.

use std::{
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
};

use fs_err::os::unix::fs::OpenOptionsExt;
use rustc_hash::FxHashSet;
use tar::{Archive, Entry, EntryType};

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The stream ends too early or does not inflate; or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An entry is not as `pack` writes it.
    #[error("entry '{entry}': {problem}")]
    Entry {
        /// Its name.
        entry: String,
        /// What is wrong.
        problem: String,
    },
    /// The whole is not as announced.
    #[error("{0}")]
    Whole(String),
}

/// What a tree may hold at most: what the archive announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Entries: files, folders and symlinks.
    pub entries: u64,
    /// Bytes in files and symlink targets.
    pub size: u64,
}

/// Reads the entries of one tree, whose names start with `name`, and makes the tree at `target`,
/// which does not exist yet.
///
/// # Errors
/// Where the entries are not those of such a tree; what was made so far is left.
pub fn unpack(
    from: &mut dyn Read,
    name: &str,
    target: &Path,
    announced: Announced,
) -> Result<(), UnpackError> {
    let mut archive = Archive::new(from);
    let mut folders: FxHashSet<PathBuf> = FxHashSet::default();
    let (mut entries, mut size) = (0, 0);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refuse = |problem: &str| {
            Err(UnpackError::Entry { entry: shown.clone(), problem: problem.to_owned() })
        };
        entries += 1;
        if entries > announced.entries {
            return refuse(&format!("more than the {} entries announced", announced.entries));
        }
        let below = match place(&entry.path_bytes(), name) {
            Ok(below) => below,
            Err(problem) => return refuse(&problem),
        };
        // what an entry is put into was made by an entry before, so no link is ever followed
        match below.parent() {
            None if entries == 1 => {}
            Some(parent) if folders.contains(parent) => {}
            None => return refuse("it is a second tree"),
            Some(_) => return refuse("the folder that it is in does not stand before it"),
        }
        let path =
            if below.as_os_str().is_empty() { target.to_owned() } else { target.join(&below) };
        size += match make(&mut entry, &path, announced.size - size) {
            Ok(size) => size,
            Err(Refusal::Problem(problem)) => return refuse(&problem),
            Err(Refusal::Io(e)) if e.kind() == io::ErrorKind::AlreadyExists => {
                return refuse("there are two of this name");
            }
            Err(Refusal::Io(e)) => return Err(e.into()),
        };
        if entry.header().entry_type() == EntryType::Directory {
            folders.insert(below);
        }
    }
    if archive.into_inner().read(&mut [0])? != 0 {
        return Err(UnpackError::Whole("bytes follow the last entry".to_owned()));
    }
    if (entries, size) != (announced.entries, announced.size) {
        let Announced { entries: all, size: bytes } = announced;
        return Err(UnpackError::Whole(format!(
            "{entries} entries with {size} bytes, but {all} with {bytes} were announced"
        )));
    }
    Ok(())
}

/// Reads an archive's one file of that name and at most `limit` bytes.
///
/// # Errors
/// Where it is not exactly that.
pub fn unpack_bytes(from: &mut dyn Read, name: &str, limit: u64) -> Result<Vec<u8>, UnpackError> {
    let mut archive = Archive::new(from);
    let mut bytes = None;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let known = entry.header().entry_type() == EntryType::Regular
            && &*entry.path_bytes() == name.as_bytes()
            && entry.size() <= limit;
        if bytes.is_some() || !known {
            return Err(UnpackError::Whole(format!("expected one file '{name}' and nothing else")));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        bytes = Some(content);
    }
    bytes.ok_or_else(|| UnpackError::Whole(format!("there is no file '{name}'")))
}

enum Refusal {
    Problem(String),
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

fn problem<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Problem(text.into()))
}

/// The place of an entry in its tree; empty for the root.
fn place(full: &[u8], name: &str) -> Result<PathBuf, String> {
    let below = match full.strip_prefix(name.as_bytes()) {
        Some([]) => return Ok(PathBuf::new()),
        Some([b'/', below @ ..]) => below,
        _ => return Err(format!("it is not in '{name}'")),
    };
    let bad = |part: &[u8]| matches!(part, b"" | b"." | b"..") || part.contains(&0);
    if below.split(|b| *b == b'/').any(bad) {
        return Err("its name has an empty part, '.', '..' or a zero byte".to_owned());
    }
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(below)))
}

/// Makes what the entry says and gives its size.
fn make(entry: &mut Entry<'_, impl Read>, path: &Path, limit: u64) -> Result<u64, Refusal> {
    let mode = entry.header().mode()?;
    let too_large = || problem("it is larger than announced");
    match entry.header().entry_type() {
        EntryType::Directory if entry.size() == 0 && mode == 0o555 => {
            fs_err::create_dir(path)?;
            Ok(0)
        }
        EntryType::Symlink if entry.size() == 0 => {
            let Some(target) = entry.link_name_bytes() else { return problem("it has no target") };
            if target.is_empty() || target.contains(&0) {
                return problem("its target is empty or has a zero byte");
            }
            if target.len() as u64 > limit {
                return too_large();
            }
            symlink(std::ffi::OsStr::from_bytes(&target), path)?;
            Ok(target.len() as u64)
        }
        EntryType::Regular if matches!(mode, 0o444 | 0o555) => {
            let size = entry.size();
            if size > limit {
                return too_large();
            }
            let mut options = fs_err::OpenOptions::new();
            options.write(true).create_new(true).mode(mode);
            let mut file = options.open(path)?;
            let copied = io::copy(entry, &mut file)?;
            if copied != size {
                return problem(format!("it ends after {copied} of {size} bytes"));
            }
            Ok(size)
        }
        EntryType::Directory | EntryType::Symlink | EntryType::Regular => {
            problem(format!("mode {mode:o} or size is not what a store path has"))
        }
        EntryType::Link => problem("hard links are not allowed"),
        _ => problem("only files, folders and symlinks are allowed"),
    }
}
