//! `clutch paths`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    Outcome,
    context::Context,
    failure::{Kind, OrFail as _},
};
use crate::store::PathInfo;

pub(super) fn run(context: &Context) -> Outcome {
    let all = context.store()?.all().or_fail(Kind::Store)?;
    if context.global.json {
        context.json(&all.iter().map(describe).collect());
    } else {
        context.print(all.iter().map(|info| format!("{}\n", info.path)).collect::<String>());
    }
    Ok(ExitCode::SUCCESS)
}

/// What programs are told of a valid path.
pub(super) fn describe(info: &PathInfo) -> Value {
    json!({
        "path": info.path.to_string(),
        "treeHash": info.tree.to_string(),
        "size": info.size,
        "references": info.references.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "deriver": info.deriver.as_ref().map(ToString::to_string),
        "registered": info.registered,
    })
}
