//! Collections: the paths that go and those that stay.

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
    let leftover = path(9, "leftover");
    let alone = space.store.garbage(Limits::default()).unwrap();
    fs_err::create_dir(space.store.real(&leftover)).unwrap();
    fs_err::write(space.store.real(&leftover).join("file"), [7; 10_000]).unwrap();

    let expected = space.store.garbage(Limits::default()).unwrap();
    assert_eq!((&expected.paths[..], expected.size), (&[old.clone()][..], 3));
    assert_eq!((alone.left, &expected.left[..]), (Vec::new(), &[leftover][..]));
    assert!(expected.freed >= alone.freed + 10_000, "what a crash left counts");
    let little = Limits { max_freed: Some(10_000), ..Limits::default() };
    assert_eq!(space.store.garbage(little).unwrap().paths, [], "and is the first to go");
    assert_eq!(space.store.collect(Limits::default()).unwrap(), expected);
    assert_eq!(names(&space.store), ["lib", "app"]);
    assert!(!space.store.real(&old).exists());
    let mut entries = space.entries();
    entries.sort();
    assert_eq!(entries, [lib.base(), app.base(), "read me"]);

    let [(root, chain)] = &space.store.why_alive(&lib).unwrap()[..] else { panic!() };
    assert_eq!(root.holder, Holder::Link(link.clone()));
    assert_eq!(chain[..], [app.clone(), lib.clone()]);

    fs_err::remove_file(link).unwrap();
    assert_eq!(space.store.why_alive(&lib).unwrap(), []);
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
    assert_eq!(space.store.why_alive(&lib).unwrap().remove(0).0.holder, Holder::Command(id));
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
    let holder = space.store.why_alive(&lib).unwrap().remove(0).0.holder;
    assert_eq!(holder, Holder::Process(std::process::id()));
}

#[test]
fn limits_spare_what_was_used_lately() {
    let (space, [lib, app, old]) = garbage();
    for (path, days) in [(&lib, 90), (&app, 20), (&old, 40)] {
        age(&space, path, days);
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
    let block = space.store.real(&old).metadata().unwrap().blocks() * 512;
    assert_eq!(garbage(Limits { max_freed: Some(block + 1), ..none }), ["old", "app"]);
    assert_eq!(garbage(Limits { max_size: Some(block * 3), ..none }), [""; 0]);
    assert_eq!(garbage(Limits { max_size: Some(block * 3 - 1), ..none }), ["old"]);
    assert_eq!(garbage(Limits { max_size: Some(block), ..none }), ["old", "app"]);
    assert_eq!(garbage(Limits { max_size: Some(0), ..none }), ["old", "app", "lib"]);
    space.store.touch([&old]).unwrap();
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

#[test]
fn limits_count_what_is_freed_on_disk() {
    let space = space();
    let paths = [path(1, "a"), path(2, "b"), path(3, "c")];
    let writer = Space { store: other(&space), _dir: tempfile::tempdir().unwrap() };
    // the first two share their bytes
    for (path, letter) in paths.iter().zip(["x", "x", "y"]) {
        writer.file(path, &letter.repeat(50_000), &[]);
    }
    drop(writer);
    let block = space.store.real(&paths[0]).metadata().unwrap().blocks() * 512;
    let names = |limits: Limits| {
        let found = space.store.garbage(limits).unwrap();
        (found.paths.iter().map(|p| p.name().to_owned()).collect::<String>(), found.freed)
    };
    let none = Limits::default();
    assert_eq!(names(Limits { max_freed: Some(1), ..none }), ("ab".to_owned(), block));
    assert_eq!(names(Limits { max_freed: Some(block + 1), ..none }), ("abc".to_owned(), 2 * block));
    assert_eq!(names(Limits { max_size: Some(2 * block), ..none }), (String::new(), 0));
    assert_eq!(names(Limits { max_size: Some(block), ..none }), ("ab".to_owned(), block));
    // without its name in the pool, a file is freed with its last path all the same
    fs_err::remove_dir_all(space.store.root().join("var/pool")).unwrap();
    assert_eq!(names(Limits { max_freed: Some(1), ..none }), ("ab".to_owned(), block));
    // a name that somebody else made is not removed, so nothing is freed
    fs_err::hard_link(space.store.real(&paths[0]), space.store.root().join("mine")).unwrap();
    assert_eq!(names(none), ("abc".to_owned(), block));
}

/// A derivation (a fixed one for a name in `.whl`), in the store with what it made, which refers to
/// `references`.
fn made_by(
    space: &Space,
    builder: &str,
    name: &str,
    references: &[&StorePath],
) -> (StorePath, StorePath) {
    use crate::derivation::{Draft, DraftOutputs, Fixed, HashMode, Identities};
    let fixed = name.ends_with(".whl").then(|| {
        let hash = crate::hash::Algorithm::Sha256.digest(name.as_bytes());
        Fixed { mode: HashMode::Flat, hash }
    });
    let draft = Draft {
        name: name.to_owned(),
        system: "builtin".to_owned(),
        builder: builder.as_bytes().to_vec(),
        args: vec![],
        env: std::collections::BTreeMap::new(),
        structured: None,
        outputs: fixed
            .map_or_else(|| DraftOutputs::Named(["out".to_owned()].into()), DraftOutputs::Fixed),
        input_derivations: std::collections::BTreeMap::new(),
        input_sources: references.iter().map(|path| (*path).clone()).collect(),
    };
    let (drv, derivation) = Identities::new().resolve(draft).unwrap();
    space.store.add_derivations(std::slice::from_ref(&derivation)).unwrap();
    let scratch = space.store.scratch().unwrap();
    let source = scratch.path().join("out");
    fs_err::write(&source, references.iter().fold(name.to_owned(), |t, p| t + p.base())).unwrap();
    let out = derivation.outputs["out"].path.clone();
    let insertion = Insertion { deriver: Some(drv.clone()), ..insertion(&out, source, references) };
    space.store.insert(vec![insertion]).unwrap();
    (drv, out)
}

fn made(space: &Space, name: &str) -> (StorePath, StorePath) {
    made_by(space, "builtin:text", name, &[])
}

/// Says that a path was used last so many days ago.
fn age(space: &Space, path: &StorePath, days: u64) {
    let used = (insert::now() - days * 24 * 60 * 60).cast_signed();
    let sql = "UPDATE paths SET used = ? WHERE base = ?";
    let age = |c: &rusqlite::Connection| c.execute(sql, (used, path.base()));
    space.store.index.write(|writer| writer.read(age)).unwrap();
}

#[test]
fn what_made_a_path_stays_with_it() {
    let space = space();
    let writer = Space { store: other(&space), _dir: tempfile::tempdir().unwrap() };
    let (drv, out) = made(&writer, "tool");
    drop(writer);
    space.store.pin("tool", &out, None).unwrap();
    assert_eq!(space.store.collect(Limits::default()).unwrap().paths, []);
    let (root, chain) = space.store.why_alive(&drv).unwrap().remove(0);
    assert_eq!(
        (root.holder, chain),
        (Holder::Pin("tool".to_owned()), vec![out.clone(), drv.clone()])
    );
    // but a derivation keeps nothing that it made
    space.store.pin("tool", &drv, None).unwrap();
    assert_eq!(space.store.why_alive(&out).unwrap(), []);
    assert_eq!(space.store.collect(Limits::default()).unwrap().paths, [out]);
}

fn downloads_of(limit: DownloadLimit) -> Downloads {
    Downloads { limit, is_install: |derivation| derivation.builtin() == Some("wheel") }
}

#[test]
fn downloads_have_a_limit_of_their_own() {
    let space = space();
    let writer = Space { store: other(&space), _dir: tempfile::tempdir().unwrap() };
    let made = ["old.whl", "new.whl", "tool"].map(|name| made(&writer, name));
    drop(writer);
    for ((_, out), days) in made.iter().zip([40u64, 20, 1]) {
        age(&space, out, days);
    }
    let kept = |limit| {
        let limits = Limits { keep_downloads: Some(downloads_of(limit)), ..Limits::default() };
        let gone = space.store.garbage(limits).unwrap().paths;
        // without keeping it
        let is_valid = |path: &StorePath| space.store.glimpse(path).unwrap().is_some();
        let stays = |path: &StorePath| !gone.contains(path) && is_valid(path);
        let kept = made.iter().filter(|(drv, out)| stays(drv) && stays(out));
        kept.map(|(_, out)| out.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kept(DownloadLimit::Size(14)), ["old.whl", "new.whl"], "of seven bytes each");
    assert_eq!(kept(DownloadLimit::Size(13)), ["new.whl"], "it was used last");
    assert_eq!(kept(DownloadLimit::Size(6)), [""; 0]);
    assert_eq!(kept(DownloadLimit::Days(30)), ["new.whl"]);
    // what is kept is still known as a download at the next collection
    let limits = |size| Limits {
        keep_downloads: Some(downloads_of(DownloadLimit::Size(size))),
        ..Limits::default()
    };
    assert_eq!(
        space.store.collect(limits(14)).unwrap().paths.len(),
        2,
        "the tool and what made it"
    );
    assert_eq!(space.store.collect(limits(14)).unwrap().paths, []);
    space.store.touch([&made[0].1]).unwrap();
    assert_eq!(kept(DownloadLimit::Size(7)), ["old.whl"]);
    assert_eq!(space.store.collect(limits(0)).unwrap().paths.len(), 4);
}

#[test]
fn unpacked_wheels_are_known_by_their_builder_and_count_with_what_they_need() {
    let space = space();
    let writer = Space { store: other(&space), _dir: tempfile::tempdir().unwrap() };
    // an interpreter, a wheel that refers to it, one that does not, and a build with a wheel's name
    let (_, python) = made_by(&writer, "builtin:python", "python", &[]);
    let (_, tied) = made_by(&writer, "builtin:wheel", "tied-1.0", &[&python]);
    let (_, pure) = made_by(&writer, "builtin:wheel", "pure-1.0", &[]);
    let (_, other) = made_by(&writer, "/bin/wheel", "other-1.0", &[]);
    drop(writer);
    for (days, path) in [(30, &tied), (20, &pure), (10, &other)] {
        age(&space, path, days);
    }
    let kept = |limit| {
        let limits = Limits { keep_downloads: Some(downloads_of(limit)), ..Limits::default() };
        let gone = space.store.garbage(limits).unwrap().paths;
        let all = [&python, &tied, &pure, &other].into_iter().filter(|path| !gone.contains(*path));
        all.map(|path| path.name().to_owned()).collect::<Vec<_>>()
    };
    let size = |path: &StorePath| space.store.glimpse(path).unwrap().unwrap().size;
    let all = size(&python) + size(&tied) + size(&pure);
    assert_eq!(kept(DownloadLimit::Size(all)), ["python", "tied-1.0", "pure-1.0"]);
    assert_eq!(kept(DownloadLimit::Size(all - 1)), ["pure-1.0"]);
    assert_eq!(kept(DownloadLimit::Size(size(&pure) - 1)), [""; 0]);
    assert_eq!(kept(DownloadLimit::Days(40)), ["python", "tied-1.0", "pure-1.0"]);
    assert_eq!(kept(DownloadLimit::Days(25)), ["pure-1.0"]);
}

#[test]
fn what_cannot_be_told_from_a_download_stays_and_is_reported() {
    let space = space();
    let writer = Space { store: other(&space), _dir: tempfile::tempdir().unwrap() };
    let (damaged, tool) = made(&writer, "tool");
    let (drv, _) = made(&writer, "gone");
    // it says that it was made by what makes something else
    let claims = path(9, "claims");
    let scratch = writer.store.scratch().unwrap();
    let source = scratch.path().join("out");
    fs_err::write(&source, "x").unwrap();
    let (wheel, _) = made(&writer, "x.whl");
    let insertion = Insertion { deriver: Some(wheel), ..insertion(&claims, source, &[]) };
    writer.store.insert(vec![insertion]).unwrap();
    drop((scratch, writer));
    let record = space.store.real(&damaged);
    fs_err::set_permissions(&record, PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(&record, "nonsense").unwrap();
    let limits =
        Limits { keep_downloads: Some(downloads_of(DownloadLimit::Size(0))), ..Limits::default() };
    for collected in [space.store.garbage(limits).unwrap(), space.store.collect(limits).unwrap()] {
        assert!(collected.paths.contains(&drv) && collected.paths.contains(&claims));
        assert!(!collected.paths.contains(&tool) && !collected.paths.contains(&damaged));
        let [unclear] = &collected.unclear[..] else { panic!("{collected:?}") };
        assert_eq!(unclear.path, tool);
        assert!(unclear.problem.contains(damaged.base()), "{unclear:?}");
    }
    // without a limit for downloads nobody asks what it is
    let mut gone = space.store.collect(Limits::default()).unwrap().paths;
    gone.sort();
    let mut expected = [tool, damaged];
    expected.sort();
    assert_eq!(gone, expected);
}

#[test]
fn what_an_interrupted_download_left_goes_after_a_week() {
    let space = space();
    let folder = space.store.partial();
    fs_err::create_dir_all(&folder).unwrap();
    for (name, days) in [("new", 6), ("old", 8)] {
        let file = fs_err::File::create(folder.join(name)).unwrap();
        let before = std::time::Duration::from_secs(days * 24 * 60 * 60);
        file.file().set_modified(std::time::SystemTime::now() - before).unwrap();
    }
    let held = fs_err::File::open(folder.join("old")).unwrap();
    held.file().lock().unwrap();
    space.store.collect(Limits::default()).unwrap();
    assert!(folder.join("old").exists(), "somebody goes on with it");
    drop(held);
    space.store.collect(Limits::default()).unwrap();
    assert!(folder.join("new").exists() && !folder.join("old").exists());
}

#[test]
fn a_pin_that_cannot_be_read_stops_a_collection() {
    let (space, [lib, _, _]) = garbage();
    space.store.pin("broken", &lib, None).unwrap();
    fs_err::write(space.store.root().join("var/roots/pins/broken"), "nonsense\n").unwrap();
    let text = space.store.collect(Limits::default()).unwrap_err().to_string();
    assert!(text.contains("pins/broken") && text.contains("make it again or remove it"), "{text}");
    assert_eq!(names(&space.store).len(), 3);
    assert!(space.store.unpin("broken").unwrap());
    space.store.collect(Limits::default()).unwrap();
}

/// The disk space of the store's paths and pool, each file once.
fn on_disk(store: &Store) -> u64 {
    fn walk(folder: &Path, seen: &mut std::collections::BTreeMap<u64, u64>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                walk(&entry.path(), seen);
            } else {
                seen.insert(metadata.ino(), metadata.blocks() * 512);
            }
        }
    }
    let mut seen = std::collections::BTreeMap::new();
    for part in [store.dir().to_owned(), store.root().join("var/pool")] {
        if part.exists() {
            walk(&part, &mut seen);
        }
    }
    seen.into_values().sum()
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(10))]

    /// Whatever refers to what, and whatever shares its bytes: what a pin reaches stays, all else goes
    /// up to the limit, nothing dangles, and the disk gets back what is said.
    #[test]
    fn a_collection_keeps_what_is_reached_and_frees_what_it_says(
        paths in proptest::collection::vec((0u32..64, 0usize..3, proptest::bool::weighted(0.3)), 1..12),
        limit in proptest::option::of(0u64..60_000),
    ) {
        let space = space();
        let names: Vec<StorePath> = (0..paths.len()).map(|n| path(n as u8, "x")).collect();
        // a path refers to some of those before it
        let refers = |n: usize| {
            let bits = paths[n].0;
            (0..n).filter(move |m| bits >> (m % 6) & 1 == 1)
        };
        let writer = other(&space);
        let scratch = writer.scratch().unwrap();
        for (n, (_, content, is_pinned)) in paths.iter().enumerate() {
            let source = scratch.path().join(n.to_string());
            fs_err::write(&source, content.to_string().repeat(5000 * (content + 1))).unwrap();
            let references = References::Known(refers(n).map(|m| names[m].clone()).collect());
            let one = Insertion { references, ..insertion(&names[n], source, &[]) };
            writer.insert(vec![one]).unwrap();
            if *is_pinned {
                writer.pin(&format!("pin-{n}"), &names[n], None).unwrap();
            }
        }
        drop((scratch, writer));
        let mut kept: Vec<bool> = paths.iter().map(|path| path.2).collect();
        for n in (0..paths.len()).rev().filter(|n| kept[*n]).collect::<Vec<_>>() {
            let mut todo = vec![n];
            while let Some(at) = todo.pop() {
                kept[at] = true;
                todo.extend(refers(at));
            }
        }
        let limits = Limits { max_freed: limit, ..Limits::default() };
        let before = on_disk(&space.store);
        let said = space.store.garbage(limits).unwrap();
        let did = space.store.collect(limits).unwrap();
        proptest::prop_assert_eq!(&said, &did);
        proptest::prop_assert_eq!(before - on_disk(&space.store), did.freed);
        let dead = kept.iter().filter(|kept| !**kept).count();
        let is_enough = limit.is_some_and(|limit| did.freed >= limit);
        proptest::prop_assert!(did.paths.len() == dead || is_enough, "{} of {dead}", did.paths.len());
        for (n, name) in names.iter().enumerate() {
            let is_there = space.store.is_valid(name).unwrap();
            proptest::prop_assert!(is_there || !kept[n]);
            proptest::prop_assert_eq!(is_there, !did.paths.contains(name));
            proptest::prop_assert_eq!(is_there, space.store.real(name).exists());
        }
        let all: Vec<StorePath> = names.into_iter().filter(|n| !did.paths.contains(n)).collect();
        let damages = space.store.verify(&all, &|_| {}).unwrap();
        proptest::prop_assert!(damages.is_empty());
        proptest::prop_assert!(space.store.reachable(&all).is_ok());
    }
}

#[test]
fn a_root_that_is_made_meanwhile_counts() {
    let (space, [lib, _, _]) = garbage();
    let link = space.store.root().join("result");
    let user = other(&space);
    user.keep([&lib]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let collector = other(&space);
            for _ in 0..40 {
                collector.collect(Limits::default()).unwrap();
            }
        });
        for n in 0..15 {
            let name = format!("pin-{n}");
            user.pin(&name, &lib, None).unwrap();
            user.link_root(&link, &lib).unwrap();
            let holders: Vec<Holder> =
                user.roots().unwrap().into_iter().map(|r| r.holder).collect();
            assert!(holders.contains(&Holder::Pin(name.clone())), "{holders:?}");
            assert!(holders.contains(&Holder::Link(link.clone())), "{holders:?}");
            assert!(user.unpin(&name).unwrap());
            fs_err::remove_file(&link).unwrap();
        }
    });
    assert!(user.is_valid(&lib).unwrap());
}
