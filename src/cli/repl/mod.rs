//! `clutch repl`: evaluates expressions as they are typed. One evaluation and its arena last until `:r`,
//! which starts again with the loaded files. The definitions form a growing set
//! (`clutch_expr::eval::Line`).

mod command;
mod completion;
mod evaluator;
mod input;
mod named;
mod quiet;
mod state;

use std::{path::Path, process::ExitCode};

use self::{
    evaluator::Evaluator,
    named::named,
    quiet::Quiet,
    state::{End, Repl},
};
use super::{
    build_options::BuildArguments,
    context::Context,
    expression::ExpressionArguments,
    failure::{Failure, Kind, Outcome},
    work::Work,
};
use crate::session::{self, EvalRealiser};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    expression: ExpressionArguments,
    #[command(flatten)]
    build: BuildArguments,
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
    let realiser = Quiet::new(inner);
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
