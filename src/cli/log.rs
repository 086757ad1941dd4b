//! `clutch log`.

use std::{io, process::ExitCode};

use super::{
    Outcome,
    context::Context,
    failure::{Failure, Kind, OrFail as _},
    show::parse_path,
};
use crate::build::log_path;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A derivation, or an output of one.
    path: String,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let store = context.store()?;
    let mut path = parse_path(context, &arguments.path)?;
    if !path.is_derivation() {
        let info = store.info(&path).or_fail(Kind::Store)?;
        path = info.and_then(|i| i.deriver).ok_or_else(|| {
            Failure::new(Kind::Failed, format!("it is not known which derivation made '{path}'"))
                .hint("give the derivation: clutch eval --raw -A drvPath FILE")
        })?;
    }
    match fs_err::read(log_path(&store.logs(), &path)) {
        Ok(text) => context.print(text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::new(Kind::Failed, format!("'{path}' has no log in this store"))
                .hint("it was never built here, or it was imported"));
        }
        Err(e) => return Err(Failure::new(Kind::Store, e)),
    }
    Ok(ExitCode::SUCCESS)
}
