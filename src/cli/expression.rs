//! The options of every command that evaluates: which expression, which part of it, with what.

use std::path::PathBuf;

use super::{completions, measure::Measure};

/// Which expression, and with what arguments.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Which expression")]
pub(super) struct ExpressionArguments {
    /// An expression file or a folder with a default.nix (default: here).
    #[arg(value_name = "PATH", help_heading = None::<&'static str>, add = completions::store_paths())]
    pub(super) path: Option<PathBuf>,
    /// The expression itself.
    #[arg(short = 'E', long = "expr", value_name = "EXPRESSION", conflicts_with = "path")]
    pub(super) expression: Option<String>,
    /// Select an attribute of the value, such as `tools.hello`; may be given again.
    #[arg(short = 'A', long = "attr", value_name = "ATTRIBUTE", add = completions::attributes())]
    pub(super) attributes: Vec<String>,
    /// Call the value, a function, with NAME bound to an expression.
    #[arg(long, num_args = 2, value_names = ["NAME", "EXPRESSION"])]
    pub(super) arg: Vec<String>,
    /// Call the value, a function, with NAME bound to a string.
    #[arg(long, num_args = 2, value_names = ["NAME", "STRING"])]
    pub(super) argstr: Vec<String>,
    /// Add an entry to the search path that `<name>` looks in.
    #[arg(short = 'I', value_name = "[NAME=]PATH", value_hint = clap::ValueHint::AnyPath)]
    pub(super) include: Vec<String>,
    /// Allow the environment, the clock and files outside the project to be read.
    #[arg(long)]
    pub(super) impure: bool,
    /// Allow experimental features of the language: `pipe-operators`, `parse-toml-timestamps`.
    #[arg(long, value_name = "FEATURE", value_delimiter = ' ')]
    pub(super) extra_experimental_features: Vec<String>,
    /// Refuse to build during the evaluation what it reads.
    #[arg(long)]
    pub(super) no_allow_import_from_derivation: bool,
    /// Take a warning of the evaluation for an error, which shows what led to it.
    #[arg(long)]
    pub(super) abort_on_warn: bool,
    /// Evaluate, also where the result is known and nothing that it was made from has changed.
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
