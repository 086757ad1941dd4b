//! Runs the interpreter for one expression: options, selected values and errors.

use std::{collections::BTreeMap, path::Path, time::Instant};

use clutch_expr::{
    error::Error,
    eval::{Interpreter, Options},
    evaluation::with_interpreter,
    host::Host,
    limit::Limit,
    source::Origin,
    suggest::did_you_mean,
    value::{Attrs, AttrsBuilder, Value},
};

use super::{
    Argument, EvaluationError, Expression, Measured, Observer, Session, SessionError, Source,
    absolute, measured,
};
use crate::library::LIBRARY;

/// Evaluates an expression and passes each selected value to `each`, with the arguments for functions.
///
/// # Errors
/// [`SessionError::Evaluation`], or the observer's error.
pub(crate) fn interpret<T: Send>(
    session: &Session,
    host: &dyn Host,
    expression: &Expression,
    observer: &dyn Observer,
    mut each: impl for<'a> FnMut(
        &mut Interpreter<'a>,
        Value<'a>,
        &'a Attrs<'a>,
    ) -> Result<T, Box<Error>>
    + Send,
) -> Result<Vec<T>, SessionError> {
    let folder = absolute(Path::new("."))?;
    let limit = measured::limit(expression.memory);
    let limit = limit.stopped_by(session.settings.interruption.clone());
    run(host, expression, limit, observer, move |it| {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = folder.as_os_str().as_bytes();
        let (values, args) = values(it, expression, Some(&expression.source), folder)?;
        values.into_iter().map(|value| each(it, value, args)).collect()
    })
}

/// The values that an expression selects, and the set of arguments for functions.
///
/// # Errors
/// Those of the evaluation.
pub(crate) fn values<'a>(
    it: &mut Interpreter<'a>,
    expression: &Expression,
    source: Option<&Source>,
    folder: &[u8],
) -> Result<(Vec<Value<'a>>, &'a Attrs<'a>), Box<Error>> {
    let args = arguments(it, expression, folder)?;
    let root = match source {
        Some(Source::File(path)) => it.import(path)?,
        Some(Source::Text(origin, text)) => it.eval_text(origin.clone(), text.clone(), folder)?,
        None => return Ok((Vec::new(), args)),
    };
    if expression.attributes.is_empty() {
        return Ok((vec![root], args));
    }
    let select = |attribute: &String| it.at_path(root, attribute, args);
    Ok((expression.attributes.iter().map(select).collect::<Result<_, _>>()?, args))
}

/// Runs an interpreter without an interruption flag.
///
/// # Errors
/// [`SessionError::Evaluation`], or the observer's error.
pub(crate) fn with<T: Send>(
    host: &dyn Host,
    expression: &Expression,
    observer: &dyn Observer,
    work: impl FnOnce(&mut Interpreter<'_>) -> Result<T, Box<Error>> + Send,
) -> Result<T, SessionError> {
    run(host, expression, measured::limit(expression.memory), observer, work)
}

fn run<T: Send>(
    host: &dyn Host,
    expression: &Expression,
    limit: Limit,
    observer: &dyn Observer,
    work: impl FnOnce(&mut Interpreter<'_>) -> Result<T, Box<Error>> + Send,
) -> Result<T, SessionError> {
    let features = Features(&expression.features);
    features.check(observer);
    let options = Options {
        pipe_operators: features.has("pipe-operators"),
        toml_timestamps: features.has("parse-toml-timestamps"),
        trace_verbose: expression.trace_verbose,
        abort_on_warn: expression.abort_on_warn,
        eager: expression.eager,
        library: &LIBRARY,
        limit,
        ..Options::default()
    };
    let Expression { profiled, style, .. } = *expression;
    let (result, measured) = with_interpreter(host, options, |it| {
        if profiled {
            it.start_profile();
        }
        let started = Instant::now();
        let result =
            work(it).map_err(|error| Box::new(EvaluationError::new(&error, &it.sources, style)));
        (result, Measured::of(it, started, profiled))
    })
    .map_err(SessionError::Thread)?;
    observer.evaluated(&measured).map_err(SessionError::Observer)?;
    Ok(result?)
}

/// The experimental features to enable.
struct Features<'f>(&'f [String]);

impl Features<'_> {
    /// The features that have an effect.
    const KNOWN: [&'static str; 2] = ["parse-toml-timestamps", "pipe-operators"];
    /// Nix features that are accepted without a warning.
    const HABITS: [&'static str; 3] = ["fetch-tree", "flakes", "nix-command"];

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|given| given == name)
    }

    /// Warns about unknown names.
    fn check(&self, observer: &dyn Observer) {
        let given = self.0.iter().map(String::as_str).filter(|name| !name.is_empty());
        for name in given.filter(|name| !Self::KNOWN.contains(name) && !Self::HABITS.contains(name))
        {
            let near = did_you_mean(name, Self::KNOWN.map(str::to_owned).into_iter());
            let help = near
                .unwrap_or_else(|| format!("expected {} or {}", Self::KNOWN[0], Self::KNOWN[1]));
            observer.warn(&format!("unknown experimental feature '{name}': {help}"));
        }
    }
}

/// The set of arguments for functions. If a name is given twice, the last one counts.
fn arguments<'a>(
    it: &mut Interpreter<'a>,
    expression: &Expression,
    folder: &[u8],
) -> Result<&'a Attrs<'a>, Box<Error>> {
    let of_kind = |code: bool| -> BTreeMap<&String, &Argument> {
        let all = expression.arguments.iter().map(|(name, argument)| (name, argument));
        all.filter(|(_, a)| matches!(a, Argument::Expression(_)) == code).collect()
    };
    let mut args = AttrsBuilder::default();
    for (name, argument) in of_kind(true).into_iter().chain(of_kind(false)) {
        let value = match argument {
            Argument::Expression(text) => {
                it.eval_text(Origin::Text, text.clone().into_bytes(), folder)?
            }
            Argument::Text(text) => it.text(text.as_bytes()),
        };
        args.push(it.symbols.intern(name.as_bytes()), value);
    }
    Ok(args.build(it.arena))
}
