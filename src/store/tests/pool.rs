//! Equal files.

use super::*;
use crate::files;

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

/// Writes to a file and leaves no trace of it but in the content.
fn tamper(file: &Path, content: &str) {
    fs_err::set_permissions(file, PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(file, content).unwrap();
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    let open = fs_err::OpenOptions::new().write(true).open(file).unwrap();
    open.file().set_modified(time).unwrap();
    fs_err::set_permissions(file, PermissionsExt::from_mode(0o444)).unwrap();
}

#[test]
fn what_looks_untouched_is_read_before_it_is_shared() {
    let (space, large) = (space(), "large".repeat(1000));
    let (bad, good) = (path(1, "bad"), path(2, "good"));
    space.file(&bad, &large, &[]);
    tamper(&space.store.real(&bad), &large.replace("large", "LARGE"));
    // verification sees the pool's name of the file, too
    let verified = space.store.verify_all(&|_, _| {}).unwrap();
    assert_eq!((verified.checked, verified.damages.len(), verified.pool.len()), (1, 1, 1));
    space.file(&good, &large, &[]);
    assert_eq!(fs_err::read_to_string(space.store.real(&good)).unwrap(), large);
    let verified = space.store.verify_all(&|_, _| {}).unwrap();
    assert_eq!((verified.checked, verified.damages.len(), verified.pool.len()), (2, 1, 0));
    assert_eq!(verified.damages[0].path, bad);

    // alone in the pool, and as an executable
    let name = |n: &str| space.store.root().join("var/pool").join(&n[..2]).join(n);
    let digest = crate::hash::encode_nix32(blake3::hash(large.as_bytes()).as_bytes());
    let script = name(&format!("{digest}x"));
    fs_err::write(&script, "other").unwrap();
    let stray = name(&format!("{digest}-old"));
    fs_err::write(&stray, &large).unwrap();
    let mut found = space.store.verify_all(&|_, _| {}).unwrap().pool;
    found.sort();
    assert_eq!(found, [stray, script]);
    space.store.forget_pooled(&found).unwrap();
    assert!(space.store.verify_all(&|_, _| {}).unwrap().pool.is_empty());
}

#[test]
fn a_file_with_many_names_gives_way_to_a_new_one() {
    let Space { mut store, _dir } = space();
    store.pool.most_names = 3;
    let (space, large) = (Space { store, _dir }, "large".repeat(1000));
    let inode = |n: u8| {
        space.file(&path(n, "x"), &large, &[]);
        space.store.real(&path(n, "x")).metadata().unwrap().ino()
    };
    let inodes = [1, 2, 3, 4, 5].map(inode);
    // two paths and the pool's own name each
    assert_eq!(inodes[0], inodes[1]);
    assert_eq!(inodes[2], inodes[3]);
    assert!(inodes[1] != inodes[2] && inodes[3] != inodes[4], "{inodes:?}");
}

/// The file system's own limit on names. Ext4 allows 65,000.
#[test]
fn what_can_have_no_more_names_gives_way_to_a_new_one() {
    let Space { mut store, _dir } = space();
    store.pool.most_names = u64::MAX;
    let (space, large) = (Space { store, _dir }, "large".repeat(1000));
    space.file(&path(1, "x"), &large, &[]);
    let file = space.store.real(&path(1, "x"));
    let folder = space.store.root().join("names");
    fs_err::create_dir(&folder).unwrap();
    let mut refused = None;
    for n in 0..65_000 {
        if let Err(e) = fs_err::hard_link(&file, folder.join(n.to_string())) {
            refused = Some(e.kind());
            break;
        }
    }
    if refused != Some(std::io::ErrorKind::TooManyLinks) {
        eprintln!("LEFT OUT: this file system has room for more names, {refused:?}");
        return;
    }
    space.file(&path(2, "x"), &large, &[]);
    space.file(&path(3, "x"), &large, &[]);
    let inode = |n: u8| space.store.real(&path(n, "x")).metadata().unwrap().ino();
    assert!(inode(1) != inode(2) && inode(2) == inode(3));
}

#[test]
fn a_tree_is_replaced_as_a_whole() {
    let space = space();
    let (lib, app, new) = (path(1, "lib"), path(2, "app"), path(3, "new"));
    space.file(&lib, "library", &[]);
    space.file(&new, "new", &[]);
    let scratch = space.store.scratch().unwrap();
    let tree = |name: &str, text: &str| {
        let tree = scratch.path().join(name);
        fs_err::create_dir(&tree).unwrap();
        fs_err::write(tree.join("file"), text).unwrap();
        tree
    };
    let first = insertion(&app, tree("first", &format!("{lib} 1")), &[&lib, &new]);
    let before = space.store.insert(vec![first]).unwrap().remove(0);
    let real = space.store.real(&app);
    let open = fs_err::File::open(real.join("file")).unwrap();
    fs_err::set_permissions(&real, PermissionsExt::from_mode(0o755)).unwrap();
    fs_err::remove_file(real.join("file")).unwrap();

    // a replacement that is refused leaves everything as it was
    let missing = path(9, "missing");
    let bad = insertion(&app, tree("bad", &missing.to_string()), &[&missing]);
    assert!(matches!(space.store.replace(vec![bad]), Err(StoreError::Dangling { .. })));
    assert_eq!(space.store.info(&app).unwrap(), Some(before.clone()));
    assert!(!real.join("file").exists());

    let again = insertion(&app, tree("again", &format!("{new} 22")), &[&lib, &new]);
    space.store.replace(vec![again]).unwrap();
    let after = space.store.info(&app).unwrap().unwrap();
    assert_eq!((after.references, after.size), (BTreeSet::from([new]), before.size + 1));
    assert_ne!(after.tree, before.tree);
    assert!(space.store.verify(std::slice::from_ref(&app), &|_| {}).unwrap().is_empty());
    assert_eq!(real.metadata().unwrap().mode() & 0o777, 0o555);
    assert_eq!(
        std::io::read_to_string(open).unwrap(),
        format!("{lib} 1"),
        "who has it open keeps it"
    );
    // what is not there at all is put there
    fs_err::set_permissions(&real, PermissionsExt::from_mode(0o755)).unwrap();
    files::remove_tree(&real).unwrap();
    space.store.replace(vec![insertion(&app, tree("third", "3"), &[])]).unwrap();
    assert_eq!(fs_err::read_to_string(real.join("file")).unwrap(), "3");
}

#[test]
fn who_verifies_does_not_see_what_is_being_shared() {
    let space = space();
    let scratch = space.store.scratch().unwrap();
    let paths: Vec<StorePath> = (0..12).map(|n| path(n, "tree")).collect();
    for path in &paths {
        let tree = scratch.path().join(path.base());
        for n in 0..60 {
            let folder = tree.join(n.to_string());
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join("file"), path.base().repeat(200)).unwrap();
        }
        space.store.insert(vec![insertion(path, tree, &[])]).unwrap();
    }
    let other = other(&space);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let damages = other.verify(&paths, &|_| {}).unwrap();
                assert!(damages.is_empty(), "{damages:?}");
                looks += 1;
            }
            looks
        });
        let saved = space.store.optimise(&paths, &|_| {});
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(saved.unwrap(), 12 * 59 * 200 * paths[0].base().len() as u64);
        let looks: u32 = looks.join().unwrap();
        assert!(looks > 0);
    });
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
    assert_eq!(space.store.optimise(std::slice::from_ref(&path), &|_| {}).unwrap(), 5000);
    assert_eq!(space.store.optimise(std::slice::from_ref(&path), &|_| {}).unwrap(), 0);
    let at = |name: &str| space.store.real(&path).join(name).metadata().unwrap();
    assert_eq!(at("one").ino(), at("sub/two").ino());
    assert_eq!((at("sub").mode() & 0o777, at("sub").mtime()), (0o555, 1));
    assert_eq!(crate::tree::measure(&space.store.real(&path)).unwrap().hash, info.tree);

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
