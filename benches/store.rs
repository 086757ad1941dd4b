//! The store under load: `cargo bench --bench store`. Stores are made in `/dev/shm` if there is
//! one, so that the figures are those of the program and not of a disk; `CLUTCH_BENCH_DIR` names
//! another place.

#![allow(missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use clutch::{
    cache, closure,
    derivation::{Derivation, Draft, DraftOutputs, Identities},
    store::{Insertion, References, Store},
    store_path::StorePath,
    tree,
};
use divan::{Bencher, counter::BytesCount};
use tempfile::TempDir;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

fn folder() -> TempDir {
    let place = std::env::var_os("CLUTCH_BENCH_DIR").map(PathBuf::from);
    let place = place.unwrap_or_else(|| "/dev/shm".into());
    if place.is_dir() { tempfile::tempdir_in(place) } else { tempfile::tempdir() }.unwrap()
}

fn store() -> (TempDir, Store) {
    let dir = folder();
    let store = Store::open(&dir.path().join("root")).unwrap();
    (dir, store)
}

/// Bytes that look like programs: some text, some noise.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state % 3 {
            0 => out.extend_from_slice(b"def function(argument): return "),
            _ => out.extend_from_slice(&state.to_le_bytes()),
        }
    }
    out.truncate(length);
    out
}

/// A tree of that many files with that many bytes in all.
fn tree(at: &Path, files: usize, size: usize) {
    for n in 0..files {
        let folder = at.join(format!("{}/{}", n % 20, n / 20 % 20));
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join(n.to_string()), bytes(size / files, n as u64)).unwrap();
    }
}

const GIB: usize = 1 << 30;

#[divan::bench(sample_count = 5, sample_size = 1)]
fn hash_1_gib_of_20_000_files(bencher: Bencher<'_, '_>) {
    let dir = folder();
    tree(&dir.path().join("tree"), 20_000, GIB);
    bencher
        .counter(BytesCount::new(GIB))
        .bench(|| tree::measure(&dir.path().join("tree")).unwrap());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn add_1_gib_of_20_000_files(bencher: Bencher<'_, '_>) {
    let dir = folder();
    tree(&dir.path().join("tree"), 20_000, GIB);
    bencher.counter(BytesCount::new(GIB)).with_inputs(store).bench_local_refs(|(_, store)| {
        store.add_source("tree", &dir.path().join("tree"), &mut |_, _| true).unwrap()
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn insert_and_scan_256_mib_of_20_000_files(bencher: Bencher<'_, '_>) {
    let candidates: Vec<StorePath> = (0..200).map(|n| path(n, 1)).collect();
    bencher
        .counter(BytesCount::new(GIB / 4))
        .with_inputs(|| {
            let (dir, store) = store();
            let scratch = store.scratch().unwrap();
            tree(&scratch.path().join("tree"), 20_000, GIB / 4);
            (dir, store, scratch)
        })
        .bench_local_refs(|(_, store, scratch)| {
            let insertion = Insertion {
                path: path(0, 0),
                source: scratch.path().join("tree").into(),
                references: References::Scan(candidates.clone()),
                deriver: None,
                expected: None,
                signatures: BTreeSet::new(),
            };
            store.insert(vec![insertion]).unwrap()
        });
}

/// The work of the store for 300 trivial builds.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn insert_300_small_paths_one_by_one(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(store).bench_local_refs(|(_, store)| {
        for n in 0..300 {
            let scratch = store.scratch().unwrap();
            let source = scratch.path().join("out");
            fs_err::write(&source, b"hello").unwrap();
            let references = References::Scan(Vec::new());
            let path = path(n, 2);
            let insertion = Insertion {
                path,
                source: source.into(),
                references,
                deriver: None,
                expected: None,
                signatures: BTreeSet::new(),
            };
            store.insert(vec![insertion]).unwrap();
        }
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn verify_1_gib_of_20_000_files(bencher: Bencher<'_, '_>) {
    let (dir, store) = store();
    tree(&dir.path().join("tree"), 20_000, GIB);
    let path = store.add_source("tree", &dir.path().join("tree"), &mut |_, _| true).unwrap();
    fs_err::remove_dir_all(dir.path().join("tree")).unwrap();
    bencher
        .counter(BytesCount::new(GIB))
        .bench(|| store.verify(std::slice::from_ref(&path), &|_| {}).unwrap());
}

fn drafts(count: usize) -> Vec<Derivation> {
    let mut ids = Identities::new();
    let mut paths: Vec<StorePath> = Vec::new();
    let mut all = Vec::new();
    for n in 0..count {
        let inputs: BTreeSet<usize> = (1..4).filter(|k| n >= k * k).map(|k| n - k * k).collect();
        let out = || BTreeSet::from(["out".to_owned()]);
        let draft = Draft {
            name: format!("package-{n}"),
            system: "x86_64-linux".to_owned(),
            builder: b"/clutch/store/00000000000000000000000000000000-sh/bin/sh".to_vec(),
            args: vec![b"-c".to_vec(), b"mkdir $out; cp -r $src $out/share".to_vec()],
            env: BTreeMap::from([("description".to_owned(), bytes(300, n as u64))]),
            structured: None,
            outputs: DraftOutputs::Named(out()),
            input_derivations: inputs.into_iter().map(|n| (paths[n].clone(), out())).collect(),
            input_sources: BTreeSet::new(),
        };
        let (path, derivation) = ids.resolve(draft).unwrap();
        paths.push(path);
        all.push(derivation);
    }
    all
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn identity_of_5_000_derivations(bencher: Bencher<'_, '_>) {
    bencher.bench(|| drafts(5_000));
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn add_5_000_derivations(bencher: Bencher<'_, '_>) {
    let all = drafts(5_000);
    bencher.with_inputs(store).bench_local_refs(|(_, store)| store.add_derivations(&all).unwrap());
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn add_5_000_derivations_again(bencher: Bencher<'_, '_>) {
    let all = drafts(5_000);
    let (_dir, store) = store();
    store.add_derivations(&all).unwrap();
    bencher.bench(|| store.add_derivations(&all).unwrap());
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn closure_of_5_000_paths(bencher: Bencher<'_, '_>) {
    let all = drafts(5_000);
    let (_dir, store) = store();
    let paths = store.add_derivations(&all).unwrap();
    bencher.bench(|| closure::requisites(&store, &paths[4_999..]).unwrap());
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn export_256_mib(bencher: Bencher<'_, '_>) {
    let (dir, store, paths) = many();
    bencher.counter(BytesCount::new(GIB / 4)).bench(|| {
        let file = fs_err::File::create(dir.path().join("export")).unwrap();
        cache::export(&store, &paths, file, &|_, _| {}).unwrap();
    });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn import_256_mib(bencher: Bencher<'_, '_>) {
    let (dir, from, paths) = many();
    let file = dir.path().join("export");
    let out = fs_err::File::create(&file).unwrap();
    cache::export(&from, &paths, out, &|_, _| {}).unwrap();
    bencher.counter(BytesCount::new(GIB / 4)).with_inputs(store).bench_local_refs(|(_, store)| {
        cache::import(store, &file, cache::Trust::Outputs, &|_, _| {}).unwrap()
    });
}

/// Ten paths of 1,000 files each.
fn many() -> (TempDir, Store, Vec<StorePath>) {
    let (dir, store) = store();
    let paths = (0..10).map(|n| {
        let at = dir.path().join(n.to_string());
        tree(&at, 1_000 + n, GIB / 40);
        store.add_source("tree", &at, &mut |_, _| true).unwrap()
    });
    let paths = paths.collect();
    (dir, store, paths)
}

fn path(n: u32, salt: u8) -> StorePath {
    let mut digest = [salt; 20];
    digest[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_le_bytes());
    StorePath::new(&digest, "candidate").unwrap()
}
