//! The language without a store, with the options of `nix-instantiate` that Nix's own language
//! tests use:
//!
//!     nixlang [--eval] [--strict] [--json|--xml] [--parse] [-A PATH] [--arg N EXPR]
//!             [--argstr N TEXT] [-I PATH] [--stats] (FILE | -E EXPR | -)

mod host;

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clutch_expr::{
    builtins::XmlOptions,
    error::Result,
    eval::{Interpreter, Options, PrintOptions},
    evaluation::with_interpreter,
    show,
    source::Origin,
    string::ContextBuilder,
    value::{Attrs, AttrsBuilder, Value},
};
use host::FileHost;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Default)]
struct Arguments {
    parse: bool,
    strict: bool,
    json: bool,
    xml: bool,
    locations: bool,
    stats: bool,
    show_trace: bool,
    attr: Vec<String>,
    args: Vec<(String, String, bool)>,
    input: Option<Input>,
    search_path: Vec<String>,
    pure: bool,
    options: Options,
}

enum Input {
    File(PathBuf),
    Text(String),
    Stdin,
}

fn arguments() -> std::result::Result<Arguments, String> {
    let mut parsed = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match &*word {
            "--eval" | "--impure" => {}
            "--parse" => parsed.parse = true,
            "--strict" => parsed.strict = true,
            "--json" => parsed.json = true,
            "--xml" => parsed.xml = true,
            "--location" => parsed.locations = true,
            "--pure-eval" => parsed.pure = true,
            "--stats" => parsed.stats = true,
            "--show-trace" => parsed.show_trace = true,
            "--trace-verbose" => parsed.options.trace_verbose = true,
            "-A" | "--attr" => parsed.attr.push(value()?),
            "--arg" | "--argstr" => {
                let name = value()?;
                parsed.args.push((name, value()?, word == "--arg"));
            }
            "-I" => parsed.search_path.push(value()?),
            "--max-call-depth" => {
                let depth = value()?;
                parsed.options.max_call_depth =
                    depth.parse().map_err(|_| format!("{depth} is no number"))?;
            }
            "--extra-experimental-features" => {
                let features = value()?;
                parsed.options.pipe_operators |= features.contains("pipe-operators");
                parsed.options.toml_timestamps |= features.contains("parse-toml-timestamps");
            }
            "-E" => parsed.input = Some(Input::Text(value()?)),
            "-" => parsed.input = Some(Input::Stdin),
            option if option.starts_with("--") => return Err(format!("unknown option {option}")),
            file => parsed.input = Some(Input::File(file.into())),
        }
    }
    parsed.options.eager = parsed.strict;
    Ok(parsed)
}

fn absolute(path: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = here.join(path);
    String::from_utf8_lossy(&clutch_expr::path::canonical(path.as_os_str().as_encoded_bytes()))
        .into_owned()
}

fn search_path(given: &[String]) -> Vec<(String, String)> {
    let variable = std::env::var("NIX_PATH").unwrap_or_default();
    let from_variable = variable.split(':').filter(|entry| !entry.is_empty());
    let entry = |entry: &str| match entry.split_once('=') {
        Some((prefix, path)) => (prefix.to_owned(), absolute(path)),
        None => (String::new(), absolute(entry)),
    };
    given.iter().map(String::as_str).chain(from_variable).map(entry).collect()
}

fn auto_args<'a>(
    it: &mut Interpreter<'a>,
    given: &[(String, String, bool)],
) -> Result<&'a Attrs<'a>> {
    let here = absolute(".");
    let mut args = AttrsBuilder::default();
    for (name, text, is_expr) in given {
        let value = if *is_expr {
            it.eval_text(Origin::Text, text.clone().into_bytes(), here.as_bytes())?
        } else {
            it.text(text.as_bytes())
        };
        let name = it.symbols.intern(name.as_bytes());
        args.push(name, value);
    }
    Ok(args.build(it.arena))
}

fn evaluate(it: &mut Interpreter<'_>, arguments: &Arguments) -> Result<Vec<u8>> {
    let here = absolute(".");
    let (origin, text, folder) = match &arguments.input {
        Some(Input::File(path)) => {
            let path = absolute(&path.to_string_lossy());
            if !arguments.parse {
                let args = auto_args(it, &arguments.args)?;
                let value = it.import(Path::new(&path))?;
                return print(it, value, args, arguments);
            }
            let text = it.read_file(Path::new(&path))?;
            let folder = clutch_expr::path::parent(path.as_bytes()).to_vec();
            (Origin::File(path.into_bytes()), text, folder)
        }
        Some(Input::Text(text)) => (Origin::Text, text.clone().into_bytes(), here.into_bytes()),
        Some(Input::Stdin) | None => {
            let mut text = Vec::new();
            let _ = std::io::stdin().read_to_end(&mut text);
            (Origin::Stdin, text, here.into_bytes())
        }
    };
    if arguments.parse {
        let mut text = it.show_parsed(origin, text, &folder)?;
        text.push(b'\n');
        return Ok(text);
    }
    let args = auto_args(it, &arguments.args)?;
    let value = it.eval_text(origin, text, &folder)?;
    print(it, value, args, arguments)
}

fn print<'a>(
    it: &mut Interpreter<'a>,
    value: Value<'a>,
    args: &'a Attrs<'a>,
    arguments: &Arguments,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let whole = [String::new()];
    let paths = if arguments.attr.is_empty() { &whole[..] } else { &arguments.attr };
    for path in paths {
        let mut value = it.at_path(value, path, args)?;
        if !args.is_empty() {
            value = it.auto_call(value, args)?;
        }
        if arguments.strict {
            it.force_deep(value)?;
        }
        if arguments.json {
            it.write_json(value, &mut out, &mut ContextBuilder::default())?;
        } else if arguments.xml {
            let options = XmlOptions { strict: arguments.strict, locations: arguments.locations };
            out.extend(it.xml(value, options)?.0);
            continue;
        } else {
            out.extend(it.print(value, PrintOptions::PLAIN)?);
        }
        out.push(b'\n');
    }
    Ok(out)
}

#[expect(clippy::disallowed_methods, reason = "a program of its own")]
fn write_out(out: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(out).and_then(|()| stdout.flush())
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let host = FileHost::new(search_path(&arguments.search_path), arguments.pure);
    let done = with_interpreter(&host, arguments.options.clone(), |it| {
        let result = evaluate(it, &arguments);
        let style = show::Style { trace: arguments.show_trace, ..show::Style::default() };
        let result = result.map_err(|error| show::error(&error, &it.sources, style));
        (result, it.stats())
    });
    match done {
        Ok((result, stats)) => {
            if arguments.stats {
                eprintln!("{stats:#?}");
            }
            match result {
                Ok(out) => match write_out(&out) {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => {
                        eprintln!("error: standard output: {error}");
                        ExitCode::FAILURE
                    }
                },
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            eprintln!("error: no thread for the evaluation: {error}");
            ExitCode::FAILURE
        }
    }
}
