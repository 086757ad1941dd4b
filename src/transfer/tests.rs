//! What is exported comes back as it was; what is not exactly an export is refused and leaves
//! nothing.

use std::{
    io::Cursor,
    os::unix::fs::{PermissionsExt, symlink},
};

use proptest::{collection, prelude::*};
use tempfile::TempDir;

use super::*;
use crate::{
    store::{Insertion, PathInfo, References, Store},
    store_path::StorePath,
};

struct Space {
    dir: TempDir,
    store: Store,
}

fn space() -> Space {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let store = Store::open(&dir.path().join("root")).unwrap();
    Space { dir, store }
}

fn path(n: u8) -> StorePath {
    StorePath::new(&[n; 20], &format!("path-{n}")).unwrap()
}

impl Space {
    /// Adds a tree with one file of that text, and other things when asked; it refers to the paths
    /// before it.
    fn add(&self, n: u8, text: &[u8], rich: bool) -> StorePath {
        let scratch = self.store.scratch().unwrap();
        let source = scratch.path().join("tree");
        if rich {
            let long = "a folder with a long name ".repeat(5);
            fs_err::create_dir_all(source.join("sub").join(&long)).unwrap();
            fs_err::write(source.join("sub").join(&long).join("file"), text).unwrap();
            fs_err::write(source.join("run"), text).unwrap();
            fs_err::set_permissions(source.join("run"), PermissionsExt::from_mode(0o755)).unwrap();
            symlink("../a//./b/".repeat(20), source.join("link")).unwrap();
            symlink("sub/./x/", source.join("short")).unwrap();
        } else {
            fs_err::write(&source, text).unwrap();
        }
        let references = References::Known((n.saturating_sub(2)..=n).map(path).collect());
        let (path, deriver) = (path(n), Some(path(200)));
        let insertion = Insertion {
            path: path.clone(),
            source: source.into(),
            references,
            deriver,
            expected: None,
        };
        self.store.insert(vec![insertion]).unwrap();
        path
    }

    fn export(&self, paths: &[StorePath]) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        export(&self.store, paths, &mut out, &|_, _| {}).unwrap();
        out.into_inner()
    }

    fn import(&self, bytes: &[u8]) -> Result<Imported, TransferError> {
        let file = self.dir.path().join("file");
        fs_err::write(&file, bytes).unwrap();
        import(&self.store, &file, &|_, _| {})
    }

    /// All that is known, but for the time.
    fn known(&self) -> Vec<PathInfo> {
        let infos = self.store.all().unwrap();
        infos.into_iter().map(|info| PathInfo { registered: 0, ..info }).collect()
    }

    fn is_empty(&self) -> bool {
        let count = |path: &str| fs_err::read_dir(self.store.root().join(path)).unwrap().count();
        self.known().is_empty() && count("store") == 0 && count("var/tmp") == 0
    }
}

#[test]
fn a_closure_comes_back_as_it_was() {
    let (from, to) = (space(), space());
    for n in 0..4 {
        from.add(n, &[n; 3000], n % 2 == 0);
    }
    let bytes = from.export(&[path(3), path(2)]);
    assert_eq!(bytes, from.export(&[path(2), path(3)]), "the same closure is the same bytes");
    let imported = to.import(&bytes).unwrap();
    assert_eq!(imported.roots, [path(2), path(3)].into());
    assert_eq!((imported.added.len(), imported.total), (4, 4));
    assert_eq!(to.known(), from.known());
    assert_eq!(to.export(&[path(2), path(3)]), bytes);
    let again = to.import(&bytes).unwrap();
    assert_eq!((again.added.len(), again.total), (0, 4));
}

#[test]
fn a_reference_that_the_header_leaves_out_is_refused() {
    let (from, to) = (space(), space());
    // the last holds the first, but says that it refers to the two before it, as `add` does
    for n in 0..3 {
        from.add(n, b"alone", false);
    }
    from.add(3, path(0).to_string().as_bytes(), false);
    let bytes = from.export(&[path(0), path(3)]);
    let error = to.import(&bytes).unwrap_err().to_string();
    assert!(error.contains("leaves that out") && error.contains("path-0"), "{error}");
    assert!(to.is_empty());
}

#[test]
fn a_large_path_is_one_member() {
    let (from, to) = (space(), space());
    let text: Vec<u8> = (0..40_000_000u32).map(|n| (n ^ (n >> 9)) as u8).collect();
    from.add(0, &text, false);
    let bytes = from.export(&[path(0)]);
    to.import(&bytes).unwrap();
    assert_eq!(to.known(), from.known());
}

#[test]
fn ordinary_tools_read_it() {
    let from = space();
    from.add(0, b"text", true);
    let bytes = from.export(&[path(0)]);
    let inflated = flate2::read::MultiGzDecoder::new(&bytes[..]);
    let target = from.dir.path().join("unpacked");
    tar::Archive::new(inflated).unpack(&target).unwrap();
    let found = crate::archive::measure(&target.join("store").join(path(0).base())).unwrap();
    assert_eq!(found.hash, from.store.info(&path(0)).unwrap().unwrap().tree);
}

#[test]
fn every_damaged_byte_is_refused() {
    let (from, mut to) = (space(), space());
    from.add(0, b"some text", true);
    from.add(1, b"more text", false);
    let bytes = from.export(&[path(1)]);
    let mut harmless = 0;
    for at in (0..bytes.len()).filter(|at| at % 3 == 0 || *at < 64 || at + 64 > bytes.len()) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        if to.import(&damaged).is_ok() {
            // such as the bits between the end of a deflate stream and the next whole byte
            assert_eq!(to.known(), from.known(), "byte {at}");
            harmless += 1;
            to = space();
        }
        assert!(to.is_empty(), "byte {at}");
    }
    assert!(harmless < 10, "{harmless} bytes may be anything");
}

#[test]
fn every_truncation_is_refused() {
    let (from, to) = (space(), space());
    from.add(0, b"some text", true);
    let bytes = from.export(&[path(0)]);
    for end in 0..bytes.len() {
        let error = to.import(&bytes[..end]).unwrap_err();
        assert!(matches!(error, TransferError::Refused { .. }), "{end}: {error}");
    }
    assert!(to.is_empty());
    let text = to.import(b"").unwrap_err().to_string();
    assert!(text.contains("the header: the file ends before it"), "{text}");
}

/// The members of an export.
fn members(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut members = Vec::new();
    while let Some(header) = rest.first_chunk() {
        let length = gzip::member_length(header).unwrap() as usize;
        members.push(&rest[..length]);
        rest = &rest[length..];
    }
    members
}

#[test]
fn members_that_are_exchanged_doubled_or_missing_are_refused() {
    let (from, to) = (space(), space());
    from.add(0, b"some text", false);
    from.add(1, b"more text", false);
    let bytes = from.export(&[path(1)]);
    let all = members(&bytes);
    let refused = |order: &[usize]| {
        let changed: Vec<u8> = order.iter().flat_map(|n| all[*n]).copied().collect();
        let text = to.import(&changed).unwrap_err().to_string();
        assert!(to.is_empty());
        text
    };
    assert!(refused(&[0, 2, 1, 3]).contains("it is not in 'store/"));
    assert!(refused(&[0, 1, 1, 3]).contains("it is not in 'store/"));
    assert!(refused(&[0, 1, 3]).contains("it has 3 members, but its header needs 4"));
    assert!(refused(&[0, 1, 2, 3, 3]).contains("it has 5 members"));
    assert!(refused(&[0, 1, 3, 2]).contains("expected 1024 zeros"));
    assert!(refused(&[1, 0, 2, 3]).contains("expected one file 'export'"));
}

/// An export of one path whose entries are those.
fn forged(tree: &[u8], change: impl Fn(&mut header::Header)) -> Vec<u8> {
    use std::io::Write;
    let from = space();
    from.add(0, b"some text", false);
    let info = from.store.info(&path(0)).unwrap().unwrap();
    let mut header = header::Header {
        roots: [path(0)].into(),
        paths: vec![header::Exported {
            path: path(0),
            tree: info.tree,
            announced: crate::archive::Announced { entries: 1, size: info.size },
            references: info.references,
            deriver: None,
        }],
    };
    change(&mut header);
    let mut members = gzip::Members::new(Cursor::new(Vec::new()));
    crate::archive::pack_bytes(HEADER, &header.to_bytes().unwrap(), &mut members).unwrap();
    members.end().unwrap();
    members.write_all(tree).unwrap();
    members.end().unwrap();
    crate::archive::pack_end(&mut members).unwrap();
    members.end().unwrap();
    members.finish().unwrap().into_inner()
}

fn entry(kind: tar::EntryType, name: &str, mode: u32, text: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
        header.set_link_name_literal(text).unwrap();
        header.set_size(0);
        header.set_cksum();
        return header.as_bytes().to_vec();
    }
    header.set_size(text.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(text);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[test]
fn hostile_trees_are_refused_with_place_and_reason() {
    use tar::EntryType as Type;
    let root = format!("store/{}", path(0).base());
    let folder = || entry(Type::Directory, &root, 0o555, b"");
    let file = |name: &str| entry(Type::Regular, &format!("{root}{name}"), 0o444, b"some text");
    let link = entry(Type::Symlink, &format!("{root}/l"), 0o777, b"/etc");
    let many = |h: &mut header::Header| {
        h.paths[0].announced = crate::archive::Announced { entries: 9, size: 99 };
    };
    let cases: [(Vec<u8>, &str); 15] = [
        ([folder(), file("/../x")].concat(), "has an empty part"),
        ([folder(), file("//x")].concat(), "has an empty part"),
        ([folder(), entry(Type::Regular, "/etc/x", 0o444, b"")].concat(), "it is not in"),
        ([folder(), file("-other")].concat(), "it is not in"),
        ([folder(), file("/no/x")].concat(), "does not stand before it"),
        ([folder(), link.clone(), file("/l/x")].concat(), "does not stand before it"),
        ([folder(), file("/x"), file("/x")].concat(), "there are two of this name"),
        ([folder(), folder()].concat(), "it is a second tree"),
        (
            [folder(), entry(Type::Link, &format!("{root}/x"), 0o444, b"/etc/passwd")].concat(),
            "hard links",
        ),
        ([folder(), entry(Type::Char, &format!("{root}/x"), 0o444, b"")].concat(), "only files"),
        ([folder(), entry(Type::Fifo, &format!("{root}/x"), 0o444, b"")].concat(), "only files"),
        (entry(Type::Regular, &root, 0o4555, b"some text"), "mode 4555"),
        (entry(Type::Regular, &root, 0o444, &[b'x'; 100]), "larger than announced"),
        (
            entry(Type::Regular, &root, 0o444, b"some"),
            "1 entries with 4 bytes, but 9 with 99 were announced",
        ),
        ([folder(), vec![0; 1024], file("/x")].concat(), "bytes follow the last entry"),
    ];
    for (tree, reason) in cases {
        let to = space();
        let text = to.import(&forged(&tree, many)).unwrap_err().to_string();
        assert!(text.contains(reason), "{text}\nexpected: {reason}");
        assert!(text.contains(path(0).base()), "{text}");
        assert!(to.is_empty());
        assert!(!to.dir.path().join("root/var/x").exists());
    }
}

#[test]
fn headers_that_do_not_agree_are_refused() {
    let root = format!("store/{}", path(0).base());
    let tree = entry(tar::EntryType::Regular, &root, 0o444, b"some text");
    let refused = |change: fn(&mut header::Header)| {
        let to = space();
        let text = to.import(&forged(&tree, change)).unwrap_err().to_string();
        assert!(to.is_empty());
        text
    };
    let missing = refused(|h| {
        h.paths[0].references.insert(path(9));
    });
    assert!(missing.contains("path-9', which is neither here nor in the store"), "{missing}");
    let tree_hash = refused(|h| h.paths[0].tree.0[0] ^= 1);
    assert!(tree_hash.contains("its tree has hash"), "{tree_hash}");
    let entries = refused(|h| h.paths[0].announced.entries = 0);
    assert!(entries.contains("more than the 0 entries"), "{entries}");
    let root = refused(|h| {
        h.roots.insert(path(9));
    });
    assert!(root.contains("but does not hold it"), "{root}");
    let twice = refused(|h| h.paths.push(h.paths[0].clone()));
    assert!(twice.contains("stands in it twice"), "{twice}");
    space().import(&forged(&tree, |_| {})).unwrap();
}

#[test]
fn a_derivation_that_claims_a_foreign_output_is_refused() {
    let draft = crate::derivation::Draft {
        name: "tool".to_owned(),
        system: "builtin".to_owned(),
        builder: b"builtin:text".to_vec(),
        args: vec![],
        env: std::collections::BTreeMap::new(),
        structured: None,
        outputs: crate::derivation::DraftOutputs::Named(["out".to_owned()].into()),
        input_derivations: std::collections::BTreeMap::new(),
        input_sources: std::collections::BTreeSet::new(),
    };
    let (good_path, good) = crate::derivation::Identities::new().resolve(draft).unwrap();
    let mut evil = good.clone();
    evil.outputs.get_mut("out").unwrap().path = path(7);
    let evil_path = evil.path().unwrap();
    for (path, derivation, fits) in [(good_path, good, true), (evil_path, evil, false)] {
        let (from, to) = (space(), space());
        from.store.add_derivations(&[derivation]).unwrap();
        let result = to.import(&from.export(&[path]));
        assert_eq!(result.is_ok(), fits);
        if let Err(error) = result {
            assert!(error.to_string().contains("output 'out' has path"), "{error}");
            assert!(to.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn import_after_export_is_the_identity(
        texts in collection::vec((collection::vec(any::<u8>(), 0..600), any::<bool>()), 1..6),
    ) {
        let (from, to) = (space(), space());
        for (n, (text, rich)) in texts.iter().enumerate() {
            from.add(n as u8, text, *rich);
        }
        let all: Vec<StorePath> = (0..texts.len()).map(|n| path(n as u8)).collect();
        to.import(&from.export(&all)).unwrap();
        prop_assert_eq!(to.known(), from.known());
    }
}
