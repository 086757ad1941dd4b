//! `clutch closure`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    completers,
    context::Context,
    documents,
    failure::{Failure, Kind, Outcome},
    quantity::{bytes, counted},
};
use crate::{closure, store_path::StorePath};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Store paths, links to them, profiles or pins.
    #[arg(required = true, value_name = "PATH", add = completers::store_paths())]
    paths: Vec<String>,
    /// Show the size of each path, alone and with its dependencies.
    #[arg(short, long)]
    size: bool,
    /// Show why the first path depends on this one.
    #[arg(long, value_name = "PATH", add = completers::store_paths())]
    why: Option<String>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let store = context.store()?;
    let paths = arguments.paths.iter().map(|p| context.stored(p)).collect::<Result<Vec<_>, _>>()?;
    if let Some(why) = &arguments.why {
        let to = context.stored(why)?;
        let chain = closure::why_depends(store, &paths[0], &to)?;
        let chain = chain.ok_or_else(|| {
            Failure::new(Kind::Failed, format!("'{}' does not depend on '{to}'", paths[0]))
        })?;
        if context.global.json {
            context.json(&chain.iter().map(ToString::to_string).collect())?;
        } else {
            for (depth, path) in chain.iter().enumerate() {
                context.line(format!("{}{path}", "  ".repeat(depth)))?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let infos = closure::requisites(store, &paths)?;
    let total: u64 = infos.iter().map(|i| i.size).sum();
    // compute the closure of each path only on request: each takes a walk
    let all: Vec<StorePath> = infos.iter().map(|info| info.path.clone()).collect();
    let sized: &[StorePath] = match (arguments.size, context.global.json) {
        (true, _) => &all,
        (false, true) => &paths,
        (false, false) => &[],
    };
    let sizes = closure::sizes(store, sized)?;
    if context.global.json {
        let paths: Vec<Value> = infos
            .iter()
            .map(|info| {
                let mut value = documents::of_path(info);
                value["closureSize"] = sizes.get(&info.path).copied().into();
                value
            })
            .collect();
        context.json(&json!({ "paths": paths, "size": total }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for info in &infos {
        if arguments.size {
            let closure = sizes.get(&info.path).copied().unwrap_or_default();
            context.line(format!(
                "{:>10}  {:>10}  {}",
                bytes(info.size),
                bytes(closure),
                info.path
            ))?;
        } else {
            context.line(info.path.to_string())?;
        }
    }
    if arguments.size {
        context.say(format!("{} in {}", bytes(total), counted(infos.len(), "path")));
    }
    Ok(ExitCode::SUCCESS)
}
