//! Folders and files of a store that are something else, and stores that somebody else can write to: nothing
//! of a stranger's is read, changed or removed.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use clutch_store_tests::{Space, child, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

const FOLDERS: [&str; 15] = [
    "store",
    "var",
    "var/log",
    "var/tmp",
    "var/locks",
    "var/fetch",
    "var/failed",
    "var/check",
    "var/pool",
    "var/evaluations",
    "var/revisions",
    "var/roots",
    "var/roots/links",
    "var/roots/pins",
    "var/roots/live",
];

fn space() -> Space {
    let space = Space::new(BINARY).with_probe();
    space.write("default.nix", probing("tool", &space.salt(), &[&["mkdir", "$out"]]));
    space.ok(["build", "--no-link"]);
    space
}

/// A folder that looks like what clutch has in its own: every kind of name, unlocked.
fn victim(space: &Space) -> std::path::PathBuf {
    let victim = space.path("victim");
    for name in ["1-0", "ab", ".link-1-0", "00000000000000000000000000000000-x"] {
        fs_err::create_dir_all(victim.join(name)).unwrap();
        fs_err::write(victim.join(name).join("precious"), "precious").unwrap();
    }
    for name in ["1-1", "x.lock", "sha256-x.part", ".tmpx", "precious"] {
        fs_err::write(victim.join(name), "precious").unwrap();
    }
    victim
}

fn count(folder: &Path) -> usize {
    let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| 1 + if path.is_dir() { count(&path) } else { 0 }).sum()
}

/// Nor is a folder of the pool: it has too many to look at each before every command.
#[test]
fn no_folder_of_the_pool_is_followed() {
    let space = Space::new(BINARY).with_probe();
    // three files that share one content
    let words: [&[&str]; 5] = [
        &["mkdir", "$out"],
        &["write", "$out/a", &"x".repeat(5000)],
        &["write", "$out/b", &"x".repeat(5000)],
        &["copy", "$probe", "$out/c"],
        &["copy", "$probe", "$out/d"],
    ];
    space.write("default.nix", probing("tool", "probe = ./probe;", &words));
    let path = space.ok(["build", "--no-link"]);
    space.ok(["optimise"]);
    space.ok(["export", &path, "-o", "export"]);
    let (victim, pool) = (space.path("victim"), space.store().join("var/pool"));
    fs_err::create_dir(&victim).unwrap();
    let mut replaced = 0;
    for entry in fs_err::read_dir(&pool).unwrap() {
        let folder = entry.unwrap().path();
        if fs_err::read_dir(&folder).unwrap().next().is_some() {
            fs_err::remove_dir_all(&folder).unwrap();
            symlink(&victim, folder).unwrap();
            replaced += 1;
        }
    }
    assert!(replaced > 1);
    let commands: [&[&str]; 8] = [
        &["optimise"],
        &["verify"],
        &["gc", "--max-freed", "100G"],
        &["build", "--no-link"],
        &["verify", "--repair"],
        &["gc"],
        &["import", "export", "--accept-unsigned"],
        &["optimise"],
    ];
    for args in commands {
        let ran = space.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        assert_eq!(count(&victim), 0, "{args:?}");
    }
    assert_eq!(space.problems(), Vec::<String>::new());
}

#[test]
fn no_folder_of_a_store_is_a_link() {
    for name in FOLDERS {
        let space = space();
        let victim = victim(&space);
        let before = count(&victim);
        let place = space.store().join(name);
        if place.exists() {
            fs_err::rename(&place, space.path("aside")).unwrap();
        }
        symlink(&victim, &place).unwrap();
        for args in
            [&["paths"][..], &["eval", "-E", "1"], &["gc"], &["verify"], &["build", "--no-link"]]
        {
            let ran = space.run(args);
            let evaluated = args[0] == "eval" && ran.code == 0;
            assert!(evaluated || ran.code == 3, "{name} {args:?}: {}", ran.stderr);
            assert!(
                evaluated || ran.stderr.contains("is a symlink"),
                "{name} {args:?}: {}",
                ran.stderr
            );
        }
        assert_eq!(count(&victim), before, "{name}");
        // what was there is used again, or made anew
        fs_err::remove_file(&place).unwrap();
        if space.path("aside").exists() && matches!(name, "store" | "var" | "var/roots") {
            fs_err::rename(space.path("aside"), &place).unwrap();
        }
        space.ok(["build", "--no-link"]);
        space.ok(["gc"]);
    }
}

#[test]
fn no_file_of_a_store_is_a_link_or_a_pipe() {
    for name in ["version", "collect.lock", "index.sqlite", "index.sqlite-wal", "index.sqlite-shm"]
    {
        for is_pipe in [false, true] {
            let space = space();
            let place = space.store().join("var").join(name);
            let victim = space.path("victim");
            fs_err::write(&victim, "precious").unwrap();
            let _ = fs_err::remove_file(&place);
            match is_pipe {
                true => make_pipe(&place),
                false => symlink(&victim, &place).unwrap(),
            }
            for args in [&["paths"][..], &["gc"], &["verify", "--rebuild-index"]] {
                let said = space.fails(3, args);
                assert!(said.contains(name) && said.contains("expected a file"), "{said}");
            }
            assert_eq!(fs_err::read_to_string(&victim).unwrap(), "precious");
        }
    }
}

#[test]
fn what_strangers_put_into_the_folders_is_left_alone() {
    let space = space();
    let victim = victim(&space);
    let before = count(&victim);
    let var = space.store().join("var");
    let path = space.valid()[0].clone();
    let base = path.rsplit('/').next().unwrap();
    space.ok(["pin", "it", &path]);
    for folder in &FOLDERS[2..] {
        let folder = space.store().join(folder);
        fs_err::create_dir_all(&folder).unwrap();
        for name in ["7-7", "ab", "notes", ".link-1-0"] {
            symlink(&victim, folder.join(name)).unwrap();
        }
    }
    // pipes where files are read: nobody waits for them
    for name in [
        "locks/7-8.lock".to_owned(),
        format!("locks/{base}.lock"),
        "roots/live/7-8".to_owned(),
        "fetch/sha256-x.part".to_owned(),
        "evaluations/00000000000000000000000000000000".to_owned(),
        format!("log/{base}.log"),
    ] {
        make_pipe(&var.join(name));
    }
    fs_err::create_dir(var.join("tmp/8-8")).unwrap();
    make_pipe(&var.join("tmp/8-8/opened"));
    space.ok(["paths"]);
    for link in fs_err::read_dir(var.join("roots/pins")).unwrap() {
        let link = link.unwrap();
        if link.file_type().unwrap().is_symlink() {
            fs_err::remove_file(link.path()).unwrap();
        }
    }
    space.ok(["gc"]);
    space.ok(["verify"]);
    assert_eq!(count(&victim), before);
    assert!(var.join("tmp/notes").is_symlink() && var.join("locks/notes").is_symlink());
    assert!(!var.join("tmp/8-8").exists(), "what a dead process has left goes");
}

#[test]
fn a_pin_that_is_a_pipe_is_told() {
    let space = space();
    make_pipe(&space.store().join("var/roots/pins/pipe"));
    let said = space.fails(3, ["gc"]);
    assert!(said.contains("pins/pipe"), "{said}");
}

#[test]
fn a_store_that_others_can_write_to_is_only_read() {
    let places = ["", "store", "var", "var/tmp", "var/roots/live", "var/pool"];
    for (place, mode) in places.into_iter().flat_map(|place| [(place, 0o777), (place, 0o775)]) {
        let space = space();
        let folder = space.store().join(place);
        fs_err::create_dir_all(&folder).unwrap();
        set_mode(&folder, mode);
        space.ok(["paths"]);
        space.write("new.nix", probing("new", "", &[&["mkdir", "$out"]]));
        for args in [&["gc"][..], &["build", "--no-link", "new.nix"]] {
            let said = space.fails(3, args);
            assert!(said.contains("somebody else can change it"), "{place}: {said}");
            assert!(said.contains("chmod go-w"), "{place}: {said}");
        }
        set_mode(&folder, 0o755);
        space.ok(["gc"]);
    }
    // nobody can rename what is in a sticky folder
    let space = space();
    set_mode(&space.store(), 0o1777);
    space.ok(["gc"]);
}

#[test]
fn a_store_of_another_user_is_only_read() {
    if !Space::is_root() {
        eprintln!("skipped: only root can be another user");
        return;
    }
    let space = Space::new(BINARY).with_probe();
    space.write("default.nix", probing("tool", &space.salt(), &[&["mkdir", "$out"]]));
    let path = space.ok(["build", "--no-link"]);
    let chown = |owner: &str| {
        let mut chown = Command::new("chown");
        assert!(child::status(chown.args(["-Rh", owner]).arg(space.store())).unwrap().success());
    };
    chown("1234:1234");
    assert!(space.ok(["paths"]).contains(&path));
    let said = space.fails(3, ["gc"]);
    assert!(said.contains("belongs to user 1234, and you are user 0"), "{said}");
    chown("0:0");
    // root's store is read by others
    let space = space.as_user(1234);
    let mut chown = Command::new("chown");
    assert!(child::status(chown.args(["-Rh", "0:0"]).arg(space.store())).unwrap().success());
    assert!(space.ok(["paths"]).contains(&path));
    assert_eq!(space.ok(["build", "--no-link"]), path);
    let said = space.fails(3, ["gc"]);
    assert!(said.contains("cannot be written"), "{said}");
}

/// Runs the binary with that mask.
fn masked(space: &Space, mask: &str, args: &[&str]) -> clutch_store_tests::Ran {
    let plain = space.command();
    let mut command = Command::new("sh");
    command.args(["-c", "umask $0; exec \"$@\"", mask]).arg(plain.get_program()).args(args);
    command.env_clear().current_dir(space.path("project"));
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    clutch_store_tests::Ran::of(child::output(&mut command).unwrap())
}

#[test]
fn no_mask_lets_others_write_or_locks_clutch_out() {
    for mask in ["0", "002", "022", "077", "0777"] {
        let space = Space::new(BINARY).with_probe();
        let operations: [&[&str]; 3] =
            [&["mkdir", "$out"], &["mkdir", "$out/bin"], &["copy", "$program", "$out/bin/tool"]];
        space.write("default.nix", probing("tool", "program = ./probe;", &operations));
        for args in [&["build", "-o", "kept"][..], &["pin", "it", "./kept"], &["gc"], &["verify"]] {
            let ran = masked(&space, mask, args);
            assert_eq!(ran.code, 0, "{mask} {args:?}: {}", ran.stderr);
        }
        space.ok(["gc"]);
        assert_eq!(space.problems(), Vec::<String>::new(), "{mask}");
        // a program gets the mask that clutch was started with
        let ran = masked(&space, mask, &["shell", "--", "sh", "-c", "umask"]);
        let found = u32::from_str_radix(ran.stdout.trim(), 8).unwrap();
        assert_eq!(found, u32::from_str_radix(mask, 8).unwrap(), "{}", ran.stderr);
    }
}

#[test]
fn an_access_control_list_is_not_inherited() {
    let space = Space::new(BINARY).with_probe();
    fs_err::create_dir(space.store()).unwrap();
    // a default list: owner, group, others and user 1234 may do everything (setfacl(1) may be missing)
    let entry = |tag: u16, id: u32| {
        let mut bytes = tag.to_le_bytes().to_vec();
        bytes.extend(7u16.to_le_bytes());
        bytes.extend(id.to_le_bytes());
        bytes
    };
    let none = u32::MAX;
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, id) in [(1, none), (2, 1234), (4, none), (16, none), (32, none)] {
        list.extend(entry(tag, id));
    }
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(space.store(), "system.posix_acl_default", &list, flags).is_err() {
        eprintln!("skipped: this file system has no access control lists");
        return;
    }
    space.write("default.nix", probing("tool", &space.salt(), &[&["mkdir", "$out"]]));
    space.ok(["build", "-o", "kept"]);
    space.ok(["gc"]);
    for folder in FOLDERS {
        for name in ["system.posix_acl_default", "system.posix_acl_access"] {
            let found = rustix::fs::getxattr(space.store().join(folder), name, &mut [0u8; 256][..]);
            assert!(found.is_err(), "{folder} has {name}");
        }
    }
}

fn make_pipe(place: &Path) {
    let _ = fs_err::remove_file(place);
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, place, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

fn set_mode(place: &Path, mode: u32) {
    fs_err::set_permissions(place, PermissionsExt::from_mode(mode)).unwrap();
}
