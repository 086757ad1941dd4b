//! `builtin:fetch`: one file, known by its hash. Its locations are attributes: `index` with
//! `project` and `file` (a package index), or with `file` alone (a path below the index's base
//! address); `url` or `urls`. They are tried in that order. `size`, if given, is checked too.
//!
//! With `outputHashMode = "recursive"` the hash is that of the tree: of the file itself, `executable`
//! or not, or with `unpack` of what an archive holds (as `builtin:unpack` with `strip = "auto"`).

use std::{
    borrow::Cow,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use fs_err::{self as fs, os::unix::fs::OpenOptionsExt as _};
use rustix::fs::OFlags;

use super::{
    attributes,
    unpack::{self, Strip},
};
use crate::net::{
    address::Address,
    download::{Download, DownloadError},
    http::HttpError,
    network::Network,
    simple::normalised,
};
use crate::{
    build::task::{Task, TaskError},
    derivation::HashMode,
    git::shown_address,
    hash::{Algorithm, Format, Hash},
};

/// Runs `builtin:fetch`.
///
/// # Errors
/// If no location has the file: the errors of each. If the last location has another file under that name:
/// both hashes.
pub(super) fn build(task: &Task<'_>) -> Result<(), TaskError> {
    let network = task.network()?;
    let wanted = Wanted::of(task)?;
    let mut tried = Vec::new();
    for place in places(task)? {
        if (task.cancelled)() {
            return Err(TaskError::Cancelled);
        }
        let result = locate(network, &place, wanted.hash, task.log)
            .and_then(|address| download(network, task, &address, &wanted));
        match result {
            Ok(()) => return Ok(()),
            Err(TaskError::Cancelled) => return Err(TaskError::Cancelled),
            Err(error) => {
                (task.log)(&error.to_string());
                tried.push(error);
            }
        }
    }
    let mismatch = |e: &TaskError| matches!(e, TaskError::HashMismatch { .. });
    if tried.len() == 1 || tried.iter().any(mismatch) {
        let at = tried.iter().position(mismatch).unwrap_or(0);
        return Err(tried.swap_remove(at));
    }
    let all: Vec<_> = tried.iter().map(ToString::to_string).collect();
    Err(TaskError::Failed(format!("no location has the file: {}", all.join("; "))))
}

/// The address of a place.
fn locate(
    network: &Network,
    place: &Place,
    hash: Option<Hash>,
    log: &dyn Fn(&str),
) -> Result<Address, TaskError> {
    match place {
        Place::Url(url) => {
            if let Cow::Owned(shown) = shown_address(url) {
                return Err(TaskError::Failed(credentials(&shown)));
            }
            Address::parse(url).map_err(failed)
        }
        Place::Below { index, file } => {
            Ok(network.indexes().find(index).map_err(failed)?.address.below(file))
        }
        Place::Project { index, project, file } => {
            if network.is_offline() {
                return Err(TaskError::Failed(format!(
                    "{file} of the project '{project}' would have to be fetched from the index \
                     '{index}', but --offline was given"
                )));
            }
            let base = network.indexes().find(index).map_err(failed)?.address;
            let files = network.project(&base, project).map_err(failed)?;
            let found = files.iter().find(|f| f.name == *file).ok_or_else(|| {
                TaskError::Failed(format!(
                    "the index '{index}' at {base} lists no file '{file}' for the project \
                     '{project}'"
                ))
            })?;
            if let (Some(listed), Some(hash)) = (&found.sha256, hash)
                && hash.algorithm() == Algorithm::Sha256
                && *listed != hash.format(Format::Base16)
            {
                let actual = Hash::parse(listed, Some(Algorithm::Sha256)).map_err(failed)?;
                log(&format!("the index '{index}' lists '{file}' with another hash"));
                return Err(TaskError::HashMismatch { expected: hash, actual });
            }
            if let Some(reason) = &found.yanked {
                let why = if reason.is_empty() { "no reason given" } else { reason };
                log(&format!("warning: {file} was yanked from the index '{index}': {why}"));
            }
            Ok(found.address.clone())
        }
    }
}

fn download(
    network: &Network,
    task: &Task<'_>,
    address: &Address,
    wanted: &Wanted,
) -> Result<(), TaskError> {
    let (partial, _guard) = partial_file(network, task.scratch, wanted.hash)?;
    (task.log)(&format!("fetching {address}"));
    let download = Download {
        address,
        hash: wanted.hash,
        size: wanted.size,
        partial: &partial,
        progress: task.progress,
        cancelled: task.cancelled,
        log: task.log,
    };
    let result = network.http().map_err(DownloadError::from).and_then(|http| download.run(http));
    match result {
        Ok(()) if wanted.unpack => {
            let archive = fs::File::open(&partial)?;
            let out = task.output("out")?;
            unpack::unpack(&archive, None, Strip::Auto, out, task.cancelled)?;
            Ok(fs::remove_file(&partial)?)
        }
        Ok(()) => {
            let mode = if wanted.executable { 0o755 } else { 0o644 };
            Ok(place_file(&partial, task.output("out")?, mode)?)
        }
        Err(error) => {
            // an empty partial file is useless
            if fs::metadata(&partial).is_ok_and(|meta| meta.len() == 0) {
                fs::remove_file(&partial)?;
            }
            Err(match error {
                DownloadError::Hash(wrong) => {
                    TaskError::HashMismatch { expected: wrong.expected, actual: wrong.actual }
                }
                DownloadError::Http(HttpError::Cancelled) => TaskError::Cancelled,
                DownloadError::Io(error) => TaskError::Io(error),
                other => failed(other),
            })
        }
    }
}

/// The partial file for a hash, held by a lock; one in scratch if another process holds it, and
/// if the file's hash is not known.
fn partial_file(
    network: &Network,
    scratch: &Path,
    hash: Option<Hash>,
) -> Result<(PathBuf, Option<fs::File>), TaskError> {
    let Some(hash) = hash else { return Ok((scratch.join("fetched"), None)) };
    let name = format!("{}-{}", hash.algorithm(), hash.format(Format::Nix32));
    if let Some(folder) = network.partial() {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{name}.part"));
        let mut options = fs::OpenOptions::new();
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        let file = options.write(true).create(true).truncate(false).open(&path)?;
        // the lock is void if somebody has moved the file away meanwhile
        let same = |now: std::fs::Metadata| Ok(now.ino() == file.metadata()?.ino());
        if file.file().try_lock().is_ok() && fs::metadata(&path).and_then(same)? {
            return Ok((path, Some(file)));
        }
    }
    Ok((scratch.join(name), None))
}

/// The error for an address with credentials.
fn credentials(shown: &str) -> String {
    format!(
        "'{shown}' is given with a name or password, which everybody could read in the derivation; put \
         `machine HOST login NAME password PASSWORD` into ~/.netrc instead"
    )
}

/// The expected output.
struct Wanted {
    /// The file's hash; `None` if the tree's hash is checked afterwards.
    hash: Option<Hash>,
    size: Option<u64>,
    unpack: bool,
    executable: bool,
}

impl Wanted {
    fn of(task: &Task<'_>) -> Result<Self, TaskError> {
        let output = task.derivation.outputs.get("out").and_then(|output| output.fixed);
        let fixed = output.ok_or_else(|| {
            let problem = "it is missing; every fetch needs the hash of its content";
            attributes::bad("outputHash", problem)
        })?;
        let (unpack, executable) =
            (attributes::flag(task, "unpack")?, attributes::flag(task, "executable")?);
        let hash = match fixed.mode {
            HashMode::Flat if unpack || executable => {
                let problem = "expected 'recursive', because the output is not a plain file";
                return Err(attributes::bad("outputHashMode", problem));
            }
            HashMode::Flat => Some(fixed.hash),
            HashMode::Recursive => None,
        };
        Ok(Self { hash, size: attributes::number(task, "size")?, unpack, executable })
    }
}

/// A place of the file.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Url(String),
    Below { index: String, file: String },
    Project { index: String, project: String, file: String },
}

fn places(task: &Task<'_>) -> Result<Vec<Place>, TaskError> {
    let text = |name| Ok::<_, TaskError>(attributes::text(task, name)?.filter(|t| !t.is_empty()));
    let mut places = Vec::new();
    if let Some(index) = text("index")? {
        let file = attributes::required(task, "file")?;
        if file.starts_with('/') || file.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(attributes::bad("file", "expected a relative path without '.' and '..'"));
        }
        places.push(match text("project")? {
            Some(project) => Place::Project { index, project: normalised(&project), file },
            None => Place::Below { index, file },
        });
    }
    for name in ["url", "urls"] {
        let urls = text(name)?.unwrap_or_default();
        places.extend(urls.split_whitespace().map(|url| Place::Url(url.to_owned())));
    }
    if places.is_empty() {
        return Err(attributes::bad("url", "it is missing, and so are 'urls' and 'index'"));
    }
    Ok(places)
}

/// Moves a whole file to its place.
fn place_file(from: &Path, to: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if fs::rename(from, to).is_err() {
        // another file system
        fs::copy(from, to)?;
        fs::remove_file(from)?;
    }
    fs::set_permissions(to, PermissionsExt::from_mode(mode))
}

fn failed(error: impl std::fmt::Display) -> TaskError {
    TaskError::Failed(error.to_string())
}

#[cfg(test)]
mod tests;
