//! Exports and the records of derivations in them. The laws: what is refused leaves the store as it was;
//! what is taken is whole, and exported again it is the same bytes; a record has one form.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Read as _, Write as _},
    os::unix::fs::symlink,
    path::Path,
};

use clutch::{
    cache::{self, Trust},
    derivation::{Derivation, Draft, DraftOutputs, Fixed, HashMode, Identities},
    hash::Algorithm,
    store::{Insertion, References, Store},
    store_path::StorePath,
};
use fs_err as fs;

/// A store of its own.
struct Space {
    folder: tempfile::TempDir,
    store: Store,
}

impl Space {
    fn new() -> Self {
        let shm = Path::new("/dev/shm");
        let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("clutch-fuzz-").tempdir_in(parent).unwrap();
        let store = Store::open(&folder.path().join("root")).unwrap();
        Self { folder, store }
    }

    fn export(&self, paths: &[StorePath]) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        cache::export(&self.store, paths, &mut out, &|_, _| {}).unwrap();
        out.into_inner()
    }

    /// Imports it. Nothing is left of what was refused.
    fn import(&self, file: &[u8], trust: Trust) -> Result<Vec<StorePath>, String> {
        let place = self.folder.path().join("file");
        fs::write(&place, file).unwrap();
        let done = cache::import(&self.store, &place, trust, &|_, _| {});
        let count = |inside: &str| fs::read_dir(self.store.root().join(inside)).unwrap().count();
        assert_eq!(count("var/tmp"), 0, "scratch is left");
        match done {
            Ok(imported) => {
                let verified = self.store.verify_all(&|_, _| {}).unwrap();
                assert!(verified.damages.is_empty(), "{:?}", verified.damages);
                Ok(imported.roots.into_iter().collect())
            }
            Err(error) => {
                assert_eq!((self.store.all().unwrap(), count("store")), (Vec::new(), 0));
                Err(error.to_string())
            }
        }
    }
}

/// Exports: as files, and as the contents of their members, each behind its length (32 bits,
/// little-endian). Of the latter, hashes of trees are set right.
pub fn export(data: &[u8]) {
    try_import(data);
    let Some(mut members) = unframed(data) else { return };
    for _ in 0..4 {
        let Some(error) = try_import(&deflated(&members)) else { return };
        let Some((found, said)) = hashes(&error) else { return };
        let header = &mut members[0];
        // as a text, and in version 1 as bytes
        let forms =
            [(found.as_bytes().to_vec(), said.as_bytes().to_vec()), (raw(found), raw(said))];
        let place = |said: &[u8]| header.windows(said.len()).position(|window| window == said);
        let known = forms.into_iter().find_map(|(found, said)| Some((place(&said)?, found)));
        let Some((at, found)) = known else { return };
        header[at..at + found.len()].copy_from_slice(&found);
    }
}

/// The error of an import that believes everything. One that believes nothing takes no more than that.
fn try_import(file: &[u8]) -> Option<String> {
    let strict = Space::new();
    let proved = strict.import(file, Trust::Nothing).ok();
    let space = Space::new();
    let roots = match space.import(file, Trust::Outputs) {
        Ok(roots) => roots,
        Err(error) => {
            assert!(proved.is_none(), "trust has refused it: {error}");
            return Some(error);
        }
    };
    super::taken();
    if !roots.is_empty() {
        let again = space.export(&roots);
        let (before, after) = (inflated(file), inflated(&again));
        // a deriver that is not there was not believed
        assert!(before[1..] == after[1..], "another form of the same closure was taken");
        let copy = Space::new();
        assert_eq!(copy.import(&again, Trust::Outputs), Ok(roots));
    }
    None
}

/// The hash of a tree and the one in the header, from the error that has both.
fn hashes(error: &str) -> Option<(&str, &str)> {
    let (_, rest) = error.split_once("its tree has hash ")?;
    let (found, said) = rest.split_once(", expected ")?;
    Some((found.get(..64)?, said.get(..64)?))
}

fn raw(digits: &str) -> Vec<u8> {
    clutch::hash::decode_base16(digits).unwrap_or_default()
}

fn unframed(mut data: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut members = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<4>() {
        let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
        members.push(rest[..length].to_vec());
        data = &rest[length..];
    }
    (members.len() > 1).then_some(members)
}

fn framed(members: &[Vec<u8>]) -> Vec<u8> {
    let frame = |member: &Vec<u8>| [&(member.len() as u32).to_le_bytes(), &member[..]].concat();
    members.iter().flat_map(frame).collect()
}

/// The contents of an export's members (docs/formats.md, "Export").
fn inflated(file: &[u8]) -> Vec<Vec<u8>> {
    let mut members = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[16..24].try_into().unwrap()) as usize;
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(&rest[..length]).read_to_end(&mut content).unwrap();
        members.push(content);
        rest = &rest[length..];
    }
    members
}

/// A file with such members.
fn deflated(members: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for member in members {
        let level = flate2::Compression::fast();
        let mut out = flate2::write::DeflateEncoder::new(Vec::new(), level);
        out.write_all(member).unwrap();
        let packed = out.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(member);
        file.extend(b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x0c\0CL\x08\0");
        file.extend((24 + packed.len() as u64 + 8).to_le_bytes());
        file.extend(packed);
        file.extend(crc.sum().to_le_bytes());
        file.extend(crc.amount().to_le_bytes());
    }
    file
}

/// Records of derivations.
pub fn drv(data: &[u8]) {
    let Ok(derivation) = Derivation::from_bytes(data) else { return };
    assert_eq!(derivation.to_bytes().unwrap(), data, "another form of the same derivation");
    assert!(derivation.path().unwrap().is_derivation());
    // whether its outputs' paths follow from it or not
    let _ = Identities::new().learn(&derivation);
    super::taken();
}

fn draft(name: &str, outputs: DraftOutputs, sources: BTreeSet<StorePath>) -> Draft {
    Draft {
        name: name.to_owned(),
        system: "builtin".to_owned(),
        builder: b"builtin:text".to_vec(),
        args: vec![b"-c".to_vec(), b"\xff".to_vec()],
        env: BTreeMap::from([("text".to_owned(), b"words".to_vec())]),
        structured: (name == "structured").then(|| "{}".to_owned()),
        outputs,
        input_derivations: BTreeMap::new(),
        input_sources: sources,
    }
}

fn derivations() -> Vec<Derivation> {
    let hash = Algorithm::Sha256.digest(b"fixed");
    let fixed = DraftOutputs::Fixed(Fixed { mode: HashMode::Flat, hash });
    let named =
        |names: &[&str]| DraftOutputs::Named(names.iter().map(|n| (*n).to_owned()).collect());
    let source = StorePath::new(&[7; 20], "source").unwrap();
    let mut known = Identities::new();
    let mut resolve = |draft| known.resolve(draft).unwrap();
    let (path, first) = resolve(draft("fixed", fixed, BTreeSet::new()));
    let (_, second) = resolve(draft("structured", named(&["out", "doc"]), [source].into()));
    let above = draft("above", named(&["out"]), BTreeSet::new());
    let inputs = BTreeMap::from([(path, BTreeSet::from(["out".to_owned()]))]);
    let (_, third) = resolve(Draft { input_derivations: inputs, ..above });
    vec![first, second, third]
}

/// Seeds of [`drv`].
pub fn drvs() -> Vec<Vec<u8>> {
    derivations().iter().map(|derivation| derivation.to_bytes().unwrap()).collect()
}

/// Seeds of [`export`].
pub fn exports() -> Vec<Vec<u8>> {
    let space = Space::new();
    let store = &space.store;
    let put = |path: StorePath, text: &str, references: &[StorePath]| {
        let scratch = store.scratch().unwrap();
        let source = scratch.path().join("tree");
        fs::write(&source, text).unwrap();
        let references = References::Known(references.iter().cloned().collect());
        let (deriver, expected) = (None, None);
        let insertion = Insertion {
            path: path.clone(),
            source: source.into(),
            references,
            deriver,
            expected,
            signatures: BTreeSet::new(),
        };
        store.insert(vec![insertion]).unwrap();
        path
    };
    let tree = space.folder.path().join("tree");
    fs::create_dir_all(tree.join("a/b")).unwrap();
    fs::write(tree.join("a/b/file"), "some text").unwrap();
    fs::write(tree.join("a-c"), "").unwrap();
    fs::write(tree.join("n".repeat(120)), "a long name").unwrap();
    symlink("a/b/file", tree.join("link")).unwrap();
    symlink("../".repeat(40), tree.join("long")).unwrap();
    let source = store.add_source("source", &tree, &mut |_, _| true).unwrap();
    let text =
        store.add_text("text", source.to_string().as_bytes(), [source.clone()].into()).unwrap();
    let built = StorePath::new(&[9; 20], "built").unwrap();
    let built = put(built, &format!("it needs {text}"), std::slice::from_ref(&text));
    let fixed = derivations().remove(0);
    let output = put(fixed.outputs["out"].path.clone(), "fixed", &[]);
    let record = store.add_derivations(&[fixed]).unwrap().remove(0);
    let files = [vec![built.clone()], vec![output, record], vec![text, built], vec![source]];
    let files: Vec<Vec<u8>> = files.iter().map(|paths| space.export(paths)).collect();
    let members = files.iter().map(|file| framed(&inflated(file)));
    files.iter().cloned().chain(members).collect()
}
