//! `--from`: exports that a command takes paths from instead of building them.

use std::path::PathBuf;

use clap::ValueHint;

use super::{
    context::Context,
    failure::{Failure, expect_file},
    quantity::counted,
    transfer,
};
use crate::{
    build::plan::{BuildStep, Plan},
    cache::{Export, Substituter as _, Trust},
};

/// Options of every command that builds an expression.
#[derive(clap::Args)]
#[command(next_help_heading = "Build options")]
pub(super) struct SubstituteArguments {
    /// Take store paths from a file written by `clutch export`, and build the rest; can be repeated.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    from: Vec<PathBuf>,
    /// Accept build outputs without verification. Use this only if you trust the origin of the file.
    #[arg(long, requires = "from")]
    accept_unsigned: bool,
    #[command(flatten)]
    end: super::expression::EndOfSection,
}

impl SubstituteArguments {
    /// Opens the files. From then on, every plan of this command can take paths from them.
    pub(super) fn open(&self, context: &Context) -> Result<(), Failure> {
        let trust = if self.accept_unsigned { Trust::Outputs } else { Trust::Nothing };
        let open = |file: &PathBuf| {
            if file.as_os_str() != "-" {
                expect_file(file)?;
            }
            Export::open(context.store()?, file, trust).map_err(transfer::refused)
        };
        context.session.take_from(self.from.iter().map(open).collect::<Result<_, _>>()?);
        Ok(())
    }
}

/// Reports paths that are built although an export has them.
pub(super) fn tell_withheld(context: &Context, plan: &Plan) {
    for export in context.session.exports() {
        let outputs = plan.builds().flat_map(BuildStep::outputs);
        let count = outputs.filter(|path| export.withholds(path)).count();
        if count > 0 {
            let (file, paths) = (export.name(), counted(count, "path"));
            context.say(format!(
                "'{file}' has {paths} to build, but they cannot be verified; if you trust the origin of the \
                 file, add --accept-unsigned"
            ));
        }
    }
}
