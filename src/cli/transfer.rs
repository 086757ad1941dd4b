//! `clutch export` and `clutch import`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::ValueHint;

use serde_json::json;

use super::{
    completers,
    context::Context,
    destination,
    failure::{Failure, Kind, Outcome, expect_file},
    interruption, output,
    progress::Transfer,
    quantity::{bytes, counted},
    result_link,
};
use crate::{
    cache::{self, TransferError, Trust},
    store_path::{StorePath, check_name},
};

#[derive(clap::Args)]
pub(super) struct ExportArguments {
    /// Store paths, links to them, profiles or pins.
    #[arg(required = true, value_name = "PATH", add = completers::store_paths())]
    paths: Vec<String>,
    /// File to write; `-` is standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

#[derive(clap::Args)]
pub(super) struct ImportArguments {
    /// File written by `clutch export`; `-` is standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Accept build outputs without verification. Use this only if you trust the origin of the file.
    #[arg(long)]
    accept_unsigned: bool,
    /// Create a link to the result, which keeps it from being deleted by `clutch gc`.
    #[arg(short, long, value_name = "LINK")]
    out_link: Option<PathBuf>,
    /// Pin the result as NAME, which keeps it from being deleted by `clutch gc`.
    #[arg(long, value_name = "NAME")]
    pin: Option<String>,
}

pub(super) fn export(context: &Context, arguments: &ExportArguments) -> Outcome {
    let (store, output) = (context.store()?, &arguments.output);
    let paths = arguments.paths.iter().map(|p| context.stored(p)).collect::<Result<Vec<_>, _>>()?;
    if destination::is_output(output) && output::is_terminal() {
        return Err(Failure::new(Kind::Usage, "cannot write an export to a terminal")
            .hint("write it to a file with -o FILE, or pipe it to another program"));
    }
    let size = destination::write_with(output, store, |file| {
        let progress = Transfer::new(context, "exported");
        cache::export(store, &paths, file, &|done, all| progress.show(done, all)).map_err(|error| {
            match interruption::is_interrupted() {
                true => Failure::new(Kind::Interrupted, "interrupted"),
                false => error.into(),
            }
        })
    })?;
    if destination::is_output(output) {
        return Ok(ExitCode::SUCCESS);
    }
    if context.global.json {
        context.json(&json!({ "file": output, "size": size }))?;
    } else {
        context.say(format!("wrote {} ({})", output.display(), bytes(size)));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn import(context: &Context, arguments: &ImportArguments) -> Outcome {
    let store = context.store()?;
    if let Some(name) = &arguments.pin {
        check_name(name)?;
    }
    if arguments.file != Path::new("-") {
        expect_file(&arguments.file)?;
    }
    let trust = if arguments.accept_unsigned { Trust::Outputs } else { Trust::Nothing };
    let progress = Transfer::new(context, "imported");
    let imported =
        cache::import(store, &arguments.file, trust, &|done, all| progress.show(done, all))
            .map_err(refused)?;
    drop(progress);
    // number all pins after the first, as for result links
    let numbered = |name: &str, at: usize| match at {
        0 => name.to_owned(),
        at => format!("{name}-{}", at + 1),
    };
    for (at, root) in imported.roots.iter().enumerate() {
        if let Some(link) = &arguments.out_link {
            let link = numbered(&link.to_string_lossy(), at);
            result_link::make(store, link.as_ref(), root)?;
        }
        if let Some(name) = &arguments.pin {
            store.pin(&numbered(name, at), root, None)?;
        }
    }
    if context.global.json {
        let texts = |paths: &[StorePath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
        context.json(&json!({
            "roots": texts(&imported.roots.iter().cloned().collect::<Vec<_>>()),
            "added": texts(&imported.added),
            "trusted": texts(&imported.trusted),
            "differing": texts(&imported.differing),
            "total": imported.total,
        }))?;
    } else {
        for root in &imported.roots {
            context.line(root.to_string())?;
        }
        let trusted = match imported.trusted.len() {
            0 => String::new(),
            number => format!(", {number} of them unverified"),
        };
        let (new, total) = (imported.added.len(), imported.total);
        context.say(format!("added {new} of {}{trusted}", counted(total, "path")));
        if let Some(first) = imported.differing.first() {
            context.say(format!(
                "did not replace {} with other content in the store, such as '{first}'",
                counted(imported.differing.len(), "path")
            ));
        }
        let is_kept = arguments.out_link.is_some() || arguments.pin.is_some();
        if !is_kept && !imported.added.is_empty() {
            context.say(
                "nothing uses these paths, so `clutch gc` deletes them; to keep them, use -o LINK or --pin NAME",
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The failure of an import, with the command that accepts unverified outputs.
pub(super) fn refused(error: TransferError) -> Failure {
    let is_unproved = matches!(error, TransferError::Unproved { .. });
    let failure = Failure::from(error);
    match is_unproved {
        false => failure,
        true => failure.hint(format!(
            "if you trust the origin of the file, run: {} --accept-unsigned",
            again()
        )),
    }
}

/// The command line of this process.
fn again() -> String {
    let words = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy()));
    std::iter::once("clutch".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+:@,%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
