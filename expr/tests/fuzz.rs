//! A short run of each fuzz target (`fuzz/targets.rs`): the cases of the tests and the seeds as they
//! are, then changed at random. `FUZZ_INPUTS` says how many changed inputs a target gets (300), and
//! `FUZZ_SEED` which (1). `fuzz/run.sh` looks for new ones by what they reach in the code.

#[allow(unreachable_pub, reason = "the programs for libFuzzer are crates of their own")]
#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::Path;

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

/// What is put into inputs.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "''",
    "${",
    "\\",
    ";",
    ":",
    "@",
    ",",
    "...",
    ".",
    "=",
    "==",
    "//",
    "++",
    "->",
    "?",
    "!",
    "-",
    "+",
    "*",
    "/",
    "<",
    "|",
    "^",
    "$",
    "#",
    "/*",
    "*/",
    "\n",
    " ",
    "\t",
    "let ",
    " in ",
    "rec ",
    "with ",
    "inherit ",
    "assert ",
    "if ",
    " then ",
    " else ",
    " or ",
    "null",
    "true",
    "x",
    "a.b",
    "x: ",
    "{ a ? 1, ... }: ",
    "./a",
    "/b",
    "~/c",
    "<d>",
    "http://e",
    "0",
    "1",
    "-1",
    "1.5",
    "1e9",
    "9223372036854775807",
    "0x",
    "nan",
    "inf",
    "\u{e9}",
    "\u{1f600}",
    "\\u0000",
    "\\ud800",
    "'''",
    "\"\"\"",
    "{1,3}",
    "{0}",
    "[[:alpha:]]",
    "[^]]",
    "a*",
    "(a|b)",
    "builtins.",
    "map ",
    "throw ",
];

fn changed(random: &mut Random, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = inputs[random.below(inputs.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(12)).min(input.len());
        match random.below(6) {
            0 => drop(input.splice(at..end, [])),
            1 => drop(input.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            2 => drop(input.splice(at..end, PIECES[random.below(PIECES.len())].bytes())),
            3 => {
                let part = input[at..end].to_vec();
                drop(input.splice(at..at, part));
            }
            4 => {
                let other = &inputs[random.below(inputs.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(60)).min(other.len());
                drop(input.splice(at..end, other[from..to].iter().copied()));
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = u8::try_from(random.below(256)).unwrap();
                }
            }
        }
    }
    input
}

fn files(folder: &Path, into: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<_> =
        fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_none_or(|ext| ext != "exp" && ext != "rs") {
            into.push(fs_err::read(path).unwrap());
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn fuzz(folders: &[&str], target: fn(&[u8])) {
    let mut inputs = Vec::new();
    for folder in folders {
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut inputs);
    }
    inputs.retain(|input| input.len() < 4096);
    assert!(inputs.len() > 3, "{folders:?} have no inputs");
    for input in &inputs {
        target(input);
    }
    let mut random = Random(number("FUZZ_SEED", 1));
    for _ in 0..number("FUZZ_INPUTS", 300) {
        let input = changed(&mut random, &inputs);
        let run = std::panic::catch_unwind(|| target(&input));
        assert!(run.is_ok(), "the input is {:?}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn parse() {
    fuzz(&["tests/parse", "tests/eval", "fuzz/seeds/parse"], targets::parse);
}

#[test]
fn evaluate() {
    fuzz(&["tests/eval", "tests/builtins", "fuzz/seeds/evaluate"], targets::evaluate);
}

#[test]
fn json() {
    fuzz(&["fuzz/seeds/json"], targets::json);
}

#[test]
fn toml() {
    fuzz(&["fuzz/seeds/toml"], targets::toml);
}

#[test]
fn pattern() {
    fuzz(&["fuzz/seeds/pattern"], targets::pattern);
}
