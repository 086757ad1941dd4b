//! A store that came with a container image: it lies in a lower layer of an overlay file system, in which folders
//! cannot be moved.

use std::{os::unix::fs::PermissionsExt, process::Command};

use clutch_store_tests::{Ran, Space, child, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// Runs a script in which `$STORE` is an overlay over what is there; nothing if the machine cannot do that.
fn layered(space: &Space, script: &str) -> Option<Ran> {
    let plain = space.command();
    let mut command = Command::new("unshare");
    let mut options = String::new();
    if !Space::is_root() {
        command.arg("--map-root-user");
        options += ",userxattr";
    }
    for folder in ["upper", "work"] {
        fs_err::create_dir_all(space.path(folder)).unwrap();
    }
    let script = format!(
        "mount -t overlay -o \"lowerdir=$CLUTCH_STORE,upperdir={},workdir={}{options}\" overlay \
         \"$CLUTCH_STORE\" || exit 99; {script}",
        space.path("upper").display(),
        space.path("work").display(),
    );
    command.args(["--mount", "sh", "-c", &script]).env_clear().current_dir(space.path("project"));
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("CLUTCH", plain.get_program());
    let ran = Ran::of(child::output(&mut command).unwrap());
    if ran.code == 99 || ran.code == 1 && ran.stderr.starts_with("unshare:") {
        eprintln!("skipped: {}", ran.stderr);
        return None;
    }
    Some(ran)
}

#[test]
fn a_store_in_an_image_layer_is_collected_and_repaired() {
    let space = Space::new(BINARY).with_probe();
    let salt = space.salt();
    for name in ["kept", "gone", "set-aside"] {
        let large = "0123456789abcdef".repeat(400);
        let words: [&[&str]; 4] = [
            &["mkdir", "$out"],
            &["mkdir", "$out/folder"],
            &["write", "$out/folder/large", &large],
            &["write", "$out/name", name],
        ];
        space.write(&format!("{name}.nix"), probing(name, &salt, &words));
    }
    let kept = space.ok(["build", "kept.nix", "-o", "kept"]);
    let gone = space.ok(["build", "--no-link", "gone.nix"]);
    // what a crash has left, and a tree that is damaged
    let left = space.store().join("store/00000000000000000000000000000000-left");
    fs_err::create_dir_all(left.join("folder")).unwrap();
    let damaged = space.real(&kept).join("name");
    fs_err::set_permissions(&damaged, PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(&damaged, "damaged").unwrap();
    fs_err::set_permissions(&damaged, PermissionsExt::from_mode(0o444)).unwrap();
    let script = format!(
        "try() {{ \"$CLUTCH\" \"$@\" || echo \"FAILED $*\"; }}
         try gc; try gc; try verify --repair; try verify; try doctor
         test -e {kept} && echo KEPT; test -e {gone} || echo GONE; test -e {left} || echo LEFT
         cat {damaged}; echo
         try build --no-link gone.nix; test -e {gone} && echo BACK
         try gc; try verify; ls \"$CLUTCH_STORE\"/var/tmp; rm kept; try gc; echo END; ls \"$CLUTCH_STORE\"/store",
        kept = space.real(&kept).display(),
        gone = space.real(&gone).display(),
        left = left.display(),
        damaged = damaged.display(),
    );
    let Some(ran) = layered(&space, &script) else { return };
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!said.contains("FAILED") && !said.contains("os error 18"), "{said}");
    for word in ["KEPT", "GONE", "LEFT", "\nkept\n", "BACK", "an overlay, as of a container"] {
        assert!(ran.stdout.contains(word), "{word}: {said}");
    }
    let (_, end) = ran.stdout.split_once("END\n").unwrap();
    assert!(!end.contains("-kept") && !end.contains("-gone"), "{said}");
}
