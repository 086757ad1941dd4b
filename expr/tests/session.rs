//! Lines of a session mean what the language means without one: each binding is the argument of a
//! function around what follows, and no line whatever ends the session or changes what others made.

mod support;

use clutch_expr::{
    eval::{Interpreter, Line, Options, PrintOptions},
    evaluation::with_interpreter,
    source::Origin,
    value::{AttrsBuilder, Value},
};
use proptest::prelude::*;

/// What is typed: definitions of names, or an expression.
#[derive(Clone, Debug)]
enum Typed {
    Defines(&'static [&'static str], String),
    Asks(String),
    /// Anything; nobody asks what it does, only that it leaves the others alone.
    Noise(String),
}

const NAMES: [&str; 4] = ["a", "b", "c", "map"];

/// Expressions about the names, some of which fail: of these the kind counts.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned),
        2 => (0..9).prop_map(|n: i32| n.to_string()),
        1 => Just("{ x = 1; }".to_owned()),
        1 => Just("(throw \"no\")".to_owned()),
        1 => Just("unknown".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let two = (inner.clone(), inner.clone());
        let name = prop::sample::select(&NAMES[..]);
        prop_oneof![
            two.clone().prop_map(|(x, y)| format!("({x} + {y})")),
            two.clone().prop_map(|(x, y)| format!("[ {x} {y} ]")),
            two.clone().prop_map(|(x, y)| format!("(if {x} == {y} then {x} else {y})")),
            (name.clone(), two.clone())
                .prop_map(|(n, (x, y))| format!("(let {n} = {x}; in [ {n} {y} ])")),
            (name.clone(), two.clone()).prop_map(|(n, (x, y))| format!("(({n}: {x}) {y})")),
            (name.clone(), inner.clone()).prop_map(|(n, x)| format!("(with {{ {n} = 5; }}; {x})")),
            (name, inner.clone()).prop_map(|(n, x)| format!("{{ {n} = {x}; x.y = 1; }}")),
            inner.prop_map(|x| format!("\"<${{toString {x}}}>\"")),
        ]
    })
}

fn typed() -> impl Strategy<Value = Typed> {
    let one = |name: &'static [&'static str]| {
        expression().prop_map(move |x| Typed::Defines(name, format!("{} = {x}", name[0])))
    };
    let two = || (expression(), expression());
    prop_oneof![
        2 => one(&["a"]),
        2 => one(&["b"]),
        1 => one(&["c"]),
        1 => one(&["map"]),
        1 => two().prop_map(|(x, y)| Typed::Defines(&["a", "b"], format!("a = {x}; b = {y};"))),
        1 => two().prop_map(|(x, y)| Typed::Defines(&["c"], format!("c.x = {x}; c.y = {y}"))),
        1 => expression()
            .prop_map(|x| Typed::Defines(&["a"], format!("inherit ({{ a = {x}; }}) a"))),
        4 => expression().prop_map(Typed::Asks),
        // no definition: there is no `=` in it
        1 => "[^=\\n]{0,12}".prop_map(Typed::Noise),
        1 => Just(Typed::Noise("a = a = 1".to_owned())),
        1 => Just(Typed::Noise("a = unknown name".to_owned())),
    ]
}

/// A value as text, or the kind of its failure.
fn shown<'a>(it: &mut Interpreter<'a>, value: Value<'a>) -> String {
    let options = PrintOptions { force: true, ..PrintOptions::PLAIN };
    match it.print(value, options) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// What a session answers to each question.
fn session(lines: &[Typed]) -> Vec<String> {
    with_interpreter(&support::TestHost, Options::default(), |it| {
        let mut scope = AttrsBuilder::default().build(it.arena);
        let mut answers = Vec::new();
        for line in lines {
            let (Typed::Defines(_, text) | Typed::Asks(text) | Typed::Noise(text)) = line;
            let _ = it.is_incomplete(text.as_bytes());
            let done = it.eval_line(text.as_bytes(), b"/", scope);
            match (line, done) {
                (Typed::Defines(..), Ok(Line::Bindings(attrs))) => {
                    scope = clutch_expr::value::Attrs::update(it.arena, scope, attrs);
                }
                // a variable that nothing defines is an error of the whole line
                (Typed::Defines(..), Err(_)) => answers.push("refused".to_owned()),
                (Typed::Defines(..), Ok(_)) => panic!("{text} defines nothing"),
                (Typed::Asks(_), Ok(Line::Value(value))) => answers.push(shown(it, value)),
                (Typed::Asks(_), Ok(_)) => panic!("{text} has no value"),
                (Typed::Asks(_), Err(error)) => answers.push(format!("{:?}", error.kind())),
                (Typed::Noise(_), Ok(Line::Bindings(_))) => panic!("{text} defines something"),
                (Typed::Noise(_), _) => {}
            }
        }
        answers
    })
    .unwrap()
}

/// What an expression gives on its own.
fn alone(text: &str) -> Result<String, String> {
    with_interpreter(&support::TestHost, Options::default(), |it| {
        match it.eval_text(Origin::Text, text.as_bytes(), b"/") {
            Ok(value) => Ok(shown(it, value)),
            Err(error) => Err(format!("{:?}", error.kind())),
        }
    })
    .unwrap()
}

/// The same questions, each as one expression with functions for the definitions before it.
fn functions(lines: &[Typed]) -> Vec<String> {
    let mut around: Vec<(String, String)> = Vec::new();
    let mut answers = Vec::new();
    for line in lines {
        let within = |text: &str| {
            let inside = around.iter().rev().fold(text.to_owned(), |inside, (names, set)| {
                format!("({{ {names}, ... }}: {inside}) {set}")
            });
            alone(&inside)
        };
        match line {
            Typed::Asks(text) => answers.push(within(text).unwrap_or_else(|kind| kind)),
            Typed::Defines(names, text) => {
                let set = format!("{{ {}; }}", text.trim_end_matches(';'));
                // computing the set itself fails only where the text is refused
                if within(&format!("builtins.seq {set} 1")).is_ok() {
                    around.push((names.join(", "), set));
                } else {
                    answers.push("refused".to_owned());
                }
            }
            Typed::Noise(_) => {}
        }
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_session_is_functions_around_what_follows(lines in prop::collection::vec(typed(), 1..12)) {
        prop_assert_eq!(session(&lines), functions(&lines));
    }
}
