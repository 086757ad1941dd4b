//! `clutch man`: the help as manual pages.

use std::{path::PathBuf, process::ExitCode};

use clap::Command;

use super::{
    context::Context,
    failure::{Kind, OrFail as _, Outcome},
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Folder to write to, such as ~/.local/share/man/man1; created if it does not exist.
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

pub(super) fn run(context: &Context, arguments: &Arguments, command: Command) -> Outcome {
    fs_err::create_dir_all(&arguments.folder).or_fail(Kind::Failed)?;
    clap_mangen::generate_to(command, &arguments.folder).or_fail(Kind::Failed)?;
    context.say(format!(
        "wrote the manual pages; to read the first, run `man {}`",
        arguments.folder.join("clutch.1").display()
    ));
    Ok(ExitCode::SUCCESS)
}
