//! The store as its users see it.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

struct Space {
    _dir: TempDir,
    store: Store,
}

fn space() -> Space {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("root")).unwrap();
    Space { _dir: dir, store }
}

fn path(n: u8, name: &str) -> StorePath {
    StorePath::new(&[n; 20], name).unwrap()
}

impl Space {
    /// Inserts one file of that content, scanned for `candidates`.
    fn file(&self, path: &StorePath, text: &str, candidates: &[&StorePath]) -> PathInfo {
        self.try_file(path, text, candidates).unwrap()
    }

    fn try_file(
        &self,
        path: &StorePath,
        text: &str,
        candidates: &[&StorePath],
    ) -> Result<PathInfo, StoreError> {
        let scratch = self.store.scratch()?;
        let source = scratch.path().join("file");
        fs_err::write(&source, text)?;
        Ok(self.store.insert(vec![insertion(path, source, candidates)])?.remove(0))
    }

    fn entries(&self) -> Vec<String> {
        let names = fs_err::read_dir(self.store.dir()).unwrap();
        names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn insertion(path: &StorePath, source: PathBuf, candidates: &[&StorePath]) -> Insertion {
    Insertion {
        path: path.clone(),
        source,
        references: References::Scan(candidates.iter().map(|p| (*p).clone()).collect()),
        deriver: None,
        expected: None,
    }
}

#[test]
fn what_is_inserted_is_canonical_and_known() {
    let space = space();
    let (lib, app) = (path(1, "lib"), path(2, "app"));
    space.file(&lib, "library", &[]);
    let scratch = space.store.scratch().unwrap();
    let tree = scratch.path().join("tree");
    fs_err::create_dir_all(tree.join("bin")).unwrap();
    fs_err::write(tree.join("bin/app"), format!("#!{lib}\n{app}\n")).unwrap();
    fs_err::set_permissions(tree.join("bin/app"), PermissionsExt::from_mode(0o4711)).unwrap();
    fs_err::write(tree.join("text"), "text").unwrap();
    symlink("bin/app", tree.join("link")).unwrap();
    let other = path(3, "not-referred-to");
    let one = insertion(&app, tree, &[&lib, &app, &other]);
    let info = space.store.insert(vec![one]).unwrap().remove(0);
    assert_eq!(info.references, BTreeSet::from([lib, app.clone()]));
    assert_eq!(info.tree, crate::archive::measure(&space.store.real(&app)).unwrap().hash);
    assert_eq!(space.store.info(&app).unwrap(), Some(info));
    for (name, mode) in [("", 0o555), ("bin", 0o555), ("bin/app", 0o555), ("text", 0o444)] {
        let found = fs_err::symlink_metadata(space.store.real(&app).join(name)).unwrap();
        assert_eq!(found.mode() & 0o7777, mode, "{name}");
        assert_eq!((found.mtime(), found.mtime_nsec()), (1, 0), "{name}");
    }
    assert_eq!(fs_err::symlink_metadata(space.store.real(&app).join("link")).unwrap().mtime(), 1);
}

#[test]
fn all_or_nothing() {
    let space = space();
    let scratch = space.store.scratch().unwrap();
    let (good, bad) = (path(1, "good"), path(2, "bad"));
    let file = |name: &str, text: String| {
        fs_err::write(scratch.path().join(name), text).unwrap();
        scratch.path().join(name)
    };
    let missing = path(9, "missing");
    let batch = vec![
        insertion(&good, file("good", "good".into()), &[]),
        insertion(&bad, file("bad", format!("see {missing}")), &[&missing]),
    ];
    let text = space.store.insert(batch).unwrap_err().to_string();
    assert!(text.contains("bad' refers to '/clutch/store/"), "{text}");
    assert_eq!(space.store.all().unwrap(), []);
    assert_eq!(space.entries(), [""; 0]);
}

#[test]
fn outputs_that_refer_to_each_other_are_refused() {
    let space = space();
    let scratch = space.store.scratch().unwrap();
    let paths = [path(1, "a"), path(2, "b"), path(3, "c")];
    let batch = (0..3)
        .map(|n| {
            let source = scratch.path().join(n.to_string());
            fs_err::write(&source, paths[(n + 1) % 3].to_string()).unwrap();
            insertion(&paths[n], source, &[&paths[0], &paths[1], &paths[2]])
        })
        .collect();
    assert!(matches!(space.store.insert(batch), Err(StoreError::Cycle(_))));
    assert_eq!(space.entries(), [""; 0]);
}

#[test]
fn what_is_valid_is_left_and_what_a_crash_left_is_replaced() {
    let space = space();
    let (kept, replaced) = (path(1, "kept"), path(2, "replaced"));
    let first = space.file(&kept, "first", &[]);
    assert_eq!(space.file(&kept, "second", &[]), first);
    assert_eq!(fs_err::read_to_string(space.store.real(&kept)).unwrap(), "first");

    let leftover = space.store.real(&replaced);
    fs_err::create_dir_all(leftover.join("half")).unwrap();
    fs_err::set_permissions(leftover.join("half"), PermissionsExt::from_mode(0o555)).unwrap();
    assert!(!space.store.is_valid(&replaced).unwrap());
    space.file(&replaced, "whole", &[]);
    assert_eq!(fs_err::read_to_string(&leftover).unwrap(), "whole");
}

#[test]
fn what_the_store_does_not_hold_is_refused() {
    let space = space();
    let scratch = space.store.scratch().unwrap();
    let tree = scratch.path().join("tree");
    fs_err::create_dir(&tree).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
    let text = space.store.insert(vec![insertion(&path(1, "x"), tree, &[])]).unwrap_err();
    assert!(text.to_string().contains("tree/socket' is a socket"), "{text}");
    drop(socket);
    assert_eq!(space.entries(), [""; 0]);
}

#[test]
fn many_threads_insert_one_path_once() {
    let space = space();
    let path = path(1, "shared");
    let infos: Vec<PathInfo> = std::thread::scope(|scope| {
        let one = |n: u8| {
            let (space, path) = (&space, &path);
            scope.spawn(move || space.file(path, &format!("text {n}"), &[]))
        };
        let all: Vec<_> = (0..8).map(one).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(infos.iter().all(|info| *info == infos[0]));
    let found = crate::archive::measure(&space.store.real(&path)).unwrap();
    assert_eq!(found.hash, infos[0].tree);
}

#[test]
fn scratch_of_the_dead_goes_and_of_the_living_stays() {
    let space = space();
    let alive = space.store.scratch().unwrap();
    let dead = space.store.root().join("var/tmp/1-1");
    fs_err::create_dir_all(dead.join("half")).unwrap();
    let again = Store::open(space.store.root()).unwrap();
    assert!(!dead.exists());
    assert!(alive.path().exists());
    let path = alive.path().to_owned();
    drop(alive);
    assert!(!path.exists());
    drop(again);
}

#[test]
fn a_lock_keeps_others_out_and_leaves_no_file() {
    let space = space();
    let path = path(1, "x");
    let held = space.store.lock(&path).unwrap();
    assert!(space.store.try_lock(&path).unwrap().is_none());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| space.store.lock(&path).map(drop));
        drop(held);
        waiting.join().unwrap().unwrap();
    });
    assert!(space.store.try_lock(&path).unwrap().is_some());
    assert_eq!(fs_err::read_dir(space.store.root().join("var/locks")).unwrap().count(), 0);
}

#[test]
fn a_source_has_one_path_wherever_it_is() {
    let (one, two) = (space(), space());
    let dir = tempfile::tempdir().unwrap();
    fs_err::create_dir(dir.path().join("kept")).unwrap();
    fs_err::write(dir.path().join("kept/file"), "text").unwrap();
    let all = &mut |_: &Path, _| true;
    let whole = one.store.add_source("src", dir.path(), all).unwrap();
    fs_err::write(dir.path().join("left-out"), "noise").unwrap();
    let kept = &mut |path: &Path, _| path.starts_with("kept");
    assert_eq!(two.store.add_source("src", dir.path(), kept).unwrap(), whole);
    assert_ne!(one.store.add_source("src", dir.path(), all).unwrap(), whole);
    assert_eq!(Store::source_path("src", dir.path(), kept).unwrap(), whole);
    assert_eq!(fs_err::read_to_string(one.store.real(&whole).join("kept/file")).unwrap(), "text");
}

#[test]
fn a_text_keeps_its_references() {
    let space = space();
    let lib = path(1, "lib");
    space.file(&lib, "library", &[]);
    let text = format!("use {lib}");
    let path = space.store.add_text("note", text.as_bytes(), [lib.clone()].into()).unwrap();
    assert_eq!(space.store.info(&path).unwrap().unwrap().references, [lib].into());
    assert_eq!(fs_err::read_to_string(space.store.real(&path)).unwrap(), text);
}

#[test]
fn other_folders_and_newer_stores_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("diary"), "").unwrap();
    let text = Store::open(dir.path()).unwrap_err().to_string();
    assert!(text.contains("is not a store: it holds 'diary'"), "{text}");
    let space = space();
    fs_err::write(space.store.root().join("var/version"), "clutch store 9\n").unwrap();
    let text = Store::open(space.store.root()).unwrap_err().to_string();
    assert!(text.contains("has version 9"), "{text}");
}

#[test]
fn a_result_link_is_a_root_until_it_goes() {
    let space = space();
    let (first, second) = (path(1, "first"), path(2, "second"));
    space.file(&first, "first", &[]);
    space.file(&second, "second", &[]);
    let link = space.store.root().join("result");
    space.store.link_root(&link, &first).unwrap();
    space.store.link_root(&link, &second).unwrap();
    assert_eq!(fs_err::read_to_string(&link).unwrap(), "second");
    let links = || {
        let roots = space.store.roots().unwrap();
        roots.into_iter().filter(|r| matches!(r.holder, Holder::Link(_))).collect::<Vec<_>>()
    };
    assert_eq!(links(), [Root { holder: Holder::Link(link.clone()), path: second.clone() }]);
    fs_err::remove_file(&link).unwrap();
    assert_eq!(links(), []);
    fs_err::write(&link, "precious").unwrap();
    let text = space.store.link_root(&link, &second).unwrap_err().to_string();
    assert!(text.contains("is no result link"), "{text}");
    assert_eq!(fs_err::read_to_string(&link).unwrap(), "precious");
}

#[test]
fn derivations_are_added_in_one_batch() {
    let space = space();
    let mut ids = crate::derivation::Identities::new();
    let mut all = Vec::new();
    let mut last: Option<StorePath> = None;
    for n in 0..200 {
        let draft = crate::derivation::Draft {
            name: format!("d{n}"),
            system: "builtin".to_owned(),
            builder: b"builtin:text".to_vec(),
            args: vec![],
            env: [("n".to_owned(), n.to_string().into_bytes())].into(),
            structured: None,
            outputs: crate::derivation::DraftOutputs::Named(["out".to_owned()].into()),
            input_derivations: last
                .iter()
                .map(|p| (p.clone(), ["out".to_owned()].into()))
                .collect(),
            input_sources: BTreeSet::new(),
        };
        let (path, derivation) = ids.resolve(draft).unwrap();
        last = Some(path);
        all.push(derivation);
    }
    let missing = space.store.add_derivations(&all[1..]).unwrap_err().to_string();
    assert!(missing.contains("which is not in the store"), "{missing}");
    assert_eq!(space.store.all().unwrap(), []);
    let paths = space.store.add_derivations(&all).unwrap();
    assert_eq!(space.store.add_derivations(&all).unwrap(), paths);
    for (path, derivation) in paths.iter().zip(&all) {
        assert_eq!(space.store.read_derivation(path).unwrap(), *derivation);
        assert_eq!(space.store.info(path).unwrap().unwrap().references, derivation.references());
    }
    let record = space.store.real(&paths[7]);
    fs_err::set_permissions(&record, PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(&record, all[8].to_bytes().unwrap()).unwrap();
    let text = space.store.read_derivation(&paths[7]).unwrap_err().to_string();
    assert!(text.contains("does not belong to its path"), "{text}");
}

#[test]
fn verify_finds_what_changed() {
    let space = space();
    let paths = [path(1, "whole"), path(2, "changed"), path(3, "gone"), path(4, "odd")];
    for path in &paths {
        space.file(path, "text", &[]);
    }
    assert!(space.store.verify(&paths, &|_| {}).unwrap().is_empty());
    let at = |n: usize| space.store.real(&paths[n]);
    fs_err::set_permissions(at(1), PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(at(1), "texT").unwrap();
    fs_err::remove_file(at(2)).unwrap();
    fs_err::remove_file(at(3)).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(at(3)).unwrap();
    let damages = space.store.verify(&paths, &|_| {}).unwrap();
    drop(socket);
    let found: Vec<_> = damages.iter().map(|d| (&d.path, &d.fault)).collect();
    assert!(
        matches!(
            found[..],
            [(_, Fault::Changed { .. }), (_, Fault::Missing), (_, Fault::Unreadable(_))]
        ),
        "{found:?}"
    );
}

#[test]
fn a_lost_index_is_made_anew() {
    let space = space();
    let (lib, app) = (path(1, "lib"), path(2, "app"));
    space.file(&lib, "library", &[]);
    let draft = crate::derivation::Draft {
        name: "tool".to_owned(),
        system: "builtin".to_owned(),
        builder: b"builtin:text".to_vec(),
        args: vec![],
        env: std::collections::BTreeMap::new(),
        structured: None,
        outputs: crate::derivation::DraftOutputs::Named(["out".to_owned()].into()),
        input_derivations: std::collections::BTreeMap::new(),
        input_sources: [lib.clone()].into(),
    };
    let (drv, derivation) = crate::derivation::Identities::new().resolve(draft).unwrap();
    space.store.add_derivations(std::slice::from_ref(&derivation)).unwrap();
    let scratch = space.store.scratch().unwrap();
    let source = scratch.path().join("out");
    fs_err::create_dir(&source).unwrap();
    fs_err::write(source.join("file"), format!("{lib} {app}")).unwrap();
    let out = derivation.outputs["out"].path.clone();
    let output = Insertion { deriver: Some(drv.clone()), ..insertion(&out, source, &[&lib]) };
    space.store.insert(vec![output]).unwrap();
    drop(scratch);
    let known = |store: &Store| {
        let infos = store.all().unwrap();
        infos.into_iter().map(|i| PathInfo { registered: 0, ..i }).collect::<Vec<_>>()
    };
    let before = known(&space.store);
    let root = space.store.root().to_owned();
    drop(space.store);
    fs_err::write(root.join("store/stray"), "no store path").unwrap();

    fs_err::remove_file(root.join("var/index.sqlite")).unwrap();
    let (store, rebuilt) = Store::rebuild(&root).unwrap();
    assert_eq!((rebuilt.registered, rebuilt.refused.len()), (3, 1));
    assert_eq!(rebuilt.refused[0].0, "stray");
    assert_eq!(known(&store), before);
    drop(store);

    fs_err::write(root.join("var/index.sqlite"), "no index at all").unwrap();
    assert!(matches!(Store::open(&root), Err(StoreError::Index { .. })));
    fs_err::remove_file(root.join("store").join(lib.base())).unwrap();
    let (store, rebuilt) = Store::rebuild(&root).unwrap();
    assert_eq!(rebuilt.registered, 1, "the derivation needs the library, the output names no more");
    assert_eq!(store.info(&drv).unwrap(), None);
    assert_eq!(fs_err::read_to_string(root.join("var/index.sqlite.damaged")).unwrap().len(), 15);
}

#[test]
fn an_index_that_cannot_be_written_is_read() {
    let space = space();
    let lib = path(1, "lib");
    let info = space.file(&lib, "library", &[]);
    let file = space.store.root().join("var/index.sqlite");
    let read = |note: &str| {
        let index = index::Index::open(file.clone(), false).unwrap();
        let found = index.read(|connection| index::info(connection, &lib)).unwrap();
        assert_eq!(found, Some(info.clone()), "{note}");
        let other = PathInfo { path: path(2, "other"), ..info.clone() };
        assert!(index.write(|writer| writer.register(&[&other])).is_err(), "{note}");
    };
    read("while another process writes");
    drop(space.store);
    assert!(!file.with_extension("sqlite-wal").exists());
    read("alone");
}

/// Another open store on the same folder: what another process would have.
fn other(space: &Space) -> Store {
    Store::open(space.store.root()).unwrap()
}

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

fn names(store: &Store) -> Vec<String> {
    store.all().unwrap().iter().map(|info| info.path.name().to_owned()).collect()
}

#[test]
fn what_no_root_reaches_is_collected() {
    let (space, [lib, app, old]) = garbage();
    let link = space.store.root().join("result");
    space.store.link_root(&link, &app).unwrap();
    fs_err::write(space.store.dir().join("read me"), "not ours").unwrap();
    fs_err::create_dir(space.store.real(&path(9, "leftover"))).unwrap();

    let expected = Collected { paths: vec![old.clone()], size: 3 };
    assert_eq!(space.store.garbage(Limits::default()).unwrap(), expected);
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
fn equal_files_share_their_bytes() {
    let (space, large) = (space(), "large".repeat(1000));
    let paths = [path(1, "a"), path(2, "b"), path(3, "small"), path(4, "smaller")];
    let info = |n: usize| space.store.real(&paths[n]).metadata().unwrap();
    space.file(&paths[0], &large, &[]);
    assert_eq!(info(0).nlink(), 2, "the path and the pool");
    space.file(&paths[1], &large, &[]);
    assert_eq!((info(0).ino(), info(0).nlink()), (info(1).ino(), 3));
    space.file(&paths[2], "small", &[]);
    space.file(&paths[3], "small", &[]);
    assert_ne!(info(2).ino(), info(3).ino());
    assert!(space.store.verify(&paths, &|_| {}).unwrap().is_empty());

    // a script of the same bytes is another file
    let scratch = space.store.scratch().unwrap();
    let source = scratch.path().join("run");
    fs_err::write(&source, &large).unwrap();
    fs_err::set_permissions(&source, PermissionsExt::from_mode(0o755)).unwrap();
    let run = path(5, "run");
    space.store.insert(vec![insertion(&run, source, &[])]).unwrap();
    let run = space.store.real(&run).metadata().unwrap();
    assert_eq!((run.nlink(), run.mode() & 0o777), (2, 0o555));
}

#[test]
fn what_was_written_to_is_not_spread() {
    let (space, large) = (space(), "large".repeat(1000));
    let (bad, good) = (path(1, "bad"), path(2, "good"));
    space.file(&bad, &large, &[]);
    let written = space.store.real(&bad);
    fs_err::set_permissions(&written, PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(&written, large.replace("large", "LARGE")).unwrap();
    fs_err::set_permissions(&written, PermissionsExt::from_mode(0o444)).unwrap();
    space.file(&good, &large, &[]);
    assert_eq!(fs_err::read_to_string(space.store.real(&good)).unwrap(), large);
    let damages = space.store.verify(&[bad, good], &|_| {}).unwrap();
    assert_eq!(damages.len(), 1);
}

#[test]
fn what_is_there_already_is_shared_afterwards() {
    let space = space();
    let scratch = space.store.scratch().unwrap();
    let tree = scratch.path().join("tree");
    fs_err::create_dir_all(tree.join("sub")).unwrap();
    fs_err::write(tree.join("one"), "large".repeat(1000)).unwrap();
    fs_err::write(tree.join("sub/two"), "large".repeat(1000)).unwrap();
    let path = path(1, "tree");
    let info = space.store.insert(vec![insertion(&path, tree, &[])]).unwrap().remove(0);
    assert_eq!(space.store.optimise(std::slice::from_ref(&path)).unwrap(), 5000);
    assert_eq!(space.store.optimise(std::slice::from_ref(&path)).unwrap(), 0);
    let at = |name: &str| space.store.real(&path).join(name).metadata().unwrap();
    assert_eq!(at("one").ino(), at("sub/two").ino());
    assert_eq!((at("sub").mode() & 0o777, at("sub").mtime()), (0o555, 1));
    assert_eq!(crate::archive::measure(&space.store.real(&path)).unwrap().hash, info.tree);

    drop((scratch, space.store.collect(Limits::default()).unwrap()));
    let pool = || fs_err::read_dir(space.store.root().join("var/pool")).unwrap();
    let files = || pool().flat_map(|f| fs_err::read_dir(f.unwrap().path()).unwrap()).count();
    assert_eq!(files(), 1, "this store still keeps the path");
    let root = space.store.root().to_owned();
    drop(space.store);
    Store::open(&root).unwrap().collect(Limits::default()).unwrap();
    let pool = fs_err::read_dir(root.join("var/pool")).unwrap();
    assert_eq!(pool.flat_map(|f| fs_err::read_dir(f.unwrap().path()).unwrap()).count(), 0);
}
