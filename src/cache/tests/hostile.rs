//! Exports that `clutch export` never writes: each is refused with place and reason, and leaves nothing.

use super::*;
use crate::{derivation, limits};

/// An export of one path whose entries are those.
fn forged(tree: &[u8], change: impl Fn(&mut header::Header)) -> Vec<u8> {
    let from = space();
    from.add(0, b"some text", false);
    let info = from.store.info(&path(0)).unwrap().unwrap();
    let mut header = header::Header {
        roots: [path(0)].into(),
        paths: vec![header::Exported {
            path: path(0),
            tree: info.tree,
            announced: crate::tree::Announced { entries: 1, size: info.size },
            references: info.references,
            deriver: None,
            signatures: BTreeSet::new(),
        }],
    };
    change(&mut header);
    packed(&header, &[tree.to_vec()])
}

fn entry(kind: tar::EntryType, name: &str, mode: u32, text: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1);
    header.set_uid(0);
    header.set_gid(0);
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
        h.paths[0].announced = crate::tree::Announced { entries: 9, size: 99 };
    };
    let cases: [(Vec<u8>, &str); 15] = [
        ([folder(), file("/../x")].concat(), "has an empty part"),
        ([folder(), file("//x")].concat(), "has an empty part"),
        ([folder(), entry(Type::Regular, "/etc/x", 0o444, b"")].concat(), "it is not in"),
        ([folder(), file("-other")].concat(), "it is not in"),
        ([folder(), file("/no/x")].concat(), "must come before it"),
        ([folder(), link.clone(), file("/l/x")].concat(), "must come before it"),
        ([folder(), file("/x"), file("/x")].concat(), "the name occurs twice"),
        ([folder(), folder()].concat(), "has a second tree"),
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
    assert!(
        missing.contains("path-9', which is neither in the export nor in the store"),
        "{missing}"
    );
    let tree_hash = refused(|h| h.paths[0].tree.0[0] ^= 1);
    assert!(tree_hash.contains("its tree has hash"), "{tree_hash}");
    let entries = refused(|h| h.paths[0].announced.entries = 0);
    assert!(entries.contains("has no entries"), "{entries}");
    let root = refused(|h| {
        h.roots.insert(path(9));
    });
    assert!(root.contains("is not in the export"), "{root}");
    let twice = refused(|h| h.paths.push(h.paths[0].clone()));
    assert!(twice.contains("is listed twice"), "{twice}");
    let deriver = refused(|h| h.paths[0].deriver = Some(path(9)));
    assert!(deriver.contains("expected a derivation"), "{deriver}");
    let size = refused(|h| h.paths[0].announced.size = u64::MAX);
    assert!(size.contains("1 entries with 9 bytes"), "{size}");
    let needless = refused(|h| {
        h.paths.push(header::Exported { path: path(9), ..h.paths[0].clone() });
    });
    assert!(needless.contains("no exported path needs"), "{needless}");
    space().import(&forged(&tree, |_| {})).unwrap();
}

/// The tar entries of a path of that name: a folder with two files in it.
fn small(root: &str) -> Vec<Vec<u8>> {
    use tar::EntryType as Type;
    vec![
        entry(Type::Directory, root, 0o555, b""),
        entry(Type::Regular, &format!("{root}/a"), 0o444, b"aa"),
        entry(Type::Regular, &format!("{root}/b"), 0o444, b"bb"),
    ]
}

/// The same entries with everything as an import expects it, the tree's hash included.
fn announced(h: &mut header::Header, entries: u64, size: u64) {
    h.paths[0].announced = crate::tree::Announced { entries, size };
}

#[test]
fn a_tree_has_one_form() {
    use tar::EntryType as Type;
    let root = format!("store/{}", path(0).base());
    let import = |entries: &[Vec<u8>]| {
        let to = space();
        let result = to.import(&forged(&entries.concat(), |h| announced(h, 3, 4)));
        assert!(to.is_empty());
        result.unwrap_err().to_string()
    };
    // valid but for the hash
    let all = small(&root);
    assert!(import(&all).contains("its tree has hash"), "{}", import(&all));
    /// The header of an entry, changed and with its checksum right.
    fn changed(entry: &[u8], change: impl Fn(&mut tar::Header)) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes().copy_from_slice(&entry[..512]);
        change(&mut header);
        header.set_cksum();
        [header.as_bytes(), &entry[512..]].concat()
    }
    let odd = "its header is not in the canonical form";
    type Change = fn(&mut tar::Header);
    let changes: [(Change, &str); 11] = [
        (|h| h.set_mtime(2), "modification time 2, expected 1"),
        (|h| h.set_mtime(0), "modification time 0, expected 1"),
        (|h| h.set_uid(1000), "owner 1000 and group 0, expected 0"),
        (|h| h.set_gid(5), "owner 0 and group 5, expected 0"),
        (|h| h.set_mode(0o644), "mode 644"),
        (|h| h.as_gnu_mut().unwrap().uname[0] = b'u', odd),
        (|h| h.as_gnu_mut().unwrap().atime[0] = b'1', odd),
        (|h| h.as_gnu_mut().unwrap().pad[3] = 1, odd),
        (|h| h.as_old_mut().linkname[0] = b'x', "target is not allowed"),
        (|h| h.as_old_mut().name[99] = b'x', odd),
        (|h| h.set_entry_type(Type::Continuous), "only files"),
    ];
    for (change, expected) in changes {
        let mut other = all.clone();
        other[1] = changed(&all[1], change);
        let text = import(&other);
        assert!(text.contains(expected), "{text}\nexpected: {expected}");
    }
    // a checksum that another program would take
    let mut spaced = all.clone();
    spaced[1][148..156].copy_from_slice(b" 12345\0 ");
    assert!(import(&spaced).contains(odd), "{}", import(&spaced));
    let mut other = all.clone();
    other.swap(1, 2);
    assert!(import(&other).contains("out of order"), "{}", import(&other));
    let mut filled = all.clone();
    *filled[1].last_mut().unwrap() = 1;
    assert!(import(&filled).contains("is not zero"), "{}", import(&filled));
    // PAX, and a name that would have fitted
    for (kind, expected) in [
        (Type::XHeader, "extended headers (PAX)"),
        (Type::XGlobalHeader, "extended headers (PAX)"),
        (Type::GNULongName, "is not in the canonical form"),
        (Type::GNULongLink, "is not in the canonical form"),
    ] {
        let mut other = all.clone();
        let mut long = entry(kind, "././@LongLink", 0, b"9 path=x\n\0");
        long[100..108].copy_from_slice(b"0000000\0");
        other.insert(1, long);
        assert!(import(&other).contains(expected), "{}", import(&other));
    }
    // a file's end in the middle of a block, of a content, and behind a long name
    for cut in [1, 511, 512 + 1, 1024 + 1, 1024 + 512 + 1, 2 * 1024 + 1] {
        let text = all.concat();
        let part = text[..text.len() - cut].to_vec();
        let text = import(&[part]);
        assert!(!text.contains("tree has hash"), "{cut}: {text}");
    }
}

#[test]
fn names_and_targets_are_bounded_before_they_are_read() {
    use tar::EntryType as Type;
    let root = format!("store/{}", path(0).base());
    let import = |tree: &[u8]| {
        let to = space();
        let result = to.import(&forged(tree, |h| announced(h, 3, 1 << 40)));
        assert!(to.is_empty());
        result.unwrap_err().to_string()
    };
    // the announced bytes are missing: nothing may be reserved for them
    let claim = |kind, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..13].copy_from_slice(b"././@LongLink");
        header.set_entry_type(kind);
        header.set_mode(0);
        header.set_mtime(1);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    for size in [limits::NAME as u64 + 2, 3 << 30, 1 << 60] {
        let text = import(&claim(Type::GNULongName, size));
        assert!(text.contains("at most 65536 are allowed"), "{text}");
        let text = import(&claim(Type::GNULongLink, size));
        assert!(text.contains("at most 4096 are allowed"), "{text}");
    }
    let long = |kind, text: &[u8]| {
        let mut bytes = claim(kind, text.len() as u64 + 1);
        bytes.extend(text);
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    };
    let deep = format!("{root}{}", "/x".repeat(limits::DEPTH + 1));
    let mut named = long(Type::GNULongName, deep.as_bytes());
    named.extend(entry(Type::Directory, &deep[..100], 0o555, b""));
    let text = import(&named);
    assert!(text.contains("1001 folders deep, at most 1000"), "{text}");
    // a message shows the start of a name, with control characters escaped
    let evil = format!("{root}/\u{1b}]0;title\u{7}{}", "y".repeat(1000));
    let mut named = long(Type::GNULongName, evil.as_bytes());
    named.extend(entry(Type::Directory, &evil[..100], 0o555, b""));
    let text = import(&named);
    assert!(!text.contains('\u{1b}') && text.len() < 1000, "{text}");
    // a second long name, and one at the end
    let name = "z".repeat(101);
    let twice =
        [long(Type::GNULongName, name.as_bytes()), long(Type::GNULongName, name.as_bytes())];
    assert!(import(&twice.concat()).contains("only files"), "{}", import(&twice.concat()));
    assert!(import(&twice[0]).contains("ends in the header"), "{}", import(&twice[0]));
}

#[test]
fn a_header_has_one_form() {
    let (from, to) = (space(), space());
    for n in 0..3 {
        from.add(n, b"text", false);
    }
    let bytes = from.export(&[path(2)]);
    let file = from.dir.path().join("closure");
    fs_err::write(&file, &bytes).unwrap();
    let header = source::Source::open(&from.store, &file).unwrap().header().unwrap();
    let refuse = |header: &header::Header| {
        let bytes = header.to_bytes().unwrap();
        header::Header::from_bytes(&bytes).unwrap_err().to_string()
    };
    // independent paths in another order than an export's
    let mut other = header.clone();
    for exported in &mut other.paths {
        exported.references.clear();
    }
    other.roots = (0..3).map(path).collect();
    header::Header::from_bytes(&other.to_bytes().unwrap()).unwrap();
    other.paths.swap(0, 1);
    assert!(refuse(&other).contains("canonical order"), "{}", refuse(&other));
    // a list that is not sorted: the first two references of the last path are exchanged
    let mut raw = header.to_bytes().unwrap();
    let base = |n: u8| path(n).base().as_bytes().to_vec();
    let find = |raw: &[u8], text: &[u8]| raw.windows(text.len()).rposition(|w| w == text).unwrap();
    let (zero, one) = (find(&raw, &base(0)), find(&raw, &base(1)));
    assert!(zero < one);
    raw[zero..zero + base(1).len()].copy_from_slice(&base(1));
    raw[one..one + base(0).len()].copy_from_slice(&base(0));
    let text = header::Header::from_bytes(&raw).unwrap_err().to_string();
    assert!(text.contains("out of order"), "{text}");
    // the count of members is not read beyond the number in the header
    let mut many = bytes.clone();
    let last = members(&bytes).last().unwrap().to_vec();
    for _ in 0..100_000 {
        many.extend(&last);
    }
    let text = to.import(&many).unwrap_err().to_string();
    assert!(text.contains("more than 5 members"), "{text}");
    assert!(to.is_empty());
}

#[test]
fn nothing_follows_and_members_are_ours() {
    use std::io::Write as _;
    let (from, to) = (space(), space());
    from.add(0, b"text", false);
    let bytes = from.export(&[path(0)]);
    let plain = |text: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    };
    let all: Vec<Vec<u8>> = members(&bytes).into_iter().map(<[u8]>::to_vec).collect();
    let mut dated = bytes.clone();
    dated[4] = 1;
    let mut doubled = all.clone();
    // two gzip members within the length of one
    doubled[1].extend(plain(b""));
    let length = doubled[1].len() as u64;
    doubled[1][16..24].copy_from_slice(&length.to_le_bytes());
    for (changed, expected) in [
        ([&bytes[..], b"\0"].concat(), "expected the start of a member"),
        ([&bytes[..], b"\x1f\x8b"].concat(), "ends in the header of a member"),
        ([&bytes[..], &[0; 1024]].concat(), "expected the start of a member"),
        ([&bytes[..], &plain(b"")].concat(), "expected the start of a member"),
        ([&plain(b"")[..], &bytes].concat(), "is not a file written by"),
        ([b"\0", &bytes[..]].concat(), "is not a file written by"),
        (dated, "is not a file written by"),
        (doubled.concat(), "bytes follow its checksum"),
    ] {
        let text = to.import(&changed).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}\nexpected: {expected}");
        assert!(to.is_empty());
    }
}

/// An export of one derivation's path with that tree, which is `size` bytes large.
fn derivation_export(derivation_path: &StorePath, tree: &[u8], size: u64) -> Vec<u8> {
    let header = header::Header {
        roots: [derivation_path.clone()].into(),
        paths: vec![header::Exported {
            path: derivation_path.clone(),
            tree: crate::hash::TreeHash([0; 32]),
            announced: crate::tree::Announced { entries: 1, size },
            references: std::collections::BTreeSet::new(),
            deriver: None,
            signatures: std::collections::BTreeSet::new(),
        }],
    };
    packed(&header, &[tree.to_vec()])
}

#[test]
fn a_derivation_is_one_plain_canonical_file() {
    use tar::EntryType as Type;
    let (good_path, good) = derivation::Identities::new().resolve(proofs::draft("tool")).unwrap();
    let bytes = good.to_bytes().unwrap();
    let root = format!("store/{}", good_path.base());
    let refused = |tree: Vec<u8>, size: u64| {
        let to = space();
        let text = to.import(&derivation_export(&good_path, &tree, size)).unwrap_err().to_string();
        assert!(to.is_empty());
        text
    };
    let outside = tempfile::tempdir().unwrap();
    let real = outside.path().join("real.drv");
    fs_err::write(&real, &bytes).unwrap();
    for target in ["/dev/zero", real.to_str().unwrap()] {
        let link = entry(Type::Symlink, &root, 0o777, target.as_bytes());
        let text = refused(link, target.len() as u64);
        assert!(text.contains("it is not a file"), "{text}");
    }
    let text = refused(entry(Type::Directory, &root, 0o555, b""), 0);
    assert!(text.contains("it is not a file"), "{text}");
    let text = refused(entry(Type::Fifo, &root, 0o444, b""), 0);
    assert!(text.contains("only files"), "{text}");
    let text = refused(Vec::new(), limits::DERIVATION + 1);
    assert!(text.contains("larger than the limit"), "{text}");
    let longer = [&bytes[..], b"x"].concat();
    let text = refused(entry(Type::Regular, &root, 0o444, &longer), longer.len() as u64);
    assert!(text.contains("1 bytes follow its end"), "{text}");
    // the right bytes in a file of another kind are another tree
    let text = refused(entry(Type::Regular, &root, 0o555, &bytes), bytes.len() as u64);
    assert!(text.contains("its tree has hash"), "{text}");
}

#[test]
fn a_derivation_tells_its_builder_its_own_outputs() {
    let (_, good) = derivation::Identities::new().resolve(proofs::draft("tool")).unwrap();
    for told in [Some("/clutch/store/elsewhere"), None] {
        let mut evil = good.clone();
        // which the paths of its outputs do not depend on
        match told {
            Some(told) => drop(evil.env.insert("out".to_owned(), told.as_bytes().to_vec())),
            None => drop(evil.env.remove("out")),
        }
        let path = evil.path().unwrap();
        let (from, to) = (space(), space());
        from.store.add_derivations(&[evil]).unwrap();
        let error = to.import(&from.export(&[path])).unwrap_err().to_string();
        assert!(error.contains("another path for output 'out'"), "{error}");
        assert!(to.is_empty());
    }
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
