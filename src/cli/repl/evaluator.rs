//! The lines of one evaluation, and their definitions.

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use clutch_expr::{
    error::{Error, ErrorKind},
    eval::{Interpreter, Line, PrintOptions},
    host::Reference,
    limit::Limit,
    show::Style,
    string::ContextBuilder,
    text::quote::attribute_name,
    value::{Attrs, AttrsBuilder, Value},
};
use serde_json::json;

use super::{
    command::{Command, HELP},
    named::Named,
    state::{End, Repl},
};
use crate::{
    cli::{
        errors,
        failure::{Failure, Kind},
        quantity::counted,
    },
    session,
};

/// The number of names to list when variables are added.
const SHOWN_NAMES: usize = 20;

type Result<T> = std::result::Result<T, Box<Error>>;

pub(super) struct Evaluator<'s, 'c, 'a> {
    repl: &'s mut Repl<'c>,
    it: &'s mut Interpreter<'a>,
    /// The variables, as a set.
    scope: &'a Attrs<'a>,
    /// The arguments for functions: `--arg` and `--argstr`.
    args: &'a Attrs<'a>,
    /// The base of relative paths.
    folder: PathBuf,
    style: Style,
}

impl<'s, 'c, 'a> Evaluator<'s, 'c, 'a> {
    /// An evaluator with the expression of the arguments and the loaded files.
    pub(super) fn new(repl: &'s mut Repl<'c>, named: &Named, it: &'s mut Interpreter<'a>) -> Self {
        let empty = AttrsBuilder::default().build(it.arena);
        let folder = std::env::current_dir().unwrap_or_else(|_| "/".into());
        let style = named.expression.style;
        let mut evaluator = Self { repl, it, scope: empty, args: empty, folder, style };
        evaluator.load_named(named);
        for file in evaluator.repl.loaded.clone() {
            let done = evaluator.load(&file);
            evaluator.settle(done);
        }
        evaluator
    }

    /// The flag that stops the evaluation.
    pub(super) fn limit(&self) -> Limit {
        self.it.options.limit.clone()
    }

    /// True if the line is incomplete.
    pub(super) fn is_incomplete(&mut self, line: &str) -> bool {
        let text = Command::parse(line).expression();
        text.is_some_and(|text| !text.trim().is_empty() && self.it.is_incomplete(text.as_bytes()))
    }

    /// Runs a line.
    pub(super) fn line(&mut self, line: &str) -> Option<End> {
        self.it.options.limit.resume();
        let done = match Command::parse(line) {
            Command::Line(text) => self.evaluate(text),
            Command::Add(text) => self.value(text).and_then(|value| self.add(value)),
            Command::Build(text) => return self.build(text),
            Command::Document(text) => self.document(text),
            Command::Load(path) => return self.load_file(path),
            Command::Print(text) => {
                let options = PrintOptions { max_depth: usize::MAX, ..PrintOptions::SESSION };
                self.value(text).and_then(|value| self.print(value, options))
            }
            Command::Type(text) => self.value(text).map(|value| {
                let text = format!("{}\n", value.describe());
                self.put(text);
            }),
            Command::Trace(text) => {
                self.style.trace = match text {
                    "true" => true,
                    "false" => false,
                    _ => !self.style.trace,
                };
                let shown = if self.style.trace { "shown" } else { "not shown" };
                self.repl.context.say(format!("the trace of an error is {shown}"));
                Ok(())
            }
            Command::Help => {
                self.put(HELP);
                Ok(())
            }
            Command::Quit => return Some(End::Quit),
            Command::Reload => return Some(End::Reload),
            Command::LoadFlake => {
                let failure = Failure::new(Kind::Usage, "flakes are not supported");
                self.fail(
                    &failure.hint("to load a file or a folder's default.nix, type `:l PATH`"),
                );
                Ok(())
            }
            Command::Unknown(name) => {
                let failure = Failure::new(Kind::Usage, format!("unknown command '{name}'"));
                self.fail(&failure.hint("to list the commands, type `:?`"));
                Ok(())
            }
        };
        self.settle(done);
        self.end()
    }

    /// Prints. The repl ends if that fails.
    fn put(&mut self, text: impl AsRef<[u8]>) {
        let done = self.repl.context.print(text);
        self.repl.mute = self.repl.mute.take().or(done.err());
    }

    /// Ends an evaluator that cannot print any more.
    fn end(&self) -> Option<End> {
        self.repl.mute.as_ref().map(|_| End::Quit)
    }

    /// Prints a failure. The repl goes on.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.repl.failed = true;
        self.repl.context.report(failure);
    }

    fn settle(&mut self, done: Result<()>) {
        let Err(error) = done else { return };
        let mut failure = errors::of_error(&error, &self.it.sources, self.style);
        if error.kind() == ErrorKind::OutOfMemory {
            failure = failure.hint("to free the memory and forget all definitions, type `:r`");
        }
        self.fail(&failure);
    }

    fn evaluate(&mut self, text: &str) -> Result<()> {
        match self.it.eval_line(text.as_bytes(), self.folder.as_os_str().as_bytes(), self.scope)? {
            Line::Nothing => Ok(()),
            Line::Value(value) => self.print(value, PrintOptions::SESSION),
            Line::Bindings(attrs) => {
                self.scope = Attrs::update(self.it.arena, self.scope, attrs);
                Ok(())
            }
        }
    }

    /// The value of a command's argument.
    fn value(&mut self, text: &str) -> Result<Value<'a>> {
        let folder = self.folder.as_os_str().as_bytes();
        let origin = clutch_expr::source::Origin::Text;
        self.it.eval_text_with(origin, text.as_bytes(), folder, self.scope)
    }

    fn print(&mut self, value: Value<'a>, options: PrintOptions) -> Result<()> {
        let mut text = Vec::new();
        if self.repl.context.global.json {
            self.it.write_json(value, &mut text, &mut ContextBuilder::default())?;
        } else {
            text = self.it.print(value, options)?;
        }
        text.push(b'\n');
        self.put(text);
        Ok(())
    }

    /// Adds the attributes of a set as variables.
    fn add(&mut self, value: Value<'a>) -> Result<()> {
        let attrs = self.it.attrs(value)?;
        self.scope = Attrs::update(self.it.arena, self.scope, attrs);
        let sorted = self.it.sorted_attrs(attrs);
        let names = sorted.iter().take(SHOWN_NAMES);
        let names: Vec<String> = names.map(|(key, _)| self.it.symbols.show(key.symbol)).collect();
        let more = if sorted.len() > names.len() { ", ..." } else { "" };
        let context = self.repl.context;
        let variables = counted(sorted.len(), "variable");
        context.say(format!("added {variables}: {}{more}", names.join(", ")));
        Ok(())
    }

    fn load_named(&mut self, named: &Named) {
        let source = match &named.loads {
            None => None,
            Some(Ok(())) => Some(&named.expression.source),
            Some(Err(failure)) => {
                self.fail(failure);
                None
            }
        };
        let folder = self.folder.as_os_str().as_bytes();
        let done = session::values(self.it, &named.expression, source, folder).and_then(
            |(values, args)| {
                self.args = args;
                values.into_iter().try_for_each(|value| {
                    let value = self.it.auto_call(value, args)?;
                    self.add(value)
                })
            },
        );
        self.settle(done);
    }

    fn load(&mut self, file: &Path) -> Result<()> {
        let value = self.it.import(file)?;
        let value = self.it.auto_call(value, self.args)?;
        self.add(value)
    }

    fn load_file(&mut self, path: &str) -> Option<End> {
        let file = if path.starts_with('<') {
            let found = self.value(path).and_then(|value| self.it.path(value));
            found.map(|path| PathBuf::from(path.lossy().into_owned()))
        } else {
            let home = path
                .strip_prefix("~/")
                .and_then(|below| Some(PathBuf::from(std::env::var_os("HOME")?).join(below)));
            match session::absolute(&home.unwrap_or_else(|| self.folder.join(path))) {
                Ok(file) => Ok(file),
                Err(failure) => {
                    self.fail(&failure.into());
                    return None;
                }
            }
        };
        let done = file.and_then(|file| {
            if !self.repl.loaded.contains(&file) {
                // remember it even if it fails: `:r` tries again
                self.repl.loaded.push(file.clone());
            }
            self.load(&file)
        });
        self.settle(done);
        None
    }

    fn document(&mut self, text: &str) -> Result<()> {
        let value = self.value(text)?;
        match self.it.documentation(value)? {
            Some(text) => self.put(text),
            None => {
                let message = format!("{} has no documentation", value.describe());
                self.fail(&Failure::new(Kind::Failed, message));
            }
        }
        Ok(())
    }

    fn build(&mut self, text: &str) -> Option<End> {
        let found = self.value(text).and_then(|value| self.it.derivations(value, self.args));
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.settle(Err(error));
                return None;
            }
        };
        for one in found {
            let built = |output: &String| Reference::Built {
                drv: one.drv_path.clone(),
                output: output.clone(),
            };
            let wanted: Vec<Reference> =
                one.outputs.iter().map(|(output, _)| built(output)).collect();
            if let Err(error) = self.it.host.realise(&wanted) {
                let failure = errors::of_refusal(&error);
                self.fail(&failure);
                return None;
            }
            if self.repl.context.global.json {
                let outputs: serde_json::Map<_, _> =
                    one.outputs.iter().map(|(name, path)| (name.clone(), json!(path))).collect();
                let value = json!({ "derivation": one.drv_path, "outputs": outputs });
                let done = self.repl.context.json(&value);
                self.repl.mute = self.repl.mute.take().or(done.err());
                continue;
            }
            for (output, path) in &one.outputs {
                self.put(format!("{output} -> {path}\n"));
            }
        }
        self.end()
    }

    /// The attribute names of an expression's value, as written after a dot.
    pub(super) fn attributes(&mut self, expression: &str) -> Vec<String> {
        let Ok(Value::Attrs(attrs)) = self.value(expression) else { return Vec::new() };
        let names = attrs.iter(self.it.arena);
        names.map(|(key, _)| written(self.it.symbols.bytes(key.symbol))).collect()
    }

    /// All variables in scope.
    pub(super) fn variables(&self) -> Vec<String> {
        let own = self.scope.iter(self.it.arena).map(|(key, _)| self.it.symbols.show(key.symbol));
        let global = self.it.global_names().filter(|name| !name.starts_with("__"));
        own.chain(global).collect()
    }

    /// True during completion.
    pub(super) fn set_completing(&self, on: bool) {
        self.repl.realiser.set_completing(on);
    }
}

/// An attribute's name as written after a dot.
fn written(name: &[u8]) -> String {
    let mut text = Vec::new();
    attribute_name(&mut text, name);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quotes_get_them() {
        assert_eq!([written(b"a-b"), written(b"3.11")], ["a-b", "\"3.11\""]);
    }
}
