//! Made-up expressions, evaluated here and by `nix-instantiate`, where that is installed: both must
//! print the same, or both must fail. `DIFFERENTIAL_CASES` says how many (64).

#![allow(clippy::print_stdout)] // says loudly what was not compared

mod support;

use std::process::{Command, Stdio};

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
    "builtins.getContext",
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
];
const TERNARY: &[&str] = &["builtins.foldl'", "builtins.replaceStrings", "builtins.substring"];
const OPERATORS: &[&str] =
    &["+", "-", "*", "/", "++", "//", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "->"];

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => number(),
        3 => text(),
        2 => prop::sample::select(vec!["true", "false", "null", "[ ]", "{ }", "/a/b", "x", "y"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["(x: x)", "(x: y: y)", "(n: v: n)", "(a: b: a < b)", "({ a, b ? 1, ... }: a)", "builtins.add"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec![r#""(a|b)+""#, r#""a*(b)?""#, r#""[[:digit:]]+""#, r#""([^.]*)\\.(.*)""#, r#""{\"a\":[1,2.5]}""#, r#""a = 1\nb.c = 'x'""#])
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
            3 => (any::<bool>(), prop::collection::vec((name(), e.clone()), 0..4)).prop_map(|(rec, members)| {
                let members: Vec<_> = members.iter().map(|(n, v)| format!("{n} = {v};")).collect();
                format!("({}{{ {} }})", if rec { "rec " } else { "" }, members.join(" "))
            }),
            2 => (name(), e.clone(), e.clone()).prop_map(|(n, v, body)| format!("(let {n} = {v}; in {body})")),
            1 => (e.clone(), e.clone()).prop_map(|(s, body)| format!("(with {s}; {body})")),
            1 => (e.clone(), e.clone(), e.clone()).prop_map(|(c, a, b)| format!("(if {c} then {a} else {b})")),
            1 => (e.clone(), name(), e.clone()).prop_map(|(s, n, d)| format!("({s}.{n} or {d})")),
            1 => (e.clone(), name()).prop_map(|(s, n)| format!("({s} ? {n}.b)")),
            1 => (name(), e.clone(), e.clone()).prop_map(|(n, body, a)| format!("(({n}: {body}) {a})")),
            1 => (e.clone(), e.clone()).prop_map(|(body, a)| format!("(({{ a ? 1, b ? a, ... }}@x: {body}) {a})")),
            1 => e.clone().prop_map(|a| format!("\"s${{{a}}}\"")),
            1 => (e.clone(), e.clone()).prop_map(|(c, a)| format!("(assert {c}; {a})")),
            1 => e.prop_map(|a| format!("(builtins.tryEval (throw {a}))")),
        ]
    })
}

/// What Nix prints; nothing where it fails.
fn nix(expression: &str) -> Option<String> {
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--expr", expression])
        .env_remove("NIX_PATH")
        .current_dir("/tmp")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

#[test]
fn made_up_expressions_mean_what_they_mean_to_nix() {
    if nix("1 + 1").as_deref() != Some("2") {
        println!(
            "SKIPPED: nix-instantiate is not installed or does not work; nothing was compared"
        );
        return;
    }
    let cases = std::env::var("DIFFERENTIAL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(64);
    let seed =
        std::env::var("DIFFERENTIAL_SEED").ok().and_then(|n| n.parse::<u8>().ok()).unwrap_or(0);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = expression();
    let (mut different, mut succeeded) = (Vec::new(), 0);
    for _ in 0..cases {
        let expression = strategy.new_tree(&mut runner).unwrap().current();
        let expression = format!("let x = 1; y = \"y\"; in {expression}");
        let theirs = nix(&expression);
        succeeded += usize::from(theirs.is_some());
        let ours = support::eval_text(&expression);
        if ours.as_ref().ok() != theirs.as_ref() {
            different.push(format!("{expression}\n  here: {ours:?}\n  nix:  {theirs:?}"));
        }
    }
    println!("{cases} expressions compared, {succeeded} of them succeed");
    assert!(
        different.is_empty(),
        "{} of {cases} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}
