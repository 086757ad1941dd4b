//! `clutch eval`.

use std::process::ExitCode;

use clutch_expr::{
    builtins::XmlOptions,
    error::Error,
    eval::{Coercion, Interpreter, PrintOptions},
    string::ContextBuilder,
    symbol::known,
    value::Value,
};

use super::{
    build_options::BuildArguments,
    context::Context,
    expression::ExpressionArguments,
    failure::{Failure, Kind, Outcome},
    hashes::HashArguments,
    work::Work,
};
use crate::{
    evaluate::HashPositions,
    session::{self, Attempt, EvalRealiser, Expression, Operation, SessionError, Source},
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    expression: ExpressionArguments,
    #[command(flatten)]
    build: BuildArguments,
    #[command(flatten)]
    hashes: HashArguments,
    /// Evaluate and print nested values, too, which otherwise appear as <CODE>.
    #[arg(long)]
    strict: bool,
    /// Print the value as XML.
    #[arg(long, conflicts_with = "raw")]
    xml: bool,
    /// With --xml, omit source locations.
    #[arg(long)]
    no_location: bool,
    /// Print the value as a string, without quotes.
    #[arg(long)]
    raw: bool,
    /// Parse the expression without evaluating it, and print it fully parenthesised.
    #[arg(long, conflicts_with_all = ["xml", "raw", "strict"])]
    parse: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    if context.global.json && (arguments.raw || arguments.xml || arguments.parse) {
        let message = "--json cannot be used with --raw, --xml or --parse";
        return Err(Failure::new(Kind::Usage, message));
    }
    let Arguments { expression, build, hashes, .. } = arguments;
    let work = Work::new(context, build, Some(&expression.measure));
    let expression = expression.expression(context)?;
    if arguments.parse {
        let realiser = EvalRealiser { operation: work.operation() };
        let host = session::host(&context.session, &expression, &realiser)?;
        let folder = std::env::current_dir().unwrap_or_else(|_| "/".into());
        let text =
            session::with(&host, &expression, &work, |it| parse(it, &expression.source, &folder))?;
        context.print([&text[..], b"\n"].concat())?;
        return Ok(ExitCode::SUCCESS);
    }
    let shows_code = !(arguments.strict || arguments.raw || context.global.json);
    let expression = Expression { eager: !shows_code, ..expression };
    for text in hashes.attempt(&work, &expression, |operation, expression| {
        let mut positions = HashPositions::default();
        let result =
            evaluate(operation, arguments, expression, context.global.json, &mut positions);
        Attempt { result, positions }
    })? {
        context.print(text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Formats the values.
fn evaluate(
    operation: Operation<'_>,
    arguments: &Arguments,
    expression: &Expression,
    json: bool,
    positions: &mut HashPositions,
) -> Result<Vec<Vec<u8>>, SessionError> {
    let Operation { session, observer, .. } = operation;
    let realiser = EvalRealiser { operation };
    let host = session::host(session, expression, &realiser)?;
    let texts = session::interpret(session, &host, expression, observer, |it, value, args| {
        // print a function unless arguments are given
        let value = if args.is_empty() { it.value(value)? } else { it.auto_call(value, args)? };
        show(it, value, arguments, json)
    });
    *positions = host.hash_positions();
    texts
}

fn show<'a>(
    it: &mut Interpreter<'a>,
    value: Value<'a>,
    arguments: &Arguments,
    json: bool,
) -> Result<Vec<u8>, Box<Error>> {
    let mut text = if arguments.raw {
        return Ok(it.coerce(value, Coercion::INTERPOLATION)?.bytes().to_vec());
    } else if json {
        let mut text = Vec::new();
        it.write_json(value, &mut text, &mut ContextBuilder::default())?;
        text
    } else if arguments.xml {
        let options = XmlOptions { strict: arguments.strict, locations: !arguments.no_location };
        return Ok(it.xml(value, options)?.0);
    } else if !arguments.strict
        && let Some(path) = derivation(it, value)?
    {
        path
    } else {
        it.print(value, PrintOptions { force: arguments.strict, ..PrintOptions::PLAIN })?
    };
    text.push(b'\n');
    Ok(text)
}

/// The short form of a derivation; `None` for other values. Fails if its path cannot be computed: a list of
/// its attributes would look complete.
fn derivation<'a>(
    it: &mut Interpreter<'a>,
    value: Value<'a>,
) -> Result<Option<Vec<u8>>, Box<Error>> {
    let Value::Attrs(attrs) = it.value(value)? else { return Ok(None) };
    if !it.is_derivation(attrs).unwrap_or(false) {
        return Ok(None);
    }
    let Some(path) = attrs.get(known::drv_path) else { return Ok(None) };
    let Value::String(path) = it.force(path)? else { return Ok(None) };
    let path = path.bytes();
    Ok(Some([b"\xc2\xabderivation ", path, b"\xc2\xbb"].concat()))
}

fn parse(
    it: &mut Interpreter<'_>,
    source: &Source,
    folder: &std::path::Path,
) -> Result<Vec<u8>, Box<Error>> {
    use std::os::unix::ffi::OsStrExt as _;
    let (origin, text, folder) = match source {
        Source::File(path) => {
            let text = it.read_file(path)?;
            let folder = path.parent().unwrap_or(path).to_owned();
            let origin = clutch_expr::source::Origin::File(path.as_os_str().as_bytes().to_vec());
            (origin, text, folder)
        }
        Source::Text(origin, text) => (origin.clone(), text.clone(), folder.to_owned()),
    };
    it.show_parsed(origin, text, folder.as_os_str().as_bytes())
}
