//! Nothing ends the evaluator but an ordinary error: neither nesting, wherever it is, nor growth.

mod support;

use clutch_expr::{
    error::{Error, ErrorKind},
    eval::{Interpreter, Options, PrintOptions},
    evaluation::with_interpreter,
    limit::Limit,
    show,
    source::{Origin, Span},
    value::{AttrsBuilder, Value},
};

/// A small stack and little memory, so that both end soon, whatever the compiler makes of a step.
fn tight() -> Options {
    Options { stack_size: 16 << 20, limit: Limit::new(8 << 20), ..Options::default() }
}

/// Deeper than the stack holds.
const DEEP: usize = 200_000;

fn fails(
    options: Options,
    text: &str,
    then: impl for<'a> FnOnce(&mut Interpreter<'a>, Value<'a>) -> Result<(), Box<Error>> + Send,
) -> Option<ErrorKind> {
    with_interpreter(&support::TestHost, options, |it| {
        let value = it.eval_text(Origin::Text, text.as_bytes(), b"/");
        value.and_then(|value| then(it, value)).err().map(|error| error.kind())
    })
    .unwrap()
}

/// A value nested deeper than calls may be, without any call: each layer is made by the next step of
/// a fold.
fn nested(layer: &str) -> String {
    format!("builtins.foldl' (inner: _: {layer}) 1 (builtins.genList (n: n) 50000)")
}

#[test]
fn nesting_in_the_source_is_an_error() {
    let around = |open: &str, close: &str| open.repeat(DEEP) + "1" + &close.repeat(DEEP);
    let texts = [
        around("(", ")"),
        around("[", "]"),
        around("{a=", ";}"),
        around("let a=", ";in a"),
        around("x: ", ""),
        around("-", ""),
        around("!", ""),
        around("1+", ""),
        around("a.b or ", ""),
        around("if ", " then 1 else 1"),
        around("\"${", "}\""),
        around("with {}; ", ""),
        around("", " ++ []"),
        around("[", ""),
    ];
    for text in texts {
        let kind = fails(tight(), &text, |_, _| Ok(()));
        assert_eq!(kind, Some(ErrorKind::StackOverflow), "{}...", &text[..20]);
    }
}

fn wide() -> Options {
    Options { limit: Limit::new(100 << 20), ..tight() }
}

#[test]
fn nesting_in_data_is_an_error_or_works() {
    let layers =
        ["[ inner ]", "{ a = inner; }", "{ __toString = _: inner; }", "{ outPath = inner; }"];
    let uses = [
        "v: builtins.deepSeq v 1",
        "v: builtins.toJSON v",
        "v: builtins.toXML v",
        "v: toString v",
        "v: \"${v}\"",
        "v: v == [ v ] || v == { a = v; }",
        "v: [ v ] == [ [ v ] ]",
        "v: [ [ v ] ] < [ [ v ] ]",
        "v: builtins.concatLists [ v ]",
        "v: builtins.tryEval (builtins.deepSeq v 1)",
        "v: builtins.addErrorContext \"x\" (throw (builtins.toJSON v))",
        "v: builtins.genericClosure { startSet = [ { key = v; } { key = v; } ]; operator = x: [ ]; }",
        "v: v 1",
        "v: 1 + v",
    ];
    for layer in layers {
        for how in uses {
            let text = format!("({how}) ({})", nested(layer));
            // what matters is that there is an outcome
            let _ = fails(wide(), &text, |_, _| Ok(()));
        }
        let kind = fails(wide(), &nested(layer), |it, value| {
            it.print(value, PrintOptions { force: true, ..PrintOptions::PLAIN }).map(drop)
        });
        // a function prints without what is in it
        let expected = (!layer.contains('_')).then_some(ErrorKind::StackOverflow);
        assert_eq!(kind, expected, "printing {layer}");
    }
    for document in ["[", "{\"a\":"] {
        let text = format!("builtins.fromJSON ''{}''", document.repeat(DEEP));
        let _ = fails(wide(), &text, |_, _| Ok(()));
    }
    let functor =
        "let f = n: if n == 0 then (x: x) else { __functor = _: f (n - 1); }; in f 50000 1";
    assert_eq!(fails(tight(), functor, |_, _| Ok(())), Some(ErrorKind::StackOverflow));
}

#[test]
fn growth_is_an_error_under_a_limit() {
    let doubling = |start: &str, step: &str| {
        format!("builtins.foldl' (v: _: {step}) {start} (builtins.genList (n: n) 60)")
    };
    let shared = doubling("[ 1 ]", "[ v v ]");
    let texts = [
        doubling("\"0123456789\"", "v + v"),
        doubling("\"0123456789\"", "\"${v}${v}\""),
        doubling("[ 1 ]", "v ++ v"),
        doubling("[ 1 ]", "builtins.concatLists [ v v ]"),
        doubling("[ 1 ]", "builtins.concatMap (x: [ x x ]) v"),
        doubling("\"ab\"", "builtins.concatStringsSep v [ v v ]"),
        doubling("\"ab\"", "builtins.replaceStrings [ \"a\" ] [ v ] v"),
        doubling("\"ab\"", "toString [ v v ]"),
        format!("builtins.toJSON ({shared})"),
        format!("builtins.toXML ({shared})"),
        "builtins.genList (n: n) 100000000".to_owned(),
        format!("builtins.fromJSON ({} + \"1\")", doubling("\"[\"", "v + \"1,\" + v").replace("60", "20")),
        format!("fromTOML (\"a = [\" + {} + \"]\")", doubling("\"1,\"", "v + v").replace("60", "20")),
        // each name is a table with room for members
        "fromTOML (builtins.concatStringsSep \"\\n\" (builtins.genList (n: \"k${toString n}\" + builtins.concatStringsSep \".a\" (builtins.genList (_: \"\") 400) + \" = 1\") 100))".to_owned(),
        format!("builtins.fromJSON ({} + \"1]\")", doubling("\"[],\"", "v + v").replace("60", "17").replace("\"[],\" ", "\"[[],\" ")),
        doubling("/ab", "v + (\"/\" + toString v)"),
        doubling("/ab", "/. + \"${toString v}/${toString v}\""),
        format!("builtins.length (builtins.split \"\" ({}))", doubling("\"a\"", "v + v").replace("60", "17")),
        format!("builtins.length (builtins.splitVersion ({}))", doubling("\"1.\"", "v + v").replace("60", "19")),
        "let big = builtins.genList (x: x) 100000; in builtins.foldl' (s: _: s + builtins.length (map (x: x) big)) 0 (builtins.genList (x: x) 200)".to_owned(),
        "let set = builtins.listToAttrs (builtins.genList (n: { name = \"k${toString n}\"; value = n; }) 1000); in builtins.zipAttrsWith (_: v: v) (builtins.genList (_: set) 1000)".to_owned(),
        "let big = builtins.genList (n: { key = n; }) 10000; in builtins.length (builtins.genericClosure { startSet = big; operator = _: big; })".to_owned(),
        format!("let big = {}; in builtins.foldl' (n: t: if (builtins.tryEval t).success then n else n + 1) 0 (builtins.genList (n: throw \"${{big}}${{toString n}}\") 200)", doubling("\"a\"", "v + v").replace("60", "18")),
        format!("let big = {}; in (derivation ({{ name = \"x\"; builder = \"/b\"; system = \"x\"; }} // builtins.listToAttrs (builtins.genList (n: {{ name = \"k${{toString n}}\"; value = big; }}) 100))).drvPath", doubling("\"a\"", "v + v").replace("60", "18")),
        format!("let big = {}; in map (n: builtins.toFile \"x\" \"${{big}}${{toString n}}\") (builtins.genList (n: n) 100)", doubling("\"a\"", "v + v").replace("60", "18")),
        format!("builtins.replaceStrings [ \"\" ] [ ({0}) ] ({0})", doubling("\"a\"", "v + v").replace("60", "18")),
        "let f = l: builtins.seq l (f (l ++ l)); in f [ 1 ]".to_owned(),
        "builtins.foldl' (s: n: s // { \"k${toString n}\" = n; }) { } (builtins.genList (n: n) 100000)".to_owned(),
        "builtins.foldl' (s: n: n) 0 (builtins.genList (n: [ n n n n ]) 200000)".to_owned(),
    ];
    let outcome = |text: &String| fails(tight(), text, |it, value| it.force_deep(value).map(drop));
    let wrong: Vec<_> = texts
        .iter()
        .map(|text| (outcome(text), text))
        .filter(|(kind, _)| *kind != Some(ErrorKind::OutOfMemory))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_contains_itself_or_calls_itself_is_an_error_with_a_short_trace() {
    let programs = [
        "let l = { a = l; }; in builtins.toXML l",
        "let l = [ l ]; in builtins.toXML l",
        "let l = { a = l; }; in builtins.toJSON l",
        "let l = [ l ]; in toString l",
        "let l = [ l ]; m = [ m ]; in l == m",
        "let l = { a = l; }; m = { a = m; }; in l == m",
        "let l = [ l ]; m = [ m ]; in l < m",
        "let s = { __functor = s; }; in s 1",
        "let s = { __functor = _: s; }; in s 1",
        "let s = { __functor = _: s; }; in builtins.elemAt (map s [ 1 ]) 0",
        "let s = { __toString = _: s; }; in \"${s}\"",
        "let s = { outPath = s; }; in \"${s}\"",
        "let s = { outPath = s; }; in toString [ s ]",
        "let f = x: 1 + f x; in f 1",
        "let f = { x }: f { inherit x; } // { }; in f { x = 1; }",
        "let f = n: builtins.addErrorContext \"at ${toString n}\" (1 + f (n + 1)); in f 1",
        "let f = n: { a = f (n + 1); }; in builtins.toXML (f 0)",
    ];
    let shallow = || Options { max_call_depth: 2000, ..Options::default() };
    for text in programs {
        let outcome = with_interpreter(&support::TestHost, shallow(), |it| {
            let error = it.eval_text(Origin::Text, text.as_bytes(), b"/").err().unwrap();
            let shown = |trace| {
                let style = show::Style { trace, ..show::Style::default() };
                show::error(&error, &it.sources, style).lines().count()
            };
            (error.kind(), error.trace().count(), shown(false), shown(true))
        });
        let (kind, steps, short, long) = outcome.unwrap();
        assert_eq!(kind, ErrorKind::StackOverflow, "{text}");
        assert!(steps <= 10_000, "{text}: {steps}");
        let user = if text.contains("addErrorContext") { 2000 } else { 0 };
        assert!(short < 40 + user && long < 60 + user, "{text}: {short} or {long} lines");
    }
    for text in ["let s = { __functor = _: s; }; in s", "let s = { __functor = s; }; in s"] {
        let outcome = fails(Options::default(), text, |it, value| {
            let none = AttrsBuilder::default().build(it.arena);
            it.auto_call(value, none).map(drop)
        });
        assert_eq!(outcome, Some(ErrorKind::StackOverflow), "{text}");
        let outcome =
            fails(Options::default(), text, |it, value| it.documentation(value).map(drop));
        assert!(outcome.is_none_or(|kind| kind == ErrorKind::StackOverflow), "{text}");
    }
    let text = "let s = { recurseForDerivations = true; a = s; }; in s";
    let outcome = fails(Options::default(), text, |it, value| {
        let none = AttrsBuilder::default().build(it.arena);
        it.derivations(value, none).map(drop)
    });
    assert_eq!(outcome, Some(ErrorKind::StackOverflow));
}

/// Thunks that were made one by one need no calls to be computed.
#[test]
fn a_long_way_through_thunks_leaves_a_short_trace() {
    let text = "(builtins.foldl' (acc: _: { v = acc.v + 1; }) { v = throw \"x\"; } (builtins.genList (x: x) 20000)).v";
    let outcome = with_interpreter(&support::TestHost, Options::default(), |it| {
        let error = it.eval_text(Origin::Text, text.as_bytes(), b"/").err().unwrap();
        (error.message().to_owned(), error.trace().count(), error.left_out())
    });
    let (message, steps, left_out) = outcome.unwrap();
    assert_eq!((message.as_str(), steps), ("x", 10_000));
    assert!(left_out > 5_000, "{left_out}");
}

#[test]
fn large_programs_are_those_of_nix() {
    let formals = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("a{n} ? {n}")).collect();
        format!("({{ {} }}: a5) {{ }}", names.join(", "))
    };
    let arguments = format!("let f = x: f; in builtins.isFunction (f {})", "1 ".repeat(70_000));
    let functors = format!("let f = {{ __functor = _: _: f; }}; in f {}", "1 ".repeat(70_000));
    for (text, kind) in [
        (formals(65_535), None),
        (formals(65_536), Some(ErrorKind::Parse)),
        (arguments, None),
        (functors, None),
    ] {
        assert_eq!(fails(Options::default(), &text, |_, _| Ok(())), kind, "{}", &text[..60]);
    }
}

#[test]
fn the_limit_of_one_evaluation_is_not_for_what_fits() {
    let text =
        "builtins.length (builtins.fromJSON (builtins.toJSON (builtins.genList (n: n) 10000)))";
    assert_eq!(fails(tight(), text, |_, _| Ok(())), None);
}

#[test]
fn an_evaluation_can_be_stopped_from_outside_and_another_can_run() {
    let limit = Limit::default();
    let options = Options { limit: limit.clone(), ..Options::default() };
    let stopper = limit.clone();
    let outcome = with_interpreter(&support::TestHost, options, |it| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(20));
                stopper.stop();
            });
            let endless = "let f = n: builtins.foldl' (a: b: a + b) 0 (builtins.genList (n: n) 100) + f 0; g = builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }; in builtins.length g";
            let error = it.eval_text(Origin::Text, endless.as_bytes(), b"/").err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Interrupted);
        });
        limit.resume();
        it.eval_text(Origin::Text, b"1 + 1".as_slice(), b"/").map(|value| it.show_short(value))
    });
    assert_eq!(outcome.unwrap().unwrap(), "2");
}

/// What one builtin does for long without calling anything, on data that are computed before.
#[test]
fn a_long_builtin_can_be_stopped_in_its_middle() {
    let repeat = |text: &str, count: usize| {
        format!("builtins.concatStringsSep \"\" (builtins.genList (_: \"{text}\") {count})")
    };
    let (ones, pairs) = (repeat("a", 20_000), repeat("ba", 20_000));
    let numbers = "builtins.genList (n: n) 20000".to_owned();
    let lists = "builtins.genList (n: [ n ]) 20000".to_owned();
    // all parts of one side are shared, so that it is made quickly and compared slowly
    let doubled = "let twice = x: n: if n == 0 then x else twice [ x x ] (n - 1); \
                   in [ (twice 1 14) (twice 1 14) ]"
        .to_owned();
    for (data, program) in [
        (&numbers, "builtins.sort builtins.lessThan data"),
        (&pairs, "builtins.split \"b\" data"),
        // followed choice by choice, since the branches are not tried in turn
        (&ones, "builtins.split \"(a|aa)+b\" (data + \"b\")"),
        (&pairs, "builtins.replaceStrings [ \"b\" ] [ \"c\" ] data"),
        (&doubled, "builtins.head data == builtins.elemAt data 1"),
        (&lists, "builtins.toJSON data"),
        (&lists, "builtins.toXML data"),
        (&lists, "builtins.deepSeq data 1"),
        (&lists, "toString data"),
    ] {
        let limit = Limit::default();
        let options = Options { limit: limit.clone(), ..Options::default() };
        let text = format!("let data = {data}; in builtins.deepSeq data (_: {program})");
        let kind = with_interpreter(&support::TestHost, options, |it| {
            let run = it.eval_text(Origin::Text, text.as_bytes(), b"/").unwrap();
            limit.stop();
            let outcome = it.call(run, &[Value::Null], Span::NONE);
            outcome.and_then(|value| it.value(value)).err().map(|error| error.kind())
        });
        assert_eq!(kind.unwrap(), Some(ErrorKind::Interrupted), "{program}");
    }
    let limit = Limit::default();
    let options = Options { limit: limit.clone(), ..Options::default() };
    let kind = with_interpreter(&support::TestHost, options, |it| {
        let text = format!("let data = {lists}; in builtins.deepSeq data data");
        let list = it.eval_text(Origin::Text, text.as_bytes(), b"/").unwrap();
        limit.stop();
        it.print(list, PrintOptions::PLAIN).err().map(|error| error.kind())
    });
    assert_eq!(kind.unwrap(), Some(ErrorKind::Interrupted), "print");
}

#[test]
fn the_defaults_are_safe_and_a_stack_has_a_least_size() {
    // more than the default allows, refused before it is asked of the machine
    let much = "builtins.length (builtins.genList (n: n) 1000000000)";
    assert_eq!(fails(Options::default(), much, |_, _| Ok(())), Some(ErrorKind::OutOfMemory));
    for stack_size in [0, 1, 70_000, 1 << 20] {
        let options = || Options { stack_size, ..Options::default() };
        let deep = "[".repeat(DEEP) + &"]".repeat(DEEP);
        assert!(fails(options(), &deep, |_, _| Ok(())).is_some(), "{stack_size}");
        assert_eq!(fails(options(), "(x: x + 1) 1", |_, _| Ok(())), None, "{stack_size}");
    }
}

#[test]
fn a_profile_counts_every_call_by_place_and_name() {
    let text = "let\n  slow = n: builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) n);\n  twice = n: slow n + slow (n + 1);\nin twice 200000";
    let profile = with_interpreter(&support::TestHost, Options::default(), |it| {
        it.start_profile();
        let started = std::time::Instant::now();
        it.eval_text(Origin::Text, text.as_bytes(), b"/").unwrap();
        let took = started.elapsed().as_micros();
        let mut out = Vec::new();
        it.write_profile(&mut out).unwrap();
        (String::from_utf8(out).unwrap(), took)
    });
    let (profile, took) = profile.unwrap();
    let mut sum = 0;
    for line in profile.lines() {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        assert!(stack.starts_with("(program)"), "{line}");
        sum += count.parse::<u128>().unwrap();
    }
    // each line is rounded down, and nothing counts twice
    assert!(sum <= took && sum >= took / 2, "{sum} of {took}\n{profile}");
    let stack = "(program);«string»:4:4:twice;«string»:3:14:slow;«string»:2:13:primop foldl'";
    assert!(profile.lines().any(|line| line.starts_with(stack)), "{profile}");
    assert!(profile.contains("«string»:3:23:slow"), "{profile}");
}
