//! How fast texts are parsed and evaluated, a fresh evaluator each time.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;

use divan::{Bencher, black_box, counter::BytesCount};

fn main() {
    divan::main();
}

fn evaluate(text: &str) -> usize {
    support::eval_text(black_box(text)).map_or(0, |text| text.len())
}

/// What an evaluation costs that computes nothing.
#[divan::bench]
fn nothing() -> usize {
    evaluate("1 + 1")
}

#[divan::bench]
fn fibonacci_20() -> usize {
    evaluate("let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); in fib 20")
}

#[divan::bench]
fn lists_of_10_000() -> usize {
    evaluate(
        "let n = builtins.genList (n: n) 10000; in builtins.foldl' (a: b: a + b) 0 (builtins.filter (n: n > 5) (map (n: n * 2) n))",
    )
}

#[divan::bench]
fn a_set_grown_by_1_000_updates() -> usize {
    evaluate(
        "builtins.length (builtins.attrNames (builtins.foldl' (s: n: s // { \"k${toString n}\" = n; }) { } (builtins.genList (n: n) 1000)))",
    )
}

/// Lexer, parser and compiler: a set of functions of which none is called.
#[divan::bench]
fn source_text(bencher: Bencher<'_, '_>) {
    let mut text = String::from("builtins.length (builtins.attrNames {\n");
    for n in 0..2_000 {
        let _ = writeln!(
            text,
            "  f{n} = {{ a, b ? {n}, ... }}@args: let c = a + b; in if c > {n} then \"x${{toString c}}\" else args.d or [ c ''\n    text\n      ${{b}}\n  '' ];"
        );
    }
    text.push_str("})");
    bencher.counter(BytesCount::of_str(&text)).bench(|| evaluate(&text));
}
