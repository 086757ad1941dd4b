//! Pairs of trees and what is said of them.

use std::{
    io::{Cursor, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use proptest::prelude::*;

use super::*;
use crate::tree::Bounds;

/// The differences between two trees that the closure makes, as `path member...: what`.
fn compare(make: impl Fn(&Path, usize)) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let roots = [dir.path().join("a"), dir.path().join("b")];
    for (which, root) in roots.iter().enumerate() {
        fs_err::create_dir(root).unwrap();
        make(root, which);
    }
    trees(&roots[0], &roots[1], Bounds::NONE).unwrap().iter().map(told).collect()
}

fn told(difference: &Difference) -> String {
    let place: Vec<&str> =
        std::iter::once(&difference.path).chain(&difference.members).map(String::as_str).collect();
    let what = match &difference.change {
        Change::Bytes(w) => format!("bytes from {} of {:?}", w.offset, w.sizes),
        other => format!("{other:?}"),
    };
    format!("{}: {what}", place.join(" "))
}

/// The differences between two files of that name.
fn contents(name: &str, old: &[u8], new: &[u8]) -> Vec<String> {
    compare(|root, which| fs_err::write(root.join(name), [old, new][which]).unwrap())
}

fn zip_of(time: u8, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let time = zip::DateTime::from_date_and_time(2026, 1, 2, 3, 4, time).unwrap();
        let options = zip::write::SimpleFileOptions::default().last_modified_time(time);
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tar_of(time: u64, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mtime(time);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip_of(time: u32, level: u32, content: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::new(level);
    let mut writer = flate2::GzBuilder::new().mtime(time).write(Vec::new(), level);
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn ar_of(time: u32, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let size = content.len();
        let mode = 100_644;
        writeln!(bytes, "{name:<16}{time:<12}{:<6}{:<6}{mode:<8}{size:<10}`", 0, 0).unwrap();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len() + size % 2, b'\n');
    }
    bytes
}

fn pyc_of(flags: u32, rest: [u32; 2], code: &[u8]) -> Vec<u8> {
    let numbers = [flags, rest[0], rest[1]].map(u32::to_le_bytes).concat();
    [&3495u16.to_le_bytes()[..], b"\r\n", &numbers, code].concat()
}

#[test]
fn equal_trees_do_not_differ() {
    let make = |root: &Path, which: usize| {
        let names = [["x", "y"], ["y", "x"]][which];
        for name in names {
            fs_err::create_dir(root.join(name)).unwrap();
            fs_err::write(root.join(name).join("file"), "same").unwrap();
        }
        symlink("x", root.join("link")).unwrap();
    };
    assert_eq!(compare(make), [""; 0]);
}

#[test]
fn every_kind_of_difference_has_its_place() {
    let make = |root: &Path, which: usize| {
        let first = which == 0;
        fs_err::create_dir(root.join(if first { "gone" } else { "new" })).unwrap();
        fs_err::write(root.join(if first { "gone/in" } else { "new/in" }), "").unwrap();
        match first {
            true => fs_err::write(root.join("kind"), "target").unwrap(),
            false => symlink("target", root.join("kind")).unwrap(),
        }
        symlink(if first { "one" } else { "two" }, root.join("link")).unwrap();
        fs_err::write(root.join("run"), "x").unwrap();
        let mode = if first { 0o644 } else { 0o755 };
        fs_err::set_permissions(root.join("run"), PermissionsExt::from_mode(mode)).unwrap();
        fs_err::write(root.join("text"), if first { "abcdef" } else { "abcXef" }).unwrap();
        fs_err::write(root.join("short"), if first { "abc" } else { "abcdef" }).unwrap();
    };
    assert_eq!(
        compare(make),
        [
            "gone: Missing",
            "kind: Kind(File, Symlink)",
            "link: Target(\"one\", \"two\")",
            "new: Added",
            "run: Executable(false, true)",
            "short: bytes from 3 of (3, 6)",
            "text: bytes from 3 of (6, 6)",
        ]
    );
}

#[test]
fn the_window_shows_what_is_around_the_first_difference() {
    let (old, mut new) = (vec![b'a'; 100], vec![b'a'; 90]);
    new[40] = b'b';
    let dir = tempfile::tempdir().unwrap();
    let paths = [dir.path().join("a"), dir.path().join("b")];
    fs_err::write(&paths[0], &old).unwrap();
    fs_err::write(&paths[1], &new).unwrap();
    let found = trees(&paths[0], &paths[1], Bounds::NONE).unwrap();
    let [Difference { path, change: Change::Bytes(window), .. }] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(path, "");
    assert_eq!((window.offset, window.sizes, window.start), (40, (100, 90), 24));
    assert_eq!((&*window.first, &*window.second), (&old[24..72], &new[24..72]));
}

#[test]
fn members_of_archives_are_named() {
    let same: (&str, &[u8]) = ("same", b"s");
    let old = zip_of(0, &[same, ("a/b", b"one"), ("gone", b"")]);
    let new = zip_of(0, &[same, ("a/b", b"two"), ("new", b"")]);
    assert_eq!(
        contents("x.whl", &old, &new),
        ["x.whl a/b: bytes from 0 of (3, 3)", "x.whl gone: Missing", "x.whl new: Added"]
    );
    let time = "Field(\"time\", \"2026-01-02 03:04:00\", \"2026-01-02 03:04:02\")";
    let found = contents("x", &zip_of(0, &[same]), &zip_of(2, &[same]));
    assert_eq!(found, [format!("x same: {time}")]);
    let other = ("other", &b"o"[..]);
    let found = contents("x", &tar_of(1, &[same, other]), &tar_of(1, &[other, same]));
    assert_eq!(found, ["x: Order"]);
    let found = contents("x", &ar_of(1, &[same, other]), &ar_of(2, &[same, ("other", b"O")]));
    assert_eq!(
        found,
        [
            "x same: Field(\"time\", \"1\", \"2\")",
            "x other: Field(\"time\", \"1\", \"2\")",
            "x other: bytes from 0 of (1, 1)",
        ]
    );
    // a name may stand twice
    let found = contents("x", &tar_of(1, &[same, same]), &tar_of(1, &[same, ("same", b"t")]));
    assert_eq!(found, ["x same: bytes from 0 of (1, 1)"]);
}

#[test]
fn archives_in_archives_are_opened() {
    let data = |time| gzip_of(0, 6, &tar_of(time, &[("usr/x", b"x")]));
    let deb = |time| ar_of(0, &[("debian-binary", b"2.0\n"), ("data.tar.gz", &data(time))]);
    assert_eq!(
        contents("x.deb", &deb(1), &deb(2)),
        ["x.deb data.tar.gz content usr/x: Field(\"time\", \"1\", \"2\")"]
    );
}

#[test]
fn a_compressed_stream_differs_in_its_header_its_content_or_only_in_its_bytes() {
    let found = contents("x", &gzip_of(1, 6, b"a"), &gzip_of(2, 6, b"b"));
    assert_eq!(found, ["x: Field(\"time\", \"1\", \"2\")", "x content: bytes from 0 of (1, 1)"]);
    let text = "text ".repeat(1000);
    let (old, new) = (gzip_of(0, 0, text.as_bytes()), gzip_of(0, 9, text.as_bytes()));
    let found = contents("x", &old, &new);
    assert!(matches!(&found[..], [one] if one.starts_with("x: bytes from ")), "{found:?}");
}

#[test]
fn byte_code_differs_in_its_header_or_its_code() {
    let old = pyc_of(0, [1, 5], b"code");
    let field = |name: &str, old: &str, new: &str| {
        format!("m.pyc: Field(\"header: {name}\", \"{old}\", \"{new}\")")
    };
    let found = contents("m.pyc", &old, &pyc_of(0, [2, 5], b"code"));
    assert_eq!(found, [field("time of the source", "1", "2")]);
    let found = contents("m.pyc", &old, &pyc_of(0, [1, 5], b"coda"));
    assert_eq!(found, ["m.pyc code: bytes from 3 of (4, 4)"]);
    let (old, new) = (pyc_of(3, [1, 0], b""), pyc_of(1, [2, 0], b""));
    let found = contents("m.pyc", &old, &new);
    assert_eq!(
        found,
        [
            field("flags", "3 (checked by hash)", "1 (unchecked, by hash)"),
            field("hash of the source", "0100000000000000", "0200000000000000"),
        ]
    );
    // another name, or no header of byte code
    assert_eq!(contents("m", &old, &new), ["m: bytes from 4 of (16, 16)"]);
    assert_eq!(contents("m.pyc", b"text", b"other"), ["m.pyc: bytes from 0 of (4, 5)"]);
}

#[test]
fn what_is_too_large_is_bytes() {
    // larger than what is held in memory
    let (old, mut new) = (vec![7; 3 << 20], vec![7; 3 << 20]);
    new[(2 << 20) + 5] = 8;
    let found = contents("large", &old, &new);
    assert_eq!(found, ["large: bytes from 2097157 of (3145728, 3145728)"]);
    // small, and large when it is taken apart: at once, or in the second step
    let zeros = |more: u8| [vec![0; 3 << 18], vec![more]].concat();
    let apart = contents("x", &gzip_of(0, 9, &zeros(1)), &gzip_of(0, 9, &zeros(2)));
    assert_eq!(apart, ["x content: bytes from 786432 of (786433, 786433)"]);
    let twice = |more| gzip_of(0, 9, &gzip_of(0, 9, &zeros(more)));
    let found = contents("x", &twice(1), &twice(2));
    assert!(matches!(&found[..], [one] if one.starts_with("x content: bytes from ")), "{found:?}");
    let large = |more| gzip_of(0, 9, &[zeros(1), zeros(more)].concat());
    let found = contents("x", &large(1), &large(2));
    assert!(matches!(&found[..], [one] if one.starts_with("x: bytes from ")), "{found:?}");
}

#[test]
fn a_damaged_archive_is_bytes() {
    let (old, mut new) = (zip_of(0, &[("a", b"a")]), zip_of(0, &[("a", b"b")]));
    new.truncate(new.len() - 5);
    let found = contents("x", &old, &new);
    assert!(matches!(&found[..], [one] if one.starts_with("x: bytes from ")), "{found:?}");
}

proptest! {
    /// Any two files: they differ exactly where their bytes do.
    #[test]
    fn files_differ_exactly_where_bytes_do(
        kind in 0usize..6,
        old in proptest::collection::vec(any::<u8>(), 0..64),
        new in proptest::collection::vec(any::<u8>(), 0..64),
        damage in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let wrap = |content: &[u8]| match kind {
            0 => content.to_vec(),
            1 => zip_of(0, &[("a", content)]),
            2 => tar_of(0, &[("a", content)]),
            3 => gzip_of(0, 6, content),
            4 => ar_of(0, &[("a", content)]),
            _ => pyc_of(1, [0, 0], content),
        };
        let (old, mut new) = (wrap(&old), wrap(&new));
        if let Some((at, byte)) = damage && !new.is_empty() {
            let at = at.index(new.len());
            new[at] = byte;
        }
        prop_assert_eq!(contents("x.pyc", &old, &new).is_empty(), old == new);
    }
}
