//! `fetchurl`, `fetchTarball`, `fetchGit`, `fetchTree`: the arguments are read here, the host
//! fetches, and decides what may be fetched without a hash. And what is left out of the family.

use super::{Builtin, hidden::Hidden};
use crate::{
    error::{Error, ErrorKind, Result},
    eval::{Coercion, Interpreter},
    host::{FetchRequest, FetchValue, Fetched},
    source::{Place, Span},
    string::ContextElement,
    symbol::known,
    value::{Attrs, AttrsBuilder, Value, share},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("__fetchurl", 1, |it, args| file(it, "fetchurl", args[0])),
    Builtin::new("fetchTarball", 1, |it, args| file(it, "fetchTarball", args[0])),
    Builtin::new("fetchGit", 1, fetch_git),
    Builtin::new("fetchTree", 1, fetch_tree),
    Builtin::new("fetchMercurial", 1, |_, _| {
        Err(left_out("fetchMercurial", "fetch a tarball of the revision by its hash"))
    }),
    Builtin::new("__getFlake", 1, |_, _| {
        Err(left_out("getFlake", "pin sources in a lock or a channel and import them"))
    }),
];

/// The error of a builtin that exists in Nix and not here.
#[cold]
fn left_out(name: &str, instead: &str) -> Box<Error> {
    let message = format!("'builtins.{name}' is not part of this implementation of the language");
    Error::new(ErrorKind::Eval, Span::NONE, message).with_help(instead)
}

/// One file or tree by its URL: a string, or a set of `url`, `name` and `sha256`.
fn file<'a>(it: &mut Interpreter<'a>, who: &str, argument: Value<'a>) -> Result<Value<'a>> {
    let mut args = Vec::new();
    match it.value(argument)? {
        Value::Attrs(attrs) => {
            for (key, slot) in it.sorted_attrs(attrs) {
                let name = it.symbols.show(key.symbol);
                if !matches!(name.as_str(), "url" | "name" | "sha256") {
                    let message = format!("unsupported argument '{name}' to '{who}'");
                    return Err(Error::new(ErrorKind::Eval, Span::new(key.at, key.at), message));
                }
                let text = it.plain_string(share(slot))?;
                args.push((name, FetchValue::String(text.lossy().into_owned())));
            }
            if !args.iter().any(|(name, _)| name == "url") {
                return Err(Error::new(ErrorKind::Eval, Span::NONE, "'url' argument required"));
            }
        }
        other => {
            let url = it.as_plain_string(other)?;
            args.push(("url".to_owned(), FetchValue::String(url.lossy().into_owned())));
        }
    }
    let hash_place = hash_place(it, argument, b"sha256")?;
    let fetched = fetch(it, &FetchRequest { builtin: who.to_owned(), args, hash_place })?;
    Ok(store_text(it, &fetched.path))
}

/// Calls for an attribute that was left for later, with the argument of the fetch and the name.
pub(super) static GIT_LATER: Builtin =
    Builtin::hidden(Hidden::GitAttr as u8, "__fetchGit", 2, |it, args| {
        later(it, args, git_request)
    });
pub(super) static TREE_LATER: Builtin =
    Builtin::hidden(Hidden::TreeAttr as u8, "__fetchTree", 2, |it, args| {
        later(it, args, tree_request)
    });

/// How an argument is read.
type Read = for<'a> fn(&mut Interpreter<'a>, Value<'a>) -> Result<FetchRequest>;

fn later<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>], read: Read) -> Result<Value<'a>> {
    let request = read(it, args[0])?;
    let name = it.plain_string(args[1])?.lossy().into_owned();
    let result = it.host.fetch_later(&request, &name);
    let found = it.from_host(result)?;
    Ok(attribute(it, &found))
}

fn attribute<'a>(it: &mut Interpreter<'a>, value: &FetchValue) -> Value<'a> {
    match value {
        FetchValue::String(text) => it.text(text.as_bytes()),
        FetchValue::Int(number) => Value::Int(*number),
        FetchValue::Bool(truth) => Value::Bool(*truth),
    }
}

fn fetch_git<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let request = git_request(it, args[0])?;
    tree(it, &request, &GIT_LATER, args[0])
}

fn git_request<'a>(it: &mut Interpreter<'a>, argument: Value<'a>) -> Result<FetchRequest> {
    let args = match it.value(argument)? {
        Value::Attrs(attrs) => {
            if attrs.get(known::type_).is_some() {
                return Err(Error::new(ErrorKind::Eval, Span::NONE, "unexpected argument 'type'"));
            }
            tree_args(it, "fetchGit", attrs)?
        }
        other => {
            let url = it.coerce(other, Coercion::PLAIN)?;
            vec![("url".to_owned(), FetchValue::String(url.lossy().into_owned()))]
        }
    };
    let hash_place = hash_place(it, argument, b"narHash")?;
    Ok(FetchRequest { builtin: "fetchGit".to_owned(), args, hash_place })
}

fn fetch_tree<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let request = tree_request(it, args[0])?;
    tree(it, &request, &TREE_LATER, args[0])
}

fn tree_request<'a>(it: &mut Interpreter<'a>, argument: Value<'a>) -> Result<FetchRequest> {
    let Value::Attrs(attrs) = it.value(argument)? else {
        let message =
            "passing a string argument to 'fetchTree' requires flakes, which are not supported";
        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
    };
    if attrs.get(known::type_).is_none() {
        let message = "argument 'type' is missing in call to 'fetchTree'";
        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
    }
    if attrs.get(known::name).is_some() {
        let message = "argument 'name' isn't supported in call to 'fetchTree'";
        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
    }
    let args = tree_args(it, "fetchTree", attrs)?;
    let hash_place = hash_place(it, Value::Attrs(attrs), b"narHash")?;
    Ok(FetchRequest { builtin: "fetchTree".to_owned(), args, hash_place })
}

fn tree_args<'a>(
    it: &mut Interpreter<'a>,
    who: &str,
    attrs: &'a Attrs<'a>,
) -> Result<Vec<(String, FetchValue)>> {
    let mut args = Vec::new();
    for (key, slot) in it.sorted_attrs(attrs) {
        let name = it.symbols.show(key.symbol);
        let value = match it.force(slot)? {
            value @ (Value::String(_) | Value::Path(_)) => {
                let text = it.coerce(value, Coercion::PLAIN)?;
                FetchValue::String(text.lossy().into_owned())
            }
            Value::Bool(value) => FetchValue::Bool(value),
            Value::Int(value) if value >= 0 => FetchValue::Int(value),
            Value::Int(value) => {
                let message =
                    format!("negative value given for '{who}' argument '{name}': {value}");
                return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
            }
            other => {
                let message = format!(
                    "argument '{name}' to '{who}' is {} while a string, Boolean or integer is expected",
                    other.describe()
                );
                return Err(Error::new(ErrorKind::Type, Span::NONE, message));
            }
        };
        args.push((name, value));
    }
    Ok(args)
}

/// The place of the attribute that holds the hash.
fn hash_place<'a>(
    it: &mut Interpreter<'a>,
    argument: Value<'a>,
    name: &[u8],
) -> Result<Option<Place>> {
    let name = it.symbols.intern(name);
    let Value::Attrs(attrs) = it.value(argument)? else { return Ok(None) };
    let key = attrs.entry(name).map(|(key, _)| key);
    Ok(key.and_then(|key| it.sources.place(Span::new(key.at, key.at))))
}

fn tree<'a>(
    it: &mut Interpreter<'a>,
    request: &FetchRequest,
    later: &'static Builtin,
    argument: Value<'a>,
) -> Result<Value<'a>> {
    let fetched = fetch(it, request)?;
    let mut result = AttrsBuilder::with_capacity(fetched.attrs.len() + fetched.later.len() + 1);
    result.push(known::out_path, store_text(it, &fetched.path));
    for (name, value) in fetched.attrs {
        let value = attribute(it, &value);
        result.push(it.symbols.intern(name.as_bytes()), value);
    }
    for name in fetched.later {
        let text = it.text(name.as_bytes());
        let value = it.shared_apply(Value::Builtin(&later.signature), &[argument, text]);
        result.push(it.symbols.intern(name.as_bytes()), value);
    }
    Ok(Value::Attrs(result.build(it.arena)))
}

fn fetch(it: &mut Interpreter<'_>, request: &FetchRequest) -> Result<Fetched> {
    let result = it.host.fetch(request);
    it.from_host(result)
}

/// A store path as a string that refers to it.
pub(super) fn store_text<'a>(it: &mut Interpreter<'a>, path: &str) -> Value<'a> {
    let symbol = it.symbols.intern(path.as_bytes());
    it.text_with(path.as_bytes(), &[ContextElement::Opaque(symbol)])
}
