//! Tags and character references of HTML, as far as pages of the Simple API need them (PEP 503). Any text is read in
//! linear time.

/// The attributes of a tag that matter here; a page may have any number of others.
#[derive(Default)]
pub(super) struct Attributes([Option<String>; Self::NAMES.len()]);

impl Attributes {
    const NAMES: [&'static str; 7] = [
        "href",
        "name",
        "content",
        "data-requires-python",
        "data-yanked",
        "data-core-metadata",
        "data-dist-info-metadata",
    ];

    /// Its value; references are replaced.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        self.0[at].as_deref()
    }

    /// The first of a name counts.
    fn set(&mut self, name: &str, value: &str) {
        let at = Self::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name));
        if let Some(at) = at {
            self.0[at].get_or_insert_with(|| unescaped(value));
        }
    }
}

/// A tag's name and attributes, and what follows its `>`. `text` starts behind `<`.
pub(super) fn tag(text: &str) -> (&str, Attributes, &str) {
    let end = text.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(text.len());
    let name = text[..end].trim_end_matches('/');
    let mut attributes = Attributes::default();
    let mut rest = &text[end..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return (name, attributes, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (name, attributes, after);
        }
        let stop = |c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/');
        // at least one character, so that the loop always moves on
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let end = rest[first..].find(stop).map_or(rest.len(), |at| at + first);
        let key = &rest[..end];
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            rest = after.trim_start();
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
            (value, rest) = match quote {
                Some(quote) => rest[1..].split_once(quote).unwrap_or((&rest[1..], "")),
                None => {
                    let end = rest.find(|c: char| c.is_whitespace() || c == '>');
                    rest.split_at(end.unwrap_or(rest.len()))
                }
            };
        }
        attributes.set(key, value);
    }
}

/// The longest character reference, in bytes: `&#x10ffff;` and some zeros.
const REFERENCE: usize = 32;

/// The character references that pages of the Simple API have.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(REFERENCE).position(|b| b == b';').unwrap_or(0);
        let character = match rest.get(1..end.max(1)).unwrap_or_default() {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            number => number.strip_prefix('#').and_then(|number| {
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            }),
        };
        match character {
            Some(character) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}
