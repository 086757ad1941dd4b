//! `clutch paths`.

use std::process::ExitCode;

use super::{
    context::Context,
    documents,
    failure::{Failure, Kind, OrFail as _, Outcome},
    show::parse_valid,
};
use crate::store::PathInfo;

pub(super) fn run(context: &Context) -> Outcome {
    let all = context.store()?.all().or_fail(Kind::Store)?;
    if context.global.json {
        context.json(&all.iter().map(documents::of_path).collect())?;
    } else {
        context.print(all.iter().map(|info| format!("{}\n", info.path)).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of the paths that a person names, or of all.
pub(super) fn infos(context: &Context, texts: &[String]) -> Result<Vec<PathInfo>, Failure> {
    let store = context.store()?;
    if texts.is_empty() {
        return store.all().or_fail(Kind::Store);
    }
    let info = |text: &String| {
        let path = parse_valid(context, text)?;
        let info = store.info(&path).or_fail(Kind::Store)?;
        info.ok_or_else(|| Failure::new(Kind::Failed, format!("'{path}' is not in the store")))
    };
    texts.iter().map(info).collect()
}
