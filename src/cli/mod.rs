//! The command line: arguments in, text out. The only part of the tool that prints, reads the
//! process environment or decides an exit code; one file a command.

mod build;
mod build_options;
mod check;
mod closure;
mod completers;
mod completions;
mod context;
mod destination;
mod doctor;
mod documents;
mod errors;
mod eval;
mod events;
mod examples;
mod explain;
mod expression;
mod failure;
mod gc;
mod global;
mod hashes;
mod interruption;
mod lock;
mod log;
mod man;
mod mask;
mod measure;
mod optimise;
mod output;
mod paths;
mod pin;
mod profile;
mod progress;
mod quantity;
mod repl;
mod report;
mod result_link;
mod run;
mod shell;
mod shorten;
mod show;
mod store;
mod substitutes;
mod time;
mod transfer;
mod verify;
mod work;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};
use rustix::process::{Resource, getrlimit};

use self::{
    context::Context,
    examples as of,
    expression::{any_path, loaded_path},
    global::Global,
};

/// Build, run and deploy reproducible Python environments.
///
/// You describe an environment in a file, in the Nix language. clutch builds it in a sandbox and
/// keeps the result in a store, under a path that contains the hash of everything it was built from.
#[derive(Parser)]
#[command(name = "clutch", version, max_term_width = 100, args_override_self = true)]
#[command(after_long_help = of::CLUTCH)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Evaluate an expression and print its value.
    #[command(after_long_help = of::EVAL)]
    Eval(eval::Arguments),
    /// Evaluate expressions interactively.
    ///
    /// Type an expression to print its value, a definition such as `x = 1`, or a command such as `:l
    /// FILE`. `:?` lists the commands. Ctrl-C stops an evaluation or clears the line. Ctrl-D quits.
    ///
    /// If standard input is not a terminal, the repl evaluates its lines, and exits with code 1 if one
    /// of them failed.
    #[command(after_long_help = of::REPL, mut_args(loaded_path))]
    Repl(repl::Arguments),
    /// Build an expression and print the paths of the result.
    #[command(after_long_help = of::BUILD)]
    Build(build::Arguments),
    /// Build an environment and run a program in it.
    #[command(after_long_help = of::RUN, mut_args(any_path))]
    Run(run::Arguments),
    /// Build an environment and start a shell in it.
    ///
    /// The shell is your own, with the programs of the environment first in its search path.
    #[command(after_long_help = of::SHELL, mut_args(any_path))]
    Shell(shell::Arguments),
    /// Show a store path or a derivation.
    #[command(after_long_help = of::SHOW)]
    Show(show::Arguments),
    /// Show the log of a build.
    ///
    /// Does not build the expression. The build options are for what its evaluation reads and has to be
    /// built first.
    #[command(after_long_help = of::LOG, mut_args(any_path))]
    Log(log::Arguments),
    /// List everything that a store path depends on at run time.
    #[command(after_long_help = of::CLOSURE)]
    Closure(closure::Arguments),
    /// List all paths in the store.
    #[command(after_long_help = of::PATHS)]
    Paths,
    /// Write store paths and their dependencies to a file.
    #[command(after_long_help = of::EXPORT)]
    Export(transfer::ExportArguments),
    /// Add the store paths in an exported file to the store.
    ///
    /// Sources, derivations and downloads are checked against the hash in their store path. The outputs
    /// of builds cannot be verified like this, and exports are not signed. If the store does not have
    /// them yet, the import fails unless you accept them with --accept-unsigned.
    #[command(after_long_help = of::IMPORT)]
    Import(transfer::ImportArguments),
    /// Lock Python requirements or Debian packages, with their hashes.
    #[command(after_long_help = of::LOCK)]
    Lock(lock::Arguments),
    /// Delete store paths that nothing uses.
    ///
    /// A path is in use if a result link, a profile, a pin or a running process needs it.
    #[command(after_long_help = of::GC)]
    Gc(gc::GcArguments),
    /// Show what keeps a store path from being deleted.
    #[command(after_long_help = of::WHY_ALIVE)]
    WhyAlive(gc::WhyArguments),
    /// Manage pins, which keep store paths from being deleted.
    #[command(after_long_help = of::PIN)]
    Pin(pin::Arguments),
    /// Manage profiles: named deployments that you can roll back.
    #[command(after_long_help = of::PROFILE)]
    Profile(profile::Arguments),
    /// Check the store for damage and repair it.
    ///
    /// Every file is read and its hash compared with the recorded one.
    #[command(after_long_help = of::VERIFY)]
    Verify(verify::Arguments),
    /// Save disk space by sharing equal files.
    ///
    /// New paths share their files with the store when they are added. You need this command only for
    /// paths that were added while the file system could not link their files.
    #[command(after_long_help = of::OPTIMISE)]
    Optimise(optimise::Arguments),
    /// Manage the store as a whole.
    #[command(after_long_help = of::STORE)]
    Store(store::Arguments),
    /// Check this machine for potential problems.
    ///
    /// Reports which features builds and programs can use here, and how to enable the others.
    #[command(after_long_help = of::DOCTOR)]
    Doctor,
    /// Print a shell completion script.
    #[command(after_long_help = of::COMPLETIONS)]
    Completions(completions::Arguments),
    /// Write the manual pages to a folder.
    #[command(after_long_help = of::MAN)]
    Man(man::Arguments),
}

/// The failure of a sandbox that this machine does not allow.
#[must_use]
pub fn refused(error: crate::build::sandbox::SandboxError) -> ExitCode {
    let failure = explain::explain(error.into());
    report::report(&failure, false);
    ExitCode::from(failure.kind.code())
}

/// The stack size for a command, with ample room. A shell may give less (`ulimit -s`).
const STACK: usize = 2 << 20;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    mask::set();
    explain::watch_file_sizes();
    let run = || match completions::answer(Arguments::command) {
        Some(code) => code,
        None => dispatch(std::env::args_os()),
    };
    let is_short = getrlimit(Resource::Stack).current.is_some_and(|bytes| bytes < STACK as u64);
    let own = is_short.then(|| std::thread::Builder::new().stack_size(STACK).spawn(run));
    match own {
        // the panic was printed
        Some(Ok(thread)) => thread.join().unwrap_or(ExitCode::from(101)),
        Some(Err(_)) | None => run(),
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
            return report::printed(output::show(&text));
        }
    };
    let json = arguments.global.json;
    explain::watch_threads(json);
    let context = match Context::new(arguments.global) {
        Ok(context) => context,
        Err(failure) => {
            let failure = explain::explain(failure);
            report::report(&failure, json);
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
        Command::Man(a) => man::run(&context, &a, Arguments::command()),
    };
    context.end(&result.map_err(explain::explain))
}
