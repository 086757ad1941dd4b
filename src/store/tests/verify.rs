//! Damage, a lost index, a store that can only be read.

use super::*;

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
fn modes_and_times_are_looked_at_and_set_right() {
    let space = space();
    let scratch = space.store.scratch().unwrap();
    let tree = scratch.path().join("tree");
    fs_err::create_dir_all(tree.join("sub")).unwrap();
    fs_err::write(tree.join("sub/file"), "text").unwrap();
    symlink("sub/file", tree.join("link")).unwrap();
    let path = path(1, "tree");
    space.store.insert(vec![insertion(&path, tree, &[])]).unwrap();
    let real = space.store.real(&path);
    let faults = || space.store.verify(std::slice::from_ref(&path), &|_| {}).unwrap();
    assert!(faults().is_empty());
    for (place, mode) in [("", 0o755), ("sub", 0o755), ("sub/file", 0o644), ("sub/file", 0o4444)] {
        let odd = real.join(place);
        fs_err::set_permissions(&odd, PermissionsExt::from_mode(mode)).unwrap();
        let found = faults();
        assert!(
            matches!(&found[..], [Damage { fault: Fault::Metadata(at), .. }] if *at == odd),
            "{place} {mode:o}: {found:?}"
        );
        space.store.reseal(&path).unwrap();
        assert!(faults().is_empty(), "{place} {mode:o}");
    }
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
        let index = index::Index::open(file.clone(), false).unwrap().unwrap();
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

/// Runs this test again in a mount namespace where the store's file system is read-only.
#[test]
fn a_store_on_a_read_only_file_system_is_read() {
    const PLACE: &str = "CLUTCH_TEST_READ_ONLY_STORE";
    if let Some(root) = std::env::var_os(PLACE) {
        let store = Store::open(Path::new(&root)).unwrap();
        assert!(!store.is_writable());
        let lib = path(1, "lib");
        assert_eq!(names(&store), ["lib"]);
        assert!(store.verify(std::slice::from_ref(&lib), &|_| {}).unwrap().is_empty());
        store.keep([&lib]).unwrap();
        store.touch(std::slice::from_ref(&lib)).unwrap();
        let text = store.scratch().unwrap_err().to_string();
        assert!(text.contains("cannot be written; give another one with --store"), "{text}");
        return;
    }
    let space = space();
    space.file(&path(1, "lib"), "library", &[]);
    let root = space.store.root().to_owned();
    let run = || {
        let script = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"";
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(&root);
        command.arg(std::env::current_exe().unwrap());
        command
            .args(["--exact", "store::tests::verify::a_store_on_a_read_only_file_system_is_read"]);
        command.env(PLACE, &root).output().unwrap()
    };
    let allowed = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "true"])
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine allows no user namespaces");
        return;
    }
    let check = |note: &str| {
        let output = run();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{note}: {text}");
    };
    check("while it is open elsewhere");
    drop(space.store);
    check("alone");
}
