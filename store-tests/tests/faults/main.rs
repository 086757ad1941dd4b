//! Commands that are killed, or refused what they ask the system for, at every point where they change
//! something. Whatever happens, the store stays consistent and the next command succeeds.
//!
//! In a usual run a part of the points is tried, another one with each `CLUTCH_FAULT_SEED`;
//! `CLUTCH_FAULTS=all` tries every point.

mod scene;

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt},
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use clutch_store_tests::{
    Space, child,
    fault::{Action, Class},
    index::{Index, sha256},
    probing,
};
use rusqlite::Connection;
use scene::{Scene, base};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A library and a program that refers to it, of files, folders and links. They have other paths with
/// each call: what a process anywhere on the machine uses is kept, and so would be one test's paths by
/// another.
fn write_program(space: &Space) {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let salt = format!("salt = {};", CALLS.fetch_add(1, Ordering::Relaxed));
    let large = "0123456789abcdef".repeat(400);
    let library = [
        // enough for a log that is compressed
        &["print", &large][..],
        &["mkdir", "$out"],
        &["mkdir", "$out/lib"],
        &["write", "$out/lib/large", &large],
        &["symlink", "large", "$out/lib/link"],
    ];
    space.write("library.nix", probing("library", &salt, &library));
    let program = [
        &["mkdir", "$out"][..],
        &["program", "$out/run", "$library"],
        &["write", "$out/large", &large],
        &["write", "$doc", "words"],
    ];
    let more = format!("{salt} outputs = [ \"out\" \"doc\" ]; library = import ./library.nix;");
    space.write("default.nix", probing("program", &more, &program));
}

/// A source that has a file's content, too, and a copy of it.
fn write_copy(space: &Space) {
    // of a name that no other test has
    let name = space.path("").file_name().unwrap().display().to_string();
    space.write(&name, "0123456789abcdef".repeat(400));
    let more = format!("source = ./{name}; {}", space.salt());
    space.write("copy.nix", probing("copy", &more, &[&["copy", "$source", "$out"]]));
    space.ok(["build", "--no-link", "copy.nix"]);
}

fn build() -> Scene {
    let space = Space::new(BINARY).with_probe();
    write_program(&space);
    let mut scene = Scene::new(space, &["build", "-j1", "-o", "result"]);
    let derivation = scene.space.ok(["eval", "--raw", "-A", "drvPath", "library.nix"]);
    let log = scene.space.ok(["log", &derivation]);
    assert!(scene.space.store().join(format!("var/log/{}.log.zst", base(&derivation))).exists());
    scene.log = Some((derivation, log));
    scene
}

fn import() -> Scene {
    let from = Space::new(BINARY).with_probe();
    write_program(&from);
    let path = from.ok(["build", "--no-link"]);
    let paths: Vec<&str> = path.lines().collect();
    let space = Space::new(BINARY);
    let file = space.path("project/closure");
    from.ok([&["export", "-o", file.to_str().unwrap()][..], &paths].concat());
    Scene::new(space, &["import", "--accept-unsigned", "closure", "--pin", "here"])
}

fn gc() -> Scene {
    let space = Space::new(BINARY).with_probe();
    write_program(&space);
    space.ok(["build", "library.nix", "-o", "kept"]);
    space.ok(["build", "--no-link"]);
    write_copy(&space);
    Scene::new(space, &["gc"])
}

/// A profile that leads to the library is switched to the program.
fn profile() -> Scene {
    let space = Space::new(BINARY).with_probe();
    write_program(&space);
    space.ok(["profile", "set", "./web", "library.nix"]);
    let program = space.ok(["build", "--no-link", "-A", "out"]);
    Scene::new(space, &["profile", "set", "./web", &program])
}

fn rebuild() -> Scene {
    let space = Space::new(BINARY).with_probe();
    write_program(&space);
    space.ok(["build", "--no-link"]);
    for ending in ["", "-wal", "-shm"] {
        let _ = fs_err::remove_file(space.store().join(format!("var/index.sqlite{ending}")));
    }
    Scene::new(space, &["verify", "--rebuild-index"])
}

/// An index that SQLite can read, and that is not whole.
fn salvage() -> Scene {
    let space = Space::new(BINARY).with_probe();
    write_program(&space);
    let program = space.ok(["build", "--no-link", "-A", "out"]);
    space.ok(["pin", "it", &program]);
    let index = Connection::open(space.store().join("var/index.sqlite")).unwrap();
    let spoil = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;
                 UPDATE paths SET base = 'none' WHERE base LIKE '%-library'; INSERT INTO refs VALUES (77, 78)";
    index.execute_batch(spoil).unwrap();
    drop(index);
    Scene::new(space, &["verify", "--rebuild-index"])
}

/// Equal files that were not shared when they came, in folders and as a whole path.
fn optimise() -> Scene {
    let space = Space::new(BINARY).with_probe();
    write_program(&space);
    space.ok(["build", "--no-link"]);
    write_copy(&space);
    let pool = space.store().join("var/pool");
    assert!(child::status(Command::new("rm").arg("-rf").arg(&pool)).unwrap().success());
    // every name gets a file of its own
    let mut copies = 0;
    for path in space.valid() {
        for file in [path.clone(), format!("{path}/lib/large"), format!("{path}/large")] {
            let file = space.real(&file);
            if file.symlink_metadata().is_ok_and(|m| m.is_file() && m.nlink() > 1) {
                unshare(&file);
                copies += 1;
            }
        }
    }
    assert_eq!(copies, 2, "three names of one file");
    let mut scene = Scene::new(space, &["optimise"]);
    scene.files = Some(scene.files());
    scene
}

/// Makes one name of a file a file of its own.
fn unshare(file: &Path) {
    let script = "d=$(dirname \"$1\"); m=$(stat -c %a \"$d\"); chmod u+w \"$d\"; cp -p \"$1\" \"$1\".new; \
                  mv -f \"$1\".new \"$1\"; chmod \"$m\" \"$d\"; touch -d @1 \"$d\"";
    assert!(
        child::status(Command::new("sh").args(["-c", script, "sh"]).arg(file)).unwrap().success()
    );
}

/// A store in which content, a whole path, and modes are damaged, and an export of what it was.
fn damaged(args: &[&str]) -> Scene {
    let space = Space::new(BINARY).with_probe();
    write_program(&space);
    let library = space.ok(["build", "--no-link", "library.nix"]);
    let program = space.ok(["build", "--no-link", "-A", "out"]);
    let doc = space.ok(["build", "--no-link", "-A", "doc"]);
    let probe = space.valid().into_iter().find(|path| path.ends_with("-probe")).unwrap();
    space.ok(["export", &program, &doc, &probe, "-o", "closure"]);
    // what has one name only: the others stay whole
    let run = space.real(&library).join("lib/large");
    unshare(&run);
    fs_err::set_permissions(&run, PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(&run, "lost").unwrap();
    fs_err::set_permissions(&run, PermissionsExt::from_mode(0o444)).unwrap();
    assert!(child::status(Command::new("touch").args(["-d", "@1"]).arg(&run)).unwrap().success());
    fs_err::remove_file(space.real(&doc)).unwrap();
    fs_err::set_permissions(space.real(&program), PermissionsExt::from_mode(0o755)).unwrap();
    let scene = Scene::new(space, args);
    assert_eq!(scene.damaged.len(), 3, "{:?}", scene.damaged);
    scene
}

fn repair() -> Scene {
    damaged(&["verify", "--repair", "-j1"])
}

fn restore() -> Scene {
    damaged(&["verify", "--repair", "--from", "closure"])
}

fn verify() -> Scene {
    let space = Space::new(BINARY).with_probe();
    write_program(&space);
    space.ok(["build", "--no-link"]);
    Scene::new(space, &["verify"])
}

/// A name that keeps the library is to keep the program.
fn pin() -> Scene {
    let space = Space::new(BINARY).with_probe();
    write_program(&space);
    let library = space.ok(["build", "--no-link", "library.nix"]);
    let program = space.ok(["build", "--no-link", "-A", "out"]);
    space.ok(["pin", "it", &library]);
    Scene::new(space, &["pin", "it", &program, "--until", "2999-01-01"])
}

fn unpin() -> Scene {
    let space = Space::new(BINARY).with_probe();
    write_program(&space);
    let program = space.ok(["build", "--no-link", "-A", "out"]);
    space.ok(["pin", "it", &program]);
    let mut scene = Scene::new(space, &["pin", "--remove", "it"]);
    scene.idle = Some("pin 'it' does not exist");
    scene
}

/// Packages of an archive on the loopback, whose signature nobody here can check.
fn lock_debian(index: &Index) -> Scene {
    let space = Space::new(BINARY).without_programs();
    let package = |name: &str, more: &str| {
        let sha256 = sha256(name.as_bytes());
        format!(
            "Package: {name}\nVersion: 1.0-1\nArchitecture: amd64\n{more}Filename: pool/{name}.deb\n\
             Size: 10\nSHA256: {sha256}\n\n"
        )
    };
    let packages = package("program", "Depends: library (>= 1)\n") + &package("library", "");
    let folder = "dists/bookworm/main/binary-amd64";
    index.file(&format!("{folder}/Packages"), packages.as_bytes());
    let release = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: stable\nSHA256:\n {} {} \
         main/binary-amd64/Packages\n-----BEGIN PGP SIGNATURE-----\nnone\n",
        sha256(packages.as_bytes()),
        packages.len(),
    );
    index.file("dists/bookworm/InRelease", release);
    let address = format!("debian={}", index.url(""));
    let lock = ["lock", "--debian", "bookworm", "-o", "clutch.lock", "--index", &address];
    space.ok([&lock[..], &["library"]].concat());
    Scene::new(space, &[&lock[..], &["program"]].concat())
}

/// Requirements that are locked with an index on the loopback; an earlier lock is there.
fn lock(index: &Index) -> Scene {
    let space = Space::new(BINARY);
    for name in ["one", "two"] {
        let file = format!("{name}-1.0-py3-none-any.whl");
        index.release(name, &file, format!("not a wheel: {name}"), serde_json::Value::Null);
    }
    let lock = ["lock", "requirements.txt", "--platform", "manylinux_2_36_x86_64"];
    let address = format!("pypi={}", index.simple());
    let args = [&lock[..], &["--index", &address]].concat();
    space.write("requirements.txt", "one==1.0\n");
    space.ok(&args);
    space.write("requirements.txt", "one==1.0\ntwo==1.0\n");
    Scene::new(space, &args)
}

/// Every kind of error at every kind of call.
fn try_errors(scene: &Scene) {
    scene.try_points(Class::Space, |n| Action::Fail(n, libc::ENOSPC));
    scene.try_points(Class::Space, |n| Action::From(n, libc::ENOSPC));
    scene.try_points(Class::Io, |n| Action::Fail(n, libc::EIO));
    scene.try_points(Class::Io, |n| Action::From(n, libc::EIO));
    scene.try_points(Class::Open, |n| Action::Fail(n, libc::EMFILE));
    scene.try_points(Class::Open, |n| Action::From(n, libc::EMFILE));
    scene.try_points(Class::Slow, |n| Action::Fail(n, libc::EINTR));
    scene.try_points(Class::Data, Action::Short);
}

/// No folder can be moved, as in a lower layer of an overlay file system; or nothing at all.
fn try_moves(scene: &Scene) {
    scene.try_points(Class::Move, |n| Action::Fail(n, libc::EXDEV));
    scene.try_points(Class::Move, |n| Action::From(n, libc::EXDEV));
}

#[test]
fn where_nothing_can_be_moved_a_store_is_collected() {
    try_moves(&gc());
}

#[test]
fn where_nothing_can_be_moved_a_store_is_repaired() {
    try_moves(&repair());
    try_moves(&restore());
}

#[test]
fn where_nothing_can_be_moved_nothing_is_half_made() {
    for scene in [build(), import(), optimise(), profile(), pin()] {
        try_moves(&scene);
    }
}

#[test]
fn where_nothing_can_be_moved_an_index_is_made_anew() {
    for scene in [rebuild(), salvage()] {
        try_moves(&scene);
    }
}

#[test]
fn a_build_that_is_refused_something_leaves_nothing_half_made() {
    try_errors(&build());
}

#[test]
fn an_import_that_is_refused_something_leaves_nothing_half_made() {
    try_errors(&import());
}

#[test]
fn a_collection_that_is_refused_something_leaves_nothing_half_removed() {
    try_errors(&gc());
}

#[test]
fn a_repair_of_the_index_that_is_refused_something_is_done_again() {
    try_errors(&rebuild());
}

/// The situations of a command that writes one file of the user.
fn try_lock(scene: &Scene) {
    scene.try_points(Class::Change, Action::Kill);
    scene.try_points(Class::Data, Action::Torn);
    scene.try_points(Class::Space, |n| Action::Fail(n, libc::ENOSPC));
    scene.try_points(Class::Space, |n| Action::From(n, libc::ENOSPC));
    scene.try_points(Class::Io, |n| Action::Fail(n, libc::EIO));
    scene.try_points(Class::Data, Action::Short);
}

#[test]
fn a_lock_is_the_earlier_one_or_the_new_one() {
    let index = Index::new();
    try_lock(&lock(&index));
}

#[test]
fn a_lock_of_packages_is_the_earlier_one_or_the_new_one() {
    let index = Index::new();
    let scene = lock_debian(&index);
    try_lock(&scene);
    scene.try_power_cuts();
}

#[test]
fn a_sharing_that_is_refused_something_leaves_nothing_open() {
    try_errors(&optimise());
}

#[test]
fn a_killed_sharing_leaves_nothing_open() {
    let scene = optimise();
    scene.try_points(Class::Change, Action::Kill);
    scene.try_points(Class::Data, Action::Torn);
}

#[test]
fn a_sharing_outlives_a_power_cut() {
    optimise().try_power_cuts();
}

#[test]
fn a_repair_that_is_refused_something_is_done_again() {
    try_errors(&repair());
}

#[test]
fn a_killed_repair_is_done_again() {
    let scene = repair();
    scene.try_points(Class::Change, Action::Kill);
    scene.try_points(Class::Data, Action::Torn);
}

#[test]
fn a_repair_outlives_a_power_cut() {
    repair().try_power_cuts();
}

#[test]
fn a_repair_from_an_export_that_is_refused_something_is_done_again() {
    try_errors(&restore());
}

#[test]
fn a_killed_repair_from_an_export_is_done_again() {
    let scene = restore();
    scene.try_points(Class::Change, Action::Kill);
    scene.try_points(Class::Data, Action::Torn);
}

#[test]
fn a_repair_from_an_export_outlives_a_power_cut() {
    restore().try_power_cuts();
}

#[test]
fn a_verification_that_is_disturbed_changes_nothing() {
    let scene = verify();
    try_errors(&scene);
    scene.try_points(Class::Change, Action::Kill);
    scene.try_power_cuts();
}

#[test]
fn a_pin_is_the_earlier_one_or_the_new_one() {
    let scene = pin();
    try_errors(&scene);
    scene.try_points(Class::Change, Action::Kill);
    scene.try_points(Class::Data, Action::Torn);
    scene.try_power_cuts();
}

#[test]
fn a_pin_is_let_go_of_or_kept() {
    let scene = unpin();
    try_errors(&scene);
    scene.try_points(Class::Change, Action::Kill);
    scene.try_power_cuts();
}

#[test]
fn a_killed_build_leaves_nothing_half_made() {
    let scene = build();
    scene.try_points(Class::Change, Action::Kill);
    scene.try_points(Class::Data, Action::Torn);
}

#[test]
fn a_killed_import_leaves_nothing_half_made() {
    let scene = import();
    scene.try_points(Class::Change, Action::Kill);
    scene.try_points(Class::Data, Action::Torn);
}

#[test]
fn a_killed_collection_leaves_nothing_half_removed() {
    gc().try_points(Class::Change, Action::Kill);
}

#[test]
fn a_killed_switch_leads_to_the_old_or_the_new() {
    profile().try_points(Class::Change, Action::Kill);
}

#[test]
fn a_switch_that_is_refused_something_is_done_again() {
    let scene = profile();
    scene.try_points(Class::Space, |n| Action::Fail(n, libc::ENOSPC));
    scene.try_points(Class::Io, |n| Action::From(n, libc::EIO));
}

#[test]
fn a_switch_outlives_a_power_cut() {
    profile().try_power_cuts();
}

#[test]
fn a_killed_repair_of_the_index_is_done_again() {
    rebuild().try_points(Class::Change, Action::Kill);
}

#[test]
fn a_new_index_that_is_refused_something_is_made_again() {
    try_errors(&salvage());
}

#[test]
fn a_killed_command_that_makes_a_new_index_loses_nothing() {
    let scene = salvage();
    scene.try_points(Class::Change, Action::Kill);
    scene.try_points(Class::Data, Action::Torn);
}

#[test]
fn a_new_index_outlives_a_power_cut() {
    salvage().try_power_cuts();
}

#[test]
fn a_build_outlives_a_power_cut() {
    build().try_power_cuts();
}

#[test]
fn an_import_outlives_a_power_cut() {
    import().try_power_cuts();
}

#[test]
fn a_collection_outlives_a_power_cut() {
    gc().try_power_cuts();
}

#[test]
fn a_repair_of_the_index_outlives_a_power_cut() {
    rebuild().try_power_cuts();
}

#[test]
fn a_lock_outlives_a_power_cut() {
    let index = Index::new();
    lock(&index).try_power_cuts();
}
