//! The options of every command that evaluates.

use std::{
    env,
    io::Read as _,
    path::{Path, PathBuf},
};

use clutch_expr::{show::Style, source::Origin};

use super::{
    completers,
    context::Context,
    failure::{Failure, Kind, OrFail as _},
    measure::Measure,
    progress,
};
use crate::session::{Argument, Expression, Named, SessionError, Source, Subject};

/// The expression and its arguments.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Evaluation options")]
pub(super) struct ExpressionArguments {
    /// Expression file, or folder with a default.nix (default: the current folder).
    #[arg(value_name = "PATH", help_heading = None::<&'static str>, add = completers::store_paths())]
    pub(super) path: Option<PathBuf>,
    /// Use EXPRESSION instead of a file.
    #[arg(short = 'E', long = "expr", value_name = "EXPRESSION", conflicts_with = "path")]
    pub(super) expression: Option<String>,
    /// Select an attribute of the value, such as `tools.hello`; can be repeated.
    #[arg(short = 'A', long = "attr", value_name = "ATTRIBUTE")]
    pub(super) attributes: Vec<String>,
    /// If the expression is a function, call it with NAME = EXPRESSION; can be repeated.
    #[arg(long, num_args = 2, value_names = ["NAME", "EXPRESSION"])]
    pub(super) arg: Vec<String>,
    /// If the expression is a function, call it with NAME = "STRING"; can be repeated.
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
    #[command(flatten)]
    pub(super) end: EndOfSection,
}

/// Ends a group of options, so that later options of a command are not in it.
#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = None::<&'static str>)]
#[group(skip)]
pub(super) struct EndOfSection {}

/// The argument PATH of commands that also take what is in the store.
pub(super) fn any_path(argument: clap::Arg) -> clap::Arg {
    let help = "Expression file, folder with a default.nix, store path, link to one, profile or pin \
                (default: the current folder)";
    if argument.get_id() == "path" { argument.help(help) } else { argument }
}

/// The argument PATH of the repl.
pub(super) fn loaded_path(argument: clap::Arg) -> clap::Arg {
    let help = "Expression file, or folder with a default.nix, to load";
    if argument.get_id() == "path" { argument.help(help) } else { argument }
}

impl ExpressionArguments {
    /// The expression; `default.nix` in the current folder by default.
    pub(super) fn expression(&self, context: &Context) -> Result<Expression, Failure> {
        let path = self.file().unwrap_or(Path::new("default.nix"));
        let source = match self.text()? {
            Some(source) => source,
            None => Source::file(path)?,
        };
        Ok(self.of(context, source))
    }

    /// The subject to build: a derivation by its path, or an expression.
    pub(super) fn subject(&self, context: &Context) -> Result<Subject, Failure> {
        self.to_build(context, |path| Named::without_links(&context.session, path))
    }

    /// The named thing: a store path (by path, link, profile or pin) or an expression.
    pub(super) fn named(&self, context: &Context) -> Result<Subject, Failure> {
        self.to_build(context, |path| Named::find(&context.session, path))
    }

    /// The same, but a path inside a store path stands for that store path.
    pub(super) fn named_within(&self, context: &Context) -> Result<Subject, Failure> {
        self.to_build(context, |path| Named::within(&context.session, path))
    }

    fn to_build(
        &self,
        context: &Context,
        find: impl FnOnce(&Path) -> Result<Named, SessionError>,
    ) -> Result<Subject, Failure> {
        let Some(path) = self.file() else {
            return Ok(Subject::Expression(Box::new(self.expression(context)?)));
        };
        Ok(match find(path)? {
            Named::Stored(path) => Subject::Stored(path),
            Named::Expression(source) => Subject::Expression(Box::new(self.of(context, source))),
        })
    }

    /// The path argument, unless it is `-`.
    fn file(&self) -> Option<&Path> {
        self.path.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// The expression given as text.
    fn text(&self) -> Result<Option<Source>, Failure> {
        if let Some(text) = &self.expression {
            return Ok(Some(Source::Text(Origin::Text, text.clone().into_bytes())));
        }
        if self.path.is_none() || self.file().is_some() {
            return Ok(None);
        }
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).or_fail(Kind::Usage)?;
        Ok(Some(Source::Text(Origin::Stdin, text)))
    }

    /// The expression with its options.
    pub(super) fn of(&self, context: &Context, source: Source) -> Expression {
        let pairs = |words: &[String], argument: fn(String) -> Argument| {
            let pair = |pair: &[String]| (pair[0].clone(), argument(pair[1].clone()));
            words.chunks_exact(2).map(pair).collect::<Vec<_>>()
        };
        let mut arguments = pairs(&self.arg, Argument::Expression);
        arguments.extend(pairs(&self.argstr, Argument::Text));
        Expression {
            source,
            attributes: self.attributes.clone(),
            arguments,
            search_path: self.include.clone(),
            impure: self.impure,
            features: self.extra_experimental_features.clone(),
            import_from_derivation: !self.no_allow_import_from_derivation,
            abort_on_warn: self.aborts_on_warn(),
            trace_verbose: context.global.verbose > 0,
            cached: !self.no_eval_cache,
            eager: true,
            profiled: self.measure.eval_profile.is_some(),
            memory: self.measure.max_eval_memory,
            style: style(context),
        }
    }

    /// True if a warning is an error, by option or, as in Nix, by an environment variable.
    fn aborts_on_warn(&self) -> bool {
        let asked = || env::var("NIX_ABORT_ON_WARN").unwrap_or_default();
        self.abort_on_warn || self.impure && ["1", "true", "yes"].contains(&asked().as_str())
    }
}

/// The style of evaluation errors.
fn style(context: &Context) -> Style {
    let given = env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let width = given.or_else(progress::columns).unwrap_or(100);
    Style { colour: context.colours(), trace: context.global.show_trace, width }
}
