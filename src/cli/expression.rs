//! The options of every command that evaluates: which expression, which part of it, with what.

use std::path::PathBuf;

use super::{completions, measure::Measure};

/// Which expression, and with what arguments.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Evaluation options")]
pub(super) struct ExpressionArguments {
    /// Expression file, or folder with a default.nix (default: the current folder).
    #[arg(value_name = "PATH", help_heading = None::<&'static str>, add = completions::store_paths())]
    pub(super) path: Option<PathBuf>,
    /// Use EXPRESSION instead of a file.
    #[arg(short = 'E', long = "expr", value_name = "EXPRESSION", conflicts_with = "path")]
    pub(super) expression: Option<String>,
    /// Select an attribute of the value, such as `tools.hello`; can be repeated.
    #[arg(short = 'A', long = "attr", value_name = "ATTRIBUTE", add = completions::attributes())]
    pub(super) attributes: Vec<String>,
    /// Pass an expression as argument NAME, if the value is a function.
    #[arg(long, num_args = 2, value_names = ["NAME", "EXPRESSION"])]
    pub(super) arg: Vec<String>,
    /// Pass a string as argument NAME, if the value is a function.
    #[arg(long, num_args = 2, value_names = ["NAME", "STRING"])]
    pub(super) argstr: Vec<String>,
    /// Add PATH to the search path for names such as `<clutch>`.
    #[arg(short = 'I', value_name = "[NAME=]PATH", value_hint = clap::ValueHint::AnyPath)]
    pub(super) include: Vec<String>,
    /// Allow access to environment variables, the clock and files outside the project.
    #[arg(long)]
    pub(super) impure: bool,
    /// Enable experimental language features: `pipe-operators`, `parse-toml-timestamps`.
    #[arg(long, value_name = "FEATURE", value_delimiter = ' ')]
    pub(super) extra_experimental_features: Vec<String>,
    /// Fail if the evaluation reads something that has to be built first.
    #[arg(long)]
    pub(super) no_allow_import_from_derivation: bool,
    /// Treat warnings as errors and show a trace.
    #[arg(long)]
    pub(super) abort_on_warn: bool,
    /// Re-evaluate even if a cached result is still valid.
    #[arg(long)]
    pub(super) no_eval_cache: bool,
    #[command(flatten)]
    pub(super) measure: Measure,
    /// The value is printed as far as it was computed, so that it shows what was not.
    #[arg(skip)]
    pub(super) shows_code: bool,
    #[command(flatten)]
    pub(super) end: EndOfSection,
}

/// Options that a command declares after a group with a heading of its own are not of that group.
#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = None::<&'static str>)]
#[group(skip)]
pub(super) struct EndOfSection {}
