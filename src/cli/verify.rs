//! `clutch verify`: what is damaged, and how it becomes whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};

use super::{
    completions,
    context::Context,
    failure::{Failure, Kind, OrFail as _, Outcome},
    interruption,
    paths::infos,
    progress::Transfer,
    quantity::counted,
    realise::{self, Again, BuildArguments},
};
use crate::{
    build::repair::{Obstacle, Repair, Round},
    cache,
    hash::TreeHash,
    store::{Damage, Fault, PathInfo, Store, Verified},
    store_path::StorePath,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Store paths to check (default: all).
    #[arg(value_name = "PATH", add = completions::store_paths())]
    paths: Vec<String>,
    /// First rebuild a lost index from the files in the store.
    #[arg(long)]
    rebuild_index: bool,
    /// Repair damaged paths, from exports (--from) or by building them again.
    #[arg(long)]
    repair: bool,
    /// Take store paths from a file written by `clutch export`, and build the rest; can be repeated.
    #[arg(long, value_name = "FILE", requires = "repair")]
    from: Vec<PathBuf>,
    #[command(flatten)]
    build: BuildArguments,
}

/// How a damaged path became whole, or why it did not.
enum End {
    /// Nobody tried.
    Untried,
    Restored(PathBuf),
    /// Its modes and times were set right.
    Sealed,
    /// It was built again, and then had the same tree as before, or another.
    Built {
        same: bool,
    },
    Left(Obstacle),
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    if arguments.rebuild_index {
        let (_, rebuilt) = Store::rebuild(&context.store_root()?).or_fail(Kind::Store)?;
        context.say(format!("rebuilt the index with {}", counted(rebuilt.registered, "path")));
        if rebuilt.dropped > 0 {
            let dropped = counted(rebuilt.dropped, "path");
            context.say(format!("dropped {dropped} whose files are missing"));
        }
        for (name, why) in &rebuilt.refused {
            context.warn(format!("left out '{name}': {why}"));
        }
    }
    let store = context.store()?;
    store.check_index().or_fail(Kind::Store)?;
    let mut verified = look(context, store, &arguments.paths)?;
    let mut ends: BTreeMap<StorePath, End> = BTreeMap::new();
    let mut pooled = verified.pool.len();
    if arguments.repair && !(verified.damages.is_empty() && verified.pool.is_empty()) {
        store.forget_pooled(&verified.pool).or_fail(Kind::Store)?;
        pooled = 0;
        if !arguments.paths.is_empty() {
            look_at_inputs(store, &mut verified)?;
        }
        let mut damaged = damaged(&verified);
        store.keep(&damaged).or_fail(Kind::Store)?;
        for Damage { path, fault } in &verified.damages {
            if let Fault::Metadata(_) = fault {
                store.reseal(path).or_fail(Kind::Store)?;
                damaged.remove(path);
                ends.insert(path.clone(), End::Sealed);
            }
        }
        ends.extend(repair(context, store, arguments, damaged)?);
    }
    let end = |path: &StorePath| ends.get(path).unwrap_or(&End::Untried);
    let is_left = |path: &StorePath| matches!(end(path), End::Untried | End::Left(_));
    let left = verified.damages.iter().filter(|damage| is_left(&damage.path)).count();
    if context.global.json {
        let damaged: Vec<Value> = verified
            .damages
            .iter()
            .map(|damage| {
                let mut value =
                    json!({ "path": damage.path.to_string(), "fault": told(&damage.fault) });
                match end(&damage.path) {
                    End::Untried => {}
                    End::Restored(file) => value["repaired"] = json!({ "from": file }),
                    End::Sealed => value["repaired"] = json!({ "sealed": true }),
                    End::Built { same } => {
                        value["repaired"] = json!({ "built": true, "same": same });
                    }
                    End::Left(obstacle) => value["obstacle"] = obstacle.to_string().into(),
                }
                value
            })
            .collect();
        let shared: Vec<_> = verified.pool.iter().map(|file| file.display().to_string()).collect();
        context.json(&json!({
            "checked": verified.checked, "damaged": damaged, "shared": shared, "left": left + pooled,
        }))?;
    } else {
        for damage in &verified.damages {
            context.line(format!("{} {}", damage.path, told(&damage.fault)))?;
            match end(&damage.path) {
                End::Untried => {}
                End::Restored(file) => {
                    context.line(format!("  restored from '{}'", file.display()))?;
                }
                End::Sealed => context.line("  permissions and times restored")?,
                End::Built { same: true } => context.line("  built again")?,
                End::Built { same: false } => context
                    .line("  built again, but the result differs: the build is not reproducible")?,
                End::Left(obstacle) => {
                    let text = obstacle.to_string().replace('\n', "\n    ");
                    context.line(format!("  not repaired: {text}\n  {}", remedy(obstacle)))?;
                }
            }
        }
        for file in &verified.pool {
            let done = if arguments.repair { ", but no longer" } else { "" };
            context.line(format!("'{}' has changed and is shared{done}", file.display()))?;
        }
        let damaged = verified.damages.len();
        let repaired = match arguments.repair && damaged > 0 {
            true => format!(", {} repaired", damaged - left),
            false => String::new(),
        };
        context.say(format!(
            "{} checked, {damaged} damaged{repaired}",
            counted(verified.checked, "path")
        ));
    }
    if left + pooled == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.repair && !context.global.json {
        context.say("to repair them, run `clutch verify --repair`");
    }
    Ok(ExitCode::from(Kind::Failed.code()))
}

fn look(context: &Context, store: &Store, texts: &[String]) -> Result<Verified, Failure> {
    let (progress, done) = (Transfer::new(context, "checked"), AtomicU64::new(0));
    let show = |size: u64, all| progress.show(done.fetch_add(size, Ordering::Relaxed) + size, all);
    let verified = if texts.is_empty() {
        store.verify_all(&show).or_fail(Kind::Failed)?
    } else {
        let infos = infos(context, texts)?;
        let all = infos.iter().map(|info| info.size).sum();
        let paths: Vec<StorePath> = infos.into_iter().map(|info| info.path).collect();
        let damages = store.verify(&paths, &|size| show(size, all)).or_fail(Kind::Failed)?;
        Verified { checked: paths.len(), damages, pool: Vec::new() }
    };
    Ok(verified)
}

fn damaged(verified: &Verified) -> BTreeSet<StorePath> {
    verified.damages.iter().map(|damage| damage.path.clone()).collect()
}

/// Looks at what the builds of damaged paths would read, too, so that nothing is built from what is
/// damaged.
fn look_at_inputs(store: &Store, verified: &mut Verified) -> Result<(), Failure> {
    let mut repair = Repair::new(store, damaged(verified));
    let mut whole: BTreeSet<StorePath> = BTreeSet::new();
    loop {
        let inputs = repair.inputs().or_fail(Kind::Store)?;
        let fresh: Vec<StorePath> = inputs.difference(&whole).cloned().collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let damages = store.verify(&fresh, &|_| {}).or_fail(Kind::Failed)?;
        verified.checked += fresh.len();
        whole.extend(fresh);
        repair.add(damages.iter().map(|damage| damage.path.clone()));
        verified.damages.extend(damages);
    }
}

fn told(fault: &Fault) -> String {
    match fault {
        Fault::Missing => "is missing".to_owned(),
        Fault::Changed { expected, found } => {
            format!("has changed: its tree has hash {found}, expected {expected}")
        }
        Fault::Unreadable(error) => format!("cannot be read: {error}"),
        Fault::Metadata(place) => {
            format!("has its content, but mode or time of '{}' changed", place.display())
        }
    }
}

fn remedy(obstacle: &Obstacle) -> &'static str {
    match obstacle {
        Obstacle::NoDerivation => {
            "give an export that holds it with --from FILE; or evaluate its expression again (`clutch \
             build` does) and repeat this; or let go of what needs it (`clutch why-alive`), remove \
             both with `clutch gc`, and evaluate or import again"
        }
        Obstacle::Derivation(_) => {
            "evaluate its expression again (`clutch build` does), which adds the derivation, and \
             repeat this; or give an export that holds the path with --from FILE"
        }
        Obstacle::Needs(_) => "repair that one first",
        Obstacle::Failed(_) => {
            "repeat this when the cause is gone, or give an export that holds the path with --from \
             FILE"
        }
    }
}

/// Repairs what can be repaired: each way takes what it can of what those before it left.
fn repair(
    context: &Context,
    store: &Store,
    arguments: &Arguments,
    mut damaged: BTreeSet<StorePath>,
) -> Result<BTreeMap<StorePath, End>, Failure> {
    let mut ends = BTreeMap::new();
    let mut infos: BTreeMap<StorePath, PathInfo> = BTreeMap::new();
    for path in &damaged {
        infos.extend(store.info(path).or_fail(Kind::Store)?.map(|info| (path.clone(), info)));
    }
    for file in &arguments.from {
        let wanted: Vec<PathInfo> =
            damaged.iter().filter_map(|path| infos.get(path).cloned()).collect();
        let restored = cache::restore(store, file, &wanted, &|_, _| {}).or_fail(Kind::Input)?;
        for path in restored {
            damaged.remove(&path);
            ends.insert(path, End::Restored(file.clone()));
        }
    }
    let mut repair = Repair::new(store, damaged);
    while let Some(round) = repair.round().or_fail(Kind::Store)? {
        build(context, store, arguments, &mut repair, &round)?;
        let paths: Vec<StorePath> = round.paths.into_iter().collect();
        for path in paths.iter().filter(|path| !repair.damaged().contains(*path)) {
            let tree = |info: PathInfo| info.tree;
            let now: Option<TreeHash> = store.info(path).or_fail(Kind::Store)?.map(tree);
            let before = infos.get(path).map(|info| info.tree);
            ends.insert(path.clone(), End::Built { same: now == before });
        }
    }
    let given_up = repair.given_up().into_iter();
    ends.extend(given_up.map(|(path, obstacle)| (path, End::Left(obstacle))));
    Ok(ends)
}

/// Does the builds of a round.
fn build(
    context: &Context,
    store: &Store,
    arguments: &Arguments,
    repair: &mut Repair<'_>,
    round: &Round,
) -> Result<(), Failure> {
    let damaged = round.paths.clone();
    let outcome =
        realise::execute(context, &arguments.build, &round.plan, Again::Damaged(damaged))?;
    if interruption::is_cancelled() {
        return Err(Failure::new(Kind::Interrupted, "interrupted; what was repaired is kept"));
    }
    let paths: Vec<StorePath> = round.paths.iter().cloned().collect();
    let left = store.verify(&paths, &|_| {}).or_fail(Kind::Store)?;
    let left: BTreeSet<&StorePath> = left.iter().map(|damage| &damage.path).collect();
    repair.repaired(paths.iter().filter(|path| !left.contains(path)));
    // the failure of a path's own build, or of what that needs
    let failures = outcome.failed.iter().map(|(_, failure)| failure.to_string());
    let mut all = failures.collect::<Vec<_>>().join("\n");
    if all.is_empty() {
        "it is damaged again".clone_into(&mut all);
    }
    let own = |path: &&StorePath| {
        let steps = outcome.failed.iter().map(|(id, failure)| (round.plan.step(*id), failure));
        let mut own = steps.filter(|(step, _)| step.outputs().contains(path));
        own.next().map_or_else(|| all.clone(), |(_, failure)| failure.to_string())
    };
    repair.failed(left.iter().map(|path| ((*path).clone(), own(path))));
    Ok(())
}
