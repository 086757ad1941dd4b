//! `hashString` and `convertHash`.

use super::Builtin;
use crate::{
    error::{Error, ErrorKind, Result},
    eval::Interpreter,
    hash::{Algorithm, Format, Hash},
    source::Span,
    string::Str,
    value::{Value, share},
};

pub(super) const TABLE: &[Builtin] =
    &[Builtin::new("__hashString", 2, hash_string), Builtin::new("__convertHash", 1, convert_hash)];

fn hash_string<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let name = it.plain_string(args[0])?;
    let algorithm = algorithm(name)?;
    let text = it.string(args[1])?;
    Ok(it.text(algorithm.digest(text.bytes()).format(Format::Base16).as_bytes()))
}

/// The algorithm of that name.
pub(super) fn algorithm(name: &Str<'_>) -> Result<Algorithm> {
    Algorithm::from_name(&name.lossy()).ok_or_else(|| {
        let message = format!("unknown hash algorithm '{}'", name.lossy());
        Error::new(ErrorKind::Eval, Span::NONE, message)
    })
}

fn convert_hash<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let attrs = it.attrs(args[0])?;
    let hash = it.symbols.intern(b"hash");
    let hash = it.attr(attrs, hash)?;
    let hash = it.plain_string(hash)?;
    let given = match it.symbols.find(b"hashAlgo").and_then(|name| attrs.get(name)) {
        Some(slot) => {
            let name = it.plain_string(share(slot))?;
            Some(algorithm(name)?)
        }
        None => None,
    };
    let format = it.symbols.intern(b"toHashFormat");
    let format = it.attr(attrs, format)?;
    let format = it.plain_string(format)?;
    let format = match format.bytes() {
        b"base16" => Format::Base16,
        b"nix32" | b"base32" => Format::Nix32,
        b"base64" => Format::Base64,
        b"sri" => Format::Sri,
        _ => {
            let message = format!(
                "unknown hash format '{}', expect 'base16', 'base32', 'base64', 'nix32', or 'sri'",
                format.lossy()
            );
            return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
        }
    };
    let hash = Hash::parse(&hash.lossy(), given)
        .map_err(|error| Error::new(ErrorKind::Eval, Span::NONE, error.to_string()))?;
    Ok(it.text(hash.format(format).as_bytes()))
}
