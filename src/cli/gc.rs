//! `clutch gc` and `clutch why-alive`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    completers,
    context::Context,
    failure::Outcome,
    quantity::{bytes, counted, days, size},
};
use crate::{
    build::builtin::BuiltinKind,
    derivation::Derivation,
    evaluate,
    session::BUILTINS,
    store::{DownloadLimit, Downloads, Holder, Limits, Root, Unclear, profile::Profile},
    store_path::StorePath,
};

#[derive(clap::Args)]
pub(super) struct GcArguments {
    /// Show what would be deleted, without doing it.
    #[arg(long)]
    dry_run: bool,
    /// Keep paths that were used in the last N days, with their dependencies.
    ///
    /// Also sets how long to keep what `build --keep-failed` and `build --check --keep-differing` kept
    /// (default: 7 days).
    #[arg(long, value_name = "N", value_parser = days)]
    keep_days: Option<u64>,
    /// Keep unused downloads: the most recently used ones up to a size such as 2G, or all that were used
    /// in a number of days such as 30d.
    #[arg(long, value_name = "SIZE|DAYS", value_parser = downloads)]
    keep_downloads: Option<DownloadLimit>,
    /// Stop after freeing SIZE, such as 500M or 2G.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_freed: Option<u64>,
    /// Stop when the store takes no more than SIZE on disk, such as 500M or 2G.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
}

#[derive(clap::Args)]
pub(super) struct WhyArguments {
    /// Store path, link to one, profile or pin.
    #[arg(add = completers::store_paths())]
    path: String,
}

pub(super) fn gc(context: &Context, arguments: &GcArguments) -> Outcome {
    let store = match arguments.dry_run {
        true => context.store()?,
        false => context.session.store_to_collect()?,
    };
    let limits = Limits {
        keep_days: arguments.keep_days,
        keep_downloads: arguments.keep_downloads.map(|limit| Downloads { limit, is_install }),
        max_freed: arguments.max_freed,
        max_size: arguments.max_size,
    };
    let collected = match arguments.dry_run {
        true => store.garbage(limits),
        false => store.collect(limits),
    }?;
    if !arguments.dry_run {
        evaluate::cache::sweep(store)?;
    }
    for Unclear { path, problem } in &collected.unclear {
        context.warn(format!(
            "kept '{path}', which may be a download: {problem} (repair it with `clutch verify --repair \
             --from FILE`, or delete it by leaving out --keep-downloads)"
        ));
    }
    for holder in &collected.dropped {
        context.say(match holder {
            Holder::Pin(_) => format!("{holder} has expired"),
            _ => format!("{holder} was removed or changed, and keeps nothing any more"),
        });
    }
    if context.global.json {
        let paths: Vec<String> = collected.paths.iter().map(ToString::to_string).collect();
        let kept_builds: Vec<_> = collected.kept_builds.iter().map(|build| &build.place).collect();
        let unclear: Vec<String> = collected.unclear.iter().map(|u| u.path.to_string()).collect();
        let left: Vec<String> = collected.left.iter().map(ToString::to_string).collect();
        let dropped: Vec<Value> = collected
            .dropped
            .iter()
            .map(|holder| json!({ "root": holder.to_string(), "kind": kind(holder) }))
            .collect();
        context.json(&json!({
            "paths": paths, "size": collected.size, "freed": collected.freed, "unclear": unclear,
            "aside": kept_builds, "left": left, "dropped": dropped,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.dry_run {
        for path in collected.paths.iter().chain(&collected.left) {
            context.line(path.to_string())?;
        }
        for build in &collected.kept_builds {
            context.line(build.place.display().to_string())?;
        }
    }
    let would = if arguments.dry_run { "would be " } else { "" };
    let (removed, freed) = (counted(collected.paths.len(), "path"), bytes(collected.freed));
    let kept_builds = match collected.kept_builds.len() {
        0 => String::new(),
        number => format!(" and {}", counted(number, "kept build")),
    };
    let left = match collected.left.len() {
        0 => String::new(),
        number => format!(" and {number} left by a crash"),
    };
    context.say(format!("{removed}{left}{kept_builds} {would}deleted, {freed} {would}freed"));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn why_alive(context: &Context, arguments: &WhyArguments) -> Outcome {
    let path = context.stored(&arguments.path)?;
    let why = context.store()?.why_alive(&path)?;
    if context.global.json {
        let value = |(root, chain): &(Root, Vec<StorePath>)| {
            let chain: Vec<String> = chain.iter().map(ToString::to_string).collect();
            let (kind, name) = match generation(context, &root.holder) {
                Some(generation) => ("profile", generation),
                None => (kind(&root.holder), root.holder.to_string()),
            };
            json!({ "root": name, "kind": kind, "chain": chain })
        };
        context.json(&why.iter().map(value).collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    if why.is_empty() {
        context.line("nothing uses it; `clutch gc` can delete it")?;
    }
    for (root, chain) in &why {
        let name = generation(context, &root.holder).unwrap_or_else(|| root.holder.to_string());
        context.line(name)?;
        let mut above = None;
        for (depth, path) in chain.iter().enumerate() {
            let made = above.is_some_and(|above: &StorePath| !above.is_derivation());
            let note = if made && path.is_derivation() { " (which made it)" } else { "" };
            context.line(format!("{}{path}{note}", "  ".repeat(depth + 1)))?;
            above = Some(path);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A link that is a generation of a profile, by the names that the commands for profiles use.
fn generation(context: &Context, holder: &Holder) -> Option<String> {
    let Holder::Link(link) = holder else { return None };
    let (profile, number) = Profile::of_generation(link)?;
    let is_named = context.session.profiles().is_ok_and(|folder| link.parent() == Some(folder));
    Some(match is_named {
        true => format!("profile '{}', generation {number}", profile.name()),
        false => format!("profile '{}', generation {number}", profile.link().display()),
    })
}

fn kind(holder: &Holder) -> &'static str {
    match holder {
        Holder::Link(_) => "link",
        Holder::Pin(_) => "pin",
        Holder::Command(_) => "command",
        Holder::Process(_) => "process",
    }
}

/// True if a derivation only unpacks a download.
fn is_install(derivation: &Derivation) -> bool {
    BUILTINS.of(derivation).is_some_and(|builtin| builtin.kind == BuiltinKind::Install)
}

/// Reads a size, or a number of days with a `d` behind it. A bare number could be either.
fn downloads(text: &str) -> Result<DownloadLimit, String> {
    let limit = match text.strip_suffix('d') {
        Some(days) => days.parse().ok().map(DownloadLimit::Days),
        None if text.ends_with(|c: char| c.is_ascii_digit()) => None,
        None => size(text).ok().map(DownloadLimit::Size),
    };
    limit.ok_or_else(|| "give a size such as 2G, or days such as 30d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{DownloadLimit, downloads};

    #[test]
    fn downloads_are_kept_by_size_or_days() {
        assert_eq!(downloads("30d"), Ok(DownloadLimit::Days(30)));
        assert_eq!(downloads("2G"), Ok(DownloadLimit::Size(2 << 30)));
        for text in ["d", "-1d", "1.5d", "x", "30", "1y", ""] {
            let error = "give a size such as 2G, or days such as 30d".to_owned();
            assert_eq!(downloads(text), Err(error), "{text}");
        }
    }
}
