//! `clutch verify`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    Outcome,
    context::Context,
    failure::{Kind, OrFail as _},
    show::parse_path,
};
use crate::store::{Fault, Store};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Store paths (default: all).
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// First make the index anew out of what lies in the store: for an index that was lost.
    #[arg(long)]
    rebuild_index: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    if arguments.rebuild_index {
        let (_, rebuilt) = Store::rebuild(&context.store_root()?).or_fail(Kind::Store)?;
        context.say(format!("{} paths were registered anew", rebuilt.registered));
        for (name, why) in &rebuilt.refused {
            context.warn(format!("'{name}' was left out: {why}"));
        }
    }
    let store = context.store()?;
    let paths = match arguments.paths.is_empty() {
        true => store.all().or_fail(Kind::Store)?.into_iter().map(|info| info.path).collect(),
        false => arguments
            .paths
            .iter()
            .map(|text| parse_path(context, text))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let damaged = store.verify(&paths, &|_| {}).or_fail(Kind::Failed)?;
    let told = |fault: &Fault| match fault {
        Fault::Missing => "is missing".to_owned(),
        Fault::Changed { expected, found } => {
            format!("has changed: its tree has hash {found}, expected {expected}")
        }
        Fault::Unreadable(error) => format!("cannot be read: {error}"),
    };
    if context.global.json {
        let damaged: Vec<Value> = damaged
            .iter()
            .map(|d| json!({ "path": d.path.to_string(), "fault": told(&d.fault) }))
            .collect();
        context.json(&json!({ "checked": paths.len(), "damaged": damaged }));
    } else {
        for damage in &damaged {
            context.line(format!("{} {}", damage.path, told(&damage.fault)));
        }
        context.say(format!("{} paths checked, {} damaged", paths.len(), damaged.len()));
    }
    Ok(if damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Kind::Failed.code()) })
}
