//! Programs, libraries and scripts of a prefix, made to run at its logical path.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use fs_err::{self as fs, os::unix::fs::OpenOptionsExt as _};
use rayon::prelude::*;

use super::{host_paths, walk::walk};
use crate::{
    build::task::{Task, TaskError},
    elf::{self, ElfError, Image, loader_cache},
    limits,
    regular::{self, Link},
};

/// The dynamic linker, from the prefix.
const LINKER: &str = "lib/ld-linux-x86-64.so.2";

/// The parts of the prefix that its files refer to.
struct Prefix<'a> {
    /// Its logical path.
    path: &'a str,
    has_linker: bool,
    has_shell: bool,
    /// The names in `bin`, as they were found: while files are replaced, one may be missing.
    programs: BTreeSet<OsString>,
}

/// Programs start the prefix's dynamic linker, which reads the prefix's cache of libraries; scripts
/// and commands start the prefix's programs.
pub(super) fn relocate(task: &Task<'_>, out: &Path, path: &str) -> Result<(), TaskError> {
    let has = |place: &str| fs::metadata(out.join(place)).is_ok_and(|found| found.is_file());
    let programs = match fs::read_dir(out.join("bin")) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
        Err(error) => return Err(error.into()),
    };
    let (has_linker, has_shell) = (has(LINKER), has("bin/sh"));
    let prefix = Prefix { path, has_linker, has_shell, programs };
    let files = walk(out)?;
    files.par_iter().filter(|(_, kind)| kind.is_file()).try_for_each(|(path, _)| {
        if (task.cancelled)() {
            return Err(TaskError::Cancelled);
        }
        let new = match head(path)? {
            bytes if elf::is_elf(&bytes) => {
                let failed = |e: ElfError| TaskError::Failed(format!("{}: {e}", path.display()));
                edit(whole(path)?, &prefix).map_err(failed)?
            }
            bytes if bytes.starts_with(b"#!") => script(&whole(path)?, &prefix),
            _ => None,
        };
        match new {
            Some(bytes) => Ok(replace(path, &bytes)?),
            None => Ok(()),
        }
    })?;
    if prefix.has_linker {
        fs::create_dir_all(out.join("etc"))?;
        fs::write(out.join("etc/ld.so.cache"), loader_cache::write(&libraries(out, path)?))?;
    }
    Ok(())
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(4).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A program, library or script; links among the files of a prefix stay in it.
fn whole(path: &Path) -> io::Result<Vec<u8>> {
    regular::read(path, Link::Follow, limits::PROGRAM)
}

/// A program or library that needs a change.
fn edit(bytes: Vec<u8>, prefix: &Prefix<'_>) -> Result<Option<Vec<u8>>, ElfError> {
    // 32-bit code and the like is data here
    let Ok(mut image) = Image::parse(bytes) else { return Ok(None) };
    let mut changed = host_paths::replace(&mut image, prefix.path)?;
    if prefix.has_shell {
        changed |= host_paths::replace_shell(&mut image, prefix.path)?;
    }
    if image.interpreter()?.is_some() {
        if !prefix.has_linker {
            return Err(ElfError::Malformed(
                "a program needs a dynamic linker: add libc6 to the packages",
            ));
        }
        image.set_interpreter(&format!("{}/{LINKER}", prefix.path))?;
        changed = true;
    }
    Ok(changed.then(|| image.into_bytes()))
}

/// A script whose first line names a program that the prefix has, with that one in its place.
fn script(bytes: &[u8], prefix: &Prefix<'_>) -> Option<Vec<u8>> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let line = std::str::from_utf8(&bytes[2..end]).ok()?.trim_start();
    let (program, arguments) = line.split_once(' ').unwrap_or((line, ""));
    let name = program.strip_prefix("/usr").unwrap_or(program).strip_prefix("/bin/")?;
    if !prefix.programs.contains(OsStr::new(name)) {
        return None;
    }
    let first = format!("#!{}/bin/{name} {arguments}", prefix.path);
    Some([first.trim_end().as_bytes(), &bytes[end..]].concat())
}

/// Writes a file anew, so that another name of the old one keeps its content.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    fs::remove_file(path)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    io::Write::write_all(&mut file, bytes)
}

/// The libraries in `lib`: every name that a program may ask for.
fn libraries(out: &Path, prefix: &str) -> Result<BTreeMap<String, String>, TaskError> {
    let mut found = BTreeMap::new();
    let folder = out.join("lib");
    if !folder.is_dir() {
        return Ok(found);
    }
    let names = fs::read_dir(&folder)?.map(|entry| Ok(entry?.file_name()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in &names {
        let path = folder.join(name);
        let Some(name) = name.to_str().filter(|n| n.contains(".so")) else { continue };
        if !path.is_file() || !elf::is_elf(&head(&path)?) {
            continue;
        }
        let place = format!("{prefix}/lib/{name}");
        let Ok(image) = Image::parse(whole(&path)?) else { continue };
        // a library whose link is missing is found by its own name
        if let Ok(Some(soname)) = image.soname() {
            found.entry(soname.to_owned()).or_insert_with(|| place.clone());
        }
        found.insert(name.to_owned(), place);
    }
    Ok(found)
}
