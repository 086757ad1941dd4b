//! `.gitmodules`: which repository belongs to which place of a tree (gitmodules(5)).

use std::collections::BTreeMap;

use super::{
    Entry, GitError,
    client::Repository,
    objects::{Kind, Objects},
    url,
};
use crate::evaluate::{Revision, is_ref_name};

/// A submodule as the file describes it.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Where it is in the tree.
    pub(super) path: String,
    url: String,
    branch: Option<String>,
}

impl Module {
    /// What to fetch for it: the revision that the tree names.
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

/// The submodules that the file describes. Git reads it, and nothing that it includes.
pub(super) fn read(
    repository: &Repository<'_>,
    objects: &mut Objects,
    file: &Entry,
) -> Result<Vec<Module>, GitError> {
    // that it is what its id says
    objects.read(&file.id, Kind::Blob)?;
    let told =
        repository.output(&["config", "--no-includes", "-z", "--blob", &file.id, "--list"])?;
    let mut modules: BTreeMap<String, Module> = BTreeMap::new();
    for setting in told.split(|byte| *byte == 0) {
        // what is no text is no place in a tree that is written
        let Ok(setting) = std::str::from_utf8(setting) else { continue };
        let Some((key, value)) = setting.split_once('\n') else { continue };
        let Some((name, field)) = key.strip_prefix("submodule.").and_then(|k| k.rsplit_once('.'))
        else {
            continue;
        };
        let module = modules.entry(name.to_owned()).or_default();
        match field {
            "path" => value.trim_end_matches('/').clone_into(&mut module.path),
            "url" => value.clone_into(&mut module.url),
            "branch" => module.branch = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(modules.into_values().collect())
}
