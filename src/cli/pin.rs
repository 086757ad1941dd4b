//! `clutch pin`: names that keep paths.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    completers,
    context::Context,
    failure::{Failure, Kind, Outcome},
    quantity::days,
    time,
};
use crate::{store::Pin, store_path::check_name};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Name of the pin; if omitted, list all pins.
    #[arg(add = completers::pins())]
    name: Option<String>,
    /// Store path to keep, link to one, profile or other pin; if omitted, show the pin.
    #[arg(requires = "name", add = completers::store_paths())]
    path: Option<String>,
    /// End the pin after N days.
    #[arg(long, value_name = "N", requires = "path", value_parser = days)]
    days: Option<u64>,
    /// End the pin at TIME (UTC), such as 2026-12-31 or 2026-12-31T18:00:00Z.
    #[arg(long, value_name = "TIME", requires = "path", conflicts_with = "days", value_parser = time::parse)]
    until: Option<u64>,
    /// Remove the pin.
    #[arg(long, requires = "name", conflicts_with = "path")]
    remove: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let store = context.store()?;
    if let Some(name) = &arguments.name {
        check_name(name)?;
    }
    let Some(name) = &arguments.name else {
        return list(context, &store.pins()?);
    };
    let none = || {
        Failure::new(Kind::Failed, format!("pin '{name}' does not exist"))
            .hint("to list all pins, run `clutch pin`; to create one, run `clutch pin NAME PATH`")
    };
    if arguments.remove || arguments.path.is_some() {
        store.need_writable()?;
    }
    if arguments.remove {
        return match store.unpin(name)? {
            true => Ok(ExitCode::SUCCESS),
            false => Err(none()),
        };
    }
    let Some(text) = &arguments.path else {
        let mut pins = store.pins()?;
        pins.retain(|pin| pin.name == *name);
        return if pins.is_empty() { Err(none()) } else { list(context, &pins) };
    };
    let path = context.valid(text)?;
    let until = arguments.until.or_else(|| arguments.days.map(time::in_days));
    if until.is_some_and(|until| until <= time::now()) {
        return Err(Failure::new(Kind::Usage, "the time of --until is in the past"));
    }
    store.pin(name, &path, until)?;
    Ok(ExitCode::SUCCESS)
}

fn list(context: &Context, pins: &[Pin]) -> Outcome {
    if context.global.json {
        let pins: Vec<Value> = pins
            .iter()
            .map(
                |pin| json!({ "name": pin.name, "path": pin.path.to_string(), "until": pin.until }),
            )
            .collect();
        context.json(&pins.into())?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = pins.iter().map(|pin| pin.name.len()).max().unwrap_or(0);
    for pin in pins {
        let until = match pin.until {
            None => String::new(),
            Some(until) if pin.has_ended() => format!("  expired {}", time::show(until)),
            Some(until) => format!("  until {}", time::show(until)),
        };
        context.line(format!("{:width$}  {}{until}", pin.name, pin.path))?;
    }
    Ok(ExitCode::SUCCESS)
}
