//! Versions, specifiers, markers and tags beside `packaging`, the reference implementation: a few
//! thousand of each are made up, and both must say the same of them.

use clutch::python::{
    marker::{Marker, MarkerEnvironment},
    tags::{Platform, Tags},
    version::{Specifiers, Version},
    wheel_name::WheelName,
};
use serde_json::{Value, json};

use crate::{source, space};

/// Draws the same for the same seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % most
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn version(&mut self) -> String {
        let mut text = self.one(&["", "", "", "", "1!", "v"]).to_owned();
        for part in 0..=self.below(4) {
            text += if part == 0 { "" } else { "." };
            text += self.one(&["0", "1", "2", "3", "10", "11", "01"]);
        }
        let suffixes = [
            ["", "", "", "a1", "b2", "rc1", "-ALPHA", ".pre2", "c3", "a"],
            ["", "", "", ".post1", "-1", "rev2", ".post", "_post0", "", ""],
            ["", "", "", ".dev0", "dev1", "-dev2", ".dev", "", "", ""],
            ["", "", "", "", "", "", "+abc.5", "+5", "+Ubuntu-1", "+x"],
        ];
        suffixes.iter().for_each(|all| text += self.one(all));
        // now and then something that is no version
        match self.below(20) {
            0 => text + self.one(&["x", ".", "..1", "+", " 1", "-", "é"]),
            _ => text,
        }
    }

    fn specifier(&mut self) -> String {
        let operator = self.one(&["==", "!=", "<=", ">=", "<", ">", "~=", "===", "=", "=="]);
        let blank = self.one(&["", "", " "]);
        let star = self.one(&["", "", "", "", ".*"]);
        format!("{operator}{blank}{}{star}", self.version())
    }

    fn comparison(&mut self) -> String {
        const VARIABLES: [(&str, &[&str]); 12] = [
            ("python_version", &["3", "3.8", "3.11", "3.12", "3.13", "3.14", "3.9, 3.13", "3.1"]),
            (
                "python_full_version",
                &["3.13.0", "3.13.0rc1", "3.13.0.dev0", "3.13", "3.12.10", "3.14.0b1", "3.13.0b4"],
            ),
            ("implementation_version", &["3.13.0", "3.13.0rc1", "3.12", "x"]),
            ("os_name", &["posix", "nt", "a", "z", ""]),
            ("sys_platform", &["linux", "linux2", "win32", "darwin", "lin", "3.9"]),
            ("platform_machine", &["x86_64", "aarch64", "arm64 aarch64", "amd64"]),
            ("platform_system", &["Linux", "linux", "Windows"]),
            ("platform_release", &["5.10", "6", "", "x"]),
            ("platform_version", &["1", "", "#1 SMP"]),
            ("platform_python_implementation", &["CPython", "PyPy"]),
            ("implementation_name", &["cpython", "pypy"]),
            ("extra", &["test", "Test_All", "test-all", "other", ""]),
        ];
        let (variable, values) = VARIABLES[self.below(VARIABLES.len())];
        let wild = self.one(&["", "", "", "", "", "", ".*"]);
        let value = format!("{}{wild}", self.one(values));
        let value = if self.below(2) == 0 { format!("'{value}'") } else { format!("\"{value}\"") };
        let operator =
            self.one(&["==", "!=", "<", "<=", ">", ">=", "~=", "===", "in", "not in", "==", "<"]);
        match self.below(4) {
            0 => format!("{value} {operator} {variable}"),
            _ => format!("{variable} {operator} {value}"),
        }
    }

    fn marker(&mut self, depth: usize) -> String {
        let mut text = String::new();
        for n in 0..=self.below(3) {
            text += if n == 0 { "" } else { self.one(&[" and ", " or "]) };
            if depth > 0 && self.below(4) == 0 {
                text += &format!("({})", self.marker(depth - 1));
            } else {
                text += &self.comparison();
            }
        }
        text
    }
}

/// What `packaging` says to each question; `name` is that of their file.
fn ask(name: &str, questions: &[Value]) -> Vec<Value> {
    let space = space();
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let file = space.write(name, lines);
    let (environment, program) =
        (source("store-tests/tests/packaging"), source("store-tests/tests/packaging/answers.py"));
    let words = ["run", &environment, "--", "python", &program, file.to_str().unwrap()];
    let said = space.ok(words);
    let answers: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), questions.len());
    answers
}

/// Fails with the first of the questions that have another answer.
fn compare(name: &str, questions: &[Value], ours: impl Fn(&Value) -> Option<Value>) {
    let mut wrong = Vec::new();
    for (question, theirs) in questions.iter().zip(ask(name, questions)) {
        // what is undefined may be anything
        let same = theirs == "undefined" || ours(question).is_some_and(|ours| ours == theirs);
        if !same {
            wrong.push(format!("{question}: packaging {theirs}, clutch {:?}", ours(question)));
        }
    }
    let some = wrong[..wrong.len().min(20)].join("\n");
    assert!(wrong.is_empty(), "{} of {} differ:\n{some}", wrong.len(), questions.len());
}

fn text(question: &Value, at: usize) -> &str {
    question[at].as_str().unwrap()
}

#[test]
fn versions_are_those_of_packaging() {
    let mut draw = Draw(1);
    let mut questions: Vec<Value> = (0..4000).map(|_| json!(["version", draw.version()])).collect();
    let valid: Vec<String> =
        (0..6000).map(|_| draw.version()).filter(|text| text.parse::<Version>().is_ok()).collect();
    questions.extend(valid.chunks_exact(2).map(|pair| json!(["order", pair[0], pair[1]])));
    questions.extend(valid.iter().map(|version| json!(["specifier", draw.specifier(), version])));
    assert!(questions.len() > 10_000, "{}", questions.len());
    compare("versions", &questions, |question| {
        let version = |at| text(question, at).parse::<Version>();
        Some(match text(question, 0) {
            "version" => version(1).map_or(Value::Null, |version| version.to_string().into()),
            "order" => (version(1).ok()?.cmp(&version(2).ok()?) as i64).into(),
            _ => match text(question, 1).parse::<Specifiers>() {
                Ok(specifiers) => specifiers.contains(&version(2).ok()?).into(),
                Err(_) => Value::Null,
            },
        })
    });
}

#[test]
fn markers_are_those_of_packaging() {
    let mut draw = Draw(2);
    let environments = [
        ("3.13", "3.13.0", "x86_64"),
        ("3.13", "3.13.0rc1", "x86_64"),
        ("3.12", "3.12.10", "aarch64"),
        ("3.14", "3.14.0b1", "x86_64"),
        ("3.11", "3.11.2", "x86_64"),
    ];
    let questions: Vec<Value> = (0..6000)
        .map(|n| {
            let (version, full, machine) = environments[n % environments.len()];
            let environment = json!({
                "python_version": version,
                "python_full_version": full,
                "implementation_version": full,
                "os_name": "posix",
                "sys_platform": "linux",
                "platform_machine": machine,
                "platform_system": "Linux",
                "platform_release": "",
                "platform_version": "",
                "platform_python_implementation": "CPython",
                "implementation_name": "cpython",
            });
            let extras = match n % 3 {
                0 => json!([]),
                1 => json!(["test"]),
                _ => json!(["test-all", "x"]),
            };
            json!(["marker", draw.marker(2), environment, extras])
        })
        .collect();
    compare("markers", &questions, |question| {
        let marker: Marker = text(question, 1).parse().ok()?;
        let value = |name: &str| question[2][name].as_str().unwrap().to_owned();
        let environment = MarkerEnvironment {
            python_version: value("python_version"),
            python_full_version: value("python_full_version"),
            machine: value("platform_machine"),
        };
        let extras = question[3].as_array().unwrap();
        let extras = extras.iter().map(|extra| extra.as_str().unwrap()).collect();
        // the normal form means the same
        let again: Marker = marker.to_string().parse().ok()?;
        let holds = marker.holds(&environment, &extras);
        assert_eq!(again.holds(&environment, &extras), holds, "{question}: {again}");
        Some(holds.into())
    });
}

#[test]
fn tags_are_those_of_packaging() {
    let mut questions = Vec::new();
    for minor in 8..=14 {
        for (libc, version) in
            [("manylinux", [2, 36]), ("manylinux", [2, 17]), ("musllinux", [1, 2])]
        {
            for machine in ["x86_64", "aarch64"] {
                questions.push(json!(["tags", minor, libc, version, machine]));
            }
        }
    }
    let answers = ask("tags", &questions);
    let mut all: Vec<String> = answers
        .iter()
        .flat_map(|tags| tags.as_array().unwrap())
        .map(|tag| tag.as_str().unwrap().to_owned())
        .collect();
    all.extend(
        [
            "cp313-cp313t-manylinux_2_17_x86_64",
            "cp313-abi3-any",
            "cp313-cp313-any",
            "py2-none-any",
            "py3-abi3-any",
            "cp313-none-win_amd64",
            "cp31-abi3-manylinux_2_17_x86_64",
            "py3-none-macosx_11_0_arm64",
            "pp310-pypy310_pp73-manylinux_2_17_x86_64",
        ]
        .map(str::to_owned),
    );
    all.sort();
    all.dedup();
    assert!(all.len() > 2000, "{}", all.len());
    for (question, answer) in questions.iter().zip(answers) {
        let version = format!("{}_{}", question[3][0], question[3][1]);
        let platform = format!("{}_{version}_{}", text(question, 2), text(question, 4));
        let platform: Platform = platform.parse().unwrap();
        let minor = u32::try_from(question[1].as_u64().unwrap()).unwrap();
        let tags = Tags::cpython(minor, &platform);
        let mut ours: Vec<_> = all
            .iter()
            .filter_map(|tag| {
                let wheel: WheelName = format!("a-1-{tag}.whl").parse().unwrap();
                Some((tags.rank(&wheel)?, tag))
            })
            .collect();
        ours.sort();
        let ours: Vec<&str> = ours.into_iter().map(|(_, tag)| &**tag).collect();
        let theirs: Vec<&str> =
            answer.as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
        assert_eq!(ours, theirs, "{question}");
    }
}
