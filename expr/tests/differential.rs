//! Made-up expressions, evaluated here and by `nix-instantiate`, where that is installed: both must
//! print the same, as a value, as JSON, as XML or as the parsed expression, or both must fail.
//! `DIFFERENTIAL_CASES` says how many (64), `DIFFERENTIAL_SEED` which, `DIFFERENTIAL_NIX` names another
//! `nix-instantiate`: one that is older than the language here is only asked for values.

#![allow(clippy::print_stdout)] // says loudly what was not compared

mod support;

use std::process::{Command, Stdio};

use clutch_expr::{
    builtins::XmlOptions, eval::PrintOptions, source::Origin, string::ContextBuilder,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0..20i64).prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.unsigned_abs().min(i64::MAX as u64).to_string()),
        1 => (0.0..100.0f64).prop_map(|n| format!("{n:.3}")),
        1 => (1..9u8, -30..30i32).prop_map(|(d, e)| format!("{d}.5e{e}")),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-c1-3.-]{0,5}".prop_map(|s| format!("\"{s}\"")),
        1 => r#"[ab é]{0,3}(\\n|\\"|\\\$|\\t|\$)?[ab]{0,2}"#.prop_map(|s| format!("\"{s}\"")),
        1 => "( {0,4}[ab']?[a-c$]{0,4}\n){0,3} {0,3}".prop_map(|s| format!("''{}''", s.replace("''", "' "))),
    ]
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "x", "y"])
}

/// A name as an attribute set writes it: some have to be quoted, and some only look so.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => name().prop_map(str::to_owned),
        2 => prop::sample::select(vec![
            r#""a b""#, r#""if""#, r#""or""#, "or", r#""1x""#, r#""a.b""#, r#""é""#, r#""""#, r#""x'""#, r#""-a""#, r#""_a-1""#,
            r#""\${q}""#, r#""a\nb""#, r#""inherit""#, "a'", r#"${"x"}"#, r#"${y}"#, "a-b", r#""x""#,
        ]).prop_map(str::to_owned),
        1 => (name(), name()).prop_map(|(a, b)| format!("{a}.{b}")),
    ]
}

/// Bindings of a set or a `let`.
fn bindings(
    e: impl Strategy<Value = String> + Clone + 'static,
    quoted: bool,
) -> BoxedStrategy<String> {
    let key = if quoted { key().boxed() } else { name().prop_map(str::to_owned).boxed() };
    let one = prop_oneof![
        6 => (key, e.clone()).prop_map(|(n, v)| format!("{n} = {v};")),
        1 => name().prop_map(|n| format!("inherit {n};")),
        1 => (e, name(), name()).prop_map(|(s, a, b)| format!("inherit ({s}) {a} {b};")),
    ];
    prop::collection::vec(one, 0..4).prop_map(|all| all.join(" ")).boxed()
}

/// Functions of one, two and three arguments that need no file and no store.
const UNARY: &[&str] = &[
    "toString",
    "builtins.typeOf",
    "builtins.length",
    "builtins.head",
    "builtins.tail",
    "builtins.attrNames",
    "builtins.attrValues",
    "builtins.isInt",
    "builtins.isString",
    "builtins.isFunction",
    "builtins.toJSON",
    "builtins.stringLength",
    "builtins.concatLists",
    "builtins.splitVersion",
    "builtins.parseDrvName",
    "builtins.tryEval",
    "builtins.ceil",
    "builtins.floor",
    "builtins.functionArgs",
    "builtins.listToAttrs",
    "builtins.toXML",
    "baseNameOf",
    "dirOf",
    "builtins.fromJSON",
    "builtins.fromTOML",
    "(f: f 1)",
    "(x: x.a)",
    "builtins.hasContext",
    "(s: builtins.attrValues (builtins.getContext s))",
    "builtins.unsafeDiscardStringContext",
    "builtins.unsafeDiscardOutputDependency",
    "(s: builtins.stringLength (builtins.toXML s))",
    "(s: builtins.fromJSON (builtins.toJSON s))",
    "builtins.isPath",
    "builtins.isNull",
    "(x: x.a or 1)",
    "({ a, b ? a, ... }@all: all // { inherit b; })",
    "({ a ? 1 }: a)",
    "(x: assert x; 1)",
    "-",
    "!",
];
const BINARY: &[&str] = &[
    "map",
    "builtins.filter",
    "builtins.elemAt",
    "builtins.elem",
    "builtins.genList",
    "builtins.sort",
    "builtins.hasAttr",
    "builtins.getAttr",
    "removeAttrs",
    "builtins.mapAttrs",
    "builtins.intersectAttrs",
    "builtins.catAttrs",
    "builtins.compareVersions",
    "builtins.match",
    "builtins.split",
    "builtins.all",
    "builtins.any",
    "builtins.concatMap",
    "builtins.concatStringsSep",
    "builtins.partition",
    "builtins.groupBy",
    "builtins.seq",
    "builtins.deepSeq",
    "builtins.bitAnd",
    "builtins.bitOr",
    "builtins.bitXor",
    "builtins.add",
    "builtins.lessThan",
    "builtins.zipAttrsWith",
    "builtins.hashString \"sha256\"",
    "builtins.removeAttrs",
    "(a: b: a.x or b)",
    "(a: b: with a; b)",
    "(a: b: { inherit (a) x; inherit b; })",
    "builtins.sub",
    "builtins.mul",
    "builtins.trace",
    "builtins.appendContext",
    "(f: xs: builtins.sort (a: b: f a < f b) xs)",
];
const TERNARY: &[&str] = &["builtins.foldl'", "builtins.replaceStrings", "builtins.substring"];
const OPERATORS: &[&str] =
    &["+", "-", "*", "/", "++", "//", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "->"];

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => number(),
        3 => text(),
        2 => prop::sample::select(vec!["true", "false", "null", "[ ]", "{ }", "/a/b", "x", "y"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["d", "d.name", "\"${d}\"", "(builtins.substring 0 0 \"${d}\")", "(builtins.substring 0 0 d.drvPath)",
            "d.type", "d.all", "s", "s.a", "s.b.c", "s.\"a b\"", "(/a + \"/../b\")", "(toString /a/b)", "http://e.org/a?b=c", "map", "(builtins.add 1)"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["(x: x)", "(x: y: y)", "(n: v: n)", "(a: b: a < b)", "({ a, b ? 1, ... }: a)", "builtins.add"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec![r#""(a|b)+""#, r#""a*(b)?""#, r#""[[:digit:]]+""#, r#""([^.]*)\\.(.*)""#, r#""{\"a\":[1,2.5]}""#, r#""a = 1\nb.c = 'x'""#,
            r#""([[:alpha:]]+)|(.)""#, r#""^(a?)(b*)$""#, r#""[^a-c]""#, r#""(a|ab)(c|bcd)?""#, r#""(a*)+b""#, r#""[""#, r#""a{2}""#,
            r#""[1, {\"b\": null}, \"\\u00e9\", -1e3]""#, r#""[a]\nb = [1.5, {c = true}]\n[[d]]\ne = \"\"""#, r#""<&>\"'\n\t""#])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 48, 4, |inner| {
        let e = inner.clone();
        prop_oneof![
            3 => (e.clone(), prop::sample::select(OPERATORS), e.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            3 => (prop::sample::select(UNARY), e.clone()).prop_map(|(f, a)| format!("({f} {a})")),
            3 => (prop::sample::select(BINARY), e.clone(), e.clone()).prop_map(|(f, a, b)| format!("({f} {a} {b})")),
            1 => (prop::sample::select(TERNARY), e.clone(), e.clone(), e.clone()).prop_map(|(f, a, b, c)| format!("({f} {a} {b} {c})")),
            3 => prop::collection::vec(e.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" "))),
            3 => (any::<bool>(), bindings(e.clone(), true)).prop_map(|(rec, members)| format!("({}{{ {members} }})", if rec { "rec " } else { "" })),
            2 => (bindings(e.clone(), false), e.clone()).prop_map(|(members, body)| format!("(let {members} in {body})")),
            1 => (e.clone(), e.clone()).prop_map(|(s, body)| format!("(with {s}; {body})")),
            1 => (e.clone(), e.clone(), e.clone()).prop_map(|(c, a, b)| format!("(if {c} then {a} else {b})")),
            1 => (e.clone(), name(), e.clone()).prop_map(|(s, n, d)| format!("({s}.{n} or {d})")),
            1 => (e.clone(), key()).prop_map(|(s, n)| format!("({s} ? {n}.b)")),
            1 => (e.clone(), key()).prop_map(|(s, n)| format!("({s}.{n})")),
            1 => (e.clone(), e.clone()).prop_map(|(a, b)| format!("(({a}).a or {b})")),
            1 => (e.clone(), e.clone()).prop_map(|(a, b)| format!("''\n  ${{{a}}}\n    x ''${{ '''\n  ${{{b}}}''")),
            1 => (e.clone(), e.clone()).prop_map(|(a, b)| format!("(a: b: {{ x, y ? {a}, ... }}@q: {b})")),
            1 => (e.clone(), e.clone(), e.clone()).prop_map(|(a, b, c)| format!("({a} // {b} // {c})")),
            1 => (name(), e.clone(), e.clone()).prop_map(|(n, body, a)| format!("(({n}: {body}) {a})")),
            1 => (e.clone(), e.clone()).prop_map(|(body, a)| format!("(({{ a ? 1, b ? a, ... }}@x: {body}) {a})")),
            1 => e.clone().prop_map(|a| format!("\"s${{{a}}}\"")),
            1 => (e.clone(), e.clone()).prop_map(|(c, a)| format!("(assert {c}; {a})")),
            1 => e.prop_map(|a| format!("(builtins.tryEval (throw {a}))")),
        ]
    })
}

/// How a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Json,
    Xml,
    Parse,
}

impl Form {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["--eval", "--strict"],
            Self::Json => &["--eval", "--strict", "--json"],
            Self::Xml => &["--eval", "--strict", "--xml", "--no-location"],
            Self::Parse => &["--parse"],
        }
    }
}

/// What Nix prints; nothing where it fails.
fn nix(expression: &str, form: Form) -> Option<String> {
    let program = std::env::var("DIFFERENTIAL_NIX");
    let output = Command::new(program.as_deref().unwrap_or("nix-instantiate"))
        .args(form.options())
        .args(["--readonly-mode", "--expr", expression])
        .env_remove("NIX_PATH")
        .current_dir("/tmp")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn here(expression: &str, form: Form) -> Result<String, String> {
    support::evaluate(|it| {
        let text = expression.as_bytes().to_vec();
        if form == Form::Parse {
            return it.show_parsed(Origin::Text, text, b"/tmp");
        }
        let value = it.eval_text(Origin::Text, text, b"/tmp")?;
        it.force_deep(value)?;
        let mut text = Vec::new();
        match form {
            Form::Json => it.write_json(value, &mut text, &mut ContextBuilder::default())?,
            Form::Xml => {
                let options = XmlOptions { strict: true, locations: false };
                text = it.xml(value, options)?.0;
            }
            Form::Plain | Form::Parse => text = it.print(value, PrintOptions::PLAIN)?,
        }
        Ok(text)
    })
    .map(|text| text.trim_end().to_owned())
}

#[test]
fn made_up_expressions_mean_what_they_mean_to_nix() {
    if nix("1 + 1", Form::Plain).as_deref() != Some("2") {
        println!(
            "SKIPPED: nix-instantiate is not installed or does not work; nothing was compared"
        );
        return;
    }
    let newer = "builtins.compareVersions builtins.nixVersion \"2.34\" >= 0";
    let newer = nix(newer, Form::Plain).as_deref() == Some("true");
    let forms = match newer {
        true => &[Form::Plain, Form::Plain, Form::Json, Form::Xml, Form::Parse][..],
        false => &[Form::Plain],
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let cases = number("DIFFERENTIAL_CASES").unwrap_or(64);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number("DIFFERENTIAL_SEED").unwrap_or(0).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = expression();
    let (mut different, mut succeeded) = (Vec::new(), 0);
    for case in 0..cases {
        let form = forms[usize::try_from(case).unwrap() % forms.len()];
        let expression = strategy.new_tree(&mut runner).unwrap().current();
        let expression = format!(
            "let x = 1; y = \"y\"; s = {{ a = 1; b.c = \"d\"; \"a b\" = [ x ]; }}; \
             d = derivation {{ name = \"d\"; system = \"x\"; builder = \"b\"; }}; in {expression}"
        );
        let theirs = nix(&expression, form);
        succeeded += usize::from(theirs.is_some());
        let ours = here(&expression, form);
        // what is in the store has other names
        let hashed = |text: &String| text.contains("-d\"") || text.contains("/nix/store/");
        let same = match (&ours, &theirs) {
            (Ok(ours), Some(theirs)) => ours == theirs || hashed(ours) && hashed(theirs),
            (Err(_), None) => true,
            _ => false,
        };
        if !same {
            different.push(format!("{form:?} {expression}\n  here: {ours:?}\n  nix:  {theirs:?}"));
        }
    }
    println!("{cases} expressions compared as {forms:?}, {succeeded} of them succeed");
    assert!(
        different.is_empty(),
        "{} of {cases} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}
