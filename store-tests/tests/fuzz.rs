//! A short run of each fuzz target (`fuzz/targets.rs`): its seeds as they are, then changed at random.
//! A law for all: memory is bounded.
//! `FUZZ_INPUTS` says how many changed inputs a target gets (100), and `FUZZ_SEED` which (1).
//! `fuzz/run.sh` looks for new ones by what they reach in the code.

#[allow(unreachable_pub, reason = "the programs for libFuzzer are crates of their own")]
#[path = "../fuzz/targets.rs"]
mod targets;

use targets::{TARGETS, Target};

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

/// Pieces that are put into inputs.
const PIECES: &[&[u8]] = &[
    b"/",
    b"../",
    b"..",
    b"./",
    b"//",
    b"/etc/passwd",
    b"\\",
    b"\0",
    b"\xff",
    b"\n",
    b" ",
    b"=",
    b":",
    b",",
    b"\"",
    b"0",
    b"1",
    b"7",
    b"99999999999",
    b"-1",
    b"\xff\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x80\0\0\0\0\0\0\0",
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"ustar  \0",
    b"ustar\x0000",
    b"././@LongLink",
    b"clutchex",
    b"0000000001\0",
    b"0000555\0",
    b"17 path=p/p/p/p/p\n",
    b"22 GNU.sparse.major=1\n",
    b"`\n",
    b"data.tar.xz",
    b"RECORD",
    b".dist-info",
    b".data/",
    b"__pycache__/x.pyc",
    b"Requires-Dist: a[b]; extra == 'b'\n",
    b"\xef\xbb\xbf",
    b"\xe9",
    b"\r",
    b"<a href=",
    b"&#x0;",
    b"file:///etc/x",
    b"http://u:s3cret@h:1/",
    b"{",
    b"[",
    b"(",
    b"|",
    b" or ",
    b"Provides: ",
    b" ; extra == 'x'",
    b"\xa1\xed",
    b"\xed\xa1",
];

/// How much of an input is moved or copied at once.
const SPAN: usize = 600;

fn changed(random: &mut Random, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = inputs[random.below(inputs.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(12)).min(input.len());
        match random.below(8) {
            0 => drop(input.splice(at..end, [])),
            1 => drop(input.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            2 | 3 => {
                // in the place of as many bytes, so that what follows stays where it was
                let piece = PIECES[random.below(PIECES.len())];
                let end = (at + piece.len()).min(input.len());
                drop(input.splice(at..end, piece.iter().copied()));
            }
            4 => {
                let end = (at + random.below(SPAN)).min(input.len());
                let part = input[at..end].to_vec();
                drop(input.splice(at..at, part));
            }
            5 => {
                let other = &inputs[random.below(inputs.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(SPAN)).min(other.len());
                let end = (at + to - from).min(input.len());
                drop(input.splice(at..end, other[from..to].iter().copied()));
            }
            6 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
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

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The most memory that all targets beside each other may take, in KiB. They take a tenth of it.
const MEMORY: u64 = 1 << 20;

/// The most memory that this process has had, in KiB.
fn memory() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split(' ').rev().nth(1));
    peak.and_then(|kib| kib.trim().parse().ok()).unwrap_or_default()
}

fn fuzz(name: &str) {
    let (_, target, seeds): &Target = TARGETS.iter().find(|(n, ..)| *n == name).unwrap();
    let inputs = seeds();
    for (n, input) in inputs.iter().enumerate() {
        let before = targets::times_taken();
        target(input);
        assert!(targets::times_taken() > before, "seed {n} is refused");
    }
    let mut random = Random(number("FUZZ_SEED", 1));
    for _ in 0..number("FUZZ_INPUTS", 100) {
        let input = changed(&mut random, &inputs);
        let run = std::panic::catch_unwind(|| target(&input));
        if run.is_err() || memory() > MEMORY {
            let kept = std::env::temp_dir().join(format!("clutch-fuzz-{name}"));
            fs_err::write(&kept, &input).unwrap();
            panic!("a law is broken by the input in {}", kept.display());
        }
    }
}

#[test]
fn deb() {
    fuzz("deb");
}

#[test]
fn description() {
    fuzz("description");
}

#[test]
fn drv() {
    fuzz("drv");
}

#[test]
fn export() {
    fuzz("export");
}

#[test]
fn index() {
    fuzz("index");
}

#[test]
fn lock() {
    fuzz("lock");
}

#[test]
fn packages() {
    fuzz("packages");
}

#[test]
fn requirements() {
    fuzz("requirements");
}

#[test]
fn simple() {
    fuzz("simple");
}

#[test]
fn tar() {
    fuzz("tar");
}

#[test]
fn wheel() {
    fuzz("wheel");
}

#[test]
fn zip() {
    fuzz("zip");
}
