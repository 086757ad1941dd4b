//! `derivation` and `derivationStrict`: the language's part of a derivation. What the attributes
//! become, and which derivations and sources it needs, is computed here; the paths are the host's.

use std::collections::{BTreeMap, BTreeSet};

use super::{Builtin, hidden::Hidden};
use crate::{
    error::{Error, ErrorKind, Result},
    eval::{Coercion, Interpreter, library},
    host::{DerivationPaths, DerivationRequest, FixedOutput},
    source::{Origin, Place, Span},
    string::{ContextBuilder, ContextElement, Str},
    symbol::{Symbol, known},
    value::{Attrs, AttrsBuilder, Value, share},
};

pub(super) const TABLE: &[Builtin] = &[DERIVATION, STRICT];

const DERIVATION: Builtin = Builtin::silent("derivation", 1, derivation);
const STRICT: Builtin = Builtin::silent("derivationStrict", 1, derivation_strict);

pub(super) static STRICT_LATER: Builtin =
    Builtin::hidden(Hidden::DerivationStrict as u8, "derivationStrict", 1, derivation_strict);
pub(super) static STRICT_FOR: Builtin =
    Builtin::hidden(Hidden::DerivationFor as u8, "derivationStrict", 2, derivation_for);
pub(super) static GET_LATER: Builtin =
    Builtin::hidden(Hidden::DerivationAttr as u8, "getAttr", 2, get_later);

pub(super) static ALL_LATER: Builtin =
    Builtin::hidden(Hidden::AllOutputs as u8, "all", 1, |it, args| it.value(args[0]));

/// `getAttr` of the result of `derivationStrict`.
fn get_later<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let name = it.plain_string(args[0])?;
    let name = it.symbols.intern(name.bytes());
    let attrs = it.attrs(args[1])?;
    let value = it.attr(attrs, name)?;
    it.value(value)
}

/// The set that describes a derivation: its attributes, a set an output, and paths that are
/// computed when they are needed.
fn derivation<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let call = it.call_for_builtin();
    let attrs = it.attrs(args[0])?;
    let strict = match call {
        None => it.shared_apply(Value::Builtin(&STRICT_LATER.signature), &[Value::Attrs(attrs)]),
        Some(site) => {
            let args = [Value::Attrs(attrs), Value::Int(i64::from(site))];
            it.shared_apply(Value::Builtin(&STRICT_FOR.signature), &args)
        }
    };
    let outputs = match attrs.get(known::outputs) {
        Some(slot) => {
            let list = it.list(share(slot))?;
            let mut names = Vec::with_capacity(list.len());
            for slot in list.items {
                names.push(it.plain_string(share(slot))?);
            }
            names
        }
        None => vec![it.symbols.string(known::out)],
    };
    let homes: Vec<_> = outputs.iter().map(|_| it.slot(Value::Null)).collect();
    let Some(first) = homes.first() else {
        return Err(fail("'builtins.head' called on an empty list"));
    };
    let sets: Vec<Value<'a>> = homes.iter().map(|home| Value::Ref(home)).collect();
    let mut common = AttrsBuilder::with_capacity(outputs.len() + 2);
    let list = it.new_list(&sets);
    common.push(known::all, it.shared_apply(Value::Builtin(&ALL_LATER.signature), &[list]));
    common.push(known::drv_attrs, Value::Attrs(attrs));
    let drv_path = Value::String(it.symbols.string(known::drv_path));
    let drv_path = it.shared_apply(Value::Builtin(&GET_LATER.signature), &[drv_path, strict]);
    for (name, set) in outputs.iter().zip(&sets) {
        let name = it.symbols.intern(name.bytes());
        common.push(name, *set);
    }
    let common = Attrs::update(it.arena, attrs, common.build(it.arena));
    let type_ = Value::String(it.symbols.string(known::derivation));
    for (name, home) in outputs.iter().zip(&homes) {
        let mut own = AttrsBuilder::with_capacity(4);
        let path =
            it.shared_apply(Value::Builtin(&GET_LATER.signature), &[Value::String(name), strict]);
        own.push(known::out_path, path);
        own.push(known::drv_path, drv_path);
        own.push(known::type_, type_);
        own.push(known::output_name, Value::String(name));
        home.set(Value::Attrs(Attrs::update(it.arena, common, own.build(it.arena))));
    }
    Ok(first.get())
}

/// `derivationStrict` for the library, with the place of its call in the program. When the result is
/// computed, that call is no longer on the stack.
fn derivation_for<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    derivation_strict(it, &args[..1]).map_err(|error| match args[1] {
        Value::Int(site) => it.within_call(error, u32::try_from(site).unwrap_or_default()),
        _ => error,
    })
}

fn fail(message: impl Into<String>) -> Box<Error> {
    Error::new(ErrorKind::Eval, Span::NONE, message)
}

fn derivation_strict<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let attrs = it.attrs(args[0])?;
    let Some((key, slot)) = attrs.entry(known::name) else {
        return Err(it.missing(attrs, known::name));
    };
    let span = Span::new(key.at, key.at);
    let name = it
        .plain_string(share(slot))
        .map_err(|error| error.within(span, "while evaluating the derivation attribute 'name'"))?;
    let name = name.lossy().into_owned();
    let mut draft = Draft::new(&name);
    draft.request.position = it.sources.place(span);
    let done = draft.fill(it, attrs).and_then(|()| draft.finish(it));
    done.map_err(|error| {
        // a user cannot change a place in the library
        let of_program = it.sources.find(span.lo).is_none_or(|source| !library::is_source(source));
        let place =
            it.sources.place(span).filter(|_| of_program).map_or_else(String::new, |place| {
                format!(", whose name attribute is located at {place}")
            });
        error.within_user(Span::NONE, format!("while evaluating derivation '{name}'{place}"))
    })
}

/// A derivation under way.
struct Draft {
    request: DerivationRequest,
    json: Option<Vec<u8>>,
    context: ContextBuilder,
    /// Bytes of its attributes so far.
    size: usize,
    hash: Option<String>,
    algorithm: Option<String>,
    recursive: bool,
    /// The places where the hash may have been written.
    places: Vec<Place>,
}

impl Draft {
    fn new(name: &str) -> Self {
        let request = DerivationRequest {
            name: name.to_owned(),
            system: String::new(),
            builder: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            structured: None,
            outputs: vec!["out".to_owned()],
            fixed: None,
            input_derivations: Vec::new(),
            input_sources: Vec::new(),
            input_closures: Vec::new(),
            position: None,
        };
        Self {
            request,
            json: None,
            context: ContextBuilder::default(),
            size: 0,
            hash: None,
            algorithm: None,
            recursive: false,
            places: Vec::new(),
        }
    }

    fn fill<'a>(&mut self, it: &mut Interpreter<'a>, attrs: &'a Attrs<'a>) -> Result<()> {
        check_name(&self.request.name)?;
        if flag(it, attrs, known::structured_attrs)? {
            self.json = Some(Vec::new());
        }
        let ignore_nulls = flag(it, attrs, known::ignore_nulls)?;
        for (key, slot) in it.sorted_attrs(attrs) {
            let value = share(slot);
            match key.symbol {
                known::ignore_nulls => continue,
                known::hash_position => {
                    self.places.extend(place(it, value)?);
                    continue;
                }
                known::output_hash => {
                    self.places.extend(it.sources.place(Span::new(key.at, key.at)));
                }
                _ => {}
            }
            let done = if ignore_nulls && matches!(it.value(value), Ok(Value::Null)) {
                Ok(())
            } else {
                self.attribute(it, key.symbol, value)
            };
            done.map_err(|error| {
                let text = format!(
                    "while evaluating attribute '{}' of derivation '{}'",
                    it.symbols.show(key.symbol),
                    self.request.name
                );
                let at = Span::new(key.at, key.at);
                error.at(at).within(at, text)
            })?;
        }
        Ok(())
    }

    fn attribute<'a>(
        &mut self,
        it: &mut Interpreter<'a>,
        name: Symbol,
        value: Value<'a>,
    ) -> Result<()> {
        match name {
            known::content_addressed | known::impure => {
                if it.bool(value)? {
                    let name = it.symbols.show(name);
                    return Err(fail(format!(
                        "derivations with {name} are not supported: every output has its path \
                         before it is built; use a fixed output (outputHash)"
                    )));
                }
            }
            known::args => {
                let list = it.list(value)?;
                for slot in list.items {
                    let arg = self.coerce(it, share(slot)).map_err(|error| {
                        error.within(Span::NONE, "while evaluating an element of the argument list")
                    })?;
                    self.request.args.push(arg.bytes().to_vec());
                }
            }
            _ if self.json.is_some() => self.structured_attribute(it, name, value)?,
            _ => {
                let text = self.coerce(it, value)?;
                let own = || text.lossy().into_owned();
                match name {
                    known::builder => self.request.builder = text.bytes().to_vec(),
                    known::system => self.request.system = own(),
                    known::output_hash => self.hash = Some(own()),
                    known::output_hash_algo => self.algorithm = algorithm(&own()),
                    known::output_hash_mode => self.mode(&own())?,
                    known::outputs => {
                        let names = own();
                        self.outputs(names.split_ascii_whitespace().map(str::to_owned))?;
                    }
                    _ => {}
                }
                let name = it.symbols.show(name);
                self.request.env.push((name, text.bytes().to_vec()));
            }
        }
        Ok(())
    }

    fn structured_attribute<'a>(
        &mut self,
        it: &mut Interpreter<'a>,
        name: Symbol,
        value: Value<'a>,
    ) -> Result<()> {
        if name == known::structured_attrs {
            return Ok(());
        }
        let json = self.json.get_or_insert_default();
        json.push(if json.is_empty() { b'{' } else { b',' });
        if crate::json::string(json, it.symbols.bytes(name)).is_err() {
            return Err(fail(format!("the name '{}' is not UTF-8", it.symbols.show(name))));
        }
        json.push(b':');
        it.write_json(value, json, &mut self.context)?;
        self.size = json.len();
        let plain = |it: &mut Interpreter<'a>| -> Result<String> {
            Ok(it.plain_string(value)?.lossy().into_owned())
        };
        match name {
            known::builder => {
                let text = it.string(value)?;
                self.context.add(text.context());
                self.request.builder = text.bytes().to_vec();
            }
            known::system => self.request.system = plain(it)?,
            known::output_hash => self.hash = Some(plain(it)?),
            known::output_hash_algo => self.algorithm = algorithm(&plain(it)?),
            known::output_hash_mode => {
                let mode = plain(it)?;
                self.mode(&mode)?;
            }
            known::outputs => {
                let list = it.list(value)?;
                let mut names = Vec::with_capacity(list.len());
                for slot in list.items {
                    names.push(it.plain_string(share(slot))?.lossy().into_owned());
                }
                self.outputs(names.into_iter())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn coerce<'a>(&mut self, it: &mut Interpreter<'a>, value: Value<'a>) -> Result<&'a Str<'a>> {
        let text = it.coerce(value, Coercion::DERIVATION)?;
        self.context.add(text.context());
        self.grow(it, text.len())?;
        Ok(text)
    }

    /// Counts what was taken out of the arena: it is held until the evaluation ends, and encoded once
    /// to be hashed.
    fn grow(&mut self, it: &Interpreter<'_>, bytes: usize) -> Result<()> {
        self.size = self.size.saturating_add(bytes);
        it.room(self.size.saturating_mul(2))
    }

    fn mode(&mut self, mode: &str) -> Result<()> {
        self.recursive = match mode {
            "recursive" | "nar" => true,
            "flat" => false,
            other => {
                return Err(fail(format!(
                    "invalid value '{other}' for 'outputHashMode' attribute; it is \"flat\", \
                     \"recursive\" or \"nar\""
                )));
            }
        };
        Ok(())
    }

    fn outputs(&mut self, names: impl Iterator<Item = String>) -> Result<()> {
        let mut outputs: Vec<String> = Vec::new();
        for name in names {
            if outputs.contains(&name) {
                return Err(fail(format!("duplicate derivation output '{name}'")));
            }
            if name == "drvPath" {
                return Err(fail("invalid derivation output name 'drvPath'"));
            }
            outputs.push(name);
        }
        if outputs.is_empty() {
            return Err(fail("derivation cannot have an empty set of outputs"));
        }
        self.request.outputs = outputs;
        Ok(())
    }

    /// Hands the derivation to the host, and makes strings of its paths.
    fn finish<'a>(mut self, it: &mut Interpreter<'a>) -> Result<Value<'a>> {
        if self.request.builder.is_empty() {
            return Err(fail("required attribute 'builder' missing"));
        }
        if self.request.system.is_empty() {
            return Err(fail("required attribute 'system' missing"));
        }
        if let Some(mut json) = self.json.take() {
            json.extend_from_slice(if json.is_empty() { b"{}" } else { b"}" });
            self.request.structured = Some(String::from_utf8_lossy(&json).into_owned());
        }
        if let Some(hash) = self.hash.take() {
            if self.request.outputs != ["out"] {
                return Err(fail("multiple outputs are not supported in fixed-output derivations"));
            }
            let (algorithm, recursive) = (self.algorithm.take(), self.recursive);
            let places = std::mem::take(&mut self.places);
            self.request.fixed = Some(FixedOutput { hash, algorithm, recursive, places });
        }
        let outputs = &self.request.outputs;
        self.request.env.retain(|(name, _)| !outputs.contains(name));
        self.inputs(it);
        let size = self.size + size_of::<DerivationRequest>();
        let paths = it.from_host(it.host.derivation(self.request))?;
        it.hold_once(&paths.drv_path, size);
        Ok(result(it, &paths))
    }

    fn inputs(&mut self, it: &Interpreter<'_>) {
        let mut derivations: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut sources = BTreeSet::new();
        let mut closures = BTreeSet::new();
        for element in std::mem::take(&mut self.context).finish() {
            match element {
                ContextElement::Opaque(path) => {
                    sources.insert(it.symbols.show(path));
                }
                ContextElement::DrvDeep(drv) => {
                    closures.insert(it.symbols.show(drv));
                }
                ContextElement::Built { drv, output } => {
                    let outputs = derivations.entry(it.symbols.show(drv)).or_default();
                    outputs.insert(it.symbols.show(output));
                }
            }
        }
        let derivations = derivations.into_iter();
        self.request.input_derivations =
            derivations.map(|(drv, outputs)| (drv, outputs.into_iter().collect())).collect();
        self.request.input_sources = sources.into_iter().collect();
        self.request.input_closures = closures.into_iter().collect();
    }
}

/// The place that `unsafeGetAttrPos` gave.
fn place<'a>(it: &mut Interpreter<'a>, value: Value<'a>) -> Result<Option<Place>> {
    if matches!(it.value(value)?, Value::Null) {
        return Ok(None);
    }
    let attrs = it.attrs(value)?;
    let file = it.attr(attrs, known::file)?;
    let origin = Origin::File(it.plain_string(file)?.bytes().to_vec());
    let mut number = |name| -> Result<u32> {
        let value = it.attr(attrs, name)?;
        Ok(u32::try_from(it.int(value)?).unwrap_or_default())
    };
    Ok(Some(Place { origin, line: number(known::line)?, column: number(known::column)? }))
}

fn algorithm(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

fn flag<'a>(it: &mut Interpreter<'a>, attrs: &'a Attrs<'a>, name: Symbol) -> Result<bool> {
    match attrs.get(name) {
        Some(slot) => it.bool(share(slot)).map_err(|error| {
            let text = format!("while evaluating the `{}` attribute", it.symbols.show(name));
            error.within(Span::NONE, text)
        }),
        None => Ok(false),
    }
}

/// The rules for names of store paths.
fn check_name(name: &str) -> Result<()> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
    let problem = if name.is_empty() {
        "it is empty"
    } else if name.len() > 211 {
        "it is longer than 211 characters"
    } else if name == "." || name == ".." || name.starts_with(".-") || name.starts_with("..-") {
        "it starts like a folder's own name"
    } else if name.ends_with(".drv") {
        "it ends with '.drv'"
    } else if let Some(bad) = name.chars().find(|c| !c.is_ascii() || !valid(*c as u8)) {
        return Err(fail(format!(
            "invalid derivation name '{name}': it contains the character '{bad}'; a name is made \
             of letters, digits and +-._?="
        )));
    } else {
        return Ok(());
    };
    Err(fail(format!(
        "invalid derivation name '{name}': {problem}; please pass a different 'name'"
    )))
}

fn result<'a>(it: &mut Interpreter<'a>, paths: &DerivationPaths) -> Value<'a> {
    let drv = it.symbols.intern(paths.drv_path.as_bytes());
    let mut all = AttrsBuilder::with_capacity(paths.outputs.len() + 1);
    all.push(
        known::drv_path,
        it.text_with(paths.drv_path.as_bytes(), &[ContextElement::DrvDeep(drv)]),
    );
    for (name, path) in &paths.outputs {
        let output = it.symbols.intern(name.as_bytes());
        all.push(output, it.text_with(path.as_bytes(), &[ContextElement::Built { drv, output }]));
    }
    Value::Attrs(all.build(it.arena))
}
