//! Writes the files of a wheel to their places: every file is inflated, written and hashed in one
//! pass, on all cores; then byte code, then a RECORD of the files that are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use fs_err::{self as fs, os::unix::fs::OpenOptionsExt as _};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{
    entry_points,
    error::{EntryError, WheelError},
    identity::{Identity, IdentityError, description, not_utf8},
    layout::{self, LayoutError},
    listing::Listing,
    record::{self, Check, RecordPolicy, Row},
    text::decode,
};
use crate::{
    build::task::{Task, TaskError},
    elf,
    python::{
        bytecode,
        excerpt::{excerpt, several},
        target::Interpreter,
    },
    unpack::zip_file::{Entry, EntryKind, Zip},
};

/// The greatest number of mismatches in an error.
const SHOWN: usize = 5;

/// A wheel whose description was read and checked.
pub(crate) struct Wheel {
    zip: Zip,
    file: String,
    identity: Identity,
    record: Listing,
}

/// A file on its way.
struct Planned<'a> {
    entry: &'a Entry,
    /// The entry's number.
    number: usize,
    path: String,
    executable: bool,
}

impl Wheel {
    /// Reads an opened archive and checks all that can be checked before unpacking. `file` is its name.
    ///
    /// # Errors
    /// If the archive is not a wheel, or its names and versions do not agree.
    pub(crate) fn open(archive: &fs::File, file: &str) -> Result<Self, WheelError> {
        let fail = |reason| WheelError::Identity { file: file.to_owned(), reason };
        let zip = Zip::open_wheel(archive)?;
        let mut identity = Identity::read(&zip, file).map_err(fail)?;
        let path = format!("{}/RECORD", identity.dist_info());
        let entry = zip.find(&path).ok_or_else(|| fail(IdentityError::Missing(path.clone())))?;
        let content = description(&zip, entry).map_err(fail)?;
        let text = decode(&content);
        let record = Listing::read(&text.text, &zip)
            .map_err(|reason| WheelError::Listing { file: file.to_owned(), reason })?;
        if text.latin1 {
            identity.warnings.push(not_utf8(&path));
        }
        drop(content);
        Ok(Self { zip, file: file.to_owned(), identity, record })
    }

    /// Installs into `out`, which it creates.
    ///
    /// # Errors
    /// Names the entry at fault. Files written until then must not be used.
    pub(crate) fn install(
        &self,
        task: &Task<'_>,
        interpreter: &Interpreter,
        policy: RecordPolicy,
        out: &Path,
    ) -> Result<(), WheelError> {
        for warning in &self.identity.warnings {
            (task.log)(&format!("warning: wheel '{}': {warning}", self.file));
        }
        let plan = self.plan(interpreter)?;
        self.scripts(task, &plan, interpreter)?;
        let library = interpreter.site_packages();
        fs::create_dir_all(out.join(&library).join(self.identity.dist_info()))?;
        let folders: BTreeSet<_> =
            plan.iter().filter_map(|p| p.path.rsplit_once('/')).map(|(folder, _)| folder).collect();
        for folder in folders {
            check_cancelled(task)?;
            fs::create_dir_all(out.join(folder))?;
        }

        let loader = interpreter.loader(task)?;
        let total = plan.iter().map(|p| p.entry.size).sum();
        let done = AtomicU64::new(0);
        let written: Vec<(Row, Option<String>)> = plan
            .par_iter()
            .with_max_len(1)
            .map(|planned| {
                check_cancelled(task)?;
                let result = self.write(planned, &out.join(&planned.path), loader.as_deref())?;
                let size = planned.entry.size;
                (task.progress)(done.fetch_add(size, Ordering::Relaxed) + size, Some(total));
                Ok(result)
            })
            .collect::<Result<_, WheelError>>()?;
        let (mut rows, problems): (Vec<_>, Vec<_>) = written.into_iter().unzip();
        self.judge(task, policy, problems.into_iter().flatten().collect())?;

        for row in &mut rows {
            row.path = from_library(&library, &row.path);
        }
        seal(task, interpreter, &out.join(&library), &self.identity.dist_info(), rows)
    }

    /// Gives every file its place, the largest first, so that all cores finish at about the same time.
    fn plan(&self, interpreter: &Interpreter) -> Result<Vec<Planned<'_>>, WheelError> {
        let mut plan = Vec::new();
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        for (number, entry) in self.zip.entries().iter().enumerate() {
            let EntryKind::File { executable } = entry.kind else { continue };
            let fail = |reason: LayoutError| self.entry_error(&entry.name, reason);
            let place = layout::place(&entry.name, &self.identity, interpreter).map_err(fail)?;
            let Some(place) = place else { continue };
            self.check_description(&place.path, interpreter).map_err(fail)?;
            if let Some(other) = taken.insert(place.path.clone(), &entry.name) {
                return Err(self.entry_error(&entry.name, EntryError::Twice(excerpt(other))));
            }
            let executable = executable || place.program;
            plan.push(Planned { entry, number, path: place.path, executable });
        }
        plan.retain(|planned| {
            layout::source_beside(&planned.path).is_none_or(|source| !taken.contains_key(&source))
        });
        for planned in &plan {
            let mut above = planned.path.as_str();
            while let Some((folder, _)) = above.rsplit_once('/') {
                if let Some(other) = taken.get(folder) {
                    let reason = EntryError::Folder(excerpt(other));
                    return Err(self.entry_error(&planned.entry.name, reason));
                }
                above = folder;
            }
        }
        plan.sort_by(|a, b| b.entry.size.cmp(&a.entry.size).then_with(|| a.path.cmp(&b.path)));
        Ok(plan)
    }

    /// Checks that a path is neither in another distribution's description nor one of the files
    /// that the installation writes.
    fn check_description(&self, path: &str, interpreter: &Interpreter) -> Result<(), LayoutError> {
        let library = interpreter.site_packages();
        let Some(rest) = path.strip_prefix(&library).and_then(|rest| rest.strip_prefix('/')) else {
            return Ok(());
        };
        let (top, leaf) = rest.split_once('/').unwrap_or((rest, ""));
        if top != self.identity.dist_info() {
            return match top.ends_with(".dist-info") {
                true => Err(LayoutError::ForeignDescription(excerpt(top))),
                false => Ok(()),
            };
        }
        match layout::OWN.contains(&leaf) {
            true => Err(LayoutError::Written(leaf.to_owned())),
            false => Ok(()),
        }
    }

    /// Checks the entry points once, so that environments need not.
    fn scripts(
        &self,
        task: &Task<'_>,
        plan: &[Planned<'_>],
        interpreter: &Interpreter,
    ) -> Result<(), WheelError> {
        let place = format!(
            "{}/{}/entry_points.txt",
            interpreter.site_packages(),
            self.identity.dist_info()
        );
        let Some(planned) = plan.iter().find(|p| p.path == place) else { return Ok(()) };
        let name = &planned.entry.name;
        let content = description(&self.zip, planned.entry)
            .map_err(|reason| WheelError::Identity { file: self.file.clone(), reason })?;
        entry_points::scripts(&content).map_err(|e| self.entry_error(name, e))?;
        if decode(&content).latin1 {
            let warning = not_utf8(&planned.entry.name);
            (task.log)(&format!("warning: wheel '{}': {warning}", self.file));
        }
        Ok(())
    }

    /// Writes one file. Returns its row, and the problem of the wheel's row if it has one.
    fn write(
        &self,
        planned: &Planned<'_>,
        to: &Path,
        loader: Option<&str>,
    ) -> Result<(Row, Option<String>), WheelError> {
        let entry = planned.entry;
        let listed = self.record.row(planned.number);
        let check = listed.map(|row| Check::of(&row.hash));
        let (mut check, mut problem) = match check {
            None => (None, Some("not listed".to_owned())),
            Some(Err(weak)) => (None, Some(weak.to_string())),
            Some(Ok(check)) => (Some(check), None),
        };
        let mut hasher = Sha256::new();
        let mode = if planned.executable { 0o755 } else { 0o644 };
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
        let mut start: Option<[u8; 4]> = None;
        self.zip.pieces(entry, &mut |piece| {
            start.get_or_insert_with(|| std::array::from_fn(|n| *piece.get(n).unwrap_or(&0)));
            hasher.update(piece);
            if let Some(check) = &mut check {
                check.update(piece);
            }
            file.write_all(piece)
        })?;
        let sha256 = hasher.finalize().into();
        if let (Some(row), Some(check)) = (listed, check) {
            let actual = check.finish(&sha256);
            if actual != row.hash.trim_end_matches('=') {
                problem = Some(format!("expected {}, found {actual}", excerpt(&row.hash)));
            } else if let Some(size) = row.size.filter(|size| *size != entry.size) {
                problem = Some(format!("expected {size} bytes, found {}", entry.size));
            }
        }
        let problem = problem.map(|reason| format!("'{}': {reason}", excerpt(&entry.name)));
        let loader = loader.filter(|_| start == Some(*ELF));
        if let Some(content) = loader.and_then(|loader| self.program(planned, loader)) {
            drop(file);
            fs::write(to, &content)?;
            let (sha256, size) = (record::sha256(&content), content.len() as u64);
            return Ok((Row::of(planned.path.clone(), &sha256, size), problem));
        }
        Ok((Row::of(planned.path.clone(), &sha256, entry.size), problem))
    }

    /// Replaces the host's dynamic linker in a program in machine code by the interpreter's: an
    /// environment uses nothing of the host. Libraries stay as they are.
    fn program(&self, planned: &Planned<'_>, loader: &str) -> Option<Vec<u8>> {
        let name = planned.path.rsplit('/').next().unwrap_or_default();
        if !planned.executable || name.ends_with(".so") || name.contains(".so.") {
            return None;
        }
        let content = self.zip.read(planned.entry).ok()?;
        elf::set_interpreter(&content, loader).ok()?
    }

    /// Applies the policy to the problems of the RECORD.
    fn judge(
        &self,
        task: &Task<'_>,
        policy: RecordPolicy,
        mut problems: Vec<String>,
    ) -> Result<(), WheelError> {
        let absent = self.record.absent();
        let missing = |path| format!("'{}': listed but missing", excerpt(path));
        problems.extend(absent.map(missing));
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort();
        if policy == RecordPolicy::Lenient {
            for problem in problems {
                (task.log)(&format!("wheel '{}': RECORD: {problem}", self.file));
            }
            return Ok(());
        }
        let problems = several(&problems, SHOWN, "; ");
        Err(WheelError::Record { file: self.file.clone(), problems })
    }

    fn entry_error(&self, entry: &str, reason: impl Into<EntryError>) -> WheelError {
        let (file, entry) = (self.file.clone(), entry.to_owned());
        WheelError::Entry { file, entry, reason: reason.into() }
    }
}

/// The first bytes of a program in machine code.
const ELF: &[u8; 4] = b"\x7fELF";

fn check_cancelled(task: &Task<'_>) -> Result<(), WheelError> {
    if (task.cancelled)() { Err(TaskError::Cancelled.into()) } else { Ok(()) }
}

/// Ends an installation: compiles `library`, writes INSTALLER, and writes a RECORD of `rows` (the files
/// so far, by their paths from `library`) and of the files added here.
///
/// # Errors
/// If compiling or writing fails.
pub(crate) fn seal(
    task: &Task<'_>,
    interpreter: &Interpreter,
    library: &Path,
    dist_info: &str,
    mut rows: Vec<Row>,
) -> Result<(), WheelError> {
    for pyc in bytecode::compile(task, interpreter, library)? {
        rows.push(Row::of(pyc.path, &pyc.sha256, pyc.size));
    }
    let installer = format!("{dist_info}/INSTALLER");
    fs::write(library.join(&installer), INSTALLER)?;
    let sha256 = record::sha256(INSTALLER.as_bytes());
    rows.push(Row::of(installer, &sha256, INSTALLER.len() as u64));
    let own = format!("{dist_info}/RECORD");
    rows.push(Row::own(own.clone()));
    fs::write(library.join(own), record::format(&mut rows))?;
    Ok(())
}

/// The content of the file that names the installing tool.
const INSTALLER: &str = "clutch\n";

/// A path from the prefix as RECORD writes it: from site-packages.
fn from_library(library: &str, path: &str) -> String {
    match path.strip_prefix(library).and_then(|rest| rest.strip_prefix('/')) {
        Some(rest) => rest.to_owned(),
        None => format!("{}{path}", "../".repeat(library.split('/').count())),
    }
}
