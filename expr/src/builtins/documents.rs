//! `fromJSON` and `fromTOML`: the events of the readers become values in the arena.

use super::Builtin;
use crate::{
    error::{Error, ErrorKind, Result},
    eval::Interpreter,
    json,
    limit::interrupted,
    sink::{STOPPED, Sink},
    source::Span,
    symbol::Symbol,
    toml,
    value::{AttrsBuilder, Value},
};

pub(super) const TABLE: &[Builtin] =
    &[Builtin::new("__fromJSON", 1, from_json), Builtin::new("fromTOML", 1, from_toml)];

fn from_json<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.plain_string(args[0])?;
    let mut values = Values::new(it);
    let read = json::parse(text.bytes(), &mut values);
    let value = values.done()?;
    read.map_err(|error| Error::new(ErrorKind::Eval, Span::NONE, error.to_string()))?;
    Ok(value)
}

fn from_toml<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let text = it.plain_string(args[0])?;
    let timestamps = it.options.toml_timestamps;
    let (left, limit) = (it.room_left(), it.options.limit.clone());
    // the values that become of the tree come on top
    let room = |bytes: usize| bytes + bytes / 2 <= left && !limit.is_stopped();
    let mut values = Values::new(it);
    let read = toml::parse(text.bytes(), timestamps, &room, &mut values);
    let value = values.done()?;
    read.map_err(|error| {
        if error.message == STOPPED {
            return if limit.is_stopped() { interrupted() } else { it.no_room(left) };
        }
        Error::new(ErrorKind::Eval, Span::NONE, format!("while parsing TOML: {error}"))
    })?;
    Ok(value)
}

/// The values of a document under way: those of the open containers, outermost first.
struct Values<'i, 'a> {
    it: &'i mut Interpreter<'a>,
    values: Vec<Value<'a>>,
    /// The names of the open objects' members, and how many values came before each.
    names: Vec<Symbol>,
    /// How many values and names there were when each open container began.
    open: Vec<(usize, usize)>,
    /// Why reading was stopped.
    stopped: Option<Box<Error>>,
}

impl<'i, 'a> Values<'i, 'a> {
    fn new(it: &'i mut Interpreter<'a>) -> Self {
        Self { it, values: Vec::new(), names: Vec::new(), open: Vec::new(), stopped: None }
    }

    fn done(mut self) -> Result<Value<'a>> {
        match self.stopped {
            Some(error) => Err(error),
            None => Ok(self.values.pop().unwrap_or(Value::Null)),
        }
    }

    /// True if there is room for a list or set of what is under way, and for another value.
    fn look(&mut self) -> Result<()> {
        self.it.step()?;
        self.it.room_for(4 * self.values.len() + self.names.len() + 2 * self.open.len())
    }

    fn begin(&mut self) {
        self.open.push((self.values.len(), self.names.len()));
    }
}

impl Sink for Values<'_, '_> {
    fn goes_on(&mut self) -> bool {
        if let Err(error) = self.look() {
            self.stopped = Some(error);
        }
        self.stopped.is_none()
    }

    fn null(&mut self) {
        self.values.push(Value::Null);
    }

    fn boolean(&mut self, value: bool) {
        self.values.push(Value::Bool(value));
    }

    fn integer(&mut self, value: i64) {
        self.values.push(Value::Int(value));
    }

    fn float(&mut self, value: f64) {
        self.values.push(Value::Float(value));
    }

    fn string(&mut self, value: &str) {
        self.values.push(self.it.text(value.as_bytes()));
    }

    fn begin_array(&mut self) {
        self.begin();
    }

    fn end_array(&mut self) {
        if let Some((values, _)) = self.open.pop() {
            let list = self.it.new_list(&self.values[values..]);
            self.values.truncate(values);
            self.values.push(list);
        }
    }

    fn begin_object(&mut self) {
        self.begin();
    }

    fn key(&mut self, name: &str) {
        self.names.push(self.it.symbols.intern(name.as_bytes()));
    }

    fn end_object(&mut self) {
        if let Some((values, names)) = self.open.pop() {
            let mut attrs = AttrsBuilder::with_capacity(self.names.len() - names);
            // of several with one name the builder keeps the first, JSON the last
            for (name, value) in self.names[names..].iter().zip(&self.values[values..]).rev() {
                attrs.push(*name, *value);
            }
            self.values.truncate(values);
            self.names.truncate(names);
            self.values.push(Value::Attrs(attrs.build(self.it.arena)));
        }
    }
}
