//! A disk with no byte free: reading works, what needs space says so, and a collection makes some.

use std::process::Command;

use clutch_store_tests::{Ran, Space, child, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

#[test]
fn a_full_disk_is_told_and_can_be_collected() {
    let space = Space::new(BINARY).with_probe();
    let salt = space.salt();
    let operations: [&[&str]; 3] =
        [&["mkdir", "$out"], &["mkdir", "$out/bin"], &["copy", "$program", "$out/bin/tool"]];
    let more = format!("program = ./probe; {salt}");
    space.write("tool.nix", probing("tool", &more, &operations));
    let large = "0123456789abcdef".repeat(4000);
    for n in 0..40 {
        let more = format!("{salt} n = {n};");
        let words: [&[&str]; 2] = [&["mkdir", "$out"], &["write", "$out/large", &large]];
        space.write(&format!("large-{n}.nix"), probing(&format!("large-{n}"), &more, &words));
    }
    let all: String = (0..40).map(|n| format!("(import ./large-{n}.nix)\n")).collect();
    space.write("large.nix", format!("[ {all} ]"));
    space.write("new.nix", probing("new", &salt, &[&["mkdir", "$out"]]));
    fs_err::create_dir_all(space.store()).unwrap();
    let script = "mount -t tmpfs -o size=90m,mode=755 none \"$CLUTCH_STORE\" || exit 99
        try() { \"$CLUTCH\" \"$@\" || echo \"FAILED $*\"; }
        try build tool.nix -o tool; try build --no-link large.nix
        rm -rf \"$CLUTCH_STORE\"/var/pool; mkdir \"$CLUTCH_STORE\"/var/pool
        dd if=/dev/zero of=\"$CLUTCH_STORE\"/filler bs=64k 2>/dev/null
        dd if=/dev/zero of=\"$CLUTCH_STORE\"/filler2 bs=1 2>/dev/null
        df --output=avail \"$CLUTCH_STORE\" | tail -1 | sed 's/^/FREE/'
        try paths >/dev/null; try run ./tool -- tool print RUNS; try eval -E '1 + 1'
        \"$CLUTCH\" build --no-link new.nix && echo BUILT
        echo; echo COLLECTS; try gc; try pin it ./tool; try verify; rm \"$CLUTCH_STORE\"/filler*; try build --no-link new.nix; try gc; try paths
        ls \"$CLUTCH_STORE\"/var";
    let plain = space.command();
    let mut command = Command::new("unshare");
    if !Space::is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "sh", "-c", script]).env_clear().current_dir(space.path("project"));
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("CLUTCH", plain.get_program());
    let ran = Ran::of(child::output(&mut command).unwrap());
    if ran.code == 99 || ran.code == 1 && ran.stderr.starts_with("unshare:") {
        eprintln!("skipped: {}", ran.stderr);
        return;
    }
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!said.contains("FAILED") && !said.contains("4874"), "{said}");
    assert!(said.contains("FREE") && said.contains(" 0\n"), "{said}");
    assert!(ran.stdout.contains("RUNS") && !ran.stdout.contains("BUILT"), "{said}");
    assert!(said.contains("no space is left"), "{said}");
    let (_, end) = ran.stdout.split_once("COLLECTS\n").unwrap();
    assert!(end.contains("-tool\n") && !end.contains("-large-1\n"), "{said}");
    assert!(end.contains("reserve"), "{said}");
}
