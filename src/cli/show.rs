//! `clutch show`: a derivation or a valid path.

use std::process::ExitCode;

use super::{completers, context::Context, documents, failure::Outcome};
use crate::store::StoreError;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Store path, link to one, profile or pin.
    #[arg(add = completers::store_paths())]
    path: String,
    /// Compute the size and hash in Nix's archive format if they are not known yet.
    #[arg(long)]
    nar: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let path = context.stored(&arguments.path)?;
    let store = context.store()?;
    let mut info = store.info(&path)?.ok_or_else(|| StoreError::NotValid(path.clone()))?;
    if arguments.nar {
        info.nar = Some(store.nar(&path)?);
    } else if path.is_derivation() {
        let derivation = store.read_derivation(&path)?;
        let value = documents::of_derivation(&path, &derivation);
        if context.global.json {
            context.json(&value)?;
        } else {
            context.line(format!("{value:#}"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if context.global.json {
        context.json(&documents::of_path(&info))?;
        return Ok(ExitCode::SUCCESS);
    }
    context.print(info.to_string())?;
    Ok(ExitCode::SUCCESS)
}
