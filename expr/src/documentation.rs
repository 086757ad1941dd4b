//! The documentation of functions: a builtin's description, or the comment `/** ... */` before a
//! function of the program or before what binds it (Nix's RFC 145).

use crate::{
    builtins::doc,
    error::Result,
    eval::Interpreter,
    source::Span,
    symbol::known,
    value::{FunctionId, Partial, Signature, Value, share},
};

impl<'a> Interpreter<'a> {
    /// The documentation of a value for people, if it has any.
    ///
    /// # Errors
    /// Those of computing the value.
    pub fn documentation(&mut self, value: Value<'a>) -> Result<Option<String>> {
        Ok(match self.value(value)? {
            Value::Builtin(builtin) => of_builtin(builtin),
            Value::Lambda(id, _) => self.of_function(id),
            Value::Partial(Partial { function, .. }) => return self.documentation(*function),
            Value::Attrs(attrs) => match attrs.get(known::functor) {
                Some(functor) => return self.nest(|it| it.documentation(share(functor))),
                None => None,
            },
            _ => None,
        })
    }

    fn of_function(&self, id: FunctionId) -> Option<String> {
        let code = self.program.functions[id.0 as usize];
        let source = self.sources.find(code.span.lo)?;
        let before = self.sources.text(Span::new(source.base, code.span.lo));
        let comment = comment_before(before)?;
        let name =
            code.name.map_or_else(|| "a function".to_owned(), |name| self.symbols.show(name));
        let place = source.place(code.span.lo);
        Some(format!("{name}, defined at {place}\n\n{}\n", text(comment)))
    }
}

fn of_builtin(builtin: &Signature) -> Option<String> {
    let (parameters, text) = doc(builtin.name())?;
    Some(format!("builtins.{} {parameters}\n\n{text}\n", builtin.name()))
}

/// The inside of a comment `/** ... */` that a text ends with, perhaps with a parenthesis or
/// `name =` behind it.
fn comment_before(text: &[u8]) -> Option<&[u8]> {
    let text = trimmed(text);
    if let Some(comment) = comment_at_end(text) {
        return Some(comment);
    }
    let text = trimmed(text.strip_suffix(b"=")?);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-'.\"".contains(byte);
    let name = text.iter().rev().take_while(|byte| is_name(byte)).count();
    comment_at_end(trimmed(&text[..text.len() - name]))
}

fn trimmed(text: &[u8]) -> &[u8] {
    let is_between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'(';
    let cut = text.iter().rev().take_while(|byte| is_between(byte)).count();
    &text[..text.len() - cut]
}

fn comment_at_end(text: &[u8]) -> Option<&[u8]> {
    let inside = text.strip_suffix(b"*/")?;
    // comments do not nest, but a comment may hold another opening
    let end = inside.windows(2).rposition(|pair| pair == b"*/").map_or(0, |at| at + 2);
    let open = inside[end..].windows(3).position(|three| three == b"/**")? + end;
    Some(&inside[open + 3..])
}

/// The lines of a comment without the indentation that they have in common.
fn text(comment: &[u8]) -> String {
    let comment = String::from_utf8_lossy(comment);
    let indent = |line: &str| line.len() - line.trim_start().len();
    let rest = comment.lines().skip(1).filter(|line| !line.trim().is_empty());
    let common = rest.map(indent).min().unwrap_or(0);
    let lines = comment.lines().enumerate().map(|(at, line)| {
        let line = if at == 0 { line.trim_start() } else { line.get(common..).unwrap_or("") };
        line.trim_end()
    });
    lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_stands_before_the_function_or_its_binding() {
        let found = |before: &str| comment_before(before.as_bytes()).map(text);
        assert_eq!(found("{ /** Adds. */ add = "), Some("Adds.".to_owned()));
        assert_eq!(found("/** one */ x: /** two */ ("), Some("two".to_owned()));
        let long = "{\n  /**\n    Adds.\n\n      It does.\n  */\n  lib.\"a\" = ";
        assert_eq!(found(long), Some("Adds.\n\n  It does.".to_owned()));
        for none in ["{ /* Adds. */ add = ", "/** x */ a = 1; b = ", "", "=", "*/", "/**/", "#**/"]
        {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
