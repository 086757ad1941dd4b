//! How fast archives become folders: a wheel of many small files, one of a few large files, a .deb.
//! `cargo bench --bench unpack`.

use std::{
    io::{Cursor, Read as _, Write as _},
    path::{Path, PathBuf},
};

use clutch::{
    builders::unpack::{Strip, unpack},
    unpack::zip_file::Zip,
};
use divan::{Bencher, counter::BytesCount};
use fs_err as fs;

fn main() {
    divan::main();
}

/// Text that compresses about as well as source code: words of a small vocabulary, the first ones
/// more often, in indented lines, by a fixed sequence.
fn text(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut random = move |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut out = Vec::with_capacity(size + 64);
    while out.len() < size {
        let place = random(400) * random(400) / 400;
        let _ = match random(8) {
            0 => write!(out, "\n        self.name_{place:x} = "),
            1 => write!(out, "(value_{place:x}, "),
            _ => write!(out, "word{:x} ", place * 2_654_435),
        };
    }
    out.truncate(size);
    out
}

fn scratch() -> tempfile::TempDir {
    let place =
        if Path::new("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).expect("a scratch folder")
}

fn wheel(dir: &Path, files: usize, size: usize) -> PathBuf {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for n in 0..files {
        let name = format!("package/part{}/module{n}.py", n % 20);
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("an entry");
        zip.write_all(&text(n as u64, size)).expect("its content");
    }
    let path = dir.join("a-1-py3-none-any.whl");
    fs::write(&path, zip.finish().expect("an archive").into_inner()).expect("a file");
    path
}

/// Unpacks into a new folder each time; removing the old one is not counted.
fn bench_unpack(bencher: Bencher, archive: &Path, bytes: usize) {
    let out = scratch();
    bencher
        .counter(BytesCount::new(bytes))
        .with_inputs(|| {
            let place = out.path().join("out");
            // there is none before the first round
            let _ = fs::remove_dir_all(&place);
            place
        })
        .bench_values(|place| {
            let archive = fs_err::File::open(archive).expect("a file");
            unpack(&archive, None, Strip::Parts(0), &place, &|| false).expect("it unpacks");
        });
}

#[divan::bench(sample_count = 20)]
fn wheel_of_2000_small_files(bencher: Bencher) {
    let dir = scratch();
    bench_unpack(bencher, &wheel(dir.path(), 2000, 12_000), 2000 * 12_000);
}

#[divan::bench(sample_count = 20)]
fn wheel_of_8_large_files(bencher: Bencher) {
    let dir = scratch();
    bench_unpack(bencher, &wheel(dir.path(), 8, 8 << 20), 8 * (8 << 20));
}

#[divan::bench(sample_count = 20)]
fn inflate_only(bencher: Bencher) {
    let dir = scratch();
    let zip = Zip::open_wheel(&fs_err::File::open(wheel(dir.path(), 8, 8 << 20)).expect("a file"))
        .expect("it opens");
    bencher.counter(BytesCount::new(8 * (8 << 20) as usize)).bench(|| {
        zip.entries().iter().map(|entry| zip.read(entry).expect("it inflates").len()).sum::<usize>()
    });
}

#[divan::bench(sample_count = 20)]
fn deb_with_xz(bencher: Bencher) {
    let mut tar = tar::Builder::new(Vec::new());
    let (files, size) = (500, 20_000);
    for n in 0..files {
        let mut header = tar::Header::new_gnu();
        header.set_size(size as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("./usr/lib/p/f{n}"), &text(n, size)[..])
            .expect("an entry");
    }
    let mut data = Vec::new();
    let tar = tar.into_inner().expect("a tar");
    liblzma::read::XzEncoder::new(&tar[..], 6).read_to_end(&mut data).expect("xz");
    let mut control = tar::Builder::new(Vec::new());
    let text = b"Package: x\nVersion: 1\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    control.append_data(&mut header, "./control", &text[..]).expect("an entry");
    let control = control.into_inner().expect("a tar");
    let mut deb = b"!<arch>\n".to_vec();
    let members =
        [("debian-binary", &b"2.0\n"[..]), ("control.tar", &control), ("data.tar.xz", &data)];
    for (name, content) in members {
        let head = format!("{name:<16}0           0     0     100644  {:<10}`\n", content.len());
        deb.extend(head.bytes().chain(content.iter().copied()));
        deb.resize(deb.len().next_multiple_of(2), b'\n');
    }
    let dir = scratch();
    let path = dir.path().join("x.deb");
    fs::write(&path, deb).expect("a file");
    bench_unpack(bencher, &path, files as usize * size);
}
