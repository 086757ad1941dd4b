//! An exported path comes back unchanged; a file that is not a canonical export is refused and leaves
//! nothing.

mod hostile;
mod proofs;

use std::{
    collections::BTreeSet,
    io::Cursor,
    os::unix::fs::{PermissionsExt, symlink},
};

use proptest::{collection, prelude::*};
use tempfile::TempDir;

use super::*;
use crate::{
    store::{Insertion, PathInfo, References, Signature, Store},
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
    /// Adds a tree with one file of that text, and other entries if asked; it refers to the paths
    /// before it and, except for the first, to itself.
    fn add(&self, n: u8, text: &[u8], rich: bool) -> StorePath {
        let scratch = self.store.scratch().unwrap();
        let source = scratch.path().join("tree");
        let first = n.saturating_sub(2);
        let references = if n == 0 { 0..0 } else { first..n + 1 };
        let references: BTreeSet<_> = references.map(path).collect();
        let named: String = references.iter().map(|path| format!("\n{path}")).collect();
        let text = [text, named.as_bytes()].concat();
        if rich {
            let long = "a folder with a long name ".repeat(5);
            fs_err::create_dir_all(source.join("sub").join(&long)).unwrap();
            fs_err::write(source.join("sub").join(&long).join("file"), &text).unwrap();
            fs_err::write(source.join("sub-file"), "behind sub/").unwrap();
            fs_err::write(source.join("run"), &text).unwrap();
            fs_err::set_permissions(source.join("run"), PermissionsExt::from_mode(0o755)).unwrap();
            symlink("../a//./b/".repeat(20), source.join("link")).unwrap();
            symlink("sub/./x/", source.join("short")).unwrap();
        } else {
            fs_err::write(&source, &text).unwrap();
        }
        let path = path(n);
        let insertion = Insertion {
            path: path.clone(),
            source: source.into(),
            references: References::Known(references),
            deriver: None,
            expected: None,
            signatures: BTreeSet::new(),
        };
        self.store.insert(vec![insertion]).unwrap();
        path
    }

    fn export(&self, paths: &[StorePath]) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        export(&self.store, paths, &mut out, &|_, _| {}).unwrap();
        out.into_inner()
    }

    /// Accepts unproved content.
    fn import(&self, bytes: &[u8]) -> Result<Imported, TransferError> {
        self.import_with(bytes, Trust::Outputs)
    }

    fn import_with(&self, bytes: &[u8], trust: Trust) -> Result<Imported, TransferError> {
        let file = self.dir.path().join("file");
        fs_err::write(&file, bytes).unwrap();
        import(&self.store, &file, trust, &|_, _| {})
    }

    /// The path's info without the time.
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
    // the last holds the first, but says that it refers to the two before it and itself, as `add` does
    for n in 0..3 {
        from.add(n, b"alone", false);
    }
    from.add(3, path(0).to_string().as_bytes(), false);
    let bytes = from.export(&[path(0), path(3)]);
    let error = to.import(&bytes).unwrap_err().to_string();
    assert!(error.contains("does not list") && error.contains("path-0"), "{error}");
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
    let found = crate::tree::measure(&target.join("store").join(path(0).base())).unwrap();
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
            // for example the bits between the end of a deflate stream and the next whole byte
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
    assert!(refused(&[0, 1, 3]).contains("it has 3 members, expected 4"));
    assert!(refused(&[0, 1, 2, 3, 3]).contains("more than 4 members"));
    assert!(refused(&[0, 1, 3, 2]).contains("expected 1024 zeros"));
    assert!(refused(&[1, 0, 2, 3]).contains("expected one file 'export'"));
}

/// An export with that header whose members are these entries.
fn packed(header: &header::Header, trees: &[Vec<u8>]) -> Vec<u8> {
    use std::io::Write;
    let mut members = gzip::Members::new(Cursor::new(Vec::new()));
    crate::tree::pack_bytes(header::ENTRY, &header.to_bytes().unwrap(), &mut members).unwrap();
    members.end().unwrap();
    for tree in trees {
        members.write_all(tree).unwrap();
        members.end().unwrap();
    }
    crate::tree::pack_end(&mut members).unwrap();
    members.end().unwrap();
    members.finish().unwrap().into_inner()
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

#[test]
fn signatures_travel_as_long_as_they_say_what_is_known() {
    let [from, to] = [(); 2].map(|()| space());
    from.add(0, b"some text", false);
    let signature = Signature { key: "ci-1".to_owned(), bytes: [7; 64] };
    let scratch = from.store.scratch().unwrap();
    let sources: Vec<_> = ["plain", "made"].map(|name| scratch.path().join(name)).into();
    let [plain, made] = [path(1), path(2)];
    for (source, path) in sources.iter().zip([&plain, &made]) {
        fs_err::write(source, path.name()).unwrap();
        let insertion = Insertion {
            path: path.clone(),
            source: source.clone().into(),
            references: References::Known(BTreeSet::new()),
            // the importing store cannot check the deriver
            deriver: (path == &made).then(|| StorePath::new(&[9; 20], "made.drv").unwrap()),
            expected: None,
            signatures: [signature.clone()].into(),
        };
        from.store.insert(vec![insertion]).unwrap();
    }
    let nar = from.store.nar(&plain).unwrap();
    assert_eq!(from.store.info(&plain).unwrap().unwrap().nar, Some(nar));
    to.import(&from.export(&[plain.clone(), made.clone()])).unwrap();
    let known = |path| to.store.info(path).unwrap().unwrap();
    assert_eq!(known(&plain).signatures, [signature].into());
    assert_eq!((known(&made).deriver, known(&made).signatures), (None, BTreeSet::new()));
    assert_eq!(known(&plain).nar, None, "it is computed, not believed");
}
