//! `clutch export` and `clutch import`.

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    Outcome,
    closure::bytes,
    context::Context,
    failure::{Failure, Kind, OrFail as _},
    show::parse_path,
};
use crate::transfer::{self, TransferError};

#[derive(clap::Args)]
pub(super) struct ExportArguments {
    /// Store paths; all that they need goes with them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(clap::Args)]
pub(super) struct ImportArguments {
    /// A file that `clutch export` wrote.
    file: PathBuf,
}

pub(super) fn export(context: &Context, arguments: &ExportArguments) -> Outcome {
    let store = context.store()?;
    let paths =
        arguments.paths.iter().map(|p| parse_path(context, p)).collect::<Result<Vec<_>, _>>()?;
    let folder = match arguments.output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => std::path::Path::new("."),
    };
    // written beside its place, so that the file is whole when it is there
    let mut file = tempfile::NamedTempFile::new_in(folder).or_fail(Kind::Failed)?;
    let bar = bar(context);
    transfer::export(store, &paths, file.as_file_mut(), &|done, all| show(&bar, done, all))
        .map_err(fail)?;
    bar.finish_and_clear();
    rustix::fs::fchmod(file.as_file(), rustix::fs::Mode::from_raw_mode(0o644))
        .or_fail(Kind::Failed)?;
    let size = file.as_file().metadata().or_fail(Kind::Failed)?.len();
    file.persist(&arguments.output).map_err(|e| e.error).or_fail(Kind::Failed)?;
    if context.global.json {
        context.json(&json!({ "file": arguments.output, "size": size }));
    } else {
        context.say(format!("{}: {}", arguments.output.display(), bytes(size)));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn import(context: &Context, arguments: &ImportArguments) -> Outcome {
    let store = context.store()?;
    let bar = bar(context);
    let imported = transfer::import(store, &arguments.file, &|done, all| show(&bar, done, all))
        .map_err(fail)?;
    bar.finish_and_clear();
    if context.global.json {
        let text = |paths: Vec<String>| paths;
        context.json(&json!({
            "roots": text(imported.roots.iter().map(ToString::to_string).collect()),
            "added": text(imported.added.iter().map(ToString::to_string).collect()),
            "total": imported.total,
        }));
    } else {
        for root in &imported.roots {
            context.line(root.to_string());
        }
        context.say(format!("{} of {} paths were new", imported.added.len(), imported.total));
        if !imported.added.is_empty() {
            context.say("`clutch pin NAME PATH` keeps a path from `clutch gc`");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn fail(error: TransferError) -> Failure {
    let kind = match &error {
        TransferError::Store(_) => Kind::Store,
        _ => Kind::Input,
    };
    Failure::new(kind, error)
}

fn bar(context: &Context) -> ProgressBar {
    if context.global.quiet || context.global.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec:.dim}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done);
}
