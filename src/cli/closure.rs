//! `clutch closure`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    Outcome, completions,
    context::Context,
    failure::{Failure, Kind, OrFail as _},
    paths::describe,
    show::parse_path,
};
use crate::{closure, store::StoreError, store_path::StorePath};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Store paths, links to them, profiles or pins.
    #[arg(required = true, value_name = "PATH", add = completions::store_paths())]
    paths: Vec<String>,
    /// Show the size of each path, alone and with its dependencies.
    #[arg(short, long)]
    size: bool,
    /// Show why the first path depends on this one.
    #[arg(long, value_name = "PATH", add = completions::store_paths())]
    why: Option<String>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let store = context.store()?;
    let paths =
        arguments.paths.iter().map(|p| parse_path(context, p)).collect::<Result<Vec<_>, _>>()?;
    if let Some(why) = &arguments.why {
        let to = parse_path(context, why)?;
        let chain = closure::why_depends(store, &paths[0], &to).map_err(fail)?;
        let chain = chain.ok_or_else(|| {
            Failure::new(Kind::Failed, format!("'{}' does not need '{to}'", paths[0]))
        })?;
        if context.global.json {
            context.json(&chain.iter().map(ToString::to_string).collect())?;
        } else {
            for (depth, path) in chain.iter().enumerate() {
                context.line(format!("{}{path}", "  ".repeat(depth)))?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let infos = closure::requisites(store, &paths).map_err(fail)?;
    let total: u64 = infos.iter().map(|i| i.size).sum();
    // of each path only where that was asked for: it takes a walk each
    let all: Vec<StorePath> = infos.iter().map(|info| info.path.clone()).collect();
    let sized: &[StorePath] = match (arguments.size, context.global.json) {
        (true, _) => &all,
        (false, true) => &paths,
        (false, false) => &[],
    };
    let sizes = closure::sizes(store, sized).or_fail(Kind::Store)?;
    if context.global.json {
        let paths: Vec<Value> = infos
            .iter()
            .map(|info| {
                let mut value = describe(info);
                value["closureSize"] = sizes.get(&info.path).copied().into();
                value
            })
            .collect();
        context.json(&json!({ "paths": paths, "size": total }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for info in &infos {
        if arguments.size {
            let closure = sizes.get(&info.path).copied().unwrap_or_default();
            context.line(format!(
                "{:>10}  {:>10}  {}",
                bytes(info.size),
                bytes(closure),
                info.path
            ))?;
        } else {
            context.line(info.path.to_string())?;
        }
    }
    if arguments.size {
        context.say(format!("{} in {}", bytes(total), counted(infos.len())));
    }
    Ok(ExitCode::SUCCESS)
}

fn fail(error: StoreError) -> Failure {
    match error {
        StoreError::NotValid(_) => Failure::new(Kind::Failed, error)
            .hint("build it first, or give the store that has it with --store"),
        other => Failure::new(Kind::Store, other),
    }
}

/// A number of paths for people.
pub(super) fn counted(number: usize) -> String {
    format!("{number} path{}", if number == 1 { "" } else { "s" })
}

/// A size for people: three digits and a unit of 1024.
pub(super) fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (size as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match (unit, value) {
        (0, _) => format!("{size} B"),
        (_, v) if v < 9.995 => format!("{v:.2} {}", UNITS[unit]),
        (_, v) if v < 99.95 => format!("{v:.1} {}", UNITS[unit]),
        (_, v) => format!("{v:.0} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_have_three_digits() {
        let shown = [0, 999, 1000, 1024, 1536, 10_240, 1_048_576, 999 << 20, 5 << 40].map(bytes);
        let expected = [
            "0 B", "999 B", "0.98 KiB", "1.00 KiB", "1.50 KiB", "10.0 KiB", "1.00 MiB", "999 MiB",
            "5.00 TiB",
        ];
        assert_eq!(shown, expected);
    }
}
