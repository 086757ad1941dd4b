//! `clutch repl`: evaluates expressions as they are typed. One evaluation and its arena last until `:r`,
//! which starts again with the loaded files. The definitions form a growing set
//! (`clutch_expr::eval::Line`).

mod command;
mod completion;
mod evaluator;
mod input;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use clutch_expr::host::{HostError, HostResult};

use self::evaluator::Evaluator;
use super::{
    build_options::BuildArguments,
    context::Context,
    expression::ExpressionArguments,
    failure::{Failure, Kind, Outcome},
    work::Work,
};
use crate::{
    evaluate::Realise,
    git::{Commit, Revision},
    session::{self, EvalRealiser, Expression, Source},
    store::Store,
    store_path::StorePath,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    expression: ExpressionArguments,
    #[command(flatten)]
    build: BuildArguments,
}

/// The end of one evaluation.
enum End {
    /// The input ended.
    Quit,
    /// `:r` was typed.
    Reload,
}

/// The state that outlives an evaluation.
struct Repl<'c> {
    context: &'c Context,
    realiser: &'c Quiet<'c>,
    /// The files of `:l`, to load again.
    loaded: Vec<PathBuf>,
    /// True if a line failed.
    failed: bool,
    /// The failure of printing, if any.
    mute: Option<Failure>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    if arguments.expression.path.as_deref() == Some(Path::new("-")) {
        let message =
            "the repl reads its lines from standard input and cannot load an expression from there";
        return Err(Failure::new(Kind::Usage, message).hint("give a file or -E EXPRESSION"));
    }
    let lines = input::Lines::new();
    if lines.is_terminal() {
        context.say(format!("clutch {}; `:?` for help", env!("CARGO_PKG_VERSION")));
    }
    let work = Work::new(context, &arguments.build, Some(&arguments.expression.measure));
    let inner = EvalRealiser { operation: work.operation() };
    let realiser = Quiet { inner, completing: AtomicBool::new(false) };
    let mut repl =
        Repl { context, realiser: &realiser, loaded: Vec::new(), failed: false, mute: None };
    loop {
        let named = named(context, &arguments.expression)?;
        let host = session::host(&context.session, &named.expression, &realiser)?;
        let end = session::with(&host, &named.expression, &work, |it| {
            Ok(lines.run(Evaluator::new(&mut repl, &named, it)))
        })?;
        if let End::Quit = end {
            break;
        }
    }
    if let Some(failure) = repl.mute {
        return Err(failure);
    }
    // at a terminal the user has seen the failure; a program needs the exit code
    let failed = repl.failed && !lines.is_terminal();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The expression of the arguments.
struct Named {
    expression: Expression,
    /// Loads it, or returns the failure; `None` without an expression.
    loads: Option<Result<(), Failure>>,
}

fn named(context: &Context, arguments: &ExpressionArguments) -> Result<Named, Failure> {
    let is_named = arguments.path.is_some() || arguments.expression.is_some();
    let (expression, loads) = match arguments.expression(context) {
        Ok(expression) => (expression, Ok(())),
        Err(failure) => {
            let path = arguments.path.as_deref().unwrap_or(Path::new("default.nix"));
            let source = Source::File(session::absolute(path)?);
            (arguments.of(context, source), Err(failure))
        }
    };
    Ok(Named { expression, loads: is_named.then_some(loads) })
}

/// Builds and prints for the language, except during completion.
struct Quiet<'c> {
    inner: EvalRealiser<'c>,
    completing: AtomicBool,
}

impl Realise for Quiet<'_> {
    fn realise(
        &self,
        targets: &[(StorePath, std::collections::BTreeSet<String>)],
    ) -> HostResult<()> {
        if self.completing.load(Ordering::Relaxed) {
            return Err(HostError::new("completion does not build"));
        }
        self.inner.realise(targets)
    }

    fn fetch_revision(&self, revision: &Revision, to: &Path, scratch: &Path) -> HostResult<Commit> {
        if self.completing.load(Ordering::Relaxed) {
            return Err(HostError::new("completion does not fetch"));
        }
        self.inner.fetch_revision(revision, to, scratch)
    }

    fn count_revisions(&self, revision: &Revision, scratch: &Path) -> HostResult<u64> {
        if self.completing.load(Ordering::Relaxed) {
            return Err(HostError::new("completion does not fetch"));
        }
        self.inner.count_revisions(revision, scratch)
    }

    fn store(&self) -> HostResult<&Store> {
        self.inner.store()
    }

    fn message(&self, text: &str, warning: bool) {
        if !self.completing.load(Ordering::Relaxed) {
            self.inner.message(text, warning);
        }
    }
}
