//! `clutch gc`, `clutch why-alive` and `clutch pin`: what goes, and what keeps the rest.

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{
    Outcome,
    closure::bytes,
    context::Context,
    failure::{Failure, Kind, OrFail as _},
    show::parse_path,
};
use crate::{
    evaluate,
    store::{Holder, Limits},
};

#[derive(clap::Args)]
pub(super) struct GcArguments {
    /// Say what would be removed; remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Keep what was used in the last N days, with all that it needs.
    #[arg(long, value_name = "N")]
    keep_days: Option<u64>,
    /// Stop when so many bytes are free; with a unit such as 500M or 2G.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_freed: Option<u64>,
    /// Stop when the store has no more than so many bytes.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
}

#[derive(clap::Args)]
pub(super) struct WhyArguments {
    /// A store path.
    path: String,
}

#[derive(clap::Args)]
pub(super) struct PinArguments {
    /// The name of the pin.
    name: String,
    /// The path to keep; without one the pin is removed.
    path: Option<String>,
    /// Keep it for N days.
    #[arg(long, value_name = "N", requires = "path")]
    days: Option<u64>,
}

pub(super) fn gc(context: &Context, arguments: &GcArguments) -> Outcome {
    let store = context.store()?;
    let limits = Limits {
        keep_days: arguments.keep_days,
        max_freed: arguments.max_freed,
        max_size: arguments.max_size,
    };
    let collected = match arguments.dry_run {
        true => store.garbage(limits),
        false => store.collect(limits),
    }
    .or_fail(Kind::Store)?;
    if !arguments.dry_run {
        evaluate::cache::sweep(store).or_fail(Kind::Store)?;
    }
    if context.global.json {
        let paths: Vec<String> = collected.paths.iter().map(ToString::to_string).collect();
        context.json(&json!({ "paths": paths, "size": collected.size, "freed": collected.freed }));
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.dry_run {
        for path in &collected.paths {
            context.line(path.to_string());
        }
    }
    let would = if arguments.dry_run { "would be " } else { "" };
    let (number, freed) = (collected.paths.len(), bytes(collected.freed));
    context.say(format!("{number} paths {would}removed, {freed} {would}freed"));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn why_alive(context: &Context, arguments: &WhyArguments) -> Outcome {
    let path = parse_path(context, &arguments.path)?;
    let why = context.store()?.why_alive(&path).or_fail(Kind::Failed)?;
    if context.global.json {
        let value = why.map_or(Value::Null, |(root, chain)| {
            let chain: Vec<String> = chain.iter().map(ToString::to_string).collect();
            json!({ "root": root.holder.to_string(), "kind": kind(&root.holder), "chain": chain })
        });
        context.json(&value);
        return Ok(ExitCode::SUCCESS);
    }
    match why {
        None => context.line("nothing keeps it: the next `clutch gc` may remove it"),
        Some((root, chain)) => {
            context.line(root.holder.to_string());
            for (depth, path) in chain.iter().enumerate() {
                context.line(format!("{}{path}", "  ".repeat(depth + 1)));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn kind(holder: &Holder) -> &'static str {
    match holder {
        Holder::Link(_) => "link",
        Holder::Pin(_) => "pin",
        Holder::Command(_) => "command",
        Holder::Process(_) => "process",
    }
}

pub(super) fn pin(context: &Context, arguments: &PinArguments) -> Outcome {
    let store = context.store()?;
    let Some(text) = &arguments.path else {
        return match store.unpin(&arguments.name).or_fail(Kind::Store)? {
            true => Ok(ExitCode::SUCCESS),
            false => {
                let message = format!("there is no pin '{}'", arguments.name);
                Err(Failure::new(Kind::Failed, message))
            }
        };
    };
    let path = parse_path(context, text)?;
    store.keep([&path]).or_fail(Kind::Store)?;
    if !store.is_valid(&path).or_fail(Kind::Store)? {
        return Err(Failure::new(Kind::Failed, format!("'{path}' is not in the store")));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
    let until = arguments.days.map(|days| now.saturating_add(days.saturating_mul(86_400)));
    store.pin(&arguments.name, &path, until).or_fail(Kind::Store)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a number of bytes with an optional unit of 1024.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        unit => return Err(format!("unknown unit '{unit}', expected K, M, G or T")),
    };
    let number: u64 = digits.parse().map_err(|_| "expected a number, such as 500M".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(size("12"), Ok(12));
        assert_eq!(size("2G"), Ok(2 << 30));
        assert_eq!(size("500MiB"), Ok(500 << 20));
        for text in ["", "G", "1.5G", "5X", "99999999999999T"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
