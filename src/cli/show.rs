//! `clutch show`: a derivation or a valid path.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    completions,
    context::Context,
    documents,
    failure::{Failure, Kind, OrFail as _, Outcome},
};
use crate::store_path::{STORE_DIR, StorePath, check_name};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Store path, link to one, profile or pin.
    #[arg(add = completions::store_paths())]
    path: String,
    /// Compute the size and hash in Nix's archive format if they are not known yet.
    #[arg(long)]
    nar: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let path = parse_path(context, &arguments.path)?;
    let store = context.store()?;
    let mut info = store.info(&path).or_fail(Kind::Store)?.ok_or_else(|| {
        Failure::new(Kind::Failed, format!("'{path}' is not in the store"))
            .hint("`clutch paths` lists what is")
    })?;
    if arguments.nar {
        info.nar = Some(store.nar(&path).or_fail(Kind::Store)?);
    } else if path.is_derivation() {
        let derivation = store.read_derivation(&path).or_fail(Kind::Store)?;
        let value = documents::of_derivation(&path, &derivation);
        if context.global.json {
            context.json(&value)?;
        } else {
            context.line(format!("{value:#}"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if context.global.json {
        context.json(&documents::of_path(&info))?;
        return Ok(ExitCode::SUCCESS);
    }
    context.print(info.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a store path as a person gives one: whole, below one (`.../bin/python`), where it is on
/// this machine, by a link to one (`./result`), or by the name of a profile or a pin.
pub(super) fn parse_path(context: &Context, text: &str) -> Result<StorePath, Failure> {
    if let Some((path, _)) = locate(context, text)? {
        return Ok(path);
    }
    if text.starts_with(STORE_DIR)
        && let Err(error) = StorePath::split(text)
    {
        return Err(Failure::new(Kind::Usage, error));
    }
    Err(Failure::new(
        Kind::Usage,
        format!(
            "'{text}' is neither a path below {STORE_DIR}, nor a link to one, nor a profile or a pin"
        ),
    ))
}

/// Whether a person means something in the store by the `PATH` of a command that evaluates: a store
/// path, a link to one, or a profile or pin where there is no file of that name.
pub(super) fn stored(context: &Context, path: Option<&Path>) -> Result<Option<StorePath>, Failure> {
    let Some(text) = path.and_then(Path::to_str) else { return Ok(None) };
    let text = without_slash(text);
    if text.starts_with(STORE_DIR) {
        return parse_path(context, text).map(Some);
    }
    if let Some(logical) = at_its_place(context, Path::new(text)) {
        return parse_path(context, &logical).map(Some);
    }
    let found = Path::new(text).symlink_metadata();
    if found.as_ref().is_ok_and(|found| !found.is_symlink()) {
        return Ok(None);
    }
    let is_whole = |(path, whole): (StorePath, bool)| whole.then_some(path);
    Ok(locate(context, text)?.and_then(is_whole))
}

/// The logical path of something that is named by its place in the store's folder on this machine, as
/// `readlink -f result` prints it.
pub(super) fn at_its_place(context: &Context, path: &Path) -> Option<String> {
    let folder = context.store_root().ok()?.join("store");
    let path = std::path::absolute(path).ok()?;
    let inside = match path.strip_prefix(&folder) {
        Ok(inside) => inside,
        Err(_) => path.strip_prefix(std::fs::canonicalize(&folder).ok()?).ok()?,
    };
    inside.iter().next()?;
    Some(format!("{STORE_DIR}/{}", inside.to_str()?))
}

/// The store path that a text leads to, and whether it leads to that itself, not to something in it.
fn locate(context: &Context, text: &str) -> Result<Option<(StorePath, bool)>, Failure> {
    let text = without_slash(text);
    let mut place = PathBuf::from(text);
    if !text.contains('/') && place.symlink_metadata().is_err() {
        // most texts are no names of profiles or pins
        if check_name(text).is_err() {
            return Ok(None);
        }
        match context.profile(text) {
            Ok(profile) if profile.link().is_symlink() => place = profile.link(),
            _ => {
                let pinned = context.store()?.pinned(text).or_fail(Kind::Store)?;
                return Ok(pinned.map(|path| (path, true)));
            }
        }
    }
    for _ in 0..40 {
        if let Some(found) = inside(context, &place)? {
            return Ok(Some(found));
        }
        match std::fs::read_link(&place) {
            Ok(target) => place = place.parent().map(|p| p.join(&target)).unwrap_or(target),
            // no link itself, but perhaps below one: `result/bin/python`
            Err(_) => match std::fs::canonicalize(&place) {
                Ok(real) => {
                    let found = inside(context, &real)?;
                    return match found.is_none().then(|| of_another_store(&real)).flatten() {
                        None => Ok(found),
                        Some(root) => Err(elsewhere(text, &root)),
                    };
                }
                Err(_) => break,
            },
        }
    }
    Ok(None)
}

/// The store path that a path is, or is in, by its text alone.
fn inside(context: &Context, place: &Path) -> Result<Option<(StorePath, bool)>, Failure> {
    if let Some(Ok((path, rest))) = place.to_str().map(StorePath::split) {
        return Ok(Some((path, rest.is_empty())));
    }
    let place = std::path::absolute(place).unwrap_or_default();
    let Ok(inside) = place.strip_prefix(context.store()?.dir()) else { return Ok(None) };
    let base = inside.iter().next().and_then(|name| name.to_str());
    let path = base.and_then(|base| StorePath::from_base(base).ok());
    Ok(path.map(|path| (path, inside.iter().count() == 1)))
}

/// The root of the store that a place is in, if it is in one.
fn of_another_store(real: &Path) -> Option<PathBuf> {
    let is_path = |place: &&Path| {
        let name = place.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| StorePath::from_base(name).is_ok())
    };
    let folder = real.ancestors().find(is_path)?.parent()?;
    let root = folder.parent()?;
    let is_store = folder.file_name()? == "store" && root.join("var/version").exists();
    is_store.then(|| root.to_owned())
}

fn elsewhere(text: &str, root: &Path) -> Failure {
    let root = root.display();
    Failure::new(Kind::Usage, format!("'{text}' leads into another store, '{root}'"))
        .hint(format!("give that store with `--store {root}`"))
}

/// Without the slash that a shell's completion puts behind a link to a folder.
fn without_slash(text: &str) -> &str {
    let trimmed = text.trim_end_matches('/');
    if trimmed.is_empty() { text } else { trimmed }
}

/// As [`parse_path`]; the path is valid, and stays so as long as this command runs.
pub(super) fn parse_valid(context: &Context, text: &str) -> Result<StorePath, Failure> {
    check_valid(context, parse_path(context, text)?)
}

/// The path, if it is valid; it stays so as long as this command runs.
pub(super) fn check_valid(context: &Context, path: StorePath) -> Result<StorePath, Failure> {
    let store = context.store()?;
    match store.is_valid(&path).or_fail(Kind::Store)? {
        true => Ok(path),
        false => Err(Failure::new(Kind::Failed, format!("'{path}' is not in the store"))
            .hint("import it, or build its derivation")),
    }
}
