//! From the tree of all packages, under the names that they give, to the prefix: every file to its
//! place, then the links that lead to one of them.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    path::{Path, PathBuf},
};

use fs_err::{self as fs, os::unix::fs::symlink};
use rustc_hash::FxHashSet;

use super::{place, walk::walk};
use crate::{
    build::task::{Task, TaskError},
    builders::attributes,
    regular::{self, Link},
    unpack::entry_name,
};

/// Moves the files to their places in the prefix, then makes the links that lead to one of them.
pub(super) fn gather(task: &Task<'_>, root: &Path, out: &Path) -> Result<(), TaskError> {
    fs::create_dir_all(out)?;
    let mut folders = Folders::new(out);
    let mut links = Vec::new();
    for (path, kind) in walk(root)? {
        if (task.cancelled)() {
            return Err(TaskError::Cancelled);
        }
        let name = relative_name(root, &path)?;
        let Some(place) = place::place(&name) else { continue };
        if kind.is_symlink() {
            let target = fs::read_link(&path)?;
            let target = target.to_str().and_then(|target| place::link_target(&name, target));
            links.push((place, target.and_then(|target| place::place(&target))));
            continue;
        }
        let new = folders.place(&place)?;
        if fs::symlink_metadata(&new).is_err() {
            fs::rename(path, new)?;
            continue;
        }
        let open = |path: &Path| regular::open(path, Link::Refuse);
        if !regular::same(&open(&new)?, &open(&path)?)? {
            return Err(TaskError::Failed(format!(
                "two packages have different files at '{place}' (one of them as '/{name}')"
            )));
        }
    }
    for place in make_links(task, &mut folders, links)? {
        (task.log)(&format!("left out: the link '{place}' leads to nothing in these packages"));
    }
    Ok(())
}

/// Makes further links, from a place in the prefix to a text.
pub(super) fn add_links(out: &Path, links: &BTreeMap<String, String>) -> Result<(), TaskError> {
    let mut folders = Folders::new(out);
    for (name, target) in links {
        let inside = entry_name::link_stays_inside(name, target)
            && entry_name::clean(name.as_bytes()).as_deref() == Ok(name);
        if !inside {
            let problem = format!("'{name}' -> '{target}' leaves the prefix");
            return Err(attributes::bad("links", &problem));
        }
        symlink(target, folders.place(name)?)?;
    }
    Ok(())
}

/// Makes the links whose target is there, or will be once another one is made. Returns the places of
/// the others.
fn make_links(
    task: &Task<'_>,
    folders: &mut Folders<'_>,
    links: Vec<(String, Option<String>)>,
) -> Result<Vec<String>, TaskError> {
    let mut ready: VecDeque<(String, String)> = VecDeque::new();
    // by the target that is missing
    let mut waiting: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut lost = Vec::new();
    for (place, target) in links {
        match target {
            None => lost.push(place),
            Some(target) if target == place => {}
            Some(target) if folders.has(&target) => ready.push_back((place, target)),
            Some(target) => waiting.entry(target).or_default().push(place),
        }
    }
    while let Some((place, target)) = ready.pop_front() {
        if (task.cancelled)() {
            return Err(TaskError::Cancelled);
        }
        make_link(folders, &place, &target)?;
        // those that lead to this one, and those that go through it
        let through = format!("{place}/");
        let after = waiting.range::<str, _>((Bound::Included(&*through), Bound::Unbounded));
        let mut found: Vec<String> = after
            .map(|(target, _)| target)
            .take_while(|target| target.starts_with(&through))
            .filter(|target| folders.has(target))
            .cloned()
            .collect();
        found.extend(waiting.contains_key(&place).then_some(place));
        for target in found {
            let places = waiting.remove(&target).unwrap_or_default();
            ready.extend(places.into_iter().map(|place| (place, target.clone())));
        }
    }
    lost.extend(waiting.into_values().flatten());
    lost.sort();
    Ok(lost)
}

fn make_link(folders: &mut Folders<'_>, place: &str, target: &str) -> Result<(), TaskError> {
    let (new, text) = (folders.place(place)?, place::relative(place, target));
    let Ok(old) = fs::symlink_metadata(&new) else { return Ok(symlink(text, new)?) };
    // the same library under the names '/lib' and '/usr/lib'
    if old.is_symlink() && fs::read_link(&new)? == Path::new(&text) {
        return Ok(());
    }
    Err(TaskError::Failed(format!("two packages have different files at '{place}'")))
}

/// The folders of the prefix. Nothing is put behind a link: a relative link there
/// would depend on the first one's target, which may be outside of the prefix.
struct Folders<'a> {
    out: &'a Path,
    /// Those that are known to be no links.
    known: FxHashSet<String>,
}

impl<'a> Folders<'a> {
    fn new(out: &'a Path) -> Self {
        Self { out, known: FxHashSet::default() }
    }

    /// True if something is there, perhaps behind links that were made.
    fn has(&self, place: &str) -> bool {
        fs::symlink_metadata(self.out.join(place)).is_ok()
    }

    /// The path of a place; its folder is made if it is missing.
    fn place(&mut self, place: &str) -> Result<PathBuf, TaskError> {
        let ends = place.match_indices('/').map(|(at, _)| at);
        let known = place.rsplit_once('/').is_none_or(|(folder, _)| self.known.contains(folder));
        for end in ends.filter(|_| !known) {
            let folder = &place[..end];
            if self.known.contains(folder) {
                continue;
            }
            let path = self.out.join(folder);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => {
                    return Err(TaskError::Failed(format!(
                        "two packages disagree: one has '{place}', in another '{folder}' is not a folder"
                    )));
                }
                Err(_) => fs::create_dir(path)?,
            }
            self.known.insert(folder.to_owned());
        }
        Ok(self.out.join(place))
    }
}

pub(super) fn relative_name(root: &Path, path: &Path) -> Result<String, TaskError> {
    let name = path.strip_prefix(root).ok().and_then(Path::to_str);
    let problem = || TaskError::Failed(format!("'{}' is not UTF-8", path.display()));
    Ok(name.ok_or_else(problem)?.to_owned())
}
