//! The index of a store, as any bytes. The laws: whatever they are, every tree stays; and an index is made anew that
//! knows them all.

use std::collections::BTreeSet;

use clutch::{
    store::{Limits, Store},
    store_path::StorePath,
};
use fs_err as fs;

/// A store with a text, one that refers to it, and one more.
fn filled() -> (tempfile::TempDir, BTreeSet<StorePath>) {
    let shm = std::path::Path::new("/dev/shm");
    let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
    let folder = tempfile::Builder::new().prefix("clutch-fuzz-").tempdir_in(parent).unwrap();
    let store = Store::open(&folder.path().join("root")).unwrap();
    let library = store.add_text("library", b"text", BTreeSet::new()).unwrap();
    let text = format!("see {library}");
    let program =
        store.add_text("program", text.as_bytes(), BTreeSet::from([library.clone()])).unwrap();
    let other = store.add_text("other", b"other", BTreeSet::new()).unwrap();
    store.pin("it", &program, None).unwrap();
    (folder, BTreeSet::from([library, program, other]))
}

/// An index.
pub fn index(data: &[u8]) {
    let (folder, paths) = filled();
    let root = folder.path().join("root");
    fs::write(root.join("var/index.sqlite"), data).unwrap();
    if let Ok(store) = Store::open(&root) {
        let _ = store.all();
        let _ = store.garbage(Limits::default());
        let _ = store.verify_all(&|_, _| {});
        let _ = store.check_index();
        for path in &paths {
            let _ = store.glimpse(path);
            let _ = store.reachable(std::slice::from_ref(path));
            let _ = store.why_alive(path);
        }
    }
    let (store, rebuilt) = Store::rebuild(&root).unwrap();
    let known: BTreeSet<StorePath> = store.all().unwrap().into_iter().map(|i| i.path).collect();
    assert!(known.is_superset(&paths), "{known:?}: {:?}", rebuilt.refused);
    // what the old one said of a tree may be wrong, and is seen then
    store.verify_all(&|_, _| {}).unwrap();
    store.check_index().unwrap();
    drop(store);
    let store = Store::open(&root).unwrap();
    store.need_writable().unwrap();
    store.collect(Limits::default()).unwrap();
    assert!(known.iter().filter(|path| path.name() != "other").all(|p| store.real(p).exists()));
    super::taken();
}

/// One that is whole, one of another store, one that has nothing.
pub(super) fn indexes() -> Vec<Vec<u8>> {
    let of =
        |folder: &tempfile::TempDir| fs::read(folder.path().join("root/var/index.sqlite")).unwrap();
    let (folder, _) = filled();
    let whole = of(&folder);
    let store = Store::open(&folder.path().join("root")).unwrap();
    store.unpin("it").unwrap();
    store.collect(Limits::default()).unwrap();
    drop(store);
    vec![whole, of(&folder), Vec::new()]
}
