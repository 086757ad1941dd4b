//! `clutch log`: the output of a build.

use std::{
    collections::BTreeSet,
    io::{self, Read as _},
    process::ExitCode,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    build_options::BuildArguments,
    context::Context,
    expression::ExpressionArguments,
    failure::{Failure, Kind, Outcome},
    output,
    work::Work,
};
use crate::{
    session::{self, Subject},
    store::{LogReader, Store, StoreError},
    store_path::StorePath,
};

/// The interval between two looks at a followed log.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    expression: ExpressionArguments,
    #[command(flatten)]
    build: BuildArguments,
    /// Keep printing until the build ends.
    #[arg(short, long)]
    follow: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let derivations = derivations(context, arguments)?;
    let store = context.store()?;
    let mut logs = Vec::new();
    let mut missing = Vec::new();
    for derivation in derivations {
        match store.log(&derivation).map_err(StoreError::from)? {
            Some(log) => logs.push((derivation, log)),
            None => missing.push(derivation),
        }
    }
    if context.global.json && missing.is_empty() {
        let all = logs.into_iter().map(|(d, log)| describe(&d, log)).collect::<Result<Value, _>>();
        context.json(&all.map_err(StoreError::from)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let several = logs.len() + missing.len() > 1;
    for (derivation, log) in logs {
        if several {
            context.say(format!("log of {derivation}:"));
        }
        show(context, store, &derivation, log, arguments.follow)?;
    }
    match missing.first() {
        None => Ok(ExitCode::SUCCESS),
        Some(derivation) => Err(nothing(store, derivation, arguments.follow)?),
    }
}

/// The derivation of an argument: itself, that of a store path, or that of an expression.
fn derivations(context: &Context, arguments: &Arguments) -> Result<BTreeSet<StorePath>, Failure> {
    let subject = arguments.expression.named_within(context)?;
    let Subject::Stored(path) = subject else {
        let work = Work::new(context, &arguments.build, Some(&arguments.expression.measure));
        let evaluation = session::evaluate(work.operation(), &subject)?;
        return Ok(evaluation.targets.into_iter().map(|target| target.derivation).collect());
    };
    if path.is_derivation() {
        return Ok(BTreeSet::from([path]));
    }
    let store = context.store()?;
    if let Some(deriver) = store.glimpse(&path)?.and_then(|i| i.deriver) {
        return Ok(BTreeSet::from([deriver]));
    }
    let makers = store.makers([&path])?;
    if makers.is_empty() {
        let message = format!(
            "no derivation in this store makes '{path}': it was imported, or is a source, and has no \
             log here"
        );
        return Err(Failure::new(Kind::Failed, message)
            .hint("give the derivation, or its expression: `clutch log FILE -A ATTRIBUTE`"));
    }
    Ok(makers.into_iter().map(|maker| maker.derivation).collect())
}

/// Prints a log, with `follow` up to the end of its build. Removes control sequences for a terminal.
fn show(
    context: &Context,
    store: &Store,
    derivation: &StorePath,
    mut log: LogReader,
    follow: bool,
) -> Result<(), Failure> {
    let mut written = 0;
    let is_terminal = output::is_terminal();
    // bytes that may be the start of a sequence
    let mut held: Vec<u8> = Vec::new();
    let ran = log.is_running().map_err(StoreError::from)?;
    loop {
        // ask before reading, so that the last lines are not missed
        let running = log.is_running().map_err(StoreError::from)?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = log.read(&mut buffer).map_err(StoreError::from)?;
            written += count;
            let is_last = count == 0 && !(follow && running);
            if is_terminal {
                held.extend(&buffer[..count]);
                let (text, used) = output::visible(&held, is_last);
                held.drain(..used);
                output::show(&text)?;
            } else if count > 0 {
                context.print(&buffer[..count])?;
            }
            if count == 0 {
                break;
            }
        }
        if !follow || !running {
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    if is_terminal && written > 0 {
        // reset a colour that the build left on
        output::show("\u{1b}[0m")?;
    }
    if follow && ran {
        context.say(match is_built(store, derivation)? {
            true => "the build succeeded",
            false => "the build failed or was stopped",
        });
    } else if ran {
        context.say("the build is still running; use -f to follow it");
    } else if written == 0 {
        context.say(
            match (log.is_complete().map_err(StoreError::from)?, is_built(store, derivation)?) {
                (true, _) => "the log is empty: the build printed nothing",
                (false, true) => "the log is lost: the machine lost power soon after the build",
                (false, false) => {
                    "the log is empty: the build was stopped before it printed anything"
                }
            },
        );
    }
    Ok(())
}

/// True if all outputs of a derivation are valid.
fn is_built(store: &Store, derivation: &StorePath) -> Result<bool, Failure> {
    let outputs = store.read_derivation(derivation)?.outputs;
    let valid = store.glimpse_valid(outputs.values().map(|output| &output.path))?;
    Ok(valid.len() == outputs.len())
}

fn describe(derivation: &StorePath, mut log: LogReader) -> io::Result<Value> {
    let mut text = Vec::new();
    let running = log.is_running()?;
    log.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    Ok(json!({ "derivation": derivation.to_string(), "running": running, "log": text }))
}

/// The failure if there is no log.
fn nothing(store: &Store, derivation: &StorePath, follow: bool) -> Result<Failure, Failure> {
    let failure = |text: &str| Failure::new(Kind::Failed, format!("'{derivation}' {text}"));
    if store.glimpse(derivation)?.is_none() {
        return Ok(failure("is not in this store and has no log")
            .hint("its output was imported, or the derivation was deleted"));
    }
    let built = is_built(store, derivation)?;
    Ok(failure("has no log in this store").hint(match (built, follow) {
        (true, _) => "its output was imported, or the log was deleted",
        (false, true) => "it is not being built now; start the build, then follow it",
        (false, false) => "it was never built here",
    }))
}
