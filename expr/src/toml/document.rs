//! Lines, headers, keys, arrays and inline tables.

use super::{
    number,
    reader::{Failure, Parsed, Reader, fail},
    string, time,
    tree::{Made, Node, Table, Text},
};

/// How deep arrays and tables may be nested, keys with dots included.
const MAX_DEPTH: usize = 500;

/// How much a name can add to the tree (a table with room for its first members), and a value.
const NAME: usize = 512;
const VALUE: usize = 128;

pub(super) fn read<'t>(
    text: &'t str,
    timestamps: bool,
    room: &'t dyn Fn(usize) -> bool,
) -> Parsed<Table<'t>> {
    let mut reader = Reader::new(text, timestamps, room);
    if text.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
    }
    let mut root = Table::new(Made::ByHeader);
    let mut table = &mut root;
    // how deep the current table lies
    let mut depth = 0;
    loop {
        reader.blank();
        let start = reader.at;
        match reader.peek() {
            None => return Ok(root),
            Some(b'\n' | b'\r' | b'#') => {}
            Some(b'[') => {
                reader.at += 1;
                let many = reader.take(b'[');
                let path = reader.key(0)?;
                let close = if many { "]]" } else { "]" };
                if !reader.text[reader.at..].starts_with(close) {
                    return Err(reader.unexpected(&format!("'{close}' at the header's end")));
                }
                reader.at += close.len();
                depth = path.len();
                table = root.open(&path, many).map_err(|message| Failure(start, message))?;
            }
            Some(_) => {
                let (path, node) = reader.assignment(depth)?;
                table.set(path, node).map_err(|message| Failure(start, message))?;
            }
        }
        reader.line_end()?;
    }
}

impl<'t> Reader<'t> {
    /// `key = value`; `depth` is that of the table that it stands in.
    fn assignment(&mut self, depth: usize) -> Parsed<(Vec<Text<'t>>, Node<'t>)> {
        let path = self.key(depth)?;
        if !self.take(b'=') {
            return Err(self.unexpected("'=' after the key"));
        }
        self.blank();
        let value = self.value(depth + path.len())?;
        Ok((path, value))
    }

    /// A key with the blanks around it, split at its dots.
    fn key(&mut self, depth: usize) -> Parsed<Vec<Text<'t>>> {
        let mut path = Vec::new();
        loop {
            self.blank();
            self.take_room(NAME)?;
            path.push(match self.peek() {
                Some(b'"') if !self.rest().starts_with("\"\"\"") => string::basic(self)?,
                Some(b'\'') if !self.rest().starts_with("'''") => string::literal(self)?,
                _ => {
                    let bytes = self.rest().bytes();
                    let end = bytes
                        .take_while(|b| b.is_ascii_alphanumeric() || b"-_".contains(b))
                        .count();
                    if end == 0 {
                        return Err(self.unexpected("a key: letters, digits, '-', '_' or quoted"));
                    }
                    let name = &self.rest()[..end];
                    self.at += end;
                    Text::Borrowed(name)
                }
            });
            self.blank();
            if depth + path.len() > MAX_DEPTH {
                return fail(self.at, too_deep());
            }
            if !self.take(b'.') {
                return Ok(path);
            }
        }
    }

    fn value(&mut self, depth: usize) -> Parsed<Node<'t>> {
        if depth > MAX_DEPTH {
            return fail(self.at, too_deep());
        }
        self.take_room(VALUE)?;
        match self.peek() {
            Some(b'"') if self.rest().starts_with("\"\"\"") => {
                string::multi_line_basic(self).map(Node::String)
            }
            Some(b'"') => string::basic(self).map(Node::String),
            Some(b'\'') if self.rest().starts_with("'''") => {
                string::multi_line_literal(self).map(Node::String)
            }
            Some(b'\'') => string::literal(self).map(Node::String),
            Some(b'[') => self.array(depth),
            Some(b'{') => self.inline_table(depth),
            Some(b't') if self.word("true") => Ok(Node::Boolean(true)),
            Some(b'f') if self.word("false") => Ok(Node::Boolean(false)),
            Some(b'0'..=b'9') if time::is_next(self.rest()) => {
                let at = self.at;
                let text = time::read(self)?;
                if !self.timestamps {
                    let message = "dates and times are not enabled; add \
                                   '--extra-experimental-features parse-toml-timestamps'";
                    return fail(at, message);
                }
                Ok(Node::Timestamp(text))
            }
            Some(b'0'..=b'9' | b'+' | b'-' | b'i' | b'n') => number::read(self),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn array(&mut self, depth: usize) -> Parsed<Node<'t>> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.filler()?;
            if self.take(b']') {
                return Ok(Node::Array(items));
            }
            items.push(self.value(depth + 1)?);
            self.filler()?;
            if !self.take(b',') && self.peek() != Some(b']') {
                return Err(self.unexpected("',' or ']' in the array"));
            }
        }
    }

    fn inline_table(&mut self, depth: usize) -> Parsed<Node<'t>> {
        self.at += 1;
        let mut table = Table::new(Made::Inline);
        self.blank();
        if self.take(b'}') {
            return Ok(Node::Table(table));
        }
        loop {
            self.blank();
            let start = self.at;
            let (path, node) = self.assignment(depth)?;
            table.set(path, node).map_err(|message| Failure(start, message))?;
            self.blank();
            if self.take(b'}') {
                table.complete();
                return Ok(Node::Table(table));
            }
            if !self.take(b',') {
                return Err(self.unexpected("',' or '}' in the inline table"));
            }
        }
    }
}

fn too_deep() -> String {
    format!("tables and arrays are nested deeper than {MAX_DEPTH}")
}
