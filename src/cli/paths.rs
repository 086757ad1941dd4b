//! `clutch paths`.

use std::process::ExitCode;

use super::{context::Context, documents, failure::Outcome};

pub(super) fn run(context: &Context) -> Outcome {
    let all = context.store()?.all()?;
    if context.global.json {
        context.json(&all.iter().map(documents::of_path).collect())?;
    } else {
        context.print(all.iter().map(|info| format!("{}\n", info.path)).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}
