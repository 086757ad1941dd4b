//! A host for tests: real files, and a store that only computes paths.
#![allow(dead_code)] // each test uses its part

use std::path::{Path, PathBuf};

use clutch_expr::eval::{Builtin, Interpreter, Library, Options, PrintOptions};
use clutch_expr::evaluation::with_interpreter;
use clutch_expr::hash::{Algorithm, Format};
use clutch_expr::host::{
    AddPath, DerivationPaths, DerivationRequest, FetchRequest, FetchValue, Fetched, FileType,
    Filter, Host, HostError, HostResult, Reference,
};
use clutch_expr::show::{self, Style};
use clutch_expr::source::Origin;
use clutch_expr::value::Value;

/// A library with one function.
static LIBRARY: Library = Library {
    files: &[
        ("default.nix", b"{ twice = host.twice 21; apply = n: host.twice n; }"),
        ("folder/text", b"a text"),
        ("scoped.nix", b"host.twice x"),
    ],
    entries: &[("library", ""), ("folder", "folder")],
    functions: &[Builtin::new("twice", 1, |it, args| Ok(Value::Int(it.int(args[0])? * 2)))],
};

/// Reads what is there, keeps nothing, knows no environment.
pub(crate) struct TestHost;

/// Holds what came of a case file against the expectation beside it, `NAME.exp`; gives what is wrong.
/// `UPDATE=1` writes the expectation that is missing or differs.
pub(crate) fn differs(case: &Path, text: &str) -> Option<String> {
    let name = case.file_stem().unwrap().display();
    let expectation = case.with_extension("exp");
    let expected = fs_err::read_to_string(&expectation).ok();
    if expected.as_deref() == Some(text) {
        return None;
    }
    if std::env::var_os("UPDATE").is_some() {
        fs_err::write(&expectation, text).unwrap();
        return None;
    }
    Some(match expected {
        Some(expected) => format!("{name}:\n  expected\n{expected}\n  got\n{text}"),
        None => format!("{name}: {} is missing; UPDATE=1 writes it", expectation.display()),
    })
}

fn refuse<T>(message: impl std::fmt::Display) -> HostResult<T> {
    Err(HostError::new(message.to_string()))
}

/// A path that depends on everything that it is made of.
fn made_up(name: &str, of: &dyn std::fmt::Debug) -> String {
    let digest = Algorithm::Blake3.digest(format!("{of:?}").as_bytes()).format(Format::Nix32);
    format!("/nix/store/{}-{name}", &digest[..32])
}

fn file_type(kind: std::fs::FileType) -> FileType {
    if kind.is_dir() {
        FileType::Directory
    } else if kind.is_symlink() {
        FileType::Symlink
    } else if kind.is_file() {
        FileType::Regular
    } else {
        FileType::Unknown
    }
}

impl Host for TestHost {
    fn read_file(&self, path: &Path, _: u64) -> HostResult<Vec<u8>> {
        fs_err::read(path).or_else(refuse)
    }

    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        let read = || -> std::io::Result<Vec<_>> {
            fs_err::read_dir(path)?
                .map(|entry| {
                    let entry = entry?;
                    let name = entry.file_name().as_encoded_bytes().to_vec();
                    Ok((name, file_type(entry.file_type()?)))
                })
                .collect()
        };
        read().or_else(refuse)
    }

    fn file_type(&self, path: &Path) -> HostResult<Option<FileType>> {
        match fs_err::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(file_type(metadata.file_type()))),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => refuse(error),
            Err(_) => Ok(None),
        }
    }

    fn resolve(&self, path: &Path) -> HostResult<PathBuf> {
        fs_err::canonicalize(path).or_else(refuse)
    }

    fn search_path(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "LANGUAGE_CASE").then(|| "its value".to_owned())
    }

    fn home(&self) -> Option<PathBuf> {
        None
    }

    fn current_system(&self) -> Option<String> {
        Some("x86_64-linux".to_owned())
    }

    fn has_clock(&self) -> bool {
        true
    }

    fn current_time(&self) -> i64 {
        1
    }

    fn store_dir(&self) -> &str {
        "/nix/store"
    }

    fn placeholder(&self, output: &str) -> String {
        made_up(output, &"placeholder")
    }

    fn add_text(&self, name: &str, text: &[u8], references: &[String]) -> HostResult<String> {
        if name.contains('/') {
            return refuse(format!("name '{name}' contains invalid characters"));
        }
        Ok(made_up(name, &(text, references)))
    }

    fn add_path(&self, request: &AddPath, _: Option<&mut Filter<'_>>) -> HostResult<String> {
        if fs_err::symlink_metadata(&request.path).is_err() {
            return refuse(format!("path '{}' does not exist", request.path.display()));
        }
        Ok(made_up(&request.name, request))
    }

    fn derivation(&self, request: DerivationRequest) -> HostResult<DerivationPaths> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-._?=".contains(c);
        if !request.name.chars().all(is_plain) {
            return refuse(format!("name '{}' contains invalid characters", request.name));
        }
        // where it was defined does not matter
        let request = DerivationRequest { position: None, ..request };
        let outputs = request
            .outputs
            .iter()
            .map(|output| {
                let suffix = if output == "out" { String::new() } else { format!("-{output}") };
                (output.clone(), made_up(&format!("{}{suffix}", request.name), &(output, &request)))
            })
            .collect();
        Ok(DerivationPaths {
            drv_path: made_up(&format!("{}.drv", request.name), &request),
            outputs,
        })
    }

    fn realise(&self, _: &[Reference]) -> HostResult<()> {
        refuse("nothing is built here")
    }

    fn store_path(&self, path: &Path) -> HostResult<String> {
        match path.strip_prefix("/nix/store").ok().and_then(|rest| rest.iter().next()) {
            Some(base) => Ok(format!("/nix/store/{}", base.display())),
            None => refuse(format!("path '{}' is not in the store", path.display())),
        }
    }

    fn references(&self, path: &Path) -> HostResult<Vec<String>> {
        self.store_path(path).map(|own| vec![own])
    }

    fn fetch(&self, request: &FetchRequest) -> HostResult<Fetched> {
        let hash = ["sha256", "narHash", "rev"];
        if !request.args.iter().any(|(name, _)| hash.contains(&name.as_str())) {
            return refuse(format!("'{}' without a hash fetches nothing here", request.builtin));
        }
        let path = made_up("source", request);
        let kept = |(name, _): &&(String, _)| !["url", "type"].contains(&name.as_str());
        let attrs = request.args.iter().filter(kept).cloned().collect();
        let later = if request.builtin == "fetchGit" { vec!["revCount"] } else { Vec::new() };
        Ok(Fetched { path, attrs, later })
    }

    fn fetch_later(&self, request: &FetchRequest, attribute: &str) -> HostResult<FetchValue> {
        match request.args.iter().find(|(name, _)| name == "ref") {
            Some(_) => Ok(FetchValue::String(format!("{attribute} of {}", request.builtin))),
            None => refuse("there is no history"),
        }
    }

    fn trace(&self, _: &str) {}

    fn warn(&self, _: &str) {}
}

/// The tree of a file as text.
pub(crate) fn parse_file(file: &Path) -> Result<String, String> {
    evaluate(|it| {
        let text = fs_err::read(file).unwrap();
        let folder = file.parent().unwrap().as_os_str().as_encoded_bytes();
        it.show_parsed(Origin::File(file.as_os_str().as_encoded_bytes().to_vec()), text, folder)
    })
}

/// The value of a file, computed whole, as text.
pub(crate) fn eval_file(file: &Path) -> Result<String, String> {
    evaluate(|it| {
        let value = it.import(file)?;
        it.force_deep(value)?;
        it.print(value, PrintOptions::PLAIN)
    })
}

/// The value of a text, computed whole, as text.
pub(crate) fn eval_text(text: &str) -> Result<String, String> {
    evaluate(|it| {
        let value = it.eval_text(Origin::Text, text.as_bytes(), b"/")?;
        it.force_deep(value)?;
        it.print(value, PrintOptions::PLAIN)
    })
}

/// Runs an interpreter; its error as text.
pub(crate) fn evaluate(
    run: impl FnOnce(&mut Interpreter<'_>) -> clutch_expr::error::Result<Vec<u8>> + Send,
) -> Result<String, String> {
    with_interpreter(
        &TestHost,
        Options { library: &LIBRARY, ..Options::default() },
        |it| match run(it) {
            Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            Err(error) => Err(show::error(&error, &it.sources, Style::default())),
        },
    )
    .unwrap()
}
