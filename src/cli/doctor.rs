//! `clutch doctor`.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::{Outcome, context::Context, failure::Kind};
use crate::build::sandbox::{Health, examine};

pub(super) fn run(context: &Context) -> Outcome {
    // a store that cannot be opened is a finding of its own: the rest is told all the same
    let root = context.store_root()?;
    let store = context.store();
    let place = if store.is_ok() { root.clone() } else { std::env::temp_dir() };
    let findings = examine(&place);
    let broken = findings.iter().any(|f| f.state == Health::Bad);
    if context.global.json {
        let all: Vec<Value> = findings
            .iter()
            .map(|f| {
                json!({
                    "subject": f.subject, "state": word(f.state), "found": f.found,
                    "remedies": f.remedies,
                })
            })
            .collect();
        context.json(&json!({ "store": root, "findings": all }));
    } else {
        anstream::println!("store  {}", root.display());
        for finding in &findings {
            let colour = match finding.state {
                Health::Good => AnsiColor::Green,
                Health::Limited => AnsiColor::Yellow,
                Health::Bad => AnsiColor::Red,
            };
            let style = Style::new().bold().fg_color(Some(colour.into()));
            let state = word(finding.state);
            anstream::println!("{style}{state:5}{style:#}  {}: {}", finding.subject, finding.found);
            for remedy in &finding.remedies {
                anstream::println!("         {remedy}");
            }
        }
    }
    store?;
    Ok(if broken { ExitCode::from(Kind::Sandbox.code()) } else { ExitCode::SUCCESS })
}

fn word(state: Health) -> &'static str {
    match state {
        Health::Good => "ok",
        Health::Limited => "warn",
        Health::Bad => "fail",
    }
}
