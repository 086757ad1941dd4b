//! Prints the failure of a command, as text or as JSON.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use super::{
    failure::{Failure, Kind},
    output,
};
use crate::{net::address::without_credentials, session::Mismatch};

/// Prints a failure, as text or as JSON.
pub(super) fn report(failure: &Failure, json: bool) {
    if json {
        let (message, exit) = (&failure.message, failure.kind.code());
        let mut error =
            serde_json::json!({ "message": message, "hints": failure.all_hints(), "exit": exit });
        if !failure.mismatches.is_empty() {
            let mismatch = |m: &Mismatch| {
                serde_json::json!({
                    "derivation": m.derivation.to_string(), "name": m.name,
                    "specified": m.specified, "got": m.got.to_string(),
                })
            };
            error["mismatches"] = failure.mismatches.iter().map(mismatch).collect();
        }
        if let Some(at) = &failure.evaluation {
            error["place"] = at.place.clone();
            error["trace"] = at.trace.clone();
        }
        output::say(&without_credentials(&serde_json::json!({ "error": error }).to_string()));
        return;
    }
    let error = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    let hint = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
    match &failure.evaluation {
        Some(at) => output::say(&without_credentials(&at.shown)),
        None => {
            let message = without_credentials(&failure.message);
            output::say(&format!("{error}error:{error:#} {message}"));
        }
    }
    for text in &failure.hints {
        output::say(&format!("{hint}hint:{hint:#} {}", without_credentials(text)));
    }
}

/// Exits after printing.
pub(super) fn printed(done: Result<(), Failure>) -> ExitCode {
    let Err(failure) = done else { return ExitCode::SUCCESS };
    if failure.kind != Kind::Closed {
        report(&failure, false);
    }
    ExitCode::from(failure.kind.code())
}
