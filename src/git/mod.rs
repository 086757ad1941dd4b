//! A revision of a git repository as a folder. The client is the machine's `git`: it fetches into a bare repository
//! in scratch. The tree is read from there object by object, each checked against its id, and written by [`Tree`]
//! like the entries of an archive. Nothing is checked out, so no filter, hook or setting can change it.

mod client;
mod entry;
mod error;
mod modules;
mod objects;
mod revision;
mod url;

use std::{io::Read as _, path::Path};

use crate::{
    limits,
    unpack::{
        shown,
        writer::{Limits, Links, Refused, Tree},
    },
};
use client::Repository;
use entry::{Entry, EntryKind};
use objects::Objects;

pub(crate) use client::Git;
pub(crate) use error::GitError;
pub(crate) use revision::{Commit, Revision, RevisionRecord, is_ref_name, shown_address};

/// The most submodules in each other.
const DEPTH: usize = 32;

/// The entries of one repository, before any is written.
struct Part {
    objects: Objects,
    /// The folder that they are put in: empty, or with a slash at its end.
    prefix: Vec<u8>,
    entries: Vec<Entry>,
    /// How many bytes were fetched.
    size: u64,
}

impl Git<'_> {
    /// Writes the tree of a revision to the folder `to`, which does not exist yet. `scratch` is an
    /// empty folder.
    ///
    /// # Errors
    /// If git is not installed, or there is no such revision, or it has an entry that is not
    /// allowed.
    pub(crate) fn fetch(
        &self,
        wanted: &Revision,
        to: &Path,
        scratch: &Path,
    ) -> Result<Commit, GitError> {
        let mut parts = Vec::new();
        let commit = self.collect(wanted, (Vec::new(), 0), scratch, &mut parts)?;
        let limits = Limits::for_archive(parts.iter().map(|part| part.size).sum());
        let tree = Tree::create(to, Links::Inside, limits, self.cancelled)?;
        for part in &mut parts {
            part.write(&tree, self.cancelled)?;
        }
        Ok(commit)
    }

    /// The number of commits of a revision's history, itself included.
    ///
    /// # Errors
    /// As [`Git::fetch`].
    pub(crate) fn count(&self, wanted: &Revision, scratch: &Path) -> Result<u64, GitError> {
        let repository = Repository::create(self, &scratch.join("history"), &wanted.rev)?;
        repository.fetch_history(wanted)?;
        let count = repository.output(&["rev-list", "--count", &wanted.rev, "--"])?;
        let count = String::from_utf8_lossy(&count).trim().parse();
        count.map_err(|_| GitError::failed("rev-list", "it printed something other than a number"))
    }

    /// Fetches a revision and its submodules, and lists their entries below `prefix`.
    fn collect(
        &self,
        wanted: &Revision,
        (prefix, depth): (Vec<u8>, usize),
        scratch: &Path,
        parts: &mut Vec<Part>,
    ) -> Result<Commit, GitError> {
        let repository = scratch.join(parts.len().to_string());
        let repository = Repository::create(self, &repository, &wanted.rev)?;
        repository.fetch(wanted)?;
        let mut objects = Objects::open(&repository)?;
        let (commit, tree) = objects.commit(&wanted.rev)?;
        let mut entries = Vec::new();
        let room =
            limits::ENTRIES - parts.iter().map(|part: &Part| part.entries.len()).sum::<usize>();
        objects.list(&tree, &mut entries, room, self.cancelled)?;
        if wanted.export_ignore && entries.iter().any(Entry::has_attributes) {
            repository.leave_out(&tree, &mut entries)?;
        }
        let modules = match entries.iter().find(|entry| entry.name == b".gitmodules") {
            Some(file) if wanted.submodules => modules::read(&repository, &mut objects, file)?,
            _ => Vec::new(),
        };
        let links: Vec<(Vec<u8>, String)> = entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Submodule)
            .map(|entry| (entry.name.clone(), entry.id.clone()))
            .collect();
        let size = repository.size()?;
        parts.push(Part { objects, prefix: prefix.clone(), entries, size });
        for (name, rev) in links {
            let Some(module) = modules.iter().find(|module| module.path == name) else { continue };
            let inside = [&*prefix, &name, b"/"].concat();
            let fetched = if depth < DEPTH {
                module.revision(wanted, rev).and_then(|wanted| {
                    self.collect(&wanted, (inside.clone(), depth + 1), scratch, parts).map(drop)
                })
            } else {
                Err(GitError::failed("fetch", "too many submodules in each other"))
            };
            fetched.map_err(|error| match error {
                GitError::Cancelled => GitError::Cancelled,
                error => GitError::Submodule {
                    name: shown(&inside[..inside.len() - 1]),
                    error: Box::new(error),
                },
            })?;
        }
        Ok(commit)
    }
}

impl Part {
    fn write(&mut self, tree: &Tree<'_>, cancelled: &dyn Fn() -> bool) -> Result<(), GitError> {
        for entry in &self.entries {
            if cancelled() {
                return Err(GitError::Cancelled);
            }
            let name = [&*self.prefix, &entry.name].concat();
            let wrong = |reason: String| GitError::Entry { name: shown(&name), reason };
            let refused = |refused: Refused| match refused {
                Refused::Reason(reason) => wrong(reason),
                Refused::Io(error) => GitError::Io(error),
                Refused::Cancelled => GitError::Cancelled,
            };
            match entry.kind {
                EntryKind::Directory | EntryKind::Submodule => {
                    tree.directory(&name).map_err(refused)?;
                }
                EntryKind::File { executable } => {
                    let mut blob = self.objects.open_blob(&entry.id)?;
                    let size = blob.size();
                    tree.file(&name, executable, size, &mut blob).map_err(refused)?;
                    blob.check()?;
                }
                EntryKind::Link => {
                    let mut blob = self.objects.open_blob(&entry.id)?;
                    if blob.size() > limits::LINK_TARGET as u64 {
                        return Err(wrong(format!("the link's target has {} bytes", blob.size())));
                    }
                    let mut target = Vec::new();
                    blob.read_to_end(&mut target)?;
                    blob.check()?;
                    tree.link(&name, &target).map_err(refused)?;
                }
            }
        }
        Ok(())
    }
}
