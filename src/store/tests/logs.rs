//! Logs while they are written, afterwards, and when their derivation goes.

use std::io::{Read as _, Write as _};

use super::*;

fn read(store: &Store, derivation: &StorePath) -> Vec<u8> {
    let mut text = Vec::new();
    store.log(derivation).unwrap().unwrap().read_to_end(&mut text).unwrap();
    text
}

fn files(store: &Store) -> Vec<String> {
    let entries = fs_err::read_dir(store.root().join("var/log")).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_log_is_plain_while_it_runs_and_compressed_afterwards() {
    let Space { store, _dir } = space();
    let derivation = path(1, "x.drv");
    assert!(store.log(&derivation).unwrap().is_none());
    let mut writer = store.create_log(&derivation).unwrap();
    let mut reader = store.log(&derivation).unwrap().unwrap();
    let mut seen = Vec::new();
    for n in 0..1000 {
        writeln!(writer, "line {n}").unwrap();
        if n % 300 == 0 {
            reader.read_to_end(&mut seen).unwrap();
            assert!(reader.is_running().unwrap());
            assert!(seen.ends_with(format!("line {n}\n").as_bytes()));
        }
    }
    let plain = fs_err::read(store.root().join(format!("var/log/{}.log", derivation.base())));
    writer.finish();
    // who was reading reads on to the end, although the file has another name and form
    assert!(!reader.is_running().unwrap());
    reader.read_to_end(&mut seen).unwrap();
    assert_eq!(files(&store), [format!("{}.log.zst", derivation.base())]);
    assert_eq!(read(&store, &derivation), plain.unwrap());
    assert_eq!(read(&store, &derivation), seen);
    // a crash may undo the removal of the plain one, but not bring back its content
    let crashed = store.root().join(format!("var/log/{}.log", derivation.base()));
    fs_err::write(&crashed, "").unwrap();
    assert_eq!(read(&store, &derivation), seen);
    // the next build's log takes its place, also while it is empty and where it stays small
    let writer = store.create_log(&derivation).unwrap();
    assert_eq!(read(&store, &derivation), b"");
    writer.finish();
    assert_eq!(read(&store, &derivation), b"");
    assert_eq!(files(&store), [format!("{}.log", derivation.base())]);
}

#[test]
fn what_a_killed_build_wrote_can_be_read() {
    let Space { store, _dir } = space();
    let derivation = path(1, "x.drv");
    let mut writer = store.create_log(&derivation).unwrap();
    let text = "as far as it came\n".repeat(1000);
    writer.write_all(text.as_bytes()).unwrap();
    drop(writer);
    assert!(!store.log(&derivation).unwrap().unwrap().is_running().unwrap());
    assert_eq!(read(&store, &derivation), text.as_bytes());
    // killed while it was compressed
    let half = store.root().join(format!("var/log/{}.log.new", derivation.base()));
    fs_err::write(half, b"(\xb5/\xfd").unwrap();
    assert_eq!(read(&store, &derivation), text.as_bytes());
    store.create_log(&derivation).unwrap().finish();
    assert_eq!(files(&store).len(), 1);
}

#[test]
fn logs_go_with_their_derivations() {
    let space = space();
    let [alive, dead, running] = [path(1, "a.drv"), path(2, "b.drv"), path(3, "c.drv")];
    space.file(&alive, "stands for a record", &[]);
    for derivation in [&alive, &dead] {
        let mut writer = space.store.create_log(derivation).unwrap();
        writer.write_all(&[b'x'; 5000]).unwrap();
        writer.finish();
    }
    let _running = space.store.create_log(&running).unwrap();
    fs_err::write(space.store.root().join("var/log/notes.log"), "somebody's").unwrap();
    space.store.collect(Limits::default()).unwrap();
    let expected = [
        format!("{}.log.zst", alive.base()),
        format!("{}.log", running.base()),
        "notes.log".to_owned(),
    ];
    assert_eq!(files(&space.store), expected);
}
