//! `clutch completions`.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Outcome;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "clutch", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
