//! `clutch doctor`.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::{
    context::Context,
    failure::{Failure, Kind, Outcome},
};
use crate::{
    build::sandbox::{Finding, Health, examine},
    net::index::{Found, IndexError},
    store::Store,
};

pub(super) fn run(context: &Context) -> Outcome {
    // a store that cannot be opened is one finding; report the others too
    let root = context.session.store_root().map_err(Failure::from);
    let store = root.as_ref().map_or(Ok(None), |_| context.store().map(Some));
    let place = store.as_ref().ok().copied().flatten().map(Store::root);
    let mut findings = examine(place);
    let failure = root.as_ref().err().or(store.as_ref().err());
    findings.extend(failure.map(|failure| Finding {
        subject: "store",
        state: Health::Bad,
        found: failure.message.clone(),
        remedies: match failure.hints.is_empty() {
            true => vec!["choose another folder with --store DIR".to_owned()],
            false => failure.hints.clone(),
        },
    }));
    findings.extend(indexes(context));
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
        context.json(&json!({ "store": root.as_ref().ok(), "findings": all }))?;
    } else {
        if let Ok(root) = &root {
            context.line(format!("store  {}", root.display()))?;
        }
        for finding in &findings {
            let colour = match finding.state {
                Health::Good => AnsiColor::Green,
                Health::Limited => AnsiColor::Yellow,
                Health::Bad => AnsiColor::Red,
            };
            let style = Style::new().bold().fg_color(Some(colour.into()));
            let state = word(finding.state);
            let Finding { subject, found, .. } = finding;
            context.line(format!("{style}{state:5}{style:#}  {subject}: {found}"))?;
            for remedy in &finding.remedies {
                context.line(format!("         {remedy}"))?;
            }
        }
    }
    if !context.global.json {
        let works =
            match findings.iter().map(|finding| finding.state).max_by_key(|state| worse(*state)) {
                Some(Health::Bad) => "clutch cannot work here until what says `fail` is mended",
                Some(Health::Limited) => {
                    "clutch works here, but not all of it: see what says `warn`"
                }
                _ => "everything that clutch needs works",
            };
        context.line(works)?;
    }
    if let Some(failure) = failure {
        return Ok(ExitCode::from(failure.kind.code()));
    }
    Ok(if broken { ExitCode::from(Kind::Sandbox.code()) } else { ExitCode::SUCCESS })
}

/// Reports the address of each package index and its origin. A missing address is not a fault of the
/// machine, but files of that index cannot be fetched.
fn indexes(context: &Context) -> Vec<Finding> {
    let finding = |state, found, remedies| Finding { subject: "indexes", state, found, remedies };
    let network = match context.session.network().map_err(Failure::from) {
        Ok(network) => network,
        Err(failure) => return vec![finding(Health::Bad, failure.message, failure.hints)],
    };
    let indexes = network.indexes();
    let names = match indexes.names() {
        Ok(names) => names,
        Err(error) => return vec![finding(Health::Bad, error.to_string(), Vec::new())],
    };
    let look = |name: &String| match indexes.find(name) {
        Ok(Found { address, origin }) => {
            finding(Health::Good, format!("{name} is {address}, from {origin}"), Vec::new())
        }
        Err(IndexError::Unknown { tried, config, .. }) => finding(
            Health::Limited,
            format!("the address of {name} is unknown: {tried}"),
            vec![format!(
                "give its address with --index {name}=URL or in the table [index] of {}",
                config.display()
            )],
        ),
        Err(error) => finding(Health::Bad, error.to_string(), Vec::new()),
    };
    names.iter().map(look).collect()
}

/// How bad a finding is, in comparison.
fn worse(state: Health) -> u8 {
    match state {
        Health::Good => 0,
        Health::Limited => 1,
        Health::Bad => 2,
    }
}

fn word(state: Health) -> &'static str {
    match state {
        Health::Good => "ok",
        Health::Limited => "warn",
        Health::Bad => "fail",
    }
}
