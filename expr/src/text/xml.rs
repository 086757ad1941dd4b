//! Writes the XML of `builtins.toXML` and `--xml`: two spaces a level, one element a line.

/// A document under way. Elements are closed in the order in which they were opened, last first.
pub(crate) struct XmlWriter {
    out: Vec<u8>,
    open: Vec<&'static str>,
}

/// An attribute: its name and its value, which is escaped when it is written.
pub(crate) type Attribute<'a> = (&'static str, &'a [u8]);

impl XmlWriter {
    /// A document with its declaration and nothing else.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self { out: b"<?xml version='1.0' encoding='utf-8'?>\n".to_vec(), open: Vec::new() }
    }

    /// Opens an element; what follows until [`Self::close`] stands inside.
    pub(crate) fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.start(name, attributes);
        self.out.extend_from_slice(b">\n");
        self.open.push(name);
    }

    /// Writes an element without content.
    pub(crate) fn empty(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.start(name, attributes);
        self.out.extend_from_slice(b" />\n");
    }

    /// Closes the innermost open element.
    pub(crate) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            self.out.extend_from_slice(b"</");
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b">\n");
        }
    }

    /// The text so far, so that a caller can reserve room in it.
    pub(crate) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// How many elements are open.
    #[must_use]
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The document, with every element closed.
    #[must_use]
    pub(crate) fn finish(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    fn indent(&mut self) {
        self.out.resize(self.out.len() + self.open.len() * 2, b' ');
    }

    fn start(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.indent();
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        for (key, value) in attributes {
            self.out.push(b' ');
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(b"=\"");
            escape(&mut self.out, value);
            self.out.push(b'"');
        }
    }
}

impl Default for XmlWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// A newline is written as a reference, since a reader would turn it into a space.
fn escape(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        match byte {
            b'"' => out.extend_from_slice(b"&quot;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'\n' => out.extend_from_slice(b"&#xA;"),
            other => out.push(*other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_indented_and_escaped() {
        let mut xml = XmlWriter::new();
        xml.open("expr", &[]);
        xml.open("attr", &[("name", b"a<&>\"\n'")]);
        xml.empty("null", &[]);
        xml.close();
        assert_eq!(
            String::from_utf8(xml.finish()).unwrap(),
            "<?xml version='1.0' encoding='utf-8'?>\n<expr>\n  <attr name=\"a&lt;&amp;&gt;&quot;&#xA;'\">\n    <null />\n  </attr>\n</expr>\n"
        );
    }
}
