//! `clutch profile`: named deployments with a history.

use std::{process::ExitCode, sync::Arc};

use serde_json::{Value, json};

use super::{
    build_options::BuildArguments,
    completers,
    context::Context,
    examples as of,
    expression::{ExpressionArguments, any_path},
    failure::{Failure, Kind, Outcome},
    hashes::HashArguments,
    quantity::{bytes, counted, days, number},
    time,
    work::Work,
};
use crate::{
    closure::{self, Difference, Package},
    session::{SessionError, Subject},
    store::profile::{Generation, Profile, ProfileError},
    store_path::StorePath,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Build an expression and make the result the current generation.
    #[command(after_long_help = of::PROFILE_SET, mut_args(any_path))]
    Set(Box<SetArguments>),
    /// List all profiles, or the generations of one.
    #[command(after_long_help = of::PROFILE_LIST)]
    List(ListArguments),
    /// Go back to an earlier generation.
    #[command(after_long_help = of::PROFILE_ROLLBACK)]
    Rollback(RollbackArguments),
    /// Compare the packages of two generations or two store paths.
    #[command(after_long_help = of::PROFILE_DIFF, override_usage = DIFF_USAGE)]
    Diff(DiffArguments),
    /// Delete old generations.
    ///
    /// The current generation is never deleted. To free disk space, run `clutch gc` afterwards.
    #[command(after_long_help = of::PROFILE_WIPE)]
    Wipe(WipeArguments),
    /// Delete a profile and all its generations.
    #[command(after_long_help = of::PROFILE_DELETE)]
    Delete(DeleteArguments),
}

/// The two forms of `diff`.
const DIFF_USAGE: &str = "clutch profile diff [OPTIONS] PROFILE [FROM [TO]]
       clutch profile diff [OPTIONS] PATH PATH";

#[derive(clap::Args)]
struct SetArguments {
    /// Name of the profile, or path of its link.
    #[arg(add = completers::profiles())]
    profile: String,
    /// Note to show in `clutch profile list`.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    expression: ExpressionArguments,
    #[command(flatten)]
    build: BuildArguments,
    #[command(flatten)]
    hashes: HashArguments,
}

#[derive(clap::Args)]
struct ListArguments {
    /// Name of the profile, or path of its link.
    #[arg(add = completers::profiles())]
    profile: Option<String>,
}

#[derive(clap::Args)]
struct RollbackArguments {
    /// Name of the profile, or path of its link.
    #[arg(add = completers::profiles())]
    profile: String,
    /// Generation to go back to (default: the one before the current one).
    #[arg(long, value_name = "N", value_parser = number::<u64>)]
    to: Option<u64>,
}

#[derive(clap::Args)]
struct DiffArguments {
    /// Name of the profile, or path of its link; or the first store path to compare.
    #[arg(value_name = "PROFILE|PATH", add = completers::store_paths())]
    profile: String,
    /// Earlier generation (default: the one before TO); or the second store path.
    #[arg(value_name = "FROM|PATH", add = completers::store_paths())]
    from: Option<String>,
    /// Later generation (default: the current one).
    #[arg(value_parser = number::<u64>)]
    to: Option<u64>,
}

#[derive(clap::Args)]
struct DeleteArguments {
    /// Name of the profile, or path of its link.
    #[arg(add = completers::profiles())]
    profile: String,
}

#[derive(clap::Args)]
struct WipeArguments {
    /// Name of the profile, or path of its link.
    #[arg(add = completers::profiles())]
    profile: String,
    /// Keep the newest N generations (default: only the current one).
    #[arg(long, value_name = "N", value_parser = number::<usize>, default_value_t = 0,
        hide_default_value = true)]
    keep: usize,
    /// Delete only generations that are older than this many days.
    #[arg(long, value_name = "DAYS", value_parser = days)]
    older_than: Option<u64>,
    /// Show what would be deleted, without doing it.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    match &arguments.command {
        Command::Set(a) => set(context, a),
        Command::List(a) => list(context, a),
        Command::Rollback(a) => rollback(context, a),
        Command::Diff(a) => diff(context, a),
        Command::Wipe(a) => wipe(context, a),
        Command::Delete(a) => delete(context, a),
    }
}

fn set(context: &Context, arguments: &SetArguments) -> Outcome {
    let profile = context.session.profile(&arguments.profile)?;
    let path = match arguments.expression.named(context)? {
        Subject::Stored(path) if !path.is_derivation() => context.check_valid(path)?,
        subject => build(context, arguments, &subject)?,
    };
    let store = context.store()?;
    store.touch([&path])?;
    let (generation, is_new) = profile.set(store, &path, arguments.note.as_deref())?;
    if context.global.json {
        context.json(&describe(&generation))?;
    } else {
        let was = if is_new { "is now at" } else { "is already at" };
        let name = &arguments.profile;
        context.say(format!("profile '{name}' {was} generation {}", generation.number));
        context.line(path.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the one derivation and output that the arguments select.
fn build(
    context: &Context,
    arguments: &SetArguments,
    subject: &Subject,
) -> Result<StorePath, Failure> {
    let SetArguments { expression, build, hashes, .. } = arguments;
    let work = Work::new(context, build, Some(&expression.measure));
    let (evaluation, mut outputs) = hashes.build(&work, subject, |evaluation| {
        let found = evaluation.targets.len();
        let message = format!("a profile needs one derivation, but the expression has {found}");
        let failure = Failure::new(Kind::Usage, message).hint("select one with -A");
        if found == 1 { Ok(()) } else { Err(SessionError::Observer(Arc::new(failure))) }
    })?;
    let (target, mut outputs) = (&evaluation.targets[0], outputs.swap_remove(0));
    if !target.outputs.is_empty() {
        outputs.retain(|name, _| target.outputs.contains(name));
    }
    let found = match outputs.len() {
        1 => outputs.pop_first().map(|(_, path)| path),
        _ => outputs.remove("out"),
    };
    found.ok_or_else(|| {
        let names = outputs.into_keys().collect::<Vec<_>>().join(", ");
        Failure::new(
            Kind::Usage,
            format!("a profile needs one output, but the derivation has {names}"),
        )
        .hint("select one with -A, such as NAME.bin")
    })
}

fn list(context: &Context, arguments: &ListArguments) -> Outcome {
    let Some(name) = &arguments.profile else { return list_all(context) };
    let profile = context.session.profile(name)?;
    let generations = profile.generations()?;
    if context.global.json {
        let generations: Vec<Value> = generations.iter().map(describe).collect();
        context.json(&json!({ "profile": profile.link(), "generations": generations }))?;
    } else {
        show(context, &generations)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list_all(context: &Context) -> Outcome {
    let folder = context.session.profiles()?.to_owned();
    let mut profiles = Profile::all(&folder)?;
    // the store knows the profiles that were given by path; listing does not create a store
    if context.session.store_root()?.join("store").is_dir() {
        let elsewhere = context.store()?.profiles()?.into_iter();
        profiles.extend(elsewhere.filter(|profile| profile.link().parent() != Some(&folder)));
    }
    let shown = |profile: &Profile| match profile.link().parent() == Some(&*folder) {
        true => profile.name().to_owned(),
        false => profile.link().display().to_string(),
    };
    let mut all = Vec::new();
    for profile in profiles {
        let generations = profile.read()?;
        let current = generations.into_iter().find(|generation| generation.is_current);
        all.extend(current.map(|current| (profile, current)));
    }
    if context.global.json {
        let value = |(profile, current): &(Profile, Generation)| {
            let mut value = describe(current);
            value["name"] = profile.name().into();
            value["profile"] = json!(profile.link());
            value
        };
        context.json(&all.iter().map(value).collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = all.iter().map(|(profile, _)| shown(profile).len()).max().unwrap_or(0);
    for (profile, current) in &all {
        context.line(format!("{:width$}  {}", shown(profile), row(current)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rollback(context: &Context, arguments: &RollbackArguments) -> Outcome {
    let profile = context.session.profile(&arguments.profile)?;
    let generation = profile.rollback(context.store()?, arguments.to)?;
    if context.global.json {
        context.json(&describe(&generation))?;
    } else {
        let place = profile.link();
        context.say(format!(
            "profile '{}' is now at generation {}",
            place.display(),
            generation.number
        ));
        context.line(generation.path.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn wipe(context: &Context, arguments: &WipeArguments) -> Outcome {
    let profile = context.session.profile(&arguments.profile)?;
    let before = arguments.older_than.map_or(u64::MAX, time::days_ago);
    let wiped = profile.wipe(arguments.keep, before, arguments.dry_run)?;
    if context.global.json {
        context.json(&wiped.iter().map(describe).collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    show(context, &wiped)?;
    let would = if arguments.dry_run { "would be " } else { "" };
    context.say(format!("{} {would}deleted", counted(wiped.len(), "generation")));
    Ok(ExitCode::SUCCESS)
}

fn delete(context: &Context, arguments: &DeleteArguments) -> Outcome {
    let profile = context.session.profile(&arguments.profile)?;
    let deleted = profile.delete()?;
    if context.global.json {
        context.json(&deleted.iter().map(describe).collect())?;
    } else {
        let (name, count) = (&arguments.profile, counted(deleted.len(), "generation"));
        context.say(format!("deleted profile '{name}' with {count}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn diff(context: &Context, arguments: &DiffArguments) -> Outcome {
    let from = arguments.from.as_ref();
    let number = from.map(|text| text.parse::<u64>());
    if let (Some(other), Some(Err(_))) = (from, &number) {
        if arguments.to.is_some() {
            let message =
                format!("'{other}' is not a generation; expected at most two store paths");
            return Err(Failure::new(Kind::Usage, message));
        }
        let [from, to] = [context.valid(&arguments.profile)?, context.valid(other)?];
        let document = |path: &StorePath| json!({ "path": path.to_string() });
        return compare(context, [&from, &to], [document(&from), document(&to)]);
    }
    let from = number.and_then(Result::ok);
    let profile = context.session.profile(&arguments.profile)?;
    let generations = profile.generations()?;
    let to = match arguments.to {
        Some(number) => profile.find(&generations, number)?,
        None => generations.iter().find(|generation| generation.is_current).ok_or_else(|| {
            Failure::new(Kind::Failed, "the profile's link does not lead to one of its generations")
                .hint("give two generations, or select one with `clutch profile rollback --to N`")
        })?,
    };
    let from = match from {
        Some(number) => profile.find(&generations, number)?,
        None => {
            let earlier = generations.iter().rfind(|generation| generation.number < to.number);
            let none = || ProfileError::NoEarlier(profile.name().to_owned());
            earlier.ok_or_else(none)?
        }
    };
    compare(context, [&from.path, &to.path], [describe(from), describe(to)])
}

/// Compares two paths. The JSON document names them as given.
fn compare(context: &Context, [from, to]: [&StorePath; 2], [before, after]: [Value; 2]) -> Outcome {
    let store = context.store()?;
    store.keep([from, to])?;
    let difference = closure::difference(store, from, to)?;
    if context.global.json {
        context.json(&json!({
            "from": before, "to": after,
            "packages": difference.packages.iter().map(describe_package).collect::<Vec<_>>(),
            "size": { "before": difference.sizes[0], "after": difference.sizes[1] },
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    show_difference(context, &difference)?;
    Ok(ExitCode::SUCCESS)
}

fn show_difference(context: &Context, difference: &Difference) -> Result<(), Failure> {
    let rows: Vec<[String; 3]> = difference
        .packages
        .iter()
        .map(|(name, [before, after])| {
            let list =
                |package: &Package| package.versions.iter().cloned().collect::<Vec<_>>().join(", ");
            let (old, new) = (list(before), list(after));
            let change = match (before.is_absent(), after.is_absent()) {
                (true, _) => format!("+ {new}"),
                (_, true) => format!("- {old}"),
                _ if old == new => format!("{old} (other content)"),
                _ => format!("{old} -> {new}"),
            };
            [name.clone(), change.trim().to_owned(), signed(before.size, after.size)]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (names, changes) = (width(0), width(1));
    for [name, change, size] in &rows {
        context.line(format!("{name:names$}  {change:changes$}  {size:>11}"))?;
    }
    let [before, after] = difference.sizes;
    context.line(format!(
        "closure: {} -> {} ({})",
        bytes(before),
        bytes(after),
        signed(before, after)
    ))
}

fn signed(before: u64, after: u64) -> String {
    let sign = if after < before { "-" } else { "+" };
    format!("{sign}{}", bytes(after.abs_diff(before)))
}

fn show(context: &Context, generations: &[Generation]) -> Result<(), Failure> {
    for generation in generations {
        let mark = if generation.is_current { "*" } else { " " };
        context.line(format!("{mark} {}", row(generation)))?;
    }
    Ok(())
}

fn row(generation: &Generation) -> String {
    let Generation { number, path, made, note, .. } = generation;
    let note = note.as_ref().map(|note| format!("  {note}")).unwrap_or_default();
    format!("{number:>4}  {}  {path}{note}", time::show(*made))
}

fn describe(generation: &Generation) -> Value {
    json!({
        "number": generation.number,
        "path": generation.path.to_string(),
        "made": generation.made,
        "current": generation.is_current,
        "note": generation.note,
    })
}

fn describe_package((name, [before, after]): (&String, &[Package; 2])) -> Value {
    let side = |package: &Package| match package.is_absent() {
        true => Value::Null,
        false => json!({ "versions": package.versions, "size": package.size }),
    };
    json!({ "name": name, "before": side(before), "after": side(after) })
}
