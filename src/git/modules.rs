//! `.gitmodules`: the repository of each submodule of a tree (gitmodules(5)).

use std::collections::BTreeMap;

use super::{
    client::Repository,
    entry::Entry,
    error::GitError,
    objects::{ObjectType, Objects},
    revision::{Revision, is_ref_name},
    url,
};

/// A submodule as the file describes it.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Its path in the tree.
    pub(super) path: Vec<u8>,
    url: String,
    branch: Option<String>,
}

impl Module {
    /// The revision to fetch for it, which the tree names.
    pub(super) fn revision(&self, parent: &Revision, rev: String) -> Result<Revision, GitError> {
        let name = match self.branch.as_deref() {
            // "the same name as the current branch"
            Some(".") => parent.name.clone(),
            other => other.map(str::to_owned).filter(|name| is_ref_name(name)),
        };
        Ok(Revision {
            url: url::relative(&parent.url, &self.url)?,
            rev,
            name,
            all_refs: true,
            submodules: true,
            export_ignore: false,
        })
    }
}

/// The submodules that the file describes. git reads it, without any file that it includes.
pub(super) fn read(
    repository: &Repository<'_>,
    objects: &mut Objects,
    file: &Entry,
) -> Result<Vec<Module>, GitError> {
    // that it is what its id says
    objects.read(&file.id, ObjectType::Blob)?;
    let told =
        repository.output(&["config", "--no-includes", "-z", "--blob", &file.id, "--list"])?;
    let mut modules: BTreeMap<Vec<u8>, Module> = BTreeMap::new();
    for setting in told.split(|byte| *byte == 0) {
        // the key ends with its line, so a value may hold more of them
        let Some(end) = setting.iter().position(|byte| *byte == b'\n') else { continue };
        let (key, value) = (&setting[..end], &setting[end + 1..]);
        let Some(key) = key.strip_prefix(b"submodule.") else { continue };
        let Some(dot) = key.iter().rposition(|byte| *byte == b'.') else { continue };
        let module = modules.entry(key[..dot].to_owned()).or_default();
        // a place may be any bytes; addresses and branches are text
        match (&key[dot + 1..], std::str::from_utf8(value)) {
            (b"path", _) => {
                let slashes = value.iter().rev().take_while(|byte| **byte == b'/').count();
                value[..value.len() - slashes].clone_into(&mut module.path);
            }
            (b"url", Ok(value)) => value.clone_into(&mut module.url),
            (b"branch", Ok(value)) => module.branch = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(modules.into_values().collect())
}
