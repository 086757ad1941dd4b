//! The cases in the folders beside this file: `NAME.nix` and what comes of it, `NAME.exp`.
//!
//! - `parse/ok`: the tree as `nix-instantiate --parse` prints it
//! - `eval/ok`: the value as `nix-instantiate --eval --strict` prints it
//! - `parse/fail`, `eval/fail`: the error as text
//!
//! `UPDATE=1` writes the expectations that are missing or differ.

mod support;

use std::path::Path;

type Run = fn(&Path) -> Result<String, String>;

#[test]
fn parse_ok() {
    all("parse/ok", support::parse_file, true);
}

#[test]
fn parse_fail() {
    all("parse/fail", support::parse_file, false);
}

#[test]
fn eval_ok() {
    all("eval/ok", support::eval_file, true);
}

#[test]
fn eval_fail() {
    all("eval/fail", support::eval_file, false);
}

fn all(folder: &str, run: Run, succeeds: bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<_> = fs_err::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "nix"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no cases", folder.display());
    let mut failed = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let result = run(file);
        let text = match (&result, succeeds) {
            (Ok(text), true) => format!("{text}\n"),
            // what is shown must not depend on where the project is
            (Err(error), false) => error.replace(folder.to_str().unwrap(), "/cases"),
            (Ok(text), false) => {
                failed.push(format!("{name}: should fail, gives {text}"));
                continue;
            }
            (Err(error), true) => {
                failed.push(format!("{name}: {error}"));
                continue;
            }
        };
        failed.extend(support::differs(file, &text));
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases fail:\n{}",
        failed.len(),
        files.len(),
        failed.join("\n")
    );
}
