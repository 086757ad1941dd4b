//! Additions to the store, and the references of strings to it.

use std::path::Path;

use super::{Builtin, context::is_store_path, fetch::store_text};
use crate::{
    error::{Error, ErrorKind, Result},
    eval::{Interpreter, library},
    host::{AddPath, FileType, HostError, HostResult, Reference},
    path::as_path,
    source::Span,
    string::{ContextElement, Str},
    value::{Value, share},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("__path", 1, path),
    Builtin::new("__filterSource", 2, filter_source),
    Builtin::new("__toFile", 2, to_file),
    Builtin::new("__storePath", 1, store_path),
];

/// Builds what a context refers to, so that the paths can be read.
pub(super) fn realise(it: &Interpreter<'_>, context: &[ContextElement]) -> Result<()> {
    if context.is_empty() {
        return Ok(());
    }
    let references: Vec<_> = context.iter().map(|element| reference(it, *element)).collect();
    it.from_host(it.host.realise(&references))
}

fn reference(it: &Interpreter<'_>, element: ContextElement) -> Reference {
    match element {
        ContextElement::Opaque(path) => Reference::Opaque(it.symbols.show(path)),
        ContextElement::DrvDeep(path) => Reference::DrvDeep(it.symbols.show(path)),
        ContextElement::Built { drv, output } => {
            Reference::Built { drv: it.symbols.show(drv), output: it.symbols.show(output) }
        }
    }
}

fn path<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let attrs = it.attrs(args[0])?;
    let (mut path, mut name, mut filter, mut sha256, mut recursive) =
        (None, None, None, None, true);
    for (key, slot) in it.sorted_attrs(attrs) {
        let value = share(slot);
        match it.symbols.bytes(key.symbol) {
            b"path" => path = Some(it.path(value)?),
            b"name" => name = Some(it.plain_string(value)?.lossy().into_owned()),
            b"filter" => filter = Some(it.function(value)?),
            b"recursive" => recursive = it.bool(value)?,
            b"sha256" => sha256 = Some(it.plain_string(value)?.lossy().into_owned()),
            other => {
                let other = String::from_utf8_lossy(other);
                let message = format!("unsupported argument '{other}' to 'builtins.path'");
                return Err(Error::new(ErrorKind::Eval, Span::new(key.at, key.at), message));
            }
        }
    }
    let Some(path) = path else {
        let message = "missing required 'path' attribute in the first argument to 'builtins.path'";
        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
    };
    let request = AddPath {
        path: as_path(path.bytes()).to_owned(),
        name: name.filter(|name| !name.is_empty()).unwrap_or_else(|| base_name(path)),
        recursive,
        sha256: sha256.filter(|hash| !hash.is_empty()),
        follow: true,
    };
    add(it, path, &request, filter)
}

fn filter_source<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let path = it.path(args[1])?;
    let filter = it.function(args[0])?;
    let request = AddPath {
        path: as_path(path.bytes()).to_owned(),
        name: base_name(path),
        recursive: true,
        sha256: None,
        follow: true,
    };
    add(it, path, &request, Some(filter))
}

fn base_name(path: &Str<'_>) -> String {
    let name = as_path(path.bytes()).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn add<'a>(
    it: &mut Interpreter<'a>,
    path: &Str<'a>,
    request: &AddPath,
    filter: Option<Value<'a>>,
) -> Result<Value<'a>> {
    realise(it, path.context())?;
    let step = || format!("while adding path '{}'", path.lossy());
    let result = if library::contains(&request.path) {
        let bytes = it.read_file(&request.path)?;
        it.host.add_text(&request.name, &bytes, &[])
    } else if let Some(filter) = filter {
        let mut failed = None;
        let host = it.host;
        let mut asked = |path: &Path, kind: FileType| -> HostResult<bool> {
            keep(it, filter, path, kind).map_err(|error| {
                let refused = HostError::new(error.message());
                failed = Some(error);
                refused
            })
        };
        let result = host.add_path(request, Some(&mut asked));
        if let Some(error) = failed {
            return Err(error.within(Span::NONE, step()));
        }
        result
    } else {
        it.host.add_path(request, None)
    };
    let copy =
        it.of_path(&request.path, result).map_err(|error| error.within(Span::NONE, step()))?;
    Ok(store_text(it, &copy))
}

/// Asks the filter about an entry, with its path and its type as strings.
fn keep<'a>(
    it: &mut Interpreter<'a>,
    filter: Value<'a>,
    path: &Path,
    kind: FileType,
) -> Result<bool> {
    let path = it.text(path.as_os_str().as_encoded_bytes());
    let kind = it.text(kind.name().as_bytes());
    let answer = it.call(filter, &[path, kind], Span::NONE)?;
    it.bool(answer).map_err(|error| {
        error.within(Span::NONE, "while evaluating the return value of the path filter function")
    })
}

fn to_file<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let name = it.plain_string(args[0])?.lossy();
    let text = it.string(args[1])?;
    let mut references = Vec::new();
    for element in text.context() {
        match *element {
            ContextElement::Opaque(path) => references.push(it.symbols.show(path)),
            other => {
                let message = format!(
                    "files created by builtins.toFile may not reference derivations, but {name} references {}",
                    it.show_context(other)
                );
                return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
            }
        }
    }
    it.room(2 * text.len())?;
    let result = it.host.add_text(&name, text.bytes(), &references);
    let path = it.from_host(result)?;
    it.hold_once(&path, text.len());
    Ok(store_text(it, &path))
}

fn store_path<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let given = it.path(args[0])?;
    // a store object may be a link itself; any other is one to the store
    let direct = is_store_path(it, &given.lossy());
    let path = as_path(given.bytes());
    let path = if direct { path.to_owned() } else { it.resolve(path)? };
    let result = it.host.store_path(&path);
    let object = it.from_host(result)?;
    let mut context = given.context().to_vec();
    context.push(ContextElement::Opaque(it.symbols.intern(object.as_bytes())));
    Ok(it.text_with(path.as_os_str().as_encoded_bytes(), &context))
}
