//! Equal files.

use super::*;

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
