//! Copies and texts that the store writes itself.

use super::*;
use crate::{
    store::{Source, StoreError},
    tree::{self, Listing},
};

/// An insertion that copies `from`, as it is now.
fn copying(space: &Space, path: &StorePath, from: &Path, scratch: &Scratch) -> Insertion {
    let listing = Listing::read(from).unwrap();
    let leaves = tree::leaves(&listing).unwrap();
    let expected = Some(tree::fold(&listing, &leaves).hash);
    let source = Source::Copy { listing, leaves, to: scratch.path().join(path.base()) };
    assert!(!space.store.real(path).exists());
    Insertion {
        path: path.clone(),
        source,
        references: known(&[]),
        deriver: None,
        expected,
        signatures: BTreeSet::new(),
    }
}

fn known(paths: &[&StorePath]) -> References {
    References::Known(paths.iter().map(|path| (*path).clone()).collect())
}

#[test]
fn a_copy_is_as_canonical_as_what_is_moved_in() {
    use std::os::unix::fs::MetadataExt as _;
    let (space, dir) = (space(), tempfile::tempdir().unwrap());
    let tree = dir.path().join("tree");
    fs_err::create_dir_all(tree.join("bin/empty")).unwrap();
    fs_err::write(tree.join("bin/run"), "x".repeat(10_000)).unwrap();
    fs_err::set_permissions(tree.join("bin/run"), PermissionsExt::from_mode(0o4700)).unwrap();
    fs_err::write(tree.join("text"), "text").unwrap();
    symlink("bin/run", tree.join("link")).unwrap();
    let (copied, moved, again) = (path(1, "copied"), path(2, "moved"), path(3, "again"));
    let scratch = space.store.scratch().unwrap();
    space.store.insert(vec![copying(&space, &copied, &tree, &scratch)]).unwrap();
    let same = scratch.path().join("same");
    fs_err::create_dir(&same).unwrap();
    std::process::Command::new("cp").arg("-a").arg(&tree).arg(same.join("tree")).status().unwrap();
    space.store.insert(vec![insertion(&moved, same.join("tree"), &[])]).unwrap();
    space.store.insert(vec![copying(&space, &again, &tree, &scratch)]).unwrap();
    let look = |path: &StorePath| {
        let listing = Listing::read(&space.store.real(path)).unwrap();
        let of = |node: &tree::Node| {
            let found = fs_err::symlink_metadata(&node.path).unwrap();
            let name = listing.relative(node).to_owned();
            (name, found.mode(), found.mtime(), found.uid(), fs_err::read_link(&node.path).ok())
        };
        listing.nodes().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(look(&copied), look(&moved));
    assert_eq!(look(&copied), look(&again));
    let inode = |path| space.store.real(path).join("bin/run").metadata().unwrap().ino();
    assert_eq!(inode(&copied), inode(&again), "the pool's file is linked and not copied");
    let trees = [&copied, &moved, &again].map(|p| space.store.info(p).unwrap().unwrap().tree);
    assert_eq!(trees, [trees[0]; 3]);
}

#[test]
fn what_changes_before_it_is_copied_is_refused() {
    let (space, dir) = (space(), tempfile::tempdir().unwrap());
    let tree = dir.path().join("tree");
    fs_err::create_dir(&tree).unwrap();
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("longer", |file| fs_err::write(file, "y".repeat(9000)).unwrap()),
        ("shorter", |file| fs_err::write(file, "").unwrap()),
        ("other", |file| fs_err::write(file, "z".repeat(8000)).unwrap()),
        ("a link", |file| {
            fs_err::remove_file(file).unwrap();
            symlink("/etc/passwd", file).unwrap();
        }),
    ];
    for (what, change) in changes {
        let _ = fs_err::remove_file(tree.join("file"));
        fs_err::write(tree.join("file"), "x".repeat(8000)).unwrap();
        let scratch = space.store.scratch().unwrap();
        let insertion = copying(&space, &path(4, "tree"), &tree, &scratch);
        change(&tree.join("file"));
        let error = space.store.insert(vec![insertion]).unwrap_err();
        match what {
            "a link" => assert!(matches!(error, StoreError::Tree(_)), "{what}: {error}"),
            _ => assert!(matches!(error, StoreError::Hash { .. }), "{what}: {error}"),
        }
        assert!(space.store.all().unwrap().is_empty() && space.entries().is_empty(), "{what}");
    }
}

#[test]
fn texts_and_copies_are_searched_where_that_is_asked() {
    let (space, dir) = (space(), tempfile::tempdir().unwrap());
    let (lib, text, tree) = (path(1, "lib"), path(2, "text"), path(3, "tree"));
    space.file(&lib, "library", &[]);
    let scratch = space.store.scratch().unwrap();
    let scan = || References::Scan(vec![lib.clone()]);
    let source = Source::Text { bytes: format!("see {lib}").into(), to: scratch.path().join("t") };
    let texts = Insertion {
        path: text,
        source,
        references: scan(),
        deriver: None,
        expected: None,
        signatures: BTreeSet::new(),
    };
    fs_err::write(dir.path().join("file"), format!("{}{lib}", "x".repeat(200_000))).unwrap();
    let copied = Insertion { references: scan(), ..copying(&space, &tree, dir.path(), &scratch) };
    for info in space.store.insert(vec![texts, copied]).unwrap() {
        assert_eq!(info.references, BTreeSet::from([lib.clone()]), "{}", info.path);
    }
}
