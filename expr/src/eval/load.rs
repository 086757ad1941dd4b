//! Loads texts and files: parses, compiles and evaluates them. A file is evaluated once.

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use super::{Interpreter, library};
use crate::{
    compile::{self, Expr},
    error::{Error, ErrorKind, Result},
    host::FileType,
    interner::Interner,
    path::{self, as_path},
    source::{Origin, Span},
    suggest::did_you_mean,
    symbol::{Symbol, known},
    syntax::{
        self,
        ast::{Ast, ExprId},
    },
    value::{Attrs, AttrsBuilder, CodeId, Env, Slot, Value, share},
};

#[allow(clippy::cast_possible_truncation)]
fn nanos(since: Instant) -> u64 {
    since.elapsed().as_nanos() as u64
}

impl<'a> Interpreter<'a> {
    /// The syntax tree of a text. Relative paths in it are relative to `folder`.
    ///
    /// # Errors
    /// [`ErrorKind::Parse`] with the place.
    pub(crate) fn parse(
        &mut self,
        origin: Origin,
        text: &Arc<[u8]>,
        folder: &[u8],
    ) -> Result<(Ast, ExprId)> {
        self.parse_with(origin, text, folder, syntax::parse)
    }

    /// The same with another parser.
    pub(super) fn parse_with<T>(
        &mut self,
        origin: Origin,
        text: &Arc<[u8]>,
        folder: &[u8],
        parse: impl FnOnce(&[u8], &mut Interner<'a>, &syntax::ParseContext<'_>) -> Result<(Ast, T)>,
    ) -> Result<(Ast, T)> {
        let start = Instant::now();
        self.room(text.len())?;
        self.hold(text.len());
        let Some(base) = self.sources.add(origin, Arc::clone(text)) else {
            let message = "the sources of one evaluation are larger than 4 GiB";
            return Err(Error::new(ErrorKind::Parse, Span::NONE, message));
        };
        let home = self.host.home();
        let sources = &self.sources;
        let context = syntax::ParseContext {
            base,
            folder,
            home: home.as_ref().map(|home| home.as_os_str().as_bytes()),
            pipe_operators: self.options.pipe_operators,
            stack: self.stack,
            show_place: &|span| sources.place(span).map_or_else(String::new, |p| p.to_string()),
        };
        let parsed = parse(text, &mut self.symbols, &context);
        self.stats.files += 1;
        self.stats.source_bytes += text.len() as u64;
        self.stats.parse_nanos += nanos(start);
        parsed
    }

    /// The code of a text; `names` are the variables of the activation it is evaluated in.
    fn compile(
        &mut self,
        origin: Origin,
        text: &Arc<[u8]>,
        folder: &[u8],
        names: &[Symbol],
    ) -> Result<&'a Expr<'a>> {
        let (tree, root) = self.parse(origin, text, folder)?;
        let start = Instant::now();
        let code = self.lower(&tree, root, names);
        self.stats.compile_nanos += nanos(start);
        code
    }

    /// The code of a tree.
    pub(super) fn lower(
        &mut self,
        tree: &Ast,
        root: ExprId,
        names: &[Symbol],
    ) -> Result<&'a Expr<'a>> {
        let context = compile::CompileContext {
            arena: self.arena,
            symbols: &self.symbols,
            sources: &self.sources,
            program: &mut self.program,
            stack: self.stack,
            eager: self.options.eager,
        };
        compile::lower(context, tree, root, names)
    }

    /// A text as `nix-instantiate --parse` prints it.
    ///
    /// # Errors
    /// If it has a syntax error or an undefined variable.
    pub fn show_parsed(
        &mut self,
        origin: Origin,
        text: impl Into<Arc<[u8]>>,
        folder: &[u8],
    ) -> Result<Vec<u8>> {
        let (tree, root) = self.parse(origin, &text.into(), folder)?;
        self.lower(&tree, root, &[])?;
        syntax::print(&tree, root, &self.symbols, self.stack)
    }

    /// The value of a text.
    ///
    /// # Errors
    /// Those of parsing and evaluating it.
    pub fn eval_text(
        &mut self,
        origin: Origin,
        text: impl Into<Arc<[u8]>>,
        folder: &[u8],
    ) -> Result<Value<'a>> {
        let code = self.compile(origin, &text.into(), folder, &[])?;
        let root = self.root;
        self.eval(code, root)
    }

    /// The value of a text, with the attributes of a set as variables.
    ///
    /// # Errors
    /// As [`Self::eval_text`].
    pub fn eval_text_with(
        &mut self,
        origin: Origin,
        text: impl Into<Arc<[u8]>>,
        folder: &[u8],
        scope: &'a Attrs<'a>,
    ) -> Result<Value<'a>> {
        let text = text.into();
        self.eval_in(scope, |it, names| it.compile(origin, &text, folder, names))
    }

    /// The value of code whose outermost variables are the attributes of a set.
    pub(super) fn eval_in(
        &mut self,
        scope: &'a Attrs<'a>,
        compile: impl FnOnce(&mut Self, &[Symbol]) -> Result<&'a Expr<'a>>,
    ) -> Result<Value<'a>> {
        let (keys, slots) = scope.flat(self.arena);
        let names: Vec<Symbol> = keys.iter().map(|key| key.symbol).collect();
        let code = compile(self, &names)?;
        let root = self.root;
        let env =
            if names.is_empty() { root } else { self.arena.alloc(Env::new(Some(root), slots)) };
        self.eval(code, env)
    }

    /// The file that importing a path reads.
    fn source_file(&mut self, path: &Path) -> Result<PathBuf> {
        if let Some(known) = self.resolved.get(path) {
            return Ok(known.clone());
        }
        let mut file = self.follow(path)?;
        if self.file_type(&file)? == Some(FileType::Directory) {
            // a link to a file is read, but paths in the file are relative to this folder
            file.push("default.nix");
        }
        self.resolved.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    /// The path with links at its end followed, but not those on the way.
    fn follow(&mut self, path: &Path) -> Result<PathBuf> {
        const MOST: usize = 1000;
        let mut path = path.to_owned();
        if library::contains(&path) {
            return Ok(path);
        }
        for _ in 0..MOST {
            if self.file_type(&path)? != Some(FileType::Symlink) {
                return Ok(path);
            }
            let Some(target) = self.from_host(self.host.read_link(&path))? else {
                return self.resolve(&path);
            };
            let folder = path::parent(path.as_os_str().as_bytes());
            let target = path::join(folder, target.as_os_str().as_bytes());
            path = as_path(&target).to_owned();
        }
        let message = format!("too many symbolic links: '{}'", path.display());
        Err(Error::new(ErrorKind::Host, Span::NONE, message))
    }

    fn read_source(&self, file: &Path) -> Result<Arc<[u8]>> {
        self.read_file(file).map(Arc::from)
    }

    /// The value of a file, or of `default.nix` in a folder; evaluated once.
    ///
    /// # Errors
    /// If it cannot be read, parsed or evaluated.
    pub fn import(&mut self, path: &Path) -> Result<Value<'a>> {
        let file = self.source_file(path)?;
        if let Some(slot) = self.files.get(&file) {
            return self.force(slot);
        }
        let text = self.read_source(&file)?;
        let slot = self.slot(Value::Running(CodeId::NONE));
        self.files.insert(file.clone(), slot);
        let value = self.load(&file, &text, slot).and_then(|()| self.force(slot));
        value.map_err(|error| {
            if error.kind() != ErrorKind::Throw && error.kind() != ErrorKind::Assert {
                self.files.remove(&file);
            }
            let text = format!("while evaluating the file '{}'", file.display());
            error.within(Span::NONE, text)
        })
    }

    fn load(&mut self, file: &Path, text: &Arc<[u8]>, slot: &'a Slot<'a>) -> Result<()> {
        let name = file.as_os_str().as_bytes();
        let folder = path::parent(name).to_vec();
        let (names, env) = match library::contains(file) {
            true => {
                let (_, slots) = self.library_scope().flat(self.arena);
                let env = Env::new(Some(self.root), slots);
                (&[known::host][..], &*self.arena.alloc(env))
            }
            false => (&[][..], self.root),
        };
        let code = self.compile(Origin::File(name.to_vec()), text, &folder, names)?;
        let id = CodeId(u32::try_from(self.program.code.len()).unwrap_or(u32::MAX));
        self.program.code.push(code);
        slot.set(Value::Thunk(id, env));
        Ok(())
    }

    /// The names that only files of the library see: the host's functions, as `host`.
    fn library_scope(&mut self) -> &'a Attrs<'a> {
        if let Some(scope) = self.library_scope {
            return scope;
        }
        let functions = self.options.library.functions;
        let mut host = AttrsBuilder::with_capacity(functions.len());
        for function in functions {
            let name = self.symbols.intern(function.signature.name().as_bytes());
            host.push(name, self.add_builtin(function));
        }
        let mut scope = AttrsBuilder::with_capacity(1);
        scope.push(known::host, Value::Attrs(host.build(self.arena)));
        self.library_scope.insert(scope.build(self.arena))
    }

    /// The value of a file, with the attributes of a set as variables. Evaluated every time.
    ///
    /// # Errors
    /// As [`Self::import`].
    pub(crate) fn import_with(&mut self, path: &Path, scope: &'a Attrs<'a>) -> Result<Value<'a>> {
        let file = self.source_file(path)?;
        let text = self.read_source(&file)?;
        let name = file.as_os_str().as_bytes();
        let folder = path::parent(name).to_vec();
        let scope = match library::contains(&file) {
            true => Attrs::update(self.arena, self.library_scope(), scope),
            false => scope,
        };
        self.eval_text_with(Origin::File(name.to_vec()), text, &folder, scope).map_err(|error| {
            let text = format!("while evaluating the file '{}'", file.display());
            error.within(Span::NONE, text)
        })
    }

    /// Calls a function that takes a set pattern with the arguments of the command line and its defaults.
    /// Returns any other value unchanged.
    ///
    /// # Errors
    /// [`ErrorKind::MissingArgument`], or an error of the call.
    pub fn auto_call(&mut self, value: Value<'a>, args: &'a Attrs<'a>) -> Result<Value<'a>> {
        let function = self.value(value)?;
        if let Value::Attrs(attrs) = function
            && let Some(functor) = attrs.get(known::functor)
        {
            return self.nest(|it| {
                let inner = it.call(share(functor), &[function], Span::NONE)?;
                it.auto_call(inner, args)
            });
        }
        let Some(formals) = self.formals(function) else { return Ok(function) };
        let given = if formals.ellipsis {
            args
        } else {
            let mut given = AttrsBuilder::default();
            for formal in formals.list {
                match (args.entry(formal.name), formal.default) {
                    (Some((key, slot)), _) => given.push_at(formal.name, key.at, share(slot)),
                    (None, Some(_)) => {}
                    (None, None) => {
                        let name = self.symbols.show(formal.name);
                        let message = format!(
                            "cannot evaluate a function that has an argument without a value \
                             ('{name}')"
                        );
                        return Err(Error::new(ErrorKind::MissingArgument, formal.span, message)
                            .with_help(format!("give it with --arg {name} or --argstr {name}")));
                    }
                }
            }
            given.build(self.arena)
        };
        self.call(function, &[Value::Attrs(given)], Span::NONE)
    }

    /// The value at an attribute path such as `a."b.c".0`. Numbers select from lists. Functions on the way
    /// are called as by [`Self::auto_call`], but not the one at the end.
    ///
    /// # Errors
    /// If the path is malformed or does not exist.
    pub fn at_path(
        &mut self,
        value: Value<'a>,
        path: &str,
        args: &'a Attrs<'a>,
    ) -> Result<Value<'a>> {
        let mut value = value;
        for name in split_path(path)? {
            value = self.auto_call(value, args)?;
            let wrong = |it: &mut Self, wanted: &str, found: Value<'a>| {
                let message = format!(
                    "the expression selected by the selection path '{path}' should be {wanted} \
                     but is {}: {}",
                    found.describe(),
                    it.show_short(found)
                );
                Error::new(ErrorKind::Type, Span::NONE, message)
            };
            let slot = match name.parse::<usize>() {
                Ok(at) => {
                    let Value::List(list) = value else {
                        return Err(wrong(self, "a list", value));
                    };
                    let Some(slot) = list.items.get(at) else {
                        let message =
                            format!("list index {at} in selection path '{path}' is out of range");
                        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
                    };
                    slot
                }
                Err(_) => {
                    let Value::Attrs(attrs) = value else {
                        return Err(wrong(self, "a set", value));
                    };
                    if name.is_empty() {
                        let message = format!("empty attribute name in selection path '{path}'");
                        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
                    }
                    let symbol = self.symbols.intern(name.as_bytes());
                    let Some(slot) = attrs.get(symbol) else {
                        let names =
                            attrs.iter(self.arena).map(|(key, _)| self.symbols.show(key.symbol));
                        let help = did_you_mean(&name, names);
                        let message =
                            format!("attribute '{name}' in selection path '{path}' not found");
                        let error = Error::new(ErrorKind::Eval, Span::NONE, message);
                        return Err(match help {
                            Some(help) => error.with_help(help),
                            None => error,
                        });
                    };
                    slot
                }
            };
            value = self.force(slot)?;
        }
        Ok(value)
    }
}

/// Splits an attribute path at its dots, except those in quotes.
fn split_path(path: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if path.is_empty() {
        return Ok(names);
    }
    let mut name = String::new();
    let mut quoted = false;
    for c in path.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => names.push(std::mem::take(&mut name)),
            c => name.push(c),
        }
    }
    if quoted {
        let message = format!("missing closing quote in selection path '{path}'");
        return Err(Error::new(ErrorKind::Eval, Span::NONE, message));
    }
    names.push(name);
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::split_path;

    #[test]
    fn quotes_keep_dots_together() {
        assert_eq!(split_path("a.\"b.c\".0").unwrap(), ["a", "b.c", "0"]);
        assert!(split_path("").unwrap().is_empty());
        assert_eq!(split_path("a..b").unwrap(), ["a", "", "b"]);
        assert!(split_path("a.\"b").is_err());
    }
}
