//! The command line: arguments in, text out. The only part of the tool that prints, reads the
//! process environment or decides an exit code; one file a command.

mod build;
mod check;
mod closure;
mod completions;
mod context;
mod destination;
mod doctor;
mod eval;
mod evaluation;
mod events;
mod examples;
mod explain;
mod expression;
mod failure;
mod gc;
mod hashes;
mod lock;
mod log;
mod man;
mod measure;
mod optimise;
mod output;
mod paths;
mod pin;
mod profile;
mod progress;
mod realise;
mod repl;
mod run;
mod shell;
mod shorten;
mod show;
mod store;
mod time;
mod transfer;
mod verify;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, sync::OnceLock};

use clap::{ArgAction, Args, Parser, Subcommand};
use rustix::{fs::Mode, process::umask};

use self::{context::Context, examples as of, failure::Failure};

/// A purely functional build store for Python environments.
///
/// Expressions in the Nix language describe environments; clutch builds them in a sandbox, keeps
/// them under paths made from the hash of all that went in, and moves them between machines.
#[derive(Parser)]
#[command(name = "clutch", version, max_term_width = 100, args_override_self = true)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Keep the store in DIR (default: /clutch where that is possible, else the XDG data folder).
    #[arg(long, value_name = "DIR", global = true)]
    store: Option<PathBuf>,
    /// The platform to evaluate for.
    #[arg(long, value_name = "SYSTEM", global = true)]
    system: Option<String>,
    /// Fetch nothing from the network.
    #[arg(long, global = true)]
    offline: bool,
    /// Where an index is, such as `pypi=ADDRESS`; may be given again.
    #[arg(long, value_name = "NAME=ADDRESS", global = true)]
    index: Vec<String>,
    /// Print for programs: one JSON document.
    #[arg(long, global = true)]
    json: bool,
    /// Write what happens to FILE as it happens, one JSON object a line; `-` is standard error.
    #[arg(long, value_name = "FILE", global = true)]
    events: Option<PathBuf>,
    /// Say more: the lines that builders print.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Say nothing but results and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// With an error of evaluation, show every step that led to it.
    #[arg(long, global = true)]
    show_trace: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Evaluate an expression and print its value.
    #[command(after_long_help = of::EVAL)]
    Eval(eval::Arguments),
    /// Evaluate expressions as they are typed.
    ///
    /// What is typed is an expression, whose value is printed, a definition such as `x = 1`, or a
    /// command such as `:l FILE`; `:?` lists them. Ctrl-C ends an evaluation or drops a line, Ctrl-D
    /// ends the repl. Where standard input is no terminal, its lines are taken, and the exit code is
    /// 1 if one of them failed.
    #[command(after_long_help = of::REPL)]
    Repl(repl::Arguments),
    /// Build what an expression describes and print the output paths.
    #[command(after_long_help = of::BUILD)]
    Build(build::Arguments),
    /// Build, then run the main program, or the given command inside the environment.
    ///
    /// PATH may be a store path, a link to one, a profile, or a pin, too.
    #[command(after_long_help = of::RUN)]
    Run(run::Arguments),
    /// Build, then start a shell that sees the store and has the environment's programs first.
    ///
    /// PATH may be a store path, a link to one, a profile, or a pin, too.
    #[command(after_long_help = of::SHELL)]
    Shell(shell::Arguments),
    /// Show a derivation or a store path.
    #[command(after_long_help = of::SHOW)]
    Show(show::Arguments),
    /// Print the log of a build.
    ///
    /// PATH may be a store path, a link to one, a profile, or a pin, too.
    #[command(after_long_help = of::LOG)]
    Log(log::Arguments),
    /// List what a store path needs to run.
    #[command(after_long_help = of::CLOSURE)]
    Closure(closure::Arguments),
    /// List every valid path of the store.
    #[command(after_long_help = of::PATHS)]
    Paths,
    /// Write the closure of store paths into one file.
    #[command(after_long_help = of::EXPORT)]
    Export(transfer::ExportArguments),
    /// Read such a file, verify all that it adds, and add it to the store.
    ///
    /// Sources, texts, derivations and fixed outputs have names that follow from their content, which
    /// is checked. Outputs of builds have not: unless the store has them, they are taken with
    /// --accept-unsigned only.
    #[command(after_long_help = of::IMPORT)]
    Import(transfer::ImportArguments),
    /// Pin wheels or Debian packages by name, version, file, size and hash.
    #[command(after_long_help = of::LOCK)]
    Lock(lock::Arguments),
    /// Remove what nothing keeps: no result link, profile, pin or running process.
    #[command(after_long_help = of::GC)]
    Gc(gc::GcArguments),
    /// Say what keeps a path from being removed.
    #[command(after_long_help = of::WHY_ALIVE)]
    WhyAlive(gc::WhyArguments),
    /// Keep a path under a name, list such names, or let go of one.
    #[command(after_long_help = of::PIN)]
    Pin(pin::Arguments),
    /// Deploy under a name, with a history: set, list, roll back, compare, wipe, delete.
    #[command(after_long_help = of::PROFILE)]
    Profile(profile::Arguments),
    /// Hash what is in the store again and say what is damaged.
    #[command(after_long_help = of::VERIFY)]
    Verify(verify::Arguments),
    /// Share the bytes of equal files that are not shared yet.
    #[command(after_long_help = of::OPTIMISE)]
    Optimise(optimise::Arguments),
    /// Do something to the store as a whole.
    #[command(after_long_help = of::STORE)]
    Store(store::Arguments),
    /// Say what this machine allows, and what to do about what it does not.
    #[command(after_long_help = of::DOCTOR)]
    Doctor,
    /// Print the completion script of a shell.
    ///
    /// For bash: `source <(clutch completions bash)` in ~/.bashrc; for zsh, with `zsh`, behind `compinit`
    /// in ~/.zshrc. For fish: `clutch completions fish | source` in its configuration.
    #[command(after_long_help = of::COMPLETIONS)]
    Completions(completions::Arguments),
    /// Write the help of every command as manual pages.
    #[command(after_long_help = of::MAN)]
    Man(man::Arguments),
}

/// Reports that the machine refuses what a sandbox or a view needs.
#[must_use]
pub fn refused(error: &crate::build::sandbox::SandboxError) -> ExitCode {
    let failure = explain::explain(run::refusal(error));
    context::report(&failure, false);
    ExitCode::from(failure.kind.code())
}

/// Runs the command of this process.
#[must_use]
pub fn main() -> ExitCode {
    set_mask();
    match completions::answer() {
        Some(code) => code,
        None => dispatch(std::env::args_os()),
    }
}

/// The mask of modes that this process was started with.
static MASK: OnceLock<Mode> = OnceLock::new();

/// Has new files and folders belong to this user alone: with a mask that lets others write, they could change the
/// store, and with one that lets nobody, not even clutch could use it.
fn set_mask() {
    let mask = umask(Mode::RWXG | Mode::RWXO);
    let _ = MASK.set(mask);
    umask((mask & (Mode::RWXG | Mode::RWXO)) | Mode::WGRP | Mode::WOTH);
}

/// Has the program that this process becomes start with the mask that this process was started with.
fn restore_mask() {
    if let Some(mask) = MASK.get() {
        umask(*mask);
    }
}

fn dispatch(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let text = error.render().ansi().to_string();
            let text = shorten::shortened(&text);
            if error.use_stderr() {
                output::say(text.trim_end());
                return ExitCode::from(2);
            }
            return printed(output::show(&text));
        }
    };
    let json = arguments.global.json;
    explain::watch_threads(json);
    let context = match Context::new(arguments.global) {
        Ok(context) => context,
        Err(failure) => {
            let failure = explain::explain(failure);
            context::report(&failure, json);
            return ExitCode::from(failure.kind.code());
        }
    };
    let result = match arguments.command {
        Command::Eval(a) => eval::run(&context, &a),
        Command::Repl(a) => repl::run(&context, &a),
        Command::Build(a) => build::run(&context, &a),
        Command::Run(a) => run::run(&context, &a),
        Command::Shell(a) => shell::run(&context, &a),
        Command::Show(a) => show::run(&context, &a),
        Command::Log(a) => log::run(&context, &a),
        Command::Closure(a) => closure::run(&context, &a),
        Command::Paths => paths::run(&context),
        Command::Export(a) => transfer::export(&context, &a),
        Command::Import(a) => transfer::import(&context, &a),
        Command::Lock(a) => lock::run(&context, &a),
        Command::Gc(a) => gc::gc(&context, &a),
        Command::WhyAlive(a) => gc::why_alive(&context, &a),
        Command::Pin(a) => pin::run(&context, &a),
        Command::Profile(a) => profile::run(&context, &a),
        Command::Verify(a) => verify::run(&context, &a),
        Command::Optimise(a) => optimise::run(&context, &a),
        Command::Store(a) => store::run(&context, &a),
        Command::Doctor => doctor::run(&context),
        Command::Completions(a) => completions::run(&a),
        Command::Man(a) => man::run(&context, &a),
    };
    context.end(&result.map_err(explain::explain))
}

/// The end of what only prints.
fn printed(done: Result<(), Failure>) -> ExitCode {
    let Err(failure) = done else { return ExitCode::SUCCESS };
    if failure.kind != failure::Kind::Closed {
        context::report(&failure, false);
    }
    ExitCode::from(failure.kind.code())
}

/// What a command gives back.
type Outcome = Result<ExitCode, Failure>;
