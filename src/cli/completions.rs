//! `clutch completions`, and the answers to its scripts: the shell runs this program with the words so far,
//! to complete names in the store as well as options.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::{Arg, Command, FromArgMatches as _};
use clap_complete::{
    CompleteEnv, Shell,
    engine::{ArgValueCompleter, PathCompleter, ValueCompleter as _},
    env::Shells,
};

use clutch_expr::{
    host::{HostError, HostResult},
    value::Value,
};

use super::{
    completers::among,
    context::Context,
    expression::ExpressionArguments,
    failure::{Failure, Kind, OrFail as _, Outcome},
    global::Global,
    interruption, output, report,
};
use crate::{
    evaluate::Realise,
    git::{Commit, Revision},
    session::{self, Silent, Subject},
    store::Store,
    store_path::StorePath,
};

/// The variable that a shell sets to ask.
const ASKED: &str = "CLUTCH_COMPLETE";

/// The time limit of an evaluation for completion.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Shell to print the script for.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let name = arguments.shell.to_string();
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(&name) {
        shell
            .write_registration(ASKED, "clutch", "clutch", "clutch", &mut script)
            .or_fail(Kind::Failed)?;
    }
    output::print(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Answers a shell that asks, and returns the exit code.
pub(super) fn answer(command: fn() -> Command) -> Option<ExitCode> {
    env::var_os(ASKED)?;
    let here = env::current_dir().ok();
    let answer = CompleteEnv::with_factory(move || completed(command(), command)).var(ASKED);
    match answer.try_complete(env::args_os(), here.as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(report::printed(output::flush())),
        Err(error) => Some(report::printed(Err(Failure::new(Kind::Failed, error)))),
    }
}

/// A command whose attributes and programs depend on the words before them. All other completers are
/// declared at their arguments.
fn completed(part: Command, whole: fn() -> Command) -> Command {
    let with = |argument: Arg| match argument.get_id().as_str() {
        "attributes" => argument.add(attributes(whole)),
        "command" => argument.add(programs(whole)),
        _ => argument,
    };
    part.mut_args(with).mut_subcommands(|part| completed(part, whole))
}

/// The attributes that `-A` can select from the expression in the words so far.
fn attributes(command: fn() -> Command) -> ArgValueCompleter {
    ArgValueCompleter::new(move |word: &OsStr| {
        among(word, attribute_paths(command, word).unwrap_or_default())
    })
}

/// After `--`: the programs of the store path in the words before it, then any file.
fn programs(command: fn() -> Command) -> ArgValueCompleter {
    ArgValueCompleter::new(move |word: &OsStr| {
        let mut found = among(word, program_names(command).unwrap_or_default());
        found.extend(PathCompleter::any().complete(word));
        found
    })
}

/// The words of the command line to complete. The script passes them after `--`.
fn asked() -> Vec<OsString> {
    env::args_os().skip_while(|word| word != "--").skip(1).collect()
}

/// Parses the words: the options of every command, and the expression.
fn understood(
    command: fn() -> Command,
    words: &[OsString],
) -> Option<(Context, ExpressionArguments)> {
    let mut matches = command().try_get_matches_from(words).ok()?;
    let global = Global::from_arg_matches(&matches).ok()?;
    while let Some((_, inner)) = matches.remove_subcommand() {
        matches = inner;
    }
    let expression = ExpressionArguments::from_arg_matches(&matches).ok()?;
    Some((
        Context::new(Global { events: None, quiet: true, verbose: 0, ..global }).ok()?,
        expression,
    ))
}

/// The attribute paths that could continue the word.
fn attribute_paths(command: fn() -> Command, word: &OsStr) -> Option<Vec<String>> {
    let word = word.to_str()?;
    let mut words = asked();
    // the option as a word of its own, or joined to its value
    let last = words.pop()?;
    if last == word && words.last().is_some_and(|option| option == "-A" || option == "--attr") {
        words.pop();
    }
    let (context, mut arguments) = understood(command, &words)?;
    let (folder, _) = word.rsplit_once('.').unwrap_or_default();
    arguments.attributes = if folder.is_empty() { Vec::new() } else { vec![folder.to_owned()] };
    arguments.no_allow_import_from_derivation = true;
    let expression = arguments.expression(&context).ok()?;
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}.") };
    // a slow evaluation offers nothing
    std::thread::spawn(|| {
        std::thread::sleep(PATIENCE);
        interruption::flag().store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let nothing = Nothing(&context);
    let host = session::host(&context.session, &expression, &nothing).ok()?;
    let names =
        session::interpret(&context.session, &host, &expression, &Silent, |it, value, args| {
            let Value::Attrs(attrs) = it.auto_call(value, args)? else { return Ok(Vec::new()) };
            let names = attrs.iter(it.arena).map(|(key, _)| it.symbols.show(key.symbol));
            Ok(names.collect::<Vec<String>>())
        });
    let mut names: Vec<String> = names.ok()?.into_iter().flatten().collect();
    names.sort();
    Some(names.into_iter().map(|name| format!("{prefix}{name}")).collect())
}

fn program_names(command: fn() -> Command) -> Option<Vec<String>> {
    let words = asked();
    let end = words.iter().position(|word| word == "--")?;
    if words.len() != end + 2 {
        return None;
    }
    let (context, expression) = understood(command, &words[..end])?;
    if !context.session.store_root().ok()?.join("store").is_dir() {
        return None;
    }
    let Subject::Stored(path) = expression.named(&context).ok()? else { return None };
    let entries = fs_err::read_dir(context.store().ok()?.real(&path).join("bin")).ok()?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    Some(names)
}

/// Completion builds, fetches and prints nothing.
struct Nothing<'a>(&'a Context);

impl Realise for Nothing<'_> {
    fn realise(&self, _: &[(StorePath, BTreeSet<String>)]) -> HostResult<()> {
        Err(HostError::new("completion does not build"))
    }

    fn fetch_revision(&self, _: &Revision, _: &Path, _: &Path) -> HostResult<Commit> {
        Err(HostError::new("completion does not fetch"))
    }

    fn count_revisions(&self, _: &Revision, _: &Path) -> HostResult<u64> {
        Err(HostError::new("completion does not fetch"))
    }

    fn store(&self) -> HostResult<&Store> {
        self.0.session.store().map_err(HostError::caused_by)
    }

    fn message(&self, _: &str, _: bool) {}
}
