//! Reads the lines: from a terminal with editing, history and completion, or from any other standard input.

use std::{
    borrow::Cow,
    cell::RefCell,
    env,
    io::{self, BufRead as _, IsTerminal as _},
    path::PathBuf,
};

use clutch_expr::limit::Limit;
use rustyline::{
    CompletionType, Config, Context as LineContext, Editor, Helper,
    completion::Completer,
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::FileHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};
use signal_hook::{consts::SIGINT, iterator::Signals};

use super::{evaluator::Evaluator, state::End};
use crate::cli::{
    failure::{Failure, Kind},
    interruption, output,
};

const PROMPT: &str = "clutch> ";

/// The number of lines in the history.
const HISTORY: usize = 10_000;

/// Standard input.
pub(super) struct Lines {
    is_terminal: bool,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stdin().is_terminal() && output::is_terminal() }
    }

    /// True if standard input is a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Passes each line to the evaluator, until that or the input ends.
    pub(super) fn run(&self, evaluator: Evaluator<'_, '_, '_>) -> End {
        if self.is_terminal { terminal(evaluator) } else { piped(evaluator) }
    }
}

fn piped(mut evaluator: Evaluator<'_, '_, '_>) -> End {
    let mut text = Vec::new();
    loop {
        let read = io::stdin().lock().read_until(b'\n', &mut text);
        let ended = match read {
            Ok(bytes) => bytes == 0,
            Err(error) => {
                evaluator.fail(&Failure::new(Kind::Failed, format!("standard input: {error}")));
                return End::Quit;
            }
        };
        let line = String::from_utf8_lossy(&text);
        if !ended && evaluator.is_incomplete(&line) {
            continue;
        }
        if let Some(end) = evaluator.line(&line) {
            return end;
        }
        if ended {
            return End::Quit;
        }
        text.clear();
    }
}

fn terminal(evaluator: Evaluator<'_, '_, '_>) -> End {
    let interrupts = Interrupts::new(evaluator.limit());
    let evaluator = RefCell::new(evaluator);
    let config = Config::builder().completion_type(CompletionType::List).max_history_size(HISTORY);
    let editor = config
        .map(|config| config.auto_add_history(false).build())
        .and_then(Editor::<Help<'_, '_, '_, '_>, FileHistory>::with_config);
    let mut editor = match editor {
        Ok(editor) => editor,
        Err(error) => {
            let failure = Failure::new(Kind::Failed, format!("the terminal: {error}"));
            evaluator.borrow_mut().fail(&failure);
            return End::Quit;
        }
    };
    editor.set_helper(Some(Help { evaluator: &evaluator }));
    let history = history();
    if let Some(file) = &history {
        // the file does not exist the first time
        let _ = editor.load_history(file);
    }
    let end = loop {
        match editor.readline(PROMPT) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    let _ = editor.add_history_entry(&line);
                    if let Some(file) = &history {
                        // go on if the history cannot be written
                        let _ = editor.append_history(file);
                    }
                }
                // a second Ctrl-C ends the process, since some work cannot be stopped
                interruption::forget();
                if let Some(end) = evaluator.borrow_mut().line(&line) {
                    break end;
                }
            }
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {}
            Err(ReadlineError::Eof) => break End::Quit,
            Err(error) => {
                let failure = Failure::new(Kind::Failed, format!("the terminal: {error}"));
                evaluator.borrow_mut().fail(&failure);
                break End::Quit;
            }
        }
    };
    drop(interrupts);
    end
}

/// The history file. Creates its folder.
fn history() -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = variable("XDG_STATE_HOME")
        .or_else(|| Some(variable("HOME")?.join(".local/state")))?
        .join("clutch");
    fs_err::create_dir_all(&state).ok()?;
    Some(state.join("repl-history"))
}

/// While this exists, Ctrl-C stops the evaluation instead of the process.
struct Interrupts(Option<signal_hook::iterator::Handle>);

impl Interrupts {
    fn new(limit: Limit) -> Self {
        let Ok(mut signals) = Signals::new([SIGINT]) else { return Self(None) };
        let handle = signals.handle();
        std::thread::spawn(move || signals.forever().for_each(|_| limit.stop()));
        Self(Some(handle))
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.close();
        }
    }
}

/// Answers the line editor's questions.
struct Help<'h, 's, 'c, 'a> {
    evaluator: &'h RefCell<Evaluator<'s, 'c, 'a>>,
}

impl Helper for Help<'_, '_, '_, '_> {}

impl Hinter for Help<'_, '_, '_, '_> {
    type Hint = String;
}

impl Highlighter for Help<'_, '_, '_, '_> {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        let style = anstyle::Style::new().bold();
        Cow::Owned(format!("{style}{prompt}{style:#}"))
    }
}

impl Validator for Help<'_, '_, '_, '_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match self.evaluator.borrow_mut().is_incomplete(context.input()) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

impl Completer for Help<'_, '_, '_, '_> {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &LineContext<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.evaluator.borrow_mut().complete(&line[..at]))
    }
}
