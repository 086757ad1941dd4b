//! What is fuzzed, and the laws that must hold for every input. Each function takes any bytes and
//! panics where a law is broken; errors of the language are fine. `tests/fuzz.rs` runs them on
//! changed test cases, the programs in `fuzz_targets` under libFuzzer.

use std::path::{Path, PathBuf};

use clutch_expr::{
    error::{Error, Result},
    eval::{Interpreter, Options, PrintOptions},
    evaluation::with_interpreter,
    host::{
        AddPath, DerivationPaths, DerivationRequest, FetchRequest, Fetched, FileType, Filter, Host,
        HostError, HostResult, Reference,
    },
    limit::Limit,
    source::{Origin, Span},
    value::Value,
};

/// A host with nothing in it.
struct Nowhere;

fn nothing<T>() -> HostResult<T> {
    Err(HostError::new("there is nothing here".to_owned()))
}

impl Host for Nowhere {
    fn read_file(&self, _: &Path, _: u64) -> HostResult<Vec<u8>> {
        nothing()
    }

    fn read_dir(&self, _: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        nothing()
    }

    fn file_type(&self, _: &Path) -> HostResult<Option<FileType>> {
        Ok(None)
    }

    fn resolve(&self, path: &Path) -> HostResult<PathBuf> {
        Ok(path.to_owned())
    }

    fn search_path(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn home(&self) -> Option<PathBuf> {
        None
    }

    fn current_system(&self) -> Option<String> {
        None
    }

    fn has_clock(&self) -> bool {
        false
    }

    fn current_time(&self) -> i64 {
        0
    }

    fn store_dir(&self) -> &str {
        "/nix/store"
    }

    fn placeholder(&self, output: &str) -> String {
        format!("/placeholder-{output}")
    }

    fn add_text(&self, name: &str, text: &[u8], _: &[String]) -> HostResult<String> {
        Ok(format!("/nix/store/{:0>32}-{name}", text.len()))
    }

    fn add_path(&self, _: &AddPath, _: Option<&mut Filter<'_>>) -> HostResult<String> {
        nothing()
    }

    fn derivation(&self, request: DerivationRequest) -> HostResult<DerivationPaths> {
        let path = |name: &str| format!("/nix/store/{:0>32}-{}{name}", 0, request.name);
        let outputs = request.outputs.iter().map(|name| (name.clone(), path(name))).collect();
        Ok(DerivationPaths { drv_path: path(".drv"), outputs })
    }

    fn realise(&self, _: &[Reference]) -> HostResult<()> {
        nothing()
    }

    fn store_path(&self, _: &Path) -> HostResult<String> {
        nothing()
    }

    fn fetch(&self, _: &FetchRequest) -> HostResult<Fetched> {
        nothing()
    }

    fn trace(&self, _: &str) {}

    fn warn(&self, _: &str) {}
}

/// Runs an interpreter with limits that every input keeps within a second or so.
fn run<T: Send>(eager: bool, run: impl FnOnce(&mut Interpreter<'_>) -> T + Send) -> T {
    let options = Options {
        max_call_depth: 200,
        stack_size: 64 << 20,
        limit: Limit::new(32 << 20),
        eager,
        ..Options::default()
    };
    with_interpreter(&Nowhere, options, run).expect("a thread for the evaluation")
}

fn message<T>(result: Result<T>) -> std::result::Result<T, String> {
    result.map_err(|error: Box<Error>| error.message().to_owned())
}

/// Lexer and parser: what is printed of a tree prints the same ever after, once it is parsed. Not
/// everything can be, as in Nix: a float prints as `1e+06`, a path with interpolations as a sum.
pub fn parse(data: &[u8]) {
    let print = |text: &[u8]| {
        run(true, |it| message(it.show_parsed(Origin::Text, text.to_vec(), b"/folder")))
    };
    let Ok(Ok(twice)) = print(data).map(|once| print(&once)) else { return };
    let again = print(&twice);
    let shown = |text| String::from_utf8_lossy(text).into_owned();
    assert!(again.as_ref() == Ok(&twice), "{}\n{}\n{again:?}", shown(data), shown(&twice));
}

/// The evaluator: what is computed at once is not to be noticed, and printing ends.
pub fn evaluate(data: &[u8]) {
    let value = |eager| {
        run(eager, |it| {
            let text = |it: &mut Interpreter<'_>| {
                let value = it.eval_text(Origin::Text, data.to_vec(), b"/folder")?;
                it.force_deep(value)?;
                it.print(value, PrintOptions::PLAIN)
            };
            message(text(it))
        })
    };
    let (eager, lazy) = (value(true), value(false));
    // which of several errors is met first, and how deep calls are, is nobody's business
    if let (Ok(eager), Ok(lazy)) = (&eager, &lazy) {
        assert_eq!(
            String::from_utf8_lossy(eager),
            String::from_utf8_lossy(lazy),
            "{}",
            String::from_utf8_lossy(data)
        );
    }
}

/// A call of a builtin; `None` for an error.
fn call<'a>(it: &mut Interpreter<'a>, name: &str, args: &[Value<'a>]) -> Option<Value<'a>> {
    let text = format!("builtins.{name}");
    let function = it.eval_text(Origin::Text, text.into_bytes(), b"/").ok()?;
    let value = it.call(function, args, Span::NONE).ok()?;
    it.force_deep(value).ok()?;
    Some(value)
}

/// JSON: what is written of a value is read as that value.
pub fn json(data: &[u8]) {
    if data.contains(&0) {
        return;
    }
    run(true, |it| {
        let text = it.text(data);
        let Some(value) = call(it, "fromJSON", &[text]) else { return };
        let written = call(it, "toJSON", &[value]).expect("what was read can be written");
        let again = call(it, "fromJSON", &[written]).expect("what was written can be read");
        // a float has digits enough for that, and NaN is not of JSON
        assert!(
            it.equal(value, again).expect("values compare"),
            "{}",
            String::from_utf8_lossy(data)
        );
    });
}

/// TOML: every document is one of JSON too, as long as its floats are numbers.
pub fn toml(data: &[u8]) {
    if data.contains(&0) {
        return;
    }
    run(true, |it| {
        let text = it.text(data);
        let Some(value) = call(it, "fromTOML", &[text]) else { return };
        let Some(written) = call(it, "toJSON", &[value]) else { return };
        let again = call(it, "fromJSON", &[written]).expect("what was written can be read");
        let shown = it.print(value, PrintOptions::PLAIN).expect("values print");
        // `inf` and `nan` have no JSON and become null
        if !shown.windows(3).any(|w| w == b"inf" || w == b"nan") {
            assert!(
                it.equal(value, again).expect("values compare"),
                "{}",
                String::from_utf8_lossy(data)
            );
        }
    });
}

/// Patterns: the first line is one, the rest is the text. A group around a pattern changes nothing,
/// and holds the whole text; what `split` leaves is in the text, in its order.
pub fn pattern(data: &[u8]) {
    let at = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (pattern, text) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    if data.contains(&0) || data.len() > 2000 {
        return;
    }
    run(true, |it| {
        let (text, plain) = (it.text(text), it.text(pattern));
        let Some(matched) = call(it, "match", &[plain, text]) else { return };
        let around = it.text(&[b"(", pattern, b")"].concat());
        let whole = call(it, "match", &[around, text]).expect("a group around a pattern is one");
        let shown = || String::from_utf8_lossy(data).into_owned();
        let Some(Value::List(parts)) = call(it, "split", &[plain, text]) else {
            panic!("what can be matched can be split: {}", shown())
        };
        let Value::String(rest) = text else { unreachable!("it is a text") };
        let mut rest = rest.bytes();
        for (slot, at) in parts.items.iter().zip(0..) {
            let Value::String(part) = it.force(slot).expect("it is computed") else {
                assert!(at % 2 == 1, "{}", shown());
                continue;
            };
            let part = part.bytes();
            let found = (0..=rest.len()).find(|&from| rest[from..].starts_with(part));
            rest = &rest[found.unwrap_or_else(|| panic!("{}", shown())) + part.len()..];
        }
        let Value::List(groups) = matched else {
            assert!(matches!(whole, Value::Null), "{}", shown());
            return;
        };
        let Value::List(with_whole) = whole else { panic!("{}", shown()) };
        let first = it.force(&with_whole.items[0]).expect("it is computed");
        assert!(it.equal(first, text).expect("texts compare"), "{}", shown());
        assert_eq!(groups.len() + 1, with_whole.len(), "{}", shown());
        for (a, b) in groups.items.iter().zip(&with_whole.items[1..]) {
            let (a, b) = (it.force(a).expect("computed"), it.force(b).expect("computed"));
            assert!(it.equal(a, b).expect("groups compare"), "{}", shown());
        }
    });
}
