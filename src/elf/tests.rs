//! On programs that the machine's compiler makes, and on damaged ones.

use std::{path::Path, process::Command};

use fs_err as fs;
use proptest::prelude::*;

use super::*;

const PROGRAM: &str = r#"
#include <stdio.h>
#include <string.h>
static const char *const table[] = { "/usr/lib/greeting/table", "other" };
const char *place(int n) { return n ? table[n - 1] : "/usr/lib/greeting"; }
int main(int argc, char **argv) { return puts(place(argc - 1)) < 0; }
"#;

/// Compiles [`PROGRAM`]; nothing, with a line about it, if there is no compiler.
fn compiled(dir: &Path, flags: &[&str]) -> Option<Vec<u8>> {
    fs::write(dir.join("a.c"), PROGRAM).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(flags).args(["-O1", "-o", "a", "a.c"]).current_dir(dir);
    let Ok(output) = compiler.output() else {
        eprintln!("SKIPPED: no C compiler");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(fs::read(dir.join("a")).unwrap())
}

fn run(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{}: {output:?}", program.display());
    String::from_utf8(output.stdout).unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    use fs_err::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(path)
        .unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}

/// Position independent or not, with room behind segments or not.
const KINDS: &[&[&str]] = &[
    &["-pie", "-fPIE"],
    &["-no-pie", "-fno-pie"],
    &["-pie", "-fPIE", "-Wl,-z,noseparate-code"],
    &["-no-pie", "-fno-pie", "-Wl,-z,noseparate-code", "-Wl,--build-id=none"],
    &["-pie", "-fPIE", "-Wl,-z,pack-relative-relocs"],
];

const TABLE: &str = r#"
#include <stdio.h>
#include <string.h>
struct record { const char *name; const void *code; int size; };
const struct record table[] = {
    { "first", table, 1 }, { "second", table, 2 }, { "third", table, 3 }, { 0, 0, 0 }
};
const char *const names[] = { "first", "second", "third" };
int main(int argc, char **argv) {
    for (const struct record *r = table; r->name; r++)
        if (!strcmp(r->name, argv[1])) return puts("found") < 0;
    return puts(argc > 2 ? names[1] : "none") < 0;
}
"#;

#[test]
fn a_record_loses_its_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.c"), TABLE).unwrap();
    let compile = |flag: &str| {
        let mut compiler = Command::new("cc");
        compiler.args([flag, "-O1", "-o", "a", "a.c"]).current_dir(dir.path());
        compiler.status().ok().filter(std::process::ExitStatus::success)?;
        Some(Image::parse(fs::read(dir.path().join("a")).unwrap()).unwrap())
    };
    let Some(mut image) = compile("-no-pie") else { return eprintln!("SKIPPED: no C compiler") };
    let program = dir.path().join("b");
    let ran = |image: &Image, name: &str| {
        write(&program, &image.clone().into_bytes());
        run(&program, &[name, "x"])
    };
    assert_eq!(ran(&image, "second"), "found\n");
    for names in [["first", "third", "second"], ["first", "second", "x"], ["a", "b", "c"]] {
        assert_eq!(image.unname(names), Err(ElfError::Missing(names.join(" "))));
    }
    image.unname(["first", "second", "third"]).unwrap();
    assert_eq!(ran(&image, "first"), "found\n");
    // other uses of the text stay
    assert_eq!(ran(&image, "second"), "second\n");
    assert!(image.unname(["first", "second", "third"]).is_err());
    let Some(mut moving) = compile("-pie") else { return };
    assert!(matches!(moving.unname(["first", "second", "third"]), Err(ElfError::Malformed(_))));
}

#[test]
fn a_program_runs_with_another_interpreter() {
    let dir = tempfile::tempdir().unwrap();
    for flags in KINDS {
        let Some(old) = compiled(dir.path(), flags) else { return };
        let interpreter = Image::parse(old.clone()).unwrap();
        let interpreter = interpreter.interpreter().unwrap().unwrap();
        let system = std::str::from_utf8(interpreter).unwrap().to_owned();
        let name = Path::new(&system).file_name().unwrap().to_str().unwrap();
        // a real file at a long path
        let deep = dir.path().join("deep".repeat(40));
        fs::create_dir_all(&deep).unwrap();
        let copy = deep.join(name);
        fs::copy(&system, &copy).unwrap();
        let path = copy.to_str().unwrap();

        let new = set_interpreter(&old, path).unwrap().expect("a change");
        assert_eq!(set_interpreter(&new, path).unwrap(), None, "the second time nothing changes");
        let program = dir.path().join("b");
        write(&program, &new);
        assert_eq!(run(&program, &[]), "/usr/lib/greeting\n", "{flags:?}");
        let maps = Command::new(&program).env("LD_TRACE_LOADED_OBJECTS", "1").output().unwrap();
        assert!(String::from_utf8_lossy(&maps.stdout).contains(path), "{maps:?}");
        // other tools still read it, and strip keeps it alive
        if Command::new("strip").arg("--version").output().is_ok() {
            let stripped = dir.path().join("c");
            let status = Command::new("strip").arg("-o").arg(&stripped).arg(&program).output();
            let status = status.unwrap();
            assert!(status.status.success() && status.stderr.is_empty(), "{flags:?} {status:?}");
            assert_eq!(run(&stripped, &[]), "/usr/lib/greeting\n", "{flags:?}");
            let stripped = Image::parse(fs::read(stripped).unwrap()).unwrap();
            assert_eq!(stripped.interpreter().unwrap(), Some(path.as_bytes()), "{flags:?}");
        }
        // and back into the room that the text has now
        let again = set_interpreter(&new, &system).unwrap().expect("a change");
        assert_eq!(again.len(), new.len());
        write(&program, &again);
        assert_eq!(run(&program, &[]), "/usr/lib/greeting\n");
    }
}

#[test]
fn texts_move_with_their_uses() {
    let dir = tempfile::tempdir().unwrap();
    let first = "/store/somewhere/quite/far/away/share/greeting";
    let second = "/store/somewhere/else/which/is/longer/too/table";
    for flags in [KINDS[0], KINDS[2], KINDS[4]] {
        let Some(old) = compiled(dir.path(), flags) else { return };
        let mut image = Image::parse(old).unwrap();
        let pairs = [("/usr/lib/greeting", first), ("/usr/lib/greeting/table", second)];
        let uses = image.repoint(&pairs).unwrap();
        assert!(uses.iter().all(|n| *n >= 1), "{uses:?}");
        let program = dir.path().join("b");
        write(&program, &image.clone().into_bytes());
        assert_eq!(run(&program, &[]), format!("{first}\n"));
        assert_eq!(run(&program, &["x"]), format!("{second}\n"));
        assert_eq!(run(&program, &["x", "y"]), "other\n");

        let missing = image.repoint(&[("/usr/lib/nothing", "x")]);
        assert_eq!(missing, Err(ElfError::Missing("/usr/lib/nothing".into())));
        // found, but only as the end of a text whose start is used
        let unused = image.repoint(&[("reeting", "x")]);
        assert_eq!(unused, Err(ElfError::Unused("reeting".into())));
        assert!(image.overwrite(b"other\0", b"OTHER\0").unwrap() >= 1);
        write(&program, &image.into_bytes());
        assert_eq!(run(&program, &["x", "y"]), "OTHER\n");
    }
    let Some(fixed) = compiled(dir.path(), KINDS[1]) else { return };
    let fixed = Image::parse(fixed).unwrap().repoint(&[("other", "x")]);
    assert_eq!(fixed, Err(ElfError::FixedAddress));
}

#[test]
fn libraries_and_static_programs_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["-shared", "-fPIC", "-Wl,-soname,libgreeting.so.1"];
    let Some(library) = compiled(dir.path(), &flags) else { return };
    assert_eq!(set_interpreter(&library, "/lib/ld.so").unwrap(), None);
    assert_eq!(Image::parse(library).unwrap().soname().unwrap(), Some("libgreeting.so.1"));
    let program = compiled(dir.path(), KINDS[0]).unwrap();
    assert_eq!(set_interpreter(&program, "/store/lib/ld-musl-x86_64.so.1").unwrap(), None);
}

#[test]
fn what_is_no_elf_is_refused() {
    for bytes in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", &[0; 4096]] {
        assert_eq!(set_interpreter(bytes, "/x"), Err(ElfError::Kind));
    }
}

fn edit(bytes: Vec<u8>) {
    let path = "/store/".repeat(30) + "ld-linux-x86-64.so.2";
    let _ = set_interpreter(&bytes, &path);
    if let Ok(mut image) = Image::parse(bytes) {
        let _ = image.soname();
        let _ = image.repoint(&[("/usr/lib/greeting", "/a/longer/path/than/that/one")]);
    }
}

#[test]
fn damaged_files_are_errors_or_edited_but_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let Some(program) = compiled(dir.path(), KINDS[4]) else { return };
    for length in (0..program.len()).step_by(97) {
        edit(program[..length].to_vec());
    }
    // every field of the headers, and of what they point at, with absurd values
    for at in (16..1200.min(program.len() - 8)).step_by(4) {
        for value in [0, 1, u64::MAX, u64::MAX / 2, 1 << 62, (1 << 32) - 1, 1 << 63] {
            let mut damaged = program.clone();
            damaged[at..at + 8].copy_from_slice(&value.to_le_bytes());
            edit(damaged);
        }
    }
    let dynamic = |p: &[u8]| Image::parse(p.to_vec()).unwrap().dynamic().unwrap();
    assert!(dynamic(&program).len() > 10, "the program is dynamic");
    let mut runner = proptest::test_runner::TestRunner::default();
    let damage = proptest::collection::vec((0..program.len(), any::<u8>()), 1..60);
    runner
        .run(&damage, |changes| {
            let mut damaged = program.clone();
            for (at, byte) in changes {
                damaged[at] = byte;
            }
            edit(damaged);
            Ok(())
        })
        .unwrap();
}
