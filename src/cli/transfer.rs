//! `clutch export` and `clutch import`.

use std::{path::PathBuf, process::ExitCode};

use serde_json::json;

use super::{
    Outcome,
    closure::bytes,
    completions,
    context::Context,
    failure::{Failure, Kind, OrFail as _, expect_file},
    progress::Transfer,
    show::parse_path,
};
use crate::{
    files,
    store_path::check_name,
    transfer::{self, TransferError},
};

#[derive(clap::Args)]
pub(super) struct ExportArguments {
    /// Store paths, links to such, or profiles; all that they need goes with them.
    #[arg(required = true, value_name = "PATH", add = completions::store_paths())]
    paths: Vec<String>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(clap::Args)]
pub(super) struct ImportArguments {
    /// A file that `clutch export` wrote.
    file: PathBuf,
    /// Make a result link to what was exported, which keeps it from being collected.
    #[arg(short, long, value_name = "LINK")]
    out_link: Option<PathBuf>,
    /// Keep what was exported under this name, as `clutch pin` does.
    #[arg(long, value_name = "NAME")]
    pin: Option<String>,
}

pub(super) fn export(context: &Context, arguments: &ExportArguments) -> Outcome {
    let store = context.store()?;
    let paths =
        arguments.paths.iter().map(|p| parse_path(context, p)).collect::<Result<Vec<_>, _>>()?;
    // written beside its place, so that the file is whole when it is there
    let mut file = files::unfinished(&arguments.output).or_fail(Kind::Failed)?;
    let progress = Transfer::new(context, "exported");
    transfer::export(store, &paths, file.as_file_mut(), &|done, all| progress.show(done, all))
        .map_err(fail)?;
    drop(progress);
    let size = file.as_file().metadata().or_fail(Kind::Failed)?.len();
    files::finish(file, &arguments.output).or_fail(Kind::Failed)?;
    if context.global.json {
        context.json(&json!({ "file": arguments.output, "size": size }));
    } else {
        context.say(format!("{}: {}", arguments.output.display(), bytes(size)));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn import(context: &Context, arguments: &ImportArguments) -> Outcome {
    let store = context.store()?;
    if let Some(name) = &arguments.pin {
        check_name(name).or_fail(Kind::Usage)?;
    }
    expect_file(&arguments.file)?;
    let progress = Transfer::new(context, "imported");
    let imported = transfer::import(store, &arguments.file, &|done, all| progress.show(done, all))
        .map_err(fail)?;
    drop(progress);
    // of several, all but the first have their number behind the name, as result links do
    let numbered = |name: &str, at: usize| match at {
        0 => name.to_owned(),
        at => format!("{name}-{}", at + 1),
    };
    for (at, root) in imported.roots.iter().enumerate() {
        if let Some(link) = &arguments.out_link {
            let link = numbered(&link.to_string_lossy(), at);
            store.link_root(link.as_ref(), root).or_fail(Kind::Failed)?;
        }
        if let Some(name) = &arguments.pin {
            store.pin(&numbered(name, at), root, None).or_fail(Kind::Failed)?;
        }
    }
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
        let is_kept = arguments.out_link.is_some() || arguments.pin.is_some();
        if !is_kept && !imported.added.is_empty() {
            context.say(
                "nothing keeps them: `clutch gc` removes them again; with -o LINK or --pin NAME they stay",
            );
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
