//! `clutch store`: the store as a whole.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
};

use serde_json::json;

use super::{
    context::Context,
    failure::{Failure, Kind, OrFail as _, Outcome},
    quantity::counted,
};
use crate::store::{Holder, Store};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Delete the whole store, with all its paths, pins and logs.
    ///
    /// Use this instead of `rm -rf`, which cannot delete the read-only folders of a store. Select the
    /// store with --store or $CLUTCH_STORE. Result links and profiles are not deleted; they point to
    /// nothing afterwards.
    Delete(DeleteArguments),
}

#[derive(clap::Args)]
struct DeleteArguments {
    /// Do not ask for confirmation.
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    match &arguments.command {
        Command::Delete(arguments) => delete(context, arguments),
    }
}

fn delete(context: &Context, arguments: &DeleteArguments) -> Outcome {
    let deletion = Store::deletion(context.session.store_root()?)?;
    let place = deletion.root().to_owned();
    let is_link = |holder: &&Holder| matches!(holder, Holder::Link(_));
    let links = deletion.roots.iter().filter(is_link).count();
    let pins = deletion.roots.len() - links;
    let what = format!(
        "store '{}' with {}; {} and {} lead into it",
        place.display(),
        counted(deletion.paths, "path"),
        counted(links, "link"),
        counted(pins, "pin"),
    );
    if !arguments.yes {
        if !io::stdin().is_terminal() {
            let message = format!("cannot ask for confirmation to delete {what}");
            return Err(Failure::new(Kind::Usage, message).hint("use --yes to confirm"));
        }
        let _ = write!(io::stderr(), "delete {what}? [y/N] ");
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).or_fail(Kind::Usage)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Err(Failure::new(Kind::Interrupted, "nothing was deleted"));
        }
    }
    let paths = deletion.paths;
    deletion.delete()?;
    if context.global.json {
        context.json(&json!({ "store": place, "paths": paths }))?;
    } else {
        context.say(format!("deleted store '{}' with {}", place.display(), counted(paths, "path")));
    }
    Ok(ExitCode::SUCCESS)
}
