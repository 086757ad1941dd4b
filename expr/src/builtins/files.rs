//! Reading files and directories, and the names of paths.

use std::path::{Path, PathBuf};

use super::{Builtin, hash, store::realise};
use crate::{
    error::{Error, ErrorKind, Result},
    eval::{Coercion, Interpreter},
    hash::{Format, Hasher},
    host::FileType,
    path::{self, as_path},
    source::Span,
    string::{ContextElement, Str},
    symbol::known,
    value::{AttrsBuilder, Value, share},
};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("__readFile", 1, read_file),
    Builtin::new("__readDir", 1, read_dir),
    Builtin::new("__readFileType", 1, read_file_type),
    Builtin::new("__pathExists", 1, path_exists),
    Builtin::new("__hashFile", 2, hash_file),
    Builtin::new("__findFile", 2, find_file),
    Builtin::new("baseNameOf", 1, base_name_of),
    Builtin::new("dirOf", 1, dir_of),
    Builtin::new("__toPath", 1, to_path),
];

impl<'a> Interpreter<'a> {
    /// An argument that names a path which is about to be read: what it refers to is built first.
    ///
    /// # Errors
    /// It is not a path; what building fails with.
    pub fn real_path(&mut self, value: Value<'a>) -> Result<&'a Str<'a>> {
        let path = self.path(value)?;
        realise(self, path.context())?;
        Ok(path)
    }
}

fn read_file<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let path = it.real_path(args[0])?;
    let bytes = it.read_file(as_path(path.bytes()))?;
    it.room(bytes.len())?;
    if memchr::memchr(0, &bytes).is_some() {
        let message = format!(
            "the contents of the file '{}' cannot be represented as a Nix string",
            path.lossy()
        );
        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
    }
    let context = references(it, as_path(path.bytes()), &bytes)?;
    Ok(it.text_with(&bytes, &context))
}

/// The references of a file in the store that occur in its text.
fn references(it: &mut Interpreter<'_>, path: &Path, text: &[u8]) -> Result<Vec<ContextElement>> {
    if !path.starts_with(it.host.store_dir()) {
        return Ok(Vec::new());
    }
    let result = it.host.references(path);
    let references = it.from_host(result)?;
    // a reference shows by its digest, as in a scan of a build's output
    let digest =
        |path: &str| path.rsplit('/').next().and_then(|base| base.get(..32)).map(str::to_owned);
    let found = references.into_iter().filter(|reference| {
        digest(reference).is_some_and(|d| memchr::memmem::find(text, d.as_bytes()).is_some())
    });
    Ok(found.map(|path| ContextElement::Opaque(it.symbols.intern(path.as_bytes()))).collect())
}

fn read_dir<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let path = it.real_path(args[0])?;
    let entries = it.read_dir(as_path(path.bytes()))?;
    let mut attrs = AttrsBuilder::with_capacity(entries.len());
    for (name, kind) in entries {
        let name = it.symbols.intern(&name);
        attrs.push(name, type_text(it, kind));
    }
    Ok(Value::Attrs(attrs.build(it.arena)))
}

fn type_text<'a>(it: &mut Interpreter<'a>, kind: FileType) -> Value<'a> {
    let symbol = it.symbols.intern(kind.name().as_bytes());
    Value::String(it.symbols.string(symbol))
}

fn read_file_type<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let path = it.real_path(args[0])?;
    match it.file_type(as_path(path.bytes()))? {
        Some(kind) => Ok(type_text(it, kind)),
        None => {
            let message = format!("path '{}' does not exist", path.lossy());
            Err(Error::new(ErrorKind::Host, Span::NONE, message))
        }
    }
}

/// A string that ends with a slash asks for a directory, links followed. A path that may not be
/// looked at does not exist.
fn path_exists<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let value = it.value(args[0])?;
    let wants_directory = matches!(value, Value::String(text)
        if text.bytes().ends_with(b"/") || text.bytes().ends_with(b"/."));
    let path = it.real_path(value)?;
    let path = as_path(path.bytes());
    let found = if wants_directory {
        it.resolve(path).and_then(|path| it.file_type(&path))
    } else {
        it.file_type(path)
    };
    Ok(Value::Bool(match found {
        Ok(Some(kind)) => !wants_directory || kind == FileType::Directory,
        Ok(None) | Err(_) => false,
    }))
}

fn hash_file<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let name = it.plain_string(args[0])?;
    let algorithm = hash::algorithm(name)?;
    let path = it.real_path(args[1])?;
    let mut hasher = Hasher::new(algorithm);
    it.stream_file(as_path(path.bytes()), &mut |piece| hasher.update(piece))?;
    Ok(it.text(hasher.finish().format(Format::Base16).as_bytes()))
}

/// The first entry of a search path below which the file exists: what `<name>` means.
fn find_file<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let entries = it.list(args[0])?;
    let mut search = Vec::with_capacity(entries.len());
    for slot in entries.items {
        let entry = it.attrs(share(slot))?;
        let prefix = match entry.get(known::prefix) {
            Some(slot) => it.plain_string(share(slot))?.bytes(),
            None => b"",
        };
        let path = it.attr(entry, known::path)?;
        let path = it.coerce(path, Coercion::PLAIN)?;
        realise(it, path.context())?;
        search.push((prefix, path.bytes()));
    }
    let name = it.plain_string(args[1])?;
    for (prefix, directory) in search {
        let Some(rest) = path::below(prefix, name.bytes()) else { continue };
        let path = path::canonical(&[directory, b"/", rest].concat());
        if let Some(found) = existing(it, &path) {
            return Ok(it.new_path(found.as_os_str().as_encoded_bytes()));
        }
    }
    if let Some(file) = it.options.library.find(name.bytes()) {
        return Ok(it.new_path(&file));
    }
    let name = name.lossy();
    let message = format!("file '{name}' was not found in the search path");
    let entry = name.split('/').next().unwrap_or_default();
    // pure evaluation has no clock and reads no variable
    let help = match it.host.has_clock() {
        true => format!("name its place with -I {entry}=PATH, or in $NIX_PATH"),
        false => format!(
            "name its place with -I {entry}=PATH; pure evaluation reads no $NIX_PATH, `--impure` does"
        ),
    };
    Err(Error::new(ErrorKind::Throw, Span::NONE, message).with_help(help))
}

fn existing(it: &Interpreter<'_>, path: &[u8]) -> Option<PathBuf> {
    it.file_type(as_path(path)).ok()??;
    it.resolve(as_path(path)).ok()
}

/// The part behind the last slash; one slash at the end does not count.
fn base_name_of<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let whole = it.coerce(args[0], Coercion::PLAIN)?;
    let text = whole.bytes();
    let text = match text {
        [first @ .., b'/'] if !first.is_empty() => first,
        _ => text,
    };
    let start = memchr::memrchr(b'/', text).map_or(0, |at| at + 1);
    Ok(Value::String(Str::with_context(it.arena, &text[start..], whole.context())))
}

fn dir_of<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let value = it.value(args[0])?;
    if let Value::Path(path) = value {
        return Ok(it.new_path(path::parent(path.bytes())));
    }
    let whole = it.coerce(value, Coercion::PLAIN)?;
    let text = whole.bytes();
    let directory = match memchr::memrchr(b'/', text) {
        None => b".".as_slice(),
        Some(0) => b"/",
        Some(at) => &text[..at],
    };
    Ok(Value::String(Str::with_context(it.arena, directory, whole.context())))
}

fn to_path<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let path = it.path(args[0])?;
    Ok(Value::String(path))
}
