//! `clutch build --check`: builds again and shows the differences.

use std::{fmt::Write as _, process::ExitCode};

use serde_json::{Value, json};

use super::{
    failure::{Failure, Kind, Outcome},
    quantity::counted,
    work::Work,
};
use crate::{
    build::Verdict,
    difference::{Change, Difference, MOST, Window},
    session::{self, Checked, Evaluation},
    store_path::StorePath,
    tree::NodeKind,
};

/// The number of differences of one output that are shown.
const SHOWN: usize = 20;

/// The number of bytes in a line.
const WIDTH: usize = 16;

pub(super) fn run(work: &Work<'_>, evaluation: &Evaluation, keep_differing: bool) -> Outcome {
    let context = work.context;
    let Checked { verdicts, built } = session::check(work.operation(), evaluation, keep_differing)?;
    let differ = verdicts.values().filter(|verdict| **verdict != Verdict::Same).count();
    if context.global.json {
        let checked: Vec<Value> =
            verdicts.iter().map(|(path, verdict)| document(path, verdict)).collect();
        context.json(&json!({ "checked": checked }))?;
    } else {
        for (path, verdict) in &verdicts {
            context.line(text(path, verdict).trim_end())?;
        }
    }
    built?;
    if differ == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let verb = if differ == 1 { "differs" } else { "differ" };
    let message = format!("{differ} of {} {verb}", counted(verdicts.len(), "output"));
    let failure = Failure::new(Kind::Failed, message);
    Err(match keep_differing {
        true => failure,
        false => failure.hint("use --keep-differing to keep the new outputs"),
    })
}

fn document(path: &StorePath, verdict: &Verdict) -> Value {
    let path = path.to_string();
    match verdict {
        Verdict::Same => json!({ "path": path, "same": true }),
        Verdict::Differs { differences, kept } => {
            let list: Vec<Value> = differences.iter().map(difference).collect();
            json!({ "path": path, "same": false, "differences": list, "kept": kept })
        }
    }
}

fn difference(difference: &Difference) -> Value {
    let pair = |kind: &str, store: Value, rebuilt: Value| json!({ "kind": kind, "store": store, "rebuilt": rebuilt });
    let mut value = match &difference.change {
        Change::Missing => json!({ "kind": "missing" }),
        Change::Added => json!({ "kind": "added" }),
        Change::Order => json!({ "kind": "order" }),
        Change::Kind(a, b) => pair("type", word(*a).into(), word(*b).into()),
        Change::Executable(a, b) => pair("executable", (*a).into(), (*b).into()),
        Change::Target(a, b) => pair("target", a.as_str().into(), b.as_str().into()),
        Change::Field(name, a, b) => {
            let mut value = pair("field", a.as_str().into(), b.as_str().into());
            value["field"] = (*name).into();
            value
        }
        Change::Bytes(window) => {
            let mut value =
                pair("bytes", hex(&window.first, "").into(), hex(&window.second, "").into());
            value["offset"] = window.offset.into();
            value["start"] = window.start.into();
            value["sizes"] = json!([window.sizes.0, window.sizes.1]);
            value
        }
    };
    value["path"] = difference.path.as_str().into();
    value["members"] = json!(difference.members);
    value
}

fn text(path: &StorePath, verdict: &Verdict) -> String {
    let Verdict::Differs { differences, kept } = verdict else {
        return format!("{path} is the same\n");
    };
    let (count, more) =
        (differences.len(), if differences.len() == MOST { " or more" } else { "" });
    let places = if count == 1 { "place" } else { "places" };
    let mut text = format!("{path} differs in {count}{more} {places}:\n");
    for difference in differences.iter().take(SHOWN) {
        let mut place = vec![match difference.path.as_str() {
            "" => "itself".to_owned(),
            path => quoted(path),
        }];
        place.extend(difference.members.iter().map(|name| quoted(name)));
        let _ = writeln!(text, "  {}: {}", place.join(" > "), described(&difference.change));
        if let Change::Bytes(window) = &difference.change {
            show(window, &mut text);
        }
    }
    if count > SHOWN {
        let _ = writeln!(text, "  and {} more; use --json to see all", count - SHOWN);
    }
    if let Some(kept) = kept {
        let _ = writeln!(text, "  kept in {}", kept.display());
    }
    text
}

fn described(change: &Change) -> String {
    let pair = |what: &str, a: &str, b: &str| format!("{what} is {a} in the store, {b} rebuilt");
    match change {
        Change::Missing => "is in the store only".to_owned(),
        Change::Added => "is rebuilt only".to_owned(),
        Change::Order => "the same members in another order".to_owned(),
        Change::Kind(a, b) => pair("it", word(*a), word(*b)),
        Change::Executable(a, _) => {
            let may = |is: bool| if is { "executable" } else { "not executable" };
            pair("it", may(*a), may(!*a))
        }
        Change::Target(a, b) => pair("its target", &quoted(a), &quoted(b)),
        Change::Field(name, a, b) => pair(name, &quoted(a), &quoted(b)),
        Change::Bytes(Window { offset, sizes: (a, b), .. }) if a == b => {
            format!("differs from byte {offset} on, of {a}")
        }
        Change::Bytes(Window { offset, sizes: (a, b), .. }) => {
            format!("differs from byte {offset} on; it has {a} bytes in the store, {b} rebuilt")
        }
    }
}

fn word(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::File => "a file",
        NodeKind::Directory => "a folder",
        NodeKind::Symlink => "a symlink",
    }
}

/// Quotes a text from a build, without anything that could move a terminal's cursor.
fn quoted(text: &str) -> String {
    match text {
        "" => "empty".to_owned(),
        text => text.escape_debug().to_string(),
    }
}

/// The bytes around the first difference.
fn show(window: &Window, text: &mut String) {
    let within = (window.offset - window.start) as usize;
    let from = within.saturating_sub(WIDTH / 2);
    for (whose, bytes) in [("store", &window.first), ("rebuilt", &window.second)] {
        let line = &bytes[from.min(bytes.len())..bytes.len().min(from + WIDTH)];
        let letters: String = line
            .iter()
            .map(|&b| if b.is_ascii_graphic() || b == b' ' { char::from(b) } else { '.' })
            .collect();
        let at = window.start + from as u64;
        let _ = writeln!(text, "    {whose:7}  {at:8}  {:47}  |{letters}|", hex(line, " "));
    }
}

fn hex(bytes: &[u8], between: &str) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(between)
}
