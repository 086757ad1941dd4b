//! What goes and what stays.

use super::*;

/// A store with `app` that refers to `lib`, and `old`, which nothing refers to; nobody keeps them.
fn garbage() -> (Space, [StorePath; 3]) {
    let space = space();
    let paths = [path(1, "lib"), path(2, "app"), path(3, "old")];
    let writer = Space { store: other(&space), _dir: tempfile::tempdir().unwrap() };
    writer.file(&paths[0], "library", &[]);
    writer.file(&paths[1], &format!("use {}", paths[0]), &[&paths[0]]);
    writer.file(&paths[2], "old", &[]);
    (space, paths)
}

#[test]
fn what_no_root_reaches_is_collected() {
    let (space, [lib, app, old]) = garbage();
    let link = space.store.root().join("result");
    space.store.link_root(&link, &app).unwrap();
    fs_err::write(space.store.dir().join("read me"), "not ours").unwrap();
    fs_err::create_dir(space.store.real(&path(9, "leftover"))).unwrap();

    let expected = space.store.garbage(Limits::default()).unwrap();
    assert_eq!((&expected.paths[..], expected.size), (&[old.clone()][..], 3));
    assert_eq!(space.store.collect(Limits::default()).unwrap(), expected);
    assert_eq!(names(&space.store), ["lib", "app"]);
    assert!(!space.store.real(&old).exists());
    let mut entries = space.entries();
    entries.sort();
    assert_eq!(entries, [lib.base(), app.base(), "read me"]);

    let (root, chain) = space.store.why_alive(&lib).unwrap().unwrap();
    assert_eq!(root.holder, Holder::Link(link.clone()));
    assert_eq!(chain, [app.clone(), lib.clone()]);

    fs_err::remove_file(link).unwrap();
    assert_eq!(space.store.why_alive(&lib).unwrap(), None);
    let collected = space.store.collect(Limits::default()).unwrap();
    assert_eq!(collected.paths, [app, lib], "what refers goes before what it refers to");
    assert_eq!(names(&space.store), [""; 0]);
}

#[test]
fn a_pin_keeps_until_its_end() {
    let (space, [lib, _, old]) = garbage();
    space.store.pin("release", &lib, None).unwrap();
    space.store.pin("trial", &old, Some(insert::now() + 60)).unwrap();
    let collected = space.store.collect(Limits::default()).unwrap();
    assert_eq!(collected.paths.len(), 1, "only what uses the library");
    space.store.pin("trial", &old, Some(insert::now() - 1)).unwrap();
    assert_eq!(space.store.collect(Limits::default()).unwrap().paths, [old]);
    assert!(space.store.unpin("release").unwrap());
    assert!(!space.store.unpin("trial").unwrap(), "an ended pin goes with what it kept");
    assert!(space.store.unpin("../../version").is_err());
    assert_eq!(space.store.collect(Limits::default()).unwrap().paths, [lib]);
}

#[test]
fn what_a_running_command_relies_on_stays() {
    let (space, [lib, app, _]) = garbage();
    let command = other(&space);
    let planned = path(7, "planned");
    command.keep([&app, &planned]).unwrap();
    assert_eq!(space.store.collect(Limits::default()).unwrap().paths.len(), 1);
    assert_eq!(names(&space.store), ["lib", "app"]);
    let id = std::process::id();
    assert_eq!(space.store.why_alive(&lib).unwrap().unwrap().0.holder, Holder::Command(id));
    drop(command);
    assert_eq!(space.store.collect(Limits::default()).unwrap().paths.len(), 2);
    let live = space.store.root().join("var/roots/live");
    assert_eq!(fs_err::read_dir(live).unwrap().count(), 0);
}

#[test]
fn what_a_process_has_open_stays() {
    let (space, [lib, app, old]) = garbage();
    let _open = fs_err::File::open(space.store.real(&lib)).unwrap();
    let collected = space.store.collect(Limits::default()).unwrap();
    assert_eq!(collected.paths, [app, old]);
    let holder = space.store.why_alive(&lib).unwrap().unwrap().0.holder;
    assert_eq!(holder, Holder::Process(std::process::id()));
}

#[test]
fn limits_spare_what_was_used_lately() {
    let (space, [lib, app, old]) = garbage();
    let age = |path: &StorePath, days: u64| {
        let used = insert::now() - days * 24 * 60 * 60;
        let path = path.base();
        space.store.index.write(|writer| {
            let sql = "UPDATE paths SET used = ? WHERE base = ?";
            writer.read(|c| c.execute(sql, (used.cast_signed(), path)))
        })
    };
    for (path, days) in [(&lib, 90), (&app, 20), (&old, 40)] {
        age(path, days).unwrap();
    }
    let garbage = |limits: Limits| {
        let found = space.store.garbage(limits).unwrap();
        found.paths.iter().map(|path| path.name().to_owned()).collect::<Vec<_>>()
    };
    let none = Limits::default();
    assert_eq!(garbage(none), ["old", "app", "lib"]);
    assert_eq!(garbage(Limits { keep_days: Some(30), ..none }), ["old"]);
    assert_eq!(garbage(Limits { keep_days: Some(100), ..none }), [""; 0]);
    assert_eq!(garbage(Limits { max_freed: Some(1), ..none }), ["old"]);
    assert_eq!(garbage(Limits { max_freed: Some(4), ..none }), ["old", "app"]);
    assert_eq!(garbage(Limits { max_size: Some(1000), ..none }), [""; 0]);
    assert_eq!(garbage(Limits { max_size: Some(0), ..none }), ["old", "app", "lib"]);
    space.store.touch(&[old]).unwrap();
    assert_eq!(garbage(Limits { keep_days: Some(30), ..none }), [""; 0]);
}

#[test]
fn what_is_shared_is_freed_with_its_last_path() {
    let space = space();
    let large = "large".repeat(10_000);
    let (one, two) = (path(1, "one"), path(2, "two"));
    let writer = Space { store: other(&space), _dir: tempfile::tempdir().unwrap() };
    writer.file(&one, &large, &[]);
    writer.file(&two, &large, &[]);
    drop(writer);
    let blocks = space.store.real(&one).metadata().unwrap().blocks() * 512;
    space.store.pin("one", &one, None).unwrap();
    let first = space.store.collect(Limits::default()).unwrap();
    assert_eq!((first.paths, first.size, first.freed), (vec![two], 50_000, 0));
    space.store.unpin("one").unwrap();
    let last = space.store.collect(Limits::default()).unwrap();
    assert_eq!((last.paths, last.freed), (vec![one], blocks));
}
