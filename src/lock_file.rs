//! The parts of `clutch.lock` (docs/formats.md) that all its kinds share: strict fields, and errors
//! that name file, line, package and field.

use std::{fmt::Write as _, path::PathBuf};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The version of the format.
pub const VERSION: u64 = 1;

/// The first line of every lock.
pub const HEAD: &str = "# Written by `clutch lock`.\n";

/// An error in the text of a lock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {place}{problem}", file.display())]
pub struct LockError {
    file: PathBuf,
    line: usize,
    place: String,
    problem: String,
}

/// The text of a lock and its file.
pub struct Source<'a> {
    /// The file, for messages.
    pub file: PathBuf,
    /// Its text.
    pub text: &'a str,
}

impl Source<'_> {
    /// The whole file as TOML.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn parse(&self) -> Result<Spanned<DeTable<'_>>, LockError> {
        DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.error(at, "", format!("not TOML: {}", error.message()))
        })
    }

    /// The fields of the whole file, after a check of its `version` and `kind`.
    ///
    /// # Errors
    /// If either is missing or has another value.
    pub fn fields<'t>(
        &'t self,
        table: &'t Spanned<DeTable<'t>>,
        kind: &str,
    ) -> Result<Fields<'t>, LockError> {
        let fields = Fields { source: self, table: table.get_ref(), at: 0, place: String::new() };
        let version = fields.integer("version")?;
        if version != VERSION {
            let problem =
                format!("expected version {VERSION}, found {version}; use a newer clutch");
            return Err(fields.bad("version", &problem));
        }
        let found = fields.string("kind")?;
        if found != kind {
            return Err(fields.bad("kind", &format!("expected '{kind}', found '{found}'")));
        }
        Ok(fields)
    }

    fn error(&self, at: usize, place: &str, problem: String) -> LockError {
        let line = line(self.text, at);
        LockError { file: self.file.clone(), line, place: place.to_owned(), problem }
    }
}

/// The line of a byte of a text.
#[must_use]
pub fn line(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// The fields of one table.
pub struct Fields<'t> {
    source: &'t Source<'t>,
    table: &'t DeTable<'t>,
    /// The offset of the table.
    at: usize,
    /// `package 'x': ` or nothing.
    place: String,
}

impl<'t> Fields<'t> {
    /// Refuses every field that is not among `known`.
    ///
    /// # Errors
    /// Names the first unknown field.
    pub fn only(&self, known: &[&str]) -> Result<(), LockError> {
        match self.table.keys().find(|key| !known.contains(&&**key.get_ref())) {
            None => Ok(()),
            Some(key) => {
                let problem = format!(
                    "field '{}' is unknown, expected one of: {}",
                    key.get_ref(),
                    known.join(", ")
                );
                Err(self.source.error(key.span().start, &self.place, problem))
            }
        }
    }

    /// The offset in bytes at which the table begins in the text.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// An error about a field's value.
    #[must_use]
    pub fn bad(&self, field: &str, problem: &str) -> LockError {
        let at = self.table.get(field).map_or(self.at, |value| value.span().start);
        self.source.error(at, &self.place, format!("field '{field}': {problem}"))
    }

    /// A string that must be there.
    ///
    /// # Errors
    /// If it is missing or not a string.
    pub fn string(&self, field: &str) -> Result<&'t str, LockError> {
        self.optional(field)?.ok_or_else(|| self.missing(field, "a string"))
    }

    /// A string that may be there.
    ///
    /// # Errors
    /// If it is not a string.
    pub fn optional(&self, field: &str) -> Result<Option<&'t str>, LockError> {
        let Some(value) = self.table.get(field) else { return Ok(None) };
        match value.get_ref().as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(self.wrong(field, value, "a string")),
        }
    }

    /// A whole number that must be there and not negative.
    ///
    /// # Errors
    /// If it is missing or of another form.
    pub fn integer(&self, field: &str) -> Result<u64, LockError> {
        let expected = "a whole number";
        let value = self.table.get(field).ok_or_else(|| self.missing(field, expected))?;
        let number = value.get_ref().as_integer();
        number
            .and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok())
            .ok_or_else(|| self.wrong(field, value, expected))
    }

    /// A SHA-256 in lower-case hexadecimal.
    ///
    /// # Errors
    /// If it is missing or of another form.
    pub fn sha256(&self, field: &str) -> Result<&'t str, LockError> {
        let expected = "64 lower-case hexadecimal digits";
        let value = self.table.get(field).ok_or_else(|| self.missing(field, expected))?;
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match value.get_ref().as_str() {
            Some(text) if text.len() == 64 && text.bytes().all(digit) => Ok(text),
            _ => Err(self.wrong(field, value, expected)),
        }
    }

    /// A list of strings that must be there.
    ///
    /// # Errors
    /// If it is missing or of another form.
    pub fn strings(&self, field: &str) -> Result<Vec<&'t str>, LockError> {
        let expected = "a list of strings";
        let value = self.table.get(field).ok_or_else(|| self.missing(field, expected))?;
        let list = value.get_ref().as_array().ok_or_else(|| self.wrong(field, value, expected))?;
        list.iter()
            .map(|item| item.get_ref().as_str().ok_or_else(|| self.wrong(field, item, expected)))
            .collect()
    }

    /// The tables `[[field]]`, maybe none. Their errors begin with `what` and their `name`.
    ///
    /// # Errors
    /// If it is not a list of tables.
    pub fn tables(&self, field: &str, what: &str) -> Result<Vec<Fields<'t>>, LockError> {
        let Some(value) = self.table.get(field) else { return Ok(Vec::new()) };
        let expected = format!("tables [[{field}]]");
        let list = value.get_ref().as_array().ok_or_else(|| self.wrong(field, value, &expected))?;
        list.iter()
            .map(|item| {
                let table =
                    item.get_ref().as_table().ok_or_else(|| self.wrong(field, item, &expected))?;
                let name = table.get("name").and_then(|name| name.get_ref().as_str());
                let name = name.map(|name| format!(" '{name}'")).unwrap_or_default();
                let place = format!("{}{what}{name}: ", self.place);
                Ok(Fields { source: self.source, table, at: item.span().start, place })
            })
            .collect()
    }

    fn missing(&self, field: &str, expected: &str) -> LockError {
        let problem = format!("field '{field}' is missing, expected {expected}");
        self.source.error(self.at, &self.place, problem)
    }

    fn wrong(&self, field: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> LockError {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("'{text}'"),
            other => format!("of type {}", other.type_str()),
        };
        let problem = format!("field '{field}' is {found}, expected {expected}");
        self.source.error(value.span().start, &self.place, problem)
    }
}

/// Appends `key = "value"`, in single quotes if the value has a double quote.
pub fn write_string(out: &mut String, key: &str, value: &str) {
    let _ = writeln!(out, "{key} = {}", quoted(value));
}

/// Appends `key = ["a", "b"]`.
pub fn write_strings<'a>(out: &mut String, key: &str, values: impl IntoIterator<Item = &'a str>) {
    let values: Vec<_> = values.into_iter().map(quoted).collect();
    let _ = writeln!(out, "{key} = [{}]", values.join(", "));
}

fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_control();
    if value.chars().all(|c| plain(c) && !matches!(c, '"' | '\\')) {
        format!("\"{value}\"")
    } else if value.chars().all(|c| plain(c) && c != '\'') {
        format!("'{value}'")
    } else {
        toml::Value::String(value.to_owned()).to_string()
    }
}
