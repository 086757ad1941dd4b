//! How fast the readers of JSON, TOML and patterns are, in bytes a second.

use std::fmt::Write as _;

use clutch_expr::{ere::Regex, json, sink::Sink, toml};
use divan::{Bencher, black_box, counter::BytesCount};

fn main() {
    divan::main();
}

/// Counts the events, so that nothing is left out.
#[derive(Default)]
struct Count(u64);

impl Sink for Count {
    fn null(&mut self) {
        self.0 += 1;
    }
    fn boolean(&mut self, _: bool) {
        self.0 += 1;
    }
    fn integer(&mut self, value: i64) {
        self.0 = self.0.wrapping_add(value.unsigned_abs());
    }
    fn float(&mut self, _: f64) {
        self.0 += 1;
    }
    fn string(&mut self, value: &str) {
        self.0 += value.len() as u64;
    }
    fn begin_array(&mut self) {}
    fn end_array(&mut self) {
        self.0 += 1;
    }
    fn begin_object(&mut self) {}
    fn key(&mut self, name: &str) {
        self.0 += name.len() as u64;
    }
    fn end_object(&mut self) {
        self.0 += 1;
    }
}

#[divan::bench]
fn json_document(bencher: Bencher<'_, '_>) {
    let mut text = String::from("[0");
    for n in 0..20_000 {
        let _ = write!(
            text,
            ",{{\"id\":{n},\"name\":\"name \\n {n}\",\"score\":{n}.25,\"tags\":[\"a\",\"bc\",null,true]}}"
        );
    }
    text.push(']');
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let mut count = Count::default();
        json::parse(black_box(text.as_bytes()), &mut count).map(|()| count.0)
    });
}

#[divan::bench]
fn toml_document(bencher: Bencher<'_, '_>) {
    let mut text = String::new();
    for n in 0..5_000 {
        let _ = write!(
            text,
            "[[package]]\nname = \"package-{n}\"\nversion = \"1.{n}\"\nsource = {{ index = \"main\", size = {n} }}\nfiles = [ \"a\", \"b\" ]\n"
        );
    }
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let mut count = Count::default();
        toml::parse(black_box(text.as_bytes()), false, &|_| true, &mut count).map(|()| count.0)
    });
}

/// A pattern with groups on short texts, as version parsers use them; compiling included.
#[divan::bench]
fn match_versions() -> usize {
    let regex = Regex::new(b"([a-z]+(-[a-z0-9]+)*)-([0-9]+(\\.[0-9]+)*)(-rc([0-9]+))?").ok();
    let mut groups = Vec::new();
    (0..1000)
        .filter(|n| {
            let text = format!("package-name{n}-1.{n}.{n}-rc{n}");
            regex.as_ref().is_some_and(|regex| {
                regex.matches_whole(text.as_bytes(), &mut groups).unwrap_or(false)
            })
        })
        .count()
}

/// One match of a pattern that is used once.
#[divan::bench]
fn match_once() -> bool {
    let mut groups = Vec::new();
    Regex::new(b"([^:]*):(.*)").is_ok_and(|regex| {
        regex.matches_whole(black_box(b"some-key: some value"), &mut groups).unwrap_or(false)
    })
}

#[divan::bench]
fn split_lines(bencher: Bencher<'_, '_>) {
    let text = "a line of text that is split, word by word\n".repeat(5_000);
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let regex = Regex::new(b"[[:space:],]+").ok()?;
        let (mut matches, mut groups, mut count) = (regex.find_all(text.as_bytes()), Vec::new(), 0);
        while let Ok(Some(_)) = matches.next(&mut groups) {
            count += 1;
        }
        Some(count)
    });
}

/// An alternation that is not decided by its next byte: every match is walked.
#[divan::bench]
fn split_by_walking(bencher: Bencher<'_, '_>) {
    let text = "one, two;; three".repeat(1_000);
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let regex = Regex::new(b"(,|, |;|;;)").ok()?;
        let (mut matches, mut groups, mut count) = (regex.find_all(text.as_bytes()), Vec::new(), 0);
        while let Ok(Some(_)) = matches.next(&mut groups) {
            count += 1;
        }
        Some(count)
    });
}
