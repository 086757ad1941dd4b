//! Archives: zip, tar, Debian packages and wheels. The laws: nothing outside the destination is read or
//! written; what unpacks holds regular files, folders and links that stay inside, and is the same the
//! next time.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Component, Path, PathBuf},
};

use clutch::{
    build::{
        sandbox::Request,
        task::{Task, TaskError},
    },
    builders::{
        prefix,
        unpack::{Format, Strip, unpack},
    },
    derivation::{Derivation, Output},
    inputs::Inputs,
    python,
    store_path::StorePath,
    tree::{Listing, NodeKind, measure},
};
use fs_err as fs;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A folder with an archive in it, and what must not be touched beside it.
struct Space(tempfile::TempDir);

impl Space {
    fn new(archive: &[u8]) -> Self {
        let shm = Path::new("/dev/shm");
        let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let dir = tempfile::Builder::new().prefix("clutch-fuzz-").tempdir_in(parent).unwrap();
        let space = Self(dir);
        fs::write(space.at("archive"), archive).unwrap();
        fs::create_dir(space.at("beside")).unwrap();
        fs::write(space.at("beside/file"), "untouched").unwrap();
        symlink("beside", space.at("link")).unwrap();
        space
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes something in the folder that this names, which the archive's links may not leave. What is
    /// beside it is as before, whether that went well or not.
    fn make<E>(&self, make: impl Fn(&Path) -> Result<(), E>) -> Option<PathBuf> {
        let before = measure(self.0.path()).unwrap().hash;
        let out = self.at("out");
        let made = make(&out).is_ok();
        if made {
            links_stay_inside(&out);
        }
        let folder = self.at("made");
        // out of the way, whatever it is
        let there = fs::rename(&out, &folder).is_ok();
        if there {
            let aside = tempfile::tempdir_in(self.0.path().parent().unwrap()).unwrap();
            fs::rename(&folder, aside.path().join("out")).unwrap();
            assert_eq!(measure(self.0.path()).unwrap().hash, before, "something beside it changed");
            fs::rename(aside.path().join("out"), &folder).unwrap();
        } else {
            assert_eq!(measure(self.0.path()).unwrap().hash, before, "something beside it changed");
        }
        if made {
            super::taken();
        }
        made.then_some(folder)
    }

    /// Makes it twice; it is the same.
    fn make_twice<E>(&self, make: impl Fn(&Path) -> Result<(), E>) -> Option<PathBuf> {
        let hash = |place: PathBuf| {
            let hash = measure(&place).expect("only files, folders and links").hash;
            fs::remove_dir_all(place).unwrap();
            hash
        };
        let first = self.make(&make).map(hash);
        self.clear();
        let place = self.make(&make);
        assert_eq!(place.clone().map(|place| measure(&place).unwrap().hash), first);
        place
    }

    fn clear(&self) {
        let _ = fs::remove_dir_all(self.at("made"));
    }
}

/// Every link leads to a place in the tree, whatever it goes through.
fn links_stay_inside(root: &Path) {
    let listing = Listing::read(root).expect("only files, folders and links");
    for node in listing.nodes().iter().filter(|node| node.kind == NodeKind::Symlink) {
        let name = listing.relative(node);
        let target = fs::read_link(&node.path).unwrap();
        assert!(follow(root, name, 0), "'{}' -> '{}' leaves", name.display(), target.display());
    }
}

/// Follows a path by hand; false if it leaves the root. Circles and what is not there stay inside.
fn follow(root: &Path, name: &Path, depth: usize) -> bool {
    if depth > 40 {
        return true;
    }
    let mut at = PathBuf::new();
    let mut parts = name.components();
    while let Some(part) = parts.next() {
        match part {
            Component::Normal(part) => at.push(part),
            Component::CurDir => continue,
            Component::ParentDir if at.pop() => continue,
            _ => return false,
        }
        if let Ok(target) = fs::read_link(root.join(&at)) {
            at.pop();
            return follow(root, &at.join(target).join(parts.as_path()), depth + 1);
        }
    }
    true
}

fn unpack_as(data: &[u8], format: Format, links_inside: bool) {
    for strip in [Strip::Parts(0), Strip::Parts(1), Strip::Auto] {
        let space = Space::new(data);
        let make = |out: &Path| {
            unpack(&fs::File::open(space.at("archive")).unwrap(), Some(format), strip, out, &|| {
                false
            })
        };
        if links_inside {
            space.make_twice(make);
        } else {
            // a package's links are those of a whole system
            if make(&space.at("out")).is_ok() {
                super::taken();
            }
        }
    }
}

/// Zip archives. If central directory and local headers disagree the archive is refused, so the same is tried with
/// the local ones set right.
pub fn zip(data: &[u8]) {
    unpack_as(data, Format::Zip, true);
    if let Some(mended) = mended_zip(data) {
        unpack_as(&mended, Format::Zip, true);
    }
}

/// Tar streams, compressed or not; also with the sums of their headers set right.
pub fn tar(data: &[u8]) {
    unpack_as(data, Format::Tar, true);
    if let Some(mended) = mended_tar(data) {
        unpack_as(&mended, Format::Tar, true);
    }
}

/// Debian packages: as they are, and as a prefix, whose links all stay inside.
pub fn deb(data: &[u8]) {
    for data in [Some(data.to_vec()), mended_tar(data)].into_iter().flatten() {
        unpack_as(&data, Format::Deb, false);
        let space = Space::new(&data);
        let deb = path(1, "x.deb");
        let attributes = json!({
            "revision": prefix::REVISION, "debs": [deb.to_string(), deb.to_string()],
        });
        space.make_twice(|out| run(&space, &deb, &attributes, out, &prefix::build));
    }
}

/// Wheels: what is installed is what the RECORD says that is written; no byte code of others is, and what
/// describes it can be read again.
pub fn wheel(data: &[u8]) {
    for data in [Some(data.to_vec()), mended_zip(data)].into_iter().flatten() {
        for record in ["strict", "lenient"] {
            let space = Space::new(&data);
            let source = path(1, "demo.whl");
            let attributes = json!({
                "wheel": source.to_string(), "file": "demo-1.0-py3-none-any.whl",
                "interpreter": path(2, "python").to_string(), "record": record,
            });
            let install =
                |out: &Path| run(&space, &source, &attributes, out, &python::wheel::build);
            if let Some(made) = space.make_twice(install) {
                record_is_true(&made);
                it_is_installed_whole(&made);
            }
        }
    }
}

/// The RECORD lists every file with its hash and size, and nothing else.
fn record_is_true(made: &Path) {
    let library = made.join("lib/python3.11/site-packages");
    let infos: Vec<_> = fs::read_dir(&library)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "dist-info"))
        .collect();
    let [info] = &infos[..] else { panic!("{infos:?}") };
    let text = fs::read(info.join("RECORD")).unwrap();
    let rows = python::wheel::record::parse(&text).expect("a RECORD");
    let mut listed = BTreeMap::new();
    for row in rows {
        let file = library.join(&row.path);
        let inside = std::path::absolute(fs::canonicalize(file).unwrap()).unwrap();
        listed.insert(inside, row);
    }
    let root = fs::canonicalize(made).unwrap();
    let listing = Listing::read(&root).unwrap();
    for node in listing.nodes().iter().filter(|node| node.kind != NodeKind::Directory) {
        assert_eq!(node.kind, NodeKind::File, "{}", node.path.display());
        let row = listed.remove(&node.path).unwrap_or_else(|| panic!("{}", node.path.display()));
        let content = fs::read(&node.path).unwrap();
        if !row.hash.is_empty() {
            let sum = Sha256::digest(&content).into();
            assert_eq!(
                row,
                python::wheel::record::Row::of(row.path.clone(), &sum, content.len() as u64)
            );
        }
    }
    assert!(listed.is_empty(), "{listed:?}");
}

/// The properties that an environment relies on: the description, programs with names that are its own, files that
/// everybody can read and nobody gains rights by.
fn it_is_installed_whole(made: &Path) {
    let library = made.join("lib/python3.11/site-packages");
    let info = library.join("demo-1.0.dist-info");
    let read = |leaf: &str| fs::read(info.join(leaf));
    assert_eq!(read("INSTALLER").unwrap(), b"clutch\n");
    let headers = python::wheel::headers::Headers::parse(&read("METADATA").unwrap()).unwrap();
    assert!(headers.one("name").unwrap().eq_ignore_ascii_case("demo"), "{headers:?}");
    let version = headers.one("version").unwrap().parse::<python::version::Version>();
    assert_eq!(version.unwrap(), "1.0".parse().unwrap());
    if let Ok(points) = read("entry_points.txt") {
        python::wheel::entry_points::scripts(&points).unwrap();
    }
    let listing = Listing::read(made).unwrap();
    for node in listing.nodes() {
        let name = listing.relative(node).to_str().expect("UTF-8");
        // the interpreter of these tests compiles nothing
        assert!(name.split('/').all(|part| !part.eq_ignore_ascii_case("__pycache__")), "{name}");
        let beside = name.strip_suffix(".pyc").map(|stem| made.join(format!("{stem}.py")));
        assert!(!beside.is_some_and(|source| source.exists()), "{name}");
        let mode = fs::symlink_metadata(&node.path).unwrap().permissions().mode() & 0o7777;
        assert!(matches!(mode, 0o644 | 0o755), "{name}: {mode:o}");
        let program = name.strip_prefix("bin/");
        assert!(program.is_none_or(|p| python::wheel::entry_points::program_name(p).is_ok()));
    }
}

fn path(number: u8, name: &str) -> StorePath {
    StorePath::new(&[number; 20], name).unwrap()
}

/// Runs a builder inside the binary on the archive, which is the input `source`.
fn run(
    space: &Space,
    source: &StorePath,
    attributes: &Value,
    out: &Path,
    builder: &dyn Fn(&Task<'_>) -> Result<(), TaskError>,
) -> Result<(), TaskError> {
    let work = tempfile::tempdir_in(space.0.path().parent().unwrap()).unwrap();
    let (store, scratch) = (work.path().join("store"), work.path().join("scratch"));
    let interpreter = path(2, "python");
    fs::create_dir_all(store.join(interpreter.base()).join("bin")).unwrap();
    fs::write(store.join(interpreter.base()).join("bin/python3.11"), "").unwrap();
    fs::create_dir(&scratch).unwrap();
    fs::copy(space.at("archive"), store.join(source.base())).unwrap();
    let derivation = Derivation {
        name: "made".into(),
        system: "builtin".into(),
        builder: b"builtin:test".to_vec(),
        args: Vec::new(),
        env: BTreeMap::new(),
        structured: Some(attributes.to_string()),
        outputs: [("out".to_owned(), Output { path: path(9, "made"), fixed: None })].into(),
        input_derivations: BTreeMap::new(),
        input_sources: Default::default(),
    };
    let inputs = [source.clone(), interpreter];
    builder(&Task {
        derivation: &derivation,
        outputs: &[("out".to_owned(), out.to_owned())].into(),
        scratch: &scratch,
        inputs: Inputs::new(&store, &inputs),
        graph: &|_| unreachable!("no builder asks for it"),
        sandbox: &compile_nothing,
        network: None,
        log: &|_| {},
        progress: &|_, _| {},
        cancelled: &|| false,
    })
}

/// In the place of the interpreter that compiles byte code: refuses every file.
fn compile_nothing(request: &Request) -> Result<(), TaskError> {
    let job = request.binds.iter().find(|bind| bind.inside == Path::new("/build/job"));
    let job = &job.expect("what is compiled is bound").host;
    let files = fs::read(job.join("list"))?.iter().filter(|byte| **byte == 0).count();
    let workers = String::from_utf8_lossy(request.args.last().expect("how many")).into_owned();
    for worker in 0..workers.parse().expect("a number") {
        let mut answer = Vec::new();
        for file in (0..files as u32).filter(|_| worker == 0) {
            answer.extend(file.to_le_bytes());
            answer.extend([0, 0, 0, 0, 0]);
        }
        fs::write(job.join(format!("out/{worker}")), answer)?;
    }
    Ok(())
}

/// With the sums of all tar headers set right; nothing if they are right.
fn mended_tar(data: &[u8]) -> Option<Vec<u8>> {
    let mut mended = data.to_vec();
    let marks = data.windows(5).enumerate().filter(|(_, window)| window == b"ustar");
    for start in marks.filter_map(|(at, _)| at.checked_sub(257)) {
        let Some(header) = mended.get_mut(start..start + 512) else { continue };
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    (mended != data).then_some(mended)
}

/// With local headers that say what the central directory says, and the CRC of stored content set
/// right; nothing if they do.
fn mended_zip(data: &[u8]) -> Option<Vec<u8>> {
    let mut mended = data.to_vec();
    let marks: Vec<_> = data.windows(4).enumerate().filter(|(_, w)| w == b"PK\x01\x02").collect();
    for (central, _) in marks {
        let number = |bytes: &[u8], at: usize, length: usize| {
            let bytes = bytes.get(at..at + length)?;
            Some(bytes.iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte)))
        };
        let mend = |mended: &mut Vec<u8>| -> Option<()> {
            let local = number(mended, central + 42, 4)?;
            if mended.get(local..local + 4)? != b"PK\x03\x04" {
                return None;
            }
            let name = number(mended, central + 28, 2)?.min(number(mended, local + 26, 2)?);
            let start =
                local + 30 + number(mended, local + 26, 2)? + number(mended, local + 28, 2)?;
            let (packed, size) =
                (number(mended, central + 20, 4)?, number(mended, central + 24, 4)?);
            if number(mended, central + 10, 2)? == 0 && packed == size {
                let mut crc = flate2::Crc::new();
                crc.update(mended.get(start..start.checked_add(size)?)?);
                mended
                    .get_mut(central + 16..central + 20)?
                    .copy_from_slice(&crc.sum().to_le_bytes());
            }
            // flags, method, time, CRC, sizes; then the name
            let common = mended.get(central + 8..central + 28)?.to_vec();
            mended.get_mut(local + 6..local + 26)?.copy_from_slice(&common);
            let name = mended.get(central + 46..central + 46 + name)?.to_vec();
            mended.get_mut(local + 30..local + 30 + name.len())?.copy_from_slice(&name);
            Some(())
        };
        let _ = mend(&mut mended);
    }
    (mended != data).then_some(mended)
}

/// An entry of a zip: name, Unix mode, content.
type File<'a> = (&'a str, u32, &'a [u8]);

fn zip_of(files: &[File<'_>], method: zip::CompressionMethod) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in files {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(method)
            .unix_permissions(*mode);
        match mode & 0o170_000 {
            0o120_000 => {
                let target = std::str::from_utf8(content).unwrap();
                out.add_symlink(*name, target, options).unwrap();
            }
            0o040_000 => out.add_directory(*name, options).unwrap(),
            _ => {
                out.start_file(*name, options).unwrap();
                out.write_all(content).unwrap();
            }
        }
    }
    out.finish().unwrap().into_inner()
}

/// Seeds of [`zip`].
pub fn zips() -> Vec<Vec<u8>> {
    use zip::CompressionMethod::{Deflated, Stored};
    let files: &[File<'_>] = &[
        ("p/", 0o040_755, b""),
        ("p/a", 0o100_644, b"some text some text some text some text"),
        ("p/bin/run", 0o100_755, b"#!/bin/sh\n"),
        ("p/l", 0o120_777, b"bin/run"),
        ("p/bin/m", 0o120_777, b"../a"),
    ];
    let links: &[File<'_>] =
        &[("a/b", 0o120_777, b"../c"), ("c/d", 0o100_644, b"x"), ("a/e", 0o120_777, b"b/d")];
    [files, &files[1..2], links, &[]]
        .iter()
        .flat_map(|files| [zip_of(files, Stored), zip_of(files, Deflated)])
        .collect()
}

/// A tar of these entries: name, kind, content or target.
fn tar_of(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
            header.set_size(0);
            out.append_link(&mut header, name, content).unwrap();
        } else {
            header.set_size(content.len() as u64);
            out.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
    }
    out.into_inner().unwrap()
}

/// Seeds of [`tar`].
pub fn tars() -> Vec<Vec<u8>> {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let long = "long/".repeat(60) + "name";
    let all = tar_of(&[
        ("p/", Directory, ""),
        ("p/a", Regular, "some text"),
        ("p/b", Link, "p/a"),
        ("p/d/c", Symlink, "../a"),
        (&long, Regular, "x"),
        ("p/long", Symlink, &long),
    ]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&all).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&all).unwrap();
    let mut pax = tar::Builder::new(Vec::new());
    pax.append_pax_extensions([("path", &b"p/other"[..]), ("size", b"4")]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(4);
    header.set_mode(0o644);
    pax.append_data(&mut header, "p/x", &b"text"[..]).unwrap();
    vec![
        all,
        gzip.finish().unwrap(),
        xz.finish().unwrap(),
        pax.into_inner().unwrap(),
        tar_of(&[("a", Regular, "1"), ("b/c", Regular, "2")]),
        tar_of(&[]),
    ]
}

/// Seeds of [`deb`].
pub fn debs() -> Vec<Vec<u8>> {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let control = tar_of(&[("./control", Regular, "Package: x\nVersion: 1\nArchitecture: all\n")]);
    let data = tar_of(&[
        ("./usr/", Directory, ""),
        ("./usr/bin/run", Regular, "#!/bin/sh\n"),
        ("./usr/bin/again", Link, "./usr/bin/run"),
        ("./bin/sh", Symlink, "/usr/bin/run"),
        ("./usr/share/x/y", Symlink, "../../bin/run"),
        ("./usr/share/z", Symlink, "x"),
        ("./usr/lib/x86_64-linux-gnu/libx.so", Symlink, "libx.so.1"),
        ("./usr/lib/x86_64-linux-gnu/libx.so.1", Regular, "\x7fELF"),
    ]);
    let links = tar_of(&[
        ("./usr/bin/a", Regular, "x"),
        ("./share/a/b/c", Symlink, "../../../usr/bin"),
        ("./usr/share/a/b/c/l", Symlink, "../../../../../lib/x"),
        ("./usr/lib/x", Regular, "x"),
    ]);
    [data, links]
        .map(|data| {
            ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)])
        })
        .into()
}

/// An ar archive (ar(5), common format).
fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let size = content.len();
        out.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).bytes(),
        );
        out.extend(*content);
        if size % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

/// Seeds of [`wheel`].
pub fn wheels() -> Vec<Vec<u8>> {
    let made = |more: &[(&str, &str)]| {
        let mut files: Vec<(&str, u32, Vec<u8>)> = vec![
            ("demo/__init__.py", 0o100_644, b"x = 1\n".to_vec()),
            (
                "demo-1.0.dist-info/METADATA",
                0o100_644,
                b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n".to_vec(),
            ),
            (
                "demo-1.0.dist-info/WHEEL",
                0o100_644,
                b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_vec(),
            ),
        ];
        files.extend(more.iter().map(|(name, text)| (*name, 0o100_644, text.as_bytes().to_vec())));
        let mut rows: Vec<_> = files
            .iter()
            .map(|(name, _, content)| {
                let sum = Sha256::digest(content).into();
                python::wheel::record::Row::of((*name).to_owned(), &sum, content.len() as u64)
            })
            .collect();
        rows.push(python::wheel::record::Row::own("demo-1.0.dist-info/RECORD".to_owned()));
        let record = python::wheel::record::format(&mut rows).into_bytes();
        files.push(("demo-1.0.dist-info/RECORD", 0o100_644, record));
        let files: Vec<File<'_>> =
            files.iter().map(|(name, mode, text)| (*name, *mode, &text[..])).collect();
        zip_of(&files, zip::CompressionMethod::Stored)
    };
    vec![
        made(&[]),
        made(&[("demo-1.0.dist-info/entry_points.txt", "[console_scripts]\ndemo = demo:main\n")]),
        made(&[
            ("demo-1.0.data/scripts/run", "#!python\n"),
            ("demo-1.0.data/data/share/x", "x"),
            ("demo-1.0.data/platlib/other.py", "y = 2\n"),
            ("demo-1.0.data/headers/demo.h", "h"),
        ]),
        made(&[
            ("demo/__pycache__/__init__.cpython-311.pyc", "x"),
            ("demo/__init__.pyc", "x"),
            ("demo-1.0.data/data/lib/python3.11/site-packages/more.py", "x = 1\n"),
            ("demo-1.0.data/data/lib/python3.11/site-packages/more.pyc", "x"),
            ("demo-1.0.data/purelib/__pycache__/more.cpython-311.pyc", "x"),
        ]),
    ]
}
