//! `clutch optimise`.

use std::process::ExitCode;

use serde_json::json;

use super::{
    Outcome,
    closure::bytes,
    context::Context,
    failure::{Kind, OrFail as _},
    show::parse_path,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Store paths (default: all).
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let store = context.store()?;
    let paths = match arguments.paths.is_empty() {
        true => store.all().or_fail(Kind::Store)?.into_iter().map(|info| info.path).collect(),
        false => arguments
            .paths
            .iter()
            .map(|text| parse_path(context, text))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let saved = store.optimise(&paths, &|_| {}).or_fail(Kind::Store)?;
    if context.global.json {
        context.json(&json!({ "paths": paths.len(), "saved": saved }));
    } else {
        context.say(format!("{} paths looked at, {} saved", paths.len(), bytes(saved)));
    }
    Ok(ExitCode::SUCCESS)
}
