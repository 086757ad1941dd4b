//! `clutch verify`: finds and repairs damage.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};

use super::{
    build_options::BuildArguments,
    completers,
    context::Context,
    failure::{Failure, Kind, Outcome},
    progress::Transfer,
    quantity::counted,
    work::Work,
};
use crate::{
    build::repair::Obstacle,
    session::{self, Remedy},
    store::{Fault, Store, Verified},
    store_path::StorePath,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Store paths to check (default: all).
    #[arg(value_name = "PATH", add = completers::store_paths())]
    paths: Vec<String>,
    /// First rebuild the store's database from its files, if the database is lost.
    #[arg(long)]
    rebuild_index: bool,
    /// Repair damaged paths, from exports (--from) or by building them again.
    #[arg(long)]
    repair: bool,
    /// Repair from a file written by `clutch export`, and rebuild what it does not have; can be
    /// repeated.
    #[arg(long, value_name = "FILE", requires = "repair")]
    from: Vec<PathBuf>,
    #[command(flatten)]
    build: BuildArguments,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    if arguments.rebuild_index {
        let (_, rebuilt) = Store::rebuild(context.session.store_root()?)?;
        context.say(format!("rebuilt the index with {}", counted(rebuilt.registered, "path")));
        if rebuilt.dropped > 0 {
            let dropped = counted(rebuilt.dropped, "path");
            context.say(format!("dropped {dropped} whose files are missing"));
        }
        for (name, why) in &rebuilt.refused {
            context.warn(format!("skipped '{name}': {why}"));
        }
    }
    let store = context.store()?;
    store.check_index()?;
    let mut verified = look(context, store, &arguments.paths)?;
    let mut remedies = BTreeMap::new();
    let mut pooled = verified.pool.len();
    if arguments.repair && !(verified.damages.is_empty() && verified.pool.is_empty()) {
        let work = Work::new(context, &arguments.build, None);
        let is_whole = arguments.paths.is_empty();
        remedies = session::repair(work.operation(), &mut verified, is_whole, &arguments.from)?;
        pooled = 0;
    }
    let remedy = |path: &StorePath| remedies.get(path);
    let is_left = |path: &StorePath| matches!(remedy(path), None | Some(Remedy::None(_)));
    let left = verified.damages.iter().filter(|damage| is_left(&damage.path)).count();
    if context.global.json {
        let damaged: Vec<Value> = verified
            .damages
            .iter()
            .map(|damage| {
                let mut value =
                    json!({ "path": damage.path.to_string(), "fault": described(&damage.fault) });
                match remedy(&damage.path) {
                    None => {}
                    Some(Remedy::Restored(file)) => value["repaired"] = json!({ "from": file }),
                    Some(Remedy::Sealed) => value["repaired"] = json!({ "sealed": true }),
                    Some(Remedy::Built { same }) => {
                        value["repaired"] = json!({ "built": true, "same": same });
                    }
                    Some(Remedy::None(obstacle)) => value["obstacle"] = obstacle.to_string().into(),
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
            context.line(format!("{} {}", damage.path, described(&damage.fault)))?;
            match remedy(&damage.path) {
                None => {}
                Some(Remedy::Restored(file)) => {
                    context.line(format!("  restored from '{}'", file.display()))?;
                }
                Some(Remedy::Sealed) => context.line("  permissions and times restored")?,
                Some(Remedy::Built { same: true }) => context.line("  built again")?,
                Some(Remedy::Built { same: false }) => context
                    .line("  built again, but the result differs: the build is not reproducible")?,
                Some(Remedy::None(obstacle)) => {
                    let text = obstacle.to_string().replace('\n', "\n    ");
                    context.line(format!("  not repaired: {text}\n  {}", advice(obstacle)))?;
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
    let infos = if texts.is_empty() { None } else { Some(context.infos(texts)?) };
    Ok(session::verify(store, infos, &show)?)
}

fn described(fault: &Fault) -> String {
    match fault {
        Fault::Missing => "is missing".to_owned(),
        Fault::Changed { expected, found } => {
            format!("has changed: its tree has hash {found}, expected {expected}")
        }
        Fault::Unreadable(error) => format!("cannot be read: {error}"),
        Fault::Metadata(place) => {
            format!("has the right content, but the mode or time of '{}' changed", place.display())
        }
    }
}

fn advice(obstacle: &Obstacle) -> &'static str {
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
