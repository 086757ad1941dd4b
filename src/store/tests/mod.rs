//! The store as its users see it.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

mod collect;
mod logs;
mod path_info;
mod pool;
mod profile;
mod verify;
mod write;

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
        source: source.into(),
        references: References::Scan(candidates.iter().map(|p| (*p).clone()).collect()),
        deriver: None,
        expected: None,
        signatures: BTreeSet::new(),
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
    assert_eq!(info.tree, crate::tree::measure(&space.store.real(&app)).unwrap().hash);
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
    let found = crate::tree::measure(&space.store.real(&path)).unwrap();
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
    let held = space.store.try_lock(&path).unwrap().unwrap();
    assert!(space.store.try_lock(&path).unwrap().is_none());
    drop(held);
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
    assert!(text.contains("is not a result link"), "{text}");
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
    assert!(text.contains("does not match its path"), "{text}");
}

/// Another open store on the same folder: what another process would have.
fn other(space: &Space) -> Store {
    Store::open(space.store.root()).unwrap()
}

fn names(store: &Store) -> Vec<String> {
    store.all().unwrap().iter().map(|info| info.path.name().to_owned()).collect()
}
