//! A file for every builtin, in the folder `builtins` beside this one: a set of
//!
//! - `normal`: what it is for
//! - `edge`: empty, largest, lazy, odd
//! - `fail`: a set of calls each of which is an error; builtins that are no functions have none
//!
//! Beside it, in `NAME.exp`, is what comes of it: values as `nix-instantiate --eval --strict` prints
//! them, and our messages. `UPDATE=1` writes the expectations that are missing or differ.

mod support;

use std::{collections::BTreeSet, path::Path};

use clutch_expr::{eval::PrintOptions, value::AttrsBuilder};
use support::evaluate;

#[test]
fn every_builtin_has_normal_edge_and_error_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/builtins");
    let names = support::eval_text("toString (builtins.attrNames builtins)").unwrap();
    let names: BTreeSet<&str> = names.trim_matches('"').split(' ').collect();
    let with_cases: BTreeSet<String> = fs_err::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            Some(entry.unwrap().file_name().to_str()?.strip_suffix(".nix")?.to_owned())
        })
        .collect();
    let with_cases: BTreeSet<&str> = with_cases.iter().map(String::as_str).collect();
    assert!(names.len() > 100, "{names:?}");
    assert_eq!(names, with_cases, "every builtin has a file in {}", folder.display());
    let mut wrong = Vec::new();
    for name in names {
        let file = folder.join(format!("{name}.nix"));
        let text = match outcome(&file) {
            Ok(text) => text.replace(folder.to_str().unwrap(), "/builtins"),
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let function = support::eval_text(&format!("builtins.isFunction builtins.{name}"));
        for part in ["normal: [ ", "edge: [ ", "fail."] {
            let wanted = part != "fail." || function == Ok("true".to_owned());
            if text.lines().any(|line| line.starts_with(part)) != wanted {
                wrong.push(format!("{name}: cases of `{part}`: expected {wanted}, in:\n{text}"));
            }
        }
        let uses = fs_err::read_to_string(&file).unwrap();
        if !uses.contains(name) {
            wrong.push(format!("{name}: its own file does not use it"));
        }
        wrong.extend(support::differs(&file, &text));
    }
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A line for each part of a file of cases.
fn outcome(file: &Path) -> Result<String, String> {
    let text = evaluate(|it| {
        let root = it.import(file)?;
        let none = AttrsBuilder::default().build(it.arena);
        let mut text = Vec::new();
        for part in ["normal", "edge"] {
            let value = it.at_path(root, part, none)?;
            it.force_deep(value)?;
            let shown = it.print(value, PrintOptions::PLAIN)?;
            text.extend([part.as_bytes(), b": ", &shown, b"\n"].concat());
        }
        let root = it.attrs(root)?;
        let fail = it.symbols.intern(b"fail");
        let Some(cases) = root.get(fail) else { return Ok(text) };
        let cases = it.force(cases)?;
        let cases = it.as_attrs(cases)?;
        for (key, slot) in it.sorted_attrs(cases) {
            let name = it.symbols.show(key.symbol);
            let line = match it.force(slot).and_then(|value| it.force_deep(value)) {
                Err(error) => format!("fail.{name}: {}\n", error.message()),
                Ok(()) => format!("{name} SUCCEEDS, and should fail\n"),
            };
            text.extend(line.into_bytes());
        }
        Ok(text)
    })?;
    match text.contains("SUCCEEDS") {
        true => Err(text),
        false => Ok(text),
    }
}
