//! TOML 1.0 text, as `builtins.fromTOML` reads it. A table may be spread over the document, so it is
//! read into a tree first, and the tree is then passed to a [`Sink`].
//!
//! The crate `toml`, which reads clutch's own files, cannot take this over. It reads TOML 1.1, and so
//! accepts documents that Nix refuses; it refuses tables and arrays nested deeper than 80, which Nix
//! reads; it builds its tree without asking for room; and it takes four times as long (2.3 MB in 0.24 s
//! instead of 0.06 s). A test below shows the first two.

mod document;
mod number;
mod reader;
mod string;
mod time;
mod tree;

use crate::sink::Sink;

use reader::Failure;
use tree::{Node, Table};

/// A fault of a document, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid TOML at line {line}, column {column}: {message}")]
pub struct TomlError {
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
    /// The text that was found, and what was expected.
    pub message: String,
}

/// Reads one document and tells it to `sink`. Dates and times are `{ _type = "timestamp"; value }`
/// if `timestamps` allows them. `room` is asked whether the tree may take so many bytes; if it
/// may not, reading fails with [`STOPPED`](crate::sink::STOPPED).
///
/// # Errors
/// The text is not TOML 1.0, is not UTF-8, holds a NUL, a number that does not fit 64 bits, is
/// nested deeper than 500 tables, or holds a date that is not allowed. The sink has seen nothing
/// then.
pub fn parse(
    text: &[u8],
    timestamps: bool,
    room: &dyn Fn(usize) -> bool,
    sink: &mut impl Sink,
) -> Result<(), TomlError> {
    let valid = std::str::from_utf8(text).map_err(|error| {
        locate(text, error.valid_up_to(), "the text is not UTF-8 from here on".to_owned())
    })?;
    let table = document::read(valid, timestamps, room)
        .map_err(|Failure(at, message)| locate(text, at, message))?;
    tell_table(&table, sink);
    Ok(())
}

fn locate(text: &[u8], at: usize, message: String) -> TomlError {
    let before = &text[..at.min(text.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    TomlError {
        line: memchr::memchr_iter(b'\n', before).count() + 1,
        column: before.len() - line_start + 1,
        message,
    }
}

fn tell_table(table: &Table<'_>, sink: &mut impl Sink) {
    sink.begin_object();
    for (name, node) in table.members() {
        sink.key(name);
        tell(node, sink);
    }
    sink.end_object();
}

fn tell(node: &Node<'_>, sink: &mut impl Sink) {
    if !sink.goes_on() {
        return;
    }
    match node {
        Node::String(value) => sink.string(value),
        Node::Integer(value) => sink.integer(*value),
        Node::Float(value) => sink.float(*value),
        Node::Boolean(value) => sink.boolean(*value),
        Node::Timestamp(text) => {
            sink.begin_object();
            sink.key("_type");
            sink.string("timestamp");
            sink.key("value");
            sink.string(text);
            sink.end_object();
        }
        Node::Array(items) => {
            sink.begin_array();
            items.iter().for_each(|item| tell(item, sink));
            sink.end_array();
        }
        Node::Table(table) => tell_table(table, sink),
        Node::Tables(tables) => {
            sink.begin_array();
            tables.iter().for_each(|table| tell_table(table, sink));
            sink.end_array();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Trace;
    use proptest::prelude::*;

    fn trace(text: &str) -> Result<String, TomlError> {
        let mut sink = Trace::default();
        parse(text.as_bytes(), true, &|_| true, &mut sink).map(|()| sink.0.trim_end().to_owned())
    }

    #[test]
    fn tables_may_be_spread() {
        for (text, read) in [
            ("", "{ }"),
            ("\u{feff}a=1 # c\r\n'b c'=true", "{ a= 1 b c= true }"),
            ("a.b=1\na.c=2", "{ a= { b= 1 c= 2 } }"),
            ("[a.b]\n[a]\nx=1", "{ a= { b= { } x= 1 } }"),
            ("[a]\nb.c=1\n[a.b.d]\nd=1", "{ a= { b= { c= 1 d= { d= 1 } } } }"),
            ("a.b=1\n[a.c]\nd=1", "{ a= { b= 1 c= { d= 1 } } }"),
            ("[[a]]\n[[a]]\nx=1\n[a.b]\ny=1", "{ a= [ { } { x= 1 b= { y= 1 } } ] }"),
            ("[[a]]\n[a.b]\n[[a]]\n[a.b]", "{ a= [ { b= { } } { b= { } } ] }"),
            ("a={ b.c = 1, b.d = [1,\n#c\n2,\n] }", "{ a= { b= { c= 1 d= [ 1 2 ] } } }"),
            ("1.2=3\n-1=''\n\"\"=\"\"", "{ 1= { 2= 3 } -1= \"\" = \"\" }"),
            ("  [ a . \"b\" ]  # c\n  c = 1", "{ a= { b= { c= 1 } } }"),
        ] {
            assert_eq!(trace(text).unwrap(), read, "{text}");
        }
    }

    #[test]
    fn what_was_defined_stays_as_it_is() {
        for text in [
            "a=1\na=2",
            "[a]\n[a]",
            "[a]\nb.c=1\n[a.b]",
            "[a.b.c]\nz=9\n[a]\nb.c.t=1",
            "[a.b.c]\nz=9\n[a]\nb.t=1",
            "[a.b]\nz=1\n[a]\nb.t=1",
            "a={b=1}\n[a.c]",
            "a={b=1}\na.c=1",
            "a=[]\n[[a]]",
            "[a]\n[[a]]",
            "[[a]]\n[a]",
            "a.b=1\n[a]\nc=1",
            "a.b=1\n[a.b.c]",
            "[[a.b]]\n[a]\nb.t=1",
            "[[a]]\n[a.b]\n[a.b]",
            "a=[{b=1}]\n[a.c]",
            "a=[{b=1}]\n[[a]]",
            "a={b={c=1}}\n[a.b.d]",
            "a={b={},b.d=2}",
            "a={b.c=1,b={d=1}}",
            "[a.b]\n[a]\n[a]",
        ] {
            assert!(trace(text).unwrap_err().message.contains("'"), "{text}");
        }
    }

    #[test]
    fn scalars_are_those_of_toml_1_0() {
        for (text, read) in [
            ("0x7FFFFFFFFFFFFFFF", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("0x1_f", "31"),
            ("0o17", "15"),
            ("0b101", "5"),
            ("+0", "0"),
            ("1_000", "1000"),
            ("1e5", "1e5"),
            ("1E+0_5", "1e5"),
            ("1e01", "1e1"),
            ("1_0.0_1", "1.001e1"),
            ("-0.0", "-0e0"),
            ("1e-400", "0e0"),
            ("-nan", "NaN"),
            ("+inf", "inf"),
            ("false", "false"),
            (r#""\b\t\n\f\r\"\\\u00e9\U0001F600""#, r#""\u{8}\t\n\u{c}\r\"\\é😀""#),
            ("'''\na\n'b''\n'''", r#""a\n'b''\n""#),
            ("\"\"\"\r\nx\r\ny\"\"\"", r#""x\r\ny""#),
            ("\"\"\"x\\  \n\n   y\"\"\"", r#""xy""#),
            ("\"\"\"\"a\"\"\"\"\"", r#""\"a\"\"""#),
            ("'\\x'", r#""\\x""#),
            ("\"\t\"", r#""\t""#),
        ] {
            assert_eq!(trace(&format!("a={text}")).unwrap(), format!("{{ a= {read} }}"), "{text}");
        }
        for text in [
            "",
            "0xFFFFFFFFFFFFFFFF",
            "9223372036854775808",
            "1e400",
            "01",
            "-01.0",
            "00.1",
            "1__0",
            "1_",
            "_1",
            ".5",
            "5.",
            "1._0",
            "1.0_",
            "1.0e",
            "+0x1",
            "0x_1",
            "0xg",
            "0b2",
            "0X1",
            "Inf",
            "tru",
            "truex",
            "True",
            "\"x",
            "'x",
            "\"\\x41\"",
            "\"\\e\"",
            "\"\\ud800\"",
            "\"\\U00110000\"",
            "\"\\u0000\"",
            "\"a\nb\"",
            "'a\nb'",
            "\"\u{1}\"",
            "\"\u{7f}\"",
            "\"\"\"x\ry\"\"\"",
            "\"\"\"x\\ y\"\"\"",
            "\"\"\"a\"\"\"\"\"\"",
            "[1 2]",
            "[,1]",
            "[1,,2]",
            "[1",
            "{b=1,}",
            "{\nb=1}",
            "{b=1 c=2}",
            "{,}",
            "{b=1",
            "1 x",
            "\"x\" \"y\"",
            "1,",
            "1\rb=2",
        ] {
            assert!(trace(&format!("a={text}")).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_have_one_form() {
        for (text, read) in [
            ("1979-05-27", "1979-05-27"),
            ("1979-05-27 ", "1979-05-27"),
            ("0000-02-29", "0000-02-29"),
            ("07:32:00.1", "07:32:00.100"),
            ("07:32:60", "07:32:60"),
            ("1979-05-27 07:32:00.1234567891Z", "1979-05-27T07:32:00.123456789Z"),
            ("1979-05-27t07:32:00.12+00:00", "1979-05-27T07:32:00.120Z"),
            ("1979-05-27T07:32:00-00:00", "1979-05-27T07:32:00Z"),
            ("1979-05-27T07:32:00.0005-07:30", "1979-05-27T07:32:00.000500-07:30"),
            ("1979-05-27T07:32:00z", "1979-05-27T07:32:00Z"),
            ("1979-05-27T07:32:00.000", "1979-05-27T07:32:00"),
        ] {
            let read = format!("{{ a= {{ _type= \"timestamp\" value= {read:?} }} }}");
            assert_eq!(trace(&format!("a={text}")).unwrap(), read, "{text}");
        }
        for text in [
            "1979-02-30",
            "1900-02-29",
            "1979-13-01",
            "1979-5-27",
            "07:32",
            "07:32:00.",
            "24:00:00",
            "07:60:00",
            "07:32:61",
            "1979-05-27 x",
            "1979-05-27T07:32Z",
            "1979-05-27T07:32:00+0700",
        ] {
            assert!(trace(&format!("a={text}")).is_err(), "{text}");
        }
        let error = parse(b"a=1979-05-27", false, &|_| true, &mut Trace::default()).unwrap_err();
        assert!(error.message.starts_with("dates and times are not enabled"), "{error}");
    }

    /// If this fails, the crate may have become able to take this reader's place.
    #[test]
    fn the_crate_toml_reads_another_language() {
        let reads = |text: &str| (trace(text).is_ok(), text.parse::<::toml::Table>().is_ok());
        for later in [
            r#"a = "\x41""#,
            r#"a = "\e""#,
            r#"a = "\u0000""#,
            "a = { b = 1, }",
            "a = {\nb = 1 }",
            "a = 07:32",
            "a = 1979-05-27T07:32Z",
        ] {
            assert_eq!(reads(later), (false, true), "{later}");
        }
        let nested = format!("a = {}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(reads(&nested), (true, false));
    }

    #[test]
    fn errors_have_their_place() {
        for text in
            ["a", "a=1 b=2", "=1", "a.=1", ".a=1", "é=1", "[]", "[[a]", "[a] b=1", "# \u{1}\na=1"]
        {
            assert!(trace(text).is_err(), "{text}");
        }
        let error = trace("a=1\nb = x").unwrap_err();
        assert_eq!((error.line, error.column), (2, 5));
        assert!(parse(b"a='\xff'", true, &|_| true, &mut Trace::default()).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let n = 100_000;
        for text in [
            format!("a={}", "[".repeat(n)),
            format!("a={}", "{a=".repeat(n)),
            format!("{}a=1", "a.".repeat(n)),
            format!("[{}a]", "a.".repeat(n)),
        ] {
            assert!(trace(&text).unwrap_err().message.contains("nested"));
        }
        assert!(trace(&format!("a={}{}", "[".repeat(450), "]".repeat(450))).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ab.=\"'\\[\\]{},\n# 0-9:TZe+-]{0,24}") {
            let _ = trace(&text);
        }

        /// Every document that this parser accepts is accepted by a parser of a later version of TOML.
        #[test]
        fn what_is_accepted_is_toml(text in "([ab]|'c'|\"d\")(\\.[ab])? ?= ?(1|-0|2\\.5|'x'|\\[1, 2\\]|\\{ a = 1 \\}|true)(\n|\n\\[[ab](\\.[ab])?\\]\n|\n\\[\\[[ab]\\]\\]\n){0,3}") {
            if trace(&text).is_ok() {
                prop_assert!(text.parse::<::toml::Table>().is_ok(), "{}", text);
            }
        }
    }
}
