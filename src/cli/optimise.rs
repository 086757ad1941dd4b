//! `clutch optimise`.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::json;

use super::{
    completers,
    context::Context,
    failure::Outcome,
    progress::Transfer,
    quantity::{bytes, counted},
};
use crate::store_path::StorePath;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Store paths to optimise (default: all).
    #[arg(value_name = "PATH", add = completers::store_paths())]
    paths: Vec<String>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let store = context.store()?;
    let infos = context.infos(&arguments.paths)?;
    let all = infos.iter().map(|info| info.size).sum();
    let paths: Vec<StorePath> = infos.into_iter().map(|info| info.path).collect();
    let (progress, done) = (Transfer::new(context, "checked"), AtomicU64::new(0));
    let show = |size: u64| progress.show(done.fetch_add(size, Ordering::Relaxed) + size, all);
    let saved = store.optimise(&paths, &show)?;
    drop(progress);
    if context.global.json {
        context.json(&json!({ "paths": paths.len(), "saved": saved }))?;
    } else {
        context.say(format!("{} checked, {} saved", counted(paths.len(), "path"), bytes(saved)));
    }
    Ok(ExitCode::SUCCESS)
}
