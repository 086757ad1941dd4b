//! The reference graph of inputs. A built-in builder asks for it by [`Task::graph`], a program by the
//! attribute `exportReferencesGraph`, whose two forms are those of Nix (manual, "Advanced Attributes"):
//! files in the working directory, or members of the structured attributes.
//!
//! [`Task::graph`]: super::task::Task::graph

use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use super::{
    BuildError,
    attributes::{AttributeError, Attributes},
    graph::{ATTRIBUTE, GraphError, GraphNode},
};
use crate::{
    hash::Format,
    store::{Nar, PathInfo, Store},
    store_path::StorePath,
};

/// The inputs of one build.
pub(super) struct InputGraph<'a> {
    pub(super) store: &'a Store,
    /// Their closure, ordered by path.
    pub(super) closure: &'a [StorePath],
    /// Why the build is over, if it is: a large graph takes long.
    pub(super) over: &'a dyn Fn() -> Option<BuildError>,
}

/// What a program finds of the graphs that it has asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Exports {
    /// Files in the working directory: name and content.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// Members of the structured attributes.
    pub(super) members: Map<String, Value>,
}

impl InputGraph<'_> {
    /// The closure of a path of the inputs, ordered by path.
    ///
    /// # Errors
    /// If the path is not an input.
    pub(super) fn graph(&self, path: &StorePath) -> Result<Vec<GraphNode>, BuildError> {
        let infos = self.closure_of(std::slice::from_ref(path))?.into_iter();
        let node = |PathInfo { path, references, size, tree, .. }| GraphNode {
            path,
            references,
            size,
            tree,
        };
        Ok(infos.map(node).collect())
    }

    /// The graphs that the attributes ask for.
    ///
    /// # Errors
    /// If they ask for something else, or for a path that is not an input.
    pub(super) fn exports(&self, attributes: &Attributes<'_>) -> Result<Exports, BuildError> {
        let mut exports = Exports::default();
        match attributes {
            Attributes::Flat(_) => {
                let words = attributes.list(ATTRIBUTE)?.unwrap_or_default();
                for pair in words.chunks(2) {
                    let [name, path] = pair else {
                        return Err(GraphError::Odd(pair[0].clone()).into());
                    };
                    if !is_file_name(name) {
                        return Err(GraphError::FileName(name.clone()).into());
                    }
                    let text = registration(&self.with_outputs(&[store_path(path)?])?);
                    // of two with one name the last counts
                    exports.files.retain(|(earlier, _)| earlier != name);
                    exports.files.push((name.clone(), text.into()));
                }
            }
            Attributes::Structured(map) => match map.get(ATTRIBUTE) {
                None | Some(Value::Null) => {}
                Some(Value::Object(graphs)) => {
                    for (name, value) in graphs {
                        let mut roots = Vec::new();
                        collect_paths(value, &mut roots)?;
                        let infos = self.with_outputs(&roots)?;
                        exports.members.insert(name.clone(), self.json(&infos)?);
                    }
                }
                Some(_) => {
                    let (name, expected) = (ATTRIBUTE.to_owned(), "a set of lists of store paths");
                    return Err(AttributeError::Wrong { name, expected }.into());
                }
            },
        }
        Ok(exports)
    }

    fn closure_of(&self, roots: &[StorePath]) -> Result<Vec<PathInfo>, BuildError> {
        if let Some(other) = roots.iter().find(|root| !self.has(root)) {
            return Err(GraphError::NotAnInput(other.clone()).into());
        }
        let mut infos = self.store.reachable(roots)?;
        infos.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(infos)
    }

    /// The closure of these paths, and of the outputs of derivations in it as far as the build sees them.
    fn with_outputs(&self, roots: &[StorePath]) -> Result<Vec<PathInfo>, BuildError> {
        let infos = self.closure_of(roots)?;
        let derivations = infos.iter().map(|info| &info.path).filter(|path| path.is_derivation());
        let mut outputs: Vec<StorePath> = Vec::new();
        for derivation in derivations {
            let all = self.store.read_derivation(derivation)?.outputs.into_values();
            outputs.extend(all.map(|output| output.path).filter(|path| self.has(path)));
        }
        if outputs.is_empty() {
            return Ok(infos);
        }
        outputs.extend_from_slice(roots);
        self.closure_of(&outputs)
    }

    fn has(&self, path: &StorePath) -> bool {
        self.closure.binary_search(path).is_ok()
    }

    /// The structured form.
    fn json(&self, infos: &[PathInfo]) -> Result<Value, BuildError> {
        let mut nars: Vec<Nar> = Vec::with_capacity(infos.len());
        for info in infos {
            if let Some(error) = (self.over)() {
                return Err(error);
            }
            nars.push(self.store.nar(&info.path)?);
        }
        let places: FxHashMap<&StorePath, usize> =
            infos.iter().enumerate().map(|(at, info)| (&info.path, at)).collect();
        let closure_size = |root: usize| {
            let mut seen = vec![false; infos.len()];
            seen[root] = true;
            let (mut todo, mut size) = (vec![root], 0);
            while let Some(at) = todo.pop() {
                size += nars[at].size;
                let next = infos[at].references.iter().filter_map(|path| places.get(path).copied());
                todo.extend(next.filter(|&at| !std::mem::replace(&mut seen[at], true)));
            }
            size
        };
        let node = |(at, info): (usize, &PathInfo)| {
            let (nar, references) = (&nars[at], &info.references);
            json!({
                "path": info.path.to_string(),
                "references": references.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "narHash": format!("{}:{}", nar.hash.algorithm(), nar.hash.format(Format::Nix32)),
                "narSize": nar.size,
                "closureSize": closure_size(at),
                "valid": true,
            })
        };
        Ok(infos.iter().enumerate().map(node).collect())
    }
}

/// The classic form: of each path the path, an empty line (in which Nix has the deriver elsewhere), the
/// number of its references, and these.
fn registration(infos: &[PathInfo]) -> String {
    let mut text = String::new();
    for info in infos {
        text += &format!("{}\n\n{}\n", info.path, info.references.len());
        for reference in &info.references {
            text += &format!("{reference}\n");
        }
    }
    text
}

/// As Nix has it: `[A-Za-z_][A-Za-z0-9_.-]*`.
fn is_file_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// A store path, or the one that a path lies in.
fn store_path(text: &str) -> Result<StorePath, GraphError> {
    StorePath::split(text).map(|(path, _)| path).map_err(|_| GraphError::NotAPath(text.to_owned()))
}

/// The paths in a text, or in lists of these.
fn collect_paths(value: &Value, found: &mut Vec<StorePath>) -> Result<(), BuildError> {
    match value {
        Value::String(text) => found.push(store_path(text)?),
        Value::Array(items) => items.iter().try_for_each(|item| collect_paths(item, found))?,
        other => return Err(GraphError::NotAPath(other.to_string()).into()),
    }
    Ok(())
}
